"""One batch of operations, sorted by kind: what must be embedded, read and written.

As in LangGraph's own stores, the reads of a batch see what was there before it, and of several
writes of one key the last one counts.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from langgraph.store.base import (
    GetOp,
    InvalidNamespaceError,
    ListNamespacesOp,
    Op,
    PutOp,
    SearchOp,
    validate_op_namespace,
)

from ._config import Index
from ._layout import Namespace, Vector

Place = tuple[Namespace, str]


@dataclass
class Plan:
    """What a batch asks for. `count` is the number of its operations."""

    count: int = 0
    gets: list[tuple[int, GetOp]] = field(default_factory=list)
    searches: list[tuple[int, SearchOp]] = field(default_factory=list)
    lists: list[tuple[int, ListNamespacesOp]] = field(default_factory=list)
    puts: dict[Place, PutOp] = field(default_factory=dict)
    texts: dict[Place, list[str]] = field(default_factory=dict)
    """The indexed texts of each item that is written."""

    @property
    def documents(self) -> list[str]:
        """The different texts to embed."""
        return list(dict.fromkeys(text for texts in self.texts.values() for text in texts))

    @property
    def queries(self) -> list[str]:
        """The different queries to embed."""
        return list(dict.fromkeys(op.query for _, op in self.searches if op.query))


@dataclass
class Embedded:
    """The vectors of a plan, by their texts."""

    documents: dict[str, Vector] = field(default_factory=dict)
    queries: dict[str, Vector] = field(default_factory=dict)


def make_plan(ops: Iterable[Op], index: Index | None) -> Plan:
    """Sorts operations. Raises `InvalidNamespaceError` and `ValueError` before anything is done."""
    plan = Plan()
    for at, op in enumerate(ops):
        plan.count = at + 1
        validate_op_namespace(op)
        if isinstance(op, GetOp):
            plan.gets.append((at, op))
        elif isinstance(op, SearchOp):
            plan.searches.append((at, op))
        elif isinstance(op, ListNamespacesOp):
            plan.lists.append((at, op))
        elif isinstance(op, PutOp):
            _check(op)
            plan.puts[(tuple(op.namespace), str(op.key))] = op
        else:
            raise ValueError(f"Unknown operation type: {type(op)}")
    if index is not None:
        for place, op in plan.puts.items():
            if op.value is not None and op.index is not False:
                plan.texts[place] = index.texts(op.value, op.index)
    return plan


def _check(op: PutOp) -> None:
    if not op.namespace:
        raise InvalidNamespaceError("Namespace cannot be empty.")
    if op.ttl is not None and not op.ttl > 0:
        raise ValueError(f"a ttl is a number of minutes above 0, or None for ever, not {op.ttl}")
