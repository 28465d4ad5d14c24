"""Owns the translation of `MetadataFilters` into a filter of the store.

The meaning is that of LlamaIndex's own `build_metadata_filter_fn`: a value that is missing or
`None` passes only `!=`, `nin` and `is_empty`, and values compare as in Python. Two things differ.
Groups may be nested. A comparison that raises `TypeError` there, such as of a text with a number,
holds for no node here.

Invariant: `Selection.bound` holds for every node that the filters hold for. Where it also holds
for others, `Selection.test` says which.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
)
from llama_index.core.vector_stores.utils import build_metadata_filter_fn

from altiplano import Filter, field
from altiplano import _python_filters as python

Metadata = Mapping[str, Any]
Test = Callable[[Metadata], bool]

FIELDS = "m"
"""The key of the node's metadata in the metadata of the memory."""
EMPTY = "e"
"""The key of the names of fields that are an empty list, which no filter on a field finds."""


@dataclass(frozen=True)
class Selection:
    """What filters select: a filter of the store and, if that selects too much, a test."""

    bound: Filter
    test: Test | None = None


def select(filters: MetadataFilters | None) -> Selection:
    """Returns what these filters select; everything if there are none."""
    if filters is None or not filters.filters:
        return Selection(Filter.all())
    bound, exact = _group(filters)
    return Selection(bound, None if exact else _test(filters))


def _group(group: MetadataFilters) -> tuple[Filter, bool]:
    """Returns a bound of the group, and whether it is exact."""
    if not group.filters:
        return Filter.all(), True
    parts = [
        _group(one) if isinstance(one, MetadataFilters) else _leaf(one) for one in group.filters
    ]
    exact = all(part_exact for _, part_exact in parts)
    if group.condition in (None, FilterCondition.AND):
        bound = Filter.all()
        for part, _ in parts:
            bound = bound & part
        return bound, exact
    if group.condition == FilterCondition.NOT:
        parts = [part for part in parts if part[1]]
    bound = python.nothing()
    for part, _ in parts:
        bound = bound | part
    return (~bound if group.condition == FilterCondition.NOT else bound), exact


def _leaf(one: MetadataFilter) -> tuple[Filter, bool]:
    path = python.path_of(FIELDS, one.key)
    if path is None:
        return Filter.all(), False
    found = _exact(one, path)
    if found is not None:
        return found, True
    if one.operator == FilterOperator.TEXT_MATCH_INSENSITIVE:
        return python.is_text(path), False
    if one.operator in (FilterOperator.NE, FilterOperator.NIN):
        return Filter.all(), False
    return field(path).exists(), False


def _exact(one: MetadataFilter, path: str) -> Filter | None:
    """Returns the filter with the same meaning, if there is one."""
    operator, value = one.operator, one.value
    if operator == FilterOperator.IS_EMPTY:
        empty = field(EMPTY).contains(one.key) | python.equal(path, "")
        return empty | python.is_none(path)
    if operator in (FilterOperator.EQ, FilterOperator.NE):
        return _equality(operator == FilterOperator.EQ, path, value)
    if operator in (FilterOperator.IN, FilterOperator.NIN):
        return _membership(operator == FilterOperator.IN, path, value)
    if operator == FilterOperator.CONTAINS:
        if isinstance(value, list) or not python.is_plain(value):
            return None
        return python.contains((FIELDS, one.key), value)
    if operator == FilterOperator.TEXT_MATCH:
        if not isinstance(value, str):
            return python.nothing()
        return python.is_text(path) & field(path).contains(value)
    if operator in (FilterOperator.ANY, FilterOperator.ALL):
        return _any_all(operator == FilterOperator.ALL, one)
    if operator.value in (">", ">=", "<", "<="):
        return _order(operator.value, path, value)
    return None


def _equality(positive: bool, path: str, value: Any) -> Filter | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        found = python.nothing()
    elif isinstance(value, list) or not python.is_plain(value):
        return None
    else:
        found = python.equal(path, value)
    return found if positive else ~found


def _membership(positive: bool, path: str, value: Any) -> Filter | None:
    if isinstance(value, str):
        return None
    if not isinstance(value, list):
        return python.nothing() if positive else python.is_none(path)
    if not all(python.is_plain(one) for one in value):
        return None
    found = python.one_of(path, value)
    return found if positive else ~found


def _any_all(every: bool, one: MetadataFilter) -> Filter | None:
    value = one.value
    path = python.path_of(FIELDS, one.key)
    if path is None or not isinstance(value, (list, str)):
        return python.nothing()
    bound = field(path).exists() & ~field(path).is_null() if every else python.nothing()
    for wanted in cast("Sequence[Any]", value):
        if not python.is_plain(wanted):
            return None
        part = python.contains((FIELDS, one.key), wanted)
        if part is None:
            return None
        bound = bound & part if every else bound | part
    return bound


def _order(operator: str, path: str, value: Any) -> Filter | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return python.nothing()
    if isinstance(value, list) or not python.is_plain(value):
        return None
    return python.ordered(path, operator, value)


def _test(group: MetadataFilters) -> Test:
    """Returns the group as a function of the metadata of a node."""
    tests = [
        _test(one) if isinstance(one, MetadataFilters) else _leaf_test(one) for one in group.filters
    ]
    if not tests:
        return lambda _: True
    if group.condition in (None, FilterCondition.AND):
        return lambda metadata: all(test(metadata) for test in tests)
    if group.condition == FilterCondition.OR:
        return lambda metadata: any(test(metadata) for test in tests)
    return lambda metadata: not any(test(metadata) for test in tests)


def _leaf_test(one: MetadataFilter) -> Test:
    # The function looks the metadata up by an id. Here the metadata is its own id.
    lookup = cast(Any, lambda metadata: metadata)
    asked: Any = build_metadata_filter_fn(lookup, MetadataFilters(filters=[one]))

    def test(metadata: Metadata) -> bool:
        try:
            return bool(asked(metadata))
        except TypeError:
            return False

    return test
