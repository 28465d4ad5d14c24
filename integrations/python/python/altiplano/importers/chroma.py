"""Owns the importer of Chroma: collections of a persistent client, or of any client."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from altiplano.importers._common import PAGE, keyed, missing, sink
from altiplano.io._types import ImportReport

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from altiplano.importers._common import Into
    from altiplano.io import ImportOptions
    from altiplano.types import MetricName

_METRICS: dict[str, MetricName] = {"cosine": "cosine", "l2": "l2", "ip": "dot"}


def from_chroma(
    source: str | os.PathLike[str] | Any,
    collection: str,
    *,
    into: Into,
    name: str | None = None,
    metric: MetricName | None = None,
    **options: Unpack[ImportOptions],
) -> ImportReport:
    """Imports a collection of Chroma. Its ids become keys, documents texts, and metadata metadata.

    Args:
        source: the directory of a persistent client, or a client. Needs `chromadb`.
        collection: the name of the collection.
        into: a collection, a scope, or a store, where a collection is made if it is missing.
        name: the name of the collection that is made. Default: that of the source.
        metric: the metric of the collection that is made. Default: that of the source.
        options: see `altiplano.io.ImportOptions`.
    """
    client = source if hasattr(source, "get_collection") else _open(source)
    found = client.get_collection(collection, embedding_function=None)
    where = f"collection {collection!r} of Chroma"
    total = found.count()
    first = found.get(limit=1, include=["embeddings"])["embeddings"]
    out = sink(
        into,
        where,
        options,
        name=name or collection,
        dimension=len(first[0]) if first is not None and len(first) else None,
        metric=metric or _metric(found),
        total=total,
    )
    include = ["embeddings", "documents", "metadatas", "uris"]
    for start in range(0, total, PAGE):
        page = found.get(limit=PAGE, offset=start, include=include)
        for at, id in enumerate(page["ids"]):
            row = {"vector": page["embeddings"][at], "text": _at(page["documents"], at)}
            row["metadata"] = dict(_at(page["metadatas"], at) or {}) or None
            if (uri := _at(page["uris"], at)) is not None:
                row["metadata"] = {**(row["metadata"] or {}), "uri": uri}
            out.add(start + at, keyed(id, row))
    return out.finish()


def _open(path: str | os.PathLike[str]) -> Any:
    try:
        import chromadb
        from chromadb.config import Settings
    except ImportError as error:
        raise missing("chromadb", error) from error
    if not (Path(path) / "chroma.sqlite3").exists():
        raise FileNotFoundError(f"{os.fspath(path)} holds no database of Chroma")
    return chromadb.PersistentClient(
        os.fspath(path), settings=Settings(anonymized_telemetry=False)
    )


def _metric(found: Any) -> MetricName | None:
    configuration = getattr(found, "configuration", None) or {}
    index = configuration.get("hnsw") or configuration.get("spann") or {}
    space = index.get("space") or (found.metadata or {}).get("hnsw:space") or "l2"
    return _METRICS.get(str(getattr(space, "value", space)))


def _at(values: Any, at: int) -> Any:
    return None if values is None else values[at]
