"""``keygw keys``: list, show, issue and share digital keys, and hand out key tokens."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from keygw.cli import key_changes, output
from keygw.cli.options import Data, Json, KeyName, Target, TokenFile, Url, VehicleName

app = typer.Typer(no_args_is_help=True, help="Digital keys: issue, share, suspend, resume, revoke.")

Label = Annotated[str, typer.Option("--label", metavar="TEXT", help="What people call this key.")]


class Form(StrEnum):
    """Of a key token."""

    ALL = "all"
    JWT = "jwt"
    CWT = "cwt"


@app.command("list")
def list_(
    vehicle: Annotated[str | None, typer.Option("--vehicle", metavar="VEHICLE", help="Only of this vehicle.")] = None,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """List the keys that the token may know of."""
    from keygw.cli import key_views, lookup

    with Target(url, token_file, data).open() as gateway:
        params = {"vehicle_id": lookup.vehicle_id(gateway, vehicle)} if vehicle else None
        answer = gateway.get("/v1/keys", params)
    if as_json:
        output.document(answer)
    else:
        rows = (key_views.row(key) for key in answer["keys"])
        output.table(key_views.COLUMNS, rows, "There is no key yet. Issue one: keygw keys issue VEHICLE")


@app.command()
def show(key: KeyName, as_json: Json = False, url: Url = None, token_file: TokenFile = None, data: Data = None) -> None:
    """Show one key, and what its vehicle knows of it."""
    from keygw.cli import key_views, lookup

    with Target(url, token_file, data).open() as gateway:
        answer = gateway.get(f"/v1/keys/{lookup.key_id(gateway, key)}")
    if as_json:
        output.document(answer)
    else:
        key_views.show(answer)


@app.command()
def issue(
    vehicle: VehicleName,
    label: Label = "",
    provisioning: Annotated[
        Path | None,
        typer.Option(
            "--provisioning",
            metavar="FILE",
            help="Write what the vehicle must be told once into this file, which must not exist yet. A simulated "
            "vehicle takes it as provisioning.json in its folder.",
        ),
    ] = None,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """Issue an owner key to a device hosted here.

    The gateway holds the device key for the app whose token this is.
    """
    from keygw.cli import files, key_views, lookup

    if provisioning is not None:
        files.must_be_new(provisioning)
    with Target(url, token_file, data).open() as gateway:
        wish = {"vehicle_id": lookup.vehicle_id(gateway, vehicle), "role": "owner", "label": label}
        answer = gateway.post("/v1/keys", wish)
    if provisioning is not None:
        files.write_json(provisioning, answer["provisioning"])
    if as_json:
        output.document(answer)
        return
    key_views.show(answer)
    if provisioning is not None:
        output.remark(f"Provisioning written to {provisioning}. The vehicle accepts the key once it has taken it in.")
    else:
        output.remark("The vehicle does not know this owner yet. --provisioning FILE writes what it must be told.")


@app.command()
def share(
    key: KeyName,
    public_key: Annotated[
        str,
        typer.Option(
            "--public-key",
            metavar="KEY",
            help="Public key of the friend's device: P-256, compressed, 33 bytes, as base64url or hexadecimal.",
        ),
    ],
    profile: Annotated[
        str | None,
        typer.Option("--profile", metavar="NAME", help="An access profile, such as access; see: keygw profiles list."),
    ] = None,
    entitlement: Annotated[
        list[str] | None,
        typer.Option("--entitlement", metavar="NAME", help="A single right, such as door.unlock; may be repeated."),
    ] = None,
    lasting: Annotated[
        str | None,
        typer.Option("--for", metavar="SPAN", help="How long it is valid: 45m, 72h, 30d; not longer than KEY."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="When it ends: 2026-12-24T18:00, local time.")
    ] = None,
    grant: Annotated[
        str | None,
        typer.Option(
            "--grant",
            metavar="GRANT",
            help="What the phone that holds KEY has signed, base64url. It says everything; leave the rest out.",
        ),
    ] = None,
    label: Label = "",
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """Share a key with the device of a friend.

    The new key is never wider, longer or deeper than KEY itself. To share by a link: keygw invitations create.
    """
    from keygw.cli import key_views, lookup, sharing

    if grant is not None:
        wish = sharing.granted(public_key, grant, (profile, entitlement, lasting, until), label)
    else:
        wish = sharing.wish(public_key, profile, entitlement or [], lasting, until, label)
    with Target(url, token_file, data).open() as gateway:
        answer = gateway.post(f"/v1/keys/{lookup.key_id(gateway, key)}:share", wish)
    if as_json:
        output.document(answer)
        return
    key_views.show(answer)
    output.remark(f"What the friend's device needs: keygw keys token {answer['id']} --json")


@app.command()
def token(
    key: KeyName,
    form: Annotated[
        Form, typer.Option("--form", metavar="FORM", help="all, or only the text of one: jwt, cwt.")
    ] = Form.ALL,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """Show the key token, and what its device needs to find the vehicle.

    It is of no use without the device key.
    """
    from keygw.cli import lookup

    with Target(url, token_file, data).open() as gateway:
        found = lookup.key_id(gateway, key)
        answer = {"key_id": found, **gateway.get(f"/v1/keys/{found}/token")}
    if as_json:
        output.document(answer)
    elif form is Form.ALL:
        car = answer["vehicle"]
        output.facts(
            (
                ("key", found),
                ("vehicle", f"{car['id']} ({car['name']})"),
                ("vehicle key", car["public_key"]),
                ("advertising key", car["advertising_key"]),
                ("jwt", answer["jwt"]),
                ("cwt", answer["cwt"]),
            )
        )
    else:
        output.say(answer[form.value])


key_changes.register(app)
