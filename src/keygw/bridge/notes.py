"""What the bridge's own changes leave behind: an audit entry, and word to the other gateways that a token has ended."""

from __future__ import annotations

from keygw.bridge.people_ports import Note
from keygw.bridge.ports import Clock
from keygw.bridge.records import App
from keygw.model.audit import AuditEntry, Datum


class Notes:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def note(self, by: App, action: str, tenant_id: str | None, **data: Datum) -> Note:
        """``action``: of ``model.audit.ACTIONS``."""
        return Note(AuditEntry(int(self._clock()), by.actor, action, tenant_id, data=data))

    def telling(self, by: App, action: str, tenant_id: str | None, announce: str, **data: Datum) -> Note:
        """The same with word to the other gateways on the database (``neighbours``)."""
        return Note(AuditEntry(int(self._clock()), by.actor, action, tenant_id, data=data), announce)

    def ending(self, by: App, action: str, tenant_id: str | None, ended: str, **data: Datum) -> Note:
        """The same where the token of that app or operator ends with it: ``Apps.look`` hears of it."""
        return self.telling(by, action, tenant_id, f"app {ended}", **data)
