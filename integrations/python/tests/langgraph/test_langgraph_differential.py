"""Random operations on our store and on LangGraph's own `InMemoryStore` have the same answers.

What the two define differently is left out: `InMemoryStore` takes `True` for `1`, fails where an
order meets what is no number, lists in the order of insertion, and keeps the names of namespaces
that are empty.
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.store.base import BaseStore, MatchCondition, ListNamespacesOp
from langgraph.store.memory import InMemoryStore
from langgraph_support import DIMS, embed

from altiplano.langgraph import AltiplanoStore
from altiplano.langgraph._filters import compile_filter, matches

LABELS = st.sampled_from(["a", "b", "A", "a/b", "%", "*x"])
NAMESPACES = st.lists(LABELS, min_size=1, max_size=4).map(tuple)
KEYS = st.sampled_from(["k1", "k2", "k/3"])
WORDS = st.lists(st.sampled_from(["tea", "coffee", "green", "x"]), min_size=1, max_size=3)
TEXTS = WORDS.map(" ".join)
# No 0 and 1, which Python takes for bools.
NUMBERS = st.sampled_from([-7, -2, 2, 3, 7, 2.0, 2.5, 1e300, 2**53 + 1, 2**63, -(2**63)])
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, st.sampled_from(["", "2", "tea", "é", "z"]))
FIELDS = st.sampled_from(["f", "g", "h-1", "q\"'\\[0]", ""])
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(FIELDS, inner, max_size=3)
    ),
    max_leaves=5,
)
VALUES = st.fixed_dictionaries(
    {"n": NUMBERS, "text": TEXTS}, optional={"f": JSON, "g": JSON, "h-1": JSON, "f.g": SCALARS}
)

EQUALITY = st.one_of(JSON, st.builds(lambda op, v: {op: v}, st.sampled_from(["$eq", "$ne"]), JSON))
ORDERS = ["$gt", "$gte", "$lt", "$lte"]
BOUNDS = st.one_of(
    NUMBERS, st.sampled_from([float("inf"), float("-inf"), float("nan"), 10**100, -(10**400)])
)
ORDER = st.dictionaries(st.sampled_from(ORDERS), BOUNDS, min_size=1, max_size=2)
FILTERS = st.dictionaries(st.sampled_from(["f", "g", "h-1", "no"]), EQUALITY, max_size=2)
WITH_ORDER = st.tuples(FILTERS, st.none() | ORDER).map(
    lambda pair: pair[0] if pair[1] is None else {**pair[0], "n": pair[1]}
)

PUT = st.tuples(
    st.just("put"),
    NAMESPACES,
    KEYS,
    VALUES,
    st.sampled_from([None, False, ["text"], ["f", "g[*]"]]),
)
OPS = st.lists(
    st.one_of(PUT, PUT, st.tuples(st.just("delete"), NAMESPACES, KEYS)), min_size=1, max_size=12
)
INDEX: Any = {"dims": DIMS, "embed": embed, "fields": ["text"]}


@pytest.fixture(scope="module")
def shared() -> Any:
    with AltiplanoStore.temporary(index=INDEX) as store:
        yield store


def emptied(store: AltiplanoStore) -> AltiplanoStore:
    for item in store.search((), limit=10_000):
        store.delete(item.namespace, item.key)
    return store


def play(ops: list[Any], *stores: BaseStore) -> None:
    for op in ops:
        for store in stores:
            if op[0] == "put":
                store.put(op[1], op[2], op[3], index=op[4])
            else:
                store.delete(op[1], op[2])


def contents(items: list[Any]) -> list[Any]:
    return sorted(((item.namespace, item.key, item.value) for item in items), key=repr)


def in_memory(index: bool = True) -> InMemoryStore:
    return InMemoryStore(index=INDEX if index else None)


@given(ops=OPS, prefix=st.just(()) | NAMESPACES, filter=WITH_ORDER)
def test_listings_agree(shared: Any, ops: list[Any], prefix: Any, filter: Any) -> None:
    ours, theirs = emptied(shared), in_memory()
    play(ops, ours, theirs)
    try:
        expected = theirs.search(prefix, filter=filter, limit=1000)
    except OverflowError:
        return  # It converts bounds to floats.
    found = ours.search(prefix, filter=filter, limit=1000)
    assert contents(found) == contents(expected)
    paged = [
        item
        for at in range(0, len(found) + 2, 2)
        for item in ours.search(prefix, filter=filter, limit=2, offset=at)
    ]
    assert paged == found


@given(ops=OPS, prefix=st.just(()) | NAMESPACES, filter=FILTERS, query=TEXTS)
def test_searches_agree(shared: Any, ops: list[Any], prefix: Any, filter: Any, query: str) -> None:
    ours, theirs = emptied(shared), in_memory()
    for op in ops:
        # `InMemoryStore` keeps the vectors of an item that is written anew.
        play([("delete", *op[1:3]), op], ours, theirs)
    expected = theirs.search(prefix, query=query, filter=filter, limit=1000)
    found = ours.search(prefix, query=query, filter=filter, limit=1000)
    assert contents(found) == contents(expected)
    scores = {(item.namespace, item.key): item.score for item in expected}
    for item in found:
        score = scores[item.namespace, item.key]
        assert item.score == (None if score is None else pytest.approx(score, abs=1e-3))
    ranked = [item.score for item in found if item.score is not None]
    assert ranked == sorted(ranked, reverse=True)
    assert all(item.score is None for item in found[len(ranked) :])


PATHS = st.lists(st.sampled_from(["a", "b", "A", "a/b", "*"]), max_size=3).map(tuple)
CONDITIONS = st.lists(
    st.builds(MatchCondition, st.sampled_from(["prefix", "suffix"]), PATHS), max_size=2
).map(tuple)


@given(
    ops=OPS,
    conditions=CONDITIONS,
    depth=st.none() | st.integers(1, 4),
    limit=st.integers(0, 5),
    offset=st.integers(0, 3),
)
def test_lists_of_namespaces_agree(
    shared: Any, ops: list[Any], conditions: Any, depth: int | None, limit: int, offset: int
) -> None:
    ours, played, theirs = emptied(shared), in_memory(False), in_memory(False)
    play(ops, ours, played)
    for item in played.search((), limit=1000):
        theirs.put(item.namespace, item.key, item.value)
    op = ListNamespacesOp(conditions, depth, limit, offset)
    assert ours.batch([op]) == theirs.batch([op])


# Filters by themselves, where our own definition goes further than theirs.

ANY_ORDER = st.one_of(BOUNDS, st.sampled_from(["", "2", "tea", "é"]))
CONDITION = st.one_of(
    EQUALITY, st.dictionaries(st.sampled_from(ORDERS), ANY_ORDER, min_size=1, max_size=2)
)
ANY_FILTER = st.dictionaries(
    st.sampled_from(["f", "g", "f.g", "f.f", "g.h-1.f", "n", "no"]),
    st.one_of(CONDITION, st.dictionaries(FIELDS, CONDITION, max_size=2)),
    max_size=2,
)


@given(values=st.lists(VALUES, min_size=1, max_size=6), filter=ANY_FILTER)
def test_the_store_filters_as_defined(shared: Any, values: list[Any], filter: Any) -> None:
    store = emptied(shared)
    for at, value in enumerate(values):
        store.put(("a",), str(at), value, index=None if at % 2 else False)
    expected = {str(at) for at, value in enumerate(values) if matches(value, filter)}
    found = store.search(("a",), filter=filter, limit=100)
    assert {item.key for item in found} == expected
    if compile_filter(filter).exact:
        # Then the store alone gives the same answer, without a look at values in Python.
        pushed = compile_filter(filter).pushed
        raw = {
            memory.key
            for name in ("langgraph", "langgraph-vectors")
            for memory in shared.store[name].list(
                filter=None if isinstance(pushed, bool) else pushed, limit=100
            )
        }
        assert (raw if pushed is not False else set()) == expected


def test_a_bool_is_no_number(shared: Any) -> None:
    store = emptied(shared)
    for key, value in (("true", True), ("one", 1), ("float", 1.0), ("text", "1"), ("null", None)):
        store.put(("a",), key, {"v": value})

    def keys(condition: Any) -> set[str]:
        return {item.key for item in store.search(("a",), filter={"v": condition})}

    assert keys(True) == {"true"}
    assert keys(1) == keys(1.0) == {"one", "float"}
    assert keys({"$ne": 1}) == {"true", "text", "null"}
    assert keys({"$gte": 0}) == {"one", "float"}
    assert keys({"$gte": "0"}) == {"text"}
    assert keys(None) == keys({"$eq": None}) == {"null"}
    assert keys({"$ne": float("nan")}) == {"true", "one", "float", "text", "null"}
    assert keys("\ud800") == set()


def test_lists_and_objects_are_compared_as_wholes(shared: Any) -> None:
    store = emptied(shared)
    values = [
        [],
        [2],
        [2, 3],
        [3, 2],
        [2, 3, 4],
        [[2, 3]],
        {},
        {"x": None},
        {"x": 2, "y": 3},
        2,
        None,
    ]
    for at, value in enumerate(values):
        store.put(("a",), str(at), {"v": value})

    def found(condition: Any) -> list[Any]:
        keys = {item.key for item in store.search(("a",), filter={"v": condition}, limit=100)}
        return [values[int(key)] for key in sorted(keys, key=int)]

    assert found([2, 3]) == [[2, 3]]
    assert found([]) == found({"$eq": []}) == [[]]
    assert found({"$eq": [3, 2]}) == [[3, 2]]
    assert found([{"$gt": 2}, 2]) == [[3, 2]]
    assert found({"$ne": [2, 3]}) == [value for value in values if value != [2, 3]]
    # Without `$eq`, the keys of an object that are named count.
    assert found({}) == found({"x": {"$ne": 7}}) == [{}, {"x": None}, {"x": 2, "y": 3}]
    assert found({"x": 2}) == [{"x": 2, "y": 3}]
    assert found({"x": None}) == [{}, {"x": None}]
    assert found({"$eq": {"x": 2}}) == []
    assert found({"$eq": {"y": 3, "x": 2}}) == [{"x": 2, "y": 3}]


def test_namespaces_match_at_either_end(shared: Any) -> None:
    store = emptied(shared)
    names = [("a",), ("a", "b"), ("a", "b", "c"), ("b", "c"), ("x", "a", "b")]
    for name in names:
        store.put(name, "k", {})
    assert store.list_namespaces() == names
    assert store.list_namespaces(suffix=("b",)) == [("a", "b"), ("x", "a", "b")]
    assert store.list_namespaces(suffix=("a", "b")) == [("a", "b"), ("x", "a", "b")]
    assert store.list_namespaces(suffix=("*", "c")) == [("a", "b", "c"), ("b", "c")]
    assert store.list_namespaces(prefix=("a", "*"), suffix=("c",)) == [("a", "b", "c")]
    assert store.list_namespaces(prefix=("a",), max_depth=2) == [("a",), ("a", "b")]
    assert store.list_namespaces(prefix=("a", "b"), max_depth=1) == [("a",)]
    assert store.list_namespaces(suffix=("c",), max_depth=1, offset=1) == [("b",)]


@pytest.mark.parametrize(
    "filter",
    [{"v": {"$regex": "x"}}, {"v": {"$gt": None}}, {"v": {"$lt": True}}, {"a..b": 1}, {"": 1}],
)
def test_what_has_no_meaning_is_refused(shared: Any, filter: Any) -> None:
    with pytest.raises(ValueError):
        shared.search(("a",), filter=filter)
