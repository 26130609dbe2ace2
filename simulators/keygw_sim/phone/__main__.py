"""``python -m keygw_sim.phone``: a simulated phone as a process, with its own device key and BLE link.

Prints ``{"ready": true, "device": {"public_key": ..., "device_id": ...}}`` and obeys JSON lines on stdin:

* ``{"do": "accept", "key": {"key_id": ..., "cwt": ..., "vehicle": {...}}}`` takes in a digital key.
* ``{"do": "carry", "list": {"vehicle_id": ..., "sequence": ..., "signed": ...}}`` takes a revocation list along.
* ``{"do": "claim", "link": "https://...#...", "activation_code": "..."}`` claims an invitation and takes in its key;
  ``{"did": "claim", "state": "accepted", "key_id": ...}``. Once more later: the newest token.
* ``{"do": "grant", "public_key": ..., "entitlements": [...], "lifetime_seconds": ...}`` signs a grant of its own key.
* ``{"do": "state", "act": "give_back" or "found", "subject": key or device id, "number": ...}`` signs its own word.
* ``{"do": "register", "challenge": "..."}`` signs a challenge of the gateway: ``{"did": "register", "proof": "..."}``.
* ``{"do": "command", "action": "unlock"}`` -> ``{"did": "command", "outcome": "done", "ms": ..., ...}``; with a
  ``list_ack`` if the car took the list, for ``POST /v1/vehicles/{id}/revocation-acks``. With ``"outcome":
  "time_proof_required"`` comes a ``"time_nonce"``, and the phone stays with the car.
* ``{"do": "prove_time", "proof": "...", "list": {...}}``: what ``POST /v1/vehicles/{id}/time-proofs`` gives for that
  nonce, with its ``revocation_list``; the phone brings it and repeats the command. The answer is that of ``command``.
* ``walk``, ``screen``, ``flight``, ``ask`` and ``where`` are for a phone that is carried about, and are told in
  ``keygw_sim.phone.living``.

``--control`` serves the same orders over HTTP (``keygw_sim.phone.control``), for ``keygw sim walk`` and the like.
It ends on SIGTERM, SIGINT, and with ``--follow-stdin`` when stdin ends.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keygw.ble.air import BleAir
from keygw.model.base64url import decode_base64url, encode_base64url
from keygw.model.command import Action
from keygw.model.entitlement import Entitlement
from keygw.model.errors import KeygwError
from keygw.token.statement import StatementAct
from keygw.wire.ranging import RangingMethod
from keygw_sim.chance import chance
from keygw_sim.phone.handset import Handset
from keygw_sim.phone.link import claim
from keygw_sim.phone.living import Living
from keygw_sim.phone.phone import Invitation, Phone, describe, load_signer
from keygw_sim.phone.satchel import CarriedList
from keygw_sim.ranging.ether import EtherLink, port
from keygw_sim.stdio import orders, say, stop_signal

EXIT_NO_PORT = 3


def main(argv: Sequence[str] | None = None) -> int:
    """Run until told to stop. Exit 0; 2 for wrong arguments; 3 when its port is taken, or its folder cannot be used."""
    parser = argparse.ArgumentParser(prog="keygw sim phone", description="A simulated phone that holds a friend's key.")
    parser.add_argument("--transport", required=True, help="Bumble transport, e.g. tcp-client:127.0.0.1:7463")
    parser.add_argument("--state", type=Path, default=Path("keygw-phone"), help="folder that keeps its device key")
    parser.add_argument(
        "--ranging", type=port, metavar="PORT", help="the car's port for ranging; without, only taps open"
    )
    parser.add_argument("--seed", help="repeat the device key of a fresh phone")
    parser.add_argument("--events", action="store_true", help="ask the car for events in each session")
    parser.add_argument("--follow-stdin", action="store_true", help="end when stdin ends")
    parser.add_argument(
        "--control", type=port, nargs="?", const=0, metavar="PORT",
        help="let keygw sim walk and the like reach it on this port (default: any, but none with --follow-stdin)",
    )  # fmt: skip
    args = parser.parse_args(argv)
    if args.control is None and not args.follow_stdin:
        args.control = 0
    logging.basicConfig(stream=sys.stderr, level=logging.CRITICAL)  # a lost link is told by us, not by Bumble's log
    try:
        return asyncio.run(_run(args))
    except OSError as error:
        print(f"the phone cannot start: {error}", file=sys.stderr)
        return EXIT_NO_PORT


async def _run(args: argparse.Namespace) -> int:
    stop = stop_signal()
    air = BleAir.bumble(args.transport)
    signer = load_signer(args.state, chance(args.seed, "phone"))
    ether = None if args.ranging is None else EtherLink(args.ranging)
    handset = Handset(
        lambda reach: Phone(reach, signer, os.urandom),
        air,
        time.monotonic,
        methods=() if ether is None else (RangingMethod.UWB, RangingMethod.CHANNEL_SOUNDING),
        publish=None if ether is None else ether.publish,
    )
    phone, living = handset.phone, Living(handset, time.monotonic, say)
    phone.subscribe = args.events

    async def done(order: dict[str, Any]) -> dict[str, Any]:
        answer = await living.obey(order)
        if answer is None:
            async with living.busy:
                answer = await _obey(phone, order)
        return answer

    async def obey() -> None:
        lines = orders()
        while (line := await lines.get()) is not None:
            try:
                say(await done(json.loads(line)))
            except (ValueError, TypeError, KeyError, KeygwError) as error:
                say({"error": f"cannot do that: {error}"})
        if args.follow_stdin:
            stop.set()

    async with contextlib.AsyncExitStack() as stack:
        ready: dict[str, Any] = {"ready": True, "device": describe(phone)}
        if args.control is not None:
            from keygw_sim.phone.control import PhoneControl  # a server takes its time to load

            ready["control"] = await stack.enter_async_context(
                PhoneControl(done, args.state, port=args.control).serving()
            )
        say(ready)
        tasks = [asyncio.create_task(work) for work in (obey(), living.live())]
        await stop.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await phone.leave()
    await handset.close()
    if ether is not None:
        await ether.close()
    return 0


async def _obey(phone: Phone, order: dict[str, Any]) -> dict[str, Any]:
    match order["do"]:
        case "accept":
            phone.accept(Invitation.from_json(order["key"]))
            return {"did": "accept"}
        case "carry":
            carried = CarriedList.from_json(order["list"])
            if carried is not None:
                phone.satchel.put(carried)
            return {"did": "carry"}
        case "claim":
            return {"did": "claim", **(await claim(phone, order["link"], order.get("activation_code")))}
        case "grant":
            now, key = int(time.time()), decode_base64url(order["public_key"])
            rights = Entitlement.from_names(order["entitlements"])
            signed = phone.grant(key, rights, now + int(order["lifetime_seconds"]), now)
            return {"did": "grant", "grant": encode_base64url(signed)}
        case "state":
            act = StatementAct[order["act"].upper()]
            signed = phone.states(act, order["subject"], int(order.get("number", 0)))
            return {"did": "state", "statement": encode_base64url(signed)}
        case "register":
            proof = phone.prove_registration(decode_base64url(order["challenge"]))
            return {"did": "register", "proof": encode_base64url(proof)}
        case "command":
            return {"did": "command", **(await phone.command(Action.from_label(order["action"]))).to_json()}
        case "prove_time":
            newest = CarriedList.from_json(order["list"]) if "list" in order else None
            told = await phone.prove_time(decode_base64url(order["proof"]), newest)
            return {"did": "prove_time", **told.to_json()}
    known = "accept, carry, claim, grant, state, register, command, prove_time, walk, screen, flight, ask, where"
    raise ValueError(f"unknown order {order['do']!r}; known: {known}")


if __name__ == "__main__":
    sys.exit(main())
