"""Owns the importer of Qdrant: collections of a client, in local mode by the directory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from altiplano.importers._common import PAGE, missing, sink
from altiplano.io._types import FormatError, ImportReport

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from altiplano.importers._common import Into
    from altiplano.io import ImportOptions
    from altiplano.types import MetricName

_METRICS: dict[str, MetricName] = {"cosine": "cosine", "euclid": "l2", "dot": "dot"}


def from_qdrant(
    source: str | os.PathLike[str] | Any,
    collection: str,
    *,
    into: Into,
    vector: str | None = None,
    text: str | None = None,
    metadata: str | None = None,
    name: str | None = None,
    metric: MetricName | None = None,
    **options: Unpack[ImportOptions],
) -> ImportReport:
    """Imports a collection of Qdrant. Ids stay ids: numbers and UUIDs. The payload is the metadata.

    Under cosine, a server keeps vectors of length 1, and that is what is imported then.

    Args:
        source: the directory of a client in local mode, or a client. Needs `qdrant-client`.
        collection: the name of the collection.
        into: a collection, a scope, or a store, where a collection is made if it is missing.
        vector: the name of the vector, where points have several.
        text: the field of the payload that is the text: `"page_content"` where LangChain wrote it,
            `"document"` where `client.add` did.
        metadata: the field of the payload that is the metadata, `"metadata"` for LangChain.
            Default: the whole payload, without the text.
        name: the name of the collection that is made. Default: that of the source.
        metric: the metric of the collection that is made. Default: that of the source.
        options: see `altiplano.io.ImportOptions`.
    """
    given = hasattr(source, "scroll")
    client: Any = source if given else _open(source)
    try:
        where = f"collection {collection!r} of Qdrant"
        chosen, params = _vector(client, collection, vector, where)
        distance = str(getattr(params.distance, "value", params.distance)).lower()
        out = sink(
            into,
            where,
            options,
            name=name or collection,
            dimension=params.size,
            metric=metric or _METRICS.get(distance),
            total=client.count(collection, exact=True).count,
        )
        number, offset = 0, None
        while True:
            points, offset = client.scroll(
                collection,
                limit=PAGE,
                offset=offset,
                with_payload=True,
                with_vectors=[chosen] if chosen else True,
            )
            for point in points:
                out.add(number, _row(point, chosen, text, metadata))
                number += 1
            if offset is None:
                return out.finish()
    finally:
        if not given:
            client.close()


def _open(path: str | os.PathLike[str]) -> Any:
    try:
        from qdrant_client import QdrantClient
    except ImportError as error:
        raise missing("qdrant-client", error) from error
    if not (Path(path) / "meta.json").exists():
        raise FileNotFoundError(f"{os.fspath(path)} is no directory of a local Qdrant")
    return QdrantClient(path=os.fspath(path))


def _vector(client: Any, collection: str, name: str | None, where: str) -> tuple[str, Any]:
    """Returns the name of the vector, empty for the only one without a name, and its settings."""
    params = client.get_collection(collection).config.params.vectors
    if hasattr(params, "size"):
        if name:
            raise FormatError(where, f"its vector has no name, so there is no {name!r}")
        return "", params
    known = dict(params or {})
    if name is None and len(known) == 1:
        name = next(iter(known))
    if name is None or name not in known:
        reason = f"its vectors are {sorted(known)}; name one: vector=NAME"
        raise FormatError(where, reason)
    return name, known[name]


def _row(point: Any, vector: str, text: str | None, metadata: str | None) -> dict[str, Any]:
    payload = dict(point.payload or {})
    found = payload.pop(text, None) if text is not None else None
    kept = payload.get(metadata) if metadata is not None else payload
    numbers = point.vector
    if isinstance(numbers, dict):
        numbers = numbers.get(vector)
    return {"id": point.id, "vector": numbers, "text": found, "metadata": kept or None}
