"""Sends what no client would send, and checks that the server goes on: broken lines, unknown
methods, calls without arguments, a client that leaves early, and options that are wrong.

usage: python raw.py SERVER
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import Any

SERVER = sys.argv[1]


class Raw:
    """A server whose lines are written by hand."""

    def __init__(self, *options: str) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [SERVER, *options], stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )
        self.number = 0

    def line(self, text: str) -> None:
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Sends a request and returns its answer; what else comes before it is dropped."""
        self.number += 1
        request = {"jsonrpc": "2.0", "id": self.number, "method": method, "params": params}
        self.line(json.dumps(request))
        while True:
            answer = json.loads(self.process.stdout.readline())
            if answer.get("id") == self.number:
                return answer

    def begin(self) -> None:
        client = {"name": "raw", "version": "1"}
        self.ask("initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo=client)
        self.line(json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}))

    def tool(self, name: str, arguments: Any) -> dict[str, Any]:
        return self.ask("tools/call", name=name, arguments=arguments)

    def end(self) -> int:
        self.process.stdin.close()
        return self.process.wait(10)


def goes_on(store: str) -> None:
    server = Raw("--store", store)
    server.begin()
    for line in ("{broken", "[]", "null", '{"jsonrpc": "2.0"}', "\u0000", "", '"text"'):
        server.line(line)
    assert "error" in server.ask("no/such/method")
    assert server.ask("tools/call", name="stats")["result"]["isError"] is False
    assert server.tool("no_such_tool", {})["result"]["isError"]
    for arguments in ({}, {"text": 7.5}, {"text": ["x"]}, {"text": {}}, {"text": "x", "tags": [1]}):
        answer = server.tool("remember", arguments)["result"]
        assert answer["isError"] is ("text" not in arguments or arguments["text"] != 7.5), answer
    text = "ä\u0000\u2028😀" * 100_000
    found = server.tool("remember", {"text": text})["result"]["structuredContent"]
    page = server.tool("list_memories", {"ids": [found["id"]]})["result"]["structuredContent"]
    assert page["memories"][0]["text_cut"] and text.startswith(page["memories"][0]["text"][:-1])
    assert server.end() == 0, server.process.stderr.read()
    assert "mcp.sock" not in os.listdir(store)


def leaves_early(store: str) -> None:
    """A client asks and leaves, or leaves at once. What it asked for is done."""
    server = Raw("--store", store)
    server.begin()
    call = {"name": "remember", "arguments": {"text": "last words", "key": "last"}}
    server.line(json.dumps({"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": call}))
    answers = server.process.communicate(timeout=10)[0]
    assert '"id":9' in answers and server.process.returncode == 0, answers
    server = Raw("--store", store)
    server.end()
    server = Raw("--store", store)
    server.begin()
    found = server.tool("recall", {"query": "last words", "k": 1})["result"]["structuredContent"]
    assert found["memories"][0]["text"] == "last words", found
    assert server.end() == 0


def reads_only(store: str) -> None:
    server = Raw("--store", store, "--read-only")
    server.begin()
    names = [tool["name"] for tool in server.ask("tools/list")["result"]["tools"]]
    assert names == ["recall", "list_memories", "list_sessions", "stats"], names
    assert server.tool("remember", {"text": "x"})["result"]["isError"]
    assert server.end() == 0


def wrong_options(directory: str) -> None:
    for options, says in (
        (["--store", f"{directory}/x", "--max-tokens", "3"], "max_tokens"),
        (["--store", f"{directory}/x", "--model", f"{directory}/none"], "model"),
        (["--confine"], "--namespace"),
    ):
        done = subprocess.run([SERVER, *options], capture_output=True, text=True, timeout=10)
        assert done.returncode == 2 and says in done.stderr and not done.stdout, done


def no_store(directory: str) -> None:
    """The server answers also where it cannot open a store, and says why."""
    with open(f"{directory}/notes.txt", "w") as file:
        file.write("not a store")
    for store, says in (
        (directory, "is not a store"),
        (f"{directory}/notes.txt", "is not a store"),
        (f"{directory}/no/such/parent", "parent"),
    ):
        server = Raw("--store", store)
        server.begin()
        answer = server.tool("stats", {})["result"]
        assert answer["isError"] and says in answer["content"][0]["text"], answer
        assert server.end() == 0


with tempfile.TemporaryDirectory() as directory:
    goes_on(f"{directory}/memory.alt")
    leaves_early(f"{directory}/memory.alt")
    reads_only(f"{directory}/memory.alt")
    wrong_options(directory)
    no_store(directory)
print("raw: broken input, early leaves, wrong options: the server goes on, or says why not")
