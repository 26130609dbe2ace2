"""What the two roles share."""

from __future__ import annotations

from keygw.crypto.errors import CryptoError
from keygw.model.errors import ProtocolError
from keygw.session.edhoc.codec import Credential
from keygw.session.edhoc.schedule import Schedule, to_be_signed
from keygw.session.edhoc.suites import Suite


class Party:
    """An ephemeral key, and a key schedule once both halves are known."""

    METHOD = 0
    """Both sides sign (RFC 9528 section 3.2)."""
    schedule: Schedule
    g_x: bytes
    """The initiator's ephemeral public key, which is on the air."""

    def __init__(self, secret: bytes, connection_id: bytes, own: Credential) -> None:
        self._secret = secret
        self._connection_id = connection_id
        self._own = own
        self._ead = b""

    def export(self, label: int, context: bytes, length: int) -> bytes:
        """EDHOC_Exporter; the same on both sides once message_3 has been made, or taken."""
        return self.schedule.export(label, context, length)

    @property
    def th_4(self) -> bytes:
        return self.schedule.th_4

    def _start(self, suite: Suite) -> None:
        self._ephemeral = suite.key(self._secret)
        self.schedule = Schedule(suite)

    def _agree(self, peer: bytes) -> bytes:
        try:
            return self._ephemeral.agree(peer)
        except CryptoError as error:
            raise ProtocolError("the peer's ephemeral key is not acceptable") from error

    def _check_signature(self, peer: Credential, proof: object, transcript: bytes, ead: bytes, mac: bytes) -> None:
        if not isinstance(proof, bytes):
            raise ProtocolError("expected a signature")
        try:
            self.schedule.suite.verify(peer.public_key, proof, to_be_signed(peer, transcript, ead, mac))
        except CryptoError as error:
            raise ProtocolError("the peer's signature does not verify") from error


def xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(len(left), "big")
