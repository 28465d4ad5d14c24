"""Owns export and import of `.npy`: one matrix of vectors, and JSON lines for the rest beside it.

Line `i` of the JSON lines belongs to row `i` of the matrix.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tokenize import TokenError
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np

from altiplano.io._output import Output
from altiplano.io._read import Moment
from altiplano.io._row import Row, arranged
from altiplano.io._types import ExportReport, FormatError, ImportReport
from altiplano.io._write import Sink
from altiplano.io.jsonl import decode, line_of, objects

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from altiplano.io._types import ExportOptions, ImportOptions, Readable, Writable

HEADER = 128
"""Bytes of the header of version 1.0, with room for any number of rows."""
READ_BYTES = 1 << 20
"""Bytes of vectors that are read at a time."""


def export_npy(
    source: Readable,
    to: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    **options: Unpack[ExportOptions],
) -> ExportReport:
    """Writes the vectors of one moment as a `.npy` file, and all other attributes as JSON lines.

    `notes.npy` gets `notes.npy.jsonl` beside it, with one line for each row. `numpy.load(...,
    mmap_mode="r")` opens the matrix, float32 of shape (rows, dimension), without reading it.

    Raises `FileExistsError` if one of the two exists, unless `overwrite`.
    """
    path = Path(to)
    beside = attributes_of(path)
    moment = Moment(source, **options)
    dimension = moment.dimension
    # The lines are left first and get their name first: a matrix that has a name has its lines.
    with (
        Output(path, overwrite=overwrite) as matrix,
        Output(beside, overwrite=overwrite) as lines,
    ):
        matrix.file.write(_header(0, dimension))
        for memory in moment:
            matrix.file.write(memory.vector.astype("<f4", copy=False).tobytes())
            lines.file.write(line_of(memory, vector=False))
        matrix.file.seek(0)
        matrix.file.write(_header(moment.done, dimension))
        for output in (lines, matrix):
            output.sync()
        if overwrite:
            # Never an old matrix beside new lines.
            path.unlink(missing_ok=True)
    return ExportReport(moment.done, [str(path), str(beside)])


def attributes_of(path: str | os.PathLike[str]) -> Path:
    """Returns the path of the JSON lines that belong to a matrix."""
    if Path(path).suffix != ".npy":
        raise ValueError(f"{os.fspath(path)}: the name of a matrix ends in .npy")
    return Path(f"{os.fspath(path)}.jsonl")


def _header(rows: int, dimension: int) -> bytes:
    about = {"descr": "<f4", "fortran_order": False, "shape": (rows, dimension)}
    text = repr(about).encode("ascii")
    start = b"\x93NUMPY\x01\x00" + (HEADER - 10).to_bytes(2, "little")
    return start + text.ljust(HEADER - 11) + b"\n"


def import_npy(
    into: Writable,
    source: str | os.PathLike[str],
    *,
    attributes: str | os.PathLike[str] | Literal["beside"] | None = "beside",
    rest: Literal["metadata", "ignore"] = "metadata",
    **options: Unpack[ImportOptions],
) -> ImportReport:
    """Imports a matrix of vectors in atomic batches, with the attributes of its rows.

    Args:
        into: a collection or a scope.
        source: the path of a `.npy` file, of float32, float64 or float16.
        attributes: the path of the JSON lines; `"beside"` means `notes.npy.jsonl` for `notes.npy`;
            `None` means no attributes, and the number of a row becomes its id.
        rest: see `import_jsonl`.
        options: see `ImportOptions`.

    Raises `FormatError`, which names the file and the row.
    """
    if rest not in ("metadata", "ignore"):
        raise ValueError(f"rest is 'metadata' or 'ignore', not {rest!r}")
    name = os.fspath(source)
    beside = attributes_of(source) if attributes == "beside" else attributes
    with open(source, "rb") as file:
        kind, rows, dimension = _shape(file, name)
        sink = Sink(into, name, options, total=rows)
        vectors = _vectors(file, kind, rows, dimension)
        if beside is None:
            for number, vector in enumerate(vectors):
                sink.add(number, {"id": number, "vector": vector})
            return sink.finish()
        if not Path(beside).exists():
            reason = f"there is no {beside} with the attributes; attributes=None goes without"
            raise FormatError(name, reason)
        with open(beside, "rb") as lines:
            _import_pairs(sink, vectors, lines, os.fspath(beside), rest, rows)
    return sink.finish()


def about_npy(source: str | os.PathLike[str]) -> dict[str, Any]:
    """Returns what the header of a matrix says: `rows` and `dimension`."""
    with open(source, "rb") as file:
        _, rows, dimension = _shape(file, os.fspath(source))
    return {"rows": rows, "dimension": dimension}


def _import_pairs(
    sink: Sink,
    vectors: Iterator[Any],
    lines: IO[bytes],
    beside: str,
    rest: Literal["metadata", "ignore"],
    rows: int,
) -> None:
    pairs = objects(lines, beside)
    number = -1
    for number, vector in enumerate(vectors):
        line = next(pairs, None)
        if line is None:
            reason = f"it has {number} lines, and the matrix has {rows} rows; they do not belong"
            raise FormatError(beside, f"{reason} together, or it is truncated")
        row: Row = arranged(line[1], {}, rest)
        row["vector"] = vector
        decode(row, sink, number)
    if next(pairs, None) is not None:
        reason = f"it has more lines than the matrix has rows, {rows}; they do not belong together"
        raise FormatError(beside, reason)


def _shape(file: BinaryIO, name: str) -> tuple[np.dtype[Any], int, int]:
    """Reads the header, and checks it against the size of the file."""
    try:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            shape, fortran, kind = np.lib.format.read_array_header_1_0(file)
        else:
            shape, fortran, kind = np.lib.format.read_array_header_2_0(file)
    except (ValueError, EOFError, SyntaxError, TypeError, TokenError) as error:
        reason = f"this is no .npy file: {error}. Write it with numpy.save"
        raise FormatError(name, reason) from error
    if len(shape) != 2 or min(shape) < 0 or kind.kind != "f":
        reason = f"expected a matrix of floats, got the shape {shape} of {kind}"
        raise FormatError(name, f"{reason}; each row is a vector")
    if fortran:
        reason = "its columns lie one after another; save numpy.ascontiguousarray(matrix)"
        raise FormatError(name, reason)
    rows, dimension = int(shape[0]), int(shape[1])
    got, expected = os.fstat(file.fileno()).st_size - file.tell(), rows * dimension * kind.itemsize
    if got < expected:
        reason = f"it is truncated: {rows} rows take {expected} bytes, and it has {got}"
        raise FormatError(name, f"{reason}; write it again")
    return kind, rows, dimension


def _vectors(
    file: BinaryIO, kind: np.dtype[Any], rows: int, dimension: int
) -> Iterator[np.ndarray[Any, np.dtype[np.float32]]]:
    """Reads the rows, some at a time."""
    step = max(1, READ_BYTES // max(1, dimension * kind.itemsize))
    for start in range(0, rows, step):
        count = min(step, rows - start)
        raw = file.read(count * dimension * kind.itemsize)
        with np.errstate(over="ignore"):
            yield from np.frombuffer(raw, dtype=kind).reshape(count, dimension).astype("<f4")
