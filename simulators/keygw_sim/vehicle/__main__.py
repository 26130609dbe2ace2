"""``python -m keygw_sim.vehicle``: a simulated car as a process.

Prints one JSON line when it advertises::

    {"ready": true, "vehicle": {"id": "veh_...", "name": ..., "public_key": ..., "advertising_key": ...}, ...}

then one line for each thing that happens (``{"event": "command", ...}``), and obeys JSON lines on stdin:

* ``{"do": "status"}`` -> the body, the revocation list's sequence, the newest receipt, what the car knows of the time.
* ``{"do": "set", "body": {"driver_door_open": true}}`` changes the body (``keygw_sim.vehicle.body``), and every other
  order of ``keygw_sim.vehicle.orders`` is obeyed as well; with ``--count`` each names its ``"car"``.
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

Trust comes from ``DIR/provisioning.json``, taken at the next connection. ``--control`` serves the same orders over HTTP
(``keygw_sim.vehicle.control``). It ends on SIGTERM, SIGINT, and with ``--follow-stdin`` when stdin ends. Without
``--transport`` it starts a virtual radio of its own and names what is free on it. ``--count 100`` is a hundred cars in
one process, each with a radio controller and a flash folder (``DIR/car-001``...) of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
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
from keygw.model.errors import BadInput, Conflict, KeygwError, NotFound
from keygw.session.keylog import KeyLogLine
from keygw.store.instance import InstanceLock
from keygw_sim.head_unit import orders as head_unit
from keygw_sim.head_unit.car import BrainCar
from keygw_sim.head_unit.cards import Pressed
from keygw_sim.head_unit.head_unit import HeadUnit
from keygw_sim.processes import Child, ChildFailed
from keygw_sim.radio.virtual import VirtualRadio
from keygw_sim.ranging.ether import Ether, port
from keygw_sim.ranging.space import Anchors, Space
from keygw_sim.stdio import orders, say, stop_signal
from keygw_sim.vehicle import hands
from keygw_sim.vehicle.car import Car
from keygw_sim.vehicle.flash import Flash
from keygw_sim.vehicle.orders import read_order
from keygw_sim.vehicle.proximity import Ranger
from keygw_sim.vehicle.runner import fresh, identity, uptime
from keygw_sim.vehicle.yard import MOST_CARS, Yard, make_cars

EXIT_NO_RADIO = 3
FIRST_PORT = 7461
FREE_PLACES = 2
"""For who wants to meet the cars of a process that has many."""
MAX_OFFSET = 10**9


def main(argv: Sequence[str] | None = None) -> int:
    """Run until told to stop. Exit 0; 2 for wrong arguments; 3 when there is no radio or the state cannot be used."""
    parser = argparse.ArgumentParser(prog="keygw sim vehicle", description="A car on a virtual radio or HCI board.")
    parser.add_argument("--transport", help="Bumble transport, e.g. usb:0 (default: a virtual radio of its own)")
    parser.add_argument("--state", type=Path, default=Path("keygw-vehicle"), help="folder that is its flash memory")
    parser.add_argument("--name", default="Simulated car", help="what owners call it")
    parser.add_argument("--port", type=int, default=FIRST_PORT, help="first port of its own radio (default 7461)")
    parser.add_argument("--pair", action="store_true", help="open pairing mode at the start, and show the code")
    parser.add_argument("--seed", help="repeat the identity of a fresh car")
    parser.add_argument("--identity", action="store_true", help="make the car if there is none, say who it is, and end")
    parser.add_argument(
        "--trace", type=Path, metavar="FILE", help="write what goes over HCI into this new btsnoop file"
    )
    parser.add_argument(
        "--key-log", type=Path, metavar="FILE", help="append session keys to this file (0600): for test rigs only"
    )
    parser.add_argument("--follow-stdin", action="store_true", help="end when stdin ends")
    parser.add_argument(
        "--ranging", type=port, metavar="PORT", help="build ranging anchors in, on a loopback port (0: any)"
    )
    parser.add_argument("--count", type=int, default=1, help=f"so many cars in one process (1 to {MOST_CARS})")
    parser.add_argument(
        "--control", type=int, nargs="?", const=0, metavar="PORT",
        help="let keygw sim door and the like reach it on this port (default: any, but none with --follow-stdin)",
    )  # fmt: skip
    args = parser.parse_args(argv)
    if not 1 <= args.count <= MOST_CARS:
        parser.error(f"--count takes 1 to {MOST_CARS}")
    alone = (args.transport, args.identity, args.pair, args.trace, args.key_log)
    if args.count > 1 and (any(alone) or args.ranging is not None):
        parser.error(
            "--count goes with none of --transport, --identity, --pair, --trace, --key-log, --ranging: it is many cars"
        )
    if args.control is None and not args.follow_stdin:
        args.control = 0
    if args.control is not None and not 0 <= args.control < 2**16:
        parser.error("--control takes a port, 0 to 65535")
    logging.basicConfig(stream=sys.stderr, level=logging.CRITICAL)  # a lost link is told by us, not by Bumble's log
    try:
        if args.identity:
            say(_identity(args))
            return 0
        return asyncio.run(_run(args))
    except (KeygwError, OSError, ChildFailed) as error:
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
        stop = stop_signal()
        space = Space()
        ether = None if args.ranging is None else await stack.enter_async_context(Ether(space, args.ranging))
        cars, others = await _cars(args, stack, None if ether is None else Anchors(space))
        units = [_head_unit(car) for car in cars]
        yard = await stack.enter_async_context(Yard(cars))
        told = [identity(car.brain.memory) for car in cars]
        who: dict[str, Any] = {"vehicle": told[0]} if args.count == 1 else {"vehicles": told}
        ready = {"ready": True, **who, "state": str(args.state), "free_transports": others}
        if args.control is not None:
            from keygw_sim.vehicle.control import Control  # a server takes its time to load

            control = Control(yard, args.state, port=args.control, units=units)
            ready["control"] = await stack.enter_async_context(control.serving())
        if ether is not None:
            ready["ranging"] = ether.port
        say(ready)
        dashboard = Dashboard()
        if args.pair:
            say({"did": "pair", **await _obey(cars[0], dashboard, {"do": "pair"})})

        async def obey() -> None:
            lines = orders()
            while (line := await lines.get()) is not None:
                try:
                    order = json.loads(line)
                    if not isinstance(order, dict):
                        raise TypeError("an order is a JSON object")
                    car = cars[0] if args.count == 1 else yard.find(str(order.pop("car")))
                    if order["do"] in head_unit.ORDERS:
                        say({"did": order["do"], **head_unit.obey(units[cars.index(car)], order)})
                    else:
                        say({"did": order["do"], **await _obey(car, dashboard, order)})
                    await car.vehicle.flush()
                except (ValueError, TypeError, KeyError, RecursionError, BadInput, NotFound) as error:
                    say({"error": f"cannot do that: {error!r}"})
            if args.follow_stdin:
                stop.set()

        tasks = [asyncio.create_task(work) for work in (obey(), yard.wait_lost(), stop.wait())]
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


async def _cars(
    args: argparse.Namespace, stack: contextlib.AsyncExitStack, ranger: Ranger | None
) -> tuple[list[Car], list[str]]:
    """The cars, not yet switched on, and what is free on their radio for who wants to meet them."""
    if args.count > 1:
        radio = await stack.enter_async_context(VirtualRadio())
        openers = [(await radio.add_controller(tcp=False)).open for _ in range(args.count)]
        ports = [args.port + number if args.port else 0 for number in range(FREE_PLACES)]  # 0: any free one
        free = [(await radio.add_controller(port=each)).transport for each in ports]
        return make_cars(
            args.state, args.name, openers, seed=args.seed, told=lambda event: _tell(event, many=True)
        ), free
    transport, others = args.transport, []
    if transport is None:
        child = await stack.enter_async_context(
            Child("keygw_sim.radio", "--controllers", "3", "--port", str(args.port), "--follow-stdin")
        )
        transport, *others = child.ready["transports"]
    told = functools.partial(_tell, many=False)
    key_log = None if args.key_log is None else _key_log(args.key_log, stack)
    radio_of_car: str | HciOpener = transport if args.trace is None else _tapped(transport, args.trace, stack)
    return [Car(args.state, radio_of_car, args.name, seed=args.seed, told=told, ranger=ranger, key_log=key_log)], others


def _head_unit(car: Car) -> HeadUnit:
    """The screen of a car; it hears what happens there."""
    unit = HeadUnit(BrainCar(lambda: car.brain), uptime, _pressed)
    car.listeners.append(lambda event: unit.hear(event["event"], event))
    return unit


def _pressed(what: Pressed) -> None:
    say({"event": "card_pressed", "app": what.app, "card": what.card, "button": what.button})


def _tell(event: dict[str, Any], *, many: bool) -> None:
    hidden = {"number", "at"} if many else {"number", "at", "car"}
    said = {name: value for name, value in event.items() if name not in hidden}
    say({"event": said.pop("event"), **said})


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


def _offset(value: object) -> float:
    if not isinstance(value, int | float) or abs(value) > MAX_OFFSET:
        raise ValueError(f"an offset is a number of seconds up to {MAX_OFFSET}")
    return float(value)


async def _obey(car: Car, dashboard: Dashboard, order: dict[str, Any]) -> dict[str, Any]:
    if order["do"] == "clock":
        dashboard.offset = _offset(order["offset"])
    if order["do"] in ("status", "clock"):
        return {**hands.status(car.brain), "clock": dashboard.shows}
    try:
        return await hands.obey(car, read_order(order))
    except Conflict as refused:
        return {"outcome": refused.code, "why": str(refused)}


if __name__ == "__main__":
    sys.exit(main())
