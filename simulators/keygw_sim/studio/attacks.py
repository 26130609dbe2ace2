"""Runs one attack of the book in a process of its own, and tells what the car did, frame by frame."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from keygw.model.errors import BadInput, Conflict, KeygwError, NotFound
from keygw_sim.attacker.attack import Attack, book
from keygw_sim.studio.air import decode

ATTACK_SECONDS = 60.0
MOST_RECORDS = 500
MAX_CAPTURE = 8 << 20


class AttackFailed(KeygwError):
    """The attack could not be run at all: that says nothing of the car."""

    code = "attack_failed"


class Attacks:
    """One at a time: they cost a processor."""

    def __init__(self) -> None:
        self._busy = asyncio.Lock()

    async def listed(self) -> list[dict[str, Any]]:
        """Every attack of the book, in its order."""
        return [_entry(each) for each in (await asyncio.to_thread(book)).values()]

    async def run(self, name: str) -> dict[str, Any]:
        """Its entry with ``verdict``, ``got``, ``got_recorded``, ``detail``, and the ``records`` of the first car.

        ``NotFound`` no_such_attack, ``Conflict`` attack_running, ``AttackFailed``.
        """
        if name not in await asyncio.to_thread(book):
            raise NotFound(f"no attack is called {name[:64]!r}", code="no_such_attack")
        if self._busy.locked():
            raise Conflict("another attack is running", code="attack_running")
        async with self._busy:
            with tempfile.TemporaryDirectory(prefix="keygw-studio-") as folder:
                told = await _run(name, folder)
                records = await asyncio.to_thread(_records, Path(folder) / f"{name}.btsnoop")
                return {**told, "records": records}


async def _run(name: str, folder: str) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "keygw_sim.attacker", name, "--json", "--trace", folder,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(ATTACK_SECONDS):
            said, _ = await process.communicate()
    except TimeoutError:
        raise AttackFailed(f"it took longer than {ATTACK_SECONDS:.0f} s") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    try:
        told: dict[str, Any] = json.loads(said)["attacks"][0]
    except (ValueError, KeyError, IndexError) as error:
        raise AttackFailed(f"the attacker ended with {process.returncode} and said nothing") from error
    return told


def _records(capture: Path) -> list[dict[str, Any]]:
    try:
        data = capture.read_bytes()
    except OSError:
        return []  # the story needed no car that is watched
    with contextlib.suppress(BadInput):
        found: list[dict[str, Any]] = decode(data[:MAX_CAPTURE], most=MOST_RECORDS)["records"]
        return found
    return []


def _entry(one: Attack) -> dict[str, Any]:
    return {
        "name": one.name, "group": one.group, "what": one.what, "protects": one.protects, "expected": one.expected,
        "recorded": one.recorded, "remains": one.remains, "stopped": one.stopped,
    }  # fmt: skip
