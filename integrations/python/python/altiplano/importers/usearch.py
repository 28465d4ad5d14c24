"""Owns the importer of USearch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from altiplano.importers._common import (
    Attributes,
    Labels,
    check_labels,
    missing,
    numbered,
    pages,
    sink,
)
from altiplano.io._types import FormatError, ImportReport

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from altiplano.importers._common import Into
    from altiplano.io import ImportOptions
    from altiplano.types import MetricName

_METRICS: dict[str, MetricName] = {"Cos": "cosine", "L2sq": "l2", "IP": "dot"}


def from_usearch(
    source: str | os.PathLike[str] | Any,
    *,
    into: Into,
    attributes: Attributes = None,
    labels: Labels = "id",
    name: str | None = None,
    metric: MetricName | None = None,
    **options: Unpack[ImportOptions],
) -> ImportReport:
    """Imports the vectors of a USearch index, with their keys as ids.

    An index of `f16`, `bf16` or `i8` gives vectors back as near as it keeps them.

    Args:
        source: the path of an index, or an index. Needs `usearch`.
        into: a collection, a scope, or a store, where a collection is made if it is missing.
        attributes: what belongs to a key, as a dict or a function:
            `{7: {"text": ..., "metadata": {...}, "key": ...}}`.
        labels: `"key"` makes the keys of USearch keys of memories instead of ids.
        name: the name of the collection that is made. Default: `"usearch"`.
        metric: the metric of the collection that is made. Default: that of the index.
        options: see `altiplano.io.ImportOptions`.
    """
    check_labels(labels)
    index, where = _opened(source)
    if index.multi:
        reason = "several vectors may have one key there; make an index with a key for each"
        raise FormatError(where, reason)
    if index.dtype.name == "B1":
        raise FormatError(where, "an index of b1 has bits, and memories have numbers")
    out = sink(
        into,
        where,
        options,
        name=name or "usearch",
        dimension=index.ndim,
        metric=metric or _METRICS.get(index.metric_kind.name),
        total=len(index),
    )
    for number, (label, vector) in enumerate(_vectors(index)):
        out.add(number, numbered(where, label, vector, attributes, labels))
    return out.finish()


def _opened(source: str | os.PathLike[str] | Any) -> tuple[Any, str]:
    try:
        from usearch.index import Index
    except ImportError as error:
        raise missing("usearch", error) from error
    if not isinstance(source, (str, os.PathLike)):
        return source, "the USearch index"
    where = os.fspath(source)
    if not Path(source).exists():
        raise FileNotFoundError(f"there is no index {where}")
    try:
        index = Index.restore(where, view=True)
    except (RuntimeError, ValueError) as error:
        reason = f"this is no index of USearch, or it is truncated: {error}"
        raise FormatError(where, reason) from error
    if index is None:
        raise FormatError(where, "this is no index of USearch, or it is truncated")
    return index, where


def _vectors(index: Any) -> Iterator[tuple[int, Any]]:
    for page in pages(np.sort(np.asarray(index.keys))):
        vectors = index.get(page, dtype="f32")
        for label, vector in zip(page.tolist(), vectors, strict=True):
            if vector is not None:
                yield label, vector
