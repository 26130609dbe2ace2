"""``keygw vehicles``: which vehicles the gateway knows, making one known, telling one the time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from keygw.cli import output, ownership
from keygw.cli.failure import usage
from keygw.cli.options import (
    AdvertisingKey,
    Data,
    Json,
    NewVehicleId,
    NewVehicleName,
    Target,
    TokenFile,
    Url,
    VehicleKey,
    VehicleName,
)
from keygw.cli.vehicle_import import import_
from keygw.cli.vehicle_provision import provision

app = typer.Typer(no_args_is_help=True, help="Vehicles: list them, show one, make one known.")

_FIELDS = ("id", "name", "public_key", "advertising_key")


@app.command("list")
def list_(as_json: Json = False, url: Url = None, token_file: TokenFile = None, data: Data = None) -> None:
    """List the vehicles that the token may know of."""
    with Target(url, token_file, data).open() as gateway:
        answer = gateway.get("/v1/vehicles")
    if as_json:
        output.document(answer)
    else:
        rows = ((each["id"], each["name"]) for each in answer["vehicles"])
        output.table(("vehicle", "name"), rows, "There is no vehicle yet. Make one known: keygw vehicles add --help")


@app.command()
def show(
    vehicle: VehicleName, as_json: Json = False, url: Url = None, token_file: TokenFile = None, data: Data = None
) -> None:
    """Show one vehicle, and how the link to it is."""
    from keygw.cli import lookup

    with Target(url, token_file, data).open() as gateway:
        found = lookup.vehicle_id(gateway, vehicle)
        answer = gateway.get(f"/v1/vehicles/{found}")
        answer["link"] = gateway.get(f"/v1/vehicles/{found}/link")
    if as_json:
        output.document(answer)
        return
    link = answer["link"]
    output.facts(
        (
            ("vehicle", answer["id"]),
            ("name", answer["name"]),
            ("vehicle key", answer["public_key"]),
            ("link", link["state"]),
            ("with key", link["key_id"]),
        )
    )


@app.command()
def add(
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="JSON with id, name, public_key and advertising_key, or the ready line of keygw sim vehicle; "
            "- reads stdin. The other options win over it.",
        ),
    ] = None,
    id_: NewVehicleId = None,
    name: NewVehicleName = None,
    public_key: VehicleKey = None,
    advertising_key: AdvertisingKey = None,
    provisioning: Annotated[
        Path | None,
        typer.Option(
            "--provisioning",
            metavar="FILE",
            help="Write the factory's part into this new file: which issuer the vehicle is to trust. A simulated "
            "vehicle takes it as provisioning.json in its folder.",
        ),
    ] = None,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """Make a vehicle known to the gateway. The same again is a success."""
    from keygw.cli import files

    if provisioning is not None:
        files.must_be_new(provisioning)
    body = described(source, {"id": id_, "name": name, "public_key": public_key, "advertising_key": advertising_key})
    with Target(url, token_file, data).open() as gateway:
        answer = gateway.post("/v1/vehicles", body)
    if provisioning is not None:
        files.write_json(provisioning, {"v": 1, "vehicle_id": answer["id"], "issuer": answer["issuer"]})
    if as_json:
        output.document(answer)
        return
    output.facts((("vehicle", answer["id"]), ("name", answer["name"]), ("vehicle key", answer["public_key"])))
    output.remark("Next, its owner: open pairing mode in the vehicle, then keygw pair CODE")


@app.command("time-proof")
def time_proof(
    vehicle: VehicleName,
    nonce: Annotated[str, typer.Argument(metavar="NONCE", help="The time nonce that the vehicle gave, base64url.")],
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """Print a signed time proof for a vehicle that a phone has met.

    For one minute it is what the vehicle asks for with the outcome time_proof_required.
    """
    from keygw.cli import lookup

    with Target(url, token_file, data).open() as gateway:
        found = lookup.vehicle_id(gateway, vehicle)
        answer = gateway.post(f"/v1/vehicles/{found}/time-proofs", {"nonce": nonce})
    if as_json:
        output.document(answer)
    else:
        output.say(answer["proof"])


app.command()(provision)
app.command("import")(import_)


def described(source: str | None, given: dict[str, str | None]) -> dict[str, Any]:
    """The body of ``POST /v1/vehicles``: ``given`` wins over the file. ``Failure`` incomplete_vehicle."""
    from keygw.cli import files

    found = files.read_json(source) if source is not None else {}
    inner = found.get("vehicle")
    base = inner if isinstance(inner, dict) else found
    body = {field: given[field] or base.get(field) for field in _FIELDS}
    if missing := [field for field in _FIELDS if not body[field]]:
        options = ", ".join(f"--{field.replace('_', '-')}" for field in missing)
        raise usage("incomplete_vehicle", f"a vehicle needs {', '.join(missing)}", f"add {options}, or --from FILE")
    return body


ownership.register(app)
