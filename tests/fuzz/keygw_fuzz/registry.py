"""Every target there is, and every parser that needs none.

A new parser: add a ``Target`` to the ``of_...`` module of its room, naming it in ``covers``. That is all; the suite,
``make fuzz`` and the corpora find it here.
"""

from __future__ import annotations

from functools import cache

from keygw_fuzz import (
    of_attestation,
    of_car,
    of_crypto,
    of_edhoc,
    of_session,
    of_streams,
    of_token,
    of_trace,
    of_webhooks,
    of_wire,
)
from keygw_fuzz.target import Target

_ROOMS = (
    of_crypto, of_token, of_attestation, of_wire, of_edhoc, of_session, of_trace, of_car, of_streams, of_webhooks,
)  # fmt: skip

TARGETS: dict[str, Target] = {target.name: target for module in _ROOMS for target in module.TARGETS}

NOT_FUZZED: dict[str, str] = {
    "crypto.aead.Aead.open": "a protocol's method: its implementations are covered",
    "crypto.agreement.StaticKey.agree": "a protocol's method: its implementations are covered",
    "crypto.spake2plus.secret_of": "makes the secret of a code that our own user typed",
    "crypto.signer.LocalSigner.from_secret": "takes a number of our own, no bytes of a peer's",
    "session.pairing.context_of": "hashes what covered parsers have read",
    "session.identity.rotating_id": "makes one from our own key; what is heard goes through wire.gatt",
    "session.device.DeviceSession.push_list": "sends; nothing of a peer's",
    "token.audit.decode_data": "reads our own rows by crypto.cbor.decode, which is covered",
    "token.claims.check_number": "takes one number that a covered parser has read",
    "token.claims.check_issuer": "takes one name that a covered parser has read",
    "token.grant.check_grant": "takes a grant that verify_grant gave, and verified claims",
    "token.grant.check_within": "takes a grant that verify_grant gave, and verified claims",
    "token.jws._Es256.from_jwk": "refuses always: keys never come from a token",
    "token.dpop._hash_of": "hashes a token that a covered parser reads beside it",
    "token.dpop.thumbprint_of": "takes a key that a covered parser has read",
    "token.jws.check_signature": "called behind covered parsers alone, of the same text",
    "token.jws._Es256.verify": "called by open_jws alone, which is covered",
    "token.policy.check_time": "takes verified claims, no bytes",
    "token.policy.check_vehicle": "takes verified claims, no bytes",
    "token.receipt.verify_chain": "takes receipts that verify_receipt gave",
    "token.ticket.check_ticket": "takes a ticket that verify_ticket gave",
    "token.trust.kid_of": "names a key of our own configuration",
    "token.trust.IssuerKey.of": "takes keys of our own configuration",
    "wire.frame.Fragmenter.split": "sends; nothing of a peer's",
    "wire.messages.Cmd.of": "takes an item that Cmd.decode or Intent.decode has read",
}
"""Names that look like a parser's, each with why it is none, or needs no target of its own."""


@cache
def ordered() -> tuple[Target, ...]:
    return tuple(TARGETS[name] for name in sorted(TARGETS))
