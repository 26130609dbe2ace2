"""Calls into code that may hang, each in one thread beside the caller, who waits a bounded time.

A hardware module or a key service has good days of a millisecond and bad ones without an answer. Who calls holds the
one write transaction of the gateway, so nobody may wait for long: after ``patience`` the caller is told to come again,
and as long as the call that hangs has not returned, the next callers are told so at once. The thread is a daemon: a
module that never answers does not keep the process from ending.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from keygw.model.errors import SignerError

T = TypeVar("T")

PATIENCE = 1.0
"""Seconds."""


class OneThread:
    """``run`` a function in the thread and wait for its answer, at most ``patience`` seconds."""

    def __init__(self, name: str, patience: float = PATIENCE) -> None:
        self._name = name
        self._patience = patience
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._hangs: Future[Any] | None = None
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def run(self, call: Callable[[], T], patience: float | None = None) -> T:
        """What ``call`` gives or raises. ``SignerError`` signer_timeout (retryable) if that takes too long; what it
        does later has no witness."""
        with self._lock:
            if self._hangs is not None and not self._hangs.done():
                raise self._too_slow()
            self._hangs = None
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
                self._thread.start()
            answer: Future[T] = Future()
            self._work.put((answer, call))
        try:
            return answer.result(self._patience if patience is None else patience)
        except TimeoutError:
            if answer.done():  # the call itself said so
                raise
        with self._lock:
            if not answer.cancel():  # one that had not begun yet never will
                self._hangs = answer
        raise self._too_slow()

    def close(self) -> None:
        """No more calls; the thread ends after the one that runs."""
        self._work.put(None)

    def _serve(self) -> None:
        while (item := self._work.get()) is not None:
            answer, call = item
            if not answer.set_running_or_notify_cancel():
                continue
            try:
                answer.set_result(call())
            except BaseException as error:
                answer.set_exception(error)

    def _too_slow(self) -> SignerError:
        return SignerError(
            f"{self._name} did not answer in {self._patience:g} s: look whether it is there; try again",
            code="signer_timeout",
            retryable=True,
        )
