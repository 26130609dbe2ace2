"""Who vouches for a device key: attestation formats behind one port, judged where a device makes itself known.

A format that is not listed is refused, not ignored: whoever sends evidence wants it to count. Android Key and Apple App
Attest fit the same port; ``protocols/attestation`` says how.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from keygw.crypto.certificates import Roots
from keygw.model.device import AttestationLevel
from keygw.model.errors import BadInput, Forbidden, TokenError
from keygw.token.webauthn import FORMAT, RelyingParty, verify_packed

_FORM = frozenset({"attestation_malformed", "attestation_algorithm"})


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a platform says of a device key: the ``format``'s name, and its bytes."""

    format: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Attested:
    """What is proven of a device key. ``model``: hexadecimal; ``chain``: who vouches, up to the root, for people."""

    level: AttestationLevel
    format: str
    model: str
    chain: tuple[str, ...] = ()


class AttestationVerifier(Protocol):
    """One format. Implementations are pure: what they trust is theirs, time and challenge are given."""

    @property
    def format(self) -> str:
        """Its name, as evidence gives it: 1 to 24 printable ASCII characters."""

    def verify(self, evidence: bytes, challenge: bytes, device_key: bytes, now: float) -> Attested:
        """What the evidence proves of that key (33 bytes), for that challenge (32 bytes), at ``now`` (Unix seconds).

        ``TokenError`` with a code that begins with ``attestation_`` otherwise.
        """


class PackedVerifier:
    """WebAuthn "packed": ``basic`` under one of the roots, ``self`` where the key speaks for itself."""

    format = FORMAT

    def __init__(self, party: RelyingParty, roots: Roots) -> None:
        self._party = party
        self._roots = roots

    def verify(self, evidence: bytes, challenge: bytes, device_key: bytes, now: float) -> Attested:
        said = verify_packed(evidence, challenge, device_key, self._party, self._roots, now)
        level = AttestationLevel.BASIC if said.chain else AttestationLevel.SELF
        return Attested(level, FORMAT, said.aaguid.hex(), said.chain)


class Attestations:
    """Every format that this deployment judges; with none, every evidence is refused."""

    def __init__(self, *verifiers: AttestationVerifier) -> None:
        self._verifiers: Mapping[str, AttestationVerifier] = {each.format: each for each in verifiers}

    @property
    def formats(self) -> tuple[str, ...]:
        return tuple(sorted(self._verifiers))

    def judge(self, evidence: Evidence, challenge: bytes, device_key: bytes, now: float) -> Attested:
        """``BadInput`` attestation_format, attestation_malformed, attestation_algorithm; ``Forbidden`` with the other
        codes of ``token.webauthn.verify_packed``."""
        verifier = self._verifiers.get(evidence.format)
        if verifier is None:
            known = ", ".join(self.formats) or "none: the operator has configured no attestation"
            raise BadInput(
                f"attestations of this format are not judged here; known: {known}", code="attestation_format"
            )
        with _callers_evidence():
            return verifier.verify(evidence.data, challenge, device_key, now)


@contextmanager
def _callers_evidence() -> Iterator[None]:
    try:
        yield
    except TokenError as error:
        kind = BadInput if error.code in _FORM else Forbidden
        raise kind(str(error), code=error.code) from error
