"""Somebody at the bench who does what a program cannot: presses a button of the board, taps on the phone.

What is to be done is written to ``out``, a line at a time, each with the seconds there are for it; answers are lines
from ``lines``. ``s`` skips the check, ``q`` ends the run. Who does not answer in time has skipped it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from keygw.model.command import Action
from keygw.model.errors import Conflict
from keygw.session.pairing import CODE_DIGITS
from keygw_sim.conformance.counter import Shown
from keygw_sim.conformance.rig import write
from keygw_sim.conformance.rig_device import FRIEND, KEY, LIST, key_json, list_json
from keygw_sim.conformance.verdict import Skip, Unplugged
from keygw_sim.phone.phone import Invitation
from keygw_sim.phone.satchel import CarriedList

SECONDS = 120.0
TRIES = 3
SKIP, QUIT = ("s", "skip"), ("q", "quit")
YES, NO = ("y", "yes"), ("n", "no")


class Operator:
    """``lines``: of the keyboard, ``None`` at its end (``keygw_sim.stdio.orders``). ``seconds``: for each step."""

    def __init__(self, lines: asyncio.Queue[str | None], out: Callable[[str], None], seconds: float = SECONDS) -> None:
        self._lines, self._out, self._seconds = lines, out, seconds
        self._step = 0
        self._too_late = False

    def tells(self, what: str) -> None:
        """Something to know, and nothing to do."""
        self._out(what)

    async def does(self, what: str) -> None:
        """They do it, and press Enter. ``Skip``, ``Unplugged``."""
        await self._asked(f"{what}, then press Enter")

    async def yes(self, what: str) -> bool:
        """They do it, and say y or n."""
        for _ in range(TRIES):
            said = await self._asked(f"{what} [y/n]")
            if said in YES + NO:
                return said in YES
            self._out("  please answer y or n")
        raise Skip("the operator's answer was neither y nor n")

    async def code(self, what: str) -> str | None:
        """The pairing code that they read; ``None`` if none is shown (n)."""
        for _ in range(TRIES):
            said = (await self._asked(f"{what} [the {CODE_DIGITS} digits, or n if it shows none]")).replace(" ", "")
            if said in NO:
                return None
            if len(said) == CODE_DIGITS and said.isascii() and said.isdigit():
                return said
            self._out(f"  a pairing code has {CODE_DIGITS} digits")
        raise Skip("the operator typed no pairing code")

    async def _asked(self, what: str) -> str:
        self._step += 1
        while self._too_late and not self._lines.empty():
            self._lines.get_nowait()  # it answers the step before, whose time was over
        self._too_late = False
        self._out(f"step {self._step}: {what} (s skips, q ends; {self._seconds:.0f} s)")
        try:
            async with asyncio.timeout(self._seconds):
                line = await self._lines.get()
        except TimeoutError:
            self._too_late = True
            raise Skip(f"the operator has not answered within {self._seconds:.0f} s") from None
        said = "q" if line is None else line.strip().lower()
        if said in SKIP:
            raise Skip("the operator has skipped it")
        if said in QUIT:
            raise Unplugged("the operator has ended the run", "run it again for what is left: --only names it")
        return said


class OperatorHands:
    """``Hands`` of a board. ``after_reboot`` is awaited once its power has been off."""

    def __init__(self, operator: Operator, after_reboot: Callable[[], Awaitable[None]]) -> None:
        self._operator, self._after_reboot = operator, after_reboot

    async def set_body(self, **changes: object) -> None:
        for part, value in changes.items():
            await self._operator.does(_BODY.get((part, bool(value)), f"set {part} of the vehicle to {value}"))

    async def open_pairing(self) -> str:
        code = await self._operator.code("press the pairing button of the board, and type the code it shows")
        if code is None:
            raise Conflict("the board opens no pairing mode", code="owner_exists")
        return code

    async def remove_key(self, key_id: str) -> None:
        await self._operator.does(f"remove the key {key_id} at the board")

    async def reboot(self) -> None:
        await self._operator.does("power the board off and on, and wait until it advertises")
        await self._after_reboot()


_BODY = {
    ("driver_door_open", True): "open the driver's door (or the board's switch for it)",
    ("driver_door_open", False): "close the driver's door (or the board's switch for it)",
    ("speed", True): "let the board believe that it moves (30 km/h)",
    ("speed", False): "let the board believe that it stands still",
}


class OperatorUser:
    """``User`` of a phone app. What the app takes in is written into ``folder``."""

    def __init__(self, operator: Operator, folder: Path) -> None:
        self._operator, self._folder = operator, folder

    async def tap(self, action: Action) -> Shown:
        ok = await self._operator.yes(f"tap {action.label} in the app, near the vehicle; did it say that it worked?")
        return Shown(ok, "that it worked" if ok else "that it did not work")

    async def take(self, invitation: Invitation) -> None:
        path = self._folder / (FRIEND if invitation.chain else KEY)
        write(path, key_json(invitation))
        await self._operator.does(f"let the app take in the key in {path}, in place of the one it has")

    async def carry(self, carried: CarriedList) -> None:
        path = self._folder / LIST
        write(path, list_json(carried))
        await self._operator.does(f"let the app take in the revocation list in {path}")
