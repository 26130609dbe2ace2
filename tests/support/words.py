"""What a step of a command tells, where nobody is to hear it."""

from __future__ import annotations

from keygw.bridge.ports import Word
from keygw.bridge.present import command_json
from keygw.bridge.records import CommandRecord
from keygw.credentials.outbox_ports import OutboxEvent, Told


def word(record: CommandRecord) -> Word:
    event = OutboxEvent("command.updated", record.command.vehicle_id, command_json(record), int(record.updated_at))
    return Word(event, _to_nobody)


def _to_nobody(told: Told) -> None:
    """Nobody listens."""
