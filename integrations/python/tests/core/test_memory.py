"""Memories, ids and patches as values."""

from __future__ import annotations

import pickle
import uuid
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from altiplano import Batch, Collection, ManualClock, Memory, MemoryId, Patch, errors

AT = datetime(2025, 5, 4, 3, 2, 1, 987_000, tzinfo=timezone.utc)


def full() -> Memory:
    memory = Memory(
        np.array([0.1, 0.2, 0.3, 0.4]),
        key="key", text="tëxt", data=b"\0\xff", metadata={"b": {"c": [1, 2.5, "x", None, True]}},
        namespace="user/1", session="s", kind="turn", tags=["x", "y"], importance=0.25,
        pinned=True, created_at=AT, event_time=AT - timedelta(days=1),
        valid_from=AT - timedelta(days=2), valid_to=AT + timedelta(days=365),
        expires_at=AT + timedelta(days=3650), superseded_by=9, derived_from=[7, 8], tokens=12,
    )
    memory.uses, memory.last_used = 3, AT.replace(microsecond=0)
    return memory


def test_every_attribute_comes_back(notes: Collection) -> None:
    memory = full()
    assert notes.insert(memory) == "inserted"
    back = notes[memory.id]
    assert back == memory
    assert back.vector.dtype == np.float32
    assert back.vector.tolist() == np.array([0.1, 0.2, 0.3, 0.4], np.float32).tolist()
    assert (back.key, back.text, back.data) == ("key", "tëxt", b"\0\xff")
    assert back.metadata == {"b": {"c": [1, 2.5, "x", None, True]}}
    assert (back.namespace, back.session, back.kind) == ("user/1", "s", "turn")
    assert back.tags == ["x", "y"] and back.importance == 0.25 and back.pinned
    assert back.created_at == AT and back.event_time == AT - timedelta(days=1)
    assert back.valid_from == AT - timedelta(days=2)
    assert back.valid_to == AT + timedelta(days=365)
    assert back.expires_at == AT + timedelta(days=3650)
    assert back.superseded_by == MemoryId(9)
    assert back.derived_from == [MemoryId(7), MemoryId(8)]
    assert back.tokens == 12 and back.uses == 3 and back.last_used == AT.replace(microsecond=0)
    assert back.seq is not None and back.version is not None and back.stored_bytes


def test_memories_are_pickled_and_exported() -> None:
    memory = full()
    assert pickle.loads(pickle.dumps(memory)) == memory
    assert Memory.from_dict(memory.to_dict()) == memory
    assert pickle.loads(pickle.dumps(memory.id)) == memory.id
    with pytest.raises(ValueError, match="no memory"):
        Memory.from_dict({"id": 1})


def test_attributes_are_assigned(notes: Collection) -> None:
    memory = Memory([1, 2, 3, 4])
    other = full()
    names = (
        "vector text data key namespace session kind tags metadata importance pinned created_at "
        "event_time valid_from valid_to expires_at superseded_by derived_from tokens uses last_used"
    )
    for name in names.split():
        setattr(memory, name, getattr(other, name))
    assert {**memory.to_dict(), "id": 0} == {**other.to_dict(), "id": 0}
    memory.expires_at = None
    notes.insert(memory)
    assert notes[memory.id].expires_at is None
    with pytest.raises(AttributeError):
        memory.seq = 1  # type: ignore[misc]


@pytest.mark.parametrize("year", [1, 1900, 1969, 1970, 2025, 2262, 2398, 9999])
def test_times_of_every_year_keep_their_milliseconds(year: int) -> None:
    for millis in range(0, 1000, 7):
        at = datetime(year, 3, 1, 23, 59, 59, millis * 1000, tzinfo=timezone.utc)
        memory = Memory([1], event_time=at)
        assert memory.event_time == at


def test_ids_have_many_forms() -> None:
    number = uuid.UUID("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")
    id = MemoryId(number)
    assert id == MemoryId(str(number)) == MemoryId(number.int) == MemoryId(str(number.int))
    assert id.uuid == number and int(id) == number.int and str(id) == str(number)
    assert len({id, MemoryId(number)}) == 1
    assert MemoryId(1) < MemoryId(2) and MemoryId(2) >= MemoryId(2) and id != 7
    assert MemoryId.unique() != MemoryId.unique()
    assert MemoryId(np.int64(7)) == MemoryId(7)
    for wrong in (-1, 2**128, "key", 1.5, None, b"1"):
        with pytest.raises((TypeError, ValueError)):
            MemoryId(wrong)  # type: ignore[arg-type]


