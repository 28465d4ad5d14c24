"""Importers of FAISS, hnswlib and USearch, on indexes that the libraries wrote."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import hnswlib
import numpy as np
import pytest
from _sources import DIMENSION, close, overlap, rows, unit
from conftest import FULL, ROWS
from usearch.index import Index

from altiplano import Collection, Store, field
from altiplano.importers import from_faiss, from_hnswlib, from_langchain_faiss, from_usearch
from altiplano.io import FormatError

Make = Callable[..., Collection]


def attributes(label: int) -> dict[str, Any]:
    return {"text": f"text {label}", "metadata": {"row": label}}


def check(into: Collection, vectors: Any, labels: Any, metric: str, tolerance: float = 0) -> None:
    """Compares by id, and searches with exact neighbors."""
    assert len(into) == len(labels)
    close(into.vectors([int(label) for label in labels]), vectors, tolerance)
    where = {int(label): row for row, label in enumerate(labels)}
    assert overlap(into, vectors, metric, lambda memory: where[int(memory.id)]) >= 0.95


@pytest.mark.parametrize(
    "kind",
    [
        "Flat",
        "HNSW16",
        "IDMap,Flat",
        "IDMap2,HNSW16",
        "IVF16,Flat",
        "IDMap,IVF16,Flat",
        "PCAR48,Flat",
    ],
)
@pytest.mark.parametrize("metric", ["l2", "dot"])
def test_faiss(store: Store, tmp_path: Path, kind: str, metric: str) -> None:
    vectors = rows()
    measure = faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT
    index = faiss.index_factory(DIMENSION, kind, measure)
    index.train(vectors)
    labels = np.arange(ROWS, dtype=np.int64)
    if "IDMap" in kind or "IVF" in kind:
        labels = labels * 7 + 2**40
        index.add_with_ids(vectors, labels)
    else:
        index.add(vectors)
    faiss.write_index(index, str(tmp_path / "x.faiss"))
    seen: list[Any] = []
    report = from_faiss(
        tmp_path / "x.faiss",
        into=store,
        attributes=attributes,
        progress=lambda *done: seen.append(done),
    )
    assert (report.inserted, seen[-1]) == (ROWS, (ROWS, ROWS))
    into = store["faiss"]
    assert into.settings["metric"].lower() == metric
    check(into, vectors, labels, metric, 1e-4 if "PCA" in kind else 0)
    last = into[int(labels[-1])]
    assert last.text == f"text {labels[-1]}" and last.metadata == {"row": int(labels[-1])}
    # The open index gives the same, and is left as it was.
    map_type = faiss.try_extract_index_ivf(index)
    before = map_type and map_type.direct_map.type
    assert from_faiss(index, into=into).replaced == ROWS
    assert (map_type and map_type.direct_map.type) == before


def test_faiss_compressed_and_refused(make: Make, store: Store, tmp_path: Path) -> None:
    vectors = rows(count=600)
    index = faiss.index_factory(DIMENSION, "SQ8")
    index.train(vectors)
    index.add(vectors)
    into = make(DIMENSION)
    from_faiss(index, into=into)
    assert np.abs(into.vectors(range(600)) - vectors).max() < 0.05
    with pytest.raises(FormatError, match="48 numbers.*dimension 3"):
        from_faiss(index, into=make(3))
    with pytest.raises(FormatError, match="bits"):
        from_faiss(faiss.IndexBinaryFlat(64), into=store)
    shards = faiss.IndexShards(DIMENSION)
    shard = faiss.IndexFlatL2(DIMENSION)
    shard.add(vectors)
    shards.add_shard(shard)
    with pytest.raises(FormatError, match="gives no vectors back"):
        from_faiss(shards, into=make(DIMENSION))
    ids = faiss.IndexIDMap(faiss.IndexFlatL2(DIMENSION))
    ids.add_with_ids(vectors[:2], np.array([-5, 3], dtype=np.int64))
    with pytest.raises(FormatError, match="labels='key'"):
        from_faiss(ids, into=make(DIMENSION))
    into = make(DIMENSION)
    from_faiss(ids, into=into.scope("a"), labels="key")
    assert sorted(memory.key or "" for memory in into.scope("a")) == ["-5", "3"]
    (tmp_path / "bad").write_bytes(b"no index")
    with pytest.raises(FormatError, match="no index of FAISS"):
        from_faiss(tmp_path / "bad", into=store)
    with pytest.raises(FileNotFoundError):
        from_faiss(tmp_path / "nope", into=store)
    with pytest.raises(FormatError, match="'body' is none of"):
        from_faiss(ids, into=make(DIMENSION), labels="key", attributes={-5: {"body": 1}})


class Record:
    """Has the shape of a document and a docstore of LangChain."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


