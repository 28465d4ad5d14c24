"""Owns the scenario that every client runs: each tool, paging, the token cap, errors.

A client is an object with `call(name, arguments)`, which returns an `Answer`, and `tools()`. Every
structured answer is checked against the output schema that the server announced.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import jsonschema

TOOLS = {
    "remember": (False, False, False),
    "recall": (True, False, True),
    "forget": (False, True, True),
    "update": (False, True, True),
    "list_memories": (True, False, True),
    "list_sessions": (True, False, True),
    "stats": (True, False, True),
}


@dataclass
class Answer:
    """What a tool returned."""

    is_error: bool
    text: str
    structured: dict[str, Any] | None


class Checked:
    """Calls tools and checks their answers against the schemas."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.schemas: dict[str, dict[str, Any]] = {}
        self.calls = 0

    async def look(self) -> None:
        """Checks the list of tools, and keeps their schemas."""
        tools = {tool["name"]: tool for tool in await self.client.tools()}
        assert set(tools) == set(TOOLS), sorted(tools)
        for name, (reads, destroys, idempotent) in TOOLS.items():
            tool, hints = tools[name], tools[name]["annotations"]
            assert hints["readOnlyHint"] is reads, name
            assert hints["destructiveHint"] is destroys, name
            assert hints["idempotentHint"] is idempotent, name
            assert hints["openWorldHint"] is False, name
            assert len(tool["description"]) > 40 and tool["title"], name
            for schema in (tool["inputSchema"], tool["outputSchema"]):
                jsonschema.Draft202012Validator.check_schema(schema)
                assert schema["type"] == "object", name
            self.schemas[name] = tool["outputSchema"]

    async def __call__(self, name: str, **arguments: Any) -> dict[str, Any]:
        answer = await self.client.call(name, arguments)
        assert not answer.is_error, (name, arguments, answer.text)
        assert answer.structured is not None, name
        assert json.loads(answer.text) == answer.structured, name
        jsonschema.validate(answer.structured, self.schemas[name])
        self.calls += 1
        return answer.structured

    async def refused(self, name: str, says: str, **arguments: Any) -> None:
        """Checks that a call is refused by the tool, with these words."""
        answer = await self.client.call(name, arguments)
        assert answer.is_error, (name, arguments, answer.text)
        assert says in answer.text, (name, says, answer.text)
        self.calls += 1


async def scenario(client: Any) -> int:
    """Runs everything. Returns the number of calls that were checked."""
    call = Checked(client)
    await call.look()
    ana = await remembers_and_recalls(call)
    await changes(call, ana)
    await pages(call)
    await caps(call)
    await forgets(call, ana)
    await refuses(call)
    return call.calls


async def remembers_and_recalls(call: Checked) -> str:
    one = await call(
        "remember",
        text="Ana likes green tea",
        namespace="user:42",
        session="monday",
        kind="preference",
        tags=["food", "drink"],
        metadata={"source": {"channel": "chat"}, "year": 2024, "people": ["Ana", "Ben"]},
        importance=0.8,
        ttl="90d",
    )
    assert one["importance"] == 0.8 and one["expires"], one
    other = await call("remember", text="The exam is on 21 May in room G12", namespace="user:7")
    again = await call("remember", text="Ana likes green tea", namespace="user:42")
    assert again["duplicate_of"] == one["id"], again
    await call("forget", ids=[again["id"]])

    found = (await call("recall", query="what does Ana like to drink?", k=1))["memories"]
    assert [item["id"] for item in found] == [one["id"]], found
    assert found[0]["metadata"]["people"] == ["Ana", "Ben"], found
    assert found[0]["tags"] == ["food", "drink"] and found[0]["session"] == "monday", found
    for narrow in (
        {"namespace": "user:42"},
        {"session": "monday"},
        {"kind": "preference"},
        {"tags": ["drink"]},
        {"min_importance": 0.7, "since": "1d"},
        {"metadata": {"source.channel": "chat", "year": {"gte": 2020, "lt": 2030}}},
        {"metadata": {"people": {"contains": "Ben"}}},
    ):
        found = (await call("recall", query="exam", **narrow))["memories"]
        assert [item["id"] for item in found] == [one["id"]], (narrow, found)
    assert not (await call("recall", query="tea", until="2020-01-01"))["memories"]

    newer = await call(
        "remember", text="The exam is on 3 June", namespace="user:7", supersedes=other["id"]
    )
    exam = {"query": "when is the exam?", "namespace": "user:7"}
    found = (await call("recall", **exam))["memories"]
    assert [item["id"] for item in found] == [newer["id"]], found
    found = (await call("recall", include_superseded=True, **exam))["memories"]
    assert {item["id"] for item in found} == {newer["id"], other["id"]}, found

    home = {"text": "Ana lives in Lima", "namespace": "user:42", "key": "home"}
    first = await call("remember", **home)
    second = await call("remember", **{**home, "text": "Ana lives in Quito"})
    assert first["id"] == second["id"]
    found = (await call("list_memories", ids=[first["id"]]))["memories"]
    assert [item["text"] for item in found] == ["Ana lives in Quito"], found
    return one["id"]


