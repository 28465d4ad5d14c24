"""Export and import of memories: Parquet, JSON lines, `.npy`, and Arrow streams in memory.

    from altiplano.io import export_file, import_file

    export_file(store["notes"], "notes.parquet")
    import_file(other["notes"], "notes.parquet")

Memory stays bounded, whatever the number of rows. An export shows one moment, and its file appears
when it is whole. An import writes atomic batches, and rows with the same id replace each other, so
an import that was interrupted is simply run again. Every attribute comes back, and every vector bit
by bit. Parquet and Arrow need pyarrow: `pip install 'altiplano-memory[parquet]'`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal

from altiplano.io._types import (
    ExportOptions,
    ExportReport,
    FormatError,
    ImportOptions,
    ImportReport,
    Progress,
)
from altiplano.io.jsonl import export_jsonl, import_jsonl
from altiplano.io.npy import export_npy, import_npy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Unpack

    from altiplano.io._arrow import Rest, VectorType
    from altiplano.io._types import Readable, Writable
    from altiplano.io.parquet import (
        about_parquet,
        export_parquet,
        import_arrow,
        import_parquet,
        to_arrow,
    )

_PARQUET = ("about_parquet", "export_parquet", "import_arrow", "import_parquet", "to_arrow")


def __getattr__(name: str) -> Any:
    # pyarrow is loaded where it is needed only.
    if name in _PARQUET:
        from altiplano.io import parquet

        return getattr(parquet, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def format_of(path: str | os.PathLike[str]) -> Literal["parquet", "jsonl", "npy"]:
    """Returns the format that the end of a name says."""
    name = os.fspath(path).lower()
    if name.endswith((".parquet", ".pq")):
        return "parquet"
    if name.endswith((".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")):
        return "jsonl"
    if name.endswith(".npy"):
        return "npy"
    raise ValueError(f"{name}: expected a name that ends in .parquet, .jsonl, .jsonl.gz or .npy")


def export_file(
    source: Readable,
    to: str | os.PathLike[str],
    *,
    vector_type: VectorType = "fixed",
    overwrite: bool = False,
    **options: Unpack[ExportOptions],
) -> ExportReport:
    """Writes the memories of one moment to a file, in the format that the end of its name says.

    `vector_type` is for Parquet. See `export_parquet`, `export_jsonl` and `export_npy`.
    """
    match format_of(to):
        case "parquet":
            from altiplano.io.parquet import export_parquet

            return export_parquet(
                source, to, vector_type=vector_type, overwrite=overwrite, **options
            )
        case "jsonl":
            return export_jsonl(source, to, overwrite=overwrite, **options)
        case "npy":
            return export_npy(source, to, overwrite=overwrite, **options)


def import_file(
    into: Writable,
    source: str | os.PathLike[str],
    *,
    columns: Mapping[str, str] | None = None,
    rest: Rest = "metadata",
    **options: Unpack[ImportOptions],
) -> ImportReport:
    """Imports a file in the format that the end of its name says.

    See `import_parquet`, `import_jsonl` and `import_npy`.
    """
    match format_of(source):
        case "parquet":
            from altiplano.io.parquet import import_parquet

            return import_parquet(into, source, columns=columns, rest=rest, **options)
        case "jsonl":
            return import_jsonl(into, source, columns=columns, rest=rest, **options)
        case "npy":
            if columns:
                raise ValueError("columns: a matrix has none; rename the members of its lines")
            return import_npy(into, source, rest=rest, **options)


__all__ = [
    "ExportOptions",
    "ExportReport",
    "FormatError",
    "ImportOptions",
    "ImportReport",
    "Progress",
    "about_parquet",
    "export_file",
    "export_jsonl",
    "export_npy",
    "export_parquet",
    "format_of",
    "import_arrow",
    "import_file",
    "import_jsonl",
    "import_npy",
    "import_parquet",
    "to_arrow",
]
