"""The AEAD command channel: AES-128-GCM, one key and one counter per direction.

Nonce: the direction's 12-byte IV xor the counter (64 bits, big-endian, right-aligned). The counter starts at 0, is
never sent, and steps by one a message, so a lost, repeated or reordered message does not authenticate. AAD: TH_4 |
direction (1) | type (1) | counter (8). Keys and IVs come from EDHOC_Exporter.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from keygw.crypto import aead
from keygw.crypto.aead import GcmKey
from keygw.crypto.errors import CryptoError
from keygw.model.errors import ProtocolError
from keygw.session.states import Side

LABEL_KEY = {Side.DEVICE: 32769, Side.VEHICLE: 32770}
LABEL_IV = {Side.DEVICE: 32771, Side.VEHICLE: 32772}
"""EDHOC exporter labels (private use range, RFC 9528 section 10.1) for what each side sends."""
MAX_MESSAGES = 2**32

Export = Callable[[int, bytes, int], bytes]


class _Direction:
    """Derived when its first message comes: many a session carries one RESULT and not a single command."""

    def __init__(self, side: Side, export: Export, context: bytes, th_4: bytes) -> None:
        self.gcm = GcmKey(export(LABEL_KEY[side], context, aead.KEY_BYTES))
        self._iv = int.from_bytes(export(LABEL_IV[side], context, aead.NONCE_BYTES), "big")
        self._prefix = th_4 + (b"\x00" if side is Side.DEVICE else b"\x01")
        self._counter = 0

    def next(self, message_type: int) -> tuple[bytes, bytes]:
        """Nonce and AAD of the next message; the counter moves on and never wraps."""
        if self._counter >= MAX_MESSAGES:
            raise ProtocolError("the channel is used up")
        nonce = (self._iv ^ self._counter).to_bytes(aead.NONCE_BYTES, "big")
        aad = self._prefix + bytes((message_type,)) + self._counter.to_bytes(8, "big")
        self._counter += 1
        return nonce, aad


class Channel:
    """Both directions, from the point of view of ``side``."""

    def __init__(self, side: Side, export: Export, context: bytes, th_4: bytes) -> None:
        self._side = side
        self._derive = export, context, th_4

    @cached_property
    def _out(self) -> _Direction:
        return _Direction(self._side, *self._derive)

    @cached_property
    def _in(self) -> _Direction:
        return _Direction(self._side.other, *self._derive)

    @property
    def derivation(self) -> tuple[Export, bytes, bytes]:
        """What both directions come from, for the key log of a test rig: exporter, its context, TH_4."""
        return self._derive

    def seal(self, message_type: int, plaintext: bytes) -> bytes:
        nonce, aad = self._out.next(message_type)
        return self._out.gcm.seal(nonce, plaintext, aad)

    def open(self, message_type: int, ciphertext: bytes) -> bytes:
        """``ProtocolError`` unless this is the very next message the peer sealed with this type."""
        nonce, aad = self._in.next(message_type)
        try:
            return self._in.gcm.open(nonce, ciphertext, aad)
        except CryptoError as error:
            raise ProtocolError("a message of the channel does not authenticate") from error

    def __repr__(self) -> str:
        return "Channel(...)"
