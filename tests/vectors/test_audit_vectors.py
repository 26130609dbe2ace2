"""The vectors of the audit trail: computed here from the page alone, and read by the program."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from make_audit_vectors import documents

from keygw.app.audit import check_export, trust

FOLDER = Path(__file__).resolve().parents[2] / "protocols" / "audit_trail" / "vectors"
TRAIL: dict[str, Any] = json.loads((FOLDER / "trail.json").read_text("utf-8"))
FIELDS = ("at", "actor", "action", "tenant_id", "vehicle_id", "key_id", "device_id", "outcome", "data")


def raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_they_are_frozen() -> None:
    for name, text in documents().items():
        assert (FOLDER / name).read_text("utf-8") == text, f"{name} is not what tools/make_audit_vectors.py writes"


def test_the_chain_is_what_the_page_says() -> None:
    head = bytes(32)
    for row, line in zip(TRAIL["entries"], TRAIL["export"], strict=False):
        entry = bytes.fromhex(row["entry"])
        assert cbor2.dumps([line[name] for name in FIELDS], canonical=True) == entry
        head = hashlib.sha256(head + row["sequence"].to_bytes(8, "big") + entry).digest()
        assert head.hex() == row["hash"]
        assert raw(line["hash"]) == head


def test_the_checkpoint_is_what_the_page_says() -> None:
    header, unprotected, payload, signature = cbor2.loads(bytes.fromhex(TRAIL["checkpoint"]))
    assert unprotected == {}
    assert cbor2.loads(header)[1] == -7
    assert cbor2.loads(header)[16] == "dkac"
    first, sequence, head, _ = cbor2.loads(payload)
    assert (first, sequence, head.hex()) == (1, 4, TRAIL["entries"][-1]["hash"])
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bytes.fromhex(TRAIL["issuer_public_key"]))
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    key.verify(der, cbor2.dumps(["Signature1", header, b"", payload]), ec.ECDSA(hashes.SHA256()))


def test_the_program_finds_the_export_intact(tmp_path: Path) -> None:
    file = tmp_path / "trail.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in TRAIL["export"]))
    report = check_export(file, trust([bytes.fromhex(TRAIL["issuer_public_key"])]), bytes.fromhex(TRAIL["checkpoint"]))
    assert report.intact
    assert (report.entries, report.sealed) == (4, 4)
