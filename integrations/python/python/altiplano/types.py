"""Names for the types of arguments, for annotations in your own code."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias, Union
from uuid import UUID

from altiplano._native import Filter, MemoryId

#: An id. A string is parsed as a number or a UUID; a name of your own is a `key`.
IdLike: TypeAlias = Union[MemoryId, int, str, UUID]
#: A filter, or a dict as `Filter.from_dict` reads it.
FilterLike: TypeAlias = Union[Filter, Mapping[str, Any]]
#: A time to live: a `timedelta`, or seconds.
Ttl: TypeAlias = Union[timedelta, float]
#: How vectors are compared.
MetricName: TypeAlias = Literal["cosine", "l2", "dot"]
#: "sync", or for example "buffered:50ms", or the delay of `buffered` as a `timedelta`.
DurabilityLevel: TypeAlias = Union[str, timedelta]
#: What hits and pages bring along.
FieldsName: TypeAlias = Literal["none", "attributes", "payload", "all"]
#: How a search goes.
ModeName: TypeAlias = Literal["auto", "scan", "graph"]
#: The order of a list.
OrderName: TypeAlias = Literal["created", "event_time", "importance", "key"]
#: What a write did.
OutcomeName: TypeAlias = Literal[
    "inserted", "replaced", "updated", "missing", "exists", "conflict", "expired"
]
#: The value of a field of metadata.
Scalar: TypeAlias = Union[None, bool, int, float, str, datetime]
#: How an agent ranks what it recalls.
RankName: TypeAlias = Literal["distance", "generative_agents", "multiplicative", "gated"]
#: What the end of a session does to its memories.
EndPolicyName: TypeAlias = Literal["keep", "demote", "drop"]
