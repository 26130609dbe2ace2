"""The audit trail as a service: it is read, checked, and sealed in batches by the issuer's signature."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

from keygw.credentials.audit_check import PAGE, Report, check_stored
from keygw.credentials.audit_ports import AuditFilter, SealedCheckpoint
from keygw.credentials.ports import CredentialStore
from keygw.credentials.values import IssuerKeys
from keygw.model.audit import AuditCheckpoint, AuditRecord
from keygw.model.errors import BadInput, Conflict
from keygw.token.audit import sign_checkpoint

SEAL_ENTRIES = 256
SEAL_SECONDS = 60
"""A checkpoint is signed when that many entries wait for one, or the first of them for so long."""
MOST = 1000
_END = 2**62


class Marker(Protocol):
    """A place outside the database where the newest checkpoint is kept: it outlives a tail that is cut off."""

    async def read(self) -> bytes | None: ...
    async def write(self, signed: bytes) -> None: ...


class Trail:
    """``clock``: Unix seconds. ``marker``: ``None`` keeps no checkpoint outside."""

    def __init__(
        self, store: CredentialStore, issuer: IssuerKeys, clock: Callable[[], float], marker: Marker | None = None
    ) -> None:
        self._store = store
        self._issuer = issuer
        self._clock = clock
        self._marker = marker
        self._waits_since: float | None = None

    async def seal_if_due(self) -> SealedCheckpoint | None:
        """``seal``, if enough entries wait or one has waited long enough; else ``None``."""
        last = await self._store.last_audit_checkpoint()
        sequence, _ = await self._store.audit_head()
        waiting = sequence - (last.sequence if last else 0)
        if waiting <= 0:
            self._waits_since = None
            return None
        if self._waits_since is None:
            self._waits_since = self._clock()
        if waiting < SEAL_ENTRIES and 0 <= self._clock() - self._waits_since < SEAL_SECONDS:
            return None
        return await self.seal()

    async def seal(self) -> SealedCheckpoint | None:
        """Sign a checkpoint over what no checkpoint covers yet; ``None`` if there is nothing, or another process did.

        ``SignerError`` if the issuer's key cannot be used now; the entries wait.
        """
        last = await self._store.last_audit_checkpoint()
        sequence, head = await self._store.audit_head()
        first = (last.sequence if last else 0) + 1
        if sequence < first:
            return None
        issuer, at = self._issuer.current, int(self._clock())
        signed = sign_checkpoint(AuditCheckpoint(first, sequence, head, at), issuer.signer, issuer.kid)
        sealed = SealedCheckpoint(first, sequence, at, issuer.kid, signed)
        try:
            await self._store.write(lambda tx: tx.add_audit_checkpoint(sealed))
        except Conflict:
            return None
        self._waits_since = None
        if self._marker is not None:
            await self._marker.write(signed)
        return sealed

    async def newest(self, wanted: AuditFilter, limit: int = 100, before: int | None = None) -> Sequence[AuditRecord]:
        """The last entries of that kind, newest first. ``limit``: 1 to 1000. ``before``: a sequence."""
        return await self._store.audit_newest(_END if before is None else before, _checked(limit), wanted)

    async def entries(self, wanted: AuditFilter, limit: int = 100, after: int = 0) -> Sequence[AuditRecord]:
        """Ascending. ``after``: the last sequence already seen."""
        return await self._store.audit_entries(after, _checked(limit), wanted)

    async def export(self, after: int = 0) -> AsyncIterator[AuditRecord | SealedCheckpoint]:
        """Everything, each checkpoint behind the entry it names; a page of it in memory at a time."""
        sealed = after
        while records := await self._store.audit_entries(after, PAGE, AuditFilter()):
            after = records[-1].sequence
            waiting = [each for each in await self._store.audit_checkpoints(sealed, PAGE) if each.sequence <= after]
            at = 0
            for record in records:
                yield record
                while at < len(waiting) and waiting[at].sequence <= record.sequence:
                    yield waiting[at]
                    sealed, at = waiting[at].sequence, at + 1

    async def check(self) -> Report:
        """The whole trail against its checkpoints and the one that is kept outside."""
        marker = None if self._marker is None else await self._marker.read()
        return await check_stored(self._store, self._issuer.ever, marker)


def _checked(limit: int) -> int:
    if not 1 <= limit <= MOST:
        raise BadInput(f"limit is 1 to {MOST}")
    return limit
