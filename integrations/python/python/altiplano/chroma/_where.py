"""Owns the meaning of `where` and `where_document`.

A condition is split in two: a `Filter` that the store answers, and a test for what a filter cannot
say. Both together mean what Chroma means: a test of a key that a record lacks is false, and `$ne`,
`$nin`, `$not_contains` and `$not_regex` are the complements, so they hold for such a record.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Optional

from altiplano import Filter, Memory, field
from altiplano.types import Scalar
from chromadb.errors import InvalidArgumentError

from ._regex import compile_regex

#: A test of a record: its metadata and its document.
Test = Callable[[Mapping[str, Any], Optional[str]], bool]

#: The key under which `where` asks for the document.
DOCUMENT = "#document"
#: Deepest nesting that is given to the store, which has a limit of 32.
_DEEPEST = 24
#: Longest key that is given to the store, which has a limit of 1,024 bytes for a quoted path.
_LONGEST = 480
_NEGATED = {"$ne": "$eq", "$nin": "$in", "$not_contains": "$contains", "$not_regex": "$regex"}


class Plan(NamedTuple):
    """What the store answers, and what is tested afterwards. `None` holds for every record."""

    filter: Filter | None
    test: Test | None

    def passes(self, memory: Memory) -> bool:
        """Returns whether a record passes the test."""
        return self.test is None or self.test(memory.metadata or {}, memory.text)


def plan(where: Mapping[str, Any] | None, where_document: Any) -> Plan:
    """Returns the plan of both conditions."""
    filters: list[Filter] = []
    tests: list[Test] = []
    for part in _parts(where) if where else []:
        native = _native(part, 0)
        if native is None:
            tests.append(record_test(part))
        else:
            filters.append(native)
    if where_document:
        document = document_test(where_document)
        tests.append(lambda _, text: document(text))
    joined: Filter | None = None
    for native in filters:
        joined = native if joined is None else joined & native
    if not tests:
        return Plan(joined, None)
    return Plan(joined, lambda metadata, text: all(test(metadata, text) for test in tests))


def full_test(where: Mapping[str, Any] | None, where_document: Any) -> Test | None:
    """Returns a test of both conditions that needs no filter."""
    if not where and not where_document:
        return None
    record = record_test(where) if where else None
    document = document_test(where_document) if where_document else None

    def test(metadata: Mapping[str, Any], text: str | None) -> bool:
        if record is not None and not record(metadata, text):
            return False
        return document is None or document(text)

    return test


def conditions(where: Mapping[str, Any]) -> list[tuple[str, str, Any]]:
    """Returns all conditions of a `where` as key, operator and value, without the joins."""
    (key, value), *_ = where.items()
    if key in ("$and", "$or"):
        return [condition for part in value for condition in conditions(part)]
    return [(key, *_operator(value))]


def _parts(where: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Returns conditions that must all hold."""
    if list(where) == ["$and"]:
        return [part for each in where["$and"] for part in _parts(each)]
    return [where]


def _operator(value: Any) -> tuple[str, Any]:
    if isinstance(value, Mapping):
        (operator, operand), *_ = value.items()
        return operator, operand
    return "$eq", value


def _native(where: Mapping[str, Any], depth: int) -> Filter | None:
    """Returns a condition as a filter, or `None` if a filter cannot say it."""
    (key, value), *_ = where.items()
    if depth > _DEEPEST:
        return None
    if key in ("$and", "$or"):
        joined: Filter | None = None
        for part in value:
            native = _native(part, depth + 1)
            if native is None:
                return None
            if joined is None:
                joined = native
            else:
                joined = joined & native if key == "$and" else joined | native
        return joined
    return _native_test(key, *_operator(value))


def _native_test(key: str, operator: str, operand: Any) -> Filter | None:
    if operator in _NEGATED:
        native = _native_test(key, _NEGATED[operator], operand)
        return None if native is None else ~native
    operands = operand if isinstance(operand, (list, tuple)) else [operand]
    if key == DOCUMENT or len(key.encode(errors="replace")) > _LONGEST:
        return None
    if any(isinstance(each, float) and not math.isfinite(each) for each in operands):
        return None
    path = '["' + key.replace("\\", "\\\\").replace('"', '\\"') + '"]'
    one = field(path)
    if operator == "$eq":
        return one == number(operand)
    if operator == "$in":
        return one.one_of([number(each) for each in operands])
    if operator == "$contains":
        return field(path + "[*]") == number(operand)
    if operator == "$gt":
        return one > number(operand)
    if operator == "$gte":
        return one >= number(operand)
    if operator == "$lt":
        return one < number(operand)
    if operator == "$lte":
        return one <= number(operand)
    return None


def number(value: Any) -> Scalar:
    """Returns a value as it is stored: integers beyond 64 bits are floats, as in Chroma."""
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
        return float(value)
    scalar: Scalar = value
    return scalar


def record_test(where: Mapping[str, Any]) -> Test:
    """Returns the test of a `where`."""
    (key, value), *_ = where.items()
    if key in ("$and", "$or"):
        tests = [record_test(part) for part in value]
        join = all if key == "$and" else any
        return lambda metadata, text: join(test(metadata, text) for test in tests)
    operator, operand = _operator(value)
    if key == DOCUMENT and operator in ("$contains", "$not_contains"):
        document = document_test({operator: operand})
        return lambda _, text: document(text)
    positive = _NEGATED.get(operator, operator)
    wanted = positive == operator
    return lambda metadata, _: _holds(metadata.get(key), positive, operand) is wanted


def _holds(found: Any, operator: str, operand: Any) -> bool:
    if found is None:
        return False
    if operator == "$eq":
        return _same(found, operand)
    if operator == "$in":
        return any(_same(found, each) for each in operand)
    if operator == "$contains":
        return isinstance(found, list) and any(_same(each, operand) for each in found)
    if not _is_number(found):
        return False
    if operator == "$gt":
        return bool(found > operand)
    if operator == "$gte":
        return bool(found >= operand)
    if operator == "$lt":
        return bool(found < operand)
    if operator == "$lte":
        return bool(found <= operand)
    raise InvalidArgumentError(f"where does not know the operator {operator}")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _same(found: Any, operand: Any) -> bool:
    """Returns whether two values are equal. A bool is no number, and a list equals nothing."""
    if _is_number(found) and _is_number(operand):
        return bool(found == number(operand))
    if isinstance(found, (bool, str)) and type(found) is type(operand):
        return bool(found == operand)
    return False


def document_test(where: Mapping[str, Any]) -> Callable[[str | None], bool]:
    """Returns the test of a `where_document`."""
    (operator, operand), *_ = where.items()
    if operator in ("$and", "$or"):
        tests = [document_test(part) for part in operand]
        join = all if operator == "$and" else any
        return lambda text: join(test(text) for test in tests)
    positive = _NEGATED.get(operator, operator)
    wanted = positive == operator
    if positive == "$contains":
        return lambda text: (text is not None and operand in text) is wanted
    if positive == "$regex":
        pattern = compile_regex(operand)
        return lambda text: (text is not None and pattern.search(text) is not None) is wanted
    raise InvalidArgumentError(f"where_document does not know the operator {operator}")
