"""Owns the forms in which a caller may say `filter=`, and turns them into one that the store reads.

Invariant: what is not understood is refused. A filter that was ignored would show memories to
those who must not see them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from langchain_core.documents import Document

from altiplano import Filter

DocumentFilter = Filter | Mapping[str, Any] | Callable[[Document], bool]
"""A filter: `altiplano.Filter`, a dict, or (slow) a function of a document."""

# The operators of a field. Within a field they are understood with and without the dollar.
_OPERATORS = frozenset(
    ("eq", "ne", "lt", "lte", "gt", "gte", "in", "nin", "exists", "contains", "starts_with", "not")
)
_MAX_DEPTH = 64


def read(filter: DocumentFilter | None) -> tuple[Filter | None, Callable[[Document], bool] | None]:
    """Returns the filter for the store, and the function for what it lets through."""
    if filter is None:
        return None, None
    if isinstance(filter, Filter):
        return filter, None
    if isinstance(filter, Mapping):
        return (_built(filter) if filter else None), None
    if callable(filter):
        return None, filter
    name = type(filter).__name__
    raise TypeError(f"filter is a dict, an altiplano.Filter or a function, not {name}")


def stored(filter: DocumentFilter | None) -> Filter:
    """Returns the filter for calls that take no function."""
    found, test = read(filter)
    if test is not None:
        raise TypeError("this call takes a dict or an altiplano.Filter, not a function")
    return Filter.all() if found is None else found


def _built(filter: Mapping[str, Any]) -> Filter:
    return Filter.from_dict(_whole(filter, _MAX_DEPTH))


def _whole(filter: Mapping[str, Any], depth: int) -> dict[str, Any]:
    if depth == 0:
        raise ValueError(f"a filter is nested deeper than {_MAX_DEPTH} levels")
    result: dict[str, Any] = {}
    for key, value in filter.items():
        if key in ("$and", "$or"):
            result[key] = _parts(value, depth)
        elif key == "$not" and isinstance(value, (list, tuple)):
            # None of them. Of no filters, none holds always.
            if value:
                result[key] = {"$or": _parts(value, depth)}
        elif key == "$not":
            result[key] = _part(value, depth)
        elif isinstance(value, Mapping):
            result[key] = _field(value, depth - 1)
        else:
            result[key] = value
    return result


def _part(value: Any, depth: int) -> Any:
    return _whole(value, depth - 1) if isinstance(value, Mapping) else value


def _parts(value: Any, depth: int) -> Any:
    if not isinstance(value, (list, tuple)):
        return value
    return [_part(part, depth) for part in value]


def _field(tests: Mapping[str, Any], depth: int) -> dict[str, Any]:
    if depth == 0:
        raise ValueError(f"a filter is nested deeper than {_MAX_DEPTH} levels")
    result: dict[str, Any] = {}
    if not tests:
        raise ValueError("a field in a filter has no operator: {} equals nothing")
    for operator, value in tests.items():
        name = f"${operator}" if operator in _OPERATORS else operator
        if name in result:
            raise ValueError(f"a filter has {name} twice for one field: join them with $and")
        if name == "$not" and isinstance(value, Mapping):
            value = _field(value, depth - 1)
        result[name] = value
    return result
