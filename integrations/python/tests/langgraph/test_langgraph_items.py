"""Items: what is kept of them, and what becomes of them."""

import sys
from collections import UserDict
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from langgraph_support import DIMS, Make
from langgraph.store.base import GetOp, InvalidNamespaceError, PutOp, SearchOp

from altiplano import ManualClock, Store
from altiplano.langgraph import AltiplanoStore

NS = ("users", "ada")
TICK = timedelta(milliseconds=1)


def test_a_value_comes_back_as_it_was(make: Make, index: dict[str, Any]) -> None:
    value = {
        "text": "tea",
        "z": 1,
        "a": [1, 2.5, None, True, "ü"],
        "deep": {"b.c": {"": [{}]}},
        "big": 2**63,
        "small": -(2**63),
        "": 0.1 + 0.2,
    }
    for store in (make(), make(index=index)):
        store.put(NS, "k", value)
        found = store.get(NS, "k")
        assert found is not None
        assert found.value == value
        assert list(found.value) == list(value)
        found.value["text"] = "changed"
        assert store.search(NS)[0].value == value


def test_mappings_are_values_too(make: Make) -> None:
    store = make()
    store.put(NS, "k", UserDict({"a": (1, 2)}))
    assert store.search(NS)[0].value == {"a": [1, 2]}


@pytest.mark.parametrize(
    "value", [{"x": float("nan")}, {"x": 2**64}, {"x": {1, 2}}, {1: "x"}, {"x": object()}]
)
def test_a_value_that_is_no_json_is_refused_and_nothing_is_written(
    make: Make, value: dict[Any, Any]
) -> None:
    store = make()
    with pytest.raises((ValueError, TypeError)):
        store.batch([PutOp(NS, "good", {"x": 1}), PutOp(NS, "bad", value)])
    assert store.search(()) == []


def test_the_time_of_creation_stays_and_the_last_updated_comes_first(
    make: Make, clock: ManualClock
) -> None:
    store = make()
    first = store.store.now()
    store.put(NS, "a", {"v": 1})
    clock.advance(TICK)
    store.put(NS, "b", {"v": 1})
    assert [item.key for item in store.search(NS)] == ["b", "a"]
    clock.advance(TICK)
    store.put(NS, "a", {"v": 2})
    assert [item.key for item in store.search(NS)] == ["a", "b"]
    item = store.get(NS, "a")
    assert item is not None
    assert (item.created_at, item.updated_at) == (first, first + 2 * TICK)


def test_items_with_and_without_vectors_are_listed_in_one_order(
    make: Make, clock: ManualClock, index: dict[str, Any]
) -> None:
    store = make(index=index)
    for at in range(40):
        store.put(NS, f"k{at:02}", {"text": "tea"}, index=None if at % 3 else False)
        clock.advance(TICK)
    keys = [f"k{at:02}" for at in range(39, -1, -1)]
    assert [item.key for item in store.search(NS, limit=100)] == keys
    pages = [store.search(NS, limit=7, offset=at) for at in range(0, 42, 7)]
    assert [item.key for page in pages for item in page] == keys


def test_an_item_moves_when_its_index_changes(make: Make, index: dict[str, Any]) -> None:
    store = make(index={**index, "fields": ["notes[*]"]})
    notes = ["green tea", "black coffee", "plain water"]

    def scores(query: str) -> list[float | None]:
        return [item.score for item in store.search(NS, query=query)]

    def rows() -> tuple[int, int]:
        return len(store.store["langgraph-vectors"]), len(store.store["langgraph"])

    store.put(NS, "k", {"notes": notes})
    assert scores("plain water") == pytest.approx([1.0], abs=1e-3)
    assert rows() == (3, 0)
    store.put(NS, "k", {"notes": notes[:1]})
    assert scores("green tea") == pytest.approx([1.0], abs=1e-3)
    assert rows() == (1, 0)
    store.put(NS, "k", {"notes": notes}, index=False)
    assert scores("green tea") == [None]
    assert rows() == (0, 1)
    store.put(NS, "k", {"notes": notes[:2]})
    assert rows() == (2, 0)
    store.put(NS, "k", {"notes": []})
    assert rows() == (0, 1)
    store.delete(NS, "k")
    assert rows() == (0, 0)
    assert store.get(NS, "k") is None


def test_deleting_removes_all_vectors(make: Make, index: dict[str, Any]) -> None:
    store = make(index={**index, "fields": ["notes[*]"]})
    store.put(NS, "k", {"notes": ["green tea", "black coffee"]})
    store.delete(NS, "k")
    assert store.search(NS, query="black coffee") == []
    assert len(store.store["langgraph-vectors"]) == 0
    store.delete(NS, "k")


