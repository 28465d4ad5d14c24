"""Owns the configuration and the schema of a collection, as Chroma's local API computes them.

A collection has both, and they agree: the configuration is what the schema says of `#embedding`.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any, Optional

from chromadb.api.collection_configuration import (
    CreateCollectionConfiguration,
    UpdateCollectionConfiguration,
    create_collection_configuration_to_json,
    update_collection_configuration_to_json,
)
from chromadb.api.types import Schema
from chromadb.errors import InvalidArgumentError

from ._where import DOCUMENT, conditions

EMBEDDING = "#embedding"
_DEFAULTS: dict[str, Any] = {
    "ef_construction": 100,
    "max_neighbors": 16,
    "ef_search": 100,
    "num_threads": 2,
    "batch_size": 100,
    "sync_threshold": 1000,
    "resize_factor": 1.2,
}
_LEGACY = {
    "hnsw:space": "space",
    "hnsw:construction_ef": "ef_construction",
    "hnsw:search_ef": "ef_search",
    "hnsw:M": "max_neighbors",
    "hnsw:num_threads": "num_threads",
    "hnsw:resize_factor": "resize_factor",
    "hnsw:batch_size": "batch_size",
    "hnsw:sync_threshold": "sync_threshold",
}
#: Keys of metadata that a schema notes. Further ones can be filtered just as well.
_MOST_KEYS = 1000
_SPACES = ("l2", "cosine", "ip")
#: The name of a type of values in a schema, the name of its index, and the name in messages.
_INDEXES = {
    bool: ("bool", "bool_inverted_index", "Bool"),
    int: ("int", "int_inverted_index", "Int"),
    float: ("float", "float_inverted_index", "Float"),
    str: ("string", "string_inverted_index", "Str"),
}
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{1,510}[a-zA-Z0-9]")
_ADDRESS = re.compile(r"(\d{1,3}\.){3}\d{1,3}")


def check_name(name: str) -> None:
    """Refuses what is no name of a collection."""
    if not _NAME.fullmatch(name):
        raise InvalidArgumentError(
            "Validation error: name: Expected a name containing 3-512 characters from "
            f"[a-zA-Z0-9._-], starting and ending with a character in [a-zA-Z0-9]. Got: {name}"
        )
    if ".." in name:
        raise InvalidArgumentError(
            "Validation error: name: Expected a name that does not contains two consecutive "
            f"periods (..). Got {name}"
        )
    if _ADDRESS.fullmatch(name):
        raise InvalidArgumentError(
            f"Validation error: name: Expected a name that is not a valid ip address. Got {name}"
        )


def new_schema(
    schema: Schema | None,
    configuration: CreateCollectionConfiguration | None,
    metadata: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Returns the schema of a new collection, as JSON, with all parameters filled in."""
    wanted = (
        create_collection_configuration_to_json(configuration, metadata)  # type: ignore[arg-type]
        if configuration
        else {}
    )
    plain = Schema().serialize_to_json()
    made = schema.serialize_to_json() if schema is not None else plain
    if made != plain:
        _refuse_both(configuration, wanted)
        made = copy.deepcopy(made)
        _refuse_sparse(made)
        config = made["keys"][EMBEDDING]["float_list"]["vector_index"]["config"]
        parameters = dict(config.get("hnsw") or {}, space=config.get("space") or "l2")
        return _with_index(made, parameters, config.get("embedding_function"))
    parameters = {_LEGACY[key]: value for key, value in (metadata or {}).items() if key in _LEGACY}
    parameters.update((configuration or {}).get("hnsw") or {})
    space = ((configuration or {}).get("spann") or {}).get("space")
    if space:
        parameters.setdefault("space", space)
    elif configuration and "space" not in parameters and wanted.get("hnsw"):
        # An embedding function may prefer a space.
        parameters["space"] = wanted["hnsw"].get("space") or "l2"
    _check(parameters)
    function = wanted.get("embedding_function")
    return _with_index(plain, parameters, function)


def _with_index(
    schema: dict[str, Any], parameters: Mapping[str, Any], function: Any
) -> dict[str, Any]:
    """Fills in the two places where a schema has the index of vectors."""
    hnsw = {key: parameters.get(key, default) for key, default in _DEFAULTS.items()}
    hnsw = {key: _DEFAULTS[key] if value is None else value for key, value in hnsw.items()}
    for holder in (schema["defaults"], schema["keys"][EMBEDDING]):
        config = holder["float_list"]["vector_index"]["config"]
        for name in ("spann", "embedding_function"):
            config.pop(name, None)
        config["space"] = parameters.get("space") or "l2"
        config["hnsw"] = dict(hnsw)
        if function is not None:
            config["embedding_function"] = function
    return schema


