"""``keygw demo``: from nothing to an unlocked car, and to a key that is provably dead.

Four processes: a virtual radio, a car, a friend's phone, and the gateway. This one only tells the story: it speaks HTTP
to the gateway as an app developer would, and gives the phone its orders. Everything else is the product.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keygw_sim.processes import ChildFailed
from keygw_sim.scenarios.app import AppError, EventStream
from keygw_sim.scenarios.ladder import Ladder, Step, StepFailed
from keygw_sim.scenarios.world import FREE, World
from keygw_sim.stdio import StopSignal, stop_signal

LINK = "bleak/bumble"
NAMES = ("Aurora", "Borealis", "Cirrus", "Drift", "Ember", "Fjord", "Glacier", "Harbour")
STORY_SECONDS = 120.0
MOST_ROUND_TRIPS = 2
MOST_MESSAGE_BYTES = 700


class Demo:
    """The story, one method a chapter. Names and order of the steps are a contract (``.ci/check_demo.py``)."""

    def __init__(self, ladder: Ladder, world: World) -> None:
        self._ladder = ladder
        self._world = world
        self._friend_key = ""

    async def run(self) -> None:
        """Everything, in order. Raises at the first step that does not hold."""
        await self._houses()
        await self._owner()
        await self._friend()
        await self._suspension()
        await self._revocation()
        await self._restart()

    async def _houses(self) -> None:
        world = self._world
        with self._ladder.step("gateway_up", "gateway") as step:
            await world.start_radio()
            await world.start_gateway()
            step.detail = {"url": world.url, "health": await world.operator.get("/health")}
            step.says = "a credential service with a fresh issuer key, in its own process"
        with self._ladder.step("vehicle_advertising", "car") as step:
            await world.start_car()
            heard = await world.heard()
            step.hold(heard is not None, "the gateway does not hear the car")
            step.detail = {"vehicle_id": world.vehicle_id, "name": world.name, "rotating_id": heard}
            step.says = f"{world.name} advertises a rotating id; the gateway hears it over the air"

    async def _owner(self) -> None:
        world = self._world
        with self._ladder.step("app_registered", "app") as step:
            auth = await world.register_client()
            step.detail = {"client_id": world.client_id}
            step.says = "call 1: an app registers itself; it has no secret, only a key of its own"
        with self._ladder.step("owner_paired", "gateway > car") as step:
            held = await world.enter(auth)
            step.detail = {"grant_id": held.grant_id, "scope": held.scope}
            step.says = "call 2: the code that the car shows, proven with SPAKE2+, for tokens bound to the app's key"
        with self._ladder.step("session_opened", "app") as step:
            told = await world.app.post("/v1/sessions", {})
            step.hold(told["vehicle"]["id"] == world.vehicle_id, "another car was paired")
            step.detail = {"session": told["session"], "keys": [key["id"] for key in told["keys"]]}
            step.says = "call 3: the car, its keys, what the app may do and what is known, in one answer"
        with self._ladder.step("first_unlock_confirmed", "gateway > car") as step:
            first = await world.command("unlock")
            _confirmed(step, first)
            step.measured(first["measures"], ms="ms")
            step.says = "call 4: unlocked. This once the car asks for the owner's grant that the app's key stands on"
        with self._ladder.step("owner_key_issued", "app") as step:
            owner = next(key for key in told["keys"] if key["role"] == "owner")
            mine = next(key for key in told["keys"] if key["role"] == "friend")
            world.owner_key = owner["id"]
            step.hold(owner["state"] == mine["state"] == "active", f"they are {owner['state']} and {mine['state']}")
            step.hold(mine["parent_id"] == owner["id"], "the app's key was not shared from the owner's")
            step.hold(set(mine["entitlements"]) < set(owner["entitlements"]), "the app's key is as wide as the owner's")
            step.says = "on the car's signed ticket alone; the app has a key shared from it, no wider than its scopes"
            await self._locked_again(step)
            step.detail |= {"key_id": owner["id"], "app_key_id": mine["id"], "entitlements": mine["entitlements"]}
            await world.app.delete(f"/v1/vehicles/{world.vehicle_id}/link")
        with self._ladder.step("ble_connected", "gateway > car") as step:
            link = await world.app.post(f"/v1/vehicles/{world.vehicle_id}/link:connect", {})
            step.hold(link["state"] in ("connected", "authenticated"), f"the link is {link['state']}")
            step.measured(link)
            step.detail = link
            step.says = "found by its rotating id, linked, HELLO heard"
        async with EventStream(world.app, world.vehicle_id) as events:
            with self._ladder.step("handshake", "gateway > car") as step:
                unlock = await world.command("unlock")
                measures = unlock["measures"] or {}
                step.detail = {"measures": measures, "suite": "fast path of EDHOC method 0, suite 6"}
                step.measured(measures, ms="handshake_ms")
                step.hold(measures.get("handshake_ms") is not None, f"none: {unlock['state']}, {unlock['reason']}")
                step.hold(step.round_trips <= MOST_ROUND_TRIPS, f"{step.round_trips} round trips")
                step.hold(measures["message_bytes"] <= MOST_MESSAGE_BYTES, f"{measures['message_bytes']} message bytes")
                step.says = f"met again: both sides proven once more, with {measures['message_bytes']} B of messages"
            with self._ladder.step("unlock_confirmed", "car") as step:
                _confirmed(step, unlock)
                step.measured(unlock["measures"], ms="ms")
                step.says = "unlocked: the car's signed receipt and its lock signal agree"
            with self._ladder.step("status_event_received", "app") as step:
                event = await events.signal("Vehicle.Private.KeyGW.CentralLock.IsLocked", False)
                step.detail = {"id": event["id"], "type": event["type"], "data": event["data"]}
                step.says = "the app hears over SSE that the car is unlocked"

    async def _friend(self) -> None:
        world = self._world
        with self._ladder.step("friend_key_shared", "app") as step:
            await world.start_phone()
            key = await world.share_with_phone()
            self._friend_key = key["id"]
            await self._locked_again(step)
            step.detail |= {"key_id": key["id"], "entitlements": key["entitlements"], "expires_at": key["expires_at"]}
            step.says = "locks and unlocks for a day, no trunk; the friend's phone holds its own device key"
        with self._ladder.step("friend_unlock_confirmed", "phone > car") as step:
            await self._try(
                step, "unlock", "done", "no gateway between; first the car asks for the owner's signed grant"
            )
            step.hold(step.detail["chain"], "the car let a key in that it knew nothing of")
            step.hold(step.round_trips == 4, f"{step.round_trips} round trips")
        with self._ladder.step("friend_fast_unlock", "phone > car") as step:
            await self._locked_again(step)
            await self._try(step, "unlock", "done", "met again: the fast path, one round trip")
            step.hold(step.detail["road"] == "fast", f"the phone took the road {step.detail['road']!r}")
            step.hold(step.round_trips == 1, f"{step.round_trips} round trips")
        await self._friend_tries(
            "friend_trunk_refused", "open_trunk", "not_entitled", "the car refuses: not in this key"
        )

    async def _suspension(self) -> None:
        with self._ladder.step("friend_key_suspended", "app") as step:
            await self._world.app.post(f"/v1/keys/{self._friend_key}:suspend")
            key = await self._acknowledged(step, "suspended")
            step.says = f"list {key['list']['current']} signed, carried to the car, acknowledged"
        await self._friend_tries(
            "friend_unlock_refused_suspended", "unlock", "key_suspended", "the car refuses: the key is suspended"
        )
        with self._ladder.step("friend_key_resumed", "app") as step:
            await self._world.app.post(f"/v1/keys/{self._friend_key}:resume")
            await self._acknowledged(step, "active")
            await self._locked_again(step)
            step.says = "undone; the car knows"
        await self._friend_tries("friend_unlock_confirmed_again", "unlock", "done", "the same key opens again")

    async def _revocation(self) -> None:
        with self._ladder.step("friend_key_revoking", "app") as step:
            key = await self._world.app.post(f"/v1/keys/{self._friend_key}:revoke")
            step.hold(key["state"] == "revoking", f"the key is {key['state']}, before the car can have heard of it")
            step.detail = {"state": key["state"], "list": key["list"]}
            step.says = "revoked here; not yet claimed to be dead"
        with self._ladder.step("vehicle_acknowledged_revocation", "car") as step:
            key = await self._acknowledged(step, "revoked")
            car = await self._world.car.ask(do="status")
            step.hold(car["list_sequence"] == key["list"]["current"], "the car has another list")
            step.says = f"the car stored list {key['list']['current']} and signed for it"
        with self._ladder.step("friend_key_revoked", "gateway") as step:
            key = await self._world.app.get(f"/v1/keys/{self._friend_key}")
            step.hold(key["state"] == "revoked", f"the key is {key['state']}")
            step.detail = {"state": key["state"], "list": key["list"]}
            step.says = "said only now, on the car's own signature"
        await self._friend_tries(
            "friend_unlock_refused_revoked", "unlock", "key_revoked", "the car itself refuses: the key is dead"
        )
        with self._ladder.step("owner_lock_confirmed", "app") as step:
            lock = await self._world.command("lock")
            _confirmed(step, lock)
            step.measured(lock["measures"], ms="ms")
            step.says = "the owner's key is untouched"

    async def _restart(self) -> None:
        world = self._world
        with self._ladder.step("gateway_killed_and_restarted", "gateway") as step:
            before = await self._books()
            killed = world.gateway.pid
            await world.restart_gateway()
            health = await world.app.get("/health")
            step.detail = {"killed_pid": killed, "pid": world.gateway.pid, "health": health}
            step.says = "SIGKILL, no goodbye; started anew on the same data"
        with self._ladder.step("nothing_lost", "gateway") as step:
            after = await self._books()
            car = await self._world.car.ask(do="status")
            step.detail = {
                "keys": {key["id"]: key["state"] for key in after["keys"]},
                "receipts": len(after["receipts"]),
                "list": after["list"],
                "commands": {command["id"]: command["state"] for command in after["commands"]},
            }
            for what in before:
                step.hold(before[what] == after[what], f"{what} differ after the restart")
            step.hold(
                after["receipts"][-1]["sequence"] == car["receipt_sequence"],
                "the car has receipts that the gateway never stored",
            )
            step.hold(after["list"]["acknowledged"] == car["list_sequence"], "the car's list is not the recorded one")
            step.says = (
                f"{len(after['keys'])} keys, {len(after['receipts'])} receipts, list {car['list_sequence']}: all there"
            )

    # -- what the chapters share -------------------------------------------------------------------------------

    async def _friend_tries(self, name: str, action: str, expected: str, says: str) -> None:
        with self._ladder.step(name, "phone > car") as step:
            await self._try(step, action, expected, says)

    async def _try(self, step: Step, action: str, expected: str, says: str) -> None:
        tried = await self._world.phone.ask(do="command", action=action)
        step.detail |= tried
        step.measured(tried, ms="ms")
        step.hold(tried["outcome"] == expected, f"the car answered {tried['outcome']}, not {expected}")
        if expected == "done":
            step.hold(tried["receipt"] is not None, "the car gave no receipt that verifies")
        step.says = says

    async def _locked_again(self, step: Step) -> None:
        """The owner locks, so that the friend's next unlock has something to do."""
        lock = await self._world.command("lock")
        _confirmed(step, lock)
        step.detail = {"locked_again": lock["id"]}

    async def _acknowledged(self, step: Step, state: str) -> dict[str, Any]:
        """The friend's key once the car has acknowledged the newest list; it must then be in ``state``."""
        key = await self._world.acknowledged(self._friend_key)
        step.detail = {"state": key["state"], "list": key["list"]}
        step.hold(key["list"]["acknowledged"] >= key["list"]["current"], "the car has not acknowledged the list")
        step.hold(key["state"] == state, f"the key is {key['state']}, not {state}")
        return key

    async def _books(self) -> dict[str, Any]:
        """Everything that must survive: keys and their states, receipts, the list, the commands."""
        app, vehicle_id = self._world.app, self._world.vehicle_id
        keys = (await app.get("/v1/keys", vehicle_id=vehicle_id))["keys"]
        receipts = (await app.get(f"/v1/vehicles/{vehicle_id}/receipts", limit=100))["receipts"]
        commands = [await app.get(f"/v1/vehicles/{vehicle_id}/commands/{made}") for made in app.commands]
        return {"keys": keys, "receipts": receipts, "list": keys[0]["list"], "commands": commands}

    async def tell(self) -> None:
        """Run the story within its time; what does not hold is told by the ladder."""
        ladder = self._ladder
        try:
            async with asyncio.timeout(STORY_SECONDS):
                await self.run()
        except TimeoutError:
            ladder.failure = f"the story took longer than {STORY_SECONDS:.0f} s"
        except (StepFailed, ChildFailed, AppError, OSError) as error:
            ladder.failure = f"{ladder.steps[-1].name}: {error}" if ladder.steps else str(error)


