"""FOR COMPARISON ONLY: method 3, both sides prove themselves with static Diffie-Hellman keys (RFC 9528, 3.2)."""

from __future__ import annotations

from collections.abc import Sequence

from keygw.crypto.agreement import StaticKey
from keygw.crypto.errors import CryptoError
from keygw.crypto.kdf import HASH_BYTES, constant_time_equal, hkdf_extract
from keygw.model.errors import ProtocolError
from keygw.session.edhoc.codec import Credential, Ead, encode_ead
from keygw.session.edhoc.initiator import InitiatorCore
from keygw.session.edhoc.responder import ResponderCore
from keygw.session.edhoc.schedule import Schedule, context_3, edhoc_kdf
from keygw.session.edhoc.suites import Suite

METHOD = 3


class StaticInitiator(InitiatorCore):
    """``receive_2``, then ``message_3``. ``static`` is the private half of ``own``."""

    METHOD = METHOD

    def __init__(
        self,
        suite: Suite,
        secret: bytes,
        connection_id: bytes,
        own: Credential,
        peer: Credential,
        static: StaticKey,
        *,
        before: Sequence[int] = (),
        ead_1: Sequence[Ead] = (),
    ) -> None:
        super().__init__(suite, secret, connection_id, own, peer, before=before, ead_1=ead_1)
        self._static = static

    def message_3(self, ead_3: Sequence[Ead] = ()) -> bytes:
        schedule = self.schedule
        mix_initiator(schedule, self._static.agree(self._g_y))
        self._ead = encode_ead(ead_3)
        return self._message_3(schedule.mac_3(context_3(self._own, schedule.th_3, self._ead), schedule.suite.mac_bytes))

    def _check_2(self, proof: object, context: bytes, ead: bytes) -> None:
        schedule = self.schedule
        mix_responder(schedule, self._agree(self._peer.public_key))
        _check_mac(proof, schedule.mac_2(context, schedule.suite.mac_bytes))


class StaticResponder(ResponderCore):
    """``receive_1``, ``message_2``, ``receive_3``. ``static`` is the private half of ``own``."""

    METHOD = METHOD

    def __init__(
        self,
        suites: Suite | Sequence[Suite],
        secret: bytes,
        connection_id: bytes,
        own: Credential,
        static: StaticKey,
    ) -> None:
        super().__init__(suites, secret, connection_id, own)
        self._static = static

    def message_2(self, ead_2: Sequence[Ead] = ()) -> bytes:
        schedule = self.schedule
        try:
            mix_responder(schedule, self._static.agree(self.g_x))
        except CryptoError as error:
            raise ProtocolError("the peer's ephemeral key is not acceptable") from error
        self._ead = encode_ead(ead_2)
        return self._message_2(schedule.mac_2(self._context_2(), schedule.suite.mac_bytes))

    def _check_3(self, peer: Credential, proof: object, context: bytes, ead: bytes) -> None:
        schedule = self.schedule
        mix_initiator(schedule, self._agree(peer.public_key))
        _check_mac(proof, schedule.mac_3(context, schedule.suite.mac_bytes))


def mix_responder(schedule: Schedule, g_rx: bytes) -> None:
    """PRK_3e2m of a responder with a static key (section 4.1.1.2)."""
    salt = edhoc_kdf(schedule.prk_2e, 1, schedule.th_2, HASH_BYTES)
    schedule.prk_3e2m = schedule.prk_4e3m = hkdf_extract(salt, g_rx)


def mix_initiator(schedule: Schedule, g_iy: bytes) -> None:
    """PRK_4e3m of an initiator with a static key (section 4.1.1.3)."""
    schedule.prk_4e3m = hkdf_extract(edhoc_kdf(schedule.prk_3e2m, 5, schedule.th_3, HASH_BYTES), g_iy)


def _check_mac(proof: object, mac: bytes) -> None:
    if not isinstance(proof, bytes) or len(proof) != len(mac):
        raise ProtocolError("a MAC has a wrong length")
    if not constant_time_equal(proof, mac):
        raise ProtocolError("the peer's MAC does not hold")
