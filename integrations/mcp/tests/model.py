"""The server with a model: meanings are found, another embedder is refused, and a guest takes over.

usage: python model.py SERVER MODEL
"""

from __future__ import annotations

import asyncio
import sys
import tempfile

from sharing import Member, Refused, in_time


async def refused(member: Member, says: str) -> None:
    try:
        await member.call("stats")
    except Refused as refusal:
        assert says in str(refusal), refusal
    else:
        raise AssertionError("another embedder was accepted")
    await member.leave()


async def takes_over(store: str, model: list[str], tea: str) -> float:
    """The owner is killed, and a guest loads the model."""
    first = await Member(store, *model).start()
    await first.call("stats")
    second = await Member(store, *model).start()
    assert await second.owner() == first.pid
    first.kill()
    found = await second.call("recall", query="which beverage does she enjoy?", k=1)
    assert found["memories"][0]["id"] == tea, found
    assert await second.owner() == second.pid
    await first.leave()
    await second.leave()
    return second.slowest


async def main() -> None:
    model = ["--model", sys.argv[2]]
    with tempfile.TemporaryDirectory() as directory:
        store = f"{directory}/memory.alt"
        first = await Member(store, *model).start()
        tea = await first.call("remember", text="Ana drinks green tea every morning")
        await first.call("remember", text="The exam is on 21 May in room G12")
        assert (await first.call("stats"))["embedder"].startswith("all-MiniLM-L6-v2")
        await refused(await Member(store).start(), "same model")
        await first.leave()
        await refused(await Member(store).start(), "--reembed")
        slowest = await in_time("a model", lambda: takes_over(store, model, tea["id"]))
        anew = await Member(store, "--reembed").start()
        found = await anew.call("recall", query="green tea", k=1)
        assert found["memories"][0]["id"] == tea["id"], found
        assert (await anew.call("stats"))["embedder"].startswith("altiplano-hashing")
        await anew.leave()
    print(f"a model: meanings are found; a guest took over, and its slowest call took {slowest:.3f} s")


asyncio.run(main())
