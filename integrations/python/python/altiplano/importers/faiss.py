"""Owns the importers of FAISS: an index, and what LangChain saves of one."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from altiplano.importers._common import (
    Attributes,
    Labels,
    check_labels,
    keyed,
    missing,
    numbered,
    pages,
    sink,
)
from altiplano.io._types import FormatError, ImportReport
from altiplano.io._write import Sink

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from altiplano.importers._common import Into
    from altiplano.io import ImportOptions
    from altiplano.types import MetricName


def from_faiss(
    source: str | os.PathLike[str] | Any,
    *,
    into: Into,
    attributes: Attributes = None,
    labels: Labels = "id",
    name: str | None = None,
    metric: MetricName | None = None,
    **options: Unpack[ImportOptions],
) -> ImportReport:
    """Imports the vectors of a FAISS index, with the numbers that `search` returns as ids.

    An index that compresses gives vectors back as near as it keeps them. While an IVF index is
    read, it has a direct map, which takes memory for each vector.

    Args:
        source: the path of an index that `faiss.write_index` wrote, or an index. Needs `faiss-cpu`.
        into: a collection, a scope, or a store, where a collection is made if it is missing.
        attributes: what belongs to a number, as a dict or a function:
            `{7: {"text": ..., "metadata": {...}, "key": ...}}`.
        labels: `"key"` makes the numbers keys instead of ids.
        name: the name of the collection that is made. Default: `"faiss"`.
        metric: the metric of the collection that is made. Default: that of the index. An inner
            product is `"dot"`; give `"cosine"` if the vectors have length 1 for that.
        options: see `altiplano.io.ImportOptions`.
    """
    check_labels(labels)
    index, where = _opened(source)
    out = _sink(index, where, into, name or "faiss", metric, options)
    for number, (label, vector) in enumerate(_vectors(index, where)):
        out.add(number, numbered(where, label, vector, attributes, labels))
    return out.finish()


def from_langchain_faiss(
    source: str | os.PathLike[str] | Any,
    *,
    into: Into,
    index_name: str = "index",
    name: str | None = None,
    metric: MetricName | None = None,
    **options: Unpack[ImportOptions],
) -> ImportReport:
    """Imports a FAISS vector store of LangChain. The ids of its documents become keys.

    Args:
        source: the folder of `save_local`, or the vector store. Of the pickle in the folder, only
            the documents are read, and no code in it is run.
        into: a collection, a scope, or a store, where a collection is made if it is missing.
        index_name: that of `save_local`.
        name, metric, options: see `from_faiss`.
    """
    if isinstance(source, (str, os.PathLike)):
        folder = Path(source)
        index, where = _opened(folder / f"{index_name}.faiss")
        docstore, names = _load(folder / f"{index_name}.pkl")
    else:
        index, where = source.index, "the vector store of LangChain"
        docstore, names = source.docstore, source.index_to_docstore_id
    documents: Mapping[str, Any] = docstore._dict
    out = _sink(index, where, into, name or "faiss", metric, options)
    for label, vector in _vectors(index, where):
        id = names.get(label)
        document = None if id is None else documents.get(id)
        if document is None:
            out.report.rows += 1
            out.bad(label, None, f"vector {label} has no document; from_faiss imports it without")
            continue
        row = {"vector": vector, "text": document.page_content}
        row["metadata"] = dict(document.metadata or {}) or None
        out.add(label, keyed(str(id), row))
    return out.finish()


def _sink(
    index: Any,
    where: str,
    into: Into,
    name: str,
    metric: MetricName | None,
    options: ImportOptions,
) -> Sink:
    import faiss

    metrics: dict[int, MetricName] = {faiss.METRIC_L2: "l2", faiss.METRIC_INNER_PRODUCT: "dot"}
    return sink(
        into,
        where,
        options,
        name=name,
        dimension=index.d,
        metric=metric or metrics.get(index.metric_type),
        total=index.ntotal,
    )


def _opened(source: str | os.PathLike[str] | Any) -> tuple[Any, str]:
    try:
        import faiss
    except ImportError as error:
        raise missing("faiss-cpu", error) from error
    if not isinstance(source, (str, os.PathLike)):
        index, where = source, "the FAISS index"
    else:
        where = os.fspath(source)
        if not Path(source).exists():
            raise FileNotFoundError(f"there is no index {where}")
        try:
            index = faiss.read_index(where)
        except RuntimeError as error:
            reason = "this is no index of FAISS, or it is truncated"
            raise FormatError(where, reason) from error
    if isinstance(index, faiss.IndexBinary):
        raise FormatError(where, "a binary index has bits, and memories have numbers")
    return index, where


def _vectors(index: Any, where: str) -> Iterator[tuple[int, Any]]:
    """Returns the vectors with their numbers, some at a time."""
    import faiss

    whole = faiss.downcast_index(index)
    inner, ids = whole, None
    if isinstance(whole, (faiss.IndexIDMap, faiss.IndexIDMap2)):
        inner, ids = faiss.downcast_index(whole.index), faiss.vector_to_array(whole.id_map)
    with _numbers(inner) as numbers:
        for page in pages(numbers):
            try:
                vectors = inner.reconstruct_batch(page)
            except RuntimeError as error:
                reason = f"an index of type {type(inner).__name__} gives no vectors back: {error}"
                raise FormatError(where, reason) from error
            yield from zip((page if ids is None else ids[page]).tolist(), vectors, strict=True)


@contextmanager
def _numbers(index: Any) -> Iterator[np.ndarray[Any, np.dtype[np.int64]]]:
    """Returns the numbers of all vectors. An IVF index has a direct map within the block."""
    import faiss

    kinds: Any = faiss.DirectMap  # type: ignore[attr-defined]
    ivf = faiss.try_extract_index_ivf(index)
    if ivf is None:
        yield np.arange(index.ntotal, dtype=np.int64)
        return
    lists: Any = ivf.invlists
    parts = [np.zeros(0, dtype=np.int64)]
    for number in range(ivf.nlist):
        if size := lists.list_size(number):
            ids = lists.get_ids(number)
            parts.append(faiss.rev_swig_ptr(ids, size).copy())
            lists.release_ids(number, ids)
    before = ivf.direct_map.type
    ivf.set_direct_map_type(kinds.Hashtable)
    try:
        yield np.sort(np.concatenate(parts))
    finally:
        ivf.set_direct_map_type(before)


class _Record:
    """Stands for a document or a docstore of LangChain: attributes without behaviour."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        # pydantic keeps the attributes one level deeper.
        self.__dict__.update(state.get("__dict__", state))


_PLAIN = {
    "datetime": {"datetime", "date", "time", "timedelta", "timezone"},
    "uuid": {"UUID", "SafeUUID"},
    "decimal": {"Decimal"},
    "collections": {"OrderedDict"},
}


class _Documents(pickle.Unpickler):
    """Reads documents from a pickle, and refuses everything that could run code."""

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("langchain") and name in ("Document", "InMemoryDocstore"):
            return _Record
        if name in _PLAIN.get(module, ()):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it holds a {module}.{name}, which is not read")


def _load(path: Path) -> tuple[Any, Mapping[int, str]]:
    try:
        with open(path, "rb") as file:
            docstore, names = _Documents(file).load()
        return docstore, {int(number): str(id) for number, id in names.items()}
    except (pickle.UnpicklingError, EOFError, AttributeError, TypeError, ValueError) as error:
        reason = f"{error}; load the vector store with LangChain, and import that"
        raise FormatError(str(path), reason) from error
