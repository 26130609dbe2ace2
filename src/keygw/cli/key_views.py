"""Digital keys as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keygw.cli import output

COLUMNS = ("key", "vehicle", "role", "state", "expires", "label", "entitlements")


def row(key: Mapping[str, Any]) -> tuple[object, ...]:
    rights = ",".join(key["entitlements"])
    return key["id"], key["vehicle_id"], key["role"], key["state"], key["expires_at"], key["label"], rights


def show(key: Mapping[str, Any]) -> None:
    output.facts(
        (
            ("key", key["id"]),
            ("label", key["label"]),
            ("state", key["state"]),
            ("role", key["role"]),
            ("profile", key["profile"]),
            ("vehicle", key["vehicle_id"]),
            ("device", key["device_id"]),
            ("shared from", key["parent_id"]),
            ("entitlements", ", ".join(key["entitlements"])),
            ("valid from", key["not_before"]),
            ("valid until", key["expires_at"]),
            ("vehicle has heard", heard(key)),
        )
    )


def heard(key: Mapping[str, Any]) -> str:
    """Whether the vehicle knows the newest revocation list: until then it acts on what it knew before."""
    current, acknowledged = key["list"]["current"], key["list"]["acknowledged"]
    if acknowledged >= current:
        return f"everything (list {current})"
    return f"not yet everything: list {acknowledged} of {current}"
