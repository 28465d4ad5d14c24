"""What goes out comes back: every attribute, every vector bit by bit, in every format."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import FULL, memories, same, whole
from hypothesis import given
from hypothesis import strategies as st

from altiplano import Batch, Collection, Filter, Memory, Store
from altiplano.io import (
    export_file,
    export_jsonl,
    export_npy,
    export_parquet,
    import_arrow,
    import_file,
    import_jsonl,
    import_npy,
    import_parquet,
    to_arrow,
)

Make = Callable[..., Collection]
FORMATS = ["parquet", "list.parquet", "jsonl", "jsonl.gz", "npy"]
COUNTER = iter(range(10**9))


def out(source: Any, path: Path, **options: Any) -> Any:
    kind = "list" if path.name.endswith("list.parquet") else "fixed"
    return export_file(source, path, vector_type=kind, **options)


@given(st.lists(memories(), max_size=6), st.sampled_from(FORMATS))
def test_any_memories(store: Store, tmp_path: Path, drawn: list[Memory], suffix: str) -> None:
    number = next(COUNTER)
    source = store.collection(f"a{number}", 3, "l2", in_memory=True)
    target = store.collection(f"b{number}", 3, "l2", in_memory=True, default_ttl=60)
    batch = Batch()
    for memory in drawn:
        batch.insert(memory)
    source.apply(batch)
    path = tmp_path / f"{number}.{suffix}"
    assert out(source, path).rows == len(source)
    report = import_file(target, path)
    assert report.inserted == len(source) == report.rows
    same(source, target)
    # The same rows replace themselves.
    assert import_file(target, path).replaced == len(source)
    same(source, target)
    store.drop_collection(f"a{number}")
    store.drop_collection(f"b{number}")


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("metric", ["cosine", "l2", "dot"])
def test_whole_memories_and_bits(make: Make, tmp_path: Path, suffix: str, metric: Any) -> None:
    source, target = make(16, metric), make(16, metric)
    rng = np.random.default_rng(5)
    for number in range(300):
        memory = whole(f"k{number}", number, 16)
        # Every kind of float32, as bits: but no zero vector, infinity or NaN.
        bits = rng.integers(0, 2**32, 16, dtype=np.uint32).view(np.float32)
        memory.vector = np.where(np.isfinite(bits) & (abs(bits) < 1e18), bits, np.float32(-0.0))
        if number == 0:
            memory.vector = np.array([-0.0, 1e-45, 1] + [0.1] * 13, dtype=np.float32)
        source.insert(memory)
    path = tmp_path / f"x.{suffix}"
    out(source, path)
    import_file(target, path)
    same(source, target)
    # Ten trips change nothing.
    for _ in range(10 if FULL else 2):
        out(target, path, overwrite=True)
        target = make(16, metric)
        import_file(target, path)
    same(source, target)


@pytest.mark.parametrize("suffix", FORMATS)
def test_nothing(make: Make, tmp_path: Path, suffix: str) -> None:
    source, target, seen = make(), make(), []
    path = tmp_path / f"x.{suffix}"
    assert out(source, path, progress=lambda *done: seen.append(done)).rows == 0
    assert import_file(target, path, progress=lambda done, _: seen.append(done)).rows == 0
    assert len(target) == 0
    assert seen == [(0, 0), 0]


def test_files_that_are_open(make: Make) -> None:
    source = make()
    source.insert(whole())
    for write, read in ((export_parquet, import_parquet), (export_jsonl, import_jsonl)):
        target, file = make(), io.BytesIO()
        assert write(source, file).files == []
        assert not file.closed
        file.seek(0)
        assert read(target, file).inserted == 1
        same(source, target)


def test_scopes_snapshots_and_filters(make: Make, tmp_path: Path) -> None:
    source = make()
    for number in range(10):
        space = "a" if number % 2 else "b"
        source.insert(Memory([number, 1, 2], key=str(number), namespace=space, tags=[f"t{number}"]))
    held = source.snapshot()
    source.delete_where(Filter.tag("t1"))
    assert out(source, tmp_path / "all.parquet").rows == 9
    assert out(held, tmp_path / "held.parquet").rows == 10
    assert out(source.scope("a"), tmp_path / "a.jsonl").rows == 4
    assert out(held.scope("a"), tmp_path / "b.parquet").rows == 5
    some = Filter.tags_any(["t2", "t3"])
    assert out(source, tmp_path / "some.npy", filter=some).rows == 2
    target = make()
    assert import_file(target.scope("a"), tmp_path / "a.jsonl").inserted == 4
    same(source.scope("a"), target.scope("a"))
    import_file(target, tmp_path / "some.npy")
    assert sorted(memory.key for memory in target) == ["2", "3", "5", "7", "9"]


def test_an_export_shows_one_moment(make: Make, tmp_path: Path) -> None:
    source = make()
    batch = Batch()
    for number in range(2_500):
        batch.insert(Memory([number, 1, 2], key=str(number)))
    source.apply(batch)
    totals = []

    def meddle(done: int, total: int | None) -> None:
        totals.append((done, total))
        source.delete_where(Filter.all())
        source.insert(Memory([0, 0, 0], key=f"new{done}"))

    report = export_parquet(source, tmp_path / "x.parquet", progress=meddle)
    assert report.rows == 2_500
    assert totals == [(1000, 2500), (2000, 2500), (2500, 2500)]
    target = make()
    import_parquet(target, tmp_path / "x.parquet")
    assert sorted(int(memory.key or "") for memory in target) == list(range(2_500))


def test_arrow_without_a_file(make: Make) -> None:
    source, target = make(), make()
    source.insert(whole())
    stream = to_arrow(source)
    assert import_arrow(target, stream).inserted == 1
    same(source, target)
    table = to_arrow(source, vector_type="list").read_all()
    for form in (table, table.to_batches()[0], table.to_reader()):
        target = make()
        import_arrow(target, form)
        same(source, target)


def test_jsonl_is_plain(make: Make, tmp_path: Path) -> None:
    source = make()
    source.insert(whole())
    source.insert(Memory([1, -0.0, 0.1], id=7))
    export_jsonl(source, tmp_path / "x.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text("utf-8").splitlines()]
    full, bare = sorted(lines, key=len, reverse=True)
    assert full["metadata"] == {"a": {"b": [1, 2.5, None, True, "x"]}, "c": -7}
    assert full["created_at"] == "2026-05-06T07:08:09.123Z"
    assert full["data"] == "AP8Q"
    assert full["importance"] == 0.8
    assert bare.pop("created_at")
    assert bare == {
        "id": "00000000-0000-0000-0000-000000000007",
        "importance": 0.5,
        "pinned": False,
        "expires_at": None,
        "uses": 0,
        "vector": [1, -0.0, 0.10000000149011612],
    }


def test_npy_is_a_matrix(make: Make, tmp_path: Path) -> None:
    source = make()
    for number in range(5):
        source.insert(Memory([number, 1, 2], id=number))
    report = export_npy(source, tmp_path / "x.npy")
    assert report.files == [str(tmp_path / "x.npy"), str(tmp_path / "x.npy.jsonl")]
    matrix = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert (matrix.dtype, matrix.shape) == (np.float32, (5, 3))
    lines = (tmp_path / "x.npy.jsonl").read_text().splitlines()
    for row, line in zip(matrix, lines, strict=True):
        assert json.loads(line)["id"].endswith(str(int(row[0])))


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.float16, ">f4"])
def test_a_matrix_alone(make: Make, tmp_path: Path, kind: Any) -> None:
    matrix = np.arange(3000, dtype=kind).reshape(1000, 3)
    np.save(tmp_path / "x.npy", matrix)
    target = make()
    assert import_npy(target, tmp_path / "x.npy", attributes=None).inserted == 1000
    memory = target.get(999)
    assert memory is not None
    assert memory.vector.tolist() == matrix[999].astype(np.float32).tolist()
