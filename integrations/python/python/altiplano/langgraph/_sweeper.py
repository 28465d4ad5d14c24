"""The thread that reports expired items now and then. Nothing depends on it: an expired item is in
no answer from the instant on, and the background of the store gives its space back."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future

logger = logging.getLogger("altiplano.langgraph")
DEFAULT_MINUTES = 5.0


class Sweeper:
    """Calls a function at an interval until it is stopped."""

    def __init__(self, sweep: Callable[[], int], minutes: float) -> None:
        self._sweep, self._minutes = sweep, minutes
        self._stop = threading.Event()
        self.future: Future[None] = Future()
        self.future.add_done_callback(lambda _: self._stop.set())
        self._thread = threading.Thread(target=self._run, daemon=True, name="ttl-sweeper")
        self._thread.start()

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    def stop(self, timeout: float | None) -> bool:
        """Stops the thread. Returns false if it has not ended in time."""
        self._stop.set()
        self._thread.join(timeout)
        return not self.is_running

    def _run(self) -> None:
        while not self._stop.wait(self._minutes * 60.0):
            try:
                count = self._sweep()
            except Exception:
                logger.exception("a sweep of expired items failed")
                continue
            if count:
                logger.info("%d expired items wait for the background to remove them", count)
        if not self.future.done():
            self.future.set_result(None)
