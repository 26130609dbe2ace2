"""``keygw audit``: what was done and by whom, and whether anybody has changed the record of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from keygw.cli import output
from keygw.cli.exits import Exit
from keygw.cli.failure import Failure, usage
from keygw.cli.options import Data, Json, Target, TokenFile, Url

app = typer.Typer(no_args_is_help=True, help="The audit trail (for the operator).")


@app.command("list")
def list_(
    actor: Annotated[str | None, typer.Option("--actor", metavar="ACTOR", help="Such as app:app_..., system.")] = None,
    action: Annotated[str | None, typer.Option("--action", metavar="ACTION", help="Such as key.issued.")] = None,
    vehicle: Annotated[str | None, typer.Option("--vehicle", metavar="VEHICLE", help="Only of this vehicle.")] = None,
    key: Annotated[str | None, typer.Option("--key", metavar="KEY", help="Only of this key.")] = None,
    device: Annotated[str | None, typer.Option("--device", metavar="DEVICE", help="Only of this device id.")] = None,
    before: Annotated[
        int | None, typer.Option("--before", metavar="N", min=1, help="Only entries before this number.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=500, help="At most so many.")] = 50,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """List what was done and by whom, newest first."""
    from keygw.cli import lookup

    with Target(url, token_file, data).open() as gateway:
        wanted = {
            "actor": actor,
            "action": action,
            "vehicle_id": lookup.vehicle_id(gateway, vehicle) if vehicle else None,
            "key_id": lookup.key_id(gateway, key) if key else None,
            "device_id": device,
            "before": before,
            "limit": limit,
        }
        params = {name: str(value) for name, value in wanted.items() if value is not None}
        answer = gateway.get("/v1/audit", params)
    if as_json:
        output.document(answer)
        return
    rows = (_row(entry) for entry in answer["entries"])
    output.table(("number", "time", "actor", "action", "subject", "outcome"), rows, "There is no such entry.")


@app.command()
def export(
    after: Annotated[int, typer.Option("--after", metavar="N", min=0, help="Only entries after this number.")] = 0,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """Print the whole trail as JSON lines, with the signed checkpoints between."""
    with (
        Target(url, token_file, data).open() as gateway,
        gateway.stream("/v1/audit/export", {"after": str(after)}, "") as chunks,
    ):
        for chunk in chunks:
            output.raw(chunk)


@app.command()
def verify(
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="PATH",
            help="A file of keygw audit export, or a data directory, in use or not. Default: the gateway looks itself.",
            show_default=False,
        ),
    ] = None,
    issuer_key: Annotated[
        list[str] | None,
        typer.Option(
            "--issuer-key",
            metavar="KEY",
            help="Public key (base64url, 33 bytes) whose checkpoints count; repeat it. Default: those that the "
            "data directory, or the gateway, knows.",
        ),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            "--checkpoint",
            metavar="FILE",
            help="A copy of audit.checkpoint that was kept elsewhere: the trail must reach it.",
        ),
    ] = None,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> int:
    """Look whether anybody has changed the audit trail, and where. Exit 1 if so.

    An edited, missing or moved entry breaks the chain of hashes. A chain that was computed anew does not fit the
    checkpoints that the issuer has signed.
    """
    if source is None:
        if checkpoint is not None or issuer_key:
            raise usage("no_source", "the gateway checks with what it has itself", "name the trail with --from PATH")
        with Target(url, token_file, data).open() as gateway:
            answer = gateway.call("POST", "/v1/audit:verify", wait=600.0)
    else:
        answer = _offline(source, issuer_key or [], checkpoint, Target(url, token_file, data))
    if as_json:
        output.document(answer)
    else:
        _show(answer)
    return Exit.OK if answer["intact"] else Exit.NOT_DONE


def _offline(source: Path, keys: list[str], checkpoint: Path | None, target: Target) -> dict[str, Any]:
    from keygw.app.audit import check_directory, check_export, trust
    from keygw.bridge.audit_json import report_json
    from keygw.store.marker import read_marker

    if not os.path.exists(source):  # noqa: PTH110 - unlike the path's own, it says no to a name that is too long
        raise usage("no_source", f"there is no {source}", "name an export or a data directory with --from PATH")
    issuers = trust([_public_key(key) for key in keys] or _default_keys(source, target))
    marker = None if checkpoint is None else read_marker(checkpoint)
    look = check_directory if source.is_dir() else check_export
    return report_json(look(source, issuers, marker))


def _default_keys(source: Path, target: Target) -> list[bytes]:
    from keygw.app.audit import issuer_keys

    if source.is_dir():
        return issuer_keys(source)
    with target.open() as gateway:
        found = gateway.get("/v1/admin/issuer-keys")["keys"]
    return [_public_key(key["public_key"]) for key in found]


def _public_key(text: str) -> bytes:
    from keygw.crypto.errors import CryptoError
    from keygw.crypto.signer import check_public_key
    from keygw.model.base64url import decode_base64url

    try:
        return check_public_key(decode_base64url(text))
    except (ValueError, CryptoError):
        raise Failure(
            Exit.USAGE, "bad_public_key", "an issuer's key has 33 bytes, as base64url", "see: keygw audit verify --help"
        ) from None


def _show(answer: dict[str, Any]) -> None:
    output.facts(
        (
            ("trail", "intact" if answer["intact"] else "CHANGED"),
            ("entries", answer["entries"]),
            ("checkpoints", answer["checkpoints"]),
            ("signed through", answer["sealed_through"]),
            ("signed by", ", ".join(answer["signed_by"])),
        )
    )
    for each in answer["findings"]:
        detail = f" ({each['detail']})" if each["detail"] else ""
        output.remark(output.clean(f"entry {each['sequence']}: {each['meaning']}{detail} [{each['code']}]"))


def _row(entry: dict[str, Any]) -> tuple[object, ...]:
    return (
        entry["sequence"],
        _time(entry["at"]),
        entry["actor"],
        entry["action"],
        _subject(entry),
        entry["outcome"],
    )


def _subject(entry: dict[str, Any]) -> str:
    return next((str(entry[name]) for name in ("key_id", "device_id", "vehicle_id") if entry[name]), "")


def _time(at: int) -> str:
    from keygw.model.times import rfc3339

    return rfc3339(at)
