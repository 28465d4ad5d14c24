"""The storage agrees with CrewAI's own `LanceDBStorage` and `QdrantEdgeStorage`.

Where the two are at odds with CrewAI's protocol, the machine does not ask. LanceDB takes `/a` as
the start of `/ab`, deletes the records of the root with those of every scope, ignores `older_than`
beside a scope, ranks records without an embedding, and stores a record twice if it is saved twice.
Qdrant Edge goes on to find the old copy of a record that was changed after its file was closed.
"""

from __future__ import annotations

import tempfile
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from crewai.memory.storage.backend import EmbeddingDimensionMismatchError
from crewai.memory.storage.lancedb_storage import LanceDBStorage
from crewai.memory.storage.qdrant_edge_storage import QdrantEdgeStorage
from crewai.memory.types import MemoryRecord
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from altiplano.crewai import AltiplanoStorage

START = datetime(2026, 1, 1, 12)
SCOPES = ["/aa", "/aa/xx", "/bb", "/bb/xx", "/bb/yy/zz", "/"]
ASKED = st.none() | st.sampled_from([*SCOPES, "/cc", "/bb/yy", "/aa/", "/bb/yy/zz/"])
CATEGORIES = st.lists(st.sampled_from(["food", "work", "it's"]), max_size=2, unique=True)
VALUES = (
    st.none()
    | st.booleans()
    | st.integers(0, 2)
    | st.sampled_from([0.5, 1.0, "a", "", ["a"], {"k": 1}])
)
METADATA = st.dictionaries(st.sampled_from(["k", "x.y", 'q"']), VALUES, max_size=2)


def vector(seed: int) -> list[float]:
    """Returns a unit vector without negative numbers, so that every cosine is positive."""
    drawn = np.abs(np.random.default_rng(seed).normal(size=4))
    return [float(one) for one in (drawn / np.linalg.norm(drawn)).astype(np.float32)]