def _check(parameters: Mapping[str, Any]) -> None:
    if (parameters.get("space") or "l2") not in _SPACES:
        raise InvalidArgumentError(
            f"unknown variant `{parameters['space']}`, expected one of `l2`, `cosine`, `ip`"
        )
    for name, value in parameters.items():
        if name == "space" or value is None:
            continue
        if name not in _DEFAULTS:
            raise InvalidArgumentError(f"unknown field `{name}` of the hnsw configuration")
        kinds = (int, float) if name == "resize_factor" else (int,)
        if isinstance(value, bool) or not isinstance(value, kinds) or value < 0:
            raise InvalidArgumentError(f"{name} of the hnsw configuration is a number >= 0")


def _refuse_both(
    configuration: CreateCollectionConfiguration | None, wanted: Mapping[str, Any]
) -> None:
    """Refuses a configuration beside a schema that is not the default one."""
    given = (configuration or {}).get("hnsw") or (configuration or {}).get("spann")
    function = (wanted.get("embedding_function") or {}).get("name", "default")
    if given or function != "default":
        raise InvalidArgumentError(
            "Failed to reconcile schema: Cannot set both collection config and schema "
            "simultaneously"
        )


def _refuse_sparse(schema: Mapping[str, Any]) -> None:
    for values in schema["keys"].values():
        sparse = (values.get("sparse_vector") or {}).get("sparse_vector_index") or {}
        if sparse.get("enabled"):
            raise InvalidArgumentError(
                "Failed to reconcile schema: Invalid schema input: Sparse vector indexing is not "
                "enabled in local"
            )


def vector_config(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a schema says of the vectors."""
    config: dict[str, Any] = schema["keys"][EMBEDDING]["float_list"]["vector_index"]["config"]
    return config


def configuration_json(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the configuration of a collection with this schema."""
    config = vector_config(schema)
    names = ("ef_construction", "ef_search", "max_neighbors", "resize_factor", "sync_threshold")
    hnsw = {"space": config["space"], **{name: config["hnsw"][name] for name in names}}
    return {
        "hnsw": hnsw,
        "spann": None,
        "embedding_function": config.get("embedding_function"),
    }


def updated_schema(
    schema: Mapping[str, Any], update: UpdateCollectionConfiguration
) -> dict[str, Any]:
    """Returns a schema with the changes of a new configuration."""
    changed: dict[str, Any] = copy.deepcopy(dict(schema))
    wanted = update_collection_configuration_to_json(update)
    if wanted.get("spann"):
        raise ValueError("Trying to update SPANN config but schema has HNSW")
    parameters = {k: v for k, v in (wanted.get("hnsw") or {}).items() if v is not None}
    _check(parameters)
    for holder in (changed["defaults"], changed["keys"][EMBEDDING]):
        config = holder["float_list"]["vector_index"]["config"]
        config["hnsw"].update(parameters)
        if wanted.get("embedding_function") is not None:
            config["embedding_function"] = wanted["embedding_function"]
    return changed


def _index_of(value: Any) -> Optional[tuple[str, str, str]]:
    if isinstance(value, list):
        value = value[0] if value else None
    return next((names for kind, names in _INDEXES.items() if isinstance(value, kind)), None)


def discover(schema: dict[str, Any], metadata: Mapping[str, Any]) -> bool:
    """Adds the keys of a record's metadata to a schema. Returns whether one was new."""
    found = False
    if len(schema["keys"]) >= _MOST_KEYS:
        return False
    for key, value in metadata.items():
        names = _index_of(value)
        if names is None or key in schema["keys"] or key.startswith("chroma:"):
            continue
        kind, index, _ = names
        default = schema["defaults"].get(kind, {}).get(index, {"enabled": True, "config": {}})
        schema["keys"][key] = {kind: {index: copy.deepcopy(default)}}
        found = True
    return found


def check_where(
    schema: Mapping[str, Any],
    where: Mapping[str, Any] | None,
    where_document: Any,
) -> None:
    """Refuses a condition on what the schema does not index, as Chroma does."""
    asks_document = bool(where_document)
    for key, _, operand in conditions(where) if where else []:
        names = _index_of(operand)
        if key == DOCUMENT:
            asks_document = True
        elif names is not None and not _indexed(schema, key, names[0], names[1]):
            raise InvalidArgumentError(
                f"Cannot filter using metadata key '{key}' with type '{names[2]}' because "
                "indexing is disabled"
            )
    if asks_document and not _indexed(schema, DOCUMENT, "string", "fts_index"):
        raise InvalidArgumentError(
            "Cannot filter by document because the full text index (FTS) is disabled"
        )


def _indexed(schema: Mapping[str, Any], key: str, kind: str, index: str) -> bool:
    of_key = (schema["keys"].get(key) or {}).get(kind) or {}
    of_all = schema["defaults"].get(kind) or {}
    return bool((of_key.get(index) or of_all.get(index) or {"enabled": True})["enabled"])
