"""What filters mean, written down a second time and in the plainest way, to compare with."""

import re

_STEP = re.compile(r'\.?([^.\[\]"\\]+)|\["((?:[^"\\]|\\.)*)"\]|\[(\*|\d+)\]')


def values_at(metadata, path):
    """Returns the values that a path names."""
    found = [metadata]
    for key, quoted, position in _STEP.findall(path):
        after = []
        for value in found:
            if position:
                if isinstance(value, list):
                    at = int(position) if position != "*" else None
                    after.extend(value if at is None else value[at : at + 1])
            else:
                name = key or re.sub(r"\\(.)", r"\1", quoted)
                if isinstance(value, dict) and name in value:
                    after.append(value[name])
        found = after
    return found


def kind(value):
    """Returns the type that values are compared within; `None` for lists and objects."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    return "text" if isinstance(value, str) else None


def equal(left, right):
    return kind(left) is not None and kind(left) == kind(right) and left == right


def ordered(left, right, test):
    if kind(left) != kind(right) or kind(left) not in ("number", "text"):
        return False
    if kind(left) == "text":
        left, right = left.encode(), right.encode()
    return test(left, right)


def contains(value, part):
    if isinstance(value, list):
        return any(equal(item, part) for item in value)
    return isinstance(value, str) and isinstance(part, str) and part in value


def passes(values, operator, operand):
    some = {
        "$eq": lambda value: equal(value, operand),
        "$lt": lambda value: ordered(value, operand, lambda a, b: a < b),
        "$lte": lambda value: ordered(value, operand, lambda a, b: a <= b),
        "$gt": lambda value: ordered(value, operand, lambda a, b: a > b),
        "$gte": lambda value: ordered(value, operand, lambda a, b: a >= b),
        "$in": lambda value: any(equal(value, one) for one in operand),
        "$contains": lambda value: contains(value, operand),
        "$starts_with": lambda value: isinstance(value, str) and value.startswith(operand),
    }
    if operator in some:
        return any(some[operator](value) for value in values)
    if operator == "$ne":
        return bool(values) and not passes(values, "$eq", operand)
    if operator == "$nin":
        return bool(values) and not passes(values, "$in", operand)
    if operator == "$exists":
        return bool(values) == operand
    if operator == "$not":
        return not tests_pass(values, operand)
    raise AssertionError(operator)


def tests_pass(values, tests):
    if not isinstance(tests, dict):
        return passes(values, "$eq", tests)
    return all(passes(values, operator, operand) for operator, operand in tests.items())


def matches(metadata, filter):
    """Returns whether metadata matches a filter."""

    def part(key, value):
        if key == "$and":
            return all(matches(metadata, one) for one in value)
        if key == "$or":
            return any(matches(metadata, one) for one in value)
        if key == "$not" and isinstance(value, list):
            return not any(matches(metadata, one) for one in value)
        if key == "$not":
            return not matches(metadata, value)
        return tests_pass(values_at(metadata, key), value)

    return all(part(key, value) for key, value in filter.items())
