"""``keygw invitations``: offer a key by a link, see what became of it, take it back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from keygw.cli import output
from keygw.cli.options import Data, Json, KeyName, Target, TokenFile, Url

app = typer.Typer(no_args_is_help=True, help="Invitations: offer a key by a link that one phone can claim.")

InvitationName = Annotated[
    str, typer.Argument(metavar="INVITATION", help="Invitation id, the unique beginning of one (inv_ab), or its label.")
]
_COLUMNS = ("invitation", "state", "parent", "key", "open until", "label", "entitlements")
_NEXT = {
    "open": "Nobody has claimed it yet.",
    "claimed": "A phone has claimed it: the phone that holds the parent key must sign a grant for its public key.",
    "accepted": "The friend has the key. To take it back: keygw keys revoke {key}",
    "locked": "Too many wrong activation codes. Make a new one: keygw invitations create KEY",
    "ended": "The key it was made with has ended or was suspended.",
}


@app.command()
def create(
    key: KeyName,
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
        typer.Option("--for", metavar="SPAN", help="How long the key is valid, from the claim on: 45m, 72h, 30d."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="When the key ends: 2026-12-24T18:00, local time.")
    ] = None,
    code: Annotated[
        bool, typer.Option("--code", help="Ask for an activation code of six digits, which you say aloud.")
    ] = False,
    open_for: Annotated[
        str | None,
        typer.Option("--open-for", metavar="SPAN", help="How long the link may be claimed, at most 7d. Default 24h."),
    ] = None,
    label: Annotated[str, typer.Option("--label", metavar="TEXT", help="What people call the friend's key.")] = "",
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """Offer a key by a link.

    The first phone that claims the link has the key, and no other. Link and activation code are shown this once.
    """
    from keygw.cli import lookup, sharing, spans

    wish = {**sharing.rights(profile, entitlement or [], lasting, until), "label": label, "activation_code": code}
    if open_for is not None:
        wish["open_seconds"] = spans.seconds(open_for)
    with Target(url, token_file, data).open() as gateway:
        answer = gateway.post(f"/v1/keys/{lookup.key_id(gateway, key)}/invitations", wish)
    if as_json:
        output.document(answer)
        return
    _show(answer)
    output.facts((("link", answer["link"]), ("activation code", answer["activation_code"])))
    output.remark("Send the link to your friend; it cannot be shown again.")
    if answer["activation_code"] is not None:
        output.remark("Say the activation code aloud; do not send it along.")


@app.command("list")
def list_(
    vehicle: Annotated[str | None, typer.Option("--vehicle", metavar="VEHICLE", help="Only of this vehicle.")] = None,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """List the invitations that the token may know of."""
    from keygw.cli import lookup

    with Target(url, token_file, data).open() as gateway:
        params = {"vehicle_id": lookup.vehicle_id(gateway, vehicle)} if vehicle else None
        answer = gateway.get("/v1/invitations", params)
    if as_json:
        output.document(answer)
    else:
        rows = (_row(each) for each in answer["invitations"])
        output.table(_COLUMNS, rows, "There is no invitation yet. Make one: keygw invitations create KEY")


@app.command()
def show(
    invitation: InvitationName, as_json: Json = False, url: Url = None, token_file: TokenFile = None, data: Data = None
) -> None:
    """Show one invitation, without its link: that was shown once."""
    from keygw.cli import lookup

    with Target(url, token_file, data).open() as gateway:
        answer = gateway.get(f"/v1/invitations/{lookup.invitation_id(gateway, invitation)}")
    _tell(answer, as_json)


@app.command()
def cancel(
    invitation: InvitationName, as_json: Json = False, url: Url = None, token_file: TokenFile = None, data: Data = None
) -> None:
    """Take an invitation back, before it has become a key.

    A key that has been issued is revoked instead: keygw keys revoke KEY.
    """
    from keygw.cli import lookup

    with Target(url, token_file, data).open() as gateway:
        answer = gateway.post(f"/v1/invitations/{lookup.invitation_id(gateway, invitation)}:cancel")
    _tell(answer, as_json)


@app.command()
def grant(
    invitation: InvitationName,
    signed: Annotated[
        str, typer.Argument(metavar="GRANT", help="What the phone that holds the parent key has signed, base64url.")
    ],
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """Hand in the grant for the phone that claimed.

    Only for a key that a phone holds: keygw invitations show INVITATION names the public key to sign for.
    """
    from keygw.cli import lookup

    with Target(url, token_file, data).open() as gateway:
        path = f"/v1/invitations/{lookup.invitation_id(gateway, invitation)}:grant"
        answer = gateway.post(path, {"grant": signed})
    _tell(answer, as_json)


def _tell(answer: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        output.document(answer)
        return
    _show(answer)
    if answer["state"] in _NEXT:
        output.remark(_NEXT[answer["state"]].format(key=answer["key_id"]))
    if answer["other_claims"]:
        output.remark("Another phone has tried the link after it was claimed: it was passed on.")


def _row(each: Mapping[str, Any]) -> tuple[object, ...]:
    rights = ",".join(each["entitlements"])
    return each["id"], each["state"], each["parent_id"], each["key_id"], each["expires_at"], each["label"], rights


def _show(each: Mapping[str, Any]) -> None:
    lifetime = each["key_lifetime_seconds"]
    output.facts(
        (
            ("invitation", each["id"]),
            ("state", each["state"]),
            ("label", each["label"]),
            ("vehicle", each["vehicle_id"]),
            ("shared from", each["parent_id"]),
            ("key", each["key_id"]),
            ("public key", each["public_key"]),
            ("entitlements", ", ".join(each["entitlements"])),
            ("key valid", f"{lifetime} s from the claim" if lifetime else f"until {each['key_expires_at']}"),
            ("open until", each["expires_at"]),
            ("wrong codes", each["wrong_codes"]),
            ("other phones", each["other_claims"]),
        )
    )
