"""A server in a process and on a core of its own, the processor time it takes, and the load from this process.

Linux alone tells the processor time of another process to the nanosecond and pins processes to cores; elsewhere
``measurable`` says why there is nothing to measure.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

_SCHED = 2
"""CPUCLOCK_SCHED of Linux's ``posix-timers.h``: what ``clock_getcpuclockid`` makes of a process id."""


def measurable() -> str | None:
    """Why nothing can be measured here; ``None``: it can."""
    if not hasattr(os, "sched_setaffinity"):
        return "processes are pinned to cores on Linux alone"
    if len(os.sched_getaffinity(0)) < 2:
        return "it takes two cores: one for the server, one for the load"
    return None


class Served:
    """A process that is up. ``url``: where it answers; ``said``: its line of readiness."""

    def __init__(self, process: subprocess.Popen[str], said: Mapping[str, str]) -> None:
        self.process = process
        self.said = said
        self.url = said["url"]

    def cpu(self) -> float:
        """Seconds of processor time since it began, all threads."""
        return cpu_of(self.process.pid)


def cpu_of(pid: int) -> float:
    """Seconds of processor time of a process since it began, all threads."""
    return time.clock_gettime(~pid << 3 | _SCHED)


def children_of(pid: int) -> list[int]:
    """The processes that it has started and that still run."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def served(command: Sequence[str], core: int, folder: Path, env: Mapping[str, str] | None = None) -> Iterator[Served]:
    """``python -m COMMAND`` on that core, until the end of its stdin. It says where it listens in one line of JSON."""
    with (
        (folder / "server.log").open("ab") as log,
        subprocess.Popen(
            [sys.executable, "-m", *command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, **(env or {})},
        ) as process,
    ):  # fmt: skip
        try:
            os.sched_setaffinity(process.pid, {core})
            line = process.stdout.readline() if process.stdout is not None else ""
            if not line:
                raise RuntimeError(f"{command[0]} does not start: {(folder / 'server.log').read_text()[-2000:]}")
            yield Served(process, json.loads(line))
        finally:
            if process.stdin is not None:
                process.stdin.close()
            process.wait(30)


def gateway_command(data: Path) -> list[str]:
    return ["keygw", "serve", "--data", str(data), "--radio", "none", "--port", "0", "--json", "--follow-stdin"]


@contextmanager
def away_from(cores: set[int]) -> Iterator[None]:
    """This process leaves those cores to others."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, before - cores or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def request(path: str, token: str, body: object, **headers: str) -> bytes:
    """A POST as it travels, keeping the connection."""
    text = json.dumps(body).encode()
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        f"{more}Content-Length: {len(text)}\r\n\r\n"
    )
    return head.encode() + text


async def load(url: str, turns: Sequence[Sequence[bytes]]) -> None:
    """Each of ``turns`` is a client on a connection of its own, who sends one request after the other.

    ``RuntimeError`` for an answer that is none of success: what was refused cost less.
    """
    place = urlsplit(url)
    async with AsyncExitStack() as stack:
        clients = []
        for _ in turns:
            reader, writer = await asyncio.open_connection(place.hostname, place.port)
            stack.callback(writer.close)
            clients.append((reader, writer))
        await asyncio.gather(*(_client(*client, turn) for client, turn in zip(clients, turns, strict=True)))


async def _client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, requests: Sequence[bytes]) -> None:
    for each in requests:
        writer.write(each)
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]
        body = await reader.readexactly(int(length))
        if not head.startswith(b"HTTP/1.1 2"):
            raise RuntimeError(f"{head.decode()}{body.decode()}")
