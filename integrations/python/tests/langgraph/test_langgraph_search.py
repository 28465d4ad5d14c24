"""Searches by meaning, by words, and with filters."""

from typing import Any

import numpy as np
import pytest
from langgraph_support import DIMS, Make, embed

from altiplano.langgraph import AltiplanoStore

NS = ("docs",)


def keys(store: AltiplanoStore, **how: Any) -> list[str]:
    return [item.key for item in store.search(NS, **how)]


def cosine(a: str, b: str) -> float:
    x, y = (np.array(vector) for vector in embed([a, b]))
    return float(x @ y / np.linalg.norm(x) / np.linalg.norm(y))


def test_scores_are_cosines(make: Make, index: dict[str, Any]) -> None:
    store = make(index=index)
    texts = ["green tea", "black tea", "black coffee", "plain water", "tea tea tea green"]
    for text in texts:
        store.put(NS, text, {"text": text})
    found = store.search(NS, query="green tea")
    assert [item.key for item in found] == sorted(texts, key=lambda t: -cosine(t, "green tea"))
    for item in found:
        assert item.score == pytest.approx(cosine(item.key, "green tea"), abs=1e-3)


def test_each_item_comes_once_however_many_vectors_it_has(
    make: Make, index: dict[str, Any]
) -> None:
    store = make(index={**index, "fields": ["title", "notes[*].text"]})
    for at in range(12):
        notes = [{"text": f"tea {at} {part}"} for part in range(at)]
        store.put(NS, f"k{at:02}", {"title": f"title {at}", "notes": notes})
    everything = keys(store, query="tea 11 3", limit=100)
    assert sorted(everything) == [f"k{at:02}" for at in range(12)]
    assert everything[0] == "k11"
    pages = [keys(store, query="tea 11 3", limit=5, offset=at) for at in (0, 5, 10)]
    assert [key for page in pages for key in page] == everything
    best = store.search(NS, query="tea 11 3", limit=1)[0]
    assert best.score == pytest.approx(1.0, abs=1e-3)
    assert best.value["title"] == "title 11"


def test_a_write_can_say_what_is_indexed(make: Make, index: dict[str, Any]) -> None:
    store = make(index=index)
    store.put(NS, "other", {"text": "x", "name": "green tea"}, index=["name"])
    store.put(NS, "whole", {"text": "y"}, index=["$"])
    store.put(NS, "none", {"text": "green tea"}, index=False)
    found = store.search(NS, query="green tea")
    assert [item.key for item in found] == ["other", "whole", "none"]
    assert found[0].score == pytest.approx(1.0, abs=1e-3)
    assert found[1].score == pytest.approx(cosine('{"text": "y"}', "green tea"), abs=1e-3)
    assert found[2].score is None


def test_items_without_vectors_come_last(make: Make, index: dict[str, Any]) -> None:
    store = make(index=index)
    for at in range(4):
        store.put(NS, f"with{at}", {"text": f"tea {at}", "even": at % 2 == 0})
        store.put(NS, f"without{at}", {"even": at % 2 == 0})
    everything = keys(store, query="tea", limit=100)
    assert [key.startswith("without") for key in everything] == [False] * 4 + [True] * 4
    paged = [key for at in range(0, 9, 3) for key in keys(store, query="tea", limit=3, offset=at)]
    assert paged == everything
    even = keys(store, query="tea", filter={"even": True}, limit=100)
    assert even == [key for key in everything if int(key[-1]) % 2 == 0]


def test_texts_without_a_direction_are_no_vectors(make: Make, index: dict[str, Any]) -> None:
    store = make(index=index)
    store.put(NS, "empty", {"text": " "})
    store.put(NS, "tea", {"text": "tea"})
    found = store.search(NS, query="tea")
    assert [(item.key, item.score is None) for item in found] == [("tea", False), ("empty", True)]
    assert {item.score for item in store.search(NS, query=" ")} == {None}
    assert len(store.search(NS, query="")) == 2


def test_filters_hold_inside_of_a_search(make: Make, index: dict[str, Any]) -> None:
    store = make(index={**index, "fields": ["text", "more[*]"]})
    for at in range(60):
        value = {"text": f"tea {at}", "at": at, "tags": [f"t{at % 7}"], "more": ["extra tea"]}
        store.put(NS, f"k{at:02}", value)
    pushed = keys(store, query="tea", filter={"at": {"$gte": 50}}, limit=5)
    assert len(pushed) == 5 and all(int(key[1:]) >= 50 for key in pushed)
    # A list is compared as a whole, which only Python can do; the page is full all the same.
    tested = keys(store, query="tea", filter={"tags": ["t3"]}, limit=8)
    assert len(tested) == 8 and all(int(key[1:]) % 7 == 3 for key in tested)
    assert (
        keys(store, filter={"tags": ["t3"]}, limit=3, offset=2)
        == keys(store, filter={"tags": ["t3"]}, limit=100)[2:5]
    )


def test_words_count_beside_the_meaning(make: Make, index: dict[str, Any]) -> None:
    store = make(index={**index, "text_index": True, "text_weight": 1.0})
    plain = make(index=index)
    for each in (store, plain):
        each.put(NS, "code", {"text": "error E4711 in the pump"})
        for at in range(30):
            each.put(NS, f"k{at}", {"text": f"the pump number {at}"})
    assert keys(store, query="E4711", limit=1) == ["code"]
    found = store.search(NS, query="pump number 7", limit=3)
    assert found[0].key == "k7"
    scores = [item.score for item in found]
    assert scores == sorted(scores, reverse=True)
    assert keys(store, query="?!", limit=3), "a query without words is searched by its meaning"


def test_words_can_be_all_there_is(make: Make) -> None:
    store = make(index={"text_index": "english", "fields": ["text", "notes[*]"]})
    store.put(NS, "tea", {"text": "drinking green tea", "kind": "drink"})
    store.put(NS, "note", {"notes": ["nothing", "she drinks coffee"], "kind": "drink"})
    store.put(NS, "cake", {"text": "apple cake", "kind": "food"})
    store.put(NS, "off", {"text": "drinks"}, index=False)
    assert set(keys(store, query="drinks")) == {"tea", "note"}
    assert keys(store, query="cakes", filter={"kind": "food"}) == ["cake"]
    assert keys(store, query="drinks", filter={"notes": ["nothing", "she drinks coffee"]}) == [
        "note"
    ]
    assert keys(store, query="absent") == []
    assert len(keys(store)) == 4


def test_limits_and_offsets_beyond_the_end(make: Make, index: dict[str, Any]) -> None:
    store = make(index=index)
    for at in range(3):
        store.put(NS, f"k{at}", {"text": f"tea {at}"})
    for how in ({}, {"query": "tea"}):
        assert keys(store, limit=0, **how) == []
        assert keys(store, offset=3, **how) == []
        assert len(keys(store, limit=10**9, **how)) == 3
        assert len(keys(store, limit=5, offset=2, **how)) == 1


def test_vectors_of_another_length_are_refused(make: Make) -> None:
    store = make(index={"dims": DIMS + 1, "embed": embed})
    with pytest.raises(ValueError):
        store.put(NS, "k", {"text": "tea"})
    assert store.search(NS) == []
