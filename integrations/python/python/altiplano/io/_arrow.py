"""Owns the Arrow form of memories: the schema, batches of memories, and rows of batches."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from altiplano import Memory
from altiplano.io._row import COLUMNS, TIMES, Row, arranged, millis, of_millis, row_of
from altiplano.io._types import FormatError

try:
    import pyarrow as pa
    import pyarrow.compute as pc
except ImportError as error:
    raise ImportError(
        "Arrow and Parquet need pyarrow: pip install 'altiplano-memory[parquet]'"
    ) from error

if TYPE_CHECKING:
    from altiplano.io._write import Sink

VectorType: TypeAlias = Literal["fixed", "list"]
Rest: TypeAlias = Literal["metadata", "ignore"]
BATCH_ROWS = 1_000
"""Rows of an Arrow batch."""
BATCH_BYTES = 16 << 20
"""Bytes of texts and data after which a batch ends early."""


def schema_of(dimension: int, vector_type: VectorType, settings: Mapping[str, Any]) -> pa.Schema:
    """Returns the schema of an export. Its metadata has the settings, as JSON under `altiplano`."""
    if vector_type not in ("fixed", "list"):
        raise ValueError(f"vector_type is 'fixed' or 'list', not {vector_type!r}")
    number = pa.field("item", pa.float32(), nullable=False)
    vector = pa.list_(number, dimension) if vector_type == "fixed" else pa.list_(number)
    texts = pa.list_(pa.field("item", pa.string(), nullable=False))
    time = pa.timestamp("ms", tz="UTC")
    types: dict[str, pa.DataType] = {name: time for name in TIMES}
    types |= {"vector": vector, "tags": texts, "derived_from": texts, "data": pa.binary()}
    types |= {"importance": pa.float32(), "pinned": pa.bool_()}
    types |= {"tokens": pa.int64(), "uses": pa.int64()}
    always = {"id", "vector", "tags", "derived_from", "importance", "pinned", "uses", "created_at"}
    fields = [
        pa.field(name, types.get(name, pa.string()), nullable=name not in always)
        for name in COLUMNS
    ]
    about = {"format": 1, **settings, "dimension": dimension}
    return pa.schema(fields, metadata={"altiplano": json.dumps(about)})


def batches(memories: Iterable[Memory], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Returns memories as Arrow batches of bounded size."""
    rows: list[Row] = []
    size = 0
    for memory in memories:
        rows.append(row := row_of(memory))
        size += row["vector"].nbytes + len(row["text"] or "") + len(row["data"] or b"")
        if len(rows) >= BATCH_ROWS or size >= BATCH_BYTES:
            yield _batch(rows, schema)
            rows, size = [], 0
    if rows:
        yield _batch(rows, schema)


