"""What a filter of LangGraph means, and how much of it the store can test by itself.

`matches` is the meaning, value by value. `compile_filter` turns a filter into one of Altiplano that
lets every match through. Where it lets through more than that, `exact` is false, and the rows that
come back are tested with `matches`.

A filter is a dict of keys and conditions; all of them must hold. A key with dots is a path, unless
the item has just this key. A condition is a JSON value, or a dict of operators (`$eq`, `$ne`,
`$gt`, `$gte`, `$lt`, `$lte`), or a dict of conditions on the keys of an object. A missing value
counts as null. Numbers, texts and bools are of three kinds: values of two kinds are never equal,
and have no order.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from altiplano import Filter, field

Pushed = Filter | bool
"""A filter of the store; `True` lets all through, `False` nothing."""

MAX_PATH_BYTES = 1024
_FLOAT_MAX = 1.7976931348623157e308
_ORDERS = ("$gt", "$gte", "$lt", "$lte")
VALUE = "v"
"""The key of the metadata that has the value of an item."""


class Compiled(NamedTuple):
    """A filter for the store, and whether it says all that was asked."""

    pushed: Pushed
    exact: bool


class _Part(NamedTuple):
    pushed: Pushed
    exact: bool
    there: bool
    """Whether a match implies that there is a value at the path."""


def compile_filter(wanted: Mapping[str, Any] | None) -> Compiled:
    """Returns the filter that lets through what `wanted` matches.

    Raises `ValueError` for unknown operators, for keys with an empty part such as `a..b`, and for
    values that JSON does not have.
    """
    pushed: Pushed = True
    exact = True
    for key, condition in (wanted or {}).items():
        part = _top(key, condition)
        pushed = both(pushed, part.pushed)
        exact = exact and part.exact
    return Compiled(pushed, exact)


def matches(value: Mapping[str, Any], wanted: Mapping[str, Any] | None) -> bool:
    """Returns true if an item with this value matches the filter."""
    return all(_match(_lookup(value, key), test) for key, test in (wanted or {}).items())


def both(a: Pushed, b: Pushed) -> Pushed:
    """Returns the filter that lets through what both let through."""
    if isinstance(a, bool):
        return b if a else False
    if isinstance(b, bool):
        return a if b else False
    return a & b


def _either(a: Pushed, b: Pushed) -> Pushed:
    if isinstance(a, bool):
        return True if a else b
    if isinstance(b, bool):
        return True if b else a
    return a | b


def _not(a: Pushed) -> Pushed:
    return not a if isinstance(a, bool) else ~a


# Compiling.


def _top(key: str, condition: Any) -> _Part:
    keys = _keys(key)
    literal = _condition([key], condition)
    if len(keys) == 1:
        return literal
    path = _condition(keys, condition)
    exact = literal.exact and path.exact
    own = _path([key])
    if own is None:
        return _Part(True, False, False)
    there = field(own).exists()
    pushed = _either(both(there, literal.pushed), both(~there, path.pushed))
    return _Part(pushed, exact, literal.there and path.there)


def _keys(key: str) -> list[str]:
    keys = key.split(".")
    if not all(keys):
        raise ValueError(f"Invalid filter key: {key!r} has an empty part between its dots")
    return keys


def _path(keys: Sequence[str], *, elements: bool = False) -> str | None:
    """Returns the path into the metadata; `None` if it is too long for the store."""
    quoted = [key.replace("\\", "\\\\").replace('"', '\\"') for key in keys]
    path = VALUE + "".join(f'["{key}"]' for key in quoted) + ("[*]" if elements else "")
    return path if len(path.encode("utf-8", "replace")) <= MAX_PATH_BYTES else None


def _condition(keys: list[str], condition: Any) -> _Part:
    path = _path(keys)
    if path is None:
        return _Part(True, False, False)
    if isinstance(condition, Mapping):
        if any(key.startswith("$") for key in condition):
            return _operators(path, condition)
        return _object(keys, path, condition)
    if isinstance(condition, (list, tuple)):
        return _list(keys, path, condition)
    return _Part(_equals(path, condition), True, condition is not None)


def _object(keys: list[str], path: str, condition: Mapping[str, Any]) -> _Part:
    pushed: Pushed = True
    exact, there = True, False
    for key, inner in condition.items():
        part = _condition([*keys, key], inner)
        pushed = both(pushed, part.pushed)
        exact, there = exact and part.exact, there or part.there
    if not there:
        # Whether the value is an object is not to be seen from outside.
        pushed, exact = both(pushed, field(path).exists()), False
    return _Part(pushed, exact, True)


def _list(keys: list[str], path: str, condition: Sequence[Any]) -> _Part:
    pushed: Pushed = field(path).exists()
    inner = _path(keys, elements=True)
    for element in condition:
        if inner is not None and isinstance(element, (str, int, float)):
            pushed = both(pushed, _equals(inner, element))
    return _Part(pushed, False, True)


def _operators(path: str, condition: Mapping[str, Any]) -> _Part:
    pushed: Pushed = True
    exact, there = True, False
    for operator, operand in condition.items():
        part = _operator(path, operator, operand)
        pushed = both(pushed, part.pushed)
        exact, there = exact and part.exact, there or part.there
    return _Part(pushed, exact, there)


def _operator(path: str, operator: str, operand: Any) -> _Part:
    is_nested = isinstance(operand, (Mapping, list, tuple))
    if operator == "$eq":
        if is_nested:
            return _Part(field(path).exists(), False, True)
        return _Part(_equals(path, operand), True, operand is not None)
    if operator == "$ne":
        if is_nested:
            return _Part(True, False, False)
        return _Part(_not(_equals(path, operand)), True, operand is None)
    if operator in _ORDERS:
        return _Part(_order(path, operator, operand), True, True)
    raise _unknown(operator)


def _unknown(operator: str) -> ValueError:
    known = ", ".join(("$eq", "$ne", *_ORDERS))
    return ValueError(f"Unsupported operator: {operator!r}. There are {known}")


def _equals(path: str, operand: Any) -> Pushed:
    at = field(path)
    if operand is None:
        return at.is_null() | at.not_exists()
    if isinstance(operand, bool):
        return at == operand
    if isinstance(operand, str):
        return at == operand if _is_storable(operand) else False
    if isinstance(operand, (int, float)):
        number = _bound(operand)
        return at == number if math.isfinite(number) and number == operand else False
    name = type(operand).__name__
    raise ValueError(f"a filter compares what JSON has, such as str, int and None, not {name}")


def _is_storable(text: str) -> bool:
    """Returns false for a text with half characters, which UTF-8 does not have."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _bound(operand: int | float) -> int | float:
    """Returns the number, or the nearest float if an integer needs more than 64 bits."""
    if isinstance(operand, float) or -(2**63) <= operand < 2**64:
        return operand
    try:
        return float(operand)
    except OverflowError:
        return math.inf if operand > 0 else -math.inf


