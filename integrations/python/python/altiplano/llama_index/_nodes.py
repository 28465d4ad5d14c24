"""Owns how a node becomes a memory, and a memory a node again.

The metadata of a memory is for filters: `m` has what LlamaIndex filters by, and `e` the names of
the fields of it that are empty lists. The node itself is JSON in the data of the memory.
"""

from __future__ import annotations

import json
from typing import Any

from llama_index.core.schema import BaseNode, MetadataMode, TextNode
from llama_index.core.vector_stores.utils import metadata_dict_to_node, node_to_metadata_dict

from altiplano import Memory
from altiplano import _python_filters as python
from altiplano.llama_index._filters import EMPTY, FIELDS


def to_memory(node: BaseNode, namespace: str | None, ttl: float | None) -> Memory:
    """Returns the memory of a node that has an embedding."""
    vector = node.get_embedding()
    # The text of a text node is stored once, as the text of the memory.
    is_text = isinstance(node, TextNode)
    fields = node_to_metadata_dict(node, remove_text=is_text, flat_metadata=False)
    content = fields.pop("_node_content")
    empty = [key for key, value in fields.items() if value == []]
    metadata: dict[str, Any] = {FIELDS: python.json_safe(fields)}
    if empty:
        metadata[EMPTY] = empty
    return Memory(
        vector,
        id=python.id_of(node.node_id, namespace),
        key=python.key_of(node.node_id),
        text=node.get_content(metadata_mode=MetadataMode.NONE),
        data=content.encode(),
        metadata=metadata,
        namespace=namespace,
        ttl=ttl,
    )


def fields_of(memory: Memory) -> dict[str, Any]:
    """Returns what LlamaIndex filters by."""
    fields: dict[str, Any] = (memory.metadata or {}).get(FIELDS, {})
    return fields


def to_node(memory: Memory) -> BaseNode:
    """Returns the node of a memory, without its embedding."""
    content = (memory.data or b"").decode()
    kind = fields_of(memory).get("_node_type")
    node = metadata_dict_to_node({"_node_content": content, "_node_type": kind})
    if isinstance(node, TextNode):
        node.set_content(memory.text or "")
    return node


def node_id_of(memory: Memory) -> str:
    """Returns the id of the node of a memory."""
    name: str = json.loads(memory.data or b"{}")["id_"]
    return name
