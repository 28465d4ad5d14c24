"""What our client promises beyond the tests of Chroma."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import altiplano
import chromadb
import numpy as np
import pytest
from altiplano.chroma import API_IMPL, EphemeralClient, PersistentClient
from chromadb.api import ClientAPI
from chromadb.config import Settings
from chromadb.errors import (
    AuthorizationError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    UniqueConstraintError,
)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[ClientAPI]:
    made = PersistentClient(tmp_path)
    yield made
    made.close()  # type: ignore[attr-defined]


def collection(client: ClientAPI, space: str = "l2", name: str = "notes") -> Any:
    return client.get_or_create_collection(
        name,
        configuration={"hnsw": {"space": space}},  # type: ignore[typeddict-item]
        embedding_function=None,
    )


def filled(path: Path, count: int = 5) -> None:
    client = PersistentClient(path)
    notes = collection(client)
    ids = [f"n{at}" for at in range(count)]
    notes.add(ids=ids, embeddings=[[at, 1.0] for at in range(count)], documents=ids)
    client.close()  # type: ignore[attr-defined]


def test_settings_choose_the_api(tmp_path: Path) -> None:
    settings = Settings(
        chroma_api_impl=API_IMPL, persist_directory=str(tmp_path), anonymized_telemetry=False
    )
    client = chromadb.Client(settings)
    collection(client).add(ids=["a"], embeddings=[[1.0, 2.0]])
    client.close()  # type: ignore[attr-defined]
    again = chromadb.PersistentClient(
        str(tmp_path), Settings(chroma_api_impl=API_IMPL, anonymized_telemetry=False)
    )
    assert again.get_collection("notes", embedding_function=None).get()["ids"] == ["a"]
    again.close()  # type: ignore[attr-defined]


def test_data_and_order_outlive_the_client(tmp_path: Path) -> None:
    filled(tmp_path)
    client = PersistentClient(tmp_path)
    notes = collection(client)
    notes.delete(ids=["n0"])
    notes.upsert(ids=["n2"], embeddings=[[9.0, 9.0]])
    notes.add(ids=["n0"], embeddings=[[0.0, 1.0]], documents=["again"])
    assert notes.get()["ids"] == ["n1", "n2", "n3", "n4", "n0"]
    client.close()  # type: ignore[attr-defined]
    client = PersistentClient(tmp_path)
    notes = collection(client)
    notes.add(ids=["n9"], embeddings=[[0.0, 1.0]])
    assert notes.get()["ids"] == ["n1", "n2", "n3", "n4", "n0", "n9"]
    assert notes.get(limit=2, offset=3)["ids"] == ["n4", "n0"]
    assert notes.peek(2)["ids"] == ["n1", "n2"]
    client.close()  # type: ignore[attr-defined]


def test_clients_of_one_process_share_a_directory(tmp_path: Path) -> None:
    one = PersistentClient(tmp_path)
    two = PersistentClient(str(tmp_path) + "/.")
    collection(one).add(ids=["a"], embeddings=[[1.0, 2.0]])
    assert collection(two).count() == 1
    one.close()  # type: ignore[attr-defined]
    assert collection(two).count() == 1
    two.close()  # type: ignore[attr-defined]


def test_a_second_process_reads(tmp_path: Path, client: ClientAPI) -> None:
    notes = collection(client)
    notes.add(ids=["a", "b"], embeddings=[[1.0, 2.0], [3.0, 4.0]], documents=["x", None])
    code = f"""
from altiplano.chroma import PersistentClient
from altiplano.errors import ReadOnlyError
client = PersistentClient({str(tmp_path)!r})
notes = client.get_collection("notes", embedding_function=None)
print(notes.get()["documents"], flush=True)
input()
print(notes.count(), client.count_collections(), flush=True)
try:
    notes.add(ids=["d"], embeddings=[[1.0, 2.0]])
except ReadOnlyError:
    print("refused", flush=True)
