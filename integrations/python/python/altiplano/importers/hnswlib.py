"""Owns the importer of hnswlib."""

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

_METRICS: dict[str, MetricName] = {"cosine": "cosine", "l2": "l2", "ip": "dot"}


def from_hnswlib(
    source: str | os.PathLike[str] | Any,
    *,
    into: Into,
    space: str | None = None,
    dimension: int | None = None,
    attributes: Attributes = None,
    labels: Labels = "id",
    name: str | None = None,
    metric: MetricName | None = None,
    **options: Unpack[ImportOptions],
) -> ImportReport:
    """Imports the vectors of an hnswlib index, with their labels as ids. Deleted ones are left out.

    Under cosine, hnswlib keeps vectors of length 1, and that is what is imported.

    Args:
        source: the path of an index, or an index. Needs `hnswlib`.
        into: a collection, a scope, or a store, where a collection is made if it is missing.
        space, dimension: those of the index. A file does not say them.
        attributes: what belongs to a label, as a dict or a function:
            `{7: {"text": ..., "metadata": {...}, "key": ...}}`.
        labels: `"key"` makes the labels keys instead of ids.
        name: the name of the collection that is made. Default: `"hnswlib"`.
        metric: the metric of the collection that is made. Default: that of the index.
        options: see `altiplano.io.ImportOptions`.
    """
    check_labels(labels)
    index, where = _opened(source, space, dimension)
    out = sink(
        into,
        where,
        options,
        name=name or "hnswlib",
        dimension=index.dim,
        metric=metric or _METRICS.get(index.space),
        total=None,  # labels of deleted vectors are still counted
    )
    for number, (label, vector) in enumerate(_vectors(index)):
        out.add(number, numbered(where, label, vector, attributes, labels))
    return out.finish()


def _opened(
    source: str | os.PathLike[str] | Any, space: str | None, dimension: int | None
) -> tuple[Any, str]:
    try:
        import hnswlib
    except ImportError as error:
        raise missing("hnswlib", error) from error
    if not isinstance(source, (str, os.PathLike)):
        return source, "the hnswlib index"
    where = os.fspath(source)
    if space is None or dimension is None:
        raise ValueError(f"{where} does not say its space and dimension: give both")
    if not Path(source).exists():
        raise FileNotFoundError(f"there is no index {where}")
    index = hnswlib.Index(space=space, dim=dimension)
    try:
        index.load_index(where)
    except RuntimeError as error:
        reason = f"{error}; is it an index of hnswlib, of dimension {dimension}?"
        raise FormatError(where, reason) from error
    return index, where


def _vectors(index: Any) -> Iterator[tuple[int, Any]]:
    for page in pages(np.sort(np.asarray(index.get_ids_list(), dtype=np.uint64))):
        labels = page.tolist()
        try:
            yield from zip(labels, index.get_items(labels, return_type="numpy"), strict=True)
        except RuntimeError:
            # One of them is deleted, and hnswlib does not say which.
            for label in labels:
                try:
                    vectors = index.get_items([label], return_type="numpy")
                except RuntimeError:
                    continue
                yield label, vectors[0]
