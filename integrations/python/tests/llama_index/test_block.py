"""The memory block keeps what the short-term memory drops, and finds it again."""

from __future__ import annotations

import asyncio
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ImageBlock
from llama_index.core.memory import Memory
from test_store import WordEmbedding

import altiplano
from altiplano.llama_index import AltiplanoMemoryBlock, AltiplanoVectorStore


def block_of(store: Any, **kwargs: Any) -> AltiplanoMemoryBlock:
    return AltiplanoMemoryBlock(store=store, embed_model=WordEmbedding(), **kwargs)


def say(text: str, role: str = "user") -> ChatMessage:
    return ChatMessage(role=role, content=text)


def test_memory_finds_what_left_the_short_term(path: str) -> None:
    async def main() -> None:
        block = block_of(path, similarity_top_k=1, retrieval_context_window=1)
        memory = Memory.from_defaults(
            session_id="s1",
            token_limit=60,
            token_flush_size=10,
            chat_history_token_ratio=0.5,
            memory_blocks=[block],
        )
        await memory.aput_messages(
            [say("my sister Ada likes green tea"), say("noted", "assistant")]
        )
        for at in range(6):
            await memory.aput_messages([say(f"and number {at} is here"), say("fine", "assistant")])
        found = await memory.aget(input="what tea likes my sister Ada?")
        texts = [message.content or "" for message in found]
        assert "my sister Ada likes green tea" in texts[0]
        assert not any("Ada" in text for text in texts[1:])
        block.close()

        # Another process, another session, the same store.
        block = block_of(path, similarity_top_k=1)
        asked = [say("what tea likes my sister Ada?")]
        assert "green tea" in await block.aget(asked, session_id="s1")
        assert await block.aget(asked, session_id="s2") == ""
        wide = block_of(path, similarity_top_k=1, per_session=False)
        assert "green tea" in await wide.aget(asked, session_id="s2")
        assert await block.aforget("s1") > 0
        assert await block.aget(asked, session_id="s1") == ""
        wide.close()
        block.close()

    asyncio.run(main())


def test_messages_come_in_the_order_of_the_conversation(path: str) -> None:
    async def main() -> None:
        block = block_of(path, similarity_top_k=3)
        said = [say("tea one"), say("tea two", "assistant"), say("tea three"), say("a bicycle")]
        image = ChatMessage(role="user", blocks=[ImageBlock(url="http://localhost/cat.png")])
        await block.aput([*said, image], session_id="s")
        found = await block.aget([say("tea")], session_id="s")
        assert found.splitlines() == [
            "<message role='user'>tea one</message>",
            "<message role='assistant'>tea two</message>",
            "<message role='user'>tea three</message>",
        ]
        assert await block.aget([], session_id="s") == ""
        assert await block.aget([image], session_id="s") == ""
        block.close()

    asyncio.run(main())


def test_a_session_keeps_its_newest_messages(path: str) -> None:
    async def main() -> None:
        block = block_of(path, similarity_top_k=99, max_messages=3)
        for at in range(5):
            await block.aput([say(f"tea {at}"), say(f"more tea {at}")], session_id="s")
        await block.aput([say("tea elsewhere")], session_id="other")
        found = await block.aget([say("tea")], session_id="s")
        assert [line.split(">")[1].split("<")[0] for line in found.splitlines()] == [
            "more tea 3",
            "tea 4",
            "more tea 4",
        ]
        assert "tea elsewhere" in await block.aget([say("tea")], session_id="other")
        block.close()

    asyncio.run(main())


def test_expired_messages_are_not_found(tmp_path: Path) -> None:
    async def main(opened: altiplano.Store, clock: altiplano.ManualClock) -> None:
        block = block_of(opened, ttl=3600)
        await block.aput([say("tea")], session_id="s")
        clock.advance(3599)
        assert "tea" in await block.aget([say("tea")], session_id="s")
        clock.advance(2)
        assert await block.aget([say("tea")], session_id="s") == ""

    clock = altiplano.ManualClock(datetime(2026, 1, 1, tzinfo=timezone.utc))
    with altiplano.Store(tmp_path / "agent.alt", clock=clock) as opened:
        asyncio.run(main(opened, clock))


def test_truncating_drops_the_oldest_messages(path: str) -> None:
    async def main() -> None:
        block = block_of(path)
        lines = [f"<message role='user'>message {at}</message>" for at in range(4)]
        left = await block.atruncate("\n".join(lines), 1)
        assert left is not None
        assert left.splitlines() == lines[1:]
        assert await block.atruncate("\n".join(lines), 10_000) is None

    asyncio.run(main())


def test_words_and_scores_narrow_what_is_found(path: str) -> None:
    async def main() -> None:
        block = block_of(path, similarity_top_k=1, text_weight=1.0)
        await block.aput([say("order E1234 is late"), say("order E9999 is late")], session_id="s")
        assert "E9999" in await block.aget([say("E9999")], session_id="s")
        strict = block_of(path, min_score=0.99)
        assert await strict.aget([say("something else")], session_id="s") == ""
        assert "E1234" in await strict.aget([say("order E1234 is late")], session_id="s")
        block.close()
        strict.close()

    asyncio.run(main())


def test_a_block_and_a_vector_store_share_a_path(path: str) -> None:
    block, store = block_of(path), AltiplanoVectorStore(path)
    assert asyncio.run(block.aget([say("tea")], session_id="s")) == ""
    assert store.get_nodes() == []
    assert block._ref.store is store.client
    block.close()
    assert not store.client.closed
    store.close()
    with pytest.raises(ValueError, match="store is missing"):
        AltiplanoMemoryBlock()
