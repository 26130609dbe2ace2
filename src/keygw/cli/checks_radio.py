"""Check of the chosen radio: it is really switched on and listened with, for a moment."""

from __future__ import annotations

import asyncio

from keygw.cli import checks_radios
from keygw.cli.diagnosis import Check, Verdict, fail, ok, skipped

LISTEN_S = 0.5
LIMIT_S = 10.0
_NAME = "radio"


def radio(spec: str, *, running: bool) -> Check:
    """``running``: a gateway runs, and a board serves one host at a time, so it is left alone."""
    if spec == "none":
        return skipped(_NAME, "none is wanted")
    if running:
        return skipped(_NAME, f"{spec}: left to the gateway that runs")
    try:
        tried = asyncio.run(_listen(spec))
    except Exception as error:
        # Bumble's transports raise whatever their drivers do; a doctor reports it and goes on.
        tried = fail(_NAME, f"{spec}: {str(error) or type(error).__name__}", _fix(spec))
    if tried.status is Verdict.OK:
        return tried
    known = checks_radios.lacking(spec)
    return tried if known is None or known.status is Verdict.OK else fail(_NAME, f"{spec}: {known.seen}", known.fix)


async def _listen(spec: str) -> Check:
    from keygw.ble.air import BleAir
    from keygw.model.errors import LinkError

    air = BleAir.system() if spec == "system" else BleAir.bumble(spec)
    try:
        async with asyncio.timeout(LIMIT_S):
            heard = await air.scan(LISTEN_S)
    except LinkError as error:
        return fail(_NAME, f"{spec}: {error}", _fix(spec))
    except TimeoutError:
        return fail(_NAME, f"{spec} says nothing for {LIMIT_S:g} s", _fix(spec))
    finally:
        await air.close()
    vehicles = "1 vehicle" if len(heard) == 1 else f"{len(heard)} vehicles"
    return ok(_NAME, f"{spec} works; heard {vehicles} in {LISTEN_S:g} s")


def _fix(spec: str) -> str:
    if spec == "system":
        return "switch Bluetooth on, and let this user use it; or name a board: --radio usb:0"
    if spec.startswith("tcp-client:"):
        return "start the virtual radio: keygw sim radio (it prints its transports); one port serves one host"
    return "is it an HCI firmware, at that speed, and does nobody else use it? docs/how-to/use-an-hci-board.md"
