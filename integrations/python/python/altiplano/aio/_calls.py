"""Owns the way of a call to a thread, and wrappers of native methods with the same signature."""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
N = TypeVar("N")
"""The native class that a wrapper holds."""


async def on_thread(
    executor: Executor | None, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs
) -> R:
    """Runs a function on a thread, with the context variables of the task."""
    context = contextvars.copy_context()
    work = functools.partial(context.run, functools.partial(function, *args, **kwargs))
    return await asyncio.get_running_loop().run_in_executor(executor, work)


async def open_whole(
    executor: Executor | None, work: Callable[[], R], close: Callable[[R], object]
) -> R:
    """Opens something on a thread. If the await is cancelled, it is closed once it is open: nobody
    would have it, and it would stay locked."""
    context = contextvars.copy_context()
    loop = asyncio.get_running_loop()
    opening = loop.run_in_executor(executor, functools.partial(context.run, work))

    def close_again(opened: asyncio.Future[R]) -> None:
        if not opened.cancelled() and opened.exception() is None:
            close(opened.result())

    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(close_again)
        raise


def awaits(
    method: Callable[Concatenate[N, P], R],
) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]:
    """Returns the method of a wrapper that calls a native method on a thread."""

    async def call(self: Wrapper[N], /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await on_thread(self._executor, method, self.native, *args, **kwargs)

    call.__name__ = call.__qualname__ = getattr(method, "__name__", "call")
    call.__doc__ = method.__doc__
    signature = getattr(method, "__text_signature__", None)
    if signature is not None:
        call.__text_signature__ = signature  # type: ignore[attr-defined]
    return call


class Wrapper(Generic[N]):
    """A native handle, and the threads on which its calls run."""

    def __init__(self, native: N, *, executor: Executor | None = None) -> None:
        self.native = native
        """The handle without asyncio."""
        self._executor = executor

    async def _run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return await on_thread(self._executor, function, *args, **kwargs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.native!r})"
