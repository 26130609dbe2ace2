"""``keygw devices lost | found``: pause everything that a device holds, and let it come back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from keygw.cli import output
from keygw.cli.options import Data, DeviceName, Json, Target, TokenFile, Url


def register(app: typer.Typer) -> None:
    """Put both commands into ``keygw devices``."""
    app.command()(lost)
    app.command()(found)


def lost(
    device: DeviceName, as_json: Json = False, url: Url = None, token_file: TokenFile = None, data: Data = None
) -> None:
    """Suspend everything that a device holds, on every vehicle.

    Its tokens are not renewed, and it gets no new key. Undo it with: keygw devices found.
    """
    from keygw.cli import lookup

    with Target(url, token_file, data).open() as gateway:
        answer = gateway.post(f"/v1/devices/{lookup.device_id(gateway, device)}:lost")
    _tell(answer, as_json)


def found(
    device: DeviceName,
    proof: Annotated[
        str | None,
        typer.Option(
            "--proof",
            metavar="TEXT",
            help="What the phone has signed about this loss, base64url. A device hosted here needs none, but the "
            "operator's token.",
        ),
    ] = None,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """Lift what the report of a loss suspended, and nothing else."""
    from keygw.cli import lookup

    with Target(url, token_file, data).open() as gateway:
        name = lookup.device_id(gateway, device)
        answer = gateway.post(f"/v1/devices/{name}:found", {} if proof is None else {"proof": proof})
    _tell(answer, as_json)


def _tell(answer: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        output.document(answer)
        return
    output.facts(
        (
            ("device", answer["device_id"]),
            ("lost", "yes" if answer["lost"] else "no"),
            ("loss", answer["loss"]),
            ("keys changed", len(answer["key_ids"])),
        )
    )
    if answer["lost"]:
        output.remark("Each vehicle refuses them once it has the list: keygw keys overdue --older-than 1m")