def _confirmed(step: Step, command: dict[str, Any]) -> None:
    step.detail = {"command_id": command["id"], "state": command["state"], "receipt": command["receipt"]}
    step.hold(command["state"] == "confirmed", f"the command is {command['state']}: {command['reason']}")
    step.hold(command["receipt"] is not None, "there is no receipt")


def main(argv: Sequence[str] | None = None) -> int:
    """Exit 0 only if every step held, else 1; 130 or 143 if a signal ended the story."""
    parser = argparse.ArgumentParser(
        prog="keygw demo",
        description="The whole road: an unlocked car, a revoked key that the car itself refuses.",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout and nothing else")
    parser.add_argument("--stay", action="store_true", help="leave everything running and print how to play with it")
    parser.add_argument("--seed", default="keygw", help="repeats the car's and the phone's identity (default: keygw)")
    parser.add_argument("--no-color", action="store_true", help="plain text; NO_COLOR does the same")
    args = parser.parse_args(argv)
    try:
        return asyncio.run(_main(args))
    except KeyboardInterrupt:
        return 130


async def _main(args: argparse.Namespace) -> int:
    stop = stop_signal()
    ladder = Ladder(args.json, LINK, plain=args.no_color)
    name = random.Random(args.seed).choice(NAMES)  # noqa: S311 - the car's name, not a key
    with tempfile.TemporaryDirectory(prefix="keygw-demo-", ignore_cleanup_errors=True) as folder:
        async with World(Path(folder), name=name, seed=args.seed) as world:
            if args.stay:
                from keygw_sim.studio.attach import equip  # noqa: PLC0415 - a server takes its time to load

                world.options["car"] = ("--control",)
                equip(world)
            if not await _told(Demo(ladder, world), stop):
                ladder.failure = "stopped before its end"
                ladder.finish()
                return stop.exit_code
            code = ladder.finish()
            if args.stay and code == 0:
                await _stay(world, stop, args.json)
    return code


async def _told(demo: Demo, stop: StopSignal) -> bool:
    """Tell the story unless a signal comes first. Either way what it started is for the caller to end, in order."""
    story, stopped = asyncio.create_task(demo.tell()), asyncio.create_task(stop.wait())
    await asyncio.wait({story, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if story.done():
        story.result()
        return True
    story.cancel()
    await asyncio.wait({story})
    return False


async def _stay(world: World, stop: StopSignal, quiet: bool) -> None:
    """Print what one needs to play on, and wait for Ctrl-C.

    The app of the story holds its key itself, so another one pairs for the command line: with a token to copy."""
    from keygw_sim.served import FILE  # noqa: PLC0415 - see above
    from keygw_sim.studio.attach import attach  # noqa: PLC0415 - see above

    await world.command("allow_pairing")
    await world.register_app()
    await world.pair_owner()
    car = json.loads(await asyncio.to_thread((world.folder / "car" / FILE).read_text))
    async with attach(world) as room:
        _say(world, car, room.link(), quiet)
        await stop.wait()


def _say(world: World, car: dict[str, str], console: str, quiet: bool) -> None:
    print(
        f"""
Everything is still running. Ctrl-C ends it.

  phone       {world.url}/phone/#/simulator
  console     {console}
  head unit   {car["url"]}/head-unit/#token={car["token"]}
  API page    {world.url}/docs
  app token   {world.token}
  vehicle     {world.vehicle_id}
  free radio  {world.transports[FREE]}   (a controller for a phone of your own)

  export KEYGW_URL={world.url} KEYGW_TOKEN={world.token}
  keygw status {world.vehicle_id}
  keygw command {world.vehicle_id} unlock
  keygw keys list
""",
        file=sys.stderr if quiet else sys.stdout,
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
