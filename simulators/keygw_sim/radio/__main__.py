"""``python -m keygw_sim.radio``: the virtual radio as a process.

Prints one JSON line when ready::

    {"ready": true, "transports": ["tcp-client:127.0.0.1:40001", ...]}

and then obeys JSON lines on stdin, answering each with one JSON line on stdout:

* ``{"do": "cut"}`` cuts every active link now, ``{"do": "cut", "port": 0}`` those of the first controller;
  the answer is ``{"did": "cut", "links": 1}``.
* ``{"do": "cut", "after_frames": 2, "of": "notifications"}`` lets two more pass, then drops the third and cuts its
  link; the answers are ``{"did": "arm"}`` now and ``{"did": "cut", "links": 1}`` then.

* ``{"do": "weather", "delay_ms": 100, "loss": 0.2}``: every packet takes so long, and one in five must be said again; a
  link on which nothing is heard any more ends. Without numbers: calm. The answer is ``{"did": "weather", ...}``.

``of`` is ``notifications`` (vehicle to device), ``writes`` or ``any``. It ends on SIGTERM, SIGINT, and with
``--follow-stdin`` when stdin ends.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Sequence
from typing import Any

from keygw_sim.radio.link import CALM, Carried, Weather
from keygw_sim.radio.virtual import VirtualRadio
from keygw_sim.stdio import orders, say, stop_signal

MAX_DELAY_MS = 5000


def main(argv: Sequence[str] | None = None) -> int:
    """Run until told to stop. Exit 0; 2 when a TCP port is taken or the arguments make no sense."""
    parser = argparse.ArgumentParser(prog="keygw_sim.radio", description="Virtual Bluetooth radio: HCI over TCP.")
    parser.add_argument("--controllers", type=int, default=3, help="how many controllers to offer (default 3)")
    parser.add_argument("--port", type=int, default=0, help="first TCP port; 0: any free ones (default)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default loopback)")
    parser.add_argument("--follow-stdin", action="store_true", help="end when stdin ends")
    parser.add_argument("--verbose", action="store_true", help="Bumble's own log on stderr")
    args = parser.parse_args(argv)
    if not 1 <= args.controllers <= 64:
        parser.error("--controllers takes 1 to 64")
    logging.basicConfig(stream=sys.stderr, level=logging.DEBUG if args.verbose else logging.CRITICAL)
    try:
        asyncio.run(_run(args))
    except OSError as error:
        print(f"the virtual radio cannot listen: {error}", file=sys.stderr)
        return 2
    return 0


async def _run(args: argparse.Namespace) -> None:
    stop = stop_signal()
    async with VirtualRadio(args.host) as radio:
        for index in range(args.controllers):
            await radio.add_controller(port=args.port + index if args.port else 0)
        say({"ready": True, "transports": [port.transport for port in radio.ports]})
        control = asyncio.ensure_future(_obey(radio, orders()))
        if args.follow_stdin:
            control.add_done_callback(lambda _: stop.set())
        await stop.wait()
        control.cancel()


async def _obey(radio: VirtualRadio, lines: asyncio.Queue[str | None]) -> None:
    while (line := await lines.get()) is not None:
        if not line.strip():
            continue
        try:
            say(_command(radio, json.loads(line)))
        except (ValueError, TypeError, KeyError, IndexError) as error:
            say({"error": f"cannot do that: {error}"})


def _command(radio: VirtualRadio, order: dict[str, Any]) -> dict[str, Any]:
    if order["do"] == "weather":
        return {"did": "weather", **_weather(radio, order)}
    if order["do"] != "cut":
        raise ValueError(f"unknown order {order['do']!r}; known: cut, weather")
    port = radio.ports[order["port"]] if "port" in order else None
    if "after_frames" not in order:
        return {"did": "cut", "links": radio.cut(port)}
    frames = order["after_frames"]
    if not isinstance(frames, int) or frames < 0:
        raise ValueError("after_frames is a number from 0 up")
    radio.cut_after(
        frames, of=Carried(order.get("of", "any")), port=port, sprung=lambda: say({"did": "cut", "links": 1})
    )
    return {"did": "arm"}


def _weather(radio: VirtualRadio, order: dict[str, Any]) -> dict[str, float]:
    delay, loss = order.get("delay_ms", 0), order.get("loss", 0)
    for name, value, most in (("delay_ms", delay, MAX_DELAY_MS), ("loss", loss, 1)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
            raise ValueError(f"{name} is a number from 0 to {most}")
    radio.link.weather = Weather(delay / 1000, loss) if delay or loss else CALM
    return {"delay_ms": delay, "loss": loss}


if __name__ == "__main__":
    sys.exit(main())
