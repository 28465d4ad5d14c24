"""Lifetimes: what expires, when, and what reading does about it."""

from datetime import timedelta
from typing import Any

import pytest
from langgraph_support import Make

from altiplano import ManualClock
from altiplano.langgraph import AltiplanoStore

INSTANT = timedelta(milliseconds=1)
MINUTE = timedelta(minutes=1)
NS = ("users", "ada")


def answers(store: AltiplanoStore, *, query: str | None = None) -> dict[str, Any]:
    """Asks in every way, without a refresh."""
    return {
        "get": store.get(NS, "k", refresh_ttl=False),
        "list": store.search(NS, refresh_ttl=False),
        "above": store.search(("users",), filter={"text": "tea"}, refresh_ttl=False),
        "query": store.search(NS, query=query or "tea", refresh_ttl=False),
        "namespaces": store.list_namespaces(),
    }


@pytest.mark.parametrize("indexed", [True, False])
def test_an_expired_item_is_in_no_answer_from_the_instant_on(
    make: Make, clock: ManualClock, index: dict[str, Any], indexed: bool
) -> None:
    store = make(index=index if indexed else None)
    store.put(NS, "k", {"text": "tea"}, ttl=1)
    clock.advance(MINUTE - INSTANT)
    assert all(answers(store).values())
    clock.advance(INSTANT)
    assert not any(answers(store).values())


def test_pages_are_cut_from_live_items_only(make: Make, clock: ManualClock) -> None:
    store = make()
    for at in range(20):
        store.put(NS, f"k{at:02}", {"at": at}, ttl=1 if at % 2 else None)
        clock.advance(INSTANT)
    clock.advance(MINUTE)
    live = [f"k{at:02}" for at in range(18, -1, -2)]
    assert [item.key for item in store.search(NS, limit=5)] == live[:5]
    assert [item.key for item in store.search(NS, limit=5, offset=5)] == live[5:]
    assert store.search(NS, limit=5, offset=10) == []


def test_reading_starts_the_lifetime_anew(
    make: Make, clock: ManualClock, index: dict[str, Any]
) -> None:
    store = make(index=index, ttl={"default_ttl": 2})
    store.put(NS, "k", {"text": "tea"})
    for read in (
        lambda: store.get(NS, "k"),
        lambda: store.search(NS),
        lambda: store.search(NS, query="tea"),
        lambda: store.search(NS, filter={"text": "tea"}),
    ):
        clock.advance(MINUTE * 1.5)
        assert read(), "it was read within two minutes"
    clock.advance(MINUTE * 2)
    assert not any(answers(store).values())


def test_only_what_a_search_returns_is_refreshed(make: Make, clock: ManualClock) -> None:
    store = make(ttl={"default_ttl": 2})
    store.put(NS, "old", {"n": 1})
    clock.advance(INSTANT)
    store.put(NS, "new", {"n": 2})
    clock.advance(MINUTE)
    assert [item.key for item in store.search(NS, limit=1)] == ["new"]
    clock.advance(MINUTE)
    assert store.get(NS, "old") is None
    assert store.get(NS, "new") is not None


def test_reading_refreshes_as_the_configuration_and_the_call_say(
    make: Make, clock: ManualClock
) -> None:
    never = make(ttl={"default_ttl": 2, "refresh_on_read": False})
    never.put(NS, "k", {})
    never.put(NS, "asked", {})
    clock.advance(MINUTE)
    assert never.get(NS, "k") is not None
    assert never.get(NS, "asked", refresh_ttl=True) is not None
    clock.advance(MINUTE)
    assert never.get(NS, "k") is None
    assert never.get(NS, "asked") is not None


def test_an_item_without_a_ttl_lives_on_when_it_is_read(make: Make, clock: ManualClock) -> None:
    store = make(ttl={"default_ttl": 2})
    store.put(NS, "k", {}, ttl=None)
    assert store.get(NS, "k") is not None
    clock.advance(timedelta(days=9999))
    assert store.get(NS, "k") is not None


def test_a_write_sets_the_lifetime_anew(make: Make, clock: ManualClock) -> None:
    store = make()
    store.put(NS, "longer", {}, ttl=1)
    store.put(NS, "forever", {}, ttl=1)
    store.put(NS, "shorter", {})
    store.put(NS, "longer", {}, ttl=10)
    store.put(NS, "forever", {})
    store.put(NS, "shorter", {}, ttl=1)
    clock.advance(MINUTE * 2)
    assert {item.key for item in store.search(NS)} == {"longer", "forever"}


def test_a_refresh_revives_nothing(make: Make, clock: ManualClock, index: dict[str, Any]) -> None:
    store = make(index=index, ttl={"default_ttl": 1})
    store.put(NS, "k", {"text": "tea"})
    row = store.store["langgraph-vectors"].get(
        store.store["langgraph-vectors"].list().memories[0].id
    )
    assert row is not None
    clock.advance(MINUTE)
    assert store.get(NS, "k", refresh_ttl=True) is None
    assert store.search(NS, refresh_ttl=True) == []
    assert store.store["langgraph-vectors"].get(row.id) is None
    store.put(NS, "k", {"text": "tea"})
    found = store.get(NS, "k")
    assert found is not None and found.created_at == found.updated_at, "it is a new item"


def test_all_vectors_of_an_item_live_and_expire_with_it(
    make: Make, clock: ManualClock, index: dict[str, Any]
) -> None:
    store = make(index={**index, "fields": ["notes[*]"]}, ttl={"default_ttl": 2})
    store.put(NS, "k", {"notes": ["green tea", "black coffee", "plain water"]})
    clock.advance(MINUTE * 1.5)
    assert store.get(NS, "k") is not None
    clock.advance(MINUTE * 1.5)
    for query in ("green tea", "black coffee", "plain water"):
        best = store.search(NS, query=query, refresh_ttl=False)[0]
        assert best.score == pytest.approx(1.0, abs=1e-3)
    clock.advance(MINUTE * 0.5)
    assert store.search(NS, query="black coffee") == []
    assert len(store.store["langgraph-vectors"]) == 0


def test_a_sweep_reports_what_has_expired(make: Make, clock: ManualClock) -> None:
    store = make()
    for at in range(3):
        store.put(NS, f"k{at}", {}, ttl=1)
    assert store.sweep_ttl() == 0
    clock.advance(MINUTE)
    assert store.sweep_ttl() == 3


@pytest.mark.parametrize("ttl", [0, -1, float("nan")])
def test_a_ttl_that_is_over_at_once_is_refused(make: Make, ttl: float) -> None:
    store = make()
    with pytest.raises(ValueError, match="ttl"):
        store.put(NS, "k", {}, ttl=ttl)
    assert store.get(NS, "k") is None


def test_an_infinite_ttl_is_none(make: Make, clock: ManualClock) -> None:
    store = make()
    store.put(NS, "k", {}, ttl=float("inf"))
    clock.advance(timedelta(days=9999))
    assert store.get(NS, "k") is not None


def test_the_sweeper_starts_and_stops(make: Make) -> None:
    store = make(ttl={"default_ttl": 1, "sweep_interval_minutes": 1})
    future = store.start_ttl_sweeper()
    assert store.start_ttl_sweeper() is future
    assert store.stop_ttl_sweeper(timeout=10)
    assert future.done()
    again = store.start_ttl_sweeper()
    assert again.cancel()
    assert store.stop_ttl_sweeper(timeout=10)
    assert make().start_ttl_sweeper().done(), "without lifetimes there is nothing to start"
