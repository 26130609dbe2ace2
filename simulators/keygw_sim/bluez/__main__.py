"""``python -m keygw_sim.bluez``: ``org.bluez`` on a private bus, as a process.

Prints one JSON line when programs may use it::

    {"ready": true, "address": "unix:path=...,guid=...", "adapter": "/org/bluez/hci0", "free_transports": [...]}

``DBUS_SYSTEM_BUS_ADDRESS`` set to that address makes an unmodified program use it: ``keygw serve --radio system``,
anything on bleak, Chromium. It obeys JSON lines on stdin, and answers each with one on stdout:

* ``{"do": "status"}`` -> whether the adapter is on and discovers, and the devices by path.
* ``{"do": "power", "on": false}`` switches the adapter off, ``true`` on again.
* ``{"do": "unplug"}`` and ``{"do": "plug"}``: the adapter is no more, and is back.
* ``{"do": "spoil"}``: to every device that is known now each connection fails, until it is removed.
* ``{"do": "remove"}`` removes every device, connected or not; ``"device": "/org/bluez/hci0/dev_..."`` that one.
* ``{"do": "fault", "member": "Connect", "error": "InProgress", "times": 2}`` answers the next two calls of that method
  with ``org.bluez.Error.InProgress``; a name with a dot in it is taken as it is, and ``""`` never answers. ``text`` is
  the error's text, where the usual one will not do.
* ``{"do": "cut"}`` cuts every link by supervision time-out; only with a radio of its own.

Without ``--transport`` it starts a virtual radio of its own and names what is free on it. It ends on SIGTERM, SIGINT,
and with ``--follow-stdin`` when stdin ends.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bleak.exc import BleakError

from keygw.ble.faults import link_error
from keygw_sim.bluez.private_bus import BusUnavailable
from keygw_sim.bluez.service import Bluez
from keygw_sim.processes import Child, ChildFailed
from keygw_sim.stdio import orders, say, stop_signal

EXIT_NO_RADIO = 3
FIRST_PORT = 7461
KNOWN = "status, power, unplug, plug, remove, spoil, fault, cut"


def main(argv: Sequence[str] | None = None) -> int:
    """Run until told to stop. Exit 0; 2 for wrong arguments; 3 when there is no bus or no radio, or it has gone."""
    parser = argparse.ArgumentParser(prog="keygw sim bluez", description="org.bluez on a private D-Bus.")
    parser.add_argument("--transport", help="Bumble transport, e.g. usb:0 (default: a virtual radio of its own)")
    parser.add_argument("--bus", type=Path, help="socket of the bus (default: in a temporary folder)")
    parser.add_argument("--port", type=int, default=FIRST_PORT, help="first port of its own radio (default 7461)")
    parser.add_argument("--no-adapter", action="store_true", help="a machine without an adapter")
    parser.add_argument("--follow-stdin", action="store_true", help="end when stdin ends")
    parser.add_argument("--verbose", action="store_true", help="what goes wrong inside, on stderr")
    args = parser.parse_args(argv)
    if args.no_adapter and args.transport:
        parser.error("--no-adapter leaves nothing for --transport to be")
    if not 0 <= args.port <= 65_532:
        parser.error("--port takes 0 to 65532")
    logging.basicConfig(stream=sys.stderr, level=logging.INFO if args.verbose else logging.CRITICAL)
    try:
        return asyncio.run(_run(args))
    except (BusUnavailable, ChildFailed, OSError) as error:
        print(f"org.bluez cannot start: {error}", file=sys.stderr)
    except BleakError as error:
        print(f"org.bluez cannot start: {link_error(error)}", file=sys.stderr)
    return EXIT_NO_RADIO


async def _run(args: argparse.Namespace) -> int:
    async with contextlib.AsyncExitStack() as stack:
        stop, transport, radio, free = stop_signal(), args.transport, None, []
        if transport is None and not args.no_adapter:
            radio = await stack.enter_async_context(
                Child("keygw_sim.radio", "--controllers", "4", "--port", str(args.port), "--follow-stdin")
            )
            transport, *free = radio.ready["transports"]
        bluez = await stack.enter_async_context(Bluez(transport, path=args.bus))
        adapter = None if transport is None else bluez.adapter.path
        say({"ready": True, "address": bluez.address, "adapter": adapter, "free_transports": free})

        async def obey() -> None:
            lines = orders()
            while (line := await lines.get()) is not None:
                try:
                    order = json.loads(line)
                    say({"did": order["do"], **await _obey(bluez, radio, order)})
                except (ValueError, TypeError, KeyError, ChildFailed) as error:
                    say({"error": f"cannot do that: {error!r}"})
            if args.follow_stdin:
                stop.set()

        tasks = [asyncio.create_task(work) for work in (obey(), bluez.wait_lost(), stop.wait())]
        await asyncio.wait(tasks[1:], return_when=asyncio.FIRST_COMPLETED)
        lost = tasks[1].done() and not stop.is_set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if lost:
        print("the bus or the radio has gone; start it again", file=sys.stderr)
    return EXIT_NO_RADIO if lost else 0


async def _obey(bluez: Bluez, radio: Child | None, order: dict[str, Any]) -> dict[str, Any]:
    do = order["do"]
    if do == "fault":
        bluez.faults.order(
            str(order["member"]),
            str(order.get("error", "InProgress")),
            text=order.get("text"),
            times=int(order.get("times", 1)),
        )
        return {}
    if do == "cut":
        if radio is None:
            raise ValueError("there is no radio of its own to cut links on; tell the one that --transport names")
        return {"links": (await radio.ask(do="cut"))["links"]}
    if not hasattr(bluez, "adapter"):
        raise ValueError("there is no adapter (--no-adapter)")
    adapter = bluez.adapter
    match do:
        case "status":
            pass
        case "power":
            if not isinstance(order["on"], bool):
                raise ValueError("on is true or false")
            await adapter.power(order["on"])
        case "unplug":
            await adapter.unplug()
        case "plug":
            await adapter.plug()
        case "spoil":
            for device in adapter.devices.values():
                device.spoilt = True
        case "remove":
            chosen = [adapter.devices[order["device"]]] if "device" in order else list(adapter.devices.values())
            for device in chosen:
                await adapter.forget(device)
        case _:
            raise ValueError(f"unknown order {do!r}; known: {KNOWN}")
    return {
        "powered": adapter.powered,
        "discovering": bool(adapter.properties["Discovering"].value),
        "devices": {path: {"connected": device.connected} for path, device in adapter.devices.items()},
    }


if __name__ == "__main__":
    sys.exit(main())
