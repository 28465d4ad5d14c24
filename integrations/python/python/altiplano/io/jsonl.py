"""Owns export and import of JSON lines: one object for each memory, also compressed by gzip."""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Literal, cast

import numpy as np

from altiplano.io._output import Output
from altiplano.io._read import Moment
from altiplano.io._row import TIMES, Row, arranged, row_of
from altiplano.io._types import ExportReport, FormatError, ImportReport
from altiplano.io._write import Sink

if TYPE_CHECKING:
    from datetime import datetime

    from typing_extensions import Unpack

    from altiplano import Memory
    from altiplano.io._types import ExportOptions, ImportOptions, Readable, Writable

MAX_LINE = 64 << 20
"""Largest line, in bytes: more than any memory needs, and a bound for files that have no lines."""


def export_jsonl(
    source: Readable,
    to: str | os.PathLike[str] | IO[bytes],
    *,
    overwrite: bool = False,
    **options: Unpack[ExportOptions],
) -> ExportReport:
    """Writes the memories of one moment as JSON lines; under a name that ends in `.gz`, compressed.

    Numbers of vectors have 9 digits, from which every float32 comes back bit by bit. Times are ISO
    8601 in UTC, `data` is base64, and the metadata is an object. The file appears under its name
    when it is whole. `to` may also be an open binary file.

    Raises `FileExistsError` if the file exists, unless `overwrite`.
    """
    moment = Moment(source, **options)
    if not isinstance(to, (str, os.PathLike)):
        for memory in moment:
            to.write(line_of(memory))
        return ExportReport(moment.done)
    with Output(to, overwrite=overwrite) as output, _packed(output) as file:
        for memory in moment:
            file.write(line_of(memory))
    return ExportReport(moment.done, [os.fspath(to)])


@contextmanager
def _packed(output: Output) -> Iterator[IO[bytes]]:
    if output.path.suffix != ".gz":
        yield output.file
        return
    with gzip.GzipFile(fileobj=output.file, mode="wb", compresslevel=6, mtime=0) as file:
        yield cast("IO[bytes]", file)


def line_of(memory: Memory, *, vector: bool = True) -> bytes:
    """Returns the line of a memory. Empty attributes are left out, except the end of its life."""
    row = row_of(memory)
    numbers = row.pop("vector")
    for name in TIMES:
        row[name] = _iso(row[name])
    row["importance"] = float(str(np.float32(row["importance"])))
    if row["data"] is not None:
        row["data"] = base64.b64encode(row["data"]).decode("ascii")
    plain = {
        name: value
        for name, value in row.items()
        if name == "expires_at" or (value is not None and value != [])
    }
    text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    if vector:
        text = f'{text[:-1]},"vector":{_numbers(numbers)}}}'
    return text.encode("utf-8") + b"\n"


def _numbers(vector: np.ndarray[Any, np.dtype[np.float32]]) -> str:
    text = ",".join(["%.9g"] * len(vector)) % tuple(vector.tolist())
    if "-0," in text or text.endswith("-0"):
        # JSON readers may take "-0" for the integer 0, which has no sign.
        return json.dumps(vector.tolist())
    return f"[{text}]"


def _iso(at: datetime | None) -> str | None:
    if at is None:
        return None
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def import_jsonl(
    into: Writable,
    source: str | os.PathLike[str] | BinaryIO,
    *,
    columns: Mapping[str, str] | None = None,
    rest: Literal["metadata", "ignore"] = "metadata",
    **options: Unpack[ImportOptions],
) -> ImportReport:
    """Imports JSON lines in atomic batches.

    Lines with the same id, or the same key where there is no id, replace each other, so an import
    that was interrupted is simply run again. Lines with neither get new ids.

    Args:
        into: a collection or a scope.
        source: a path, compressed if it ends in `.gz`, or an open binary file.
        columns: which member of the objects one of ours is: `{"vector": "embedding"}`.
        rest: members that are none of ours become fields of the metadata (`"metadata"`), or are
            left out (`"ignore"`).
        options: see `ImportOptions`. Its total is not known.

    Raises `FormatError`, which names the file, the line and the member.
    """
    if rest not in ("metadata", "ignore"):
        raise ValueError(f"rest is 'metadata' or 'ignore', not {rest!r}")
    name = _name(source)
    sink = Sink(into, name, options, unit="line")
    with _lines(source) as file:
        for number, raw in objects(file, name):
            row = arranged(raw, columns or {}, rest)
            decode(row, sink, number)
    return sink.finish()


def about_jsonl(source: str | os.PathLike[str], vector: str = "vector") -> dict[str, Any]:
    """Returns what the first line says: `columns` and `dimension`."""
    with _lines(source) as file:
        first = next(objects(file, os.fspath(source)), None)
    if first is None:
        return {"columns": [], "dimension": None}
    numbers = first[1].get(vector)
    dimension = len(numbers) if isinstance(numbers, list) else None
    return {"columns": list(first[1]), "dimension": dimension}


def decode(row: Row, sink: Sink, number: int) -> None:
    """Gives a row to the sink, with its bytes decoded."""
    data = row.get("data")
    if isinstance(data, str):
        try:
            row["data"] = base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError) as error:
            sink.report.rows += 1
            sink.bad(number, "data", f"this is not base64: {error}", error)
            return
    sink.add(number, row)


def objects(file: IO[bytes], name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Returns the objects of the lines, with the numbers of the lines, from 1. Skips empty ones."""
    number = 0
    while True:
        try:
            line = file.readline(MAX_LINE + 1)
        except (EOFError, OSError, zlib.error) as error:
            reason = f"it cannot be read on: {error}. It may be truncated: write it again"
            raise FormatError(name, reason, row=number + 1, unit="line") from error
        if not line:
            return
        number += 1
        if len(line) > MAX_LINE:
            reason = "it is longer than 64 MiB; is each object on a line of its own?"
            raise FormatError(name, reason, row=number, unit="line")
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            cut = "" if line.endswith(b"\n") else " The file ends in this line: is it truncated?"
            reason = f"this is not JSON: {error}.{cut}"
            raise FormatError(name, reason, row=number, unit="line") from error
        if not isinstance(value, dict):
            reason = f"expected an object, got {value!r:.60}"
            raise FormatError(name, reason, row=number, unit="line")
        yield number, value


@contextmanager
def _lines(source: str | os.PathLike[str] | BinaryIO) -> Iterator[IO[bytes]]:
    if not isinstance(source, (str, os.PathLike)):
        yield source
    elif os.fspath(source).endswith(".gz"):
        if os.path.getsize(source) == 0:
            raise FormatError(os.fspath(source), "it is empty: is it truncated? Write it again")
        with gzip.open(source, "rb") as packed:
            yield cast("IO[bytes]", packed)
    else:
        with open(source, "rb") as plain:
            yield plain


def _name(source: object) -> str:
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "the given file"