class VectorStore:
    """Has the attributes of a vector store of LangChain that the importer reads."""

    def __init__(self, vectors: Any) -> None:
        self.index = faiss.IndexFlatL2(DIMENSION)
        self.index.add(vectors)
        self.index_to_docstore_id = {row: f"doc-{row}" for row in range(len(vectors))}
        texts = {
            f"doc-{row}": Record(page_content=f"text {row}", metadata={"row": row})
            for row in range(len(vectors))
        }
        self.docstore = Record(_dict=texts)


def test_langchain_objects(store: Store) -> None:
    vectors = rows(count=700)
    source = VectorStore(vectors)
    report = from_langchain_faiss(source, into=store, name="docs")
    assert report.inserted == 700
    memory = store["docs"].get_by_key("doc-8")
    assert memory is not None
    assert (memory.text, memory.metadata) == ("text 8", {"row": 8})
    close(memory.vector, vectors[8])
    # A name that is too long for a key.
    long = "x" * 1025
    source.index_to_docstore_id[9] = long
    source.docstore._dict[long] = source.docstore._dict["doc-9"]
    from_langchain_faiss(source, into=store, name="long")
    hashed = next(iter(store["long"].scan(field("row") == 9)))
    assert (hashed.key or "").startswith("sha256:")
    assert hashed.metadata == {"row": 9, "source_id": long}
    del source.docstore._dict["doc-3"]
    with pytest.raises(FormatError, match="row 3: vector 3 has no document"):
        from_langchain_faiss(source, into=store)
    assert from_langchain_faiss(source, into=store, on_bad_row="skip").skipped == 1


class Evil:
    def __reduce__(self) -> Any:
        return (open, ("/tmp/altiplano-evil", "w"))


def test_a_pickle_runs_no_code(store: Store, tmp_path: Path) -> None:
    index = faiss.IndexFlatL2(DIMENSION)
    faiss.write_index(index, str(tmp_path / "index.faiss"))
    (tmp_path / "index.pkl").write_bytes(pickle.dumps((Evil(), {})))
    with pytest.raises(FormatError, match=r"index.pkl: it holds a .*open, which is not read"):
        from_langchain_faiss(tmp_path, into=store)
    assert not Path("/tmp/altiplano-evil").exists()
    for text in (b"", b"abc", pickle.dumps(5)):
        (tmp_path / "index.pkl").write_bytes(text)
        with pytest.raises(FormatError, match="load the vector store with LangChain"):
            from_langchain_faiss(tmp_path, into=store)


@pytest.mark.skipif(not FULL, reason="langchain-community is large")
def test_langchain_itself(store: Store, tmp_path: Path) -> None:
    from datetime import datetime

    from langchain_community.docstore.in_memory import InMemoryDocstore
    from langchain_community.vectorstores import FAISS
    from langchain_core.embeddings import DeterministicFakeEmbedding

    vectors = rows()
    vendor = FAISS(
        DeterministicFakeEmbedding(size=DIMENSION),
        faiss.IndexFlatL2(DIMENSION),
        InMemoryDocstore(),
        {},
    )
    metadatas = [{"row": row, "at": datetime(2026, 1, 2)} for row in range(ROWS)]
    pairs = [(f"text {row}", vector.tolist()) for row, vector in enumerate(vectors)]
    vendor.add_embeddings(pairs, metadatas, ids=[f"doc-{row}" for row in range(ROWS)])
    vendor.save_local(str(tmp_path / "saved"))
    for number, source in enumerate((tmp_path / "saved", vendor)):
        assert from_langchain_faiss(source, into=store, name=f"n{number}").inserted == ROWS
        into = store[f"n{number}"]
        for row in (0, 1, ROWS - 1):
            memory = into.get_by_key(f"doc-{row}")
            assert memory is not None and memory.text == f"text {row}"
            assert memory.metadata == {"row": row, "at": "2026-01-02T00:00:00"}
            close(memory.vector, vectors[row])
        share = overlap(into, vectors, "l2", lambda memory: int((memory.key or "")[4:]))
        assert share >= 0.95


