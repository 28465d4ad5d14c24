"""A store of LangGraph on Altiplano: long-term memory with vector search and true expiry.

    from altiplano.langgraph import AltiplanoStore

    with AltiplanoStore.from_conn_string("memory.alt") as store:
        store.put(("users", "ada"), "tea", {"likes": "oolong"}, ttl=60)  # minutes
        print(store.get(("users", "ada"), "tea").value)

`AltiplanoStore` is for graphs that run with `invoke`, and has the asynchronous methods as well.
`AsyncAltiplanoStore` joins the operations of one turn of the event loop into one batch.
"""

try:
    import langgraph.store.base  # noqa: F401
except ImportError as error:
    raise ImportError(
        "altiplano.langgraph needs LangGraph's stores: pip install 'altiplano-memory[langgraph]'"
    ) from error

from ._aio import AsyncAltiplanoStore
from ._config import AltiplanoIndexConfig
from ._store import AltiplanoStore

__all__ = ["AltiplanoIndexConfig", "AltiplanoStore", "AsyncAltiplanoStore"]
