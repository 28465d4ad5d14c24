"""Chroma's client API on a store of altiplano.

    from altiplano.chroma import PersistentClient

    client = PersistentClient("./memories")
    notes = client.get_or_create_collection("notes")
    notes.add(ids=["1"], documents=["likes tea"])

The client is Chroma's own, with its collections and embedding functions; what it stores is in
`./memories/altiplano`. Needs chromadb: `pip install "altiplano-memory[chroma]"`.
"""

from __future__ import annotations

from os import PathLike, fspath
from typing import Optional

try:
    import chromadb
except ImportError as error:
    raise ImportError(
        'altiplano.chroma needs chromadb: pip install "altiplano-memory[chroma]"'
    ) from error

from altiplano.chroma._api import AltiplanoAPI
from altiplano.chroma._catalog import _directory
from chromadb.api import ClientAPI
from chromadb.api.shared_system_client import SharedSystemClient
from chromadb.config import DEFAULT_DATABASE, DEFAULT_TENANT, Settings

#: The value of the setting `chroma_api_impl`.
API_IMPL = "altiplano.chroma.AltiplanoAPI"

_of_chroma = SharedSystemClient._get_identifier_from_settings


def _identifier(settings: Settings) -> str:
    """Returns the name under which clients of one process share a system.

    Chroma's own function knows its own APIs only, so this one stands before it.
    """
    if settings.chroma_api_impl != API_IMPL:
        return _of_chroma(settings)
    directory = _directory(settings)
    return f"altiplano:{directory}" if directory is not None else "altiplano"


SharedSystemClient._get_identifier_from_settings = staticmethod(  # type: ignore[method-assign]
    _identifier
)


def _settings(settings: Optional[Settings], directory: Optional[str]) -> Settings:
    changes = {
        "chroma_api_impl": API_IMPL,
        "is_persistent": directory is not None,
        "anonymized_telemetry": settings.anonymized_telemetry if settings is not None else False,
    }
    if directory is not None:
        changes["persist_directory"] = directory
    return (settings if settings is not None else Settings()).model_copy(update=changes)


def PersistentClient(
    path: str | PathLike[str] = "./chroma",
    settings: Optional[Settings] = None,
    tenant: str = DEFAULT_TENANT,
    database: str = DEFAULT_DATABASE,
) -> ClientAPI:
    """Returns a client that keeps its data in a directory, as `chromadb.PersistentClient` does."""
    return chromadb.Client(_settings(settings, fspath(path)), tenant, database)


def EphemeralClient(
    settings: Optional[Settings] = None,
    tenant: str = DEFAULT_TENANT,
    database: str = DEFAULT_DATABASE,
) -> ClientAPI:
    """Returns a client whose data goes with the process, as `chromadb.EphemeralClient` does.

    All such clients of a process share their data, until the last one is closed.
    """
    return chromadb.Client(_settings(settings, None), tenant, database)


__all__ = ["API_IMPL", "AltiplanoAPI", "EphemeralClient", "PersistentClient"]
