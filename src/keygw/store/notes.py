"""What is written beside a change of the bridge's: its audit entry, and an announcement to the other gateways."""

from __future__ import annotations

from keygw.bridge.people_ports import Note
from keygw.store.audit_store import record
from keygw.store.group import Transaction


def write_note(tx: Transaction, note: Note) -> None:
    record(tx, note.entry)
    text = note.announce
    if text is not None:
        tx.announce(lambda: text)
