"""``keygw keys renew | give-back | overdue``: a token signed now, a key given up, a vehicle that has not confirmed."""

from __future__ import annotations

from typing import Annotated

import typer

from keygw.cli import output
from keygw.cli.options import Data, Json, KeyName, Target, TokenFile, Url


def register(app: typer.Typer) -> None:
    """Put the three commands into ``keygw keys``."""
    app.command()(renew)
    app.command("give-back")(give_back)
    app.command()(overdue)


def renew(
    key: KeyName, as_json: Json = False, url: Url = None, token_file: TokenFile = None, data: Data = None
) -> None:
    """Have the key token signed anew now, if that makes it last longer.

    It is renewed by itself when a third of its life is left and its device asks for it.
    """
    from keygw.cli import lookup

    with Target(url, token_file, data).open() as gateway:
        found = lookup.key_id(gateway, key)
        answer = {"key_id": found, **gateway.post(f"/v1/keys/{found}:renew")}
    if as_json:
        output.document(answer)
    else:
        output.say(f"{found}: its token is valid until {answer['expires_at']}")


def give_back(
    key: KeyName, as_json: Json = False, url: Url = None, token_file: TokenFile = None, data: Data = None
) -> None:
    """Give a key of your own back, for good; there is no undo.

    Everything shared from it ends as well. To end somebody else's key: keygw keys revoke.
    """
    from keygw.cli import lookup

    with Target(url, token_file, data).open() as gateway:
        answer = gateway.post(f"/v1/keys/{lookup.key_id(gateway, key)}:give-back")
    if as_json:
        output.document(answer)
        return
    output.say(f"{answer['id']}: {answer['state']}")
    if answer["state"] == "revoking":
        output.remark("The vehicle is told on its next contact; until it confirms it may still accept the key.")


def overdue(
    older: Annotated[
        str | None,
        typer.Option(
            "--older-than",
            metavar="SPAN",
            help="How long a vehicle may take: 45m, 24h, 3d. By default the gateway's limit overdue_seconds, a day.",
        ),
    ] = None,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """List changes of keys that their vehicles have not confirmed, longest first.

    A key that was revoked and is listed here may still open its vehicle.
    """
    from keygw.cli import spans

    with Target(url, token_file, data).open() as gateway:
        asked = {} if older is None else {"older_than_seconds": str(spans.seconds(older))}
        answer = gateway.get("/v1/keys:overdue", asked)
    if as_json:
        output.document(answer)
        return
    rows = (
        (each["key"]["id"], each["key"]["vehicle_id"], each["key"]["state"], each["since"], each["list_sequence"])
        for each in answer["keys"]
    )
    output.table(("key", "vehicle", "state", "since", "list"), rows, "No vehicle owes a confirmation.")
    for advice in dict.fromkeys(each["advice"] for each in answer["keys"]):
        output.remark(f"Next: {advice}.")
