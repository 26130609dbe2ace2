"""Carrying a conversation from a phone that is far away to the car: what that gains, and what stops it.

Plain BLE cannot stop a fast relay: whoever carries every frame unchanged, within the time-outs, is not noticed. So
nothing happens without an explicit command of the owner, and what a declared relay or a hosted device must not do, the
car refuses.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection
from functools import partial

from keygw.model.command import Action
from keygw.model.errors import KeygwError, LinkError
from keygw.session.core import GREETED_SECONDS, HANDSHAKE_SECONDS
from keygw.vehicle.conversation import Conversation
from keygw.vehicle.ports import AirCount, HeldKey
from keygw.wire.messages import Cmd, LinkKind, MessageType
from keygw_sim.attacker.attack import attack
from keygw_sim.attacker.scene import NOTHING, Scene, came_of, one_of
from keygw_sim.attacker.slow_time import in_slow_time
from keygw_sim.attacker.tools import Middle, Stranger, answer_in, turned
from keygw_sim.garage import Garage
from keygw_sim.memory_link import MemoryLink
from keygw_sim.road import Road

TAP = "nothing happens without an explicit command of the device"
STEP = 0.05


@attack(
    "relay-fast",
    "carries every frame, unchanged and at once, between the owner who taps far away and the car",
    protects="nothing in plain BLE: there is no distance evidence yet",
    expected="done",
    recorded=("receipt: done",),
    remains="the car unlocks: an owner who taps far from the car can be relayed. The receipt says when, and with which "
    "key",
    stopped=False,
)
async def fast(scene: Scene) -> str:
    visit = scene.garage.visit("owner", meets=Middle(scene.garage.brain))
    scene.strike()
    return came_of(visit, lambda: visit.prove(Action.UNLOCK))


@attack(
    "relay-slow",
    "the same, but every frame takes longer and longer on its way",
    protects="the device gives up a handshake whose message_2 is not there after 4 s",
    expected="link_timeout",
    recorded=("log: session_ended refused x3",),
    remains="up to nearly 2 s a leg the car opens, and from 1 s a leg on the owner's app does not learn it in time and "
    "calls the command unknown. A radio relay needs thousandths of that: the time-outs are no defence against relays, "
    "and are not meant as one",
)
async def slow(scene: Scene) -> str:
    garage = scene.garage
    told = opened = delay = 0.0
    while True:
        delay += STEP
        came = await _through(garage, delay)
        if came == "done":
            told = delay
        if garage.brain.body.locked:
            break
        opened = delay
        garage.brain.set_body({"locked": True})
    scene.detail = f"{told:.2f} s a leg and the owner still hears of it; {opened:.2f} s and the car still opens"
    scene.strike()
    for later in (delay, 3.0, 6.0):
        again = await _through(garage, later)
        scene.must(again == came, f"{later} s a leg: {again}")
    return came


@attack(
    "relay-holds-the-proof",
    "holds the owner's message_3, with the UNLOCK in it, until the owner has walked away, and delivers it then",
    protects="the car ends a handshake that is not finished 10 s after message_1, and a newer proof of the key ends it "
    "at once",
    expected="refused",
    recorded=("log: session_ended the session's time is over",),
    remains="for 10 s at most the proof opens the car, though the owner's app has long said that it does not know",
)
async def holds_the_proof(scene: Scene) -> str:
    garage = scene.garage
    came = ""
    for seconds in (HANDSHAKE_SECONDS - 0.1, HANDSHAKE_SECONDS):
        held: list[bytes] = []

        def hold(message: bytes, held: list[bytes] = held) -> tuple[bytes, ...]:
            if message[0] != MessageType.MESSAGE_3:
                return (message,)
            held.append(message)
            return ()

        hands = Middle(garage.brain, up=hold)
        visit = garage.visit("owner", meets=hands)
        came_of(visit, partial(visit.prove, Action.UNLOCK, number=visit.conn))
        garage.brain.set_body({"locked": True})
        garage.monotonic += seconds
        scene.strike()
        hands.send_up(visit.conn, *held)
        came = answer_in(hands.taken(visit.conn))
        if not garage.brain.body.locked:
            scene.detail = f"after {seconds} s it still opens"
            garage.brain.set_body({"locked": True})
        visit.leave()
    return came


@attack(
    "relay-pocket",
    "relays the car to a phone in a pocket, whose owner has asked for nothing",
    protects=TAP + "; passive entry needs a measurement, see range-relay",
    expected=NOTHING,
)
async def pocket(scene: Scene) -> str:
    garage = scene.garage
    hands = Middle(garage.brain)
    garage.visit("owner", meets=hands)
    scene.strike()
    garage.monotonic += GREETED_SECONDS
    garage.brain.tick()
    scene.must(bool(garage.brain.finished), "the car keeps a link on which nobody speaks")
    return NOTHING if not hands.said("device") else "the phone spoke"


@attack(
    "relay-passive-entry",
    "relays a phone that is set to unlock when it is near, to a car without anchors: it says so, over a direct link as "
    "far as it knows",
    protects="passive entry needs ranging evidence, and plain BLE gives none: it is refused whatever the link claims",
    expected="proximity_required",
    recorded=("receipt: proximity_required x3",),
)
async def passive_entry(scene: Scene) -> str:
    came = set()
    scene.strike()
    for kind in (LinkKind.DIRECT, LinkKind.RELAYED, LinkKind.HOSTED):
        visit = scene.garage.visit("owner", link=kind, meets=Middle(scene.garage.brain))
        came.add(came_of(visit, partial(visit.prove, Action.PASSIVE_UNLOCK, visit.conn)))
        visit.leave()
    return one_of(came)


@attack(
    "relay-claims-nearness",
    "reports, in the phone's place, that it is near: RANGE before and passive entry without any command",
    protects="RANGE is sealed like all in the session, and nobody has a place to tell in it but the car",
    expected="refused",
    recorded=("log: refused protocol_violation x2",),
)
async def claims_nearness(scene: Scene) -> str:
    garage = scene.garage
    hands = Middle(garage.brain)
    visit = garage.visit("owner", meets=hands)
    visit.prove()  # the owner's app looks at the battery, say; no command
    scene.strike()
    hands.send_up(visit.conn, b"\x44near")
    visit.carry()
    stranger = Stranger(garage.brain, scene.next_conn())
    return answer_in(stranger.say(b"\x44near"))


@attack(
    "relay-drive",
    "starts the engine with a device that says its frames are relayed, and with one that the gateway hosts",
    protects="the kind of link is in EAD_3; driving needs a direct one",
    expected="proximity_required",
    recorded=("receipt: proximity_required x2",),
    remains="a device that is relayed without knowing it says that it is direct: see relay-fast, and range-relay-drive "
    "for a car with anchors",
)
async def drive(scene: Scene) -> str:
    came = set()
    scene.strike()
    for kind in (LinkKind.RELAYED, LinkKind.HOSTED):
        visit = scene.garage.visit("owner", link=kind)
        came.add(came_of(visit, partial(visit.prove, Action.START_ENGINE, number=int(kind))))
        visit.leave()
    return one_of(came)


@attack(
    "relay-rewrites-the-link",
    "turns single bits where message_3 says which kind of link it is, to make a relayed device a near one",
    protects="EAD_3 is encrypted, authenticated and part of what the device signs",
    expected="refused",
    recorded=("log: refused protocol_violation x24",),
)
async def rewrites_the_link(scene: Scene) -> str:
    came = set()
    scene.strike()
    for bit in range(24):  # EAD_3 comes last, before the 16-byte tag; the command and the link are in its tail

        def turn(message: bytes, bit: int = bit) -> tuple[bytes, ...]:
            if message[0] != MessageType.MESSAGE_3:
                return (message,)
            at = len(message) - 17 - bit // 2
            return (turned(message, at, bit % 2),)

        visit = scene.garage.visit("owner", link=LinkKind.RELAYED, meets=Middle(scene.garage.brain, up=turn))
        came.add(came_of(visit, partial(visit.prove, Action.START_ENGINE)))
        visit.leave()
    return one_of(came)


class _SlowLink:
    """A ``Link`` through a relay: every frame of a handshake takes ``delay`` seconds, each way; HELLO was there before.

    What the relay has taken it delivers, also if the device has given up meanwhile.
    """

    def __init__(self, link: MemoryLink, delay: float) -> None:
        self._link, self._delay = link, delay
        self._under_way: set[asyncio.Task[None]] = set()
        self._asked = False
        self.peer, self.info = link.peer, link.info

    @property
    def max_frame(self) -> int:
        return self._link.max_frame

    @property
    def count(self) -> AirCount:
        return self._link.count

    async def send(self, frame: bytes) -> None:
        self._asked = True
        task = asyncio.create_task(self._deliver(frame))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def receive(self) -> bytes:
        frame = await self._link.receive()
        if self._asked:
            await asyncio.sleep(self._delay)
        return frame

    async def close(self) -> None:
        """The device goes; the relay does not."""

    async def delivered(self) -> None:
        """Everything that was sent has arrived, or has been refused."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def _deliver(self, frame: bytes) -> None:
        await asyncio.sleep(self._delay)
        with contextlib.suppress(LinkError):
            await self._link.send(frame)


