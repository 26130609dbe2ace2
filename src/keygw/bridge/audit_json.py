"""The audit trail as JSON: one object for each entry and each checkpoint, as the API answers it and exports hold it."""

from __future__ import annotations

from typing import Any

from keygw.credentials.audit_check import FINDINGS, AuditCheck, Report
from keygw.credentials.audit_ports import SealedCheckpoint
from keygw.model.audit import AuditEntry, AuditRecord
from keygw.model.base64url import decode_base64url, encode_base64url
from keygw.model.errors import BadInput
from keygw.token.audit import encode_data, encode_entry

_NAMES = ("at", "actor", "action", "tenant_id", "vehicle_id", "key_id", "device_id", "outcome")


def record_json(record: AuditRecord) -> dict[str, Any]:
    """``at`` stays in whole Unix seconds: the hash is over exactly that."""
    entry = record.entry
    return {
        "sequence": record.sequence,
        **{name: getattr(entry, name) for name in _NAMES},
        "data": dict(entry.data),
        "hash": encode_base64url(record.hash),
    }


def checkpoint_json(sealed: SealedCheckpoint) -> dict[str, Any]:
    """``signed`` is the COSE_Sign1; the rest stands in it too."""
    told = {
        "first": sealed.first,
        "sequence": sealed.sequence,
        "at": sealed.at,
        "kid": encode_base64url(sealed.kid),
        "signed": encode_base64url(sealed.signed),
    }
    return {"checkpoint": told}


def line_json(item: AuditRecord | SealedCheckpoint) -> dict[str, Any]:
    """One line of an export."""
    return record_json(item) if isinstance(item, AuditRecord) else checkpoint_json(item)


def check_line(check: AuditCheck, line: object) -> tuple[int, bytes] | None:
    """Give one line of an export to the check; of an entry, its sequence and hash. ``BadInput`` audit_export_malformed
    for what is no such line."""
    try:
        if not isinstance(line, dict):
            raise TypeError("not an object")
        if "checkpoint" in line:
            check.checkpoint(decode_base64url(line["checkpoint"]["signed"]))
            return None
        sequence, claimed = line["sequence"], decode_base64url(line["hash"])
        data = encode_data(line["data"])
        encoded = encode_entry(AuditEntry(*(line[name] for name in _NAMES)), data)
        if type(sequence) is not int or type(line["at"]) is not int:
            raise TypeError("not an integer")
        check.entry(sequence, encoded, claimed)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(f"not a line of an audit export: {error}", code="audit_export_malformed") from error
    return sequence, claimed


def report_json(report: Report) -> dict[str, Any]:
    return {
        "intact": report.intact,
        "entries": report.entries,
        "checkpoints": report.checkpoints,
        "sealed_through": report.sealed,
        "head": encode_base64url(report.head),
        "signed_by": [encode_base64url(kid) for kid in report.kids],
        "findings": [
            {"sequence": each.sequence, "code": each.code, "meaning": FINDINGS[each.code], "detail": each.detail}
            for each in report.findings
        ],
    }
