"""Write the vectors of ``protocols/audit_trail``: ``python tools/make_audit_vectors.py [DIRECTORY]``.

They are frozen: a second run gives the same bytes, and a test compares.
"""

from __future__ import annotations

import json
from pathlib import Path

from fixed_signer import FixedSigner
from kept import write_vectors

from keygw.bridge.audit_json import line_json
from keygw.credentials.audit_ports import SealedCheckpoint
from keygw.model.audit import AuditCheckpoint, AuditEntry, AuditRecord
from keygw.token.audit import GENESIS, encode_data, encode_entry, link, sign_checkpoint
from keygw.token.trust import kid_of

DIRECTORY = Path(__file__).resolve().parent.parent / "protocols" / "audit_trail" / "vectors"
ISSUER = FixedSigner(0xA0D17)
NOW = 1_800_000_000
CAR, KEY, DEVICE = "veh_mfrggzdfmztwq2lk", "key_mfrggzdfmztwq2lk", "dev_mfrggzdfmztwq2lk"
ENTRIES = (
    AuditEntry(NOW, "operator:operator", "vehicle.registered", vehicle_id=CAR),
    AuditEntry(NOW + 1, "app:app_mfrggzdfmztwq2lk", "device.registered", device_id=DEVICE, data={"kind": "hosted"}),
    AuditEntry(
        NOW + 1, "app:app_mfrggzdfmztwq2lk", "key.issued", None, CAR, KEY, DEVICE, "done", {"state": "active"}
    ),
    AuditEntry(
        NOW + 60, f"vehicle:{CAR}", "receipt.recorded", None, CAR, KEY, None, "done",
        {"action": "unlock", "hash": "00" * 32, "sequence": 1},
    ),
)  # fmt: skip


def trail() -> dict[str, object]:
    """Every entry with its CBOR and its hash, and the same as an export."""
    head, entries, lines = GENESIS, [], []
    for sequence, entry in enumerate(ENTRIES, 1):
        encoded = encode_entry(entry, encode_data(entry.data))
        head = link(head, sequence, encoded)
        entries.append({"sequence": sequence, "entry": encoded.hex(), "hash": head.hex()})
        lines.append(line_json(AuditRecord(sequence, entry, head)))
    kid = kid_of(ISSUER.public_key)
    signed = sign_checkpoint(AuditCheckpoint(1, len(ENTRIES), head, NOW + 120), ISSUER, kid)
    lines.append(line_json(SealedCheckpoint(1, len(ENTRIES), NOW + 120, kid, signed)))
    return {
        "about": "An audit trail of four entries and one checkpoint.",
        "issuer_public_key": ISSUER.public_key.hex(),
        "entries": entries,
        "checkpoint": signed.hex(),
        "export": lines,
    }


def documents() -> dict[str, str]:
    """File name -> exact text."""
    return {"trail.json": json.dumps(trail(), indent=2) + "\n"}


if __name__ == "__main__":
    write_vectors(DIRECTORY, documents, __doc__)