class _RelayedRoad(Road):
    def __init__(self, garage: Garage, delay: float) -> None:
        super().__init__(garage.brain)
        self._delay = delay
        self.links: list[_SlowLink] = []

    async def open(  # type: ignore[override]  # a link like any other
        self, wanted: Callable[[bytes], bool], timeout: float, avoid: Collection[str] = ()
    ) -> _SlowLink:
        self.links.append(_SlowLink(await super().open(wanted, timeout, avoid), self._delay))
        return self.links[-1]


async def _through(garage: Garage, delay: float) -> str:
    """The owner's app unlocks through that relay; what the app gets."""

    def tell(now: float) -> None:
        garage.monotonic = now

    async def story(clock: Callable[[], float]) -> str:
        road = _RelayedRoad(garage, delay)
        held = HeldKey(garage.office.hand(garage.claims("owner")), garage.signers["owner"])
        command = Cmd(int.from_bytes(garage.random(4), "big"), Action.UNLOCK)
        try:
            talk = await Conversation.open(road, garage.vehicle, held, garage.random, 4.0, clock=clock)
            try:
                return (await talk.authenticate(command)).outcome.label
            finally:
                await talk.close()
        except KeygwError as error:
            return error.code
        finally:
            await road.links[0].delivered()
            await asyncio.sleep(0.01)  # of the loop's own time: the car reads what arrived
            await road.close()

    return await in_slow_time(story, tell, garage.monotonic + 60)
