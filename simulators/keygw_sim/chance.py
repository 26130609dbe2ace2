"""Randomness for simulators: the system's, or a stream that a seed repeats. Never for a real key."""

from __future__ import annotations

import os

from keygw.crypto.kdf import sha256
from keygw.crypto.signer import LocalSigner
from keygw.model.ids import Random


def chance(seed: str | None, who: str) -> Random:
    """``random(n)`` -> n bytes. With a seed, the same bytes for the same ``who`` every time."""
    if seed is None:
        return os.urandom
    state = sha256(f"keygw-sim {seed} {who}".encode())
    counter = 0

    def repeat(length: int) -> bytes:
        nonlocal counter
        out = b""
        while len(out) < length:
            counter += 1
            out += sha256(state + counter.to_bytes(8, "big"))
        return out[:length]

    return repeat


def new_signer(random: Random) -> LocalSigner:
    """A P-256 key from that randomness."""
    while True:
        secret = int.from_bytes(random(32), "big")
        if 0 < secret < 2**255:  # below the group's order; every second try holds
            return LocalSigner.from_secret(secret)
