"""The device's half."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence

from keygw.model.errors import ProtocolError
from keygw.session.edhoc.codec import (
    Credential,
    Ead,
    decode_ead,
    decode_id_cred,
    decode_identifier,
    encode_ead,
    encode_id_cred,
    encode_identifier,
    only_item,
)
from keygw.session.edhoc.party import Party, xor
from keygw.session.edhoc.schedule import context_2, context_3, to_be_signed
from keygw.session.edhoc.suites import EPHEMERAL_BYTES, Suite, encode_suites
from keygw.wire import cbor


class InitiatorCore(Party, ABC):
    """All but how the two sides prove themselves. ``peer`` is the one responder it means, fixed before message_1.

    ``before``: suites that the initiator prefers to ``suite`` and the responder has refused (section 5.2.2).
    """

    def __init__(
        self,
        suite: Suite,
        secret: bytes,
        connection_id: bytes,
        own: Credential,
        peer: Credential,
        *,
        before: Sequence[int] = (),
        ead_1: Sequence[Ead] = (),
    ) -> None:
        super().__init__(secret, connection_id, own)
        self._start(suite)
        self.g_x = self._ephemeral.public
        self._peer = peer
        self.ead_2: list[Ead] = []
        self.message_1 = (
            cbor.integer(self.METHOD)
            + encode_suites([*before, suite.number])
            + cbor.byte_string(self._ephemeral.public)
            + encode_identifier(connection_id)
            + encode_ead(ead_1)
        )

    def receive_2(self, message_2: bytes, critical: Collection[int] = ()) -> bytes:
        """Check the responder's proof. Returns C_R; leaves EAD_2 in ``ead_2``, see ``decode_ead`` for ``critical``."""
        body = only_item(message_2)
        if len(body) <= EPHEMERAL_BYTES:
            raise ProtocolError("message_2 is malformed")
        g_y, ciphertext = body[:EPHEMERAL_BYTES], body[EPHEMERAL_BYTES:]
        schedule = self.schedule
        schedule.begin(self.message_1, g_y, self._agree(g_y))
        self._g_y = g_y
        plaintext = xor(ciphertext, schedule.keystream_2(len(ciphertext)))
        items = cbor.split_sequence(plaintext)
        if len(items) < 3:
            raise ProtocolError("message_2 is malformed")
        c_r = decode_identifier(items[0])
        if decode_id_cred(items[1]) != self._peer.id_cred:
            raise ProtocolError("message_2 names another credential")
        self.ead_2, ead = decode_ead(items[3:], critical)
        self._check_2(items[2][0], context_2(items[0][1], self._peer, schedule.th_2, ead), ead)
        schedule.after_2(plaintext, self._peer.cred)
        return c_r

    @abstractmethod
    def _check_2(self, proof: object, context: bytes, ead: bytes) -> None:
        """``ProtocolError`` unless the peer has proven itself."""

    def _message_3(self, proof: bytes) -> bytes:
        schedule = self.schedule
        plaintext = encode_id_cred(self._own.id_cred) + cbor.byte_string(proof) + self._ead
        key, nonce, aad = schedule.key_3()
        schedule.after_3(plaintext, self._own.cred)
        return cbor.byte_string(schedule.suite.aead.seal(key, nonce, plaintext, aad))


class Initiator(InitiatorCore):
    """Method 0: ``receive_2``, ``to_be_signed``, ``message_3``."""

    def to_be_signed(self, ead_3: Sequence[Ead] = ()) -> bytes:
        """What the device key must sign for message_3."""
        schedule = self.schedule
        self._ead = encode_ead(ead_3)
        mac = schedule.mac_3(context_3(self._own, schedule.th_3, self._ead))
        return to_be_signed(self._own, schedule.th_3, self._ead, mac)

    def message_3(self, signature: bytes) -> bytes:
        return self._message_3(signature)

    def _check_2(self, proof: object, context: bytes, ead: bytes) -> None:
        schedule = self.schedule
        self._check_signature(self._peer, proof, schedule.th_2, ead, schedule.mac_2(context))
