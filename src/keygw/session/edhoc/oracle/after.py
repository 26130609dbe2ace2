"""FOR COMPARISON ONLY: message_4 (RFC 9528 section 5.5) and key update (appendix H).

A session has RESULT in the place of message_4, and ends before its keys would need an update.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from keygw.crypto.errors import CryptoError
from keygw.crypto.kdf import HASH_BYTES
from keygw.model.errors import ProtocolError
from keygw.session.edhoc.codec import Ead, decode_ead, encode_ead, only_item
from keygw.session.edhoc.initiator import InitiatorCore
from keygw.session.edhoc.responder import ResponderCore
from keygw.session.edhoc.schedule import Schedule, edhoc_kdf
from keygw.wire import cbor


def message_4(responder: ResponderCore, ead_4: Sequence[Ead] = ()) -> bytes:
    """The responder's key confirmation, after ``receive_3``."""
    key, nonce, aad = responder.schedule.key_4()
    return cbor.byte_string(responder.schedule.suite.aead.seal(key, nonce, encode_ead(ead_4), aad))


def receive_4(initiator: InitiatorCore, message: bytes, critical: Collection[int] = ()) -> list[Ead]:
    """EAD_4; ``ProtocolError`` unless the responder holds the same keys."""
    body = only_item(message)
    key, nonce, aad = initiator.schedule.key_4()
    try:
        plaintext = initiator.schedule.suite.aead.open(key, nonce, body, aad)
    except CryptoError as error:
        raise ProtocolError("message_4 does not authenticate") from error
    return decode_ead(cbor.split_sequence(plaintext), critical)[0]


def key_update(schedule: Schedule, context: bytes) -> None:
    """EDHOC_KeyUpdate: new PRK_out and PRK_exporter from the old and a context that both sides know."""
    schedule.prk_out = edhoc_kdf(schedule.prk_out, 11, context, HASH_BYTES)
    schedule.prk_exporter = edhoc_kdf(schedule.prk_out, 10, b"", HASH_BYTES)
