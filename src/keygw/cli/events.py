"""``keygw events``: everything that happens, as it happens, until Ctrl-C."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keygw.cli import output
from keygw.cli.exits import Exit
from keygw.cli.failure import Failure
from keygw.cli.options import Data, Json, Target, TokenFile, Url
from keygw.cli.status import value_text

if TYPE_CHECKING:
    from keygw.cli.client import Gateway

PATIENCE_S = 60.0
"""How long a gateway that was there may be away before we give up."""
PAUSE_S = 1.0


def events(
    vehicle: Annotated[str | None, typer.Option("--vehicle", metavar="VEHICLE", help="Only of this vehicle.")] = None,
    after: Annotated[
        str, typer.Option("--after", metavar="EVENT", help="Begin with what came after this event id.")
    ] = "",
    count: Annotated[int, typer.Option("--count", metavar="N", min=0, help="Stop after so many events; 0: never.")] = 0,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> int:
    """Follow what happens; Ctrl-C ends it. With --json one CloudEvent a line.

    When the gateway goes away for a moment, the stream is taken up again where it broke off.
    """
    from keygw.cli import lookup

    with Target(url, token_file, data).open() as gateway:
        try:
            params = {"vehicle": lookup.vehicle_id(gateway, vehicle)} if vehicle else {}
            show = _show_json if as_json else _show_text
            follow(gateway, params, after, count, show)
        except KeyboardInterrupt:
            pass  # That is how one ends it.
    return Exit.OK


def follow(
    gateway: Gateway,
    params: dict[str, str],
    after: str,
    count: int,
    show: Callable[[Mapping[str, Any]], None],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Show ``count`` events (0: without end). ``Failure`` if the gateway was never there, or stays away."""
    from keygw.client.sse import Reader

    reader, seen, gone_since, met = Reader(after), 0, None, False
    while True:
        try:
            with gateway.stream("/v1/events", params, reader.last_id) as chunks:
                met, gone_since = True, None
                for chunk in chunks:
                    for event in reader.feed(chunk):
                        show(json.loads(event.data))
                        seen += 1
                        if seen == count:
                            return
        except Failure as failure:
            if not met or failure.exit_code is not Exit.NO_GATEWAY or failure.code == "not_a_gateway":
                raise
            now = clock()
            gone_since = now if gone_since is None else gone_since
            if now - gone_since >= PATIENCE_S:
                raise
        except ValueError as error:
            raise Failure(
                Exit.NO_GATEWAY, "not_a_gateway", f"the event stream makes no sense: {error}", "look at --url"
            ) from error
        output.remark("keygw: the stream broke off; trying again")
        sleep(PAUSE_S)
        # Half an event that was cut off is sent again whole.
        reader = Reader(reader.last_id)


def _show_json(event: Mapping[str, Any]) -> None:
    output.line(event)


def _show_text(event: Mapping[str, Any]) -> None:
    kind = str(event["type"]).removeprefix("keygw.")
    parts = (event["time"], kind, event.get("subject") or "-", _gist(kind, event["data"]))
    output.say("  ".join(output.clean(part) for part in parts if part))


def _gist(kind: str, data: Mapping[str, Any]) -> str:
    """What matters of an event, in a few words."""
    if kind == "signal.changed":
        return f"{data.get('path')} = {value_text(data)}"
    if kind == "signal.dropped":
        return f"{data.get('path')} is not known any more"
    if kind == "gap":
        return "some events were missed: look how things stand, with keygw status and keygw keys list"
    names = ("key_id", "action", "state", "outcome", "reason")
    return " ".join(str(data[name]) for name in names if data.get(name) is not None)
