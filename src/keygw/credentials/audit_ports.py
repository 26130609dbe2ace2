"""What the audit trail needs from the store: a part of ``CredentialReads`` and ``CredentialTransaction``.

The contract suite is ``tests/contracts/test_audit_store_contract.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from keygw.model.audit import AuditEntry, AuditRecord


@dataclass(frozen=True, slots=True)
class SealedCheckpoint:
    """A checkpoint as it is stored. ``signed``: COSE_Sign1 (``token.audit``); the rest stands in it too."""

    first: int
    sequence: int
    at: int
    kid: bytes
    signed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A row as it is stored, for who checks it. ``encoded``: the entry's CBOR, made of the columns as they are now."""

    sequence: int
    encoded: bytes = field(repr=False)
    hash: bytes


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries are wanted; ``None`` does not filter. ``since``, ``until``: Unix seconds, the latter excluded."""

    tenant_id: str | None = None
    actor: str | None = None
    action: str | None = None
    vehicle_id: str | None = None
    key_id: str | None = None
    device_id: str | None = None
    since: int | None = None
    until: int | None = None


class AuditReads(Protocol):
    """Questions. Entries that a transaction has recorded are not seen before its commit."""

    async def audit_entries(self, after: int, limit: int, wanted: AuditFilter) -> Sequence[AuditRecord]:
        """Those with ``sequence > after``, ascending. ``StoreError`` audit_damaged for a row that cannot be read."""

    async def audit_newest(self, before: int, limit: int, wanted: AuditFilter) -> Sequence[AuditRecord]:
        """Those with ``sequence < before``, newest first. ``StoreError`` audit_damaged as above."""

    async def audit_rows(self, after: int, limit: int) -> Sequence[AuditRow]:
        """Those with ``sequence > after``, ascending, however damaged."""

    async def audit_head(self) -> tuple[int, bytes]:
        """Sequence and hash of the last entry; 0 and ``token.audit.GENESIS`` before the first."""

    async def audit_checkpoints(self, after: int, limit: int) -> Sequence[SealedCheckpoint]:
        """Those with ``sequence > after``, ascending."""

    async def last_audit_checkpoint(self) -> SealedCheckpoint | None: ...


class AuditWrites(Protocol):
    """Within a transaction."""

    def record(self, entry: AuditEntry) -> None:
        """Add it to the end of the chain when the transaction commits. ``ValueError`` if its data are too large."""

    async def add_audit_checkpoint(self, checkpoint: SealedCheckpoint) -> None:
        """``Conflict`` checkpoint_exists (retryable) unless it starts where the last one ended."""
