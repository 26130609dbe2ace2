"""The fast path: one round trip after HELLO, with a key that an earlier full handshake left on both sides.

It is keygw's own (``protocols/key_session``, "Fast path"); EDHOC does not know it. FAST is bound to the HELLO it
answers, to the vehicle and to both ephemeral keys, so it cannot be replayed, spliced or reflected, and needs no clock.
It has forward secrecy against a passive listener and for results; a faked HELLO followed by a theft of ``K_fast``
reveals that one command, and a stolen ``K_fast`` opens the car without the device key until it dies. So it is
short-lived, counted by the car, good for lock, unlock and trunk alone, and authorised like any command.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from keygw.crypto.agreement import EphemeralKey
from keygw.crypto.kdf import constant_time_equal, hkdf_expand, hkdf_extract, hmac256, sha256
from keygw.model.command import Action
from keygw.model.ids import id_bytes
from keygw.session.channel import Channel
from keygw.session.states import Side

LABEL_FAST = 32773
LABEL_IDENTIFICATION = 32774
"""EDHOC exporter labels (private use range) of ``K_fast`` and ``K_id``."""
SECRET_BYTES = 32
TAG_BYTES = 8
SESSION_HASH_BYTES = 8
MAX_USES = 100
MAX_SECONDS = 7 * 86_400
FAST_ACTIONS = frozenset({Action.UNLOCK, Action.LOCK, Action.OPEN_TRUNK})
"""Drive, share, pair and settings take the full handshake."""

Export = Callable[[int, bytes, int], bytes]


@dataclass(frozen=True, slots=True)
class FastKey:
    """What both sides keep of a full handshake. ``secret``: K_fast, ``identifier``: K_id, 32 bytes each."""

    key_id: str
    secret: bytes = field(repr=False)
    identifier: bytes = field(repr=False)

    @classmethod
    def derive(cls, export: Export, context: bytes, key_id: str) -> FastKey:
        """``context``: the exporter context of the channel, so the pair is of this HELLO, vehicle and key token."""
        return cls(
            key_id,
            export(LABEL_FAST, context, SECRET_BYTES),
            export(LABEL_IDENTIFICATION, context, SECRET_BYTES),
        )

    def tag(self, greeting: bytes, ephemeral: bytes) -> bytes:
        """ktag: who speaks, to this HELLO, with this G_D (M: without G_D a fake car that repeats a HELLO links)."""
        return hmac256(self.identifier, b"tag" + greeting + ephemeral)[:TAG_BYTES]

    def answers(self, tag: bytes, greeting: bytes, ephemeral: bytes) -> bool:
        """Whether this key made that tag; in constant time."""
        return constant_time_equal(self.tag(greeting, ephemeral), tag)


def open_channel(
    side: Side,
    key: FastKey,
    own: EphemeralKey,
    peer: bytes,
    *,
    vehicle_id: str,
    greeting: bytes,
    tag: bytes,
    g_d: bytes,
) -> tuple[Channel, bytes]:
    """The channel that FAST and FAST_RESULT begin, and the session hash. ``CryptoError`` for a low-order point.

    ``greeting``: INFO | HELLO (its body, which begins with the version). Keys and IVs come from
    ``HKDF-Expand(HKDF-Extract(K_fast, ECDH(G_D, G_V)), label | TH_F)``, a pair for each direction (M: one key for both
    reflects); AAD holds TH_F (M: unbound, messages splice across HELLOs).
    """
    th_f = sha256(id_bytes(vehicle_id, "veh") + greeting + tag + g_d)
    prk = hkdf_extract(key.secret, own.agree(peer))

    def export(label: int, context: bytes, length: int) -> bytes:
        return hkdf_expand(prk, label.to_bytes(2, "big") + context, length)

    return Channel(side, export, th_f, th_f), sha256(th_f)[:SESSION_HASH_BYTES]
