"""``keygw vehicles end-epoch | transfer | take-over | cancel-transfer``: every key ends; a vehicle changes hands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from keygw.cli import output
from keygw.cli.failure import usage
from keygw.cli.options import Data, Json, Target, TokenFile, Url, VehicleName


def register(app: typer.Typer) -> None:
    """Put the commands into ``keygw vehicles``."""
    app.command("end-epoch")(end_epoch)
    app.command()(transfer)
    app.command("take-over")(take_over)
    app.command("cancel-transfer")(cancel_transfer)


def end_epoch(
    vehicle: VehicleName,
    person: Annotated[
        str | None,
        typer.Option(
            "--for-person",
            metavar="PERSON",
            help="Reserve the next owner key for this account, whichever of its apps pairs, and not for your own app.",
        ),
    ] = None,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """End every key of a vehicle at once, your own among them; there is no undo.

    For a stolen car. Nobody but the app that ends the epoch can pair with the vehicle next.
    """
    from keygw.cli import lookup

    with Target(url, token_file, data).open() as gateway:
        wish = None if person is None else {"person_id": lookup.person_id(gateway, person)}
        answer = gateway.post(f"/v1/vehicles/{lookup.vehicle_id(gateway, vehicle)}:end-epoch", wish)
    if as_json:
        output.document(answer)
        return
    output.facts(
        (
            ("vehicle", answer["vehicle_id"]),
            ("epoch", answer["epoch"]),
            ("keys ended", len(answer["key_ids"])),
            ("told by list", answer["list_sequence"] or "-"),
        )
    )
    output.remark("They are revoking until the vehicle has confirmed: keygw keys overdue --older-than 1m")
    output.remark("Then pair again: open pairing mode in the vehicle, and keygw pair CODE")


def transfer(
    vehicle: VehicleName,
    open_for: Annotated[
        str | None,
        typer.Option("--open-for", metavar="SPAN", help="How long it may be accepted, at most 30d. Default 7d."),
    ] = None,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """Offer a vehicle to its next owner; nothing happens to it until somebody accepts.

    Its secret is shown this once. Give what --json prints to the new owner, who runs: keygw vehicles take-over.
    """
    from keygw.cli import lookup, spans

    wish = {"open_seconds": spans.seconds(open_for)} if open_for is not None else {}
    with Target(url, token_file, data).open() as gateway:
        answer = gateway.post(f"/v1/vehicles/{lookup.vehicle_id(gateway, vehicle)}:transfer", wish)
    if as_json:
        output.document(answer)
        return
    _show(answer)
    output.facts((("secret", answer["secret"]),))
    output.remark(f"Take it back with: keygw vehicles cancel-transfer {answer['id']}")


def take_over(
    source: Annotated[
        str,
        typer.Argument(metavar="FILE", help="What keygw vehicles transfer --json has printed; - reads stdin."),
    ],
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """Take a vehicle over: every key of it ends, and yours is the next.

    The token's app may then pair with it, or issue its first key if it has never been paired.
    """
    from urllib.parse import quote

    from keygw.cli import files

    offer = files.read_json(source)
    if not all(isinstance(offer.get(name), str) for name in ("id", "secret")):
        raise usage("bad_offer", "that is not an offer of a vehicle", "it has an id (trf_...) and a secret")
    with Target(url, token_file, data).open() as gateway:
        answer = gateway.post(f"/v1/transfers/{quote(offer['id'], safe='')}:accept", {"secret": offer["secret"]})
    if as_json:
        output.document(answer)
        return
    _show(answer)
    output.remark("Next: open pairing mode in the vehicle, and keygw pair CODE")


def cancel_transfer(
    offer: Annotated[str, typer.Argument(metavar="TRANSFER", help="Id of the offer (trf_...).")],
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """Take the offer of a vehicle back, before anybody has accepted it."""
    from urllib.parse import quote

    with Target(url, token_file, data).open() as gateway:
        answer = gateway.post(f"/v1/transfers/{quote(offer, safe='')}:cancel")
    if as_json:
        output.document(answer)
    else:
        _show(answer)


def _show(answer: Mapping[str, Any]) -> None:
    output.facts(
        (
            ("transfer", answer["id"]),
            ("state", answer["state"]),
            ("vehicle", f"{answer['vehicle_id']} ({answer['vehicle_name']})"),
            ("open until", answer["expires_at"]),
        )
    )
