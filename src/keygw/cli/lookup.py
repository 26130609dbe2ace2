"""From what a person types to an id: the id itself, the unique beginning of one, or a name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keygw.cli.client import Gateway
from keygw.cli.exits import Exit
from keygw.cli.failure import Failure, usage

_SHOWN = 6


@dataclass(frozen=True, slots=True)
class _Kind:
    """``path``: where all are listed; the list is called as the last part of it. ``name``: the field that people know
    one by. ``group``: of the commands about it."""

    word: str
    prefix: str
    path: str
    name: str
    group: str

    def __call__(self, gateway: Gateway, given: str) -> str:
        """Its id. ``Failure`` unknown_vehicle or ambiguous_vehicle, and so on."""
        if re.fullmatch(rf"{self.prefix}_[a-z2-7]{{16}}", given):
            return given
        return _pick(self, given, gateway.get(self.path)[self.path.rpartition("/")[2]])


vehicle_id = _Kind("vehicle", "veh", "/v1/vehicles", "name", "vehicles")
key_id = _Kind("key", "key", "/v1/keys", "label", "keys")
invitation_id = _Kind("invitation", "inv", "/v1/invitations", "label", "invitations")
device_id = _Kind("device", "dev", "/v1/devices", "label", "devices")
app_id = _Kind("app", "app", "/v1/apps", "name", "apps")
tenant_id = _Kind("tenant", "ten", "/v1/tenants", "name", "admin tenants")
operator_id = _Kind("operator", "opr", "/v1/operators", "name", "admin operators")
person_id = _Kind("person", "per", "/v1/people", "name", "admin people")


def own_tenant(gateway: Gateway, given: str | None) -> str:
    """The one that is named, else the caller's own, else ``default``."""
    if given is not None:
        return tenant_id(gateway, given)
    return str(gateway.get("/v1/apps/self")["tenant_id"] or "default")


def _pick(kind: _Kind, given: str, known: Sequence[Mapping[str, Any]]) -> str:
    # A name counts only as a whole; "v" is not the beginning of every vehicle.
    found = [each for each in known if given and given.casefold() in (str(each[kind.name]).casefold(), each["id"])]
    if not found and len(given) > len(kind.prefix) + 1:
        found = [each for each in known if str(each["id"]).startswith(given.lower())]
    if len(found) == 1:
        return str(found[0]["id"])
    if found:
        listed = ", ".join(_shown(each, kind.name) for each in found[:_SHOWN])
        raise usage(f"ambiguous_{kind.word}", f"{given[:40]!r} may be any of: {listed}", "type more of the id")
    some = ", ".join(_shown(each, kind.name) for each in known[:_SHOWN])
    raise Failure(
        Exit.NOT_FOUND,
        f"unknown_{kind.word}",
        f"there is no {kind.word} {given[:40]!r} for this token",
        f"choose one of: {some}" if some else f"there is none yet; see: keygw {kind.group} --help",
    )


def _shown(each: Mapping[str, Any], name: str) -> str:
    return f"{each['id']} ({each[name]})" if each[name] else str(each["id"])
