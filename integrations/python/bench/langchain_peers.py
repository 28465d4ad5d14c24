"""The stores that are compared through LangChain's interface, each with its own defaults.

All of them get the same calls: `add_texts`, `similarity_search_by_vector` and `delete`. What
differs is how a store is opened, how it says a filter, and what it does to be at rest.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

os.environ.update(ANONYMIZED_TELEMETRY="False", LANGSMITH_TRACING="false")

from langchain_core.embeddings import Embeddings


class Known(Embeddings):
    """Vectors that are known before: `next` holds those of the texts to come."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self.next: list[list[float]] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        # A store may ask for a batch in parts.
        taken, self.next = self.next[: len(texts)], self.next[len(texts) :]
        assert len(taken) == len(texts)
        return taken

    def embed_query(self, text: str) -> list[float]:
        return [1.0] + [0.0] * (self.dimension - 1)


class Peer:
    """A store behind LangChain's interface."""

    lives_in = "files"
    note = ""
    has_ttl = False

    def __init__(self, folder: Path, dimension: int) -> None:
        self.folder, self.model = folder, Known(dimension)
        self.store: Any = self.open()

    def open(self) -> Any:
        raise NotImplementedError

    def filter(self, topic: int) -> dict[str, Any]:
        """The arguments that ask for one topic."""
        return {"filter": {"topic": topic}}

    def ttl(self, seconds: float) -> dict[str, Any]:
        return {}

    def settle(self) -> None:
        """Lets work in the background end."""

    def save(self) -> None:
        """Writes what is not on the disk by itself."""

    def close(self) -> None:
        self.store = None


class Altiplano(Peer):
    has_ttl = True
    note = "each add is synced to the disk"
    options: dict[str, Any] = {}

    def open(self) -> Any:
        from altiplano.langchain import AltiplanoVectorStore

        return AltiplanoVectorStore(self.model, self.folder / "store", **self.options)

    def ttl(self, seconds: float) -> dict[str, Any]:
        return {"ttl": timedelta(seconds=seconds)}

    def settle(self) -> None:
        self.store.store.wait_idle(600)

    def close(self) -> None:
        self.store.close()


class AltiplanoBuffered(Altiplano):
    note = "a power cut may take the last 100 ms, as with the peers"
    options = {"durability": "buffered:100ms"}


class Chroma(Peer):
    note = "HNSW with its defaults, cosine"

    def open(self) -> Any:
        import chromadb
        from langchain_chroma import Chroma

        return Chroma(
            "bench",
            embedding_function=self.model,
            persist_directory=str(self.folder),
            client_settings=chromadb.Settings(anonymized_telemetry=False, is_persistent=True),
            collection_metadata={"hnsw:space": "cosine"},
        )


class Faiss(Peer):
    lives_in = "memory"
    note = "a flat index in memory; written whole by save_local"

    def open(self) -> Any:
        import faiss
        from langchain_community.docstore.in_memory import InMemoryDocstore
        from langchain_community.vectorstores import FAISS
        from langchain_community.vectorstores.utils import DistanceStrategy

        if (self.folder / "index.faiss").exists():
            return FAISS.load_local(
                str(self.folder), self.model, allow_dangerous_deserialization=True,
                distance_strategy=DistanceStrategy.MAX_INNER_PRODUCT,
            )
        return FAISS(
            self.model, faiss.IndexFlatIP(self.model.dimension), InMemoryDocstore(), {},
            distance_strategy=DistanceStrategy.MAX_INNER_PRODUCT,
        )

    def filter(self, topic: int) -> dict[str, Any]:
        # It filters what it has found: with the default of 20, it would find less than one.
        return {"filter": {"topic": topic}, "fetch_k": 1500}

    def save(self) -> None:
        self.store.save_local(str(self.folder))


class LanceDb(Peer):
    note = "no index, which is the default; never optimized, as LangChain has no call for it"

    def open(self) -> Any:
        import lancedb
        from langchain_community.vectorstores import LanceDB

        return LanceDB(
            connection=lancedb.connect(str(self.folder)), embedding=self.model,
            table_name="bench", mode="append",
        )

    def filter(self, topic: int) -> dict[str, Any]:
        return {"filter": f"metadata.topic = {topic}", "prefilter": True}


class LanceDbOptimized(LanceDb):
    note = "no index; optimized through its own interface after each round"

    def settle(self) -> None:
        table = self.store.get_table()
        if table is not None:
            table.optimize(cleanup_older_than=timedelta(0))


class Qdrant(Peer):
    lives_in = "files, and all of it in memory"
    note = "local mode"

    def open(self) -> Any:
        from langchain_qdrant import QdrantVectorStore
        from qdrant_client import QdrantClient, models

        client = QdrantClient(path=str(self.folder))
        if not client.collection_exists("bench"):
            params = models.VectorParams(
                size=self.model.dimension, distance=models.Distance.COSINE
            )
            client.create_collection("bench", vectors_config=params)
        return QdrantVectorStore(
            client, "bench", self.model, validate_embeddings=False,
            validate_collection_config=False,
        )

    def filter(self, topic: int) -> dict[str, Any]:
        from qdrant_client import models

        match = models.FieldCondition(key="metadata.topic", match=models.MatchValue(value=topic))
        return {"filter": models.Filter(must=[match])}

    def close(self) -> None:
        self.store.client.close()


PEERS: dict[str, type[Peer]] = {
    "altiplano": Altiplano,
    "altiplano-buffered": AltiplanoBuffered,
    "chroma": Chroma,
    "faiss": Faiss,
    "lancedb": LanceDb,
    "lancedb-optimized": LanceDbOptimized,
    "qdrant": Qdrant,
}
