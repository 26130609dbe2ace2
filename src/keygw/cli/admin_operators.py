"""``keygw admin operators``: who runs the gateway or one tenant of it, with which role and token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from keygw.cli import output
from keygw.cli.options import Data, Json, Lasting, Save, Target, TenantName, TokenFile, Url

app = typer.Typer(no_args_is_help=True, help="Operators, their roles and tokens.")

Name = Annotated[
    str, typer.Argument(metavar="OPERATOR", help="Operator id, the unique beginning of one (opr_ab), or its name.")
]
_PATH = "/v1/operators"


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who it is.")],
    role: Annotated[str, typer.Option("--role", metavar="ROLE", help="admin, fleet, support, auditor or issuer.")],
    tenant: TenantName = None,
    lasting: Lasting = None,
    save: Save = None,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """Add an operator and show its token, once.

    Without --tenant it looks after what you look after: the whole gateway, or your tenant.
    """
    from keygw.cli import lookup, tokens

    wish = {"name": name, "role": role, **tokens.wish(lasting, save)}
    with Target(url, token_file, data).open() as gateway:
        if tenant is not None:
            wish["tenant_id"] = lookup.tenant_id(gateway, tenant)
        answer = gateway.post(_PATH, wish)
    tokens.tell(answer, _facts(answer["operator"]), save, as_json=as_json)


@app.command("list")
def list_(as_json: Json = False, url: Url = None, token_file: TokenFile = None, data: Data = None) -> None:
    """Show the operators that there are and were, oldest first."""
    with Target(url, token_file, data).open() as gateway:
        answer = gateway.get(_PATH)
    if as_json:
        output.document(answer)
        return
    rows = (
        (each["id"], each["name"], each["role"], each["tenant_id"] or "the gateway", _until(each))
        for each in answer["operators"]
    )
    output.table(
        ("operator", "name", "role", "looks after", "until"),
        rows,
        "There is none with a name yet. Add yourself: keygw admin operators add NAME --role admin",
    )


@app.command()
def show(name: Name, as_json: Json = False, url: Url = None, token_file: TokenFile = None, data: Data = None) -> None:
    """Show one of them, and what its role lets it do."""
    from keygw.cli import lookup

    with Target(url, token_file, data).open() as gateway:
        answer = gateway.get(f"{_PATH}/{lookup.operator_id(gateway, name)}")
    if as_json:
        output.document(answer)
    else:
        output.facts((*_facts(answer), ("scopes", ", ".join(answer["scopes"]))))


@app.command()
def rotate(
    name: Name,
    lasting: Lasting = None,
    save: Save = None,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """Give it a new token, and show that once; the old one ends at once.

    Everybody may do so for itself, by its id.
    """
    from keygw.cli import lookup, tokens

    wish = tokens.wish(lasting, save)
    with Target(url, token_file, data).open() as gateway:
        answer = gateway.post(f"{_PATH}/{lookup.operator_id(gateway, name)}:rotate", wish)
    tokens.tell(answer, _facts(answer["operator"]), save, as_json=as_json)


@app.command()
def revoke(name: Name, as_json: Json = False, url: Url = None, token_file: TokenFile = None, data: Data = None) -> None:
    """End an operator's token at once, open event streams included; there is no undo."""
    from keygw.cli import lookup

    with Target(url, token_file, data).open() as gateway:
        found = lookup.operator_id(gateway, name)
        gateway.call("DELETE", f"{_PATH}/{found}")
    if as_json:
        output.document({"operator_id": found, "revoked": True})
    else:
        output.say(f"{found}: its token is no longer valid")


@app.command("end-bootstrap")
def end_bootstrap(as_json: Json = False, url: Url = None, token_file: TokenFile = None, data: Data = None) -> None:
    """End the token in operator.token, which every gateway begins with.

    It takes an admin of the whole gateway with a name. Whoever may delete the file operator.token and start the
    gateway anew gets another such token: that is the way back in.
    """
    with Target(url, token_file, data).open() as gateway:
        gateway.call("DELETE", f"{_PATH}/bootstrap")
    if as_json:
        output.document({"ended": True})
    else:
        output.say("operator.token: its token is no longer valid")


def _until(each: Mapping[str, Any]) -> str:
    return "revoked" if each["revoked"] else str(each["expires_at"])


def _facts(each: Mapping[str, Any]) -> list[tuple[str, object]]:
    return [
        ("operator", each["id"]),
        ("name", each["name"]),
        ("role", each["role"]),
        ("looks after", each["tenant_id"] or "the gateway"),
        ("valid until", _until(each)),
    ]
