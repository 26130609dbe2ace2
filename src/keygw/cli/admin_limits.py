"""``keygw admin limits``: what a tenant is allowed, in place of what the deployment allows everybody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from keygw.cli import output
from keygw.cli.failure import usage
from keygw.cli.options import Data, Json, Target, TenantName, TokenFile, Url

app = typer.Typer(no_args_is_help=True, help="Limits of a tenant, in place of the deployment's.")


@app.command()
def show(
    tenant: TenantName = None,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """Show the limits of a tenant, and which of them are its own."""
    from keygw.cli import lookup

    with Target(url, token_file, data).open() as gateway:
        answer = gateway.get(f"/v1/tenants/{lookup.own_tenant(gateway, tenant)}/limits")
    _tell(answer, as_json=as_json)


@app.command("set")
def set_(
    changes: Annotated[
        list[str],
        typer.Argument(metavar="NAME=NUMBER", help="Such as keys_per_vehicle=20; share_depth=default takes it back."),
    ],
    tenant: TenantName = None,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """Change limits of a tenant, in force at once. Keys that are there stay."""
    from keygw.cli import lookup

    wish = dict(_change(each) for each in changes)
    with Target(url, token_file, data).open() as gateway:
        path = f"/v1/tenants/{lookup.own_tenant(gateway, tenant)}/limits"
        answer = gateway.call("PATCH", path, body=wish)
    _tell(answer, as_json=as_json)


def _change(text: str) -> tuple[str, int | None]:
    name, _, number = text.partition("=")
    if number == "default":
        return name, None
    if not (number.isascii() and number.isdecimal() and len(number) <= 15):
        raise usage("bad_change", f"{text[:40]!r} is not NAME=NUMBER", "such as keys_per_vehicle=20, or =default")
    return name, int(number)


def _tell(answer: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.document(answer)
        return
    rows = (
        (name, number, "its own" if name in answer["own"] else "the deployment's")
        for name, number in answer["limits"].items()
    )
    output.table(("limit", "number", "whose"), rows, "there is none")
