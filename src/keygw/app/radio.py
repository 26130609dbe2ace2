"""Which radio a gateway uses."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from keygw.model.errors import LinkError
from keygw.vehicle.ports import Link, Sighting

if TYPE_CHECKING:
    from keygw.ble.air import BleAir


class NoRadio:
    """A gateway without a radio: it issues and revokes, and reaches no vehicle."""

    async def scan(self, seconds: float) -> Sequence[Sighting]:
        raise _none()

    async def open(self, wanted: Callable[[bytes], bool], timeout: float, avoid: Collection[str] = ()) -> Link:
        raise _none()

    async def close(self) -> None:
        """Nothing to end."""


def open_air(radio: str, slots: int | None = None, trace: Path | None = None) -> BleAir | NoRadio:
    """``system``, ``none``, or a Bumble transport; opened on first use. ``slots``: connections at once.

    ``trace``: a new btsnoop file for all that goes over that transport. ``TraceFileError``.
    """
    if radio == "none":
        return NoRadio()
    from keygw.ble.air import BOARD_SLOTS, SYSTEM_SLOTS, BleAir

    if radio == "system":
        return BleAir.system(slots=slots or SYSTEM_SLOTS)
    if trace is None:
        return BleAir.bumble(radio, slots=slots or BOARD_SLOTS)
    from keygw.ble.trace.tap import TraceFile, tapped

    return BleAir.bumble(tapped(radio, TraceFile(trace)), slots=slots or BOARD_SLOTS)


def _none() -> LinkError:
    return LinkError(
        "this gateway runs without a radio; start it with --radio system or a transport", code="radio_unavailable"
    )
