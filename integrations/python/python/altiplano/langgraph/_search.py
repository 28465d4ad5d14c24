"""Searches: which items, in which order.

With a query, the items with vectors come first, nearest first, then those without. Without one, all
items come, the last updated first. What the store cannot test in a filter is tested here, while the
store goes on until enough have passed: for a query inside of the search, otherwise page by page.
"""

import heapq
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Protocol

import numpy as np
from langgraph.store.base import SearchOp

from altiplano import Filter, Memory, MemoryId, Reader

from ._config import Index
from ._filters import VALUE, Pushed, both, compile_filter, matches
from ._layout import ITEM, Row, Vector, encode_namespace

MAX_RESULTS = 1 << 20
"""What the store returns at most."""
_FIRST_PAGE, _LAST_PAGE = 16, 1024

Scored = tuple[Row, float | None]
Test = Callable[[Mapping[str, Any]], bool]


class Readers(Protocol):
    """The collections at one moment."""

    @property
    def plain(self) -> Reader: ...
    @property
    def vectors(self) -> Reader | None: ...


class _Ask:
    """A search whose filter is compiled."""

    def __init__(self, op: SearchOp, pushed: Pushed, test: Test | None) -> None:
        self.op, self.pushed, self.test = op, pushed, test
        self.offset = max(op.offset, 0)
        self.need = min(self.offset + max(op.limit, 0), MAX_RESULTS)

    def page(self, found: list[Scored]) -> list[Scored]:
        return found[self.offset : self.need]

    def where(self) -> Callable[[Memory], bool] | None:
        test = self.test
        if test is None:
            return None
        return lambda memory: test((memory.metadata or {}).get(VALUE) or {})


def run(
    view: Readers,
    op: SearchOp,
    index: Index | None,
    query: Vector | None,
    has_parts: Callable[[], bool],
) -> list[Scored]:
    """Returns the items that a search finds, and their scores."""
    compiled = compile_filter(op.filter)
    pushed = compiled.pushed
    if op.namespace_prefix:
        pushed = both(pushed, Filter.namespace_under(encode_namespace(op.namespace_prefix)))
    test = None if compiled.exact else lambda value: matches(value, op.filter)
    ask = _Ask(op, pushed, test)
    if pushed is False or ask.need <= ask.offset:
        return []
    if op.query and index is not None:
        if index.dims is None:
            return _by_words(view.plain, ask)
        if view.vectors is not None and query is not None and np.any(query):
            return _by_query(view.plain, view.vectors, ask, index, query, has_parts)
    return _newest(view, ask)


def _by_words(plain: Reader, ask: _Ask) -> list[Scored]:
    hits = plain.search(
        text=ask.op.query, k=ask.need, filter=_filter(ask.pushed), where=ask.where()
    )
    return ask.page([(_row(hit.memory, False), hit.score) for hit in hits])


def _by_query(
    plain: Reader,
    vectors: Reader,
    ask: _Ask,
    index: Index,
    query: Vector,
    has_parts: Callable[[], bool],
) -> list[Scored]:
    words = ask.op.query if index.is_hybrid else None
    weight = index.text_weight if words else None
    k, pushed, where = ask.need, _filter(ask.pushed), ask.where()
    while True:
        hits = vectors.search(query, k, text=words, text_weight=weight, filter=pushed, where=where)
        best: dict[MemoryId, float] = {}
        items: dict[MemoryId, Memory] = {}
        for hit in hits:
            memory = hit.memory
            assert memory is not None, "the search asked for the payload"
            item = hit.id if memory.kind == ITEM else memory.derived_from[0]
            best.setdefault(item, hit.score)
            if memory.kind == ITEM:
                items[item] = memory
        # Several vectors of one item count once, so more of them may be needed.
        if len(best) >= ask.need or len(hits) < k or k >= MAX_RESULTS or not has_parts():
            break
        k = min(k * 2, MAX_RESULTS)
    only_parts = [item for item in best if item not in items]
    for item, found in zip(only_parts, vectors.get_many(only_parts)):
        if found is not None:
            items[item] = found
    scored: list[Scored] = [
        (_row(items[item], True), score) for item, score in best.items() if item in items
    ]
    if len(scored) < ask.need:
        rest = islice(_walk(plain, False, ask, ask.pushed), ask.need - len(scored))
        scored.extend((row, None) for row in rest)
    return ask.page(scored)


def _newest(view: Readers, ask: _Ask) -> list[Scored]:
    walks = [_walk(view.plain, False, ask, ask.pushed)]
    if view.vectors is not None:
        walks.append(_walk(view.vectors, True, ask, both(ask.pushed, Filter.kind(ITEM))))
    rows = heapq.merge(*walks, key=lambda row: -row.updated_at.timestamp())
    return [(row, None) for row in islice(rows, ask.offset, ask.need)]


def _walk(reader: Reader, has_vector: bool, ask: _Ask, pushed: Pushed) -> Iterator[Row]:
    """Yields the matching items, the last updated first."""
    after: str | None = None
    size = min(max(ask.need, _FIRST_PAGE), _LAST_PAGE)
    while True:
        page = reader.list(filter=_filter(pushed), order="event_time", limit=size, after=after)
        for memory in page:
            row = _row(memory, has_vector)
            if ask.test is None or ask.test(row.value):
                yield row
        after = page.next
        if after is None:
            return
        size = _LAST_PAGE


def _filter(pushed: Pushed) -> Filter | None:
    return None if isinstance(pushed, bool) else pushed


def _row(memory: Memory | None, has_vector: bool) -> Row:
    assert memory is not None, "a search and a list return memories"
    return Row(memory, has_vector=has_vector)
