"""``python -m keygw_sim.vehicle``: a simulated car as a process.

Prints one JSON line when it advertises::

    {"ready": true, "vehicle": {"id": "veh_...", "name": ..., "public_key": ..., "advertising_key": ...}, ...}

then one line for each thing that happens (``{"event": "command", ...}``), and obeys JSON lines on stdin:

* ``{"do": "status"}`` -> the body, the revocation list's sequence, the newest receipt, what the car knows of the time.
* ``{"do": "set", "body": {"driver_door_open": true}}`` changes the body (``keygw_sim.vehicle.body``).
* ``{"do": "clock", "offset": -3600}`` makes the clock of its dashboard wrong by that many seconds. Nothing hangs on it:
  the car believes its own seconds since the start, and what the issuer signs.
* ``{"do": "pair"}`` is somebody in the car who opens pairing mode (``--pair`` does it at the start). The code is shown
  as an event, ``{"event": "pairing_code", "code": "31415926", "expires_in": 120}``; the answer says ``"outcome":
  "open"``, or ``owner_exists`` until an owner has allowed it with the command ``allow_pairing``.
* ``{"do": "keys"}`` -> the digital keys that the car knows, as its head unit shows them.
* ``{"do": "remove_key", "key": "key_..."}`` is somebody who removes one there. It is refused from then on, with no
  network anywhere; the gateway hears of it with the next contact. ``"outcome": "removed"``, or why not: ``in_motion``,
  ``unknown_key``, ``last_owner``, ``too_many_removed``.
* ``screen``, ``press``, ``answer`` and ``card`` go to its head unit: ``keygw_sim.head_unit.orders``.

``--identity`` prints ``{"made": true, "vehicle": {...}}`` and ends: the car's keys are made and kept in its own folder,
and what leaves it is what a gateway may know (``keygw vehicles provision``).

With ``--ranging PORT`` the car has ranging anchors, and phones in other processes tell it there what their radios send
(``keygw_sim.ranging.ether``).

Trust comes from ``DIR/provisioning.json``, taken at the next connection. It ends on SIGTERM, SIGINT, and with
``--follow-stdin`` when stdin ends. Without ``--transport`` it starts a virtual radio of its own and names what is free
on it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keygw.ble.bumble_host import HciOpener
from keygw.ble.trace.rig import WARNING, KeyLogFile
from keygw.ble.trace.tap import TraceFile, tapped
from keygw.model.errors import Conflict, KeygwError
from keygw.session.keylog import KeyLogLine
from keygw.store.instance import InstanceLock
from keygw_sim.head_unit import orders as head_unit
from keygw_sim.head_unit.car import BrainCar
from keygw_sim.head_unit.cards import Pressed
from keygw_sim.head_unit.head_unit import HeadUnit
from keygw_sim.processes import Child
from keygw_sim.ranging.ether import Ether, port
from keygw_sim.ranging.space import Anchors, Space
from keygw_sim.stdio import orders, say, stop_signal
from keygw_sim.vehicle.body import Body
from keygw_sim.vehicle.flash import Flash
from keygw_sim.vehicle.runner import VehicleOnAir, fresh, identity, load_vehicle, uptime

EXIT_NO_RADIO = 3
FIRST_PORT = 7461
MAX_OFFSET = 10**9


def main(argv: Sequence[str] | None = None) -> int:
    """Run until told to stop. Exit 0; 2 for wrong arguments; 3 when there is no radio or the state cannot be used."""
    parser = argparse.ArgumentParser(prog="keygw sim vehicle", description="A car on a virtual radio or HCI board.")
    parser.add_argument("--transport", help="Bumble transport, e.g. usb:0 (default: a virtual radio of its own)")
    parser.add_argument("--state", type=Path, default=Path("keygw-vehicle"), help="folder that is its flash memory")
    parser.add_argument("--name", default="Simulated car", help="what owners call it")
    parser.add_argument("--port", type=int, default=FIRST_PORT, help="first port of its own radio (default 7461)")
    parser.add_argument("--pair", action="store_true", help="open pairing mode at the start, and show the code")
    parser.add_argument(
        "--ranging", type=port, metavar="PORT", help="build ranging anchors in, on a loopback port (0: any)"
    )
    parser.add_argument("--seed", help="repeat the identity of a fresh car")
    parser.add_argument("--identity", action="store_true", help="make the car if there is none, say who it is, and end")
    parser.add_argument(
        "--trace", type=Path, metavar="FILE", help="write what goes over HCI into this new btsnoop file"
    )
    parser.add_argument(
        "--key-log", type=Path, metavar="FILE", help="append session keys to this file (0600): for test rigs only"
    )
    parser.add_argument("--follow-stdin", action="store_true", help="end when stdin ends")
    args = parser.parse_args(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.CRITICAL)  # a lost link is told by us, not by Bumble's log
    try:
        if args.identity:
            say(_identity(args))
            return 0
        return asyncio.run(_run(args))
    except (KeygwError, OSError) as error:
        print(f"the vehicle cannot start: {error}", file=sys.stderr)
        return EXIT_NO_RADIO


@dataclass(slots=True)
class Dashboard:
    """The clock that people in the car see and set. ``offset``: seconds that it is wrong by."""

    offset: float = 0.0

    @property
    def shows(self) -> float:
        return time.time() + self.offset


async def _run(args: argparse.Namespace) -> int:
    async with contextlib.AsyncExitStack() as stack:
        stop, transport, others = stop_signal(), args.transport, []
        if transport is None:
            radio = await stack.enter_async_context(
                Child("keygw_sim.radio", "--controllers", "3", "--port", str(args.port), "--follow-stdin")
            )
            transport, *others = radio.ready["transports"]
        await asyncio.to_thread(args.state.mkdir, parents=True, exist_ok=True)
        stack.enter_context(InstanceLock(args.state))  # two cars on one flash would be one car with two stories
        dashboard = Dashboard()
        units: list[HeadUnit] = []

        def tell(what: str, data: dict[str, object]) -> None:
            say({"event": what, **data})
            for unit in units:
                unit.hear(what, data)

        space = Space()
        ether = None if args.ranging is None else await stack.enter_async_context(Ether(space, args.ranging))
        anchors = None if ether is None else Anchors(space)
        brain = load_vehicle(args.state, args.name, seed=args.seed, log=tell, ranger=anchors)
        units.append(HeadUnit(BrainCar(lambda: brain), uptime, _pressed))
        if args.key_log is not None:
            brain.key_log = _key_log(args.key_log, stack)
        vehicle = VehicleOnAir(brain, transport if args.trace is None else _tapped(transport, args.trace, stack))
        await vehicle.start()
        stack.push_async_callback(vehicle.stop)
        ready = {"ready": True, "vehicle": identity(brain.memory), "state": str(args.state), "free_transports": others}
        say(ready if ether is None else ready | {"ranging": ether.port})
        if args.pair:
            say({"did": "pair", **_obey(vehicle, dashboard, {"do": "pair"})})

        async def obey() -> None:
            lines = orders()
            while (line := await lines.get()) is not None:
                try:
                    order = json.loads(line)
                    if order["do"] == "clock":
                        dashboard.offset = _offset(order["offset"])
                    if order["do"] in head_unit.ORDERS:
                        say({"did": order["do"], **head_unit.obey(units[0], order)})
                    else:
                        say({"did": order["do"], **_obey(vehicle, dashboard, order)})
                    await vehicle.flush()
                except (ValueError, TypeError, KeyError) as error:
                    say({"error": f"cannot do that: {error!r}"})
            if args.follow_stdin:
                stop.set()

        tasks = [asyncio.create_task(work) for work in (obey(), vehicle.wait_lost(), stop.wait())]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if tasks[0] in done and tasks[0].exception() is None:  # stdin has ended, which stops us only if it should
            await asyncio.wait(tasks[1:], return_when=asyncio.FIRST_COMPLETED)
        lost, broke = tasks[1].done(), tasks[0].exception() if tasks[0].done() else None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if broke is not None:
            raise broke
        if lost:
            print("the radio has gone; start it again, then the vehicle", file=sys.stderr)
        return EXIT_NO_RADIO if lost else 0


def _key_log(path: Path, stack: contextlib.AsyncExitStack) -> KeyLogLine:
    log = KeyLogFile(path)
    stack.callback(log.close)
    print(WARNING.format(path=path), file=sys.stderr)
    return log


def _tapped(transport: str, path: Path, stack: contextlib.AsyncExitStack) -> HciOpener:
    file = TraceFile(path)
    stack.callback(file.close)
    return tapped(transport, file)


def _identity(args: argparse.Namespace) -> dict[str, Any]:
    """Of the car in the folder, which may be running; ``made``: it is fresh from the line, and was saved."""
    flash = Flash(args.state)
    memory = flash.load()
    if memory is not None:
        return {"made": False, "vehicle": identity(memory)}
    args.state.mkdir(parents=True, exist_ok=True)
    with InstanceLock(args.state):  # its first start makes it too
        memory = flash.load()
        made = memory is None
        if memory is None:
            memory = fresh(args.name, args.seed)
            flash.save(memory)
    return {"made": made, "vehicle": identity(memory)}


def _pressed(what: Pressed) -> None:
    say({"event": "card_pressed", "app": what.app, "card": what.card, "button": what.button})


def _offset(value: object) -> float:
    if not isinstance(value, int | float) or abs(value) > MAX_OFFSET:
        raise ValueError(f"an offset is a number of seconds up to {MAX_OFFSET}")
    return float(value)


def _obey(vehicle: VehicleOnAir, dashboard: Dashboard, order: dict[str, Any]) -> dict[str, Any]:
    brain = vehicle.brain
    match order["do"]:
        case "status" | "clock":
            return {
                "body": {name: getattr(brain.body, name) for name in Body.__slots__},
                "list_sequence": brain.memory.list_sequence,
                "receipt_sequence": brain.memory.receipt_sequence,
                "time": brain.time.state.label,
                "now": brain.time.at,
                "clock": dashboard.shows,
            }
        case "set":
            return {"body": brain.set_body(order["body"])}
        case "pair":
            try:
                return {"outcome": "open", "expires_in": brain.open_pairing()}
            except Conflict as refused:
                return {"outcome": refused.code, "why": str(refused)}
        case "keys":
            known, removed = brain.memory.keys, brain.memory.removed
            return {
                "keys": [
                    {"key": key_id, "index": each.index, "depth": each.depth, "removed": each.index in removed}
                    for key_id, each in known.items()
                ]
            }
        case "remove_key":
            try:
                brain.remove_key(str(order["key"]))
            except Conflict as refused:
                return {"outcome": refused.code, "why": str(refused)}
            return {"outcome": "removed"}
    every = ", ".join(("status", "set", "clock", "pair", "keys", "remove_key", *head_unit.ORDERS))
    raise ValueError(f"unknown order {order['do']!r}; known: {every}")


if __name__ == "__main__":
    sys.exit(main())
