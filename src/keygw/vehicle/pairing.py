"""Owner pairing, the gateway's part in the air: drive the device role of ``session.pairing_device`` over links.

Nobody can tell from outside which vehicle shows a code, so those in reach are asked one after the other, the nearest
first. A guess is staked only with one that says it shows a code.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from keygw.crypto.signer import Signer
from keygw.model.command import Outcome
from keygw.model.errors import KeygwError, LinkError
from keygw.model.ids import Random
from keygw.session.events import (
    Ended,
    Event,
    Greeted,
    OwnerTokenAnswered,
    PairingOffered,
    SignatureNeeded,
    Ticketed,
)
from keygw.session.pairing import secret_for
from keygw.session.pairing_device import PairingDevice
from keygw.session.states import State
from keygw.vehicle.ports import Air, Link

ANSWER_SECONDS = 4.0
SCAN_SECONDS = 1.0
CONNECT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class PairingTask:
    """``code``: 8 digits. ``proving`` is awaited before the guess is staked; ``issue`` turns the ticket into a CWT."""

    code: str
    signer: Signer
    proving: Callable[[], Awaitable[None]]
    issue: Callable[[Ticketed], Awaitable[bytes]]


Alone = Callable[[bytes], AbstractAsyncContextManager[bool]]
"""``async with alone(rotating_id) as free``: no other link of ours to it meanwhile; ask it only if ``free``."""


@asynccontextmanager
async def nobody_else(rotating_id: bytes) -> AsyncIterator[bool]:
    """``Alone`` for who has no other links."""
    yield True


async def pair(
    air: Air,
    task: PairingTask,
    random: Random,
    seconds: float,
    alone: Alone = nobody_else,
    ticks: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Look for a vehicle that shows a code, for at most ``seconds``, and pair with it; what it said to the token.

    ``LinkError`` out_of_range, no_code_shown (by those in reach), radio_busy (to the end, for one of them),
    pairing_refused, link_lost, link_timeout;
    ``ProtocolError`` pairing_code_wrong, for which the vehicle has counted a try, and others.
    """
    until = ticks() + seconds
    refused, busy = False, None
    while (left := until - ticks()) > 0:
        found, busy = await air.scan(min(SCAN_SECONDS, left)), None
        for sighting in sorted(found, key=lambda each: -128 if each.rssi is None else each.rssi, reverse=True):
            async with alone(sighting.rotating_id) as free:
                try:
                    outcome = await _try(air, sighting.rotating_id, task, random, ticks) if free else None
                except LinkError as error:
                    if error.code != "radio_busy":
                        raise
                    busy = error
                    continue
            if outcome is not None:
                return outcome
            refused = True
    if busy is not None:
        raise busy
    if refused:
        raise LinkError(
            "no vehicle in reach shows a pairing code; open pairing mode in the vehicle", code="no_code_shown"
        )
    raise LinkError("no vehicle is in reach", code="out_of_range")


async def _try(
    air: Air, rotating_id: bytes, task: PairingTask, random: Random, ticks: Callable[[], float]
) -> Outcome | None:
    """Ask one vehicle; ``None`` if it shows no code or could not even be asked."""
    try:
        link = await air.open(lambda heard: heard == rotating_id, CONNECT_SECONDS)
    except LinkError as error:
        if error.code in ("radio_busy", "radio_unavailable"):
            raise
        return None
    try:
        return await _Exchange(link, task, random, ticks).run()
    finally:
        await link.close()


class _Exchange:
    """One vehicle, from HELLO to its word on the token."""

    def __init__(self, link: Link, task: PairingTask, random: Random, ticks: Callable[[], float]) -> None:
        self._link = link
        self._task = task
        self._ticks = ticks
        self._session = PairingDevice(task.signer.public_key, link.info, random, self._ticks())
        self._outcome: Outcome | None = None
        self._staked = False

    async def run(self) -> Outcome | None:
        try:
            while self._session.state is not State.PAIRED:
                for event in await self._hear():
                    if isinstance(event, Ended) and not self._staked:
                        return None
                    await self._act(event)
                    await self._flush()
        except LinkError:
            if not self._staked:
                return None
            raise
        except KeygwError:
            with contextlib.suppress(KeygwError):  # the first error is the one to report
                await self._flush()
            raise
        return self._outcome

    async def _hear(self) -> list[Event]:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                frame = await self._link.receive()
        except TimeoutError:
            raise LinkError("the vehicle did not answer in time", code="link_timeout") from None
        return self._session.receive(frame, self._ticks())

    async def _act(self, event: Event) -> None:
        match event:
            case Greeted():
                self._session.ask(self._ticks())
            case PairingOffered(salt):
                secret = await asyncio.to_thread(secret_for, self._task.code, salt)
                self._staked = True
                await self._task.proving()
                self._session.share(secret)
            case SignatureNeeded(message):
                self._session.sign(self._task.signer.sign(message))
            case Ticketed():
                self._session.bring(await self._task.issue(event))
            case OwnerTokenAnswered(outcome):
                self._outcome = outcome
            case Ended(_, reason):
                raise LinkError(f"the vehicle ended the pairing: {reason}", code="pairing_refused")

    async def _flush(self) -> None:
        for frame in self._session.frames(self._link.max_frame):
            await self._link.send(frame)
