"""Cipher suites (RFC 9528 section 3.6), and which one a message_1 selects (section 5.2.3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from keygw.crypto import signer
from keygw.crypto.aead import A128GCM, Aead
from keygw.crypto.agreement import AgreementKey, EphemeralKey
from keygw.model.errors import ProtocolError
from keygw.wire import cbor

EPHEMERAL_BYTES = 32
"""Of a private key's randomness and of G_X and G_Y, on both curves."""
MAX_SUITES = 16


@dataclass(frozen=True, slots=True)
class Suite:
    """One suite; every one here hashes with SHA-256.

    ``mac_bytes``: of MAC_2 and MAC_3 where they stand for themselves and are not signed. ``key``: a private key of the
    suite's curve from 32 random bytes. ``verify(public_key, signature, message)`` raises ``CryptoError``.
    """

    number: int
    aead: Aead
    mac_bytes: int
    key: Callable[[bytes], AgreementKey]
    verify: Callable[[bytes, bytes, bytes], None]


SUITE_6 = Suite(6, A128GCM(), 16, EphemeralKey, signer.verify)
"""A128GCM, SHA-256, X25519, ES256: the one suite that production accepts."""


class SuiteRefused(ProtocolError):
    """message_1 selects a suite that this responder does not take. ``suites``: SUITES_R of section 6.3."""

    def __init__(self, suites: Sequence[int]) -> None:
        super().__init__("cipher suite not accepted")
        self.suites = tuple(suites)


def encode_suites(numbers: Sequence[int]) -> bytes:
    """SUITES_I or SUITES_R: a lone suite is an integer, more are an array (sections 5.2.1 and 6.3)."""
    return cbor.integer(numbers[0]) if len(numbers) == 1 else cbor.encode(list(numbers))


def decode_suites(item: object) -> list[int]:
    numbers = item if isinstance(item, list) and 2 <= len(item) <= MAX_SUITES else [item]
    plain = [number for number in numbers if isinstance(number, int) and not isinstance(number, bool)]
    if len(plain) != len(numbers) or len(set(plain)) != len(plain):
        raise ProtocolError("the list of cipher suites is malformed")
    return plain


def select(offered: Sequence[int], supported: Sequence[Suite]) -> Suite:
    """The suite of a SUITES_I, its last; ``SuiteRefused`` unless that is the first of them that is supported.

    A supported suite before the selected one means that the initiator was talked out of it.
    """
    common = [suite for number in offered for suite in supported if suite.number == number]
    if not common:
        raise SuiteRefused([suite.number for suite in supported])
    if common[0].number != offered[-1]:
        raise SuiteRefused([common[0].number])
    return common[0]