def _order(path: str, operator: str, operand: object) -> Pushed:
    if isinstance(operand, bool) or not isinstance(operand, (str, int, float)):
        name = type(operand).__name__
        raise ValueError(f"{operator} compares numbers or texts, not {name}")
    if not isinstance(operand, str):
        operand = _bound(operand)
        if not math.isfinite(operand):
            return _beyond(path, operator, operand)
    at = field(path)
    if operator == "$gt":
        return at > operand
    if operator == "$gte":
        return at >= operand
    return at < operand if operator == "$lt" else at <= operand


def _beyond(path: str, operator: str, operand: float) -> Pushed:
    """Compares with infinity, or with what is no number."""
    if math.isnan(operand):
        return False
    is_below = operator in ("$lt", "$lte")
    if (operand > 0) != is_below:
        return False
    return field(path).between(-_FLOAT_MAX, _FLOAT_MAX)


# The meaning.


def _lookup(value: Mapping[str, Any], key: str) -> Any:
    keys = _keys(key)
    if key in value:
        return value[key]
    at: Any = value
    for name in keys:
        if not isinstance(at, Mapping) or name not in at:
            return None
        at = at[name]
    return at


def _match(value: Any, condition: Any) -> bool:
    if isinstance(condition, Mapping):
        if any(key.startswith("$") for key in condition):
            return all(_apply(value, op, operand) for op, operand in condition.items())
        return isinstance(value, Mapping) and all(
            _match(value.get(key), inner) for key, inner in condition.items()
        )
    if isinstance(condition, (list, tuple)):
        return (
            isinstance(value, (list, tuple))
            and len(value) == len(condition)
            and all(_match(one, inner) for one, inner in zip(value, condition))
        )
    return _same(value, condition)


def _apply(value: Any, operator: str, operand: Any) -> bool:
    if operator == "$eq":
        return _same(value, operand)
    if operator == "$ne":
        return not _same(value, operand)
    if operator not in _ORDERS:
        raise _unknown(operator)
    if _kind(value) != _kind(operand) or _kind(operand) not in ("number", "text"):
        return False
    if not isinstance(operand, str):
        operand = _bound(operand)
    compare: dict[str, Callable[[], bool]] = {
        "$gt": lambda: value > operand,
        "$gte": lambda: value >= operand,
        "$lt": lambda: value < operand,
        "$lte": lambda: value <= operand,
    }
    return bool(compare[operator]())


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, Mapping):
        return "object"
    return "list" if isinstance(value, (list, tuple)) else type(value).__name__


def _same(a: Any, b: Any) -> bool:
    if _kind(a) != _kind(b):
        return False
    if isinstance(a, Mapping):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(_same(one, other) for one, other in zip(a, b))
    return bool(a == b)
