"""Owns the filters that mean what Python's comparisons mean, and the ids of string keys.

Altiplano says that a bool is no number. In Python `True == 1`. Frameworks that filter dicts with
`==`, `in` and `<` see the second, so their adapters build filters here. Functions return `None`
for what no filter says exactly; then the caller asks Python for each row.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable
from typing import Any, Union

from altiplano import Filter, MemoryId, field

MAX_PATH_BYTES = 1024
MAX_NAME_BYTES = 1024
_MAX_INT = 2**63 - 1
_LARGEST = 1.7976931348623157e308

Value = Union[None, bool, int, float, str]


def nothing() -> Filter:
    """Returns the filter that no memory passes."""
    return Filter.tags_any([])


def path_of(*keys: str) -> str | None:
    """Returns the path to the value of nested keys; `None` if it is too long to ask for."""
    quoted = (key.replace("\\", "\\\\").replace('"', '\\"') for key in keys)
    path = "".join(f'["{key}"]' for key in quoted)
    # The longest step that is added to it later is `[*]`.
    return path if len(path.encode()) <= MAX_PATH_BYTES - 3 else None


def is_plain(value: object) -> bool:
    """Returns true for values that a filter can compare with."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return -_MAX_INT <= value <= _MAX_INT
    return value is None or isinstance(value, str)


def same_values(value: Value) -> list[Value]:
    """Returns the values that Python takes for equal: 1, 1.0 and True are."""
    if isinstance(value, (int, float)) and value in (0, 1):
        return [int(value), bool(value)]
    return [value]


def equal(path: str, value: Value) -> Filter:
    """Holds if there is a value at the path that equals this one in Python."""
    return field(path).one_of(same_values(value))


def one_of(path: str, values: Iterable[Value]) -> Filter:
    """Holds if the value at the path equals one of these in Python."""
    return field(path).one_of([same for value in values for same in same_values(value)])


def is_none(path: str) -> Filter:
    """Holds if there is no value at the path, or null."""
    return field(path).not_exists() | field(path).is_null()


def is_text(path: str) -> Filter:
    """Holds if the value at the path is a text."""
    return field(path).starts_with("")


def contains(keys: tuple[str, ...], value: Value) -> Filter | None:
    """Holds where `value in container` is true in Python: for a list, a text and a dict."""
    path = path_of(*keys)
    if path is None:
        return None
    if value is None:
        return field(f"{path}[*]").is_null()
    found = nothing()
    for same in same_values(value):
        found = found | field(path).contains(same)
    if isinstance(value, str):
        below = path_of(*keys, value)
        if below is None:
            return None
        found = found | field(below).exists()
    return found


_ORDERS: dict[str, tuple[Callable[[Any, Any], bool], Callable[[Any, Any], Filter]]] = {
    "<": (lambda a, b: a < b, lambda f, v: f < v),
    "<=": (lambda a, b: a <= b, lambda f, v: f <= v),
    ">": (lambda a, b: a > b, lambda f, v: f > v),
    ">=": (lambda a, b: a >= b, lambda f, v: f >= v),
}


def ordered(path: str, operator: str, value: int | float | str) -> Filter:
    """Holds if the value at the path is less than this one, or what else `operator` says."""
    holds, test = _ORDERS[operator]
    found = test(field(path), value)
    if not isinstance(value, str):
        bools = [one for one in (False, True) if holds(one, value)]
        found = found | field(path).one_of(bools)
    return found


def key_of(name: str) -> str:
    """Returns the key of a string id. One that is too long for a key is hashed."""
    if 0 < len(name.encode()) <= MAX_NAME_BYTES:
        return name
    return f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"


def id_of(name: str, namespace: str | None = None) -> MemoryId:
    """Returns the id of the memory of a string id."""
    return MemoryId.from_key(key_of(name), namespace=namespace)


def json_safe(value: Any) -> Any:
    """Returns a JSON value in which floats are finite, for filters.

    NaN becomes an object, which equals nothing, as NaN does. Infinity becomes the largest float.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return {} if math.isnan(value) else math.copysign(_LARGEST, value)
    if isinstance(value, dict):
        return {key: json_safe(one) for key, one in value.items()}
    if isinstance(value, list):
        return [json_safe(one) for one in value]
    return value
