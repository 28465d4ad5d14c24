"""Lists of namespaces: which labels match, how deep, and which page of them."""

from langgraph.store.base import ListNamespacesOp, MatchCondition

from altiplano import Collection, CollectionSnapshot, Reader

from ._layout import Namespace, decode_namespace, encode_namespace

_ALL_LABELS = 2**31 - 1


def run(plain: Reader, vectors: Reader | None, op: ListNamespacesOp) -> list[Namespace]:
    """Returns the namespaces of live items that match, sorted by their labels."""
    conditions = [condition for condition in op.match_conditions or () if condition.path]
    for condition in conditions:
        if condition.match_type not in ("prefix", "suffix"):
            raise ValueError(f"Unsupported match type: {condition.match_type}")
    below, depth = _bounds(conditions, op.max_depth)
    found: set[Namespace] = set()
    for reader in (plain, vectors):
        if isinstance(reader, (Collection, CollectionSnapshot)):
            names = reader.namespaces(encode_namespace(below), depth)
            found.update(decode_namespace(name) for name in names)
    matching = {
        labels[: op.max_depth]
        for labels in found
        if all(_holds(condition, labels) for condition in conditions)
    }
    start = max(op.offset, 0)
    return sorted(matching)[start : start + max(op.limit, 0)]


def _bounds(conditions: list[MatchCondition], max_depth: int | None) -> tuple[Namespace, int]:
    """Returns the prefix that all have in common, and how many labels below it are needed."""
    longest: Namespace = ()
    depth = _ALL_LABELS
    for condition in conditions:
        if condition.match_type == "prefix":
            plain = _until_wildcard(condition.path)
            longest = max(longest, plain, key=len)
    is_plain = all(
        condition.match_type == "prefix" and "*" not in condition.path for condition in conditions
    )
    if max_depth is not None and is_plain:
        depth = max(max_depth - len(longest), 1)
    return longest, depth


def _until_wildcard(path: tuple[str, ...]) -> Namespace:
    labels = tuple(path)
    return labels[: labels.index("*")] if "*" in labels else labels


def _holds(condition: MatchCondition, labels: Namespace) -> bool:
    path = tuple(condition.path)
    if len(path) > len(labels):
        return False
    part = labels[: len(path)] if condition.match_type == "prefix" else labels[-len(path) :]
    return all(wanted in ("*", label) for wanted, label in zip(path, part))
