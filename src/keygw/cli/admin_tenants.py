"""``keygw admin tenants``: the makers and fleets that share the gateway."""

from __future__ import annotations

from typing import Annotated

import typer

from keygw.cli import output
from keygw.cli.options import Data, Json, Target, TokenFile, Url

app = typer.Typer(no_args_is_help=True, help="Tenants: the makers and fleets that share the gateway.")


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What people call it.")],
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """Add a tenant; nothing of it can be seen by any other."""
    with Target(url, token_file, data).open() as gateway:
        answer = gateway.post("/v1/tenants", {"name": name})
    if as_json:
        output.document(answer)
        return
    output.facts((("tenant", answer["id"]), ("name", answer["name"])))
    output.remark(f"Next, an operator of its own: keygw admin operators add NAME --role admin --tenant {answer['id']}")


@app.command("list")
def list_(as_json: Json = False, url: Url = None, token_file: TokenFile = None, data: Data = None) -> None:
    """Show the tenants that you look after."""
    with Target(url, token_file, data).open() as gateway:
        answer = gateway.get("/v1/tenants")
    if as_json:
        output.document(answer)
        return
    rows = ((each["id"], each["name"], each["created_at"]) for each in answer["tenants"])
    output.table(("tenant", "name", "since"), rows, "there is none")
