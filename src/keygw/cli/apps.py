"""``keygw apps``: the operator registers apps, and ends them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keygw.cli import output
from keygw.cli.options import Data, Json, Target, TokenFile, Url

app = typer.Typer(no_args_is_help=True, help="Apps and their tokens (for the operator).")


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What people call the app.")],
    scope: Annotated[
        list[str], typer.Option("--scope", metavar="SCOPE", help="Such as vehicle.read, command.unlock; repeat it.")
    ],
    lasting: Annotated[
        str | None, typer.Option("--for", metavar="SPAN", help="How long the token is valid: 12h, 30d. Default 90d.")
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(
            "--save",
            metavar="FILE",
            help="Write the token into this new file (0600), for --token-file, instead of showing it.",
        ),
    ] = None,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """Register an app and show its token, once.

    The gateway keeps only a hash of the token.
    """
    from keygw.cli import files, spans

    wish: dict[str, object] = {"name": name, "scopes": [part for each in scope for part in each.split(",") if part]}
    if lasting is not None:
        wish["lifetime_seconds"] = spans.seconds(lasting)
    if save is not None:
        files.must_be_new(save)
    with Target(url, token_file, data).open() as gateway:
        answer = gateway.post("/v1/apps", wish)
    if save is not None:
        files.write_text(save, answer.pop("token") + "\n")
        answer["token_file"] = str(save)
    if as_json:
        output.document(answer)
        return
    made = answer["app"]
    output.facts(
        (
            ("app", made["id"]),
            ("name", made["name"]),
            ("scopes", ", ".join(made["scopes"])),
            ("valid until", made["expires_at"]),
            ("token", answer["token"]) if save is None else ("token file", save),
        )
    )
    if save is None:
        output.remark("Keep the token now; it cannot be shown again.")


@app.command()
def remove(
    app_id: Annotated[str, typer.Argument(metavar="APP", help="App id (app_...), as apps add showed it.")],
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """End an app's token at once.

    Digital keys of the app's hosted devices stay; revoke those by themselves.
    """
    from urllib.parse import quote

    with Target(url, token_file, data).open() as gateway:
        gateway.call("DELETE", f"/v1/apps/{quote(app_id, safe='')}")
    if as_json:
        output.document({"app_id": app_id, "revoked": True})
    else:
        output.say(f"{app_id}: its token is no longer valid")


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
            ("app", answer["id"]),
            ("name", answer["name"]),
            ("scopes", ", ".join(answer["scopes"])),
            ("valid until", answer["expires_at"] or "no end"),
            ("token from", source),
        )
    )
