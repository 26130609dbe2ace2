"""The vehicle's half."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence

from keygw.crypto.errors import CryptoError
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
from keygw.session.edhoc.suites import EPHEMERAL_BYTES, Suite, decode_suites, select
from keygw.wire import cbor

Resolve = Callable[[bytes], Credential]
"""ID_CRED_I (the encoded map) to the credential that it names; raises ``ProtocolError``, or whatever says why not."""


class ResponderCore(Party, ABC):
    """All but how the two sides prove themselves."""

    def __init__(self, suites: Suite | Sequence[Suite], secret: bytes, connection_id: bytes, own: Credential) -> None:
        super().__init__(secret, connection_id, own)
        self._suites = (suites,) if isinstance(suites, Suite) else tuple(suites)
        self.peer_connection_id = b""
        self.ead_1: list[Ead] = []

    def receive_1(self, message_1: bytes, critical: Collection[int] = ()) -> None:
        """Read message_1 and agree. Leaves EAD_1 in ``ead_1``, see ``decode_ead`` for ``critical``.

        ``SuiteRefused`` for a suite that is not ours, ``ProtocolError`` for another method or anything else.
        """
        items = cbor.split_sequence(message_1)
        if len(items) < 4:
            raise ProtocolError("message_1 is malformed")
        method, offered, g_x = [value for value, _ in items[:3]]
        if not cbor.is_uint(method) or method != self.METHOD:
            raise ProtocolError("method not accepted")
        self._start(select(decode_suites(offered), self._suites))
        if not isinstance(g_x, bytes) or len(g_x) != EPHEMERAL_BYTES:
            raise ProtocolError("message_1 is malformed")
        self.peer_connection_id = decode_identifier(items[3])
        self.ead_1, _ = decode_ead(items[4:], critical)
        self.g_x = g_x
        self.schedule.begin(message_1, self._ephemeral.public, self._agree(g_x))

    def receive_3(self, message_3: bytes, resolve: Resolve, critical: Collection[int] = ()) -> list[Ead]:
        """Check the initiator's proof against the credential that ``resolve`` finds. Returns EAD_3."""
        body = only_item(message_3)
        schedule = self.schedule
        key, nonce, aad = schedule.key_3()
        try:
            plaintext = schedule.suite.aead.open(key, nonce, body, aad)
        except CryptoError as error:
            raise ProtocolError("message_3 does not authenticate") from error
        items = cbor.split_sequence(plaintext)
        if len(items) < 2:
            raise ProtocolError("message_3 is malformed")
        ead_3, ead = decode_ead(items[2:], critical)
        peer = resolve(decode_id_cred(items[0]))
        self._check_3(peer, items[1][0], context_3(peer, schedule.th_3, ead), ead)
        schedule.after_3(plaintext, peer.cred)
        return ead_3

    def _context_2(self) -> bytes:
        return context_2(encode_identifier(self._connection_id), self._own, self.schedule.th_2, self._ead)

    def _message_2(self, proof: bytes) -> bytes:
        schedule = self.schedule
        c_r, id_cred = encode_identifier(self._connection_id), encode_id_cred(self._own.id_cred)
        plaintext = c_r + id_cred + cbor.byte_string(proof) + self._ead
        ciphertext = xor(plaintext, schedule.keystream_2(len(plaintext)))
        schedule.after_2(plaintext, self._own.cred)
        return cbor.byte_string(self._ephemeral.public + ciphertext)

    @abstractmethod
    def _check_3(self, peer: Credential, proof: object, context: bytes, ead: bytes) -> None:
        """``ProtocolError`` unless the peer has proven itself."""


class Responder(ResponderCore):
    """Method 0: ``receive_1``, ``to_be_signed``, ``message_2``, ``receive_3``."""

    def to_be_signed(self, ead_2: Sequence[Ead] = ()) -> bytes:
        """What the vehicle key must sign for message_2."""
        self._ead = encode_ead(ead_2)
        schedule = self.schedule
        return to_be_signed(self._own, schedule.th_2, self._ead, schedule.mac_2(self._context_2()))

    def message_2(self, signature: bytes) -> bytes:
        return self._message_2(signature)

    def _check_3(self, peer: Credential, proof: object, context: bytes, ead: bytes) -> None:
        schedule = self.schedule
        self._check_signature(peer, proof, schedule.th_3, ead, schedule.mac_3(context))
