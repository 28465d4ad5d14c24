"""A `Session` of the OpenAI Agents SDK that outlives the process, with a lifetime if you want one.

    pip install altiplano-memory openai-agents
    python openai_agents_session.py

The session keeps what was said, in order. It needs no embeddings: every item has the same vector
of one number. The model here answers from a list, so that the file runs without a network. Put
your own in its place.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

from agents import Agent, Model, ModelResponse, RunConfig, Runner, Usage
from agents.items import TResponseInputItem
from agents.memory import SessionSettings
from openai.types.responses import ResponseOutputMessage, ResponseOutputText

import altiplano

EVERYTHING = 1 << 30


class AltiplanoSession:
    """The items of one conversation. Several sessions may share a store."""

    def __init__(
        self,
        session_id: str,
        store: altiplano.Store,
        *,
        collection: str = "openai_agents",
        ttl: float | None = None,
        session_settings: SessionSettings | None = None,
    ) -> None:
        self.session_id = session_id
        self.session_settings = session_settings
        self._items = store.collection(collection, 1)
        self._ttl = ttl
        self._lock = asyncio.Lock()

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """Returns the newest items, the oldest first; all without a limit."""
        if limit is None and self.session_settings is not None:
            limit = self.session_settings.limit
        if limit is not None and limit < 1:
            return []
        turns = EVERYTHING if limit is None else limit
        found = await asyncio.to_thread(self._items.recent, self.session_id, turns=turns)
        return [json.loads(memory.data or b"null") for memory in found]

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Appends items, all or none."""
        batch = altiplano.Batch()
        for item in items:
            data = json.dumps(item).encode()
            batch.insert(altiplano.Memory([1.0], data=data, session=self.session_id, ttl=self._ttl))
        async with self._lock:
            await asyncio.to_thread(self._items.apply, batch)

    async def pop_item(self) -> TResponseInputItem | None:
        """Removes the newest item and returns it."""
        async with self._lock:
            newest = await asyncio.to_thread(self._items.recent, self.session_id, turns=1)
            if not newest:
                return None
            await asyncio.to_thread(self._items.delete, newest[0].id)
        item: TResponseInputItem = json.loads(newest[0].data or b"null")
        return item

    async def clear_session(self) -> None:
        """Removes all items of this session."""
        only = altiplano.Filter.session(self.session_id)
        async with self._lock:
            await asyncio.to_thread(self._items.delete_where, only)


class CountingModel(Model):
    """Says how many items it was given, in place of a real model."""

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        given = kwargs["input"] if "input" in kwargs else args[1]
        count = 1 if isinstance(given, str) else len(given)
        text = ResponseOutputText(text=f"I see {count} items.", type="output_text", annotations=[])
        message = ResponseOutputMessage(
            id="m", type="message", role="assistant", status="completed", content=[text]
        )
        return ModelResponse(output=[message], usage=Usage(), response_id=None)

    def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        raise NotImplementedError("this model does not stream")


async def main(path: str) -> None:
    agent = Agent(name="assistant", instructions="Be brief.", model=CountingModel())
    quiet = RunConfig(tracing_disabled=True)
    with altiplano.Store(path) as store:
        session = AltiplanoSession("user-42", store, ttl=90 * 86_400)
        print("before:", len(await session.get_items()), "items")
        for question in ("My name is Ada.", "What is my name?"):
            result = await Runner.run(agent, question, session=session, run_config=quiet)
            print(question, "->", result.final_output)
        print("after:", len(await session.get_items()), "items")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "agents.alt"))