def test_a_key_makes_the_id(notes: Collection) -> None:
    memory = Memory([1, 1, 1, 1], key="a")
    assert memory.id == MemoryId.from_key("a") == Memory([2, 2, 2, 2], key="a").id
    memory.namespace = "u"
    assert memory.id == MemoryId.from_key("a", namespace="u")
    assert notes.scope("one").insert(Memory([1, 1, 1, 1], key="a")) == "inserted"
    # The same key in two namespaces are two memories.
    assert notes.scope("two").insert(Memory([1, 1, 1, 1], key="a")) == "inserted"
    assert notes.scope("two").insert(Memory([1, 1, 1, 1], key="a")) == "replaced"
    assert len(notes) == 2
    batch = Batch().insert(Memory([1, 1, 1, 1], key="b"))
    notes.scope("two").apply(batch)
    assert notes.scope("two").get_by_key("b") is not None
    ids = notes.scope("two").add(np.ones((2, 4)), keys=["c", None])
    assert ids[0] == MemoryId.from_key("c", namespace="two")


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"vector": "text"}, TypeError),
        ({"vector": [[1, 2]]}, TypeError),
        ({"vector": [1], "created_at": datetime(2026, 1, 1)}, ValueError),
        ({"vector": [1], "created_at": "today"}, TypeError),
        ({"vector": [1], "metadata": {"a": float("nan")}}, ValueError),
        ({"vector": [1], "metadata": {1: 2}}, TypeError),
        ({"vector": [1], "metadata": {"a": object()}}, TypeError),
        ({"vector": [1], "metadata": {"a": 2**70}}, ValueError),
        ({"vector": [1], "tags": "abc"}, ValueError),
        ({"vector": [1], "ttl": 5, "expires_at": AT}, ValueError),
        ({"vector": [1], "ttl": -5}, ValueError),
        ({"vector": [1], "ttl": float("inf")}, ValueError),
        ({"vector": [1], "id": "not an id"}, ValueError),
        ({"vector": [1], "wrong": 1}, TypeError),
    ],
)
def test_bad_values_are_refused(arguments: dict[str, object], kind: type[Exception]) -> None:
    with pytest.raises(kind):
        Memory(**arguments)  # type: ignore[arg-type]


def test_deep_metadata_does_not_end_the_process() -> None:
    value: object = 1
    for _ in range(100_000):
        value = [value]
    with pytest.raises(ValueError, match="deep"):
        Memory([1], metadata={"a": value})


def test_metadata_takes_scalars_of_numpy_and_keeps_its_order() -> None:
    metadata = {"z": np.float32(0.5), "a": np.int64(3), "m": np.array([1, 2]), "t": (1, 2)}
    back = Memory([1], metadata=metadata).metadata
    assert back == {"z": 0.5, "a": 3, "m": [1, 2], "t": [1, 2]}
    assert back is not None and list(back) == ["z", "a", "m", "t"]


def test_the_store_refuses_what_it_cannot_hold(notes: Collection, store: object) -> None:
    with pytest.raises(errors.DimensionError) as dimension:
        notes.insert(Memory([1, 2]))
    assert (dimension.value.expected, dimension.value.got) == (4, 2)
    with pytest.raises(errors.InvalidVectorError):
        notes.insert(Memory([1, 2, float("nan"), 4]))
    with pytest.raises(errors.LimitExceededError) as limit:
        notes.insert(Memory([1, 2, 3, 4], key="k" * 2000))
    assert limit.value.limit == 1024
    with pytest.raises(ValueError, match="2 vectors and 1 texts"):
        notes.add(np.ones((2, 4)), texts=["a"])
    assert len(notes) == 0


def test_a_patch_changes_what_it_names(notes: Collection, clock: ManualClock) -> None:
    memory = full()
    notes.insert(memory)
    assert notes.patch(memory.id, text=None, add_tags=["z"], remove_tags=["x"]) == "updated"
    assert notes.patch(memory.id, Patch(fields={"b.d": [1, 2], "e": "f"})) == "updated"
    assert notes.patch(memory.id, remove_fields=["b.c"], valid=(None, None)) == "updated"
    back = notes[memory.id]
    assert back.text is None and back.tags == ["y", "z"]
    assert back.metadata == {"b": {"d": [1, 2]}, "e": "f"}
    assert back.valid_from is None and back.vector.tolist() == memory.vector.tolist()
    version = back.version
    assert version is not None
    assert notes.patch(memory.id, importance=0.75, if_version=version) == "updated"
    assert notes.patch(memory.id, text="x", if_version=version) == "conflict"
    assert notes.patch(12345, text="x") == "missing"
    assert notes[memory.id].importance == 0.75
    for wrong in ({"wrong": 1}, {"tags": "abc"}, {"fields": 7}, {}):
        with pytest.raises((TypeError, ValueError)):
            notes.patch(memory.id, **wrong)
    with pytest.raises(TypeError):
        notes.patch(memory.id, Patch(text="x"), text="y")
    assert Patch(text="x") == Patch(text="x") != Patch(text="y")
