"""Checking an audit trail away from the gateway that wrote it: a data directory, or a file of an export."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path

from keygw.bridge.audit_json import check_line
from keygw.credentials.audit_check import AuditCheck, Report, check_stored
from keygw.model.errors import BadInput
from keygw.store.audit_file import audit_file
from keygw.store.marker import MARKER_NAME, read_marker
from keygw.store.store import DATABASE_NAME
from keygw.token.audit import read_checkpoint
from keygw.token.trust import IssuerKey, TrustedIssuers, kid_of

_LINE = 16 * 1024


def trust(public_keys: Iterable[bytes]) -> TrustedIssuers:
    """P-256, SEC1 compressed, 33 bytes each. ``CryptoError`` for what is no such key."""
    kids = {kid_of(key): key for key in public_keys}
    return TrustedIssuers([IssuerKey(f"urn:keygw:{kid.hex()}", kid, key) for kid, key in kids.items()])


def issuer_keys(directory: Path) -> list[bytes]:
    """The issuer's public keys, former ones too, as the database there knows them."""
    with audit_file(directory / DATABASE_NAME) as reads:
        return reads.issuer_keys()


def check_directory(directory: Path, issuers: TrustedIssuers, marker: bytes | None = None) -> Report:
    """The trail in a data directory, in use or not, against ``marker`` or the checkpoint that lies beside it.

    ``StoreError`` if there is no trail.
    """
    marker = marker or read_marker(directory / MARKER_NAME)
    with audit_file(directory / DATABASE_NAME) as reads:
        return asyncio.run(check_stored(reads, issuers, marker))


def check_export(path: Path, issuers: TrustedIssuers, marker: bytes | None = None) -> Report:
    """The trail in an export, a line in memory at a time. ``BadInput`` audit_export_malformed names the line."""
    check = AuditCheck(issuers)
    wanted = 0 if marker is None else read_checkpoint(marker)[1].sequence
    marked: bytes | None = None
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(_LINE), b""), 1):
            try:
                found = check_line(check, json.loads(line))
            except (BadInput, ValueError) as error:
                raise BadInput(f"line {number} of {path}: {error}", code="audit_export_malformed") from error
            if found is not None and found[0] == wanted:
                marked = found[1]
    return check.end(marker, marked)
