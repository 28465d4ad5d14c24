"""Runs the scenario through one real client.

usage: python clients.py CLIENT SERVER [NODE_MODULES]

CLIENT is v1 (PyPI mcp 1.x), v2-auto, v2-legacy (PyPI mcp 2.x), node-auto, node-legacy (npm
client), or inspector (npm inspector-cli).
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from scenario import Answer, scenario

ERAS = {"v1": "2025-11-25", "v2-auto": "2026-07-28", "v2-legacy": "2025-11-25",
        "node-auto": "2026-07-28", "node-legacy": "2025-11-25"}


def answer(result: dict[str, Any]) -> Answer:
    """Reads a result in the form that goes over the wire."""
    text = "".join(part["text"] for part in result["content"])
    return Answer(bool(result.get("isError")), text, result.get("structuredContent"))


def dump(model: Any) -> dict[str, Any]:
    return model.model_dump(by_alias=True, mode="json", exclude_none=True)


class Python:
    """The PyPI client, of either major version."""

    def __init__(self, kind: str, command: list[str]) -> None:
        self.kind, self.command, self.stack = kind, command, AsyncExitStack()

    async def __aenter__(self) -> Python:
        from mcp import StdioServerParameters

        server = StdioServerParameters(command=self.command[0], args=self.command[1:])
        if self.kind == "v1":
            from mcp import ClientSession
            from mcp.client.stdio import stdio_client

            streams = await self.stack.enter_async_context(stdio_client(server))
            self.client = await self.stack.enter_async_context(ClientSession(*streams))
            began = await self.client.initialize()
            version, instructions = began.protocolVersion, began.instructions
        else:
            from mcp import Client

            client = Client(server, mode=self.kind.removeprefix("v2-"))
            self.client = await self.stack.enter_async_context(client)
            version, instructions = self.client.protocol_version, self.client.instructions
        assert version == ERAS[self.kind], version
        assert "recall" in instructions, instructions
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self.stack.__aexit__(*error)

    async def tools(self) -> list[dict[str, Any]]:
        return [dump(tool) for tool in (await self.client.list_tools()).tools]

    async def call(self, name: str, arguments: dict[str, Any]) -> Answer:
        return answer(dump(await self.client.call_tool(name, arguments)))


class Node:
    """The npm client, behind `node_client.mjs`."""

    def __init__(self, kind: str, command: list[str], modules: str) -> None:
        script = str(Path(__file__).with_name("node_client.mjs"))
        mode = kind.removeprefix("node-")
        self.kind, self.command = kind, ["node", script, modules, mode, *command]

    async def __aenter__(self) -> Node:
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(
            *self.command, stdin=pipe, stdout=pipe, limit=1 << 24
        )
        began = json.loads(await self.process.stdout.readline())
        assert began["version"] == ERAS[self.kind], began
        assert "recall" in began["instructions"], began
        return self

    async def __aexit__(self, *error: Any) -> None:
        self.process.stdin.close()
        assert await self.process.wait() == 0

    async def ask(self, value: dict[str, Any]) -> dict[str, Any]:
        self.process.stdin.write(json.dumps(value).encode() + b"\n")
        result = json.loads(await self.process.stdout.readline())
        assert "failure" not in result, result
        return result

    async def tools(self) -> list[dict[str, Any]]:
        return (await self.ask({}))["tools"]

    async def call(self, name: str, arguments: dict[str, Any]) -> Answer:
        return answer(await self.ask({"name": name, "arguments": arguments}))


class Inspector:
    """The npm inspector, which starts a server for each call."""

    def __init__(self, command: list[str], modules: str) -> None:
        self.command = [f"{modules}/node_modules/.bin/mcp-inspector-cli", "--cli", *command]

    async def __aenter__(self) -> Inspector:
        return self

    async def __aexit__(self, *error: Any) -> None:
        pass

    async def ask(self, *arguments: str) -> dict[str, Any]:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *self.command, *arguments, stdout=pipe, stderr=pipe
        )
        out, error = await process.communicate()
        assert process.returncode == 0, (arguments, out, error)
        return json.loads(out)

    async def tools(self) -> list[dict[str, Any]]:
        return (await self.ask("--method", "tools/list"))["tools"]

    async def call(self, name: str, arguments: dict[str, Any]) -> Answer:
        given = [f"{key}={json.dumps(value)}" for key, value in arguments.items()]
        given = [part for one in given for part in ("--tool-arg", one)]
        result = await self.ask("--method", "tools/call", "--tool-name", name, *given)
        return answer(result)


def client_of(kind: str, command: list[str], modules: str) -> Any:
    if kind == "inspector":
        return Inspector(command, modules)
    if kind.startswith("node"):
        return Node(kind, command, modules)
    return Python(kind, command)


async def main() -> None:
    kind, server, *modules = sys.argv[1:]
    with tempfile.TemporaryDirectory() as directory:
        command = [server, "--store", f"{directory}/memory.alt"]
        async with client_of(kind, command, *modules or [""]) as client:
            calls = await asyncio.wait_for(scenario(client), 300)
    print(f"{kind}: {calls} calls checked")


asyncio.run(main())
