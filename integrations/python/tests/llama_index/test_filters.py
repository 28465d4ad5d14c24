"""Filters select the nodes that LlamaIndex's own function selects."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
)
from llama_index.core.vector_stores.utils import node_to_metadata_dict
from strategies import METADATA, NESTED, node, passes, vector

from altiplano.llama_index import AltiplanoVectorStore


@pytest.fixture(scope="module")
def shared() -> Iterator[AltiplanoVectorStore]:
    with tempfile.TemporaryDirectory() as folder:
        store = AltiplanoVectorStore(str(Path(folder) / "agent.alt"))
        yield store
        store.close()


@given(st.lists(METADATA, max_size=8), st.lists(NESTED, min_size=1, max_size=6), st.booleans())
@example(
    [{"a": True}, {"a": 1}], [MetadataFilters(filters=[MetadataFilter(key="a", value=1)])], True
)
def test_filters_select_the_same_nodes(
    shared: AltiplanoVectorStore,
    metadata: list[dict[str, object]],
    groups: list[MetadataFilters],
    sealed: bool,
) -> None:
    shared.clear()
    nodes = [node(f"n{at}", one, at, doc="d") for at, one in enumerate(metadata)]
    shared.add(nodes)
    if sealed:
        # Files have columns of fields; rows in memory are parsed.
        shared.client.compact()
    fields = {one.node_id: node_to_metadata_dict(one) for one in nodes}
    for filters in groups:
        wanted = [name for name, one in fields.items() if passes(one, filters)]
        assert [one.node_id for one in shared.get_nodes(filters=filters)] == wanted
        query = VectorStoreQuery(
            query_embedding=vector(99), similarity_top_k=len(nodes) + 1, filters=filters
        )
        assert sorted(shared.query(query).ids or []) == sorted(wanted)
    shared.delete_nodes(filters=groups[0])
    kept = [name for name, one in fields.items() if not passes(one, groups[0])]
    assert [one.node_id for one in shared.get_nodes()] == kept


def test_an_operator_selects_what_its_name_says(vector_store: AltiplanoVectorStore) -> None:
    rows = {
        "text": {"v": "Likes Tea"},
        "list": {"v": ["tea", "milk"]},
        "number": {"v": 5},
        "empty": {"v": []},
        "none": {"v": None},
        "missing": {},
    }
    vector_store.add([node(name, one, at) for at, (name, one) in enumerate(rows.items())])

    def found(operator: str, value: object) -> list[str]:
        one = MetadataFilter(key="v", value=value, operator=FilterOperator(operator))  # type: ignore[arg-type]
        return [
            one.node_id for one in vector_store.get_nodes(filters=MetadataFilters(filters=[one]))
        ]

    assert found("==", 5) == ["number"]
    assert found("!=", 5) == ["text", "list", "empty", "none", "missing"]
    assert found(">", 4) == ["number"]
    assert found("in", [5, 6]) == ["number"]
    assert found("nin", [5, 6]) == ["text", "list", "empty", "none", "missing"]
    assert found("any", ["tea", "beer"]) == ["list"]
    assert found("all", ["milk", "tea"]) == ["list"]
    assert found("contains", "milk") == ["list"]
    assert found("text_match", "Tea") == ["text"]
    assert found("text_match", "tea") == []
    assert found("text_match_insensitive", "tea") == ["text"]
    assert found("is_empty", None) == ["empty", "none", "missing"]


def test_groups_nest(vector_store: AltiplanoVectorStore) -> None:
    vector_store.add([node(f"{a}{b}", {"a": a, "b": b}, 2 * a + b) for a in (0, 1) for b in (0, 1)])
    either = MetadataFilters(
        filters=[MetadataFilter(key="a", value=1), MetadataFilter(key="b", value=1)],
        condition=FilterCondition.OR,
    )
    both = MetadataFilters(
        filters=[MetadataFilter(key="a", value=1), MetadataFilter(key="b", value=1)]
    )
    none = MetadataFilters(filters=[both], condition=FilterCondition.NOT)
    asked = MetadataFilters(filters=[either, none])
    assert [one.node_id for one in vector_store.get_nodes(filters=asked)] == ["01", "10"]


def test_a_key_too_long_for_a_path_is_asked_all_the_same(
    vector_store: AltiplanoVectorStore,
) -> None:
    key = "k" * 2000
    vector_store.add([node("short", {"a": 1}, 1)])
    asked = MetadataFilters(filters=[MetadataFilter(key=key, value=1, operator=FilterOperator.NE)])
    assert [one.node_id for one in vector_store.get_nodes(filters=asked)] == ["short"]
