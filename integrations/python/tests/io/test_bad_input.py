"""Bad input is refused with a message that names the file, the row and the column."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import FULL, whole

import altiplano
from altiplano import Collection, Memory
from altiplano.io import (
    FormatError,
    export_file,
    export_parquet,
    format_of,
    import_arrow,
    import_file,
    import_jsonl,
    import_npy,
    import_parquet,
)

Make = Callable[..., Collection]
GOOD = [1.0, 2.0, 3.0]


@pytest.fixture
def exported(make: Make, tmp_path: Path) -> Callable[[str], Path]:
    source = make()
    for number in range(50):
        source.insert(whole(f"k{number}", number))

    def exported(suffix: str) -> Path:
        export_file(source, tmp_path / f"x.{suffix}")
        return tmp_path / f"x.{suffix}"

    return exported


@pytest.mark.parametrize("suffix", ["parquet", "jsonl.gz", "npy"])
def test_truncated(make: Make, exported: Callable[[str], Path], suffix: str) -> None:
    path = exported(suffix)
    data = path.read_bytes()
    for end in [0, 3, 8, 100, len(data) // 2, len(data) - 5, len(data) - 1]:
        path.write_bytes(data[:end])
        target = make()
        with pytest.raises(FormatError) as caught:
            import_file(target, path)
        assert str(path) in str(caught.value)
        assert isinstance(caught.value, (altiplano.Error, ValueError))


def test_truncated_lines(make: Make, exported: Callable[[str], Path]) -> None:
    path = exported("jsonl")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - 20])
    with pytest.raises(FormatError, match=r"x.jsonl, line 50: .*truncated") as caught:
        import_file(make(), path)
    assert (caught.value.row, caught.value.unit) == (50, "line")


def test_damaged_bytes_never_crash(make: Make, exported: Callable[[str], Path]) -> None:
    rng = random.Random(3)
    for suffix in ("parquet", "jsonl", "jsonl.gz", "npy"):
        path = exported(suffix)
        data = path.read_bytes()
        for _ in range(200 if FULL else 15):
            damaged = bytearray(data)
            for _ in range(rng.randint(1, 4)):
                damaged[rng.randrange(len(data))] = rng.randrange(256)
            path.write_bytes(damaged)
            try:
                import_file(make(in_memory=True), path)
            except FormatError as error:
                assert str(path) in str(error)


@pytest.mark.parametrize(
    ("row", "column", "says"),
    [
        ({"vector": [1, 2]}, "vector", "2 numbers, and the collection has dimension 3"),
        ({"vector": [1, 2, float("nan")]}, "vector", "number 2 is nan"),
        ({"vector": [1, float("inf"), 3]}, "vector", "number 1 is inf"),
        ({"vector": [1, 1e39, 3]}, "vector", "number 1 is inf"),
        ({"vector": ["a", 2, 3]}, "vector", "expected numbers"),
        ({"vector": [[1], [2], [3]]}, "vector", "expected a list of numbers"),
        ({"vector": None}, "vector", "there is no vector"),
        ({}, "vector", "there is no vector"),
        ({"id": "name"}, "id", "columns={'key': 'id'}"),
        ({"id": -1}, "id", "is no id"),
        ({"id": 2**128}, "id", "is no id"),
        ({"text": 5}, "text", "expected a text, got 5"),
        ({"metadata": "{"}, "metadata", "not JSON"),
        ({"metadata": "[1]"}, "metadata", "expected a JSON object"),
        ({"metadata": {"a": 2**64}}, None, "64 bits"),
        ({"tags": "x"}, "tags", "expected a list of texts"),
        ({"tags": [1]}, "tags", "expected a list of texts"),
        ({"importance": 1.5}, "importance", "from 0 to 1"),
        ({"pinned": "yes"}, "pinned", "true or false"),
        ({"tokens": -1}, "tokens", "whole number"),
        ({"uses": 1.5}, "uses", "whole number"),
        ({"created_at": "yesterday"}, "created_at", "is no time"),
        ({"created_at": True}, "created_at", "expected a time"),
        ({"derived_from": "x"}, "derived_from", "list of ids"),
        ({"derived_from": ["x"]}, "derived_from", "is no id"),
        ({"superseded_by": "x"}, "superseded_by", "is no id"),
        ({"data": "?"}, "data", "not base64"),
        ({"key": "k" * 1025}, None, "1024"),
        ({"tags": ["t" * 1025]}, None, "1024"),
        ({"tags": [str(i) for i in range(257)]}, None, "256"),
        ({"metadata": {"a": "x" * (1 << 20)}}, None, "1048576"),
        ({"text": "x" * ((16 << 20) + 1)}, None, "16777216"),
        ({"valid_from": 2, "valid_to": 1}, None, "ends before"),
    ],
)
def test_rows(make: Make, tmp_path: Path, row: dict[str, Any], column: Any, says: str) -> None:
    path = tmp_path / "x.jsonl"
    good = json.dumps({"vector": GOOD, "key": "good"})
    bad = json.dumps(row if row == {} else {"vector": GOOD, **row})
    path.write_text(f"{good}\n{bad}\n{good}\n")
    target = make()
    with pytest.raises(FormatError) as caught:
        import_jsonl(target, path)
    error = caught.value
    assert (error.source, error.row, error.column) == (str(path), 2, column)
    assert f"{path}, line 2" in str(error) and says in str(error)
    # The batch of the row is not written, not even in part.
    assert len(target) == 0
    report = import_jsonl(target, path, on_bad_row="skip")
    assert (report.rows, report.skipped, len(target)) == (3, 1, 1)
    assert says in report.problems[0]


def test_zero_under_cosine(make: Make) -> None:
    vectors = [GOOD, [0.0, 0.0, 0.0], GOOD, [0.0, -0.0, 0.0]]
    table = pa.table({"vector": vectors, "id": [1, 2, 3, 4]})
    assert import_arrow(make(3, "l2"), table).inserted == 4
    target = make(3, "cosine")
    with pytest.raises(FormatError, match=r"row 1, column 'vector': it is zero.*l2 and dot"):
        import_arrow(target, table)
    assert import_arrow(target, table, on_bad_row="skip").skipped == 2
    # A scope does not know the metric: the store refuses, and the row is found.
    scope = make(3, "cosine").scope("a")
    with pytest.raises(FormatError, match="row 1"):
        import_arrow(scope, table)
    report = import_arrow(scope, table, on_bad_row="skip")
    assert (report.inserted, report.skipped, len(scope)) == (2, 2, 2)


def test_a_scope_refuses_others(make: Make) -> None:
    target = make()
    table = pa.table({"vector": [GOOD, GOOD], "key": ["a", "b"], "namespace": [None, "other"]})
    with pytest.raises(FormatError, match="row 1"):
        import_arrow(target.scope("mine"), table)
    assert import_arrow(target.scope("mine"), table, on_bad_row="skip").skipped == 1
    # An id that belongs to another namespace.
    target.insert(Memory(GOOD, id=7, namespace="other"))
    with pytest.raises(FormatError, match="row 0"):
        import_arrow(target.scope("mine"), pa.table({"vector": [GOOD], "id": [7]}))


def test_columns(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"emb": [GOOD], "id": ["a"], "vec": ["text"]}), path)
    with pytest.raises(FormatError, match=r"column 'vector': .*emb, id.*columns=\{'vector'"):
        import_parquet(make(), path)
    with pytest.raises(FormatError, match="column 'nope': there is no such column"):
        import_parquet(make(), path, columns={"vector": "emb", "text": "nope"})
    with pytest.raises(FormatError, match="column 'vec': vectors are lists of numbers"):
        import_parquet(make(), path, columns={"vector": "vec"})
    with pytest.raises(ValueError, match="'vectors' is none of id, key"):
        import_parquet(make(), path, columns={"vectors": "emb"})
    nulls = pa.table({"vector": pa.array([[1.0, None, 3.0]], type=pa.list_(pa.float32()))})
    with pytest.raises(FormatError, match="row 0, column 'vector': number 1 is nan"):
        import_arrow(make(), nulls)
    texts = pa.table({"vector": pa.array([["a"]])})
    with pytest.raises(FormatError, match="these are lists of string"):
        import_arrow(make(), texts)


def test_rows_of_parquet_are_counted_over_groups(make: Make, tmp_path: Path) -> None:
    vectors = [GOOD] * 3000 + [[1.0, 2.0, float("nan")]] + [GOOD] * 10
    pq.write_table(pa.table({"vector": vectors}), tmp_path / "x.parquet", row_group_size=700)
    target = make()
    with pytest.raises(FormatError) as caught:
        import_parquet(target, tmp_path / "x.parquet")
    assert (caught.value.row, caught.value.column) == (3000, "vector")
    assert len(target) == 3000


def test_lines_that_are_no_objects(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    for text, says in (("[1]", "expected an object"), ("{", "not JSON"), ("\xff", "not JSON")):
        path.write_bytes(b"\n" + text.encode("latin-1") + b"\n")
        with pytest.raises(FormatError, match=f"line 2: .*{says}"):
            import_jsonl(make(), path)
    path.write_text("[" * 200_000)
    with pytest.raises(FormatError, match="line 1"):
        import_jsonl(make(), path)
    with gzip.open(tmp_path / "y.jsonl.gz", "wb") as file:
        file.write(b" " * (65 << 20))
    with pytest.raises(FormatError, match="longer than 64 MiB"):
        import_jsonl(make(), tmp_path / "y.jsonl.gz")


def test_matrices(make: Make, exported: Callable[[str], Path], tmp_path: Path) -> None:
    path = exported("npy")
    beside = tmp_path / "x.npy.jsonl"
    lines = beside.read_bytes().splitlines(keepends=True)
    beside.write_bytes(b"".join(lines[:-1]))
    with pytest.raises(FormatError, match=r"x.npy.jsonl: it has 49 lines, and the matrix has 50"):
        import_npy(make(), path)
    beside.write_bytes(b"".join([*lines, lines[0]]))
    with pytest.raises(FormatError, match="more lines than the matrix has rows, 50"):
        import_npy(make(), path)
    beside.unlink()
    with pytest.raises(FormatError, match="attributes=None goes without"):
        import_npy(make(), path)
    for matrix, says in (
        (np.zeros(3, np.float32), "expected a matrix"),
        (np.zeros((2, 3), np.int32), "expected a matrix of floats"),
        (np.asfortranarray(np.ones((4, 3), np.float32)), "ascontiguousarray"),
        (np.array([["a", "b"]], dtype=object), "expected a matrix"),
    ):
        np.save(path, matrix, allow_pickle=True)
        with pytest.raises(FormatError, match=says):
            import_npy(make(), path, attributes=None)
    np.save(path, np.array([[1, 2, 3], [1, np.nan, 3]], dtype=np.float32))
    with pytest.raises(FormatError, match="row 1, column 'vector': number 1 is nan"):
        import_npy(make(), path, attributes=None)
    with pytest.raises(ValueError, match=r"ends in \.npy"):
        import_npy(make(), tmp_path / "x.bin")


def test_arguments(make: Make, tmp_path: Path) -> None:
    target, table = make(), pa.table({"vector": [GOOD]})
    with pytest.raises(TypeError, match="expected a path, a file"):
        import_arrow(target, [1])
    with pytest.raises(TypeError, match="expected a collection or a scope"):
        import_arrow(target.snapshot(), table)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected a collection, a scope or a snapshot"):
        export_parquet({}, tmp_path / "x.parquet")  # type: ignore[arg-type]
    for options in ({"existing": "?"}, {"on_bad_row": "?"}, {"batch_rows": 0}, {"rest": "?"}):
        with pytest.raises(ValueError, match=next(iter(options))):
            import_arrow(target, table, **options)
    with pytest.raises(TypeError, match="no option 'nmespace'"):
        import_arrow(target, table, nmespace="a")  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="'fixed' or 'list'"):
        export_parquet(target, tmp_path / "x.parquet", vector_type="?")  # type: ignore[arg-type]
    assert not list(tmp_path.glob("*x.parquet*"))
    with pytest.raises(ValueError, match=r"ends in \.parquet, \.jsonl"):
        format_of("x.csv")
    with pytest.raises(FileNotFoundError):
        import_parquet(target, tmp_path / "nope.parquet")
