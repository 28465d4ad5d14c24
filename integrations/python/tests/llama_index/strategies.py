"""Owns random nodes and filters, and what LlamaIndex's own function says of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import strategies as st
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
)
from llama_index.core.vector_stores.utils import build_metadata_filter_fn

DIMENSION = 6
KEYS = ["a", "b", "c.d", 'q"[*]\\', "", "ref_doc_id"]
TEXTS = st.text(alphabet="abAB ä", max_size=3)
INTS = st.integers(-2, 3) | st.sampled_from([2**53, 2**53 + 1, -(2**63) + 1, 2**63 - 1])
FLOATS = st.sampled_from([-1.5, 0.0, -0.0, 0.5, 1.0, 2.0, 1e300, float(2**53)])
SCALARS = st.none() | st.booleans() | INTS | FLOATS | TEXTS
VALUES = (
    SCALARS
    | st.lists(SCALARS, max_size=3)
    | st.dictionaries(TEXTS, SCALARS, max_size=2)
    | st.lists(st.lists(SCALARS, max_size=2), max_size=2)
)
METADATA = st.dictionaries(st.sampled_from(KEYS[:-1]), VALUES, max_size=4)
ASKED = (
    st.none()
    | INTS
    | FLOATS
    | st.sampled_from([float("inf"), float("-inf"), float("nan"), 2**63, -(2**80)])
    | TEXTS
    | st.lists(TEXTS, max_size=3)
    | st.lists(FLOATS, max_size=3)
    | st.lists(INTS, max_size=3)
)
LEAVES = st.builds(
    MetadataFilter,
    key=st.sampled_from(KEYS),
    value=ASKED,
    operator=st.sampled_from(list(FilterOperator)),
)
CONDITIONS = st.sampled_from([*FilterCondition, None])
FLAT = st.builds(MetadataFilters, filters=st.lists(LEAVES, max_size=3), condition=CONDITIONS)
NESTED = st.recursive(
    FLAT,
    lambda groups: st.builds(
        MetadataFilters, filters=st.lists(LEAVES | groups, max_size=3), condition=CONDITIONS
    ),
    max_leaves=4,
)


def vector(seed: int) -> list[float]:
    """Returns a vector that depends on the seed alone."""
    return [float(one) for one in np.random.default_rng(seed).normal(size=DIMENSION)]


def node(name: str, metadata: Mapping[str, Any], seed: int, doc: str | None = None) -> TextNode:
    """Returns a node with an embedding."""
    made = TextNode(id_=name, text=f"text {name}", metadata=dict(metadata), embedding=vector(seed))
    if doc is not None:
        made.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id=doc)
    return made


def passes(metadata: Mapping[str, Any], filters: MetadataFilters) -> bool:
    """Returns what LlamaIndex says of each filter, joined. A `TypeError` is a no."""
    if not filters.filters:
        return True
    answers = []
    for one in filters.filters:
        if isinstance(one, MetadataFilters):
            answers.append(passes(metadata, one))
            continue
        asked = build_metadata_filter_fn(lambda _: metadata, MetadataFilters(filters=[one]))
        try:
            answers.append(bool(asked("")))
        except TypeError:
            answers.append(False)
    if filters.condition == FilterCondition.OR:
        return any(answers)
    if filters.condition == FilterCondition.NOT:
        return not any(answers)
    return all(answers)
