"""Child processes that speak JSON lines: start, wait until ready, ask, end; and never an orphan."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections import deque
from collections.abc import Callable
from typing import Any

READY_SECONDS = 20.0
ANSWER_SECONDS = 20.0
END_SECONDS = 5.0
KEPT_LINES = 200


class ChildFailed(Exception):
    """A child did not become ready, ended early, or did not answer. The text holds the tail of what it wrote."""


class Child:
    """``async with Child("keygw_sim.radio", "--controllers", "3") as radio: radio.ready["transports"]``.

    Runs ``python -m MODULE ARGS``. The first JSON line with ``ready`` is the child's word that it can be used; lines
    with ``did`` or ``error`` answer ``ask``; every other line is an event, kept in ``events``.
    """

    def __init__(self, module: str, *args: str, env: dict[str, str] | None = None) -> None:
        self.module = module
        self.ready: dict[str, Any] = {}
        self.events: deque[dict[str, Any]] = deque(maxlen=KEPT_LINES)
        self.listeners: list[Callable[[dict[str, Any]], None]] = []
        """Called with every event, as it comes."""
        self._args = args
        self._env = {**os.environ, **(env or {})}
        self._answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._errors: deque[str] = deque(maxlen=KEPT_LINES)
        self._is_ready = asyncio.Event()
        self._asking = asyncio.Lock()
        self._readers: list[asyncio.Task[None]] = []
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        return self._running.pid

    @property
    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise ChildFailed(f"{self.module} is not running")
        return self._process

    async def __aenter__(self) -> Child:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.end()

    async def start(self) -> None:
        """Start and wait until it says it is ready. ``ChildFailed`` with its last words otherwise."""
        self._is_ready.clear()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            self.module,
            *self._args,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._env,
            limit=1 << 20,
        )
        self._readers = [asyncio.create_task(self._read()), asyncio.create_task(self._read_errors())]
        ended = asyncio.create_task(self._process.wait())
        ready = asyncio.create_task(self._is_ready.wait())
        try:
            await asyncio.wait({ended, ready}, timeout=READY_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if not self._is_ready.is_set():
                raise ChildFailed(f"{self.module} did not start: {await self._last_words()}")
        except BaseException:
            await self.end()
            raise
        finally:
            ended.cancel()
            ready.cancel()

    async def ask(self, **order: Any) -> dict[str, Any]:
        """Give an order and return the answer. ``ChildFailed`` if it says error, ends or stays silent."""
        async with self._asking:
            stdin = self._running.stdin
            assert stdin is not None  # noqa: S101 - we asked for a pipe
            stdin.write(json.dumps(order).encode() + b"\n")
            try:
                await stdin.drain()
                async with asyncio.timeout(ANSWER_SECONDS):
                    answer = await self._answers.get()
            except (TimeoutError, ConnectionError) as error:
                raise ChildFailed(f"{self.module} did not answer: {await self._last_words()}") from error
        if "error" in answer:
            raise ChildFailed(f"{self.module}: {answer['error']}")
        return answer

    async def kill(self) -> None:
        """SIGKILL (or the system's equal): no goodbye, no clean-up on its side. One that has ended stays as it is."""
        with contextlib.suppress(ProcessLookupError):
            self._running.kill()
        await self._running.wait()

    async def end(self) -> None:
        """Close its stdin and let it end; kill it if it does not."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                async with asyncio.timeout(END_SECONDS):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        await asyncio.wait(self._readers, timeout=END_SECONDS)
        for reader in self._readers:
            reader.cancel()

    async def _read(self) -> None:
        stdout = self._running.stdout
        assert stdout is not None  # noqa: S101 - we asked for a pipe
        async for raw in stdout:
            try:
                line = json.loads(raw)
            except ValueError:
                self._errors.append(raw.decode(errors="replace").rstrip())
                continue
            if line.get("ready"):
                self.ready = line
                self._is_ready.set()
            elif "did" in line or "error" in line:
                self._answers.put_nowait(line)
            else:
                self.events.append(line)
                for listener in list(self.listeners):
                    listener(line)

    async def _read_errors(self) -> None:
        stderr = self._running.stderr
        assert stderr is not None  # noqa: S101 - we asked for a pipe
        async for raw in stderr:
            self._errors.append(raw.decode(errors="replace").rstrip())

    async def _last_words(self) -> str:
        await asyncio.sleep(0)
        process = self._process
        code = None if process is None else process.returncode
        return f"exit {code}; " + " / ".join(list(self._errors)[-5:])