class SameAsTheirs(RuleBasedStateMachine):
    """Runs each operation on both backends and compares what they say."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.made = 0
        self.records: dict[str, MemoryRecord] = {}
        self.ours = AltiplanoStorage(Path(self.folder.name) / "crew.alt")
        self.theirs = self.open_theirs(Path(self.folder.name) / "theirs")

    def open_theirs(self, path: Path) -> Any:
        raise NotImplementedError

    def close_theirs(self) -> None:
        """Does nothing for a backend that has nothing to close."""

    def forget_copies(self, name: str) -> None:
        """Does nothing for a backend that has one copy of a record."""

    def cosine(self, score: float) -> float:
        raise NotImplementedError

    def agrees_on_delete(self, wanted: dict[str, Any]) -> bool:
        raise NotImplementedError

    def teardown(self) -> None:
        self.ours.close()
        self.close_theirs()
        self.folder.cleanup()

    def record(self, draw: tuple[Any, ...], name: str | None = None) -> MemoryRecord:
        scope, categories, metadata, embedded, private = draw
        self.made += 1
        made = MemoryRecord(
            id=name or str(uuid.UUID(int=self.made)),
            content=f"record {self.made}",
            scope=scope,
            categories=categories,
            metadata=metadata,
            importance=(self.made % 11) / 10,
            # Several records are of the same millisecond.
            created_at=START + timedelta(microseconds=(self.made * 7919) % 5000),
            last_accessed=START,
            embedding=vector(self.made) if embedded else None,
            source="me" if private else None,
            private=private,
        )
        self.records[made.id] = made
        return made

    drawn = st.tuples(st.sampled_from(SCOPES), CATEGORIES, METADATA, st.booleans(), st.booleans())

    @initialize()
    def first(self) -> None:
        made = self.record(("/aa", ["food"], {"k": 1}, True, False))
        self.ours.save([made])
        self.theirs.save([made])

    @rule(draws=st.lists(drawn, min_size=1, max_size=4))
    def save(self, draws: list[tuple[Any, ...]]) -> None:
        made = [self.record(draw) for draw in draws]
        self.ours.save(made)
        self.theirs.save(made)

    @rule(draw=drawn, data=st.data())
    def update(self, draw: tuple[Any, ...], data: st.DataObject) -> None:
        if self.records:
            made = self.record(draw, data.draw(st.sampled_from(sorted(self.records))))
            self.ours.update(made)
            self.forget_copies(made.id)
            self.theirs.update(made)

    @rule(data=st.data())
    def delete_ids(self, data: st.DataObject) -> None:
        names = data.draw(
            st.lists(st.sampled_from([*sorted(self.records), "unknown"]), min_size=1, max_size=3)
        )
        self.same_delete({"record_ids": list(dict.fromkeys(names))})

    @rule(
        scope=ASKED,
        categories=CATEGORIES,
        fields=METADATA,
        after=st.none() | st.integers(0, 5000),
    )
    def delete(
        self, scope: str | None, categories: list[str], fields: dict[str, Any], after: int | None
    ) -> None:
        wanted: dict[str, Any] = {"scope_prefix": scope}
        wanted["categories"] = categories or None
        wanted["metadata_filter"] = fields or None
        if after is not None:
            wanted["older_than"] = START + timedelta(microseconds=after)
        if any(one is not None for one in wanted.values()) and self.agrees_on_delete(wanted):
            self.same_delete(wanted)

    def same_delete(self, wanted: dict[str, Any]) -> None:
        assert self.ours.delete(**wanted) == self.theirs.delete(**wanted)
        left = {one.id for one in self.theirs.list_records(limit=1000)}
        self.records = {name: one for name, one in self.records.items() if name in left}

    @rule(scope=ASKED)
    def reset(self, scope: str | None) -> None:
        if scope is None or not scope.strip("/"):
            self.ours.reset()
            self.theirs.reset()
            self.records = {}
            self.first()
            return
        self.ours.reset(scope.rstrip("/"))
        self.theirs.reset(scope.rstrip("/"))
        left = {one.id for one in self.theirs.list_records(limit=1000)}
        self.records = {name: one for name, one in self.records.items() if name in left}

    @rule(data=st.data())
    def touch(self, data: st.DataObject) -> None:
        if self.records:
            names = data.draw(st.lists(st.sampled_from(sorted(self.records)), max_size=2))
            self.ours.touch_records(names)
            self.theirs.touch_records(names)
            for name in names:
                for one in (self.ours.get_record(name), self.theirs.get_record(name)):
                    assert one is not None
                    assert one.last_accessed > START + timedelta(days=1)

    @rule()
    def reopen(self) -> None:
        self.ours.close()
        self.close_theirs()
        self.ours = AltiplanoStorage(Path(self.folder.name) / "crew.alt")
        self.theirs = self.open_theirs(Path(self.folder.name) / "theirs")

    @rule()
    def compact(self) -> None:
        self.ours.client.compact()

    @rule(
        seed=st.integers(10_000, 10_020),
        scope=ASKED,
        categories=CATEGORIES,
        fields=METADATA,
        limit=st.integers(1, 6),
        least=st.sampled_from([0.0, 0.5, 0.9]),
    )
    def search(
        self,
        seed: int,
        scope: str | None,
        categories: list[str],
        fields: dict[str, Any],
        limit: int,
        least: float,
    ) -> None:
        asked: dict[str, Any] = {
            "scope_prefix": scope,
            "categories": categories or None,
            "metadata_filter": fields or None,
        }
        ours = self.ours.search(vector(seed), **asked, limit=limit, min_score=least)
        found = self.theirs.search(vector(seed), **asked, limit=500)
        embedded = [
            (one, self.cosine(score)) for one, score in found if self.records[one.id].embedding
        ]
        theirs = [(one, score) for one, score in embedded if score >= least][:limit]
        assert [one.id for one, _ in ours] == [one.id for one, _ in theirs]
        assert [one for _, one in ours] == pytest.approx([one for _, one in theirs], abs=1e-5)
        for one, _ in ours:
            assert one.embedding == pytest.approx(self.records[one.id].embedding)

    @rule(scope=ASKED, limit=st.integers(0, 5), offset=st.integers(-1, 5))
    def list_records(self, scope: str | None, limit: int, offset: int) -> None:
        if limit > 0 and offset >= 0:
            theirs = self.theirs.list_records(scope, 1000, 0)[offset : offset + limit]
            # Records of the same microsecond have no order.
            ours = self.ours.list_records(scope, limit, offset)
            assert [one.created_at for one in ours] == [one.created_at for one in theirs]
        else:
            assert self.ours.list_records(scope, limit, offset) == []

    @rule(scope=ASKED)
    def describe(self, scope: str | None) -> None:
        assert self.ours.count(scope) == self.theirs.count(scope)
        assert self.ours.list_categories(scope) == self.theirs.list_categories(scope)
        if scope is not None:
            assert self.ours.list_scopes(scope) == self.theirs.list_scopes(scope)
            assert self.ours.get_scope_info(scope) == self.theirs.get_scope_info(scope)

    @rule()
    def dimension(self) -> None:
        if not self.records:
            return
        other = MemoryRecord(content="other", embedding=[1.0, 0.0])
        for storage in (self.ours, self.theirs):
            with pytest.raises(EmbeddingDimensionMismatchError):
                storage.save([other])
            with pytest.raises(EmbeddingDimensionMismatchError):
                storage.search([1.0, 0.0])

    @invariant()
    def same_records(self) -> None:
        assert self.ours.count() == len(self.records)
        for name, made in self.records.items():
            found = self.ours.get_record(name)
            assert found is not None
            same = {"last_accessed", "embedding"}
            assert found.model_dump(exclude=same) == made.model_dump(exclude=same)
            assert found.embedding == (made.embedding and pytest.approx(made.embedding))
        assert self.ours.get_record("unknown") is None


class LanceDB(SameAsTheirs):
    """Compares with LanceDB, whose score is `1 / (1 + squared distance)`."""

    def open_theirs(self, path: Path) -> Any:
        return LanceDBStorage(path, compact_every=0)

    def cosine(self, score: float) -> float:
        return 1.0 - (1.0 / score - 1.0) / 2.0

    def agrees_on_delete(self, wanted: dict[str, Any]) -> bool:
        if wanted["categories"] or wanted["metadata_filter"]:
            return True
        scoped = bool((wanted["scope_prefix"] or "").strip("/"))
        roots = any(one.scope == "/" for one in self.records.values())
        return not (scoped and (roots or "older_than" in wanted))


class QdrantEdge(SameAsTheirs):
    """Compares with Qdrant Edge, whose score is the cosine."""

    def open_theirs(self, path: Path) -> Any:
        # Without the dimension it takes 3,072 when it was empty at its last close.
        return QdrantEdgeStorage(path, vector_dim=4)

    def close_theirs(self) -> None:
        self.theirs.close()

    def forget_copies(self, name: str) -> None:
        self.theirs.delete(record_ids=[name])

    def cosine(self, score: float) -> float:
        return score

    def agrees_on_delete(self, wanted: dict[str, Any]) -> bool:
        return True


TestLanceDB = LanceDB.TestCase
TestQdrantEdge = QdrantEdge.TestCase
