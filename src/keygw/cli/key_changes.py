"""``keygw keys suspend | resume | revoke``: what changes here at once, and in the vehicle when it has heard of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from keygw.cli import output
from keygw.cli.exits import Exit
from keygw.cli.failure import Failure
from keygw.cli.options import Data, Json, KeyName, Target, TokenFile, Url

MAX_WAIT = 3600.0
Wait = Annotated[
    float,
    typer.Option(
        "--wait",
        metavar="SECONDS",
        min=0,
        max=MAX_WAIT,
        help="Wait until the vehicle itself has acknowledged; exit 1 if it has not by then.",
    ),
]


def register(app: typer.Typer) -> None:
    """Put the three commands into ``keygw keys``."""
    app.command()(suspend)
    app.command()(resume)
    app.command()(revoke)


def suspend(
    key: KeyName,
    wait: Wait = 0.0,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """Suspend a key; undo it with: keygw keys resume."""
    answer = _change("suspend", _list_heard, key, wait, Target(url, token_file, data))
    _tell(answer, as_json, f"Undo it with: keygw keys resume {answer['id']}", _list_heard)


def resume(
    key: KeyName,
    wait: Wait = 0.0,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """Lift the suspension of a key."""
    answer = _change("resume", _list_heard, key, wait, Target(url, token_file, data))
    _tell(answer, as_json, "", _list_heard)


def revoke(
    key: KeyName,
    wait: Wait = 0.0,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """Revoke a key for good; there is no undo.

    Everything shared from it ends as well. It is "revoking" until the vehicle itself has
    acknowledged, and "revoked" from then on.
    """
    answer = _change("revoke", _ended, key, wait, Target(url, token_file, data))
    _tell(answer, as_json, "There is no undo; share or issue a new key instead.", _ended)


def _list_heard(key: Mapping[str, Any], sequence: int) -> bool:
    return bool(key["list"]["acknowledged"] >= sequence)


def _ended(key: Mapping[str, Any], sequence: int) -> bool:
    return key["state"] in ("revoked", "expired")


def _change(
    verb: str, done: Callable[[Mapping[str, Any], int], bool], given: str, wait: float, target: Target
) -> dict[str, Any]:
    from keygw.cli import lookup, waiting

    with target.open() as gateway:
        key_id = lookup.key_id(gateway, given)
        answer: dict[str, Any] = gateway.post(f"/v1/keys/{key_id}:{verb}")
        if wait:
            # Of this change, not of one that somebody makes meanwhile.
            sequence = int(answer["list"]["current"])
            answer = waiting.until(
                lambda: gateway.get(f"/v1/keys/{key_id}"), lambda key: done(key, sequence), wait, answer
            )
            if not done(answer, sequence):
                raise Failure(
                    Exit.NOT_DONE,
                    "not_acknowledged",
                    f"{key_id} is {answer['state']} here, but within {wait:g} s the vehicle has not acknowledged it; "
                    "until it does, it may still act on what it knew before",
                    "it is told on its next contact by itself; bring it near the gateway's radio (keygw doctor looks "
                    f"at the radio), then: keygw keys {verb} {key_id} --wait 60",
                )
    return answer


def _tell(
    answer: Mapping[str, Any], as_json: bool, advice: str, done: Callable[[Mapping[str, Any], int], bool]
) -> None:
    if as_json:
        output.document(answer)
        return
    key_id, state = answer["id"], answer["state"]
    if done(answer, int(answer["list"]["current"])):
        output.say(f"{key_id}: {state}; the vehicle knows")
    elif state == "revoking":
        output.say(f"{key_id}: revoking: waiting for the vehicle, which may still accept the key until it acknowledges")
        output.remark(f"Wait for it with: keygw keys revoke {key_id} --wait 60")
    else:
        output.say(f"{key_id}: {state}; the vehicle has not heard of it yet and is told on its next contact")
    if advice:
        output.remark(advice)