async def changes(call: Checked, ana: str) -> None:
    done = await call(
        "update",
        id=ana,
        text="Ana likes black tea",
        add_tags=["hot"],
        remove_tags=["food"],
        metadata={"year": None, "source": {"channel": "mail"}},
        pinned=True,
        ttl="never",
    )
    memory = done["memory"]
    assert memory["text"] == "Ana likes black tea" and memory["tags"] == ["drink", "hot"], memory
    assert memory["metadata"] == {"source": {"channel": "mail"}, "people": ["Ana", "Ben"]}, memory
    assert memory["pinned"] and "expires" not in memory, memory
    found = (await call("recall", query="black tea", k=1))["memories"]
    assert found[0]["id"] == ana, found


async def pages(call: Checked) -> None:
    for number in range(23):
        await call(
            "remember",
            text=f"note {number} about chess",
            namespace="notes",
            session=f"s{number % 5}",
            importance=number / 100,
        )
    for order in ("newest", "oldest", "importance"):
        texts, cursor = [], {}
        while True:
            page = await call("list_memories", namespace="notes", order=order, limit=7, **cursor)
            texts += [item["text"] for item in page["memories"]]
            if "next_cursor" not in page:
                break
            assert len(page["memories"]) == 7, page
            cursor = {"cursor": page["next_cursor"]}
        expected = [f"note {number} about chess" for number in range(23)]
        assert texts == (expected if order == "oldest" else expected[::-1]), (order, texts)

    sessions, cursor = [], {}
    while True:
        page = await call("list_sessions", namespace="notes", limit=2, **cursor)
        sessions += [(item["session"], item["memories"]) for item in page["sessions"]]
        if "next_cursor" not in page:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert sessions == [("s0", 5), ("s1", 5), ("s2", 5), ("s3", 4), ("s4", 4)], sessions


async def caps(call: Checked) -> None:
    long = await call("remember", text="All about castling. " * 500, namespace="long")
    page = await call("recall", query="castling", namespace="long", max_tokens=300)
    (item,) = page["memories"]
    assert item["text_cut"] and 100 < len(item["text"]) < 2_000 and page["note"], page
    page = await call("list_memories", ids=[long["id"]], max_tokens=10_000)
    assert len(page["memories"][0]["text"]) == 20 * 500 - 1, page
    page = await call("recall", query="chess", namespace="notes", k=20, max_tokens=400)
    assert page["left_out"] > 0 and page["memories"] and page["note"], page
    texts, cursor = [], {}
    while True:
        page = await call("list_memories", namespace="notes", limit=20, max_tokens=400, **cursor)
        assert len(json.dumps(page)) < 400 * 6, page
        texts += [item["text"] for item in page["memories"]]
        if "next_cursor" not in page:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert texts == [f"note {number} about chess" for number in range(23)][::-1], texts


async def forgets(call: Checked, ana: str) -> None:
    before = await call("stats")
    counts = {item["name"]: item["memories"] for item in before["namespaces"]}
    assert counts == {"user:42": 2, "user:7": 2, "notes": 23, "long": 1}, counts
    assert before["memories"] == 28 and before["disk_bytes"] > 0, before
    dry = await call("forget", namespace="notes", session="s0", dry_run=True)
    assert dry["forgotten"] == 5 and dry["dry_run"] and len(dry["memories"]) == 5, dry
    assert (await call("stats"))["memories"] == 28
    done = await call("forget", namespace="notes", session="s0")
    assert done["forgotten"] == 5 and not done["dry_run"], done
    gone = "00000000-0000-0000-0000-000000000007"
    done = await call("forget", ids=[ana, gone])
    assert done["forgotten"] == 1 and done["missing"] == [gone], done
    assert (await call("stats"))["memories"] == 22


async def refuses(call: Checked) -> None:
    await call.refused("forget", "say what to forget")
    await call.refused("remember", "text", text="  ")
    await call.refused("remember", "metadata", text="x", metadata={"agent": {"group": "x"}})
    await call.refused("remember", "ttl", text="x", ttl="soon")
    await call.refused("update", "there is no memory", id="7", text="x")
    await call.refused("update", "is not an id", id="seven", text="x")
    await call.refused("list_memories", "cursor", cursor="page 2")
    await call.refused("recall", "query", query="")
    # It goes on.
    assert (await call("stats"))["memories"] == 22
