"""What an index is: how items become vectors and words."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import numpy as np
from langgraph.store.base import (
    Embeddings,
    IndexConfig,
    ensure_embeddings,
    get_text_at_path,
    tokenize_path,
)

from ._layout import Vector


class AltiplanoIndexConfig(IndexConfig, total=False):
    """The index of a store: LangGraph's, and what Altiplano can do beyond it.

    Without `embed` and `dims`, but with `text_index`, queries are searched by their words.
    """

    text_fields: list[str] | None
    """Another name of `fields`, as LangGraph's SQLite store has it."""
    text_index: bool | str
    """Index words too: `True`, or a language for stems, such as `"english"`. A query is then
    searched by meaning and by words at once, and scores are the sum of both."""
    text_weight: float
    """The weight of the words beside the vector, from 0 to 1."""
    distance_type: Literal["cosine"]
    """The only measure of LangGraph's scores."""
    quantization: str
    """How vectors are compressed in memory: see `Store.collection`."""


Path = tuple[str, str | list[str]]


class Index:
    """An index that was read from its configuration."""

    def __init__(self, config: AltiplanoIndexConfig | IndexConfig) -> None:
        given = cast(dict[str, Any], dict(config))
        self.text_index: bool | str = given.get("text_index") or False
        self.text_weight: float | None = given.get("text_weight")
        self.quantization: str | None = given.get("quantization")
        self.embeddings: Embeddings | None = None
        self.dims: int | None = None
        if given.get("embed") is not None or not self.text_index:
            self.embeddings = ensure_embeddings(given.get("embed"))
            self.dims = given.get("dims")
            if not isinstance(self.dims, int) or self.dims < 1:
                raise ValueError("an index needs `dims`, the number of dimensions of `embed`")
        if given.get("distance_type", "cosine") != "cosine":
            raise ValueError("`distance_type` is cosine: LangGraph's scores are cosines")
        self.paths = [_path(path) for path in _fields(given)]
        given["__tokenized_fields"] = self.paths
        self.config = cast(AltiplanoIndexConfig, given)

    @property
    def is_hybrid(self) -> bool:
        """Whether queries are searched by words."""
        return bool(self.text_index)

    def texts(self, value: Mapping[str, Any], fields: Sequence[str] | None) -> list[str]:
        """Returns the different texts of a value that are indexed."""
        paths = self.paths if fields is None else [_path(path) for path in fields]
        found = [text for _, path in paths for text in get_text_at_path(value, path)]
        return list(dict.fromkeys(found))

    def embed(self, texts: list[str]) -> dict[str, Vector]:
        """Returns the vectors of texts that are stored."""
        if not texts or self.embeddings is None:
            return {}
        return _vectors(texts, self.embeddings.embed_documents(texts))

    async def aembed(self, texts: list[str]) -> dict[str, Vector]:
        """The same, asynchronously."""
        if not texts or self.embeddings is None:
            return {}
        return _vectors(texts, await self.embeddings.aembed_documents(texts))

    def embed_queries(self, texts: list[str]) -> dict[str, Vector]:
        """Returns the vectors of queries."""
        if self.embeddings is None:
            return {}
        return _vectors(texts, [self.embeddings.embed_query(text) for text in texts])

    async def aembed_queries(self, texts: list[str]) -> dict[str, Vector]:
        """The same, asynchronously."""
        if self.embeddings is None:
            return {}
        return _vectors(texts, [await self.embeddings.aembed_query(text) for text in texts])


def _fields(given: dict[str, Any]) -> list[str]:
    fields = given.get("fields") or given.get("text_fields") or ["$"]
    if isinstance(fields, str):
        return [fields]
    if not isinstance(fields, (list, tuple)):
        raise ValueError(f"`fields` are a list of paths, not {fields!r}")
    return list(fields)


def _path(path: str) -> Path:
    return (path, "$" if path == "$" else tokenize_path(path))


def _vectors(texts: list[str], vectors: Sequence[Sequence[float]]) -> dict[str, Vector]:
    if len(vectors) != len(texts):
        raise ValueError(f"`embed` returned {len(vectors)} vectors for {len(texts)} texts")
    return {text: np.asarray(vector, dtype=np.float32) for text, vector in zip(texts, vectors)}
