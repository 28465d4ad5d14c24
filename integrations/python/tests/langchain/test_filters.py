"""Filters: each operator by hand, and all of them against an oracle."""

import random
from datetime import datetime, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document

import oracle
from altiplano import Filter, field
from altiplano.langchain import AltiplanoVectorStore

DOCUMENTS = {
    "tea": {"year": 2020, "topic": "drinks", "tags": ["hot", "green"], "by": {"name": "Ada"}},
    "ice": {"year": 2021.5, "topic": "food", "tags": [], "x.y": True},
    "oak": {"topic": None, "tags": "hot iron", "at": "2024-05-01T00:00:00Z"},
    "ink": {},
}


@pytest.fixture
def filled(store):
    store.add_texts(list(DOCUMENTS), list(DOCUMENTS.values()), ids=list(DOCUMENTS))
    return store


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ({"year": 2020}, "tea"),
        ({"year": 2020.0}, "tea"),
        ({"year": {"$eq": 2021.5}}, "ice"),
        ({"year": {"$ne": 2020}}, "ice"),
        ({"year": {"$lt": 2021}}, "tea"),
        ({"year": {"$lte": 2020}}, "tea"),
        ({"year": {"$gt": 2020}}, "ice"),
        ({"year": {"$gte": 2020, "$lt": 2022}}, "tea ice"),
        ({"topic": {"$in": ["food", "music"]}}, "ice"),
        ({"topic": {"$in": []}}, ""),
        ({"topic": {"$nin": ["food"]}}, "tea oak"),
        ({"topic": None}, "oak"),
        ({"topic": {"$exists": True}}, "tea ice oak"),
        ({"topic": {"$exists": False}}, "ink"),
        ({"tags": {"$contains": "hot"}}, "tea oak"),
        ({"tags[*]": "green"}, "tea"),
        ({"tags[0]": "hot"}, "tea"),
        ({"by.name": "Ada"}, "tea"),
        ({'["x.y"]': True}, "ice"),
        ({"topic": {"$starts_with": "dri"}}, "tea"),
        ({"$and": [{"topic": "drinks"}, {"year": 2020}]}, "tea"),
        ({"$or": [{"topic": "food"}, {"topic": "drinks"}]}, "tea ice"),
        ({"$not": {"topic": "drinks"}}, "ice oak ink"),
        ({"$not": [{"topic": "drinks"}, {"topic": "food"}]}, "oak ink"),
        ({"topic": {"$not": {"$in": ["food", "drinks"]}}}, "oak ink"),
        ({"year": {"gte": 2021}}, "ice"),
        ({"topic": "food", "year": 2020}, ""),
        ({}, "tea ice oak ink"),
        (field("year") > 2020, "ice"),
        (~field("year").exists() & Filter.all(), "oak ink"),
        ({"$or": [field("year") > 2020, {"topic": None}]}, "ice oak"),
        ({"at": {"$gte": datetime(2024, 4, 1, tzinfo=timezone.utc)}}, "oak"),
        (lambda document: document.page_content.startswith("i"), "ice ink"),
    ],
)
def test_each_operator(filled, filter, expected):
    found = filled.similarity_search("tea ice oak ink", k=10, filter=filter)
    assert {document.id for document in found} == set(expected.split())
    found = filled.max_marginal_relevance_search("tea ice oak ink", k=10, filter=filter)
    assert {document.id for document in found} == set(expected.split())


@pytest.mark.parametrize(
    ("filter", "error"),
    [
        ({"year": {"$near": 3}}, ValueError),
        ({"year": {}}, ValueError),
        ({"$nor": [{"year": 1}]}, ValueError),
        ({"$or": []}, ValueError),
        ({"year": {"$lt": None}}, ValueError),
        ({"a..b": 1}, ValueError),
        ({"year": {"$gt": 1, "gt": 2}}, ValueError),
        ({1: 2}, TypeError),
        ({"$and": {"year": 1}}, TypeError),
        ({"year": {"$in": "abc"}}, TypeError),
        ({"year": object()}, TypeError),
        ("year = 1", TypeError),
    ],
)
def test_what_is_no_filter_is_refused(filled, filter, error):
    with pytest.raises(error):
        filled.similarity_search("tea", filter=filter)


def test_a_filter_that_is_nested_too_deep_is_refused(filled):
    deep = {"year": 1}
    for _ in range(5000):
        deep = {"$not": deep}
    with pytest.raises(ValueError, match="nested"):
        filled.similarity_search("tea", filter=deep)


def test_a_slip_in_the_name_of_the_filter_is_refused(filled):
    with pytest.raises(TypeError):
        filled.similarity_search("tea", filters={"year": 1})
    with pytest.raises(TypeError):
        filled.delete(filters={"year": 1})
    assert filled.count() == 4


def test_documents_are_deleted_and_counted_by_a_filter(filled):
    assert filled.count({"year": {"$gt": 2020}}) == 1
    assert filled.delete(filter={"tags": {"$contains": "hot"}}) is True
    assert filled.count() == 2
    with pytest.raises(TypeError, match="function"):
        filled.delete(filter=lambda document: True)
    assert filled.count() == 2


