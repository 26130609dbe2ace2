"""``keygw status``: what is known of a vehicle right now, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from keygw.cli import output
from keygw.cli.options import Data, Json, Target, TokenFile, Url, VehicleName

_STALE = "Values marked stale were so and may have changed; a command or a contact with the vehicle refreshes them."


def status(
    vehicle: VehicleName,
    path: Annotated[
        list[str] | None, typer.Option("--path", metavar="VSS_PATH", help="Only this signal; may be repeated.")
    ] = None,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> None:
    """Show what is known of a vehicle right now.

    Each signal is live, stale, not heard of yet (unknown), unsupported or forbidden.
    """
    from keygw.cli import lookup

    with Target(url, token_file, data).open() as gateway:
        found = lookup.vehicle_id(gateway, vehicle)
        params = {"paths": ",".join(path)} if path else None
        answer = gateway.get(f"/v1/vehicles/{found}/signals", params)
    if as_json:
        output.document(answer)
        return
    signals = answer["signals"]
    nothing = "This token may read no signal of the vehicle: it needs a status scope and a usable key of its own."
    output.table(("signal", "value", "quality", "measured"), (_row(each) for each in signals), nothing)
    if any(each.get("quality") == "stale" for each in signals):
        output.remark(_STALE)


def _row(signal: Mapping[str, Any]) -> tuple[object, ...]:
    if error := signal.get("error"):
        needs = f" (needs {signal['required_scope']})" if signal.get("required_scope") else ""
        return signal["path"], None, f"{error}{needs}", None
    return signal["path"], value_text(signal), signal["quality"], signal.get("ts")


def value_text(signal: Mapping[str, Any]) -> str | None:
    """A value with its unit; ``None`` if the vehicle has not told."""
    value = signal.get("value")
    if value is None:
        return None
    shown = ("yes" if value else "no") if isinstance(value, bool) else str(value)
    return f"{shown} {signal['unit']}" if signal.get("unit") else shown
