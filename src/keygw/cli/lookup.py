"""From what a person types to an id: the id itself, the unique beginning of one, or a name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from keygw.cli.client import Gateway
from keygw.cli.exits import Exit
from keygw.cli.failure import Failure, usage

_SHOWN = 6
_GROUPS = {"operator": "admin operators", "tenant": "admin tenants", "person": "admin people"}


def vehicle_id(gateway: Gateway, given: str) -> str:
    """``Failure`` unknown_vehicle or ambiguous_vehicle."""
    if _whole("veh", given):
        return given
    return _pick("vehicle", "name", "veh", given, gateway.get("/v1/vehicles")["vehicles"])


def key_id(gateway: Gateway, given: str) -> str:
    """``Failure`` unknown_key or ambiguous_key."""
    if _whole("key", given):
        return given
    return _pick("key", "label", "key", given, gateway.get("/v1/keys")["keys"])


def invitation_id(gateway: Gateway, given: str) -> str:
    """``Failure`` unknown_invitation or ambiguous_invitation."""
    if _whole("inv", given):
        return given
    return _pick("invitation", "label", "inv", given, gateway.get("/v1/invitations")["invitations"])


def device_id(gateway: Gateway, given: str) -> str:
    """``Failure`` unknown_device or ambiguous_device."""
    if _whole("dev", given):
        return given
    return _pick("device", "label", "dev", given, gateway.get("/v1/devices")["devices"])


def tenant_id(gateway: Gateway, given: str) -> str:
    """``Failure`` unknown_tenant or ambiguous_tenant."""
    if _whole("ten", given):
        return given
    return _pick("tenant", "name", "ten", given, gateway.get("/v1/tenants")["tenants"])


def own_tenant(gateway: Gateway, given: str | None) -> str:
    """The one that is named, else the caller's own, else ``default``."""
    if given is not None:
        return tenant_id(gateway, given)
    return str(gateway.get("/v1/apps/self")["tenant_id"] or "default")


def operator_id(gateway: Gateway, given: str) -> str:
    """``Failure`` unknown_operator or ambiguous_operator."""
    if _whole("opr", given):
        return given
    return _pick("operator", "name", "opr", given, gateway.get("/v1/operators")["operators"])


def person_id(gateway: Gateway, given: str) -> str:
    """``Failure`` unknown_person or ambiguous_person."""
    if _whole("per", given):
        return given
    return _pick("person", "name", "per", given, gateway.get("/v1/people")["people"])


def app_id(gateway: Gateway, given: str) -> str:
    """``Failure`` unknown_app or ambiguous_app."""
    if _whole("app", given):
        return given
    return _pick("app", "name", "app", given, gateway.get("/v1/apps")["apps"])


def _whole(prefix: str, given: str) -> bool:
    return re.fullmatch(rf"{prefix}_[a-z2-7]{{16}}", given) is not None


def _pick(kind: str, name: str, prefix: str, given: str, known: Sequence[Mapping[str, Any]]) -> str:
    # A name counts only as a whole; "v" is not the beginning of every vehicle.
    found = [each for each in known if given and given.casefold() in (str(each[name]).casefold(), each["id"])]
    if not found and len(given) > len(prefix) + 1:
        found = [each for each in known if str(each["id"]).startswith(given.lower())]
    if len(found) == 1:
        return str(found[0]["id"])
    if found:
        listed = ", ".join(_shown(each, name) for each in found[:_SHOWN])
        raise usage(f"ambiguous_{kind}", f"{given[:40]!r} may be any of: {listed}", "type more of the id")
    some = ", ".join(_shown(each, name) for each in known[:_SHOWN])
    raise Failure(
        Exit.NOT_FOUND,
        f"unknown_{kind}",
        f"there is no {kind} {given[:40]!r} for this token",
        f"choose one of: {some}" if some else f"there is none yet; see: keygw {_GROUPS.get(kind, f'{kind}s')} --help",
    )


def _shown(each: Mapping[str, Any], name: str) -> str:
    return f"{each['id']} ({each[name]})" if each[name] else str(each["id"])