def _batch(rows: list[Row], schema: pa.Schema) -> pa.RecordBatch:
    arrays = []
    for field in schema:
        values = [row[field.name] for row in rows]
        if field.name == "vector":
            arrays.append(_vectors(values, field.type))
            continue
        if field.name in TIMES:
            values = [millis(value) for value in values]
        elif field.name == "metadata":
            values = [_json(value) for value in values]
        arrays.append(pa.array(values, type=field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _vectors(values: list[Any], kind: pa.DataType) -> pa.Array:
    numbers = pa.array(np.concatenate(values), type=pa.float32())
    if pa.types.is_fixed_size_list(kind):
        return pa.FixedSizeListArray.from_arrays(numbers, type=kind)
    offsets = np.cumsum([0, *map(len, values)], dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), numbers, type=kind)


def stream_of(data: Any) -> pa.RecordBatchReader:
    """Returns the batches of a table, a reader, or any object with an Arrow stream."""
    if isinstance(data, pa.RecordBatchReader):
        return data
    if isinstance(data, pa.RecordBatch):
        return pa.RecordBatchReader.from_batches(data.schema, [data])
    if isinstance(data, pa.Table):
        return data.to_reader(max_chunksize=BATCH_ROWS)
    if hasattr(data, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(data)
    raise TypeError(
        "expected a path, a file, a pyarrow Table or RecordBatchReader, or an object with "
        f"__arrow_c_stream__ such as a polars DataFrame, not {type(data).__name__}"
    )


def check_columns(
    names: Iterable[str], columns: Mapping[str, str], rest: Rest, source: str
) -> None:
    """Checks that a file has the columns that are asked for, and one of vectors."""
    if rest not in ("metadata", "ignore"):
        raise ValueError(f"rest is 'metadata' or 'ignore', not {rest!r}")
    there = list(names)
    for ours in columns:
        if ours not in COLUMNS:
            raise ValueError(f"columns: {ours!r} is none of {', '.join(COLUMNS)}")
    for ours in ("vector", *columns):
        name = columns.get(ours, ours)
        if name not in there:
            way = "" if ours in columns else "; name it: columns={'vector': NAME}"
            reason = f"there is no such column among {', '.join(there)}{way}"
            raise FormatError(source, reason, column=name)


def import_batches(
    sink: Sink,
    stream: Iterable[pa.RecordBatch],
    columns: Mapping[str, str],
    rest: Rest,
    source: str,
) -> None:
    """Gives the rows of Arrow batches to a sink."""
    number = 0
    for whole in stream:
        for start in range(0, whole.num_rows, BATCH_ROWS):
            batch = whole.slice(start, BATCH_ROWS)
            for row in _rows(batch, columns, rest, source):
                sink.add(number, row)
                number += 1


def _rows(
    batch: pa.RecordBatch, columns: Mapping[str, str], rest: Rest, source: str
) -> Iterator[Row]:
    name = columns.get("vector", "vector")
    theirs = {columns.get(ours, ours): ours for ours in COLUMNS}
    values: dict[str, list[Any]] = {}
    for field, column in zip(batch.schema, batch.columns, strict=True):
        try:
            if field.name == name:
                values[field.name] = _numbers(column)
            elif theirs.get(field.name) in TIMES and pa.types.is_timestamp(field.type):
                values[field.name] = _moments(column)
            else:
                values[field.name] = column.to_pylist()
        except (pa.ArrowException, ValueError, TypeError) as error:
            raise FormatError(source, str(error), column=field.name) from error
    names = list(values)
    for row in zip(*values.values(), strict=True):
        yield arranged(dict(zip(names, row, strict=True)), columns, rest)


def _moments(column: pa.Array) -> list[Any]:
    """Returns times as datetimes in UTC, to the millisecond. Without a zone, they are UTC."""
    whole = column.cast(pa.timestamp("ms", tz=column.type.tz), safe=False)
    return [of_millis(at) for at in whole.cast(pa.int64()).to_pylist()]


def _numbers(column: pa.Array) -> list[Any]:
    """Returns lists of numbers as arrays of float32, without a copy where they are that already."""
    kind = column.type
    if isinstance(column, pa.ExtensionArray):
        column, kind = column.storage, kind.storage_type
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if not lists and not pa.types.is_fixed_size_list(kind):
        raise TypeError(f"vectors are lists of numbers, and this column is of {kind}")
    number = kind.value_type
    if not (pa.types.is_floating(number) or pa.types.is_integer(number)):
        raise TypeError(f"vectors are lists of numbers, and these are lists of {number}")
    flat = column.flatten()
    if flat.null_count:
        # A number that is missing is not finite, and the row is refused for it.
        flat = pc.fill_null(flat.cast(pa.float64()), float("nan"))
    numbers = flat.to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    ends = np.cumsum(lengths)
    there = column.is_valid().to_pylist()
    return [
        numbers[end - length : end] if valid else None
        for end, length, valid in zip(ends.tolist(), lengths.tolist(), there, strict=True)
    ]
