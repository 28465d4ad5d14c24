"""Owns the importer of LanceDB: tables with a column of vectors, read as a stream of Arrow."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from altiplano.importers._common import PAGE, missing, sink
from altiplano.io._types import FormatError, ImportReport

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from altiplano.importers._common import Into
    from altiplano.io import ImportOptions
    from altiplano.io._arrow import Rest
    from altiplano.types import MetricName

_METRICS: dict[str, MetricName] = {"cosine": "cosine", "l2": "l2", "dot": "dot"}


def from_lancedb(
    source: str | os.PathLike[str] | Any,
    table: str,
    *,
    into: Into,
    columns: Mapping[str, str] | None = None,
    rest: Rest = "metadata",
    name: str | None = None,
    metric: MetricName | None = None,
    **options: Unpack[ImportOptions],
) -> ImportReport:
    """Imports a table of LanceDB. Columns that are none of ours become fields of the metadata.

    Args:
        source: the directory of the database, or a connection. Needs `lancedb`.
        table: the name of the table.
        into: a collection, a scope, or a store, where a collection is made if it is missing.
        columns: which column of the table one of ours is, such as `{"text": "content"}`. Without
            it, the only column of vectors is `vector`, and `id` is the key if it holds texts.
        rest: `"ignore"` leaves columns out that are none of ours.
        name: the name of the collection that is made. Default: that of the table.
        metric: the metric of the collection that is made. Default: that of the index of the table,
            and without an index `"l2"`, which searches of LanceDB use.
        options: see `altiplano.io.ImportOptions`.
    """
    from altiplano.io import _arrow

    opened = (source if hasattr(source, "open_table") else _connect(source)).open_table(table)
    where = f"table {table!r} of LanceDB"
    mapped = dict(columns or {})
    _guess(opened.schema, mapped, where)
    _arrow.check_columns(opened.schema.names, mapped, rest, where)
    kind = opened.schema.field(mapped["vector"]).type
    out = sink(
        into,
        where,
        options,
        name=name or table,
        dimension=getattr(kind, "list_size", None),
        metric=metric or _metric(opened),
        total=opened.count_rows(),
    )
    stream = opened.search().limit(None).to_batches(batch_size=PAGE)
    _arrow.import_batches(out, stream, mapped, rest, where)
    return out.finish()


def _connect(path: str | os.PathLike[str]) -> Any:
    try:
        import lancedb
    except ImportError as error:
        raise missing("lancedb", error) from error
    if "://" not in os.fspath(path) and not Path(path).is_dir():
        raise FileNotFoundError(f"{os.fspath(path)} is no directory of LanceDB")
    return lancedb.connect(os.fspath(path))


def _guess(schema: Any, columns: dict[str, str], where: str) -> None:
    """Adds the columns of vectors and of keys, where the caller named none."""
    import pyarrow as pa

    def is_vector(kind: Any) -> bool:
        lists = pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind)
        return bool(lists and pa.types.is_floating(kind.value_type))

    if "vector" not in columns:
        vectors = [field.name for field in schema if is_vector(field.type)]
        if "vector" not in vectors and len(vectors) != 1:
            reason = f"its columns of vectors are {vectors}; name one: columns={{'vector': NAME}}"
            raise FormatError(where, reason)
        columns["vector"] = "vector" if "vector" in vectors else vectors[0]
    if "id" in columns or "key" in columns or "id" not in schema.names:
        return
    kind = schema.field("id").type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        columns["key"] = "id"


def _metric(table: Any) -> MetricName | None:
    for index in table.list_indices():
        stats = table.index_stats(index.name)
        distance = getattr(stats, "distance_type", None)
        if distance is not None:
            return _METRICS.get(str(distance).lower())
    return "l2"
