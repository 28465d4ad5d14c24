"""A `HistoryProvider` and a `ContextProvider` of Microsoft's Agent Framework in one store.

    pip install altiplano-memory agent-framework-core
    python agent_framework_memory.py

The first keeps the conversation. The second keeps what users said and tells the model what fits.
`embed` counts words, so that the file runs without a network, and the client echoes. Put your own
in their place.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

os.environ.setdefault("ENABLE_INSTRUMENTATION", "false")

from agent_framework import (
    Agent,
    AgentSession,
    BaseChatClient,
    ChatResponse,
    ContextProvider,
    HistoryProvider,
    Message,
    SessionContext,
    SupportsAgentRun,
)

import altiplano

EVERYTHING = 1 << 30


def embed(text: str) -> list[float]:
    """Embeds a text by its words. The first number keeps the vector from being zero."""
    vector = [0.01] + [0.0] * 255
    for word in text.lower().replace("?", " ").replace(".", " ").split():
        vector[zlib.crc32(word.encode()) % 256] += 1.0
    return vector


class AltiplanoHistory(HistoryProvider):
    """Keeps the messages of each session, in order. It needs no embeddings."""

    def __init__(
        self,
        store: altiplano.Store,
        *,
        source_id: str = "altiplano_history",
        ttl: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(source_id, **kwargs)
        self._messages = store.collection(source_id, 1)
        self._ttl = ttl

    async def get_messages(
        self, session_id: str | None, *, state: dict[str, Any] | None = None, **kwargs: Any
    ) -> list[Message]:
        """Returns the messages of a session, the oldest first."""
        found = await asyncio.to_thread(self._messages.recent, session_id or "", turns=EVERYTHING)
        return [Message.from_dict(json.loads(memory.data or b"{}")) for memory in found]

    async def save_messages(
        self,
        session_id: str | None,
        messages: Sequence[Message],
        *,
        state: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Appends messages, all or none."""
        batch = altiplano.Batch()
        for message in messages:
            data = json.dumps(message.to_dict()).encode()
            batch.insert(
                altiplano.Memory([1.0], data=data, session=session_id or "", ttl=self._ttl)
            )
        await asyncio.to_thread(self._messages.apply, batch)


class AltiplanoContext(ContextProvider):
    """Keeps what users say, and adds what fits to the instructions of the next run."""

    def __init__(
        self,
        store: altiplano.Store,
        embed: Callable[[str], list[float]],
        *,
        user: str,
        source_id: str = "altiplano_context",
        k: int = 3,
        min_score: float = 0.3,
        ttl: float | None = None,
    ) -> None:
        super().__init__(source_id)
        self._embed = embed
        self._k, self._min_score, self._ttl = k, min_score, ttl
        self._user = user
        self._memories = store.collection(source_id, len(embed(""))).scope(user)

    async def before_run(
        self,
        *,
        agent: SupportsAgentRun,
        session: AgentSession,
        context: SessionContext,
        state: dict[str, Any],
    ) -> None:
        """Adds the memories that fit the input."""
        asked = " ".join(message.text for message in context.input_messages)
        hits = await asyncio.to_thread(
            self._memories.search, self._embed(asked), self._k, min_score=self._min_score
        )
        if hits:
            lines = "\n".join(f"- {hit.text}" for hit in hits)
            context.extend_instructions(self.source_id, f"You remember:\n{lines}")

    async def after_run(
        self,
        *,
        agent: SupportsAgentRun,
        session: AgentSession,
        context: SessionContext,
        state: dict[str, Any],
    ) -> None:
        """Stores the input. A text that is known is stored once."""
        batch = altiplano.Batch()
        for message in context.input_messages:
            if not message.text:
                continue
            key = f"{zlib.crc32(message.text.encode()):08x}:{message.text[:200]}"
            batch.insert(
                altiplano.Memory(
                    self._embed(message.text),
                    key=key,
                    text=message.text,
                    namespace=self._user,
                    session=session.session_id,
                    ttl=self._ttl,
                )
            )
        await asyncio.to_thread(self._memories.apply, batch)


class EchoClient(BaseChatClient):
    """Says what it was given, in place of a real model."""

    async def _inner_get_response(  # type: ignore[override]
        self, *, messages: Sequence[Message], stream: bool, options: Mapping[str, Any], **_: Any
    ) -> ChatResponse:
        told = str(options.get("instructions") or "")
        remembered = told.splitlines()[1:] if "You remember" in told else []
        text = f"{len(messages)} messages, remembered {remembered}"
        return ChatResponse(messages=[Message(role="assistant", contents=[text])])


async def main(path: str) -> None:
    with altiplano.Store(path) as store:
        agent = Agent(
            EchoClient(),
            context_providers=[
                AltiplanoHistory(store, ttl=90 * 86_400),
                AltiplanoContext(store, embed, user="user:42"),
            ],
        )
        session = agent.create_session(session_id="s1")
        for said in ("Ada likes green tea.", "What tea likes Ada?"):
            print(said, "->", (await agent.run(said, session=session)).text)
        other = agent.create_session(session_id="s2")
        print("elsewhere ->", (await agent.run("And Ada likes?", session=other)).text)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "framework.alt"))
