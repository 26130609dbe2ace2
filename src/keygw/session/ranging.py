"""What binds a distance measurement to a session: a key of its own for every round.

``K_range`` comes from the handshake, the round's key from that: 16 bytes, the size that IEEE 802.15.4z takes for its
scrambled timestamp sequence, and LE encryption for its long term key. A signal made with another key, that of another
session or round included, is noise to this round's receiver.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from keygw.crypto.kdf import hkdf_expand
from keygw.wire.ranging import RangingMethod

LABEL_RANGING = 32775
"""EDHOC exporter label (private use range) of K_range."""
SECRET_BYTES = 32
KEY_BYTES = 16


@dataclass(frozen=True, slots=True)
class RangingSecret:
    """K_range of one session, 32 bytes."""

    secret: bytes = field(repr=False)

    def key(self, number: int, method: RangingMethod) -> bytes:
        """What the radios of both sides take for that round, and for no other."""
        return hkdf_expand(self.secret, b"keygw range" + bytes((method,)) + number.to_bytes(4, "big"), KEY_BYTES)
