"""Other tools read what is exported, and what they write can be imported."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import FULL, same, whole

from altiplano import Collection, Memory, MemoryId
from altiplano.io import export_parquet, import_arrow, import_jsonl, import_parquet, to_arrow

Make = Callable[..., Collection]


@pytest.mark.parametrize("kind", ["fixed", "list"])
def test_pyarrow_reads(make: Make, tmp_path: Path, kind: Any) -> None:
    source = make()
    source.insert(whole())
    export_parquet(source, tmp_path / "x.parquet", vector_type=kind)
    table = pq.read_table(tmp_path / "x.parquet")
    vectors = table.schema.field("vector").type
    assert pa.types.is_fixed_size_list(vectors) == (kind == "fixed")
    assert vectors.value_type == pa.float32()
    assert table.schema.field("created_at").type == pa.timestamp("ms", tz="UTC")
    about = json.loads(table.schema.metadata[b"altiplano"])
    assert (about["dimension"], about["metric"], about["format"]) == (3, "l2", 1)
    memory = whole()
    row = table.to_pylist()[0]
    assert UUID(row.pop("id")) == memory.id.uuid
    assert row.pop("vector") == memory.vector.tolist()
    assert json.loads(row.pop("metadata")) == memory.metadata
    assert row.pop("importance") == np.float32(0.8)
    assert [MemoryId(id) for id in row.pop("derived_from")] == memory.derived_from
    assert MemoryId(row.pop("superseded_by")) == memory.superseded_by
    for name, value in row.items():
        assert value == getattr(memory, name), name


@pytest.mark.parametrize("kind", ["fixed", "list"])
def test_duckdb_reads_and_writes(make: Make, tmp_path: Path, kind: Any) -> None:
    source, target = make(), make()
    for number in range(100):
        source.insert(whole(f"k{number}", number))
    path = tmp_path / "x.parquet"
    export_parquet(source, path, vector_type=kind)
    with duckdb.connect() as db:
        count, dimension, first = db.execute(
            "select count(*), max(len(vector)), min(created_at at time zone 'UTC') "
            f"from '{path}' where list_contains(tags, 'y z') and pinned and tokens = 12"
        ).fetchall()[0]
        assert (count, dimension) == (100, 3)
        assert first == datetime(2026, 5, 6, 7, 8, 9, 123000)
        near = "list_distance(vector::float[], (select vector from t where key = 'k7')::float[])"
        db.execute(f"create table t as select * from '{path}'")
        found = db.execute(f"select key from t order by {near} limit 5").fetchall()
        hits = source.search(whole("k7", 7).vector, k=5)
        assert [key for (key,) in found] == [hit.key for hit in hits]
        # What DuckDB writes, and what it hands over without a file.
        db.execute(f"copy (select * from t) to '{tmp_path / 'duck.parquet'}' (format parquet)")
        import_parquet(target, tmp_path / "duck.parquet")
        same(source, target)
        target = make()
        import_arrow(target, db.sql("select * from t"))
        same(source, target)
        # DuckDB reads an export that no file has.
        stream = to_arrow(source, vector_type=kind)  # noqa: F841
        assert db.sql("select count(*) from stream").fetchall() == [(100,)]


@pytest.mark.skipif(not FULL, reason="polars is large")
def test_polars(make: Make, tmp_path: Path) -> None:
    import polars as pl

    source, target = make(), make()
    for number in range(50):
        source.insert(whole(f"k{number}", number))
    export_parquet(source, tmp_path / "x.parquet")
    frame = pl.read_parquet(tmp_path / "x.parquet")
    assert frame.height == 50
    import_arrow(target, frame)
    same(source, target)
    target = make()
    import_arrow(target, pl.from_arrow(to_arrow(source)))
    same(source, target)


def test_columns_of_others(make: Make, tmp_path: Path) -> None:
    table = pa.table(
        {
            "doc_id": ["a", "b", None],
            "emb": pa.array([[1.0, 2.0, 3.0]] * 3, type=pa.list_(pa.float64())),
            "body": ["hello", None, "x"],
            "year": [2001, None, 3],
            "who": pa.array([{"name": "Ann"}, None, {"name": None}]),
            "seen": pa.array([datetime(2020, 1, 2)] * 3, type=pa.timestamp("us")),
            "metadata": ['{"year": 1, "x": 2}', None, None],
        }
    )
    pq.write_table(table, tmp_path / "x.parquet")
    columns = {"key": "doc_id", "vector": "emb", "text": "body", "created_at": "seen"}
    target = make()
    assert import_parquet(target, tmp_path / "x.parquet", columns=columns).inserted == 3
    first = target.get_by_key("a")
    assert first is not None
    assert first.text == "hello"
    assert first.created_at == datetime(2020, 1, 2, tzinfo=timezone.utc)
    # The metadata of the row wins over a column of the same name.
    assert first.metadata == {"year": 1, "who": {"name": "Ann"}, "x": 2}
    assert first.id == MemoryId.from_key("a")
    target = make()
    import_arrow(target, table, columns=columns, rest="ignore")
    second = target.get_by_key("b")
    assert second is not None and second.metadata is None
    # The row without a key has a new id each time, the others replace themselves.
    assert import_arrow(target, table, columns=columns).replaced == 2
    assert len(target) == 4


@pytest.mark.parametrize(
    "numbers",
    [pa.float16(), pa.float32(), pa.float64(), pa.int64(), pa.int8()],
)
@pytest.mark.parametrize("form", [pa.list_, pa.large_list, lambda kind: pa.list_(kind, 3)])
def test_vectors_of_others(make: Make, numbers: Any, form: Any) -> None:
    values = [[1, 2, 3], None, [4, 5, 6], [7, 8, 9]]
    column = pa.array(values, type=pa.list_(pa.float64())).cast(pa.list_(numbers))
    if form is not pa.list_:
        column = pa.array(column.to_pylist(), type=form(numbers))
    whole_table = pa.table({"vector": column, "id": [0, 1, 2, 3]})
    target = make()
    # A slice has an offset.
    report = import_arrow(target, whole_table.slice(1), on_bad_row="skip")
    assert (report.inserted, report.skipped) == (2, 1)
    assert "row 0, column 'vector': there is no vector" in report.problems[0]
    assert target.vectors([2, 3]).tolist() == [[4, 5, 6], [7, 8, 9]]


def test_namespace_and_lifetimes(make: Make, tmp_path: Path) -> None:
    lines = [
        {"vector": [1, 2, 3], "key": "a"},
        {"vector": [1, 2, 3], "key": "b", "namespace": "own", "expires_at": None},
        {"vector": [1, 2, 3], "key": "c", "expires_at": "2001-01-01T00:00:00Z"},
        {"vector": [1, 2, 3], "key": "d", "expires_at": "2999-01-01T00:00:00+02:00"},
    ]
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    target = make(default_ttl=3600)
    report = import_jsonl(target, path, namespace="given")
    assert (report.rows, report.inserted, report.expired) == (4, 3, 1)
    kept = {memory.key: memory for memory in target}
    assert kept["a"].id == MemoryId.from_key("a", namespace="given")
    assert kept["d"].id == MemoryId.from_key("d", namespace="given")
    assert kept["b"].namespace == "own"
    # Absent: the default of the collection. Empty: for ever.
    assert kept["a"].expires_at is not None and kept["b"].expires_at is None
    assert kept["d"].expires_at == datetime(2998, 12, 31, 22, tzinfo=timezone.utc)


def test_keep_what_is_there(make: Make) -> None:
    target = make()
    target.insert(Memory([9, 9, 9], key="a", text="mine"))
    table = pa.table({"key": ["a", "b"], "vector": [[1.0, 2.0, 3.0]] * 2, "text": ["x", "y"]})
    report = import_arrow(target, table, existing="keep")
    assert (report.inserted, report.existing, report.replaced) == (1, 1, 0)
    kept = target.get_by_key("a")
    assert kept is not None and kept.text == "mine"
