"""``keygw command``: ask a vehicle to do something, and say honestly what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from keygw.cli import output
from keygw.cli.exits import Exit
from keygw.cli.failure import Failure, usage
from keygw.cli.options import Data, Json, Target, TokenFile, Url, VehicleName

SERVER_WAIT_S = 30
"""The most that ``Prefer: wait`` may ask for; beyond it the command resource is read again and again."""
_SHORT = {"trunk": "open_trunk", "lights": "flash_lights", "start": "start_engine"}
_NEXT = {
    "out_of_range": "bring the vehicle near the gateway's radio and send it again",
    "door_open": "close the doors and send it again",
    "key_suspended": "lift the suspension: keygw keys resume KEY",
    "key_revoked": "use another key: keygw keys list",
    "key_expired": "use another key: keygw keys list",
    "not_entitled": "use a key with that right: keygw keys list",
    "not_enrolled": "pair with the vehicle: keygw pair --help",
    "chain_required": "share it again: keygw keys share",
    "chain_refused": "share it again: keygw keys share",
    "radio_busy": "send it again, or end a link that is not needed: keygw disconnect VEHICLE",
    "radio_unavailable": "look at the radio: keygw doctor",
}


def command(
    vehicle: VehicleName,
    action: Annotated[
        str,
        typer.Argument(
            metavar="ACTION", help="unlock, lock, open_trunk (trunk), flash_lights (lights), start_engine (start)."
        ),
    ],
    wait: Annotated[
        float,
        typer.Option(
            "--wait", metavar="SECONDS", min=0, max=600, help="How long to wait for the outcome; 0 only hands it over."
        ),
    ] = 10.0,
    key: Annotated[
        str | None, typer.Option("--key", metavar="KEY", help="Act with this key; default: the best of this app.")
    ] = None,
    expires_in: Annotated[
        str | None,
        typer.Option(
            "--expires-in", metavar="SPAN", help="Let it wait so long for an absent vehicle, as in 60s. Not an unlock."
        ),
    ] = None,
    idempotency_key: Annotated[
        str | None,
        typer.Option(
            "--idempotency-key",
            metavar="TEXT",
            help="Repeat an earlier request under its own key: it is executed at most once. Default: a fresh one.",
        ),
    ] = None,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> int:
    """Send a command to a vehicle and wait for its answer.

    Exit 0 when the vehicle has confirmed it (with --wait 0: when the gateway has taken it over), 1 when it failed,
    was refused, or its outcome is not known.
    """
    import secrets

    from keygw.cli import lookup

    body: dict[str, Any] = {"action": checked_action(action)}
    attempt = idempotency_key or secrets.token_urlsafe(18)
    if not attempt.isascii() or not attempt.isprintable() or " " in attempt or len(attempt) > 255:
        raise usage(
            "bad_idempotency_key", "an idempotency key is one word of visible ASCII", "leave it out for a new one"
        )
    with Target(url, token_file, data).open() as gateway:
        vehicle_id = lookup.vehicle_id(gateway, vehicle)
        if key is not None:
            body["key_id"] = lookup.key_id(gateway, key)
        if expires_in is not None:
            body["expires_at"] = _from_now(expires_in)
        path = f"/v1/vehicles/{vehicle_id}/commands"
        record = _send(gateway, path, body, attempt, wait)
    if as_json:
        output.document(record)
    else:
        _tell(record)
    return Exit.OK if record["state"] == "confirmed" or (wait == 0 and not record["settled"]) else Exit.NOT_DONE


def checked_action(given: str) -> str:
    """The word the API takes. ``Failure`` (usage) for one this release does not know."""
    from keygw.model.command import COMMANDS

    name = given.lower().replace("-", "_")
    name = _SHORT.get(name, name)
    known = [action.label for action in COMMANDS]
    if name not in known:
        raise usage("unknown_action", f"{given[:40]!r} is not an action", f"choose one of: {', '.join(known)}")
    return name


def _send(gateway: Any, path: str, body: dict[str, Any], attempt: str, wait: float) -> dict[str, Any]:
    from keygw.cli import waiting
    from keygw.cli.client import Gateway

    assert isinstance(gateway, Gateway)  # noqa: S101 - for the type checker; the import is too heavy for the top
    import time

    started = time.monotonic()
    held = min(int(wait), SERVER_WAIT_S)
    headers = {"Idempotency-Key": attempt} | ({"Prefer": f"wait={held}"} if held else {})
    try:
        record: dict[str, Any] = gateway.call("POST", path, body=body, headers=headers, wait=held)
    except Failure as failure:
        if failure.code in ("gateway_timeout", "gateway_lost"):
            failure.next_step = f"ask what became of it by repeating the command with --idempotency-key {attempt}"
        raise
    left = wait - (time.monotonic() - started)
    if left <= 0:
        return record
    return waiting.until(
        lambda: gateway.get(f"{path}/{record['id']}"), lambda each: bool(each["settled"]), left, record
    )


def _from_now(span: str) -> str:
    from datetime import UTC, datetime, timedelta

    from keygw.cli import spans

    return (datetime.now(UTC) + timedelta(seconds=spans.seconds(span))).isoformat(timespec="seconds")


def _tell(record: Mapping[str, Any]) -> None:
    state, reason, measures = record["state"], record["reason"], record["measures"]
    took = f" in {measures['ms']:.0f} ms, {measures['air_bytes']} bytes on the air" if measures else ""
    why = f" ({reason})" if reason else ""
    output.say(f"{record['action']}: {output.clean(state)}{output.clean(why)}{took}")
    if state == "confirmed":
        return
    if record["may_have_happened"]:
        output.remark(
            "It may have happened: look at the vehicle. The gateway settles it on the next contact, and tells"
        )
        output.remark("with: keygw events")
    elif not record["settled"]:
        output.remark("It is on its way; follow it with: keygw events")
    elif reason in _NEXT:
        output.remark(f"  next: {_NEXT[reason]}")
    elif record["retryable"]:
        output.remark("  next: send it again")
