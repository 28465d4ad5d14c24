"""Owns `AltiplanoMemoryBlock`, long-term memory for LlamaIndex's `Memory`.

Invariant: a message is one memory. Its session is that of the conversation, its kind the role.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.llms.types import ChatMessage, TextBlock
from llama_index.core.bridge.pydantic import Field, PrivateAttr
from llama_index.core.memory import BaseMemoryBlock
from llama_index.core.prompts import RichPromptTemplate
from llama_index.core.settings import Settings
from llama_index.core.utils import get_tokenizer

from altiplano import Batch, Collection, Filter, Hit, Memory
from altiplano._shared_store import StoreLike, StoreRef

_MESSAGE = re.compile(r"<message role='[^']*'>.*?</message>\n?", re.DOTALL)
_TRIMMED_AT_ONCE = 1000


class AltiplanoMemoryBlock(BaseMemoryBlock[str]):
    """Keeps the messages that leave the short-term memory, and finds those that matter now.

    ```python
    block = AltiplanoMemoryBlock(store="agent.alt", embed_model=embed_model, ttl=90 * 86_400)
    memory = Memory.from_defaults(session_id="user-42", memory_blocks=[block])
    ```
    """

    name: str = Field(default="LongTermMemory", description="The name of the block.")
    store: Any = Field(exclude=True, description="The path of a store, or an open store.")
    collection_name: str = Field(default="llama_index_messages", description="The collection.")
    embed_model: BaseEmbedding = Field(
        default_factory=lambda: Settings.embed_model, exclude=True, description="Embeds messages."
    )
    similarity_top_k: int = Field(default=5, ge=1, description="How many messages are found.")
    retrieval_context_window: int = Field(
        default=5, ge=1, description="How many of the last messages are asked with."
    )
    per_session: bool = Field(
        default=True, description="Whether only messages of the same session are found."
    )
    min_score: float | None = Field(default=None, description="Smallest cosine of a message.")
    text_weight: float | None = Field(
        default=None, ge=0, le=1, description="Weight of a search by words; none without it."
    )
    text_index: bool | str = Field(default=True, description="As in the vector store.")
    ttl: float | None = Field(default=None, description="Lifetime of a message in seconds.")
    max_messages: int | None = Field(
        default=None, ge=1, description="Most messages of a session; the oldest go first."
    )
    format_template: RichPromptTemplate = Field(
        default_factory=lambda: RichPromptTemplate("{{ text }}"),
        description="Formats the messages that were found, as `text`.",
    )

    _ref: StoreRef = PrivateAttr()

    def __init__(self, store: StoreLike | None = None, **kwargs: Any) -> None:
        """Names the store. It is opened at the first use."""
        if store is None or store == "":
            raise ValueError("store is missing: give a path, or an open altiplano.Store")
        fields: dict[str, Any] = {"store": store, **kwargs}
        super().__init__(**fields)
        self._ref = StoreRef(store)

    def close(self) -> None:
        """Closes the store, unless it was given open or others use it. The next use opens it."""
        self._ref.close()

    async def aforget(self, session_id: str) -> int:
        """Deletes the messages of a session and returns how many there were."""
        return await asyncio.to_thread(self._forget, session_id)

    async def _aget(
        self,
        messages: list[ChatMessage] | None = None,
        session_id: str | None = None,
        **block_kwargs: Any,
    ) -> str:
        """Returns the messages that fit the last ones, in the order of the conversation."""
        asked = " ".join(_texts((messages or [])[-self.retrieval_context_window :]))
        if not asked.strip():
            return ""
        vector = await self.embed_model.aget_query_embedding(asked)
        hits = await asyncio.to_thread(self._search, vector, asked, session_id)
        hits.sort(key=lambda hit: hit.seq)
        if not hits:
            return ""
        lines = [_line(hit.memory) for hit in hits if hit.memory is not None]
        return self.format_template.format(text="\n".join(lines))

    async def _aput(self, messages: list[ChatMessage]) -> None:
        """Stores messages. Those without text are left out."""
        kept = [(one, text) for one in messages if (text := "".join(_texts([one]))).strip()]
        if not kept:
            return
        vectors = await self.embed_model.aget_text_embedding_batch([text for _, text in kept])
        await asyncio.to_thread(self._store_messages, kept, vectors)

    async def atruncate(self, content: str, tokens_to_truncate: int) -> str | None:
        """Drops messages, the oldest first, until enough tokens are saved."""
        count = get_tokenizer()
        saved, left = 0, content
        while saved < tokens_to_truncate:
            first = _MESSAGE.search(left)
            if first is None:
                return None
            saved += len(count(first.group()))
            left = left[: first.start()] + left[first.end() :]
        return left if _MESSAGE.search(left) else None

    def _collection(self) -> Collection | None:
        return self._ref.store.get_collection(self.collection_name)

    def _search(self, vector: Sequence[float], text: str, session: str | None) -> list[Hit]:
        collection = self._collection()
        if collection is None:
            return []
        return collection.search(
            vector,
            self.similarity_top_k,
            text=text if self.text_weight is not None else None,
            text_weight=self.text_weight,
            session=session if self.per_session else None,
            min_score=self.min_score,
        )

    def _store_messages(
        self, kept: Sequence[tuple[ChatMessage, str]], vectors: Sequence[Sequence[float]]
    ) -> None:
        collection = self._collection() or self._ref.store.collection(
            self.collection_name, len(vectors[0]), text_index=self.text_index
        )
        batch, sessions = Batch(), set()
        for (message, text), vector in zip(kept, vectors, strict=True):
            session = message.additional_kwargs.get("session_id")
            sessions.add(session)
            batch.insert(
                Memory(vector, text=text, session=session, kind=message.role.value, ttl=self.ttl)
            )
        collection.apply(batch)
        for session in sessions:
            if session is not None and self.max_messages is not None:
                self._trim(collection, session, self.max_messages)

    def _trim(self, collection: Collection, session: str, most: int) -> None:
        extra = collection.count(Filter.session(session)) - most
        while extra > 0:
            oldest = collection.list(
                session=session,
                descending=False,
                limit=min(extra, _TRIMMED_AT_ONCE),
                fields="attributes",
            )
            removed = collection.delete_many([memory.id for memory in oldest])
            if removed == 0:
                return
            extra -= removed

    def _forget(self, session_id: str) -> int:
        collection = self._collection()
        return 0 if collection is None else collection.delete_where(Filter.session(session_id))


def _texts(messages: Sequence[ChatMessage]) -> list[str]:
    return [block.text for one in messages for block in one.blocks if isinstance(block, TextBlock)]


def _line(memory: Memory) -> str:
    return f"<message role='{memory.kind}'>{memory.text}</message>"