# Values of all types, with some that are nearly equal.
SCALARS = [None, True, False, 0, 1, -1, 1.5, 2**53, 2**53 + 1, float(2**53), 1e300, -0.0]
SCALARS += ["", "a", "ab", "b", "é", "1", "true", "😀"]
PATHS = ["a", "b", "n.x", "n", "tags", "tags[*]", "tags[0]", "tags[*].x", '["x.y"]', "missing"]
ROWS = 400


def some_metadata(rng):
    def scalar():
        return rng.choice(SCALARS)

    def value():
        kind = rng.random()
        if kind < 0.7:
            return scalar()
        if kind < 0.85:
            return [scalar() for _ in range(rng.randrange(4))]
        return {"x": scalar()} if kind < 0.95 else {}

    made = {name: value() for name in ("a", "b", "x.y") if rng.random() < 0.7}
    if rng.random() < 0.6:
        made["n"] = rng.choice([{"x": value()}, {"x": value(), "y": 1}, scalar()])
    if rng.random() < 0.6:
        made["tags"] = [rng.choice([scalar(), {"x": scalar()}]) for _ in range(rng.randrange(4))]
    return made


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Documents in segments and in memory, some of them replaced and deleted."""
    rng, vectors = random.Random(5), np.random.default_rng(5).standard_normal((ROWS * 2, 8))
    rows = {f"r{at}": some_metadata(rng) for at in range(ROWS)}
    path = tmp_path_factory.mktemp("many") / "agent.alt"
    with AltiplanoVectorStore(None, path) as store:
        ids = list(rows)
        store.add_embeddings(vectors[:ROWS], [some_metadata(rng) for _ in ids], ids=ids)
        store.add_embeddings(vectors[ROWS : ROWS + 200], list(rows.values())[:200], ids=ids[:200])
        store.store.compact()
        store.add_embeddings(vectors[ROWS + 200 :], list(rows.values())[200:], ids=ids[200:])
        # Some have a zero vector, which no search ranks.
        store.add_embeddings(np.zeros((20, 8)), list(rows.values())[:20], ids=ids[:20])
        store.delete(ids[-50:])
        yield store, {id: rows[id] for id in ids[:-50]}


scalars = st.sampled_from(SCALARS)
comparable = st.sampled_from([one for one in SCALARS if oracle.kind(one) in ("number", "text")])
operators = st.one_of(
    st.tuples(st.sampled_from(["$eq", "$ne", "$contains"]), scalars),
    st.tuples(st.sampled_from(["$lt", "$lte", "$gt", "$gte"]), comparable),
    st.tuples(st.sampled_from(["$in", "$nin"]), st.lists(scalars, max_size=4)),
    st.tuples(st.just("$exists"), st.booleans()),
    st.tuples(st.just("$starts_with"), st.sampled_from(["", "a", "t", "é"])),
)
tests = st.lists(operators, min_size=1, max_size=2).map(dict)
tests = st.one_of(scalars, tests, tests.map(lambda tests: {"$not": tests}))
fields = st.dictionaries(st.sampled_from(PATHS), tests, min_size=1, max_size=2)
filters = st.recursive(
    fields,
    lambda part: st.one_of(
        st.fixed_dictionaries({"$and": st.lists(part, max_size=3)}),
        st.fixed_dictionaries({"$or": st.lists(part, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"$not": part}),
        st.fixed_dictionaries({"$not": st.lists(part, min_size=1, max_size=2)}),
    ),
    max_leaves=6,
)


@given(filter=filters)
def test_filters_mean_what_the_oracle_says(many, filter):
    store, rows = many
    expected = {id for id, metadata in rows.items() if oracle.matches(metadata, filter)}
    assert set(store._collection.get(where=filter)["ids"]) == expected
    assert store.count(filter) == len(expected)
    found = store.similarity_search_with_score_by_vector([1.0] * 8, k=ROWS, filter=filter)
    zero = {f"r{at}" for at in range(20)}
    assert {document.id for document, _ in found} == expected - zero
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True)


metadata = st.dictionaries(
    st.sampled_from(["a", "b", "x.y", "n", "tags", "t a", 'q"\\', ""]),
    st.recursive(
        st.one_of(scalars, st.text(max_size=5), st.integers(-(2**63), 2**64 - 1), st.floats(
            allow_nan=False, allow_infinity=False)),
        lambda value: st.one_of(
            st.lists(value, max_size=3), st.dictionaries(st.text(max_size=3), value, max_size=3)
        ),
        max_leaves=5,
    ),
)


@given(metadata=metadata, text=st.text(max_size=20), filter=filters)
def test_documents_come_back_as_they_went_in(shared, metadata, text, filter):
    store = shared
    document = Document(id="d", page_content=text, metadata=metadata)
    store.add_embeddings([[1.0, 0.5]], [metadata], ids=["d"], texts=[text])
    [back] = store.get_by_ids(["d"])
    assert back == document
    assert list(back.metadata) == list(metadata)
    assert repr(back.metadata) == repr(metadata)
    assert store.count(filter) == oracle.matches(metadata, filter)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    path = tmp_path_factory.mktemp("shared") / "agent.alt"
    with AltiplanoVectorStore(None, path, durability="buffered:1000ms") as store:
        yield store
