"""A `BaseMemoryService` of Google's Agent Development Kit that outlives the process.

    pip install altiplano-memory google-adk
    python google_adk_memory.py

`embed` counts words, so that the file runs without a network. Put your own in its place. A search
asks by the vector and by words.
"""

from __future__ import annotations

import asyncio
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone

from google.adk.events.event import Event
from google.adk.memory.base_memory_service import BaseMemoryService, SearchMemoryResponse
from google.adk.memory.memory_entry import MemoryEntry
from google.adk.sessions.in_memory_session_service import InMemorySessionService
from google.adk.sessions.session import Session
from google.genai import types

import altiplano


def embed(text: str) -> list[float]:
    """Embeds a text by its words. The first number keeps the vector from being zero."""
    vector = [0.01] + [0.0] * 255
    for word in text.lower().replace("?", " ").replace(".", " ").split():
        vector[zlib.crc32(word.encode()) % 256] += 1.0
    return vector


class AltiplanoMemoryService(BaseMemoryService):
    """Keeps the texts of events. Each pair of app and user is a namespace."""

    def __init__(
        self,
        store: altiplano.Store,
        embed: Callable[[str], list[float]],
        *,
        k: int = 10,
        ttl: float | None = None,
    ) -> None:
        self._embed, self._k, self._ttl = embed, k, ttl
        self._events = store.collection("google_adk", len(embed("")), text_index=True)

    async def add_session_to_memory(self, session: Session) -> None:
        """Stores the events of a session. Those that are known are replaced."""
        await self.add_events_to_memory(
            app_name=session.app_name,
            user_id=session.user_id,
            events=session.events,
            session_id=session.id,
        )

    async def add_events_to_memory(
        self,
        *,
        app_name: str,
        user_id: str,
        events: Sequence[Event],
        session_id: str | None = None,
        custom_metadata: Mapping[str, object] | None = None,
    ) -> None:
        """Stores events. A number `ttl` in `custom_metadata` is their lifetime in seconds."""
        given = (custom_metadata or {}).get("ttl")
        ttl = float(given) if isinstance(given, (int, float)) else self._ttl
        batch = altiplano.Batch()
        for event in events:
            text = text_of(event.content)
            if text:
                self._insert(
                    batch,
                    text,
                    key=event.id,
                    namespace=namespace_of(app_name, user_id),
                    session=session_id,
                    author=event.author,
                    at=datetime.fromtimestamp(event.timestamp, timezone.utc),
                    ttl=ttl,
                )
        await asyncio.to_thread(self._events.apply, batch)

    async def add_memory(
        self,
        *,
        app_name: str,
        user_id: str,
        memories: Sequence[MemoryEntry],
        custom_metadata: Mapping[str, object] | None = None,
    ) -> None:
        """Stores entries. Those without an id get one."""
        given = (custom_metadata or {}).get("ttl")
        ttl = float(given) if isinstance(given, (int, float)) else self._ttl
        batch = altiplano.Batch()
        for entry in memories:
            at = entry.timestamp and datetime.fromisoformat(entry.timestamp)
            self._insert(
                batch,
                text_of(entry.content),
                key=entry.id or str(altiplano.MemoryId.unique()),
                namespace=namespace_of(app_name, user_id),
                session=None,
                author=entry.author or "",
                at=at or datetime.now(timezone.utc),
                ttl=ttl,
            )
        await asyncio.to_thread(self._events.apply, batch)

    def _insert(
        self,
        batch: altiplano.Batch,
        text: str,
        *,
        key: str,
        namespace: str,
        session: str | None,
        author: str,
        at: datetime,
        ttl: float | None,
    ) -> None:
        batch.insert(
            altiplano.Memory(
                self._embed(text),
                key=key,
                text=text,
                namespace=namespace,
                session=session,
                kind=author,
                event_time=at if at.tzinfo else at.replace(tzinfo=timezone.utc),
                ttl=ttl,
            )
        )

    async def search_memory(
        self, *, app_name: str, user_id: str, query: str
    ) -> SearchMemoryResponse:
        """Returns the entries that fit best by their words and by the vector."""
        hits = await asyncio.to_thread(
            self._events.search,
            self._embed(query),
            self._k,
            text=query,
            namespace=namespace_of(app_name, user_id),
        )
        entries = []
        for hit in hits:
            assert hit.memory is not None
            at = hit.memory.event_time
            entries.append(
                MemoryEntry(
                    id=hit.key,
                    content=types.Content(
                        role="user" if hit.memory.kind == "user" else "model",
                        parts=[types.Part(text=hit.text)],
                    ),
                    author=hit.memory.kind,
                    timestamp=at.isoformat() if at else None,
                )
            )
        return SearchMemoryResponse(memories=entries)

    async def delete_memory(
        self, *, app_name: str, user_id: str, memory_id: str | None = None
    ) -> None:
        """Deletes one entry, or without an id all of the user."""
        scope = self._events.scope(namespace_of(app_name, user_id))
        if memory_id is None:
            await asyncio.to_thread(scope.delete_where, altiplano.Filter.all())
        else:
            await asyncio.to_thread(scope.delete_by_key, memory_id)


def namespace_of(app_name: str, user_id: str) -> str:
    """Returns the namespace of a user. Slashes are escaped, so that no two users share one."""
    parts = (part.replace("%", "%25").replace("/", "%2F") for part in (app_name, user_id))
    return "/".join(parts)


def text_of(content: types.Content | None) -> str:
    """Returns the text of a content."""
    parts = (content.parts or []) if content else []
    return " ".join(part.text for part in parts if part.text)


async def main(path: str) -> None:
    sessions = InMemorySessionService()
    with altiplano.Store(path) as store:
        memory = AltiplanoMemoryService(store, embed, ttl=90 * 86_400)
        known = await memory.search_memory(app_name="app", user_id="u1", query="green tea")
        print("before:", len(known.memories), "memories")
        session = await sessions.create_session(app_name="app", user_id="u1", session_id="s1")
        for at, text in enumerate(("Ada likes green tea.", "Bob rides a bicycle.")):
            content = types.Content(role="user", parts=[types.Part(text=text)])
            event = Event(id=f"e{at}", author="user", content=content)
            await sessions.append_event(session, event)
        await memory.add_session_to_memory(session)
        found = await memory.search_memory(app_name="app", user_id="u1", query="who likes tea?")
        print("found:", text_of(found.memories[0].content))
        other = await memory.search_memory(app_name="app", user_id="u2", query="who likes tea?")
        print("another user:", len(other.memories), "memories")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "adk.alt"))
