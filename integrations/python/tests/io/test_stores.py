"""Importers of Qdrant, Chroma and LanceDB, on stores that the vendors' clients wrote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest
from _sources import DIMENSION, close, overlap, rows, unit
from conftest import FULL, ROWS
from qdrant_client import QdrantClient, models

from altiplano import Collection, MemoryId, Store, field
from altiplano.importers import from_chroma, from_lancedb, from_qdrant
from altiplano.importers.__main__ import main
from altiplano.io import FormatError

Make = Callable[..., Collection]
SPACE = UUID(int=7)
heavy = pytest.mark.skipif(not FULL, reason="a heavy package")


def qdrant_id(row: int) -> Any:
    return row if row % 2 else str(uuid5(SPACE, str(row)))


def write_qdrant(path: Path, distance: models.Distance, vectors: Any) -> None:
    client = QdrantClient(path=str(path))
    params = models.VectorParams(size=DIMENSION, distance=distance)
    client.create_collection("docs", vectors_config=params)
    payloads = [
        {"page_content": f"text {row}", "metadata": {"row": row}, "extra": None}
        for row in range(len(vectors))
    ]
    ids = [qdrant_id(row) for row in range(len(vectors))]
    batch = models.Batch(ids=ids, vectors=vectors.tolist(), payloads=payloads)
    client.upsert("docs", batch)
    client.close()


@pytest.mark.parametrize(
    ("distance", "metric"), [("COSINE", "cosine"), ("EUCLID", "l2"), ("DOT", "dot")]
)
def test_qdrant(store: Store, tmp_path: Path, distance: str, metric: str) -> None:
    vectors = rows()
    write_qdrant(tmp_path / "q", models.Distance[distance], vectors)
    seen: list[Any] = []
    report = from_qdrant(
        tmp_path / "q",
        "docs",
        into=store,
        text="page_content",
        metadata="metadata",
        progress=lambda *done: seen.append(done),
    )
    assert (report.inserted, seen[-1]) == (ROWS, (ROWS, ROWS))
    into = store["docs"]
    assert into.settings["metric"].lower() == metric
    got = into.vectors([qdrant_id(row) for row in range(ROWS)])
    if metric == "cosine":
        # A client may give back the vector, or the one of length 1.
        close(unit(got), unit(vectors), 1e-6)
    else:
        close(got, vectors)
    for row in (0, 1, ROWS - 1):
        memory = into[qdrant_id(row)]
        assert (memory.text, memory.metadata) == (f"text {row}", {"row": row})
    share = overlap(into, vectors, metric, lambda memory: (memory.metadata or {})["row"])
    assert share >= 0.95
    # Run again, as after a stop.
    assert from_qdrant(tmp_path / "q", "docs", into=into).replaced == ROWS
    assert (into[1].metadata or {})["page_content"] == "text 1"


def test_qdrant_with_names(store: Store, make: Make, tmp_path: Path) -> None:
    client = QdrantClient(":memory:")
    params = models.VectorParams(size=3, distance=models.Distance.MANHATTAN)
    client.create_collection("docs", vectors_config={"a": params, "b": params})
    client.upsert(
        "docs",
        [
            models.PointStruct(id=1, vector={"a": [1.0, 2.0, 3.0], "b": [4.0, 5.0, 6.0]}),
            models.PointStruct(id=2, vector={"a": [1.0, 2.0, 3.0]}),
        ],
    )
    with pytest.raises(FormatError, match=r"\['a', 'b'\]; name one: vector="):
        from_qdrant(client, "docs", into=store)
    with pytest.raises(FormatError, match="no metric that altiplano has"):
        from_qdrant(client, "docs", into=store, vector="b")
    with pytest.raises(FormatError, match="row 1, column 'vector': there is no vector"):
        from_qdrant(client, "docs", into=make(), vector="b")
    report = from_qdrant(
        client, "docs", into=store, vector="b", metric="l2", name="b", on_bad_row="skip"
    )
    assert (report.inserted, report.skipped) == (1, 1)
    assert store["b"][1].vector.tolist() == [4, 5, 6]
    with pytest.raises(FileNotFoundError, match="no directory of a local Qdrant"):
        from_qdrant(tmp_path, "docs", into=store)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import altiplano

    write_qdrant(tmp_path / "q", models.Distance.EUCLID, rows(count=20))
    target = str(tmp_path / "t")
    base = ["qdrant", str(tmp_path / "q"), "docs", target, "--quiet"]
    assert main([*base, "--into", "notes", "--namespace", "n", "--text", "page_content"]) == 0
    assert '"inserted": 20' in capsys.readouterr().out
    with altiplano.open(target) as opened:
        assert len(opened["notes"].scope("n")) == 20
    assert main(["qdrant", str(tmp_path / "nope"), "docs", target]) == 1
    assert "no directory of a local Qdrant" in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    assert "langchain-faiss" in capsys.readouterr().out


@heavy
@pytest.mark.parametrize(("space", "metric"), [("cosine", "cosine"), ("l2", "l2"), ("ip", "dot")])
def test_chroma(store: Store, tmp_path: Path, space: Any, metric: str) -> None:
    import chromadb
    from chromadb.config import Settings

    vectors = rows()
    client = chromadb.PersistentClient(
        str(tmp_path / "c"), settings=Settings(anonymized_telemetry=False)
    )
    vendor = client.create_collection(
        "docs", configuration={"hnsw": {"space": space}}, embedding_function=None
    )
    long = "x" * 2000
    names = [f"doc-{row}" for row in range(ROWS - 1)] + [long]
    for start in range(0, ROWS, 500):
        part = range(start, min(start + 500, ROWS))
        vendor.add(
            ids=[names[row] for row in part],
            embeddings=vectors[part.start : part.stop],
            documents=[f"text {row}" for row in part],
            metadatas=[{"row": row, "even": row % 2 == 0, "share": row / 7} for row in part],
        )
    vendor.add(ids=["bare"], embeddings=vectors[:1] + 100)
    seen: list[Any] = []
    report = from_chroma(
        tmp_path / "c", "docs", into=store, progress=lambda *done: seen.append(done)
    )
    assert (report.inserted, seen[-1]) == (ROWS + 1, (ROWS + 1, ROWS + 1))
    into = store["docs"]
    assert into.settings["metric"].lower() == metric
    got = into.vectors([MemoryId.from_key(name) for name in names[:-1]])
    if metric == "cosine":
        # Chroma keeps vectors of length 1.
        close(unit(got), unit(vectors[:-1]), 1e-6)
    else:
        close(got, vectors[:-1])
    memory = into.get_by_key("doc-7")
    assert memory is not None
    assert memory.text == "text 7"
    assert memory.metadata == {"row": 7, "even": False, "share": 1.0}
    bare = into.get_by_key("bare")
    assert bare is not None and bare.text is None and bare.metadata is None
    hashed = next(iter(into.scan(field("row") == ROWS - 1)))
    assert (hashed.metadata or {})["source_id"] == long
    assert (hashed.key or "").startswith("sha256:")
    into.delete_by_key("bare")
    share = overlap(into, vectors, metric, lambda memory: (memory.metadata or {})["row"])
    assert share >= 0.95
    assert from_chroma(client, "docs", into=into, existing="keep").existing == ROWS
    with pytest.raises(FileNotFoundError, match="no database of Chroma"):
        from_chroma(tmp_path / "nope", "docs", into=store)
    assert not (tmp_path / "nope").exists()


@heavy
@pytest.mark.parametrize("metric", ["l2", "cosine", "dot"])
def test_lancedb(store: Store, tmp_path: Path, metric: Any) -> None:
    import lancedb

    vectors = rows()
    db = lancedb.connect(str(tmp_path / "l"))

    def entries(part: range) -> list[dict[str, Any]]:
        return [
            {"id": f"doc-{row}", "emb": vectors[row], "content": f"text {row}", "year": row,
             "who": {"name": "Ann", "n": row}, "tags": ["a", "b"]}
            for row in part
        ]  # fmt: skip

    import pyarrow as pa

    first = pa.Table.from_pylist(entries(range(0, 100)))
    numbers = pa.list_(pa.float32(), DIMENSION)
    at = first.schema.get_field_index("emb")
    if metric != "l2":
        first = first.cast(first.schema.set(at, pa.field("emb", numbers)))
    else:
        first = first.cast(first.schema.set(at, pa.field("emb", pa.list_(pa.float32()))))
    table = db.create_table("docs", first)
    table.add(entries(range(100, ROWS)))
    table.delete("year = 5")
    if metric != "l2":
        config = lancedb.index.IvfFlat(distance_type=metric, num_partitions=2)
        table.create_index("emb", config=config)
    seen: list[Any] = []
    report = from_lancedb(
        tmp_path / "l",
        "docs",
        into=store if metric != "l2" else store.collection("docs", DIMENSION, "l2"),
        columns={"text": "content"},
        progress=lambda *done: seen.append(done),
    )
    assert (report.inserted, seen[-1]) == (ROWS - 1, (ROWS - 1, ROWS - 1))
    into = store["docs"]
    assert into.settings["metric"].lower() == metric
    kept = [row for row in range(ROWS) if row != 5]
    close(into.vectors([MemoryId.from_key(f"doc-{row}") for row in kept]), vectors[kept])
    memory = into.get_by_key("doc-7")
    assert memory is not None
    assert (memory.text, memory.tags) == ("text 7", ["a", "b"])
    assert memory.metadata == {"year": 7, "who": {"name": "Ann", "n": 7}}
    share = overlap(into, vectors[kept], metric, lambda m: kept.index((m.metadata or {})["year"]))
    assert share >= 0.95
    # Without the mapping, the text is a field of the metadata.
    assert from_lancedb(db, "docs", into=into, rest="ignore").replaced == ROWS - 1
    with pytest.raises(FormatError, match="'nope'"):
        from_lancedb(db, "docs", into=store, columns={"vector": "nope"})
    with pytest.raises(FileNotFoundError, match="no directory of LanceDB"):
        from_lancedb(tmp_path / "nope", "docs", into=store)
