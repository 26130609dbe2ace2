"""What every capture comes down to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from keygw.model.errors import BadInput

MAX_PACKET = 1 << 16
"""Longer records are taken for a broken file: an ACL packet has at most 65539 bytes with its header, ours far less."""
LAST_TIME = 253_402_300_799
"""The last second of the year 9999, in Unix time: no calendar of Python's goes on."""


class Kind(Enum):
    """What a packet's bytes are."""

    HCI = "hci"
    """H4: a packet indicator, then the HCI packet (Core 5.4, Vol 4, Part A, section 2)."""
    AIR = "air"
    """A link-layer packet without preamble, from its access address on (Core 5.4, Vol 6, Part B, section 2.1)."""


@dataclass(frozen=True, slots=True)
class Packet:
    """``at``: Unix seconds. ``sent``: by the host of this capture (HCI), or by the central (AIR); ``None``: not said.
    ``offset``: of its record in the file."""

    kind: Kind
    data: bytes
    at: float
    sent: bool | None = None
    offset: int = 0


class BrokenCapture(BadInput):
    """The file is no capture, or is broken at ``offset``; what came before has been given out."""

    code = "broken_capture"

    def __init__(self, offset: int, why: str) -> None:
        super().__init__(f"the capture is broken at byte {offset}: {why}")
        self.offset = offset


class CutShort(BrokenCapture):
    """It ends in the middle of a record: broken, or still being written."""

    code = "capture_cut_short"


class Source(Protocol):
    """Where a capture comes from: a file, or one that is still written."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; fewer at the end alone."""
