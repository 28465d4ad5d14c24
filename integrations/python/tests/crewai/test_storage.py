"""What the storage does beside what CrewAI's own backends do, and in CrewAI's `Memory`."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from crewai.llms.base_llm import BaseLLM
from crewai.memory.storage.backend import EmbeddingDimensionMismatchError, StorageBackend
from crewai.memory.storage.factory import set_memory_storage_factory
from crewai.memory.types import MemoryRecord
from crewai.memory.unified_memory import Memory

import altiplano
from altiplano.crewai import AltiplanoStorage, storage_factory

START = datetime(2026, 1, 1)


class NoModel(BaseLLM):
    """A model that must not be asked."""

    def call(self, *args: Any, **kwargs: Any) -> str:
        raise AssertionError("the model was asked")


def embed(texts: list[str]) -> list[list[float]]:
    """Embeds texts by their words."""
    vectors = []
    for text in texts:
        vector = [0.01] + [0.0] * 63
        for word in text.lower().split():
            vector[zlib.crc32(word.encode()) % 64] += 1.0
        vectors.append(vector)
    return vectors


def record(name: str, at: int = 0, **kwargs: Any) -> MemoryRecord:
    kwargs.setdefault("embedding", [1.0, 0.0])
    return MemoryRecord(
        id=name, content=name, created_at=START + timedelta(microseconds=at), **kwargs
    )


@pytest.fixture
def storage(path: str) -> Iterator[AltiplanoStorage]:
    opened = AltiplanoStorage(path)
    yield opened
    opened.close()


def memory_of(storage: Any) -> Memory:
    return Memory(storage=storage, llm=NoModel(model="none"), embedder=embed)


def remember(memory: Memory, text: str, scope: str = "/crew") -> MemoryRecord:
    made = memory.remember(text, scope=scope, categories=["fact"], metadata={}, importance=0.7)
    assert made is not None
    return made


def test_it_is_a_storage_backend(storage: AltiplanoStorage) -> None:
    assert isinstance(storage, StorageBackend)


def test_a_memory_recalls_updates_forgets_and_lasts(path: str) -> None:
    memory = memory_of(AltiplanoStorage(path))
    tea = remember(memory, "Ada likes green tea", "/crew/ada")
    remember(memory, "Bob rides a red bicycle", "/crew/bob")
    for depth in ("shallow", "deep"):
        found = memory.recall("who likes tea", limit=1, depth=depth)
        assert [one.record.content for one in found] == ["Ada likes green tea"]
    assert memory.recall("who likes tea", scope="/crew/bob", depth="shallow")[0].record.content == (
        "Bob rides a red bicycle"
    )
    memory.update(tea.id, content="Ada likes black coffee")
    memory.close()

    memory = memory_of(AltiplanoStorage(path))
    found = memory.recall("who likes coffee", limit=1, depth="shallow")
    assert [one.record.content for one in found] == ["Ada likes black coffee"]
    assert memory.list_scopes("/crew") == ["/crew/ada", "/crew/bob"]
    assert "/crew/bob (1 records)" in memory.tree()
    assert memory.scope("/crew/bob").recall("bicycle", depth="shallow")
    assert memory.forget(scope="/crew/bob") == 1
    memory.reset()
    assert memory.list_records() == []
    memory.close()
    # A crew may run again after its memory was closed.
    remember(memory, "still here")
    assert len(memory.list_records()) == 1
    memory.close()


def test_the_factory_serves_its_names_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREWAI_STORAGE_DIR", str(tmp_path))
    set_memory_storage_factory(storage_factory())
    try:
        memory = memory_of("altiplano")
        remember(memory, "Ada likes tea")
        assert (tmp_path / "memory" / "altiplano").exists()
        # Two memories of one path share a store.
        twin = memory_of("altiplano")
        assert len(twin.list_records()) == 1
        twin.close()
        assert len(memory.list_records()) == 1
        memory.close()
        other = memory_of(f"altiplano:{tmp_path / 'other.alt'}")
        assert other.list_records() == []
        other.close()
        assert storage_factory()("lancedb") is None
        assert storage_factory()("altiplanox") is None
    finally:
        set_memory_storage_factory(None)


def test_records_without_an_embedding_wait_for_the_dimension(path: str) -> None:
    storage = AltiplanoStorage(path)
    storage.save([record(f"early{at}", at, scope="/a", embedding=None) for at in range(600)])
    assert storage.count() == 600
    assert storage.search([1.0, 0.0]) == []
    storage.save([record("first", 700, scope="/a/b", categories=["x"])])
    storage.save([record("zeros", 701, embedding=[0.0, 0.0])])
    storage.close()
    storage = AltiplanoStorage(path)
    assert storage.client.collection_names() == ["memories"]
    assert storage.count() == 602
    assert storage.count("/a") == 601
    assert [one.id for one in storage.list_records(limit=2)] == ["zeros", "first"]
    assert [one.id for one, _ in storage.search([1.0, 0.0], limit=99)] == ["first"]
    early = storage.get_record("early5")
    assert early is not None
    assert (early.content, early.embedding) == ("early5", None)
    # It gets an embedding later, and loses it again.
    storage.update(record("early5", 5, embedding=[0.9, 0.1]))
    assert len(storage.search([1.0, 0.0], limit=99)) == 2
    storage.update(record("early5", 5, embedding=None))
    assert len(storage.search([1.0, 0.0], limit=99)) == 1
    storage.close()


def test_a_move_that_was_cut_short_goes_on(path: str) -> None:
    storage = AltiplanoStorage(path)
    storage.save([record(f"early{at}", at, embedding=None) for at in range(5)])
    # As after a crash: the collection is there, and nothing has moved.
    storage.client.collection("memories", 2)
    storage.close()
    storage = AltiplanoStorage(path)
    assert storage.count() == 5
    assert storage.client.collection_names() == ["memories"]
    storage.close()


def test_a_batch_is_stored_whole_or_not(storage: AltiplanoStorage) -> None:
    with pytest.raises(EmbeddingDimensionMismatchError):
        storage.save([record("a"), record("b", embedding=[1.0, 0.0, 0.0])])
    assert storage.count() == 0
    storage.save([record("a")])
    with pytest.raises(TypeError):
        storage.save([record("b"), record("c", metadata={"k": object()})])
    assert [one.id for one in storage.list_records()] == ["a"]


def test_a_saved_id_is_replaced(storage: AltiplanoStorage) -> None:
    storage.save([record("a", scope="/x")])
    storage.save([record("a", scope="/y", categories=["new"])])
    assert (storage.count(), storage.count("/x"), storage.count("/y")) == (1, 0, 1)


def test_ids_that_share_eight_bytes_are_kept_apart(storage: AltiplanoStorage) -> None:
    names = ["shared-prefix-1", "shared-prefix-2", "", "x" * 3000, "x" * 3001]
    storage.save([record(name) for name in names])
    assert storage.count() == len(names)
    for name in names:
        found = storage.get_record(name)
        assert found is not None
        assert found.id == name
    assert storage.delete(record_ids=["shared-prefix-1"]) == 1


def test_scopes_end_at_the_border_of_a_label(storage: AltiplanoStorage) -> None:
    scopes = ["/", "/a", "/a/b", "/ab", "/a-b", "a//c/"]
    storage.save([record(f"r{at}", scope=scope) for at, scope in enumerate(scopes)])
    assert storage.count("/a") == 3
    assert storage.list_scopes() == ["/a", "/a-b", "/ab"]
    assert storage.list_scopes("/a") == ["/a/b", "/a/c"]
    assert storage.get_scope_info("/a").child_scopes == ["/a/b", "/a/c"]
    assert storage.delete(scope_prefix="/a") == 3
    assert storage.count() == 3
    storage.reset("/ab")
    assert sorted(one.scope for one in storage.list_records()) == ["/", "/a-b"]


def test_criteria_of_a_delete_hold_together(storage: AltiplanoStorage) -> None:
    storage.save([record(f"r{at}", at, scope="/a" if at % 2 else "/b") for at in range(6)])
    assert storage.delete(record_ids=[]) == 0
    assert storage.delete(scope_prefix="/a", record_ids=["r0", "r1"]) == 1
    assert storage.delete(scope_prefix="/a", older_than=START + timedelta(microseconds=4)) == 1
    assert sorted(one.id for one in storage.list_records()) == ["r0", "r2", "r4", "r5"]
    aware = (START + timedelta(microseconds=3)).replace(tzinfo=timezone.utc)
    assert storage.delete(older_than=aware) == 2
    assert storage.delete() == 2


def test_filters_are_part_of_the_search(storage: AltiplanoStorage) -> None:
    storage.save([record(f"r{at}", embedding=[1.0, at / 1000]) for at in range(200)])
    storage.save([record("far", embedding=[0.5, 1.0], categories=["rare"], metadata={"k": [1]})])
    for asked in ({"categories": ["rare"]}, {"metadata_filter": {"k": [1]}}):
        found = storage.search([1.0, 0.0], limit=1, **asked)  # type: ignore[arg-type]
        assert [one.id for one, _ in found] == ["far"]
    assert storage.search([-1.0, 0.0], limit=5) == []
    assert storage.search([0.0, 0.0], limit=5) == []
    assert storage.delete(metadata_filter={"k": [1]}) == 1


def test_expired_records_are_gone(tmp_path: Path) -> None:
    clock = altiplano.ManualClock(datetime(2026, 1, 1, tzinfo=timezone.utc))
    with altiplano.Store(tmp_path / "crew.alt", clock=clock) as opened:
        storage = AltiplanoStorage(opened, ttl=3600)
        storage.save([record("a", scope="/x", categories=["c"])])
        storage.save([record("b", scope="/x", embedding=None)])
        clock.advance(3601)
        assert storage.count() == 0
        assert storage.list_scopes() == []
        assert storage.list_categories() == {}
        assert storage.search([1.0, 0.0]) == []
        assert storage.get_record("b") is None
        storage.close()
        assert not opened.closed


def test_a_touch_is_seen_at_once_and_kept(path: str) -> None:
    storage = AltiplanoStorage(path)
    storage.save([record("a", last_accessed=START)])
    before = datetime.now(timezone.utc).replace(tzinfo=None, microsecond=0)
    storage.touch_records(["a", "unknown"])
    storage.close()
    storage = AltiplanoStorage(path)
    found = storage.get_record("a")
    assert found is not None
    assert found.last_accessed >= before
    storage.close()


def test_async_calls_run_side_by_side(storage: AltiplanoStorage) -> None:
    async def main() -> None:
        records = [record(f"r{at}", at, embedding=[1.0, float(at)]) for at in range(50)]
        await asyncio.gather(*(storage.asave([one]) for one in records))
        found = await storage.asearch([1.0, 0.0], limit=1)
        assert [one.id for one, _ in found] == ["r0"]
        assert await storage.adelete(record_ids=["r0"]) == 1
        assert storage.count() == 49

    asyncio.run(main())