"""
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin is not None and child.stdout is not None
    assert child.stdout.readline() == "['x', None]\n"
    notes.add(ids=["c"], embeddings=[[5.0, 6.0]])
    collection(client, name="more")
    out, _ = child.communicate("\n", timeout=60)
    assert out.splitlines() == ["3 2", "refused"]
    assert child.returncode == 0


def test_first_writes_of_many_threads_agree_on_the_dimension(client: ClientAPI) -> None:
    for round in range(5):
        notes = collection(client, name=f"notes-{round}")
        start = threading.Barrier(4)
        refused: list[str] = []

        def write(dimension: int) -> None:
            start.wait()
            try:
                notes.add(ids=[f"n{dimension}"], embeddings=[[1.0] * dimension])
            except InvalidArgumentError as error:
                refused.append(str(error))

        threads = [threading.Thread(target=write, args=(at,)) for at in (2, 3, 4, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(refused) == 3
        (id,) = notes.get()["ids"]
        known = client.get_collection(notes.name, embedding_function=None)._model.dimension
        assert id == f"n{known}"


def test_parameters_of_the_index(client: ClientAPI) -> None:
    rows = np.random.default_rng(5).standard_normal((300, 5))
    for at, hnsw in enumerate(
        [
            {"max_neighbors": 1, "ef_construction": 1, "ef_search": 1},
            {"max_neighbors": 500, "ef_construction": 10_000, "ef_search": 100_000},
        ]
    ):
        held = client.create_collection(
            f"index-{at}",
            configuration={"hnsw": hnsw},  # type: ignore[typeddict-item]
            embedding_function=None,
        )
        held.add(ids=[str(row) for row in range(300)], embeddings=rows)  # type: ignore[arg-type]
        found = held.query(query_embeddings=rows[:2], n_results=300)  # type: ignore[arg-type]
        assert [ids[0] for ids in found["ids"]] == ["0", "1"]
        assert len(found["ids"][0]) == 300


def test_a_client_that_is_only_dropped_gives_its_directory_back(tmp_path: Path) -> None:
    one = PersistentClient(tmp_path)
    collection(one).add(ids=["a"], embeddings=[[1.0, 2.0]])
    one.clear_system_cache()
    del one
    two = PersistentClient(tmp_path)
    collection(two).add(ids=["b"], embeddings=[[1.0, 2.0]])
    assert collection(two).get()["ids"] == ["a", "b"]
    two.close()  # type: ignore[attr-defined]


def test_a_deleted_collection_gives_its_bytes_back(tmp_path: Path) -> None:
    client = PersistentClient(tmp_path)
    rows = np.random.default_rng(1).random((4000, 64)).tolist()
    for round in range(2):
        big = collection(client, name="big")
        big.add(ids=[str(at) for at in range(4000)], embeddings=rows)
        client.delete_collection("big")
        with pytest.raises(NotFoundError):
            big.count()
    client.close()  # type: ignore[attr-defined]
    with altiplano.Store(tmp_path / "altiplano") as store:
        assert store.collection_names() == ["chroma.registry"]
        store.purge()
    files = {f.name: f.stat().st_size for f in (tmp_path / "altiplano").iterdir()}
    # The store keeps this file for the day when the disk is full.
    del files["RESERVE"]
    assert sum(files.values()) < 50_000, files


def test_long_ids_are_kept(client: ClientAPI) -> None:
    notes = collection(client)
    ids = ["i" * 5000, "i" * 5001, "chroma-sha256:x", "ü" * 600, "a\x00b"]
    notes.add(ids=ids, embeddings=[[1.0, float(at)] for at in range(5)])
    assert notes.get()["ids"] == ids
    assert notes.get(ids=ids[:1])["ids"] == ids[:1]
    assert notes.get(ids=ids[:1])["metadatas"] == [None]
    notes.update(ids=ids[:1], metadatas=[{"k": 1}])
    assert notes.query(query_embeddings=[[1.0, 0.0]], n_results=1)["ids"] == [ids[:1]]
    assert notes.get(where={"k": 1})["metadatas"] == [{"k": 1}]
    notes.delete(ids=ids[1:])
    assert notes.get()["ids"] == ids[:1]


def test_embeddings_come_back_exactly(client: ClientAPI) -> None:
    rows = np.random.default_rng(3).standard_normal((50, 7)).astype(np.float32)
    for space in ("l2", "cosine", "ip"):
        held = collection(client, space, f"exact-{space}")
        held.add(ids=[str(at) for at in range(50)], embeddings=rows)
        assert np.array_equal(held.get(include=["embeddings"])["embeddings"], rows)


def test_zero_vectors_under_cosine(client: ClientAPI) -> None:
    notes = collection(client, "cosine")
    notes.add(
        ids=["zero", "near", "far"],
        embeddings=[[0.0, 0.0], [1.0, 0.1], [-1.0, 0.0]],
        metadatas=[{"k": 1}, {"k": 1}, {"k": 2}],
    )
    assert notes.get(ids=["zero"], include=["embeddings"])["embeddings"].tolist() == [[0.0, 0.0]]
    found = notes.query(query_embeddings=[[1.0, 0.0], [0.0, 0.0]], n_results=2)
    assert found["ids"] == [["near", "zero"], ["zero", "near"]]
    assert found["distances"][0][1] == 1.0 and found["distances"][1] == [1.0, 1.0]
    found = notes.query(query_embeddings=[[1.0, 0.0]], where={"k": 2}, n_results=3)
    assert found["ids"] == [["far"]]
    notes.update(ids=["zero"], embeddings=[[1.0, 0.0]])
    assert notes.query(query_embeddings=[[1.0, 0.0]], n_results=1)["ids"] == [["zero"]]


def test_conditions_that_no_filter_can_say(client: ClientAPI) -> None:
    notes = collection(client)
    long = "k" * 2000
    notes.add(
        ids=["a", "b", "c"],
        embeddings=[[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]],
        metadatas=[{long: 1, "n": 1}, {long: 2, "n": 1}, {"n": 2}],
        documents=["tea", "coffee", "tea and coffee"],
    )
    assert notes.get(where={long: 1})["ids"] == ["a"]
    assert notes.get(where={long: {"$ne": 1}})["ids"] == ["b", "c"]
    both: Any = {"$and": [{"n": 1}, {long: {"$gt": 1}}]}
    assert notes.query(query_embeddings=[[0.0, 0.0]], where=both)["ids"] == [["b"]]
    deep: Any = {"n": 1}
    for _ in range(50):
        deep = {"$or": [{"$and": [deep, {"n": {"$lt": 9}}]}, {"n": 7}]}
    assert notes.get(where=deep)["ids"] == ["a", "b"]
    either: Any = {"$or": [{"#document": {"$contains": "and"}}, {long: 2}]}
    assert notes.get(where=either, limit=1, offset=1)["ids"] == ["c"]
    notes.delete(where=both, where_document={"$not_contains": "tea"})
    assert notes.get()["ids"] == ["a", "c"]
    notes.delete(where={"n": {"$ne": 77}})
    assert notes.count() == 0


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("tea$", ["tea"]),
        ("(?m)tea$", ["tea", "tea\n", "tea\nx"]),
        ("tea\\z", ["tea"]),
        ("t(?i)EA", ["tea", "tea\n", "tea\nx", "tEA"]),
        ("(t(?i)EA|q)\\n", ["tea\n", "tea\nx"]),
        ("x|T(?i)q|EA$", ["tea", "tea\nx", "tEA"]),
        ("(?<one>t)ea\\nx", ["tea\nx"]),
        ("\\x{e4}|\\u{e4}", ["ä"]),
        ("^[[:upper:]]", ["Q]"]),
        ("[]x]$", ["tea\nx", "Q]"]),
        ("^\\p{L}$", ["ä"]),
    ],
)
def test_patterns_mean_what_they_mean_in_rust(
    client: ClientAPI, pattern: str, matches: list[str]
) -> None:
    notes = collection(client)
    texts = ["tea", "tea\n", "tea\nx", "tEA", "ä", "Q]"]
    notes.upsert(ids=texts, embeddings=[[1.0, 0.0]] * len(texts), documents=texts)
    assert notes.get(where_document={"$regex": pattern})["ids"] == matches


@pytest.mark.parametrize(
    "pattern", ["(", ")", "[", "(?=a)", "(?<!a)", r"(a)\1", r"\p{Greek}", "[a&&b]", "(?U)a"]
)
def test_patterns_that_are_refused(client: ClientAPI, pattern: str) -> None:
    notes = collection(client)
    notes.add(ids=["a"], embeddings=[[1.0, 0.0]], documents=["x"])
    with pytest.raises(InvalidArgumentError):
        notes.get(where_document={"$regex": pattern})


def test_what_is_refused(client: ClientAPI) -> None:
    notes = collection(client)
    notes.add(ids=["a"], embeddings=[[1.0, 0.0]])
    for error in (UniqueConstraintError, InternalError):
        with pytest.raises(error, match="already exists"):
            client.create_collection("notes", embedding_function=None)
    with pytest.raises(InvalidArgumentError, match="dimension of 2, got 3"):
        notes.add(ids=["b"], embeddings=[[1.0, 0.0, 0.0]])
    with pytest.raises(InvalidArgumentError, match="overflows"):
        notes.add(ids=["b"], embeddings=[[1e38, 1e38]])
    with pytest.raises(InvalidArgumentError, match="nan"):
        notes.add(ids=["b"], embeddings=[[1.0, 1.0]], metadatas=[{"k": float("nan")}])
    with pytest.raises(InvalidArgumentError, match="negative"):
        notes.get(limit=-1)
    with pytest.raises(NotImplementedError):
        notes.fork("other")
    with pytest.raises(AuthorizationError):
        client.reset()
    with pytest.raises(InternalError, match="max batch size"):
        many = client.get_max_batch_size() + 1
        notes.add(ids=[str(at) for at in range(many)], embeddings=[[1.0, 0.0]] * many)
    assert notes.get()["ids"] == ["a"]


def test_an_ephemeral_client_leaves_nothing() -> None:
    before = set(os.listdir(os.environ.get("TMPDIR", "/tmp")))
    client = EphemeralClient()
    collection(client).add(ids=["a"], embeddings=[[1.0, 0.0]])
    other = EphemeralClient()
    assert collection(other).count() == 1
    client.close()  # type: ignore[attr-defined]
    other.close()  # type: ignore[attr-defined]
    after = set(os.listdir(os.environ.get("TMPDIR", "/tmp")))
    assert not [name for name in after - before if name.startswith("altiplano-chroma-")]
    fresh = EphemeralClient()
    assert fresh.list_collections() == []
    fresh.close()  # type: ignore[attr-defined]
