"""A kit in a process of its own, and somebody who does what it asks for: the operator of a test."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
from collections.abc import Awaitable, Callable
from typing import Any

STEP = re.compile(r"step \d+: (.*) \(s skips, q ends; \d+ s\)$")
RUN_SECONDS = 120.0


class Kit:
    """What a run of ``keygw conformance`` came to. ``asked``: what its operator was to do, in order."""

    def __init__(self, code: int, out: str, err: str, asked: list[str]) -> None:
        self.code, self.out, self.err, self.asked = code, out, err, asked

    @property
    def report(self) -> dict[str, Any]:
        """With ``--json``."""
        told: dict[str, Any] = json.loads(self.out)
        return told

    @property
    def verdicts(self) -> dict[str, tuple[str, str | None]]:
        """By requirement: the verdict, and why."""
        return {each["id"]: (each["verdict"], each["why"]) for each in self.report["requirements"]}


async def operated(do: Callable[[str], Awaitable[str]], *words: str, env: dict[str, str] | None = None) -> Kit:
    """``python -m keygw_sim.conformance WORDS``; ``do`` obeys each step, and says what is typed then."""
    kit = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "keygw_sim.conformance", *words, env=env,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, limit=1 << 24,
    )  # fmt: skip
    assert kit.stdin is not None
    assert kit.stdout is not None
    assert kit.stderr is not None
    asked: list[str] = []
    lines: list[str] = []
    out = asyncio.ensure_future(kit.stdout.read())
    try:
        async with asyncio.timeout(RUN_SECONDS):
            async for raw in kit.stderr:
                lines.append(raw.decode())
                step = STEP.match(lines[-1].rstrip())
                if step is not None:
                    asked.append(step[1])
                    kit.stdin.write((await do(step[1])).encode() + b"\n")
                    with contextlib.suppress(ConnectionError):  # a kit that has ended says why
                        await kit.stdin.drain()
            return Kit(await kit.wait(), (await out).decode(), "".join(lines), asked)
    finally:
        if kit.returncode is None:
            kit.kill()
            await kit.wait()
        out.cancel()
