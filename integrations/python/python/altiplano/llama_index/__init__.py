"""Owns the names of `altiplano.llama_index`: a vector store and a memory block for LlamaIndex."""

try:
    import llama_index.core  # noqa: F401
except ImportError as error:
    raise ImportError(
        "altiplano.llama_index needs LlamaIndex: pip install 'llama-index-core>=0.14,<0.15'"
    ) from error

from altiplano.llama_index._block import AltiplanoMemoryBlock
from altiplano.llama_index._store import AltiplanoVectorStore

__all__ = ["AltiplanoMemoryBlock", "AltiplanoVectorStore"]
