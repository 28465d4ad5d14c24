"""Searches, lists, filters and writes, against what Python computes by itself."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from altiplano import (
    Batch,
    Collection,
    Filter,
    ManualClock,
    Memory,
    MemoryId,
    Store,
    TextQuery,
    errors,
    field,
)
from conftest import START


def distances(metric: str, rows: np.ndarray, query: np.ndarray) -> np.ndarray:
    rows, query = rows.astype(np.float64), query.astype(np.float64)
    if metric == "l2":
        return ((rows - query) ** 2).sum(axis=1)
    if metric == "dot":
        return -(rows @ query)
    norms = np.linalg.norm(rows, axis=1) * np.linalg.norm(query)
    return 1 - (rows @ query) / norms


@pytest.mark.parametrize("metric", ["cosine", "l2", "dot"])
def test_a_search_finds_the_nearest(
    store: Store, random: np.random.Generator, metric: str
) -> None:
    notes = store.collection(metric, 16, metric)  # type: ignore[arg-type]
    rows = random.standard_normal((500, 16), dtype=np.float32)
    ids = notes.add(rows, metadatas=[{"n": n} for n in range(500)])
    queries = random.standard_normal((20, 16), dtype=np.float32)
    many = notes.search_batch(queries, k=10, exact=True)
    for query, together in zip(queries, many, strict=True):
        expected = np.argsort(distances(metric, rows, query), kind="stable")[:10]
        hits = notes.search(query, k=10, exact=True)
        assert [hit.id for hit in hits] == [ids[i] for i in expected]
        assert [hit.id for hit in together] == [hit.id for hit in hits]
        even = notes.search(query, k=5, filter=field("n") < 100, exact=True)
        expected = np.argsort(distances(metric, rows[:100], query), kind="stable")[:5]
        assert [hit.metadata["n"] for hit in even if hit.metadata] == expected.tolist()
    assert notes.vectors(ids).tolist() == rows.tolist()
    assert np.isnan(notes.vectors([ids[0], MemoryId(5)])).all(axis=1).tolist() == [False, True]


def test_arrays_of_any_layout_are_read(notes: Collection) -> None:
    rows = np.arange(32, dtype=np.float64).reshape(4, 8)[:, ::2]
    ids = notes.add(rows)
    assert notes.vectors(ids).tolist() == rows.tolist()
    assert notes.search(rows[2], k=1)[0].id == ids[2]
    assert notes.search(rows[2].tolist(), k=1)[0].distance == 0
    assert notes.add(np.zeros((0, 4))) == [] and notes.add([]) == []
    for wrong in (np.zeros(4), np.zeros((2, 2, 2)), "text", [[1, 2], [3]]):
        with pytest.raises((TypeError, ValueError)):
            notes.add(wrong)  # type: ignore[arg-type]


FILTERS = [
    (field("n") == 3, {"n": 3}, lambda n, s: n == 3),
    (field("n") != 3, {"n": {"$ne": 3}}, lambda n, s: n != 3),
    (field("n") < 3, {"n": {"$lt": 3}}, lambda n, s: n < 3),
    (field("n") <= 3.5, {"n": {"$lte": 3.5}}, lambda n, s: n <= 3.5),
    (field("n") > 3, {"n": {"$gt": 3}}, lambda n, s: n > 3),
    (field("n") >= 3, {"n": {"$gte": 3}}, lambda n, s: n >= 3),
    (field("n").between(2, 5), {"n": {"$gte": 2, "$lte": 5}}, lambda n, s: 2 <= n <= 5),
    (field("s").one_of(["a", "c"]), {"s": {"$in": ["a", "c"]}}, lambda n, s: s in "ac"),
    (field("s").none_of(["a"]), {"s": {"$nin": ["a"]}}, lambda n, s: s != "a"),
    (field("even").exists(), {"even": {"$exists": True}}, lambda n, s: n % 2 == 0),
    (field("even").not_exists(), {"even": {"$exists": False}}, lambda n, s: n % 2 == 1),
    (field("list").contains(5), {"list": {"$contains": 5}}, lambda n, s: n in (4, 5)),
    (field("s").starts_with("b"), {"s": {"$starts_with": "b"}}, lambda n, s: s == "b"),
    (
        (field("n") > 2) & (field("n") < 6) | ~(field("s") == "a"),
        {"$or": [{"$and": [{"n": {"$gt": 2}}, {"n": {"$lt": 6}}]}, {"$not": {"s": "a"}}]},
        lambda n, s: 2 < n < 6 or s != "a",
    ),
]


@pytest.mark.parametrize("case", range(len(FILTERS)))
def test_filters_are_operators_or_dicts(notes: Collection, case: int) -> None:
    by_operators, by_dict, expected = FILTERS[case]
    for n in range(9):
        metadata = {"n": n, "s": "abc"[n % 3], "list": [n, n + 1], **({"even": 1} if n % 2 == 0 else {})}
        notes.insert(Memory([n, 0, 0, 0], id=n, metadata=metadata))
    wanted = [n for n in range(9) if expected(n, "abc"[n % 3])]
    for filter in (by_operators, by_dict, Filter.from_dict(by_dict)):
        hits = notes.search([0, 0, 0, 0], k=9, filter=filter)
        assert [int(hit.id) for hit in hits] == wanted
        assert sorted(int(memory.id) for memory in notes.scan(filter)) == wanted
        assert notes.count(filter) == len(wanted)


@pytest.mark.parametrize(
    "wrong",
    [
        {"n": {"$near": 3}}, {"$nor": []}, {"$or": []}, {"$and": {}}, {"n": [1, 2]}, {1: 2}, 7,
        {"n": {"$in": "abc"}}, field("n"),
    ],
)
def test_wrong_filters_are_refused(notes: Collection, wrong: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        notes.count(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        bool(field("n") == 1)


def test_attributes_are_filtered(notes: Collection, clock: ManualClock) -> None:
    for n in range(4):
        notes.insert(
            Memory(
                [n, 0, 0, 0], id=n, namespace=f"a/{n}", session="s" if n else None, kind="k",
                tags=["t", f"t{n}"], importance=n / 4, pinned=n == 1, tokens=n, key=f"key{n}",
                created_at=START + timedelta(days=n), derived_from=[100 + n],
                expires_at=START + timedelta(days=100 + n),
            )
        )
    day = timedelta(days=1)
    cases = [
        (Filter.all(), [0, 1, 2, 3]), (Filter.namespace("a/1"), [1]),
        (Filter.namespace_under("a"), [0, 1, 2, 3]), (Filter.has_session(), [1, 2, 3]),
        (Filter.session("s"), [1, 2, 3]), (Filter.kind("x"), []), (Filter.tag("t2"), [2]),
        (Filter.tags_any(["t1", "t2"]), [1, 2]), (Filter.tags_all(["t", "t2"]), [2]),
        (Filter.key("key3"), [3]), (Filter.ids([0, 3, 9]), [0, 3]),
        (Filter.created(START + day, START + 3 * day), [1, 2]),
        (Filter.created(until=START + day), [0]), (Filter.importance(0.25, 0.5), [1, 2]),
        (Filter.tokens(min=2), [2, 3]), (Filter.pinned(), [1]), (~Filter.pinned(), [0, 2, 3]),
        (Filter.superseded(), []), (Filter.derived_from(102), [2]),
        (Filter.expires(since=START + 103 * day), [3]),
        (Filter.tag("t1") | {"missing": {"$exists": True}}, [1]),
    ]
    for filter, expected in cases:
        found = sorted(int(memory.id) for memory in notes.scan(filter))
        assert found == expected, filter
    assert notes.namespaces("a") == {f"a/{n}": 1 for n in range(4)}
    assert notes.sessions() == {"s": 3} and notes.kinds() == {"k": 4}
    assert notes.tags()["t"] == 4


def test_words_and_vectors_are_searched_together(notes: Collection) -> None:
    texts = ["green tea from Japan", "black coffee", "a cup of tea", "flying to Lima"]
    ids = notes.add(np.eye(4), texts=texts)
    assert {hit.text for hit in notes.search(text="teas")} == {texts[0], texts[2]}
    phrase = TextQuery(phrases=["cup of"])
    assert [hit.text for hit in notes.search(text=phrase)] == [texts[2]]
    assert [hit.text for hit in notes.search(text=TextQuery(prefixes=["coff"]))] == [texts[1]]
    both = notes.search(np.eye(4)[3], text="tea", k=4)
    assert {hit.text for hit in both} == set(texts)
    assert any(hit.text_score for hit in both)
    only = notes.search(np.eye(4)[3], text="tea", k=1, text_weight=0.0)
    assert only[0].id == ids[3]
    assert notes.search(np.eye(4)[3], text="tea", k=1, text_weight=1.0)[0].text in (texts[0], texts[2])
    assert len(notes.search(np.eye(4)[3], text="tea", reciprocal_rank=True)) == 4


def test_searches_have_many_options(notes: Collection) -> None:
    notes.add(
        [[n, 0, 0, 0] for n in range(10)], ids=range(10), metadatas=[{"g": n % 2} for n in range(10)]
    )
    query = [0, 0, 0, 0]
    assert [int(hit.id) for hit in notes.search(query, k=3, offset=2)] == [2, 3, 4]
    assert [int(hit.id) for hit in notes.search(query, max_distance=4.0)] == [0, 1, 2]
    assert [int(hit.id) for hit in notes.search(near=0, k=2)] == [1, 2]
    assert [int(h.id) for h in notes.search(query, k=2, or_near=[[9, 0, 0, 0]])] == [0, 9]
    assert [int(h.id) for h in notes.search(query, k=2, where=lambda m: int(m.id) > 5)] == [6, 7]
    assert notes.search(query, k=1, fields="none")[0].memory is None
    memory = notes.search(query, k=1, fields="all")[0].memory
    assert memory is not None and memory.vector.shape == (4,)
    memory = notes.search(query, k=1)[0].memory
    assert memory is not None and memory.vector.shape == (0,)
    groups = notes.search_groups(query, k=2, by="field:g", per_group=2)
    assert [(group.value, [int(hit.id) for hit in group.hits]) for group in groups] == [
        ("0", [0, 2]), ("1", [1, 3]),
    ]
    hits, how = notes.explain(query, k=3)
    assert len(hits) == 3 and how["eligible_rows"] == 10
    with pytest.raises(ZeroDivisionError):
        notes.search(query, where=lambda m: bool(1 / 0))
    for wrong in (
        {}, {"query": query, "near": 1}, {"query": query, "mode": "fast"},
        {"query": query, "fields": "some"}, {"query": query, "target_recall": 2.0},
        {"query": query, "text": "a", "text_weight": 0.5, "reciprocal_rank": True}, {"near": 77},
    ):
        with pytest.raises((TypeError, ValueError, KeyError)):
            notes.search(**wrong)  # type: ignore[arg-type]


def test_lists_have_pages(notes: Collection, clock: ManualClock) -> None:
    for n in range(25):
        notes.insert(Memory([n, 0, 0, 0], id=n, session="s", tokens=10, text=f"turn {n}"))
        clock.advance(1)
    found, after = [], None
    while True:
        page = notes.list(limit=10, after=after, session="s")
        found += [int(memory.id) for memory in page]
        after = page.next
        if after is None:
            break
    assert found == list(reversed(range(25)))
    first = notes.list(descending=False, limit=2)
    assert [int(memory.id) for memory in first.memories] == [0, 1] and len(first) == 2
    assert [int(memory.id) for memory in notes.recent("s", turns=3)] == [22, 23, 24]
    assert [int(memory.id) for memory in notes.recent("s", tokens=25)] == [23, 24]
    with pytest.raises(errors.InvalidOptionError):
        notes.list(after="no cursor")
    with pytest.raises(TypeError):
        notes.recent("s")


def test_a_snapshot_is_a_moment(notes: Collection, store: Store, clock: ManualClock) -> None:
    notes.insert(Memory([1, 0, 0, 0], id=1, namespace="u", ttl=60))
    snapshot, scoped, whole = notes.snapshot(), notes.scope("u").snapshot(), store.snapshot()
    notes.insert(Memory([2, 0, 0, 0], id=2, namespace="u"))
    notes.delete(1)
    clock.advance(timedelta(seconds=61))
    inside = whole.collection("notes")
    assert inside is not None and whole.collection_names() == ["notes"]
    for reader in (snapshot, scoped, inside, snapshot.scope("u")):
        assert [int(memory.id) for memory in reader] == [1] and 1 in reader and 2 not in reader
        assert [int(hit.id) for hit in reader.search([0, 0, 0, 0])] == [1]
    assert [int(memory.id) for memory in notes] == [2]
    assert snapshot.time == START and snapshot.age == timedelta(seconds=61)
    clock.advance(timedelta(hours=2))
    with pytest.raises(errors.SnapshotExpiredError) as error:
        snapshot.get(1)
    assert error.value.limit == timedelta(hours=1)


def test_expired_memories_are_gone_at_once(notes: Collection, clock: ManualClock) -> None:
    notes.add([[n, 0, 0, 0] for n in range(5)], ids=range(5), ttl=timedelta(seconds=10))
    assert notes.touch(0, ttl=3600) and notes.touch(1, never_expires=True)
    assert notes.touch_where(Filter.ids([2]), expires_at=START + timedelta(days=1)) == 1
    assert not notes.touch(99, ttl=5)
    clock.advance(10)
    assert sorted(int(memory.id) for memory in notes) == [0, 1, 2]
    assert notes.get(3) is None and len(notes.search([0, 0, 0, 0])) == 3
    with pytest.raises(errors.InvalidOptionError, match="not after now"):
        notes.insert(Memory([1, 1, 1, 1], expires_at=START))
    with pytest.raises(TypeError):
        notes.touch(0)


def test_batches_are_whole(notes: Collection, store: Store) -> None:
    other = store.collection("other", 2)
    notes.insert(Memory([1, 0, 0, 0], id=1))
    batch = Batch().insert(Memory([2, 0, 0, 0], id=2)).delete(1)
    batch.insert(Memory([1, 0], id=7), into=other).insert_new(Memory([9, 9, 9, 9], id=3))
    batch.patch(2, text="patched").update_where(Filter.ids([3]), importance=1.0)
    assert len(batch) == 6
    before = batch.nbytes
    assert before > 0 and batch.insert(Memory([5, 5, 5, 5], id=5)).nbytes > before
    # What a batch inserts and deletes again was never there.
    batch.delete(5)
    applied = notes.apply(batch, durability="buffered:10ms")
    assert (applied.inserted, applied.deleted, applied.updated) == (3, 1, 2)
    assert len(batch) == 0 and not batch and batch.nbytes == 0
    assert len(other) == 1 and notes[2].text == "patched" and notes[3].importance == 1.0
    refused = Batch().insert(Memory([1, 2, 3, 4], id=50)).insert(Memory([1, 2], id=51))
    with pytest.raises(errors.DimensionError):
        notes.apply(refused)
    # Nothing was written, and nothing was lost.
    assert 50 not in notes and len(refused) == 2


def test_writes_say_what_they_did(notes: Collection) -> None:
    assert notes.insert(Memory([1, 0, 0, 0], id=1, text="a")) == "inserted"
    assert notes.insert(Memory([1, 0, 0, 0], id=1, text="b")) == "replaced"
    assert notes.insert_new(Memory([1, 0, 0, 0], id=1)) == "exists"

    def shout(memory: Memory) -> None:
        memory.text = (memory.text or "").upper()

    assert notes.update(1, shout) == "updated" and notes[1].text == "B"
    with pytest.raises(ZeroDivisionError):
        notes.update(1, lambda memory: 1 // 0)
    assert notes[1].text == "B"
    assert notes.update(99, shout) == "missing"
    notes.supersede(1, Memory([2, 0, 0, 0], id=2))
    assert notes[1].superseded_by == MemoryId(2)
    assert notes.update_where(Filter.all(), kind="fact") == 2
    notes.note_uses([1, 1])
    assert notes.delete(1) and not notes.delete(1)
    assert notes.delete_many([2, 3]) == 1
    notes.add(np.ones((3, 4)), keys=["a", "b", "c"])
    assert notes.delete_by_key("a") == 1 and notes.delete_where(Filter.key("b")) == 1
    assert notes.get_many([MemoryId.from_key("c"), 5])[1] is None
    with pytest.raises(errors.NoMemoryError) as error:
        notes[5]
    assert error.value.id == MemoryId(5) and isinstance(error.value, KeyError)
    notes.sync()


def test_a_scope_is_one_namespace(notes: Collection) -> None:
    ada, bob = notes.scope("ada"), notes.scope("bob")
    ada.insert(Memory([1, 0, 0, 0], id=1))
    bob.insert(Memory([1, 0, 0, 0], id=2))
    assert [int(hit.id) for hit in ada.search([1, 0, 0, 0])] == [1]
    assert not ada.delete(2) and 2 not in ada and ada.namespace == "ada"
    with pytest.raises(errors.IdTakenError):
        ada.insert(Memory([1, 0, 0, 0], id=2))
    assert ada.delete_where(Filter.all() & Filter.ids([1, 2])) == 1
    assert len(bob) == 1 and bob.sessions() == {} and bob.collection_name == "notes"
    with pytest.raises(TypeError):
        bob.sessions("ada")
