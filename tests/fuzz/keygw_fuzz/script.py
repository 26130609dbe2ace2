"""A conversation as one byte string: what fuzzers bend is what a session hears, step by step.

Each step is a byte of kind and pause, two bytes of length, and that many bytes (or what is left of them). Any byte
string is a script, so nothing that a fuzzer makes is wasted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from keygw.wire.frame import MAX_FRAME, Fragmenter


class Kind(IntEnum):
    FRAME = 0
    """As it stands: header and all."""
    MESSAGE = 1
    """A whole message, framed as an honest peer would, and counted after what came before."""
    SEALED = 2
    """A type byte and a plaintext, sealed by the true peer's channel where there is one."""
    SMALL = 3
    """Like ``MESSAGE``, in frames of 20 bytes."""


@dataclass(frozen=True)
class Step:
    """``pause``: seconds of silence before it, half of the lower six bits of its head."""

    kind: Kind
    data: bytes
    pause: float = 0.0

    @classmethod
    def raw(cls, frame: bytes, pause: float = 0.0) -> Step:
        return cls(Kind.FRAME, frame, pause)

    @classmethod
    def message(cls, message: bytes, pause: float = 0.0) -> Step:
        return cls(Kind.MESSAGE, message, pause)

    def encode(self) -> bytes:
        return bytes((self.kind << 6 | int(self.pause * 2),)) + len(self.data).to_bytes(2, "big") + self.data


def join(steps: Iterable[Step]) -> bytes:
    return b"".join(step.encode() for step in steps)


def steps_of(script: bytes) -> Iterator[Step]:
    at = 0
    while at < len(script):
        head, size = script[at], int.from_bytes(script[at + 1 : at + 3], "big")
        yield Step(Kind(head >> 6), script[at + 3 : at + 3 + size], (head & 0x3F) / 2)
        at += 3 + size


def frames_of(step: Step, fragmenter: Fragmenter) -> Iterator[bytes]:
    """The frames of a step; ``fragmenter`` counts those of honest ones."""
    if step.kind is Kind.FRAME:
        yield step.data
    elif step.data:
        yield from fragmenter.split(step.data, 20 if step.kind is Kind.SMALL else MAX_FRAME)
