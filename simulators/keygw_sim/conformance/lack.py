"""What a target would need on this machine: what ``keygw doctor`` says of its radio, in the words of the kit."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from keygw.cli import checks_radios
from keygw.cli.diagnosis import Verdict
from keygw.model.errors import LinkError
from keygw_sim.conformance.hci import HCI, SIMULATED


@dataclass(frozen=True, slots=True)
class Lack:
    """``cure``: one line of what to do."""

    why: str
    cure: str


class NoRadio(LinkError):
    """The radio that a target names cannot be used, and ``cure`` says what to do."""

    def __init__(self, target: str, lack: Lack) -> None:
        super().__init__(f"{target}: {lack.why}", code="radio_unavailable")
        self.cure = lack.cure


async def before(target: str) -> None:
    """``NoRadio`` if the operating system's adapter, or BlueZ on a private bus, is not there; nothing is tried yet.

    A controller of our own is not asked: one port serves one host, and that is to be the kit.
    """
    lack = await asyncio.to_thread(_of, target, "system")
    if lack is not None:
        raise NoRadio(target, lack)


def after(target: str) -> Lack | None:
    """What is in the way of it now that it has failed."""
    return None if target in SIMULATED else _of(target, target if HCI.fullmatch(target) else "system")


def _of(target: str, radio: str) -> Lack | None:
    known = checks_radios.lacking(radio)
    if known is None or known.status is not Verdict.FAIL:
        return None
    cure = known.fix.replace("--radio ", "--target ")
    return Lack(known.seen, "start one: keygw sim bluez (it prints the address)" if target == "dbus" else cure)
