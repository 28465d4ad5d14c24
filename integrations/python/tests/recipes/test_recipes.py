"""Every recipe runs, keeps the contract of its framework, and remembers after a restart."""

from __future__ import annotations

import asyncio
from datetime import datetime, timezone
from pathlib import Path
from types import ModuleType

import agent_framework_memory
import autogen_memory
import google_adk_memory
import openai_agents_session
import pytest
from agents import SessionSettings
from agents.memory import Session
from autogen_core.memory import MemoryContent, MemoryMimeType
from google.adk.memory.memory_entry import MemoryEntry
from google.genai import types

import altiplano

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
ALL = [agent_framework_memory, autogen_memory, google_adk_memory, openai_agents_session]


def said(recipe: ModuleType, path: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Runs a recipe as a user does, and returns the lines that it prints."""
    asyncio.run(recipe.main(str(path)))
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("recipe", "first", "again"),
    [
        (
            openai_agents_session,
            ["before: 0 items", "What is my name? -> I see 3 items.", "after: 4 items"],
            ["before: 4 items", "What is my name? -> I see 7 items.", "after: 8 items"],
        ),
        (
            autogen_memory,
            [
                "before: 0 memories",
                "the model was told: ['You remember:\\n- Ada likes green tea.']",
            ],
            [
                "before: 2 memories",
                "the model was told: ['You remember:\\n- Ada likes green tea.']",
            ],
        ),
        (
            google_adk_memory,
            ["before: 0 memories", "found: Ada likes green tea.", "another user: 0 memories"],
            ["before: 2 memories", "found: Ada likes green tea.", "another user: 0 memories"],
        ),
        (
            agent_framework_memory,
            ["Ada likes green tea. -> 1 messages, remembered []"],
            [
                "What tea likes Ada? -> 7 messages, remembered ['- What tea likes Ada?', "
                "'- Ada likes green tea.', '- And Ada likes?']"
            ],
        ),
    ],
    ids=[one.__name__ for one in (ALL[3], ALL[1], ALL[2], ALL[0])],
)
def test_a_recipe_remembers_after_a_restart(
    recipe: ModuleType,
    first: list[str],
    again: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for wanted in (first, again):
        lines = said(recipe, tmp_path / "agent.alt", capsys)
        for line in wanted:
            assert line in lines


def test_a_session_keeps_the_contract_of_the_agents_sdk(tmp_path: Path) -> None:
    async def main(store: altiplano.Store, clock: altiplano.ManualClock) -> None:
        session = openai_agents_session.AltiplanoSession("a", store, ttl=60)
        other = openai_agents_session.AltiplanoSession(
            "b", store, session_settings=SessionSettings(limit=2)
        )
        assert isinstance(session, Session)
        assert await session.pop_item() is None
        items = [{"role": "user", "content": f"{at}", "n": {"deep": [at, None]}} for at in range(9)]
        await session.add_items(items[:5])
        await session.add_items(items[5:])
        await session.add_items([])
        await other.add_items(items)
        assert await session.get_items() == items
        assert await session.get_items(3) == items[-3:]
        assert await session.get_items(0) == []
        assert await session.get_items(99) == items
        assert await other.get_items() == items[-2:]
        assert await session.pop_item() == items[-1]
        assert await session.get_items() == items[:-1]
        await session.clear_session()
        assert await session.get_items() == []
        await session.add_items(items)
        popped = await asyncio.gather(*(session.pop_item() for _ in range(10)))
        assert [one for one in popped if one is not None] == items[::-1]
        await session.add_items(items)
        clock.advance(61)
        assert await session.get_items() == []
        assert await other.get_items(99) == items

    clock = altiplano.ManualClock(START)
    with altiplano.Store(tmp_path / "agent.alt", clock=clock) as store:
        asyncio.run(main(store, clock))


def test_an_autogen_memory_keeps_namespaces_kinds_and_metadata(tmp_path: Path) -> None:
    async def main(store: altiplano.Store) -> None:
        ada, bob = (
            autogen_memory.AltiplanoMemory(store, autogen_memory.embed, namespace=name)
            for name in ("ada", "bob")
        )
        fact = {"drink": "green tea"}
        await ada.add(
            MemoryContent(content=fact, mime_type=MemoryMimeType.JSON, metadata={"of": "ada"})
        )
        await bob.add(MemoryContent(content="a red bicycle", mime_type=MemoryMimeType.TEXT))
        (found,) = (await ada.query("green tea", min_score=0.0)).results
        assert (found.content, found.mime_type) == (fact, "application/json")
        assert (found.metadata or {})["of"] == "ada"
        assert (await ada.query("bicycle", min_score=0.9)).results == []
        with pytest.raises(ValueError, match="keeps text"):
            await ada.add(MemoryContent(content=b"\0", mime_type=MemoryMimeType.BINARY))
        await ada.clear()
        await ada.close()
        assert (await ada.query("tea", min_score=0.0)).results == []
        assert len((await bob.query("bicycle")).results) == 1

    with altiplano.Store(tmp_path / "agent.alt") as store:
        asyncio.run(main(store))


def test_an_adk_service_deletes_expires_and_separates_users(tmp_path: Path) -> None:
    async def main(store: altiplano.Store, clock: altiplano.ManualClock) -> None:
        service = google_adk_memory.AltiplanoMemoryService(store, google_adk_memory.embed)
        entry = MemoryEntry(
            id="m1",
            content=types.Content(role="user", parts=[types.Part(text="Ada likes tea")]),
            author="user",
            timestamp="2026-01-01T10:00:00",
        )
        users = [("app", "a/b"), ("app/a", "b")]
        for app, user in users:
            await service.add_memory(
                app_name=app, user_id=user, memories=[entry], custom_metadata={"ttl": 60}
            )
        app, user = users[0]
        (found,) = (await service.search_memory(app_name=app, user_id=user, query="tea")).memories
        assert (found.id, found.author) == ("m1", "user")
        assert found.content == entry.content
        assert found.timestamp == "2026-01-01T10:00:00+00:00"
        await service.delete_memory(app_name=app, user_id=user, memory_id="m1")
        counts = [
            len((await service.search_memory(app_name=a, user_id=u, query="tea")).memories)
            for a, u in users
        ]
        assert counts == [0, 1]
        clock.advance(61)
        app, user = users[1]
        found_late = await service.search_memory(app_name=app, user_id=user, query="tea")
        assert found_late.memories == []

    clock = altiplano.ManualClock(START)
    with altiplano.Store(tmp_path / "agent.alt", clock=clock) as store:
        asyncio.run(main(store, clock))