@pytest.mark.parametrize("key", ["", "k" * 5000, "sha256-" + "0" * 64, "a/b", "ключ", "\n", "a.b"])
def test_every_text_is_a_key(make: Make, key: str) -> None:
    store = make()
    store.put(NS, key, {"v": 1})
    store.put(NS, key + "2", {"v": 2})
    found = store.get(NS, key)
    assert found is not None and (found.key, found.value) == (key, {"v": 1})
    assert {item.key for item in store.search(NS)} == {key, key + "2"}


@pytest.mark.parametrize(
    "labels", [("a/b", "c"), ("a", "b/c"), ("a%2Fb", "c"), ("%", "%25"), ("/",), ("ä", "*", "_")]
)
def test_every_label_is_taken_literally(make: Make, labels: tuple[str, ...]) -> None:
    store = make()
    others = [("a", "b", "c"), ("a",), ("A", "B/c"), ("x",)]
    for namespace in [labels, *others]:
        store.put(namespace, "k", {"in": list(namespace)})
    found = store.get(labels, "k")
    assert found is not None and found.value == {"in": list(labels)}
    assert found.namespace == labels
    assert labels in store.list_namespaces()
    below = {item.namespace for item in store.search(labels, limit=100)}
    assert below == {ns for ns in [labels, *others] if ns[: len(labels)] == labels}


def test_a_batch_reads_first_and_the_last_write_counts(make: Make) -> None:
    store = make()
    store.put(NS, "k", {"v": 0})
    results = store.batch(
        [
            PutOp(NS, "k", {"v": 1}),
            GetOp(NS, "k"),
            PutOp(NS, "k", {"v": 2}),
            PutOp(NS, "new", {"v": 3}),
            SearchOp(NS),
            PutOp(NS, "new", None),
        ]
    )
    assert results[0] is None and results[1].value == {"v": 0}  # type: ignore[union-attr]
    assert [item.value for item in results[4]] == [{"v": 0}]  # type: ignore[union-attr]
    assert [item.value for item in store.search(NS)] == [{"v": 2}]


def test_an_empty_namespace_is_refused(make: Make) -> None:
    store = make()
    with pytest.raises(InvalidNamespaceError):
        store.batch([PutOp(("a",), "k", {}), PutOp((), "k", {})])
    assert store.batch([GetOp((), "k"), SearchOp(())]) == [None, []]


def test_items_are_there_after_reopening(path: Path, index: dict[str, Any]) -> None:
    index = {**index, "fields": ["notes[*]"]}
    with AltiplanoStore.from_conn_string(path, index=index) as store:
        store.setup()
        store.put(NS, "many", {"notes": ["green tea", "black coffee"]}, ttl=1000)
        store.put(NS, "plain", {"x": 1}, index=False)
        before = store.search(NS)
    with AltiplanoStore.from_conn_string(path, index=index) as store:
        assert store.search(NS) == before
        assert store.search(NS, query="black coffee", limit=1)[0].key == "many"
        assert len(store.search(NS, query="coffee tea", limit=10)) == 2
    # Without an index, the items with vectors are still items.
    with AltiplanoStore.from_conn_string(path) as store:
        assert store.search(NS) == before
        store.put(NS, "many", {"x": 2})
        store.delete(NS, "plain")
        assert [item.value for item in store.search(NS)] == [{"x": 2}]


def test_a_store_that_is_open_can_hold_several(path: Path, index: dict[str, Any]) -> None:
    with Store(path) as opened:
        facts = AltiplanoStore(opened, collection="facts", index=index)
        notes = AltiplanoStore(opened, collection="notes")
        same = AltiplanoStore(opened, collection="facts", index=index)
        facts.put(NS, "k", {"text": "tea"})
        assert notes.get(NS, "k") is None
        assert same.get(NS, "k") == facts.get(NS, "k")
        facts.close()
        assert not opened.closed
        assert opened["facts-vectors"].dimension == DIMS


def test_a_store_in_memory_leaves_nothing(index: dict[str, Any]) -> None:
    with AltiplanoStore.from_conn_string(":memory:", index=index) as store:
        store.put(NS, "k", {"text": "tea"})
        folder = Path(store.store.path).parent
        assert folder.exists()
    del store
    assert not folder.exists() or sys.implementation.name != "cpython"


def test_a_wrong_index_is_refused(path: Path, index: dict[str, Any]) -> None:
    for wrong in ({"dims": 3}, {"embed": index["embed"]}, {**index, "distance_type": "l2"}):
        with pytest.raises(ValueError):
            AltiplanoStore(path, index=wrong)  # type: ignore[arg-type]
    # And the path is free again.
    AltiplanoStore(path, index=index).close()  # type: ignore[arg-type]
