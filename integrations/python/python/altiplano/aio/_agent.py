"""Owns the asyncio form of agents and their sessions."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import Executor
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec

from altiplano import Agent, Session
from altiplano.aio._calls import Wrapper, awaits, on_thread, open_whole
from altiplano.aio._collection import AsyncCollection

if TYPE_CHECKING:
    from altiplano import Patch
    from altiplano.types import EndPolicyName, IdLike, OutcomeName

P = ParamSpec("P")


class AsyncSession(Wrapper[Session]):
    """One conversation: `async with agent.session(id) as session`. Leaving it ends it."""

    remember = awaits(Session.remember)
    scratch = awaits(Session.scratch)
    recent = awaits(Session.recent)
    recall = awaits(Session.recall)
    end = awaits(Session.end)

    @property
    def id(self) -> str:
        """The name of the session."""
        return self.native.id

    async def __aenter__(self) -> AsyncSession:
        await self._run(self.native.__enter__)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.shield(self._run(self.native.__exit__, kind, error, trace))


class SessionOpening(Awaitable[AsyncSession]):
    """A session that is about to begin: `await` it, or enter it by `async with`."""

    def __init__(self, work: Callable[[], Session], executor: Executor | None) -> None:
        self._work = work
        self._executor = executor
        self._session: AsyncSession | None = None

    async def _open(self) -> AsyncSession:
        session = await on_thread(self._executor, self._work)
        return AsyncSession(session, executor=self._executor)

    def __await__(self) -> Generator[Any, None, AsyncSession]:
        return self._open().__await__()

    async def __aenter__(self) -> AsyncSession:
        self._session = await self._open()
        return await self._session.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.__aexit__(kind, error, trace)


class AsyncAgent(Wrapper[Agent]):
    """The memory of one agent: `async with aio.agent(path, embedder) as agent`.

    The embedder is called on a thread, so it may be slow, and it must be a plain function.
    """

    remember = awaits(Agent.remember)
    remember_all = awaits(Agent.remember_all)
    recall = awaits(Agent.recall)
    get = awaits(Agent.get)
    forget = awaits(Agent.forget)
    forget_where = awaits(Agent.forget_where)
    rewrite = awaits(Agent.rewrite)
    supersede = awaits(Agent.supersede)
    reinforce = awaits(Agent.reinforce)
    open_sessions = awaits(Agent.open_sessions)
    plan = awaits(Agent.plan)
    tidy = awaits(Agent.tidy)
    move_to = awaits(Agent.move_to)
    archive = awaits(Agent.archive)
    restore = awaits(Agent.restore)
    consolidate = awaits(Agent.consolidate)
    clusters = awaits(Agent.clusters)
    duplicates = awaits(Agent.duplicates)
    reembed = awaits(Agent.reembed)
    stats = awaits(Agent.stats)
    wait_idle = awaits(Agent.wait_idle)

    async def patch(self, id: IdLike, patch: Patch | None = None, **changes: Any) -> OutcomeName:
        """Changes some attributes of a memory."""
        return await self._run(self.native.patch, id, patch, **changes)

    def session(self, id: str, *, end_policy: EndPolicyName | None = None) -> SessionOpening:
        """Begins a session: `async with agent.session("monday") as session`, or `await` it."""
        work = functools.partial(self.native.session, id, end_policy=end_policy)
        return SessionOpening(work, self._executor)

    async def collection(self, tier: str) -> AsyncCollection:
        """Returns the collection of a tier."""
        found = await self._run(self.native.collection, tier)
        return AsyncCollection(found, executor=self._executor)

    async def close(self) -> None:
        """Closes the agent. A cancelled await does not stop it."""
        await asyncio.shield(self._run(self.native.close))

    async def __aenter__(self) -> AsyncAgent:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


class AgentOpening(Awaitable[AsyncAgent]):
    """An agent that is about to be opened: `await` it, or enter it by `async with`."""

    def __init__(self, work: Callable[[], Agent]) -> None:
        self._work = work
        self._executor: Executor | None = None
        self._agent: AsyncAgent | None = None

    def using(self, executor: Executor) -> AgentOpening:
        """Runs the calls of the agent on an executor, instead of the default one of the loop."""
        self._executor = executor
        return self

    async def _open(self) -> AsyncAgent:
        agent = await open_whole(self._executor, self._work, lambda agent: agent.close())
        return AsyncAgent(agent, executor=self._executor)

    def __await__(self) -> Generator[Any, None, AsyncAgent]:
        return self._open().__await__()

    async def __aenter__(self) -> AsyncAgent:
        self._agent = await self._open()
        return self._agent

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._agent is not None:
            await self._agent.close()


def _opens(make: Callable[P, Agent]) -> Callable[P, AgentOpening]:
    def agent(*args: P.args, **kwargs: P.kwargs) -> AgentOpening:
        """Opens the memory of an agent, with the arguments of `altiplano.Agent`."""
        return AgentOpening(functools.partial(make, *args, **kwargs))

    return agent


agent = _opens(Agent)
