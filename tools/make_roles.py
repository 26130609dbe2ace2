"""Writes ``docs/reference/roles.md`` from the table of permissions; with ``--check`` compares instead."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from generated import keep

from keygw.api.factory import create_api
from keygw.api.services import Services
from keygw.bridge.roles import ROLES, OperatorRole, scopes_of
from keygw.bridge.scopes import OPERATORS, PLATFORM, Scope

TARGET = Path(__file__).resolve().parent.parent / "docs/reference/roles.md"
MEANINGS = {
    OperatorRole.ADMIN: "everything; for the whole gateway also tenants and issuer keys",
    OperatorRole.FLEET: "vehicles, keys, devices, apps, people and limits",
    OperatorRole.SUPPORT: "looks at everything but the audit trail and where vehicles are; suspends and resumes keys, "
    "takes devices as lost and as found",
    OperatorRole.AUDITOR: "looks at everything but where vehicles are, the audit trail too, and changes nothing",
    OperatorRole.ISSUER: "the issuer's keys and nothing else; for the whole gateway alone",
}
INTRODUCTION = """\
# Roles of operators

Drawn from the program by `python tools/make_roles.py`; do not edit it by hand.

An operator has one role, and looks after one tenant or the whole gateway
([how to](../how-to/operators-and-tenants.md)). Whatever the role, things of another tenant are not there for it:
`404`, as for an id that nobody ever gave out.

| role | what for |
| --- | --- |
"""


def document() -> str:
    told = INTRODUCTION + "".join(f"| `{role}` | {MEANINGS[role]} |\n" for role in OperatorRole)
    return told + "\n" + _scopes() + "\n" + _routes()


def _scopes() -> str:
    head = "".join(f" {role} |" for role in OperatorRole)
    lines = ["## Scopes\n", "\n", f"| scope | apps |{head}\n", f"| --- | --- |{' --- |' * len(OperatorRole)}\n"]
    for scope in Scope:
        marks = ("yes" if scope in ROLES[role] else "" for role in OperatorRole)
        told = ("gateway" if mark and scope in PLATFORM else mark for mark in marks)
        app = "" if scope in OPERATORS else "may be granted"
        lines.append(f"| `{scope}` | {app} | {' | '.join(told)} |\n")
    return "".join(lines) + "\n`gateway`: an operator of the whole gateway; one of a single tenant never has it.\n"


def _routes() -> str:
    nothing = cast(Any, SimpleNamespace())
    api = create_api(Services(bridge=nothing, hub=nothing, issuer=nothing, clock=lambda: 0.0, version="-"))
    lines = [
        "## Routes\n\n",
        "Any one of the scopes will do. Not listed: routes that take no token.\n\n",
        "| method | path | apps | operators | roles |\n",
        "| --- | --- | --- | --- | --- |\n",
    ]
    for path, methods in api.openapi()["paths"].items():
        for method, said in methods.items():
            permission = said["x-keygw-permission"]
            if permission.get("public"):
                continue
            wanted = {Scope(each) for each in permission["operators"]}
            roles = [role.value for role in OperatorRole if not wanted or wanted & scopes_of(role, platform=True)]
            apps = _named(permission["apps"]) if "apps" in permission else "no"
            operators, names = _named(permission["operators"]), ", ".join(roles)
            lines.append(f"| {method.upper()} | `{path}` | {apps} | {operators} | {names} |\n")
    return "".join(lines)


def _named(scopes: list[str]) -> str:
    return ", ".join(f"`{each}`" for each in scopes) or "any token"


if __name__ == "__main__":
    sys.exit(keep(TARGET, document, __doc__, Path(__file__).name))
