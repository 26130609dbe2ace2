"""What the rotation of issuer keys needs: its rows, and places where private keys are kept (law 5).

The contract suites are ``tests/contracts/test_issuer_store_contract.py`` and ``test_signers_contract.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from keygw.credentials.issuer_keys import IssuerKeyRecord
from keygw.crypto.signer import Signer


@dataclass(frozen=True, slots=True)
class StatementRecord:
    """A signed statement (``token.issuer_key``) that brings the key ``kid`` to vehicles, or draws an end nearer."""

    sequence: int
    kid: bytes
    signed: bytes = field(repr=False)


class IssuerKeyReads(Protocol):
    async def issuer_keys(self) -> Sequence[IssuerKeyRecord]:
        """All there ever were, by ordinal."""

    async def vehicles_signed_by(self, kid: bytes, at: int, after: str, limit: int) -> Sequence[str]:
        """Ids, ascending and above ``after``, of vehicles with something in force that this key signed: the token of a
        key which is active or suspended and has not ended at ``at`` (Unix seconds), or the newest list.

        It looks at every row: for the end of an issuer key, not for every day.
        """

    async def longest_token(self, kid: bytes) -> int:
        """The greatest ``exp`` among the newest tokens that this key signed, Unix seconds; 0 for none."""

    async def issuer_statements(self, after: int) -> Sequence[StatementRecord]:
        """Those with ``sequence > after``, ascending."""

    async def issuer_key_ack(self, vehicle_id: str) -> int:
        """The newest statement that the vehicle has taken in, by its sequence; 0 for none."""

    async def vehicles_told(self, sequence: int) -> int:
        """How many vehicles have taken in this statement or a later one."""

    async def former_token(self, key_id: str) -> bytes | None:
        """The CWT that its vehicle can still check: signed before a change of the issuer's key that it has not heard
        of."""


class IssuerKeyWrites(IssuerKeyReads, Protocol):
    async def add_issuer_key(self, record: IssuerKeyRecord) -> None:
        """``Conflict`` issuer_key_exists if the ordinal, the kid, or a ``next`` or ``current`` one is there."""

    async def save_issuer_key(self, record: IssuerKeyRecord) -> None:
        """State and times of the key with that kid. ``Conflict`` issuer_key_exists: a second next or current one."""

    async def add_issuer_statement(self, record: StatementRecord) -> None:
        """``Conflict`` issuer_key_exists if the sequence is taken."""

    async def acknowledge_issuer_key(self, vehicle_id: str, sequence: int, kid: bytes, ack: bytes) -> None:
        """Keep the vehicle's word in place of the one before: a vehicle may have forgotten."""

    async def keep_former_token(self, key_id: str, vehicle_id: str, cwt: bytes) -> None:
        """Unless one is kept already, which the vehicle can check in any case."""

    async def drop_former_tokens(self, vehicle_id: str) -> None: ...


class Signers(Protocol):
    """Where private keys are kept. Every signer that comes from here has proved that it signs with its public key."""

    async def make(self, place: str | None, ordinal: int) -> tuple[str, Signer]:
        """The issuer's key of that ordinal and its reference, durable on return.

        Asked again for the same, as after a crash before the key was written down, it gives the same key. ``place``:
        where, or ``None`` for the configured one. ``BadInput`` bad_signer; ``StoreError``, ``SignerError``.
        """

    async def open(self, reference: str) -> Signer:
        """The key behind a reference that ``make`` gave. ``StoreError`` key_file_missing, ...; ``SignerError``."""
