"""Owns `AltiplanoChatMessageHistory`: the messages of a conversation, in their order.

A message is a memory of a session. Its content is the text, so that words find it; what else it
has is JSON in the bytes beside it. The vector has one dimension and is zero: nothing is near it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import BaseMessage, message_to_dict, messages_from_dict
from langchain_core.runnables.config import run_in_executor

from altiplano import Batch, Collection, Filter, Memory, Scope, Store
from altiplano.langchain._open import Opened, PathLike
from altiplano.langchain._table import Ttl

_PAGE = 1000


class AltiplanoChatMessageHistory(BaseChatMessageHistory):
    """The messages of one session.

    Args:
        session_id: the conversation.
        path: the directory of the store. Objects on the same path share one open store.
        store: an open `altiplano.Store`, in place of a path. It stays open.
        collection: the name of the collection. It may not hold documents.
        namespace: a user, a tenant, an agent. Sessions of other namespaces are others.
        ttl: a `timedelta` or seconds until a message expires.
        sliding: each new message lets the whole session live for another `ttl`.
        store_options: options of `altiplano.Store`, for a path.
    """

    def __init__(
        self,
        session_id: str,
        path: PathLike | None = None,
        *,
        store: Store | None = None,
        collection: str = "messages",
        namespace: str | None = None,
        ttl: Ttl | None = None,
        sliding: bool = False,
        store_options: dict[str, Any] | None = None,
    ) -> None:
        if sliding and ttl is None:
            raise ValueError("sliding=True needs a ttl")
        self.session_id = session_id
        self._ttl = ttl
        self._sliding = sliding
        self._opened = Opened(path, store, store_options)
        try:
            kept = self._opened.store.get_collection(collection)
            if kept is not None and kept.dimension != 1:
                raise ValueError(
                    f"the collection {collection!r} holds vectors of {kept.dimension} numbers: "
                    "messages need a collection of their own"
                )
            if kept is None:
                kept = self._opened.store.collection(collection, 1, "l2")
        except BaseException:
            self._opened.close()
            raise
        self._name = collection
        self._namespace = namespace

    def _part(self) -> Collection | Scope:
        # Looked up in each call: after `close`, the store refuses it.
        found = self._opened.store.collection(self._name, 1, "l2")
        return found if self._namespace is None else found.scope(self._namespace)

    @property
    def messages(self) -> list[BaseMessage]:
        """All messages, the oldest first."""
        return self.get_messages()

    @messages.setter
    def messages(self, messages: list[BaseMessage]) -> None:
        part = self._part()
        batch = Batch().delete_where(self._filter)
        part.apply(self._append(batch, messages))

    def get_messages(self, limit: int | None = None) -> list[BaseMessage]:
        """Returns the messages, the oldest first; with a limit, the newest that many."""
        part, found, after = self._part(), list[Memory](), None
        while limit is None or len(found) < limit:
            size = _PAGE if limit is None else min(_PAGE, limit - len(found))
            page = part.list(
                session=self.session_id, limit=size, after=after, descending=limit is not None
            )
            found.extend(page)
            after = page.next
            if after is None:
                break
        if limit is not None:
            found.reverse()
        return messages_from_dict([_unpacked(memory) for memory in found])

    async def aget_messages(self) -> list[BaseMessage]:
        """Returns all messages, the oldest first."""
        return await run_in_executor(None, self.get_messages)

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Adds messages at the end, all of them or none."""
        if not messages:
            return
        part = self._part()
        if self._sliding and self._ttl is not None:
            part.touch_where(self._filter, ttl=self._ttl)
        part.apply(self._append(Batch(), messages))

    def clear(self) -> None:
        """Deletes the messages of the session."""
        self._part().delete_where(self._filter)

    @property
    def _filter(self) -> Filter:
        return Filter.session(self.session_id)

    def _append(self, batch: Batch, messages: Sequence[BaseMessage]) -> Batch:
        for message in messages:
            text, data = _packed(message)
            batch.insert(
                Memory(
                    np.zeros(1, dtype=np.float32),
                    text=text,
                    data=data,
                    session=self.session_id,
                    kind=message.type,
                    namespace=self._namespace,
                    ttl=self._ttl,
                )
            )
        return batch

    def close(self) -> None:
        """Lets go of the store, and closes it if nobody else uses its path."""
        self._opened.close()

    def __enter__(self) -> AltiplanoChatMessageHistory:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _packed(message: BaseMessage) -> tuple[str | None, bytes]:
    """Returns the text of a message, and what else it has."""
    value = message_to_dict(message)
    content = value["data"].get("content")
    text = value["data"].pop("content") if isinstance(content, str) else None
    return text, json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _unpacked(memory: Memory) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(memory.data or b"{}")
    data = value["data"]
    data.setdefault("content", memory.text or "")
    return value


__all__ = ["AltiplanoChatMessageHistory"]
