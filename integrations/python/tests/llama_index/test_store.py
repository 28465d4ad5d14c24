"""What the vector store does in LlamaIndex: indexes, modes, nodes of every kind, reopening."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import pickle
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.llms import MockLLM
from llama_index.core.schema import (
    ImageNode,
    IndexNode,
    MetadataMode,
    Node,
    NodeRelationship,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.vector_stores.types import (
    ExactMatchFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)
from strategies import node, vector

import altiplano
from altiplano.llama_index import AltiplanoVectorStore


class WordEmbedding(BaseEmbedding):
    """Embeds a text as the sum of one random vector for each word."""

    def _embed(self, text: str) -> list[float]:
        total = np.zeros(32)
        for word in text.lower().split():
            seed = int.from_bytes(hashlib.sha256(word.strip(".?!").encode()).digest()[:4], "big")
            total += np.random.default_rng(seed).normal(size=32)
        return [float(one) for one in total]

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._embed(text)

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._embed(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._embed(query)


FACTS = ["Ada likes green tea", "Bob rides a red bicycle", "Cleo reads about volcanoes"]


def index_of(store: AltiplanoVectorStore) -> VectorStoreIndex:
    return VectorStoreIndex.from_vector_store(store, embed_model=WordEmbedding())


def facts() -> list[Document]:
    names = ["ada", "bob", "cleo"]
    return [
        Document(text=text, id_=name, metadata={"person": name})
        for name, text in zip(names, FACTS, strict=True)
    ]


def test_an_index_answers_filters_deletes_and_is_there_after_reopening(path: str) -> None:
    store = AltiplanoVectorStore(path)
    index = VectorStoreIndex.from_documents(
        facts(),
        storage_context=StorageContext.from_defaults(vector_store=store),
        embed_model=WordEmbedding(),
    )
    found = index.as_retriever(similarity_top_k=1).retrieve("who likes tea?")
    assert found[0].get_content() == FACTS[0]
    assert found[0].node.ref_doc_id == "ada"
    answer = index.as_query_engine(llm=MockLLM(), similarity_top_k=1).query("likes tea")
    assert FACTS[0] in str(answer)

    store.close()
    index = index_of(AltiplanoVectorStore(path))
    only = MetadataFilters(filters=[ExactMatchFilter(key="person", value="bob")])
    found = index.as_retriever(similarity_top_k=3, filters=only).retrieve("likes tea")
    assert [one.get_content() for one in found] == [FACTS[1]]
    found = index.as_retriever(similarity_top_k=3, doc_ids=["cleo"]).retrieve("likes tea")
    assert [one.get_content() for one in found] == [FACTS[2]]

    index.delete_ref_doc("ada")
    found = index.as_retriever(similarity_top_k=3).retrieve("likes tea")
    assert {one.get_content() for one in found} == set(FACTS[1:])
    index.vector_store.close()


def test_words_find_what_vectors_do_not(vector_store: AltiplanoVectorStore) -> None:
    texts = {"a": "error E1234 in the pump", "b": "the pump is loud", "c": "lunch at noon"}
    same = vector(1)
    vector_store.add(
        [TextNode(id_=name, text=text, embedding=same) for name, text in texts.items()]
    )

    def found(mode: VectorStoreQueryMode, **kwargs: Any) -> list[str]:
        query = VectorStoreQuery(
            query_embedding=same, query_str="E1234 pump", similarity_top_k=2, mode=mode, **kwargs
        )
        return list(vector_store.query(query).ids or [])

    assert found(VectorStoreQueryMode.TEXT_SEARCH) == ["a", "b"]
    assert found(VectorStoreQueryMode.SPARSE) == ["a", "b"]
    assert found(VectorStoreQueryMode.HYBRID, alpha=0.5) == ["a", "b"]
    assert found(VectorStoreQueryMode.HYBRID, hybrid_top_k=1) == ["a"]


def test_alpha_weighs_the_vector(vector_store: AltiplanoVectorStore) -> None:
    vector_store.add(
        [
            TextNode(id_="word", text="volcano", embedding=vector(1)),
            TextNode(id_="near", text="lunch", embedding=vector(2)),
        ]
    )

    def first(alpha: float) -> str:
        query = VectorStoreQuery(
            query_embedding=vector(2),
            query_str="volcano",
            similarity_top_k=1,
            mode=VectorStoreQueryMode.HYBRID,
            alpha=alpha,
        )
        return str((vector_store.query(query).ids or [])[0])

    assert first(1.0) == "near"
    assert first(0.0) == "word"


def test_what_a_mode_needs_is_said(vector_store: AltiplanoVectorStore) -> None:
    vector_store.add([node("a", {}, 1)])
    with pytest.raises(ValueError, match=r"(svm|SVM) is not offered"):
        vector_store.query(VectorStoreQuery(vector(1), mode=VectorStoreQueryMode.SVM))
    with pytest.raises(ValueError, match="needs query_embedding"):
        vector_store.query(VectorStoreQuery(query_str="a"))
    with pytest.raises(ValueError, match="needs query_str"):
        vector_store.query(VectorStoreQuery(vector(1), mode=VectorStoreQueryMode.TEXT_SEARCH))
    with pytest.raises(ValueError, match="store is missing"):
        AltiplanoVectorStore()


@pytest.mark.parametrize(
    "given",
    [
        TextNode(id_="n", text="grüße", metadata={"z": 1, "a": [1.0, None], "n": {"x": True}}),
        TextNode(id_="n", text="", excluded_embed_metadata_keys=["z"], metadata={"z": "1"}),
        IndexNode(id_="n", text="see", index_id="other"),
        ImageNode(id_="n", text="cat", image_url="file:cat.png"),
        Document(id_="n", text="whole", metadata={"b": 1, "a": 2}),
        Node(id_="n", metadata={"k": "v"}),
    ],
    ids=["text", "empty", "index", "image", "document", "node"],
)
def test_a_node_comes_back_as_it_was(vector_store: AltiplanoVectorStore, given: Any) -> None:
    given.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id="doc")
    given.embedding = vector(1)
    vector_store.add([given])
    (found,) = vector_store.get_nodes(["n"])
    assert found.metadata == given.metadata
    assert list(found.metadata) == list(given.metadata)
    assert found.ref_doc_id == "doc"
    for mode in MetadataMode:
        assert found.get_content(mode) == given.get_content(mode)
    if not isinstance(given, Document):
        assert type(found) is type(given)


def test_ids_of_any_length_are_kept_apart(vector_store: AltiplanoVectorStore) -> None:
    names = ["", "x" * 5000, "x" * 5001, "ä", "00000000-0000-0000-0000-000000000001"]
    vector_store.add([node(name, {"at": at}, at) for at, name in enumerate(names)])
    for at, name in enumerate(names):
        (found,) = vector_store.get_nodes([name])
        assert (found.node_id, found.metadata["at"]) == (name, at)


def test_namespaces_of_a_collection_do_not_see_each_other(path: str) -> None:
    ada, bob = (AltiplanoVectorStore(path, namespace=name) for name in ("ada", "bob"))
    ada.add([node("same", {"of": "ada"}, 1)])
    bob.add([node("same", {"of": "bob"}, 1)])
    assert [one.metadata["of"] for one in ada.get_nodes()] == ["ada"]
    query = VectorStoreQuery(vector(1), similarity_top_k=9, node_ids=["same"])
    assert len(bob.query(query).ids or []) == 1
    ada.clear()
    assert ada.get_nodes() == []
    assert [one.metadata["of"] for one in bob.get_nodes(["same"])] == ["bob"]
    ada.close()
    assert not bob.client.closed
    bob.close()


def test_expired_nodes_are_gone(tmp_path: Path) -> None:
    clock = altiplano.ManualClock(datetime(2026, 1, 1, tzinfo=timezone.utc))
    with altiplano.Store(tmp_path / "agent.alt", clock=clock) as opened:
        store = AltiplanoVectorStore(opened, ttl=60)
        store.add([node("soon", {}, 1)])
        store.add([node("later", {}, 2)], ttl=3600)
        store.add([node("never", {}, 3)], ttl=None)
        clock.advance(61)
        assert [one.node_id for one in store.get_nodes()] == ["later", "never"]
        found = store.query(VectorStoreQuery(vector(1), similarity_top_k=9))
        assert sorted(found.ids or []) == ["later", "never"]
        clock.advance(3600)
        assert [one.node_id for one in store.get_nodes()] == ["never"]
        store.close()
        assert not opened.closed


def test_clear_forgets_the_dimension(vector_store: AltiplanoVectorStore) -> None:
    vector_store.add([node("a", {}, 1)])
    with pytest.raises(altiplano.errors.DimensionError):
        vector_store.add([TextNode(id_="b", text="b", embedding=[1.0, 0.0])])
    vector_store.clear()
    vector_store.add([TextNode(id_="b", text="b", embedding=[1.0, 0.0])])
    assert [one.node_id for one in vector_store.get_nodes()] == ["b"]


def test_a_vector_of_zeros_is_refused(vector_store: AltiplanoVectorStore) -> None:
    with pytest.raises(ValueError):
        vector_store.add([TextNode(id_="z", text="z", embedding=[0.0] * 6)])
    assert vector_store.get_nodes() == []


@pytest.mark.parametrize(
    ("metric", "similarity"), [("cosine", 0.6), ("dot", 6.0), ("l2", 1 / (1 + 89))]
)
def test_the_similarity_is_that_of_the_metric(path: str, metric: str, similarity: float) -> None:
    store = AltiplanoVectorStore(path, metric=metric)
    rows = {"a": [6.0, 8.0]} | ({} if metric == "cosine" else {"zero": [0.0, 0.0]})
    store.add([TextNode(id_=name, text=name, embedding=row) for name, row in rows.items()])
    found = store.query(VectorStoreQuery([1.0, 0.0], similarity_top_k=2))
    by_id = dict(zip(found.ids or [], found.similarities or [], strict=True))
    assert by_id["a"] == pytest.approx(similarity)
    diverse = VectorStoreQuery([1.0, 0.0], similarity_top_k=2, mode=VectorStoreQueryMode.MMR)
    assert set(store.query(diverse).ids or []) == set(rows)
    store.close()


def test_a_large_add_is_complete(path: str) -> None:
    store = AltiplanoVectorStore(path)
    nodes = [node(f"n{at}", {"at": at}, at) for at in range(3000)]
    for one in nodes:
        one.text = "x" * 4000
    store.add(nodes)
    store.close()
    store = AltiplanoVectorStore(path)
    assert [one.node_id for one in store.get_nodes()] == [one.node_id for one in nodes]
    store.close()


def test_async_calls_run_side_by_side(vector_store: AltiplanoVectorStore) -> None:
    async def one(at: int) -> list[str]:
        await vector_store.async_add([node(f"n{at}", {"at": at}, at)])
        query = VectorStoreQuery(vector(at), similarity_top_k=1)
        return list((await vector_store.aquery(query)).ids or [])

    async def main() -> None:
        answers = await asyncio.gather(*(one(at) for at in range(50)))
        assert answers == [[f"n{at}"] for at in range(50)]
        assert len(await vector_store.aget_nodes()) == 50
        await vector_store.adelete_nodes(["n0"])
        await vector_store.adelete("None")
        assert await vector_store.aget_nodes() == []
        await vector_store.async_add([node("a", {}, 1)])
        await vector_store.aclear()
        assert await vector_store.aget_nodes() == []

    asyncio.run(main())


def test_an_index_answers_async_with_mock_models(vector_store: AltiplanoVectorStore) -> None:
    index = VectorStoreIndex.from_vector_store(vector_store, embed_model=MockEmbedding(embed_dim=4))
    index.insert(Document(text="Ada likes tea", id_="ada"))
    engine = index.as_query_engine(llm=MockLLM(), use_async=True)
    assert "Ada likes tea" in str(asyncio.run(engine.aquery("tea?")))


def test_a_copy_uses_the_same_store(path: str) -> None:
    store = AltiplanoVectorStore(path, ttl=3600)
    store.add([node("a", {}, 1)])
    for made in (copy.deepcopy(store), pickle.loads(pickle.dumps(store))):
        assert [one.node_id for one in made.get_nodes()] == ["a"]
        assert made.client is store.client
        assert made.ttl == 3600
    store.close()


def test_persisting_a_storage_context_keeps_the_nodes(path: str, tmp_path: Path) -> None:
    store = AltiplanoVectorStore(path)
    context = StorageContext.from_defaults(vector_store=store)
    VectorStoreIndex.from_documents(facts(), storage_context=context, embed_model=WordEmbedding())
    context.persist(str(tmp_path / "context"))
    saved = store.to_dict()
    assert saved["class_name"] == "AltiplanoVectorStore"
    store.close()
    again = AltiplanoVectorStore.from_dict(saved)
    assert len(again.get_nodes()) == 3
    again.close()
