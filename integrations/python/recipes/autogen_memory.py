"""A `Memory` of AutoGen that finds what fits the last message, and outlives the process.

    pip install altiplano-memory autogen-agentchat "autogen-ext==0.7.5"
    python autogen_memory.py

`embed` counts words, so that the file runs without a network, and the model replays a list. Put
your own in their place.
"""

from __future__ import annotations

import asyncio
import json
import sys
import zlib
from collections.abc import Callable
from typing import Any

from autogen_agentchat.agents import AssistantAgent
from autogen_core import CancellationToken
from autogen_core.memory import (
    Memory,
    MemoryContent,
    MemoryMimeType,
    MemoryQueryResult,
    UpdateContextResult,
)
from autogen_core.model_context import ChatCompletionContext
from autogen_core.models import SystemMessage
from autogen_ext.models.replay import ReplayChatCompletionClient
from pydantic import BaseModel

import altiplano


def embed(text: str) -> list[float]:
    """Embeds a text by its words. The first number keeps the vector from being zero."""
    vector = [0.01] + [0.0] * 255
    for word in text.lower().replace("?", " ").replace(".", " ").split():
        vector[zlib.crc32(word.encode()) % 256] += 1.0
    return vector


class AltiplanoMemory(Memory):
    """Text, Markdown and JSON in a namespace of a store."""

    component_config_schema = BaseModel

    def __init__(
        self,
        store: altiplano.Store,
        embed: Callable[[str], list[float]],
        *,
        namespace: str,
        k: int = 3,
        min_score: float = 0.3,
        ttl: float | None = None,
    ) -> None:
        self._embed = embed
        self._k, self._min_score, self._ttl = k, min_score, ttl
        collection = store.collection("autogen", len(embed("")))
        self._memories = collection.scope(namespace)
        self._namespace = namespace

    async def add(
        self, content: MemoryContent, cancellation_token: CancellationToken | None = None
    ) -> None:
        """Stores one content."""
        text = text_of(content)
        memory = altiplano.Memory(
            self._embed(text),
            text=text,
            data=json.dumps(content.model_dump(mode="json")).encode(),
            metadata=content.metadata or {},
            namespace=self._namespace,
            ttl=self._ttl,
        )
        await asyncio.to_thread(self._memories.insert, memory)

    async def query(
        self,
        query: str | MemoryContent,
        cancellation_token: CancellationToken | None = None,
        **kwargs: Any,
    ) -> MemoryQueryResult:
        """Returns the nearest contents. `k` and `min_score` may be given."""
        asked = query if isinstance(query, str) else text_of(query)
        hits = await asyncio.to_thread(
            self._memories.search,
            self._embed(asked),
            int(kwargs.get("k", self._k)),
            min_score=float(kwargs.get("min_score", self._min_score)),
        )
        results = []
        for hit in hits:
            assert hit.memory is not None
            content = MemoryContent(**json.loads(hit.memory.data or b"{}"))
            content.metadata = {**(content.metadata or {}), "score": hit.score}
            results.append(content)
        return MemoryQueryResult(results=results)

    async def update_context(self, model_context: ChatCompletionContext) -> UpdateContextResult:
        """Adds what fits the last message to the context of the model."""
        messages = await model_context.get_messages()
        last = messages[-1].content if messages else ""
        found = await self.query(last if isinstance(last, str) else str(last))
        if found.results:
            lines = "\n".join(f"- {text_of(one)}" for one in found.results)
            await model_context.add_message(SystemMessage(content=f"You remember:\n{lines}"))
        return UpdateContextResult(memories=found)

    async def clear(self) -> None:
        """Removes all contents of the namespace."""
        await asyncio.to_thread(self._memories.delete_where, altiplano.Filter.all())

    async def close(self) -> None:
        """The store belongs to the caller and stays open."""


def text_of(content: MemoryContent) -> str:
    """Returns the text of a content."""
    if isinstance(content.content, str):
        return content.content
    if isinstance(content.content, dict):
        return json.dumps(content.content, ensure_ascii=False)
    raise ValueError("this memory keeps text, Markdown and JSON")


async def main(path: str) -> None:
    with altiplano.Store(path) as store:
        memory = AltiplanoMemory(store, embed, namespace="user:42")
        known = await memory.query("tea", min_score=0.0)
        print("before:", len(known.results), "memories")
        if not known.results:
            for fact in ("Ada likes green tea.", "Bob rides a bicycle."):
                await memory.add(MemoryContent(content=fact, mime_type=MemoryMimeType.TEXT))
        model = ReplayChatCompletionClient(["Green tea."])
        agent = AssistantAgent("assistant", model_client=model, memory=[memory])
        result = await agent.run(task="What tea likes Ada?")
        print("answer:", result.messages[-1].to_text())
        given = model.create_calls[0]["messages"]
        print("the model was told:", [one.content for one in given if "remember" in one.content])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "autogen.alt"))
