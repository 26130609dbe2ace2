"""The key log of a test rig: what opens a session for somebody who has watched it. Never for a vehicle in the field.

A text file, one line for each secret, words apart by one space, bytes in hexadecimal::

    HANDSHAKE <G_X> <PRK_2e> <TH_3>                          opens message_2 and message_3
    CHANNEL <name> <AAD> <key D> <IV D> <key V> <IV V>       opens what is sealed, in both directions

``name`` is what the air shows of that session: G_X of message_1, G_D of FAST, or SHA-256 of shareP when pairing. A line
opens that one session; K_fast, device keys and the pairing code are never in it. Lines that begin with # are remarks.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from keygw.crypto import aead
from keygw.crypto.aead import GcmKey
from keygw.crypto.errors import CryptoError
from keygw.model.errors import BadInput
from keygw.session.edhoc import SUITE_6, Schedule
from keygw.session.states import Side

MAX_SESSIONS = 100_000
_SIZES = {"HANDSHAKE": (32, 32, 32), "CHANNEL": (32, 32, 16, 12, 16, 12)}


class MalformedKeyLog(BadInput):
    """A line is not in the form. ``line`` counts from 1; what it holds is never told."""

    code = "malformed_key_log"

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line} of the key log {why}")
        self.line = line


@dataclass(frozen=True, slots=True)
class Handshake:
    """What opens message_2 and message_3 of one handshake."""

    prk_2e: bytes = field(repr=False)
    th_3: bytes = field(repr=False)

    def open_2(self, message_1: bytes, g_y: bytes, ciphertext: bytes) -> bytes:
        """``plaintext_2``; garbage if it is another's, for message_2 alone has no tag."""
        schedule = Schedule(SUITE_6)
        schedule.begin(message_1, g_y, b"")
        schedule.prk_2e = self.prk_2e
        stream = schedule.keystream_2(len(ciphertext))
        return bytes(left ^ right for left, right in zip(ciphertext, stream, strict=True))

    def open_3(self, body: bytes) -> bytes:
        """``plaintext_3``. ``CryptoError`` if it does not authenticate."""
        schedule = Schedule(SUITE_6)
        schedule.prk_3e2m, schedule.th_3 = self.prk_2e, self.th_3
        key, nonce, aad = schedule.key_3()
        return schedule.suite.aead.open(key, nonce, body, aad)


class OpenChannel:
    """Both directions of one channel, for one who reads. Each message is tried with the next counter first."""

    def __init__(self, transcript: bytes, keys: dict[Side, tuple[bytes, bytes]]) -> None:
        self._transcript = transcript
        self._keys = {side: (GcmKey(key), int.from_bytes(iv, "big")) for side, (key, iv) in keys.items()}
        self._counters = dict.fromkeys(keys, 0)

    def open(self, side: Side, message_type: int, sealed: bytes, skip: int) -> bytes:
        """The plaintext; up to ``skip`` messages may have been missed before it. ``CryptoError`` if it stays shut."""
        gcm, iv = self._keys[side]
        prefix = self._transcript + (b"\x00" if side is Side.DEVICE else b"\x01") + bytes((message_type,))
        expected = self._counters[side]
        for counter in range(expected, expected + skip + 1):
            try:
                opened = gcm.open(
                    (iv ^ counter).to_bytes(aead.NONCE_BYTES, "big"), sealed, prefix + counter.to_bytes(8, "big")
                )
            except CryptoError:
                continue
            self._counters[side] = counter + 1
            return opened
        raise CryptoError("the message does not authenticate")


class KeyLog:
    """The secrets by the names the air shows. ``feed`` takes more of the text, as it is written."""

    def __init__(self, text: str = "") -> None:
        self._handshakes: dict[bytes, Handshake] = {}
        self._channels: dict[bytes, tuple[bytes, ...]] = {}
        self._lines = 0
        self.feed(text)

    def __len__(self) -> int:
        return len(self._handshakes) + len(self._channels)

    def feed(self, text: str) -> None:
        """Whole lines. ``MalformedKeyLog``."""
        for line in text.splitlines():
            self._lines += 1
            if line and not line.startswith("#"):
                self._take(line)

    def handshake(self, g_x: bytes) -> Handshake | None:
        return self._handshakes.get(g_x)

    def channel(self, name: bytes) -> OpenChannel | None:
        """A reader of that channel, from its first message."""
        found = self._channels.get(name)
        if found is None:
            return None
        transcript, key_d, iv_d, key_v, iv_v = found
        return OpenChannel(transcript, {Side.DEVICE: (key_d, iv_d), Side.VEHICLE: (key_v, iv_v)})

    def _take(self, line: str) -> None:
        word, *values = line.split(" ")
        sizes = _SIZES.get(word)
        if sizes is None:
            raise MalformedKeyLog(self._lines, "begins with no word that it may begin with")
        try:
            name, *rest = [bytes.fromhex(value) for value in values]
        except ValueError:
            raise MalformedKeyLog(self._lines, "holds something else than hexadecimal digits") from None
        if tuple(map(len, (name, *rest))) != sizes:
            raise MalformedKeyLog(self._lines, "has values of another number or size")
        if len(self) >= MAX_SESSIONS:
            raise MalformedKeyLog(self._lines, f"is one too many: {MAX_SESSIONS} are kept")
        if word == "HANDSHAKE":
            self._handshakes[name] = Handshake(*rest)
        else:
            self._channels[name] = tuple(rest)

    def __repr__(self) -> str:
        return f"KeyLog({len(self)} sessions)"
