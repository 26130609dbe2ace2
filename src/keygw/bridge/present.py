"""The JSON form of what the bridge tells apps: the same in an HTTP answer and in an event."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from keygw.bridge.foresight import Rehearsal
from keygw.bridge.records import CommandRecord
from keygw.credentials.receipts import receipt_json
from keygw.model.command import CommandState
from keygw.model.signal import Quality, Signal
from keygw.model.times import rfc3339

RETRYABLE_REASONS = frozenset(
    {
        "out_of_range", "radio_busy", "radio_unavailable", "link_timeout", "link_lost", "busy", "vehicle_asleep",
        "door_open", "in_motion", "command_expired", "gateway_restarted", "not_executed", "internal",
        "time_proof_required", "list_required",
    }
)  # fmt: skip


def command_json(record: CommandRecord) -> dict[str, Any]:
    """The command resource. ``retryable``: the same wish may be sent again under a new Idempotency-Key."""
    command = record.command
    return {
        "id": command.id,
        "app_id": record.app_id,
        "vehicle_id": command.vehicle_id,
        "key_id": command.key_id,
        "action": command.action.label,
        "number": command.number,
        "state": record.state.value,
        "reason": record.reason,
        "settled": record.state.settled,
        "may_have_happened": record.may_have_happened,
        "retryable": command_retryable(record),
        "created_at": rfc3339(command.created_at),
        "expires_at": rfc3339(command.expires_at),
        "updated_at": rfc3339(record.updated_at),
        "receipt": None if record.receipt is None else receipt_json(record.receipt),
        "measures": None if record.measures is None else asdict(record.measures),
        "timeline": [{"state": state.value, "at": rfc3339(at)} for state, at in record.timeline],
    }


def rehearsal_json(told: Rehearsal) -> dict[str, Any]:
    """What would become of a command; ``code`` and ``detail`` are those of the problem that it would be."""
    command, refusal = told.command, told.refusal
    reason = None if told.foreseen is None else told.foreseen.label
    return {
        "action": told.action.label,
        "accepted": command is not None,
        "code": None if refusal is None else refusal.code,
        "detail": None if refusal is None else str(refusal),
        "retryable": (refusal is not None and refusal.retryable) or reason in RETRYABLE_REASONS,
        "key_id": None if command is None else command.key_id,
        "expires_at": None if command is None else rfc3339(command.expires_at),
        "waits_for_vehicle": told.patient,
        "queued": told.queued,
        "foreseen": reason,
    }


def command_retryable(record: CommandRecord) -> bool:
    """Never while the first one may still happen; later if the reason is one that passes."""
    if record.state is CommandState.EXPIRED:
        return True
    return record.state is CommandState.FAILED and record.reason in RETRYABLE_REASONS


def signal_json(signal: Signal, quality: Quality, max_age: float) -> dict[str, Any]:
    """``ts``: when the vehicle measured it; ``max_age``: seconds for which a value counts as live."""
    return {
        "path": signal.path,
        "value": signal.value,
        "unit": signal.unit,
        "ts": rfc3339(signal.at),
        "received_at": rfc3339(signal.received_at),
        "source": signal.source,
        "quality": quality.value,
        "max_age": max_age,
    }
