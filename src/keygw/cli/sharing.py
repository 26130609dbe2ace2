"""What a friend key shall be, from what was typed; checked before anything is sent."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from keygw.cli import spans
from keygw.cli.failure import usage
from keygw.model.entitlement import PROFILES, Entitlement
from keygw.model.errors import BadInput


def wish(
    public_key: str,
    profile: str | None,
    entitlements: Sequence[str],
    lasting: str | None,
    until: str | None,
    label: str,
) -> dict[str, Any]:
    """The body of ``POST /v1/keys/{id}:share``. ``Failure`` (usage) for what cannot be."""
    return {
        "public_key": device_public_key(public_key),
        "label": label,
        **rights(profile, entitlements, lasting, until),
    }


def granted(public_key: str, grant: str, said: Sequence[object], label: str) -> dict[str, Any]:
    """The same with a grant, which says everything that ``said`` would. ``Failure`` (usage) if that is said too."""
    if any(said):
        raise usage(
            "bad_rights",
            "a grant says what is shared and until when",
            "leave --profile, --entitlement, --for and --until out",
        )
    return {"public_key": device_public_key(public_key), "label": label, "grant": grant}


def rights(profile: str | None, entitlements: Sequence[str], lasting: str | None, until: str | None) -> dict[str, Any]:
    """What a friend may do, and until when. ``Failure`` (usage) for what cannot be."""
    body: dict[str, Any] = {}
    if (profile is None) == (not entitlements):
        raise usage(
            "bad_rights", "say what the friend may do: either --profile or --entitlement", "try: --profile access"
        )
    if profile is not None:
        body["profile"] = profile
    else:
        body["entitlements"] = _entitlements(entitlements)
    if (lasting is None) == (until is None):
        raise usage("bad_end", "say when the key ends: either --for or --until", "try: --for 24h")
    if lasting is not None:
        body["lifetime_seconds"] = spans.seconds(lasting)
    else:
        body["expires_at"] = spans.moment(until or "")
    return body


def _entitlements(names: Sequence[str]) -> list[str]:
    listed = [name.strip() for each in names for name in each.split(",") if name.strip()]
    try:
        return list(Entitlement.from_names(listed).names)
    except BadInput as error:
        known = ", ".join(PROFILES["owner"].names)
        raise usage(error.code, str(error).partition(";")[0], f"choose from: {known}") from error


def device_public_key(text: str) -> str:
    """Base64url of the 33 bytes, given those or hexadecimal. Whether it is on the curve, the gateway says."""
    raw = b""
    try:
        if len(text) == 66:
            raw = bytes.fromhex(text)
        else:
            raw = base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        pass
    if len(raw) != 33 or raw[0] not in (2, 3):
        raise usage(
            "bad_public_key",
            "--public-key is not a compressed P-256 key (33 bytes, as base64url or hexadecimal)",
            "a phone shows it when it starts, as public_key: keygw sim phone --help",
        )
    return base64.urlsafe_b64encode(raw).decode("ascii")
