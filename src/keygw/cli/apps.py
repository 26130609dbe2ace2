"""``keygw apps``: operators register apps, list them, and end them."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from keygw.cli import output
from keygw.cli.options import AppName, Data, Json, Lasting, Save, Target, TenantName, TokenFile, Url

app = typer.Typer(no_args_is_help=True, help="Apps and their tokens (for the operator).")


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What people call the app.")],
    scope: Annotated[
        list[str], typer.Option("--scope", metavar="SCOPE", help="Such as vehicle.read, command.unlock; repeat it.")
    ],
    machine: Annotated[
        bool,
        typer.Option("--machine", help="It may command cars with its bearer token alone: for machines and tests."),
    ] = False,
    dpop_jkt: Annotated[
        str | None,
        typer.Option(
            "--dpop-jkt",
            metavar="TEXT",
            help="Bind the token to the key of this thumbprint (keygw dpop ... --json shows it).",
        ),
    ] = None,
    tenant: TenantName = None,
    lasting: Lasting = None,
    save: Save = None,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """Register an app and show its token, once.

    The gateway keeps only a hash of the token. Without --dpop-jkt or --machine the app commands no car.
    """
    from keygw.cli import lookup, tokens

    scopes = [part for each in scope for part in each.split(",") if part]
    wish = {"name": name, "scopes": scopes, **tokens.wish(lasting, save)}
    wish |= ({"machine": True} if machine else {}) | ({"dpop_jkt": dpop_jkt} if dpop_jkt is not None else {})
    with Target(url, token_file, data).open() as gateway:
        if tenant is not None:
            wish["tenant_id"] = lookup.tenant_id(gateway, tenant)
        answer = gateway.post("/v1/apps", wish)
    made = answer["app"]
    facts = (
        ("app", made["id"]),
        ("name", made["name"]),
        ("scopes", ", ".join(made["scopes"])),
        ("valid until", made["expires_at"]),
    )
    tokens.tell(answer, facts, save, as_json=as_json)


@app.command("list")
def list_(as_json: Json = False, url: Url = None, token_file: TokenFile = None, data: Data = None) -> None:
    """List the apps that there are and were, oldest first."""
    with Target(url, token_file, data).open() as gateway:
        answer = gateway.get("/v1/apps")
    if as_json:
        output.document(answer)
        return
    rows = (
        (each["id"], each["name"], each["tenant_id"], "removed" if each["revoked"] else each["expires_at"])
        for each in answer["apps"]
    )
    output.table(("app", "name", "tenant", "until"), rows, "There is no app yet. Register one: keygw apps add")


@app.command()
def show(
    app_id: AppName, as_json: Json = False, url: Url = None, token_file: TokenFile = None, data: Data = None
) -> None:
    """Show one app, and what its token is good for."""
    from keygw.cli import lookup

    with Target(url, token_file, data).open() as gateway:
        answer = gateway.get(f"/v1/apps/{lookup.app_id(gateway, app_id)}")
    if as_json:
        output.document(answer)
        return
    output.facts(
        (
            ("app", answer["id"]),
            ("name", answer["name"]),
            ("tenant", answer["tenant_id"]),
            ("scopes", ", ".join(answer["scopes"])),
            ("commands cars", _how(answer)),
            ("valid until", "removed" if answer["revoked"] else answer["expires_at"]),
        )
    )


def _how(app: dict[str, Any]) -> str:
    if app["machine"]:
        return "with its token alone (a machine)"
    return "with a proof by its key" if app["dpop_jkt"] else "only as a grant of the authorization server"


@app.command()
def remove(
    app_id: AppName,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """End an app's token at once.

    Digital keys of the app's hosted devices stay; revoke those by themselves.
    """
    from keygw.cli import lookup

    with Target(url, token_file, data).open() as gateway:
        found = lookup.app_id(gateway, app_id)
        gateway.call("DELETE", f"/v1/apps/{found}")
    if as_json:
        output.document({"app_id": found, "revoked": True})
    else:
        output.say(f"{found}: its token is no longer valid")


@app.command()
def whoami(as_json: Json = False, url: Url = None, token_file: TokenFile = None, data: Data = None) -> None:
    """Show whose token this is, and what it may do."""
    with Target(url, token_file, data).open() as gateway:
        answer = gateway.get("/v1/apps/self")
        source = gateway.endpoint.source
    if as_json:
        output.document(answer)
        return
    output.facts(
        (
            ("operator" if answer["role"] else "app", answer["id"]),
            ("name", answer["name"]),
            ("role", answer["role"]),
            ("tenant", answer["tenant_id"] or "all of them"),
            ("scopes", ", ".join(answer["scopes"])),
            ("valid until", answer["expires_at"] or "no end"),
            ("token from", source),
        )
    )
