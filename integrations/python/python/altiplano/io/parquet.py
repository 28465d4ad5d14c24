"""Owns export and import of Parquet, and the way to and from Arrow in memory. Needs pyarrow."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO

from altiplano.errors import Error
from altiplano.io._arrow import (
    Rest,
    VectorType,
    batches,
    check_columns,
    import_batches,
    schema_of,
    stream_of,
)
from altiplano.io._output import Output
from altiplano.io._read import Moment
from altiplano.io._row import COLUMNS
from altiplano.io._types import ExportReport, FormatError, ImportReport
from altiplano.io._write import Sink

# After `_arrow`, which says what to install where pyarrow is missing.
import pyarrow as pa  # isort: skip
import pyarrow.parquet as pq  # isort: skip

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from altiplano.io._types import ExportOptions, ImportOptions, Readable, Writable

GROUP_BYTES = 32 << 20
"""Bytes of a row group, about, before compression. One is in memory at a time."""
READ_ROWS = 256
"""Rows that are decoded at a time: few, because a row may have 16 MiB."""
_READ: Any = {"pre_buffer": False, "buffer_size": 1 << 20, "page_checksum_verification": True}
_REPEATED = ("namespace", "session", "kind", "tags.list.element", "importance", "tokens")


def to_arrow(
    source: Readable, *, vector_type: VectorType = "fixed", **options: Unpack[ExportOptions]
) -> pa.RecordBatchReader:
    """Returns the memories of one moment as a stream of Arrow batches, of bounded memory.

    polars (`polars.from_arrow`), DuckDB, pandas and others read it. The moment is the call.
    """
    moment = Moment(source, **options)
    schema = schema_of(moment.dimension, vector_type, moment.settings)
    return pa.RecordBatchReader.from_batches(schema, batches(moment, schema))


def export_parquet(
    source: Readable,
    to: str | os.PathLike[str] | BinaryIO,
    *,
    vector_type: VectorType = "fixed",
    compression: str = "zstd",
    overwrite: bool = False,
    **options: Unpack[ExportOptions],
) -> ExportReport:
    """Writes the memories of one moment to a Parquet file.

    The file appears under its name when it is whole. `to` may also be an open binary file.
    `vector_type` is `"fixed"`, a list of fixed size, or `"list"` for readers that know no such
    lists. Memory stays bounded, whatever the number of rows.

    Raises `FileExistsError` if the file exists, unless `overwrite`.
    """
    moment = Moment(source, **options)
    schema = schema_of(moment.dimension, vector_type, moment.settings)
    if not isinstance(to, (str, os.PathLike)):
        _write(moment, schema, to, compression)
        return ExportReport(moment.done)
    with Output(to, overwrite=overwrite) as output:
        _write(moment, schema, output.file, compression)
    return ExportReport(moment.done, [os.fspath(to)])


def _write(moment: Moment, schema: pa.Schema, file: BinaryIO, compression: str) -> None:
    writer = pq.ParquetWriter(
        file,
        schema,
        compression=compression,
        use_dictionary=[*_REPEATED],
        write_page_checksum=True,
    )
    pending: list[pa.RecordBatch] = []
    size = 0
    try:
        for batch in batches(moment, schema):
            pending.append(batch)
            size += batch.nbytes
            if size >= GROUP_BYTES:
                writer.write_table(pa.Table.from_batches(pending, schema))
                pending, size = [], 0
        if pending:
            writer.write_table(pa.Table.from_batches(pending, schema))
    except BaseException:
        # Closing writes the end of the file, which may fail again. The first error counts.
        with suppress(Exception):
            writer.close()
        raise
    writer.close()


def import_parquet(
    into: Writable,
    source: Any,
    *,
    columns: Mapping[str, str] | None = None,
    rest: Rest = "metadata",
    **options: Unpack[ImportOptions],
) -> ImportReport:
    """Imports the rows of a Parquet file in atomic batches.

    Rows with the same id, or the same key where there is no id, replace each other, so an import
    that was interrupted is simply run again. Rows with neither get new ids.

    Args:
        into: a collection or a scope.
        source: a path, an open binary file, or what `import_arrow` takes.
        columns: which column of the file one of ours is: `{"vector": "embedding", "key": "id"}`.
        rest: columns that are none of ours become fields of the metadata (`"metadata"`), or are
            left out (`"ignore"`).
        options: see `ImportOptions`.

    Raises `FormatError`, which names the file, the row and the column.
    """
    if not isinstance(source, (str, os.PathLike)) and not hasattr(source, "read"):
        return import_arrow(into, source, columns=columns, rest=rest, **options)
    name = source_name(source)
    columns = dict(columns or {})
    with _readable(name), _open(source) as file:
        check_columns(file.schema_arrow.names, columns, rest, name)
        sink = Sink(into, name, options, total=file.metadata.num_rows)
        wanted = _wanted(file.schema_arrow.names, columns) if rest == "ignore" else None
        rows = file.iter_batches(batch_size=READ_ROWS, columns=wanted)
        import_batches(sink, rows, columns, rest, name)
        return sink.finish()


def import_arrow(
    into: Writable,
    data: Any,
    *,
    columns: Mapping[str, str] | None = None,
    rest: Rest = "metadata",
    name: str = "the Arrow stream",
    **options: Unpack[ImportOptions],
) -> ImportReport:
    """Imports an Arrow stream: a pyarrow Table or RecordBatchReader, or any object with
    `__arrow_c_stream__`, such as a polars DataFrame or a relation of DuckDB.

    `name` stands in messages. For the rest see `import_parquet`.
    """
    columns = dict(columns or {})
    with _readable(name):
        stream = stream_of(data)
        check_columns(stream.schema.names, columns, rest, name)
        total = data.num_rows if isinstance(data, (pa.Table, pa.RecordBatch)) else None
        sink = Sink(into, name, options, total=total)
        import_batches(sink, stream, columns, rest, name)
        return sink.finish()


def about_parquet(source: str | os.PathLike[str], vector: str = "vector") -> dict[str, Any]:
    """Returns what a file says of itself: `rows`, `columns`, `dimension`, and of an export of ours
    `metric`, `embedding_space` and `collection`. `vector` names the column of the vectors."""
    name = source_name(source)
    with _readable(name), _open(source) as file:
        schema = file.schema_arrow
        about: dict[str, Any] = {"rows": file.metadata.num_rows, "columns": schema.names}
        own = (schema.metadata or {}).get(b"altiplano")
        about.update(json.loads(own) if own else {})
        if vector not in schema.names or "dimension" in about:
            return about
        if pa.types.is_fixed_size_list(schema.field(vector).type):
            about["dimension"] = schema.field(vector).type.list_size
        else:
            first = next(file.iter_batches(batch_size=1, columns=[vector]), None)
            found = first.column(0).to_pylist() if first is not None else []
            about["dimension"] = len(found[0]) if found and found[0] else None
        return about


def source_name(source: Any) -> str:
    """Returns the name of a source for messages."""
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "the given file"


def _wanted(names: Sequence[str], columns: Mapping[str, str]) -> list[str]:
    wanted = {columns.get(ours, ours) for ours in COLUMNS}
    return [name for name in names if name in wanted]


@contextmanager
def _open(source: Any) -> Iterator[pq.ParquetFile]:
    with pq.ParquetFile(source, **_READ) as file:
        yield file


@contextmanager
def _readable(name: str) -> Iterator[None]:
    """Says of errors of pyarrow which file it is, and what to do."""
    try:
        yield
    except Error:
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = f"it cannot be read: {error}. It may be truncated or no Parquet: write it again"
        raise FormatError(name, reason) from error