@pytest.mark.parametrize(("space", "metric"), [("cosine", "cosine"), ("l2", "l2"), ("ip", "dot")])
def test_hnswlib(store: Store, tmp_path: Path, space: str, metric: str) -> None:
    vectors = rows()
    index = hnswlib.Index(space=space, dim=DIMENSION)
    index.init_index(ROWS + 10, ef_construction=40, M=8)
    labels = np.arange(ROWS) * 3
    index.add_items(vectors, labels)
    index.mark_deleted(3)
    index.mark_deleted(600)
    index.save_index(str(tmp_path / "x.bin"))
    report = from_hnswlib(
        tmp_path / "x.bin", into=store, space=space, dimension=DIMENSION, attributes=attributes
    )
    assert report.inserted == ROWS - 2
    kept = np.delete(np.arange(ROWS), [1, 200])
    expected = unit(vectors) if space == "cosine" else vectors
    into = store["hnswlib"]
    assert into.settings["metric"].lower() == metric
    check(into, expected[kept], labels[kept], metric, 1e-6 if space == "cosine" else 0)
    assert into[9].text == "text 9"
    assert from_hnswlib(index, into=into, existing="keep").existing == ROWS - 2


def test_hnswlib_refused(store: Store, tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"no index")
    with pytest.raises(ValueError, match="give both"):
        from_hnswlib(tmp_path / "bad", into=store)
    with pytest.raises(FormatError, match="is it an index of hnswlib"):
        from_hnswlib(tmp_path / "bad", into=store, space="l2", dimension=3)
    with pytest.raises(FileNotFoundError):
        from_hnswlib(tmp_path / "nope", into=store, space="l2", dimension=3)


@pytest.mark.parametrize(
    ("kind", "tolerance"), [("f32", 0.0), ("f64", 0.0), ("f16", 0.01), ("bf16", 0.05)]
)
@pytest.mark.parametrize(("measure", "metric"), [("cos", "cosine"), ("l2sq", "l2"), ("ip", "dot")])
def test_usearch(
    store: Store, tmp_path: Path, kind: str, tolerance: float, measure: str, metric: str
) -> None:
    vectors = rows()
    index = Index(ndim=DIMENSION, metric=measure, dtype=kind)
    labels = np.arange(ROWS, dtype=np.uint64) * 5 + 2**50
    index.add(labels, vectors)
    index.remove(int(labels[7]))
    index.save(str(tmp_path / "x.usearch"))
    texts = {int(labels[0]): {"text": "t"}}
    report = from_usearch(tmp_path / "x.usearch", into=store, attributes=texts)
    assert report.inserted == ROWS - 1
    kept = np.delete(np.arange(ROWS), 7)
    into = store["usearch"]
    assert into.settings["metric"].lower() == metric
    if tolerance == 0:
        check(into, vectors[kept], labels[kept], metric)
    else:
        assert len(into) == ROWS - 1
        close(into.vectors([int(label) for label in labels[kept]]), vectors[kept], tolerance)
    assert into[int(labels[0])].text == "t"


def test_usearch_refused(store: Store, tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"no index")
    with pytest.raises(FormatError, match="no index of USearch"):
        from_usearch(tmp_path / "bad", into=store)
    with pytest.raises(FileNotFoundError):
        from_usearch(tmp_path / "nope", into=store)
    with pytest.raises(FormatError, match="several vectors"):
        from_usearch(Index(ndim=3, multi=True), into=store)
    with pytest.raises(FormatError, match="give metric="):
        from_usearch(Index(ndim=3, metric="pearson"), into=store)
    with pytest.raises(FormatError, match="bits"):
        from_usearch(Index(ndim=64, metric="hamming", dtype="b1"), into=store, metric="l2")
