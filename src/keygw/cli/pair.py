"""``keygw pair``: make this gateway's device an owner's of the vehicle that shows a code."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from keygw.cli import output
from keygw.cli.exits import Exit
from keygw.cli.options import Data, Json, Target, TokenFile, Url

_NEXT = {
    "pairing_code_wrong": "read the code again; after five wrong ones the vehicle closes pairing mode",
    "no_code_shown": "open pairing mode in the vehicle, then try again with the code that it shows",
    "pairing_refused": "open pairing mode in the vehicle again, then try with the new code",
    "out_of_range": "bring the vehicle near the gateway's radio; keygw doctor looks at the radio",
}


def pair(
    code: Annotated[str, typer.Argument(metavar="CODE", help="The 8 digits that the vehicle shows.")],
    name: Annotated[str, typer.Option("--name", metavar="TEXT", help="What to call the vehicle here.")] = "My vehicle",
    wait: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", help="How long to wait for the end; 0 only starts it.")
    ] = 120.0,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """Pair with the vehicle that shows this code, and become its owner.

    Somebody must be in the vehicle and open pairing mode; one that has an owner asks that owner first
    (keygw command VEHICLE allow_pairing).
    """
    from keygw.cli import waiting

    def settled(answer: dict[str, Any]) -> bool:
        return answer["state"] in ("done", "failed")

    with Target(url, token_file, data).open() as gateway:
        made: dict[str, Any] = gateway.post("/v1/pairings", {"code": code, "name": name})
        answer = waiting.until(lambda: gateway.get(f"/v1/pairings/{made['id']}"), settled, wait, made)
    if as_json:
        output.document(answer)
    else:
        output.facts(
            (field, answer[field])
            for field in ("id", "state", "reason", "name", "vehicle_id", "key_id")
            if answer[field] is not None
        )
        if answer["state"] == "failed":
            output.remark(_NEXT.get(answer["reason"], "see how things stand: keygw vehicles list, keygw keys list"))
    if answer["state"] == "failed" or (wait > 0 and not settled(answer)):
        raise typer.Exit(Exit.NOT_DONE)
