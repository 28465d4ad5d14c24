"""The store agrees with LlamaIndex's `SimpleVectorStore` on random operations."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.core.vector_stores.types import (
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)
from strategies import FLAT, METADATA, node, vector

from altiplano.llama_index import AltiplanoVectorStore

NAMES = [f"n{at}" for at in range(8)]
DOCS = ["d0", "d1", "None", None]
SOME_NAMES = st.none() | st.lists(st.sampled_from([*NAMES, "unknown"]), max_size=4)


class SameAsSimple(RuleBasedStateMachine):
    """Runs each operation on both stores and compares what they say."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = str(Path(self.folder.name) / "agent.alt")
        self.ours = AltiplanoVectorStore(self.path)
        self.theirs = SimpleVectorStore()
        self.seed = 0

    def teardown(self) -> None:
        self.ours.close()
        self.folder.cleanup()

    def filtered(self, filters: MetadataFilters | None) -> bool:
        """Returns true if `SimpleVectorStore` can answer these filters."""
        query = VectorStoreQuery(vector(0), similarity_top_k=99, filters=filters)
        try:
            self.theirs.query(query)
        except (TypeError, ValueError):
            return False
        return True

    @rule(
        rows=st.lists(
            st.tuples(st.sampled_from(NAMES), METADATA, st.sampled_from(DOCS)),
            min_size=1,
            max_size=5,
        )
    )
    def add(self, rows: list[tuple[str, dict[str, object], str | None]]) -> None:
        nodes = []
        for name, metadata, doc in rows:
            self.seed += 1
            nodes.append(node(name, metadata, self.seed, doc))
        assert self.ours.add(nodes) == self.theirs.add(nodes)

    @rule(doc=st.sampled_from(["d0", "d1", "None", "unknown"]))
    def delete(self, doc: str) -> None:
        self.ours.delete(doc)
        self.theirs.delete(doc)
        self.same_nodes()

    @rule(names=SOME_NAMES, filters=st.none() | FLAT)
    def delete_nodes(self, names: list[str] | None, filters: MetadataFilters | None) -> None:
        if self.filtered(filters):
            self.ours.delete_nodes(names, filters)
            self.theirs.delete_nodes(names, filters)
            self.same_nodes()

    @rule()
    def clear(self) -> None:
        self.ours.clear()
        self.theirs.clear()

    @rule()
    def reopen(self) -> None:
        self.ours.close()
        self.ours = AltiplanoVectorStore(self.path)
        self.same_nodes()

    @rule()
    def compact(self) -> None:
        self.ours.client.compact()

    @rule(
        seed=st.integers(10_000, 10_050),
        k=st.integers(1, 9),
        names=SOME_NAMES,
        filters=st.none() | FLAT,
    )
    def query(
        self, seed: int, k: int, names: list[str] | None, filters: MetadataFilters | None
    ) -> None:
        if not self.filtered(filters):
            return
        # An empty list means all nodes to a store with texts, and none to `SimpleVectorStore`.
        names = names or None
        query = VectorStoreQuery(vector(seed), similarity_top_k=k, node_ids=names, filters=filters)
        ours, theirs = self.ours.query(query), self.theirs.query(query)
        assert ours.ids == theirs.ids
        assert ours.similarities == pytest.approx(theirs.similarities, abs=1e-5)
        assert [one.node_id for one in ours.nodes or []] == ours.ids

    @rule(
        seed=st.integers(10_000, 10_050),
        k=st.integers(1, 9),
        threshold=st.none() | st.floats(0.1, 1.0),
        filters=st.none() | FLAT,
    )
    def diverse(
        self, seed: int, k: int, threshold: float | None, filters: MetadataFilters | None
    ) -> None:
        if not self.filtered(filters):
            return
        query = VectorStoreQuery(
            vector(seed), similarity_top_k=k, filters=filters, mode=VectorStoreQueryMode.MMR
        )
        ours = self.ours.query(query, mmr_threshold=threshold)
        theirs = self.theirs.query(query, mmr_threshold=threshold)
        assert ours.ids == theirs.ids
        assert ours.similarities == pytest.approx(theirs.similarities, abs=1e-5)

    @precondition(lambda self: self.theirs.data.embedding_dict)
    @rule(data=st.data())
    def embedding(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.theirs.data.embedding_dict)))
        assert self.ours.get(name) == pytest.approx(self.theirs.get(name), rel=1e-6)

    def same_nodes(self) -> None:
        found = {one.node_id: one.ref_doc_id or "None" for one in self.ours.get_nodes()}
        assert found == self.theirs.data.text_id_to_ref_doc_id


TestSameAsSimple = SameAsSimple.TestCase


def test_mmr_chooses_as_llama_index_does_among_many(vector_store: AltiplanoVectorStore) -> None:
    theirs = SimpleVectorStore()
    nodes = [node(f"n{at}", {}, at) for at in range(200)]
    vector_store.add(nodes)
    theirs.add(nodes)
    query = VectorStoreQuery(vector(1000), similarity_top_k=50, mode=VectorStoreQueryMode.MMR)
    ours = vector_store.query(query, mmr_threshold=0.3)
    assert ours.ids == theirs.query(query, mmr_threshold=0.3).ids
    # The choice is not the plain ranking.
    plain = vector_store.query(VectorStoreQuery(vector(1000), similarity_top_k=50))
    assert ours.ids != plain.ids
    assert all(a >= b for a, b in pairwise(plain.similarities or []))
