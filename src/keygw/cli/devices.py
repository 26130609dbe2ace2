"""``keygw devices``: the phones and hosted devices that hold device keys, and what is proven of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from keygw.cli import output
from keygw.cli.options import Data, DeviceName, Json, Target, TokenFile, Url

app = typer.Typer(no_args_is_help=True, help="Devices: register phones, see what is proven of their keys.")

_COLUMNS = ("device", "kind", "attestation", "model", "registered", "label")


@app.command("list")
def list_(as_json: Json = False, url: Url = None, token_file: TokenFile = None, data: Data = None) -> None:
    """List the devices of this token's app, those hosted here among them."""
    with Target(url, token_file, data).open() as gateway:
        answer = gateway.get("/v1/devices")
    if as_json:
        output.document(answer)
    else:
        rows = (_row(each) for each in answer["devices"])
        output.table(_COLUMNS, rows, "There is no device yet. Register a phone: keygw devices challenge")


@app.command()
def show(
    device: DeviceName, as_json: Json = False, url: Url = None, token_file: TokenFile = None, data: Data = None
) -> None:
    """Show one device."""
    from keygw.cli import lookup

    with Target(url, token_file, data).open() as gateway:
        answer = gateway.get(f"/v1/devices/{lookup.device_id(gateway, device)}")
    _tell(answer, as_json)


@app.command()
def challenge(as_json: Json = False, url: Url = None, token_file: TokenFile = None, data: Data = None) -> None:
    """Get a challenge for a phone to sign.

    It is good for five minutes and one registration by the same token's app: keygw devices register.
    """
    with Target(url, token_file, data).open() as gateway:
        answer = gateway.post("/v1/devices/challenges")
    if as_json:
        output.document(answer)
    else:
        output.facts((("challenge", answer["challenge"]), ("valid until", answer["expires_at"])))


@app.command()
def register(
    public_key: Annotated[
        str,
        typer.Argument(metavar="KEY", help="The phone's public key: P-256, compressed, as base64url or hexadecimal."),
    ],
    challenge: Annotated[str, typer.Option("--challenge", metavar="TEXT", help="The challenge that the phone signed.")],
    proof: Annotated[str, typer.Option("--proof", metavar="TEXT", help="What the phone signed (dkdp), base64url.")],
    form: Annotated[
        str, typer.Option("--format", metavar="NAME", help="Format of the attestation that --evidence holds.")
    ] = "packed",
    evidence: Annotated[
        Path | None,
        typer.Option("--evidence", metavar="FILE", help="An attestation of the key, as bytes; the proof names it."),
    ] = None,
    label: Annotated[str, typer.Option("--label", metavar="TEXT", help="What people call the phone.")] = "",
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """Register a phone that holds its own device key.

    Its keys become visible to this token's app. With an attestation it may have keys whose profile asks for one.
    """
    from keygw.cli import files, sharing
    from keygw.model.base64url import encode_base64url

    key = sharing.device_public_key(public_key)
    wish: dict[str, Any] = {"public_key": key, "challenge": challenge, "proof": proof, "label": label}
    if evidence is not None:
        wish["attestation"] = {"format": form, "evidence": encode_base64url(files.read_bytes(evidence))}
    with Target(url, token_file, data).open() as gateway:
        answer = gateway.post("/v1/devices", wish)
    _tell(answer, as_json)


@app.command()
def remove(
    device: DeviceName, as_json: Json = False, url: Url = None, token_file: TokenFile = None, data: Data = None
) -> None:
    """Forget a phone that holds no live key.

    Its keys must have ended: keygw keys revoke KEY.
    """
    from keygw.cli import lookup

    with Target(url, token_file, data).open() as gateway:
        name = lookup.device_id(gateway, device)
        gateway.call("DELETE", f"/v1/devices/{name}")
    if as_json:
        output.document({"device_id": name, "removed": True})
    else:
        output.say(f"{name}: removed")


def _row(each: Mapping[str, Any]) -> tuple[object, ...]:
    return each["id"], each["kind"], each["attestation"], each["model"], each["registered_at"], each["label"]


def _tell(answer: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        output.document(answer)
        return
    output.facts(
        (
            ("device", answer["id"]),
            ("label", answer["label"]),
            ("kind", answer["kind"]),
            ("public key", answer["public_key"]),
            ("app", answer["app_id"]),
            ("attestation", answer["attestation"]),
            ("format", answer["attestation_format"]),
            ("model", answer["model"]),
            ("attested", answer["attested_at"]),
            ("registered", answer["registered_at"]),
        )
    )
