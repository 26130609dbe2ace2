"""The audit trail, for operators alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

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
        """Newest first; ``before``: a sequence."""
        require(app, Scope.APP_MANAGE)
        return await self._trail.newest(wanted, limit, before)

    def export(self, app: App, after: int) -> AsyncIterator[AuditRecord | SealedCheckpoint]:
        """The whole trail with its checkpoints, a page of it in memory at a time."""
        require(app, Scope.APP_MANAGE)
        return self._trail.export(after)

    async def check(self, app: App) -> Report:
        require(app, Scope.APP_MANAGE)
        return await self._trail.check()
