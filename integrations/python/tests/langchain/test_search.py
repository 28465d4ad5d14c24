"""Searches: scores, relevance, diversity, words, retrievers, and vectors that are zero."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.vectorstores.utils import maximal_marginal_relevance

from altiplano.errors import DimensionError, InvalidVectorError
from altiplano.langchain import AltiplanoVectorStore

SIZE = 16


def vectors(rows, seed=3):
    return np.random.default_rng(seed).standard_normal((rows, SIZE)).astype(np.float32)


def exact_scores(metric, rows, query):
    rows, query = rows.astype(np.float64), np.asarray(query, dtype=np.float64)
    if metric == "l2":
        return 1 / (1 + ((rows - query) ** 2).sum(axis=1))
    scores = rows @ query
    if metric == "cosine":
        scores = scores / np.linalg.norm(rows, axis=1) / np.linalg.norm(query)
    return scores


@pytest.mark.parametrize("metric", ["cosine", "l2", "dot"])
@pytest.mark.parametrize("compact", [False, True])
def test_scores_are_those_of_the_metric(path, metric, compact):
    rows, query = vectors(300), vectors(1, seed=4)[0]
    with AltiplanoVectorStore(None, path, metric=metric) as store:
        ids = [str(at) for at in range(len(rows))]
        store.add_embeddings(rows, ids=ids, texts=ids)
        if compact:
            store.store.compact()
        found = store.similarity_search_with_score_by_vector(query.tolist(), k=12, exact=True)
        expected = exact_scores(metric, rows, query)
        order = np.argsort(-expected)[:12]
        assert [document.id for document, _ in found] == [str(at) for at in order]
        assert [score for _, score in found] == pytest.approx(expected[order], abs=1e-5)
        documents = store.similarity_search_by_vector(query.tolist(), k=12, exact=True)
        assert documents == [document for document, _ in found]


def test_relevance_is_from_0_to_1_and_has_a_threshold(store):
    store.add_texts(["aaa", "aab", "zzz"], ids=["1", "2", "3"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = store.similarity_search_with_relevance_scores("aaa", k=3)
    assert [(document.id, round(score, 4)) for document, score in found] == [
        ("1", 1.0), ("2", round(2 / 5**0.5, 4)), ("3", 0.0),
    ]
    found = store.similarity_search_with_relevance_scores("aaa", k=3, score_threshold=0.5)
    assert [document.id for document, _ in found] == ["1", "2"]


@pytest.mark.parametrize("metric", ["cosine", "l2", "dot"])
def test_relevance_stays_in_its_range_for_opposite_and_long_vectors(path, letters, metric):
    with AltiplanoVectorStore(letters, path, metric=metric) as store:
        opposite = [-value for value in letters.embed_query("aaa")]
        store.add_embeddings([opposite, letters.embed_query("a" * 50)], ids=["far", "long"])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = store.similarity_search_with_relevance_scores("aaa", k=2)
        assert len(found) == 2
        assert all(0 <= score <= 1 for _, score in found)


def test_a_relevance_function_of_ones_own_is_used(path, letters):
    with AltiplanoVectorStore(letters, path, relevance_score_fn=lambda score: score / 4) as store:
        store.add_texts(["aaa"])
        [(_, score)] = store.similarity_search_with_relevance_scores("aaa")
        assert score == pytest.approx(0.25)


def plain_mmr(query, rows, k, lambda_mult):
    """Maximal marginal relevance by its definition, without any shortcut."""

    def cosine(a, b):
        length = np.linalg.norm(a) * np.linalg.norm(b)
        return float(a @ b / length) if length else 0.0

    chosen = []
    while len(chosen) < min(k, len(rows)):
        best, best_score = None, None
        for at, row in enumerate(rows):
            if at in chosen:
                continue
            nearest = max((cosine(row, rows[c]) for c in chosen), default=None)
            relevance = cosine(query, row)
            score = relevance if nearest is None else (
                lambda_mult * relevance - (1 - lambda_mult) * nearest
            )
            if best is None or score > best_score:
                best, best_score = at, score
        chosen.append(best)
    return chosen


@pytest.fixture(scope="module")
def diverse(tmp_path_factory):
    path = tmp_path_factory.mktemp("diverse") / "agent.alt"
    rows = vectors(200, seed=9)
    with AltiplanoVectorStore(None, path) as store:
        store.add_embeddings(rows, ids=[str(at) for at in range(len(rows))])
        store.store.compact()
        yield store, rows.astype(np.float64)


@given(
    seed=st.integers(0, 2**32 - 1),
    k=st.integers(1, 8),
    fetch_k=st.integers(8, 30),
    lambda_mult=st.floats(0, 1),
)
def test_diversity_is_that_of_its_definition(diverse, seed, k, fetch_k, lambda_mult):
    store, rows = diverse
    query = np.random.default_rng(seed).standard_normal(SIZE).astype(np.float32).astype(np.float64)
    nearest = np.argsort(-exact_scores("cosine", rows, query))[:fetch_k]
    order = plain_mmr(query, rows[nearest], k, lambda_mult)
    found = store.max_marginal_relevance_search_by_vector(
        query.tolist(), k=k, fetch_k=fetch_k, lambda_mult=lambda_mult, exact=True
    )
    assert [document.id for document in found] == [str(nearest[at]) for at in order]
    theirs = maximal_marginal_relevance(query, list(rows[nearest]), lambda_mult, k)
    assert theirs == order


def test_diversity_leaves_out_what_says_the_same(store):
    texts = ["teatime", "teatimes", "teatimer", "zebra tea"]
    store.add_texts(texts, ids=texts)
    found = store.max_marginal_relevance_search("teatime", k=2, lambda_mult=1)
    assert found[0].id == "teatime" and found[1].id in ("teatimes", "teatimer")
    found = store.max_marginal_relevance_search("teatime", k=2, lambda_mult=0.1)
    assert [document.id for document in found] == ["teatime", "zebra tea"]
    assert store.max_marginal_relevance_search("teatime", k=0) == []
    assert len(store.max_marginal_relevance_search("teatime", k=9, fetch_k=2)) == 4


def test_words_are_found_beside_the_vector(path, letters):
    with AltiplanoVectorStore(letters, path, text_index="english") as store:
        store.add_texts(["nights", "a thing about tea gardens", "listen", ""], ids=list("abcd"))
        # By letters, "silent" is nearest to "listen", and by words to nothing.
        assert store.similarity_search("silent", k=1)[0].id == "c"
        found = store.similarity_search("garden", k=2, hybrid=True, text_weight=0.9)
        assert found[0].id == "b"
        for _, score in store.similarity_search_with_score("garden", k=3, hybrid=True):
            assert 0 <= score <= 1
        # Digits have a zero vector here: words alone find.
        store.add_texts(["room 4711"], ids=["e"])
        assert [d.id for d in store.similarity_search("4711", k=3, hybrid=True)] == ["e"]
        assert store.similarity_search("4711", k=3) == []
        with pytest.raises(ValueError, match="text of the query"):
            store.similarity_search_by_vector([1.0] * 26, hybrid=True)


def test_a_zero_vector_breaks_no_batch_and_is_never_near(store):
    ids = store.add_texts(["tea", "", "123", "ice"], [{"n": at} for at in range(4)])
    assert store.count() == 4
    assert [d.page_content for d in store.get_by_ids(ids)] == ["tea", "", "123", "ice"]
    assert {d.page_content for d in store.similarity_search("tea", k=10)} == {"tea", "ice"}
    assert store._collection.get(where={"n": {"$gte": 2}})["ids"] == [ids[3], ids[2]]
    assert store.similarity_search("", k=10) == []
    assert store.similarity_search("", k=10, hybrid=True) == []
    assert store.max_marginal_relevance_search("?", k=10) == []
    assert store.as_retriever().invoke("") == []


def test_an_id_moves_between_zero_and_other_vectors(store):
    store.add_texts(["tea", "123"], ids=["a", "b"])
    store.add_texts(["456", "ice"], ids=["a", "b"])
    assert [d.page_content for d in store.get_by_ids(["a", "b"])] == ["456", "ice"]
    assert [d.id for d in store.similarity_search("tea ice", k=5)] == ["b"]
    assert store.count() == 2
    # Within one batch, the last one counts.
    store.add_texts(["1", "x", "y", "2"], ids=["a", "a", "b", "b"])
    assert [d.page_content for d in store.get_by_ids(["a", "b"])] == ["x", "2"]
    assert store.count() == 2
    store.delete(["a", "b"])
    assert store.count() == 0


@pytest.mark.parametrize("metric", ["l2", "dot"])
def test_a_zero_vector_is_like_any_other_where_it_has_a_place(path, letters, metric):
    with AltiplanoVectorStore(letters, path, metric=metric) as store:
        store.add_texts(["tea", "123"])
        assert len(store.similarity_search("", k=10)) == 2


def test_vectors_that_do_not_fit_are_refused_and_nothing_is_added(store):
    store.add_texts(["tea"])
    for bad, error in [
        ([[1.0, 2.0]], DimensionError),
        ([[1.0] * 26, [1.0]], ValueError),
        ([[float("nan")] * 26], InvalidVectorError),
        ([1.0] * 26, ValueError),
        ([[1.0] * 26, [float("inf")] * 26], InvalidVectorError),
    ]:
        with pytest.raises(error):
            store.add_embeddings(bad)
    with pytest.raises(DimensionError):
        store.similarity_search_by_vector([1.0, 2.0])
    assert store.count() == 1


def test_retrievers_of_all_kinds(store):
    store.add_texts(["teatime", "teatimes", "zebra"], [{"n": at} for at in range(3)])
    found = store.as_retriever(search_kwargs={"k": 1, "filter": {"n": {"$gte": 1}}}).invoke("time")
    assert found == [Document(id=found[0].id, page_content="teatimes", metadata={"n": 1})]
    diverse = store.as_retriever(search_type="mmr", search_kwargs={"k": 2, "lambda_mult": 0.0})
    assert [d.page_content for d in diverse.invoke("teatime")] == ["teatime", "zebra"]
    near = store.as_retriever(
        search_type="similarity_score_threshold", search_kwargs={"score_threshold": 0.9, "k": 3}
    )
    assert {d.page_content for d in near.invoke("teatime")} == {"teatime", "teatimes"}
    for kind in ("similarity", "mmr", "similarity_score_threshold"):
        assert store.search("teatime", kind, k=3)[0].page_content == "teatime"
