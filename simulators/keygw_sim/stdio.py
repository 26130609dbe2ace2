"""JSON lines on stdin and stdout: how the simulators' processes are told what to do, and what they answer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import threading
from typing import Any


def say(answer: dict[str, Any]) -> None:
    """Print one JSON line. A reader that has gone away is no error."""
    try:
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Nobody listens any more. Python would complain once again while flushing at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def orders() -> asyncio.Queue[str | None]:
    """The lines of stdin as they come, ``None`` at its end, read by a thread: asyncio has no portable way to a pipe.

    ``os.read``, because a daemon thread that sleeps inside ``sys.stdin`` holds a lock the interpreter needs to exit.
    """
    if hasattr(signal, "SIGTTIN"):
        # In the background of a terminal, reading it would stop the whole process; ignored, the read just fails.
        signal.signal(signal.SIGTTIN, signal.SIG_IGN)
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str | None] = asyncio.Queue()

    def read() -> None:
        rest = b""
        with contextlib.suppress(RuntimeError):  # the loop may end first
            try:
                while chunk := os.read(0, 4096):
                    *whole, rest = (rest + chunk).split(b"\n")
                    for line in whole:
                        loop.call_soon_threadsafe(lines.put_nowait, line.decode("utf-8", "replace"))
                    rest = rest[-65536:]
            except OSError:
                pass  # closed: the same as its end
            loop.call_soon_threadsafe(lines.put_nowait, None)

    threading.Thread(target=read, name="stdin", daemon=True).start()
    return lines


class StopSignal(asyncio.Event):
    """Set by the first signal to stop; ``number`` is that signal's."""

    number = 0

    def take(self, number: int) -> None:
        self.number = self.number or number
        self.set()

    @property
    def exit_code(self) -> int:
        """What a shell calls the end by this signal: 130 or 143."""
        return 128 + self.number


def stop_signal() -> StopSignal:
    """An event that SIGINT and SIGTERM set, where this is the main thread."""
    loop, stop = asyncio.get_running_loop(), StopSignal()

    def take(number: int, _: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop may have ended
            loop.call_soon_threadsafe(stop.take, number)

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, take)
    return stop
