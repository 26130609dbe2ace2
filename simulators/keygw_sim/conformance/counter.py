"""What every check of a device is given: the showroom, the rig, the tape, and who holds the device.

And the list of checks: ``@asks("KS-...")`` enters a function there.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from keygw.model.command import Action
from keygw.model.errors import KeygwError
from keygw.wire.messages import MessageType
from keygw_sim.conformance.mutants.plant import Bed
from keygw_sim.conformance.rig_device import DeviceRig
from keygw_sim.conformance.showroom import Showroom, Watched, silent_kinds
from keygw_sim.conformance.tape import Tape
from keygw_sim.conformance.verdict import Failed, Skip, must
from keygw_sim.phone.phone import Invitation, Phone
from keygw_sim.phone.satchel import CarriedList
from keygw_sim.vehicle import brain

TAP_S = 600.0
"""A person reads, walks and taps."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What the device tells its user."""

    ok: bool
    outcome: str


class User(Protocol):
    """Who holds the device under test. Each may raise ``Skip``: it cannot be done, or nobody does it."""

    async def tap(self, action: Action) -> Shown:
        """Ask the app for that, near the vehicle."""

    async def take(self, invitation: Invitation) -> None:
        """Let the app take in that key, in place of the one it has."""

    async def carry(self, carried: CarriedList) -> None:
        """Let the app take that revocation list along."""


class PhoneUser:
    """Of a simulated phone in this process."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone

    async def tap(self, action: Action) -> Shown:
        try:
            tried = await self._phone.command(action)
        except KeygwError as error:
            return Shown(False, error.code)
        return Shown(tried.ok, tried.outcome)

    async def take(self, invitation: Invitation) -> None:
        self._phone.accept(invitation)

    async def carry(self, carried: CarriedList) -> None:
        self._phone.satchel.put(carried)


@dataclass(slots=True)
class Counter:
    """``bed``: defects of the kit's own vehicle, for this check alone."""

    room: Showroom
    rig: DeviceRig
    bed: Bed
    user: User
    tape: Tape

    async def tap(self, action: Action = Action.UNLOCK) -> Shown:
        """The user taps; what the device shows, once it is done with the vehicle."""
        self.tape.note(f"the user taps {action.label}")
        shown = await self.user.tap(action)
        self.room.check()
        await self.room.settle()
        self.tape.note(f"the device shows {shown.outcome}")
        return shown

    @contextlib.asynccontextmanager
    async def tapping(self, holds: Callable[[], bool]) -> AsyncIterator[None]:
        """From when that holds, or the device is done without it, until the device is done."""
        tap = asyncio.ensure_future(self.tap())
        seen = asyncio.ensure_future(self.room.until(holds, TAP_S))
        try:
            await asyncio.wait({tap, seen}, return_when=asyncio.FIRST_COMPLETED)
            if tap.done():
                tap.result()
            try:
                yield
            finally:
                await asyncio.wait({tap})  # who is asked what the app shows answers, whatever the check has found
            tap.result()
        finally:
            for task in (tap, seen):
                task.cancel()
            await asyncio.gather(tap, seen, return_exceptions=True)

    async def works(self) -> None:
        """A device that can do nothing conforms to nothing."""
        shown = await self.tap()
        must(shown.ok, f"at a vehicle that conforms it gets {shown.outcome}")
        await self.tap(Action.LOCK)
        self.room.forget()

    def plays(self, **parts: Any) -> None:
        """Sessions of the kit's vehicle have these parts instead of their own, from now on."""
        self.bed.set(brain, "VehicleSession", type("Played", (Watched,), parts))

    def silent(self, kind: MessageType, what: str) -> None:
        must(kind not in self.room.kinds(), f"it sends {kind.name} {what}")

    def speechless(self, what: str) -> None:
        """It has come, and said nothing but ERROR."""
        must(self.room.links > 0, "it does not come to the vehicle")
        said = silent_kinds(self.room)
        must(not said, f"it sends {', '.join(said)} {what}")

    def calls_it_a_breach(self, what: str) -> None:
        """ERROR 1; ``Skip`` if the device had left before it can have heard it."""
        if self.room.refused:
            return
        kinds = self.room.kinds()
        opened = max((at for at, kind in enumerate(kinds) if kind in _OPENS), default=len(kinds))
        if all(kind == MessageType.ERROR for kind in kinds[opened + 1 :]):
            raise Skip("the device leaves as soon as its command is answered, so it may not have heard it")
        raise Failed(f"it goes on {what}")


_OPENS = (MessageType.MESSAGE_3, MessageType.FAST, MessageType.CMD)

PhoneCheck = Callable[[Counter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class PhoneEntry:
    """One check of one requirement. ``radio``: it looks at what only a radio has."""

    requirement: str
    run: PhoneCheck
    radio: bool = False


PHONE_CHECKS: list[PhoneEntry] = []


def asks(*numbers: str, radio: bool = False) -> Callable[[PhoneCheck], PhoneCheck]:
    """Enter a check under every requirement that it shows to hold or not to hold."""

    def enter(check: PhoneCheck) -> PhoneCheck:
        PHONE_CHECKS.extend(PhoneEntry(number, check, radio) for number in numbers)
        return check

    return enter
