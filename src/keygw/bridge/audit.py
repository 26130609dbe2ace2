"""The audit trail, for operators alone. The chain is that of the whole gateway, and so are its check and its export."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from keygw.bridge.access import require
from keygw.bridge.ports import AuditTrail
from keygw.bridge.records import App
from keygw.bridge.scopes import Scope
from keygw.credentials.audit_check import Report
from keygw.credentials.audit_ports import AuditFilter, SealedCheckpoint
from keygw.model.audit import AuditRecord


class Audit:
    def __init__(self, trail: AuditTrail) -> None:
        self._trail = trail

    async def newest(
        self, app: App, wanted: AuditFilter, limit: int, before: int | None = None
    ) -> Sequence[AuditRecord]:
        """Newest first; ``before``: a sequence. An operator of one tenant reads the entries of that tenant."""
        require(app, Scope.AUDIT_READ)
        if not app.platform:
            if wanted.tenant_id not in (None, app.tenant_id):
                return []
            wanted = replace(wanted, tenant_id=app.tenant_id)
        return await self._trail.newest(wanted, limit, before)

    def export(self, app: App, after: int) -> AsyncIterator[AuditRecord | SealedCheckpoint]:
        """The whole trail with its checkpoints, a page of it in memory at a time."""
        require(app, Scope.AUDIT_VERIFY)
        return self._trail.export(after)

    async def check(self, app: App) -> Report:
        require(app, Scope.AUDIT_VERIFY)
        return await self._trail.check()
