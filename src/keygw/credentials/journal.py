"""What is written beside every change, in its transaction: an entry of the audit trail, and the event to tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from keygw.credentials.actors import kind_of
from keygw.credentials.audit_ports import AuditWrites
from keygw.credentials.outbox_ports import OutboxEvent, OutboxWrites, Told
from keygw.credentials.values import Notify
from keygw.model.audit import DONE, AuditEntry, Datum
from keygw.model.digital_key import DigitalKey


class JournalTransaction(AuditWrites, OutboxWrites, Protocol):
    """The part of a transaction that the journal writes through."""


class Journal:
    """``clock``: Unix seconds. ``notify`` hears of each event once it is durable.

    Entries that a transaction records stand in the trail in their order, in one chain with everybody else's; nothing
    of it is read or written before the commit, so an entry costs little.
    """

    def __init__(self, notify: Notify, clock: Callable[[], float]) -> None:
        self._notify = notify
        self._clock = clock

    def record(
        self,
        tx: AuditWrites,
        actor: str,
        action: str,
        *,
        tenant_id: str | None = None,
        vehicle_id: str | None = None,
        key_id: str | None = None,
        device_id: str | None = None,
        outcome: str = DONE,
        data: Mapping[str, Datum] | None = None,
    ) -> None:
        """An entry of the audit trail. ``action``: of ``model.audit.ACTIONS``."""
        at = int(self._clock())
        tx.record(AuditEntry(at, actor, action, tenant_id, vehicle_id, key_id, device_id, outcome, data or {}))

    def tell(self, tx: OutboxWrites, event_type: str, vehicle_id: str | None, data: dict[str, Any]) -> None:
        """An event for everybody who listens, once the transaction is durable."""
        tx.tell(OutboxEvent(event_type, vehicle_id, data, int(self._clock())), self._told)

    def keys(
        self, tx: JournalTransaction, actor: str, event_type: str, keys: Iterable[DigitalKey], **more: Datum
    ) -> None:
        """Entry and event, both called ``event_type``, for each key. ``more``: for either's data.

        The event tells what kind of actor it was, and not which.
        """
        for key in keys:
            self.record(
                tx,
                actor,
                event_type,
                vehicle_id=key.vehicle_id,
                key_id=key.id,
                device_id=key.device_id,
                data={"state": key.state.value, **more},
            )
            data = {
                "key_id": key.id,
                "vehicle_id": key.vehicle_id,
                "device_id": key.device_id,
                "parent_id": key.parent_id,
                "state": key.state.value,
                "by": kind_of(actor),
                **more,
            }
            self.tell(tx, event_type, key.vehicle_id, data)

    def alert(self, tx: JournalTransaction, actor: str, vehicle_id: str, reason: str, **more: Datum) -> None:
        """Entry and event: something about the vehicle is not as it should be. ``more``: for either's data."""
        self.record(tx, actor, "security.alert", vehicle_id=vehicle_id, outcome=reason, data=more)
        self.tell(tx, "security.alert", vehicle_id, {"vehicle_id": vehicle_id, "reason": reason, **more})

    def pairing(self, tx: OutboxWrites, key_id: str, vehicle_id: str, state: str, reason: str | None = None) -> None:
        """Event: how far a pairing is that has made this key. The key's issue is in the trail already."""
        self.tell(
            tx,
            "key.pairing",
            vehicle_id,
            {"key_id": key_id, "vehicle_id": vehicle_id, "state": state, "reason": reason},
        )

    def _told(self, told: Told) -> None:
        self._notify(told.event.type, dict(told.event.data), told.event_id)


def vehicle_actor(vehicle_id: str) -> str:
    """A vehicle that speaks for itself, by what it signed."""
    return f"vehicle:{vehicle_id}"


def link_actor(invitation_id: str) -> str:
    """Whoever knows the secret of an invitation's link, and has shown no device."""
    return f"link:{invitation_id}"


def device_actor(device_id: str) -> str:
    """A device that speaks for itself, by what it signed."""
    return f"device:{device_id}"
