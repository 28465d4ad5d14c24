"""A pytest plug-in that runs the tests of LangGraph's own stores against Altiplano, unmodified.

It puts our classes in the place of `InMemoryStore`, `SqliteStore` and `AsyncSqliteStore` before the
tests are imported. `deselected.txt` lists the tests that are left out, with reasons; the run fails
if one of them does not exist any more, or if fewer test functions pass than `expected.txt` says.
"""

import os
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import langgraph.store.memory
import pytest

from altiplano.langgraph import AltiplanoIndexConfig, AltiplanoStore, AsyncAltiplanoStore

HERE = Path(__file__).parent
SUITE = os.environ.get("ALTIPLANO_SUITE", "")


class InMemoryStore(AltiplanoStore):
    """Ours, made as LangGraph's is."""

    def __init__(self, *, index: Any = None) -> None:
        inner = AltiplanoStore.temporary(index=index)
        self.__dict__.update(inner.__dict__)
        self._inner = inner  # Its end is the end of the store.


def place(path: str) -> str:
    """The tests make an empty file first. A store is a folder, so it goes beside it."""
    return path if path == ":memory:" else f"{path}.alt"


def as_sqlite(ttl: Any) -> Any:
    """LangGraph documents `refresh_on_read` as true by default; its SQLite store takes it as false,
    and its tests rely on that."""
    return {"refresh_on_read": False, **ttl} if ttl else ttl


class SqliteStore(AltiplanoStore):
    """Ours, opened as the SQLite store is."""

    @classmethod
    @contextmanager
    def from_conn_string(
        cls, conn_string: str, *, index: Any = None, ttl: Any = None, **options: Any
    ) -> Iterator[AltiplanoStore]:
        path = place(conn_string)
        opened = AltiplanoStore.from_conn_string(path, index=index, ttl=as_sqlite(ttl))
        try:
            with opened as store:
                yield store
        finally:
            shutil.rmtree(path, ignore_errors=True)


class AsyncSqliteStore(AsyncAltiplanoStore):
    """Ours, opened as the asynchronous SQLite store is."""

    @classmethod
    @asynccontextmanager
    async def from_conn_string(
        cls, conn_string: str, *, index: Any = None, ttl: Any = None, **options: Any
    ) -> AsyncIterator[AsyncAltiplanoStore]:
        path = place(conn_string)
        opened = AsyncAltiplanoStore.from_conn_string(path, index=index, ttl=as_sqlite(ttl))
        try:
            async with opened as store:
                yield store
        finally:
            shutil.rmtree(path, ignore_errors=True)


def module(name: str, **members: Any) -> None:
    made = ModuleType(name)
    vars(made).update(members)
    sys.modules[name] = made


def no_sql(*_: object, **__: object) -> Any:
    raise NotImplementedError("there is no SQL in Altiplano")


module("langgraph.store.sqlite", SqliteStore=SqliteStore, AsyncSqliteStore=AsyncSqliteStore)
module("langgraph.store.sqlite.aio", AsyncSqliteStore=AsyncSqliteStore)
module(
    "langgraph.store.sqlite.base",
    SqliteIndexConfig=AltiplanoIndexConfig,
    BaseSqliteStore=no_sql,
    NS_MATCH_FUNCTION="",
    _escape_glob_literal=no_sql,
    _namespace_match_pattern=no_sql,
)
langgraph.store.memory.InMemoryStore = InMemoryStore  # type: ignore[misc]


def lines(name: str) -> list[list[str]]:
    """Returns the lines of this suite in a file, without the name of the suite."""
    rows = [row.split(maxsplit=2) for row in (HERE / name).read_text().splitlines()]
    return [row[1:] for row in rows if row and row[0] == SUITE]


def function_of(nodeid: str) -> str:
    return nodeid.split("[")[0]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    reasons = {row[0]: row[1] for row in lines("deselected.txt")}
    known = {function_of(item.nodeid) for item in items}
    missing = sorted(set(reasons) - known)
    if missing:
        raise pytest.UsageError(f"deselected.txt names tests that do not exist: {missing}")
    gone = [item for item in items if function_of(item.nodeid) in reasons]
    config.hook.pytest_deselected(items=gone)
    items[:] = [item for item in items if function_of(item.nodeid) not in reasons]


class Counter:
    """Counts the test functions of which every case passed."""

    def __init__(self) -> None:
        self.passed: set[str] = set()
        self.others: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = function_of(report.nodeid)
        if report.when == "call" and report.passed:
            self.passed.add(name)
        elif report.outcome != "passed":
            self.others.add(name)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        expected = int(lines("expected.txt")[0][0])
        whole = len(self.passed - self.others)
        print(f"\n{SUITE}: {whole} test functions passed, at least {expected} expected")
        if whole < expected:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Counter())
