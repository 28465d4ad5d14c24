"""Importers: what other stores and indexes hold, as memories.

    from altiplano.importers import from_chroma

    with altiplano.open("agent.alt") as store:
        from_chroma("./chroma", "docs", into=store)

Each reads in pages, so memory stays bounded, and writes atomic batches. Names become keys, and the
same name replaces the same memory, so an import that was interrupted is simply run again. Each
needs the package of its source, and nothing else. The source is only read.
"""

from __future__ import annotations

from altiplano.importers.chroma import from_chroma
from altiplano.importers.faiss import from_faiss, from_langchain_faiss
from altiplano.importers.hnswlib import from_hnswlib
from altiplano.importers.lancedb import from_lancedb
from altiplano.importers.qdrant import from_qdrant
from altiplano.importers.usearch import from_usearch

__all__ = [
    "from_chroma",
    "from_faiss",
    "from_hnswlib",
    "from_lancedb",
    "from_langchain_faiss",
    "from_qdrant",
    "from_usearch",
]
