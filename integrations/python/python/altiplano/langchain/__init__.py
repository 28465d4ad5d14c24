"""LangChain on Altiplano: a vector store, and a history of chat messages.

`AltiplanoVectorStore` keeps documents, and `AltiplanoChatMessageHistory` keeps conversations. Both
take a path or an open `altiplano.Store`, so one store can hold both.
"""

try:
    import langchain_core  # noqa: F401
except ImportError as error:
    raise ImportError(
        "altiplano.langchain needs langchain-core: pip install 'altiplano-memory[langchain]'"
    ) from error

from altiplano.langchain._chat import AltiplanoChatMessageHistory
from altiplano.langchain._vectorstore import AltiplanoVectorStore

__all__ = ["AltiplanoChatMessageHistory", "AltiplanoVectorStore"]
