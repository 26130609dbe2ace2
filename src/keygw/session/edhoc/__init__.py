"""EDHOC (RFC 9528), sans-IO: method 0 (both sides sign) with cipher suite 6. That is all a session can reach.

``Initiator`` and ``Responder`` stop where a signature is needed and hand out the bytes to be signed, so that the
private key can live in an enclave, an HSM or another process. Everything a peer can get wrong is a ``ProtocolError``.

``keygw.session.edhoc.oracle`` adds what RFC 9529's traces and independent peers need to be compared with (method 3,
suites 0, 2 and 3, negotiation, message_4, key update); nothing in ``keygw`` imports it.
"""

from keygw.session.edhoc.codec import Credential, Ead, token_of
from keygw.session.edhoc.initiator import Initiator
from keygw.session.edhoc.responder import Responder
from keygw.session.edhoc.schedule import Schedule, edhoc_kdf
from keygw.session.edhoc.suites import EPHEMERAL_BYTES, SUITE_6, Suite, SuiteRefused

__all__ = [
    "EPHEMERAL_BYTES",
    "SUITE_6",
    "Credential",
    "Ead",
    "Initiator",
    "Responder",
    "Schedule",
    "Suite",
    "SuiteRefused",
    "edhoc_kdf",
    "token_of",
]
