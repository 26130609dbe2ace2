"""Between two radios: a box that advertises as the car to the phone, and connects to the car as the phone.

Everything is real but the ether: two virtual radios that do not hear each other, bleak over Bumble on phone and box,
the box's own GATT server towards the phone. Time is the loop's, and jumps: a phone that waits 4 s for an answer waits.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence

from bumble.device import Connection

from keygw.ble.air import BleAir
from keygw.ble.bumble_host import HciOpener
from keygw.ble.link import BleLink
from keygw.crypto import cbor
from keygw.model.command import Action
from keygw.model.errors import KeygwError, LinkError, ProtocolError
from keygw.session.core import HANDSHAKE_SECONDS
from keygw.session.fast import FastKey
from keygw.vehicle.conversation import Conversation
from keygw.vehicle.ports import HeldKey
from keygw.wire.messages import Cmd, MessageType, decode_info
from keygw_sim.attacker.attack import attack
from keygw_sim.attacker.on_air import Ether
from keygw_sim.attacker.scene import Scene
from keygw_sim.attacker.slow_time import in_slow_time
from keygw_sim.attacker.tools import Lane, Rewrite, answer_in, pass_on, turned
from keygw_sim.vehicle.gatt import GattPeripheral
from keygw_sim.vehicle.runner import VehicleOnAir

SOON = 5.0
HANDSHAKE = (MessageType.HELLO, MessageType.MESSAGE_1, MessageType.MESSAGE_2, MessageType.MESSAGE_3)
AFTER = (MessageType.RESULT, MessageType.CMD, MessageType.RES)
"""Whoever stands between may spoil these after the fact: the car has acted on what its owner asked."""
BOUND = "both sides sign or seal the whole transcript; HELLO and INFO are in it"
ENDS = "log: session_ended refused"
"""The phone gave up, and told the car so."""
BREACH = "log: refused protocol_violation"
"""The car has refused."""


class Box(GattPeripheral):
    """The GATT server towards the phone is its own, the link to the car is ``there``. It takes messages apart and makes
    frames anew, so the two links may have different MTUs.

    ``up`` and ``down`` rewrite messages; ``slow`` holds those of a kind back; ``shuffle`` changes the order of frames
    towards the car; ``told_info`` rewrites INFO; ``first_word`` is notified before anybody has subscribed.
    """

    def __init__(self, opener: HciOpener, near: BleAir, *, max_mtu: int) -> None:
        super().__init__(opener, self, interval_ms=20.0, max_mtu=max_mtu)
        self.heard: list[tuple[str, bytes]] = []
        self.up: Rewrite = pass_on
        self.down: Rewrite = pass_on
        self.slow: dict[MessageType, float] = {}
        self.shuffle: Callable[[Sequence[bytes]], Iterable[bytes]] = tuple
        self.told_info: Callable[[bytes], bytes] = bytes
        self.first_word = b""
        self.keeps = self.vanishes = False
        """When the phone has gone: stay with the car; or go off the air."""
        self.there: BleLink | None = None
        self._near = near
        self._up, self._down = (Lane(), Lane())
        self._pump_task: asyncio.Task[None] | None = None

    async def pose(self) -> None:
        """Connect to the car, and advertise under the id that it showed."""
        await self.let_go()
        self.there = await self._near.open(lambda rotating: True, SOON)
        self._up, self._down = Lane(), Lane()
        await self.advertise(decode_info(self.there.info)[1])

    async def let_go(self) -> None:
        if self._pump_task is not None:
            self._pump_task.cancel()
            await asyncio.gather(self._pump_task, return_exceptions=True)
            self._pump_task = None
        if self.there is not None:
            await self.there.close()

    def said(self, by: str) -> list[bytes]:
        return [message for who, message in self.heard if who == by]

    # -- PeripheralHandler -----------------------------------------------------------------------------------------

    def connected(self, conn_id: int) -> None:
        if self.first_word:
            central = self._central(conn_id)
            self._spawn(self._speak_first(central.connection))

    def subscribed(self, conn_id: int) -> None:
        self._pump_task = asyncio.ensure_future(self._back(conn_id))

    async def frame(self, conn_id: int, data: bytes) -> None:
        message = self._up.take(data)
        if message is None or self.there is None:
            return
        self.heard.append(("device", message))
        await asyncio.sleep(self.slow.get(MessageType(message[0]), 0))
        with contextlib.suppress(LinkError):  # the car has had enough; the phone will find out
            for frame in self.shuffle(list(self._up.give(self.up(message), self.there.max_frame))):
                await self.there.send(frame)

    def disconnected(self, conn_id: int) -> None:
        if self.vanishes:
            self._spawn(self.stop())
        if self.there is not None and not self.keeps:
            self._spawn(self.there.close())

    def info(self, conn_id: int) -> bytes:
        return self.told_info(self.there.info) if self.there is not None else b""

    def privileged(self, conn_id: int) -> bool:
        return True

    async def _back(self, conn_id: int) -> None:
        with contextlib.suppress(LinkError, ProtocolError):
            while self.there is not None:
                try:
                    message = self._down.take(await self.there.receive())
                except LinkError:
                    await self.disconnect(conn_id)
                    return
                if message is None:
                    continue
                self.heard.append(("vehicle", message))
                await asyncio.sleep(self.slow.get(MessageType(message[0]), 0))
                for frame in self._down.give(self.down(message), self.max_frame(conn_id)):
                    await self.notify(conn_id, frame)

    async def _speak_first(self, connection: Connection) -> None:
        if self._tx is not None:
            await connection.device.notify_subscriber(connection, self._tx, self.first_word, force=True)


class Street:
    """The car on one radio, the owner's phone on another, the box on both. Made and ended within slow time."""

    def __init__(self, scene: Scene, clock: Callable[[], float]) -> None:
        self.scene, self.garage = scene, scene.garage
        self.clock = clock
        self._number = 0
        self._held = HeldKey(self.garage.office.hand(self.garage.claims("owner")), self.garage.signers["owner"])

    async def meet(self, stack: contextlib.AsyncExitStack, *, car_mtu: int, box_mtu: int) -> None:
        here, there = await Ether.within(stack, self.scene, 1), await Ether.within(stack, self.scene, 11)
        self.here = here
        self.car = car = VehicleOnAir(self.garage.brain, await here.opener(), max_mtu=car_mtu)
        await car.start()
        stack.push_async_callback(car.stop)
        near, self.straight, self.phone = [BleAir.bumble(await each.opener()) for each in (here, here, there)]
        for air in (near, self.straight, self.phone):
            stack.push_async_callback(air.close)
        self.near = near
        self.box = Box(await there.opener(), near, max_mtu=box_mtu)
        await self.box.start()
        stack.push_async_callback(self.box.stop)
        stack.push_async_callback(self.box.let_go)

    async def owner(self, *actions: Action, straight: bool = False) -> str:
        """What the owner's app gets for these actions: through the box, or ``straight`` from the car."""
        air = self.straight if straight else self.phone
        if not straight:
            await self.box.pose()
        try:
            talk = await Conversation.open(
                air, self.garage.vehicle, self._held, self.garage.random, SOON, clock=self.clock
            )
        except KeygwError as error:
            return error.code
        try:
            first, *others = [Cmd(self._next(), action) for action in actions]
            outcome = (await talk.authenticate(first)).outcome
            for command in others:
                outcome = (await talk.command(command)).outcome
            return outcome.label
        except KeygwError as error:
            return error.code
        finally:
            await talk.close()
            await asyncio.sleep(0.2)  # of the loop's time: both links are down, and everybody knows

    async def hurries(self, key: FastKey | None, action: Action) -> tuple[str, FastKey | None]:
        """What the owner's app gets through the box, by the fast path if it has a key for it; and the key for the next
        time."""
        await self.box.pose()
        try:
            talk = await Conversation.open(
                self.phone, self.garage.vehicle, self._held, self.garage.random, SOON, clock=self.clock
            )
        except KeygwError as error:
            return error.code, None
        try:
            reply = await talk.ask(Cmd(self._next(), action), key)
            return f"{reply.outcome.label} by {reply.road.value}", talk.session.fast_key or key
        except KeygwError as error:
            return error.code, None
        finally:
            await talk.close()
            await asyncio.sleep(0.2)

    def _next(self) -> int:
        self._number += 1
        return self._number

    async def still_serves(self) -> None:
        """The honest phone, near the car: it locks and unlocks."""
        for action in (Action.UNLOCK, Action.LOCK):
            came = await self.owner(action, straight=True)
            self.scene.must(came == "done", f"afterwards the owner gets {came}")

    def lock_again(self) -> bool:
        """Whether the car was open; it is locked after this."""
        opened = not self.garage.brain.body.locked
        if opened:
            self.garage.brain.set_body({"locked": True})
        return opened


Story = Callable[[Street], Awaitable[str]]


async def between(scene: Scene, story: Story, *, car_mtu: int = 517, box_mtu: int = 517) -> str:
    """Play a story on a street of its own, in slow time; then the honest phone must get what it asks for."""

    async def play(clock: Callable[[], float]) -> str:
        street = Street(scene, clock)
        async with contextlib.AsyncExitStack() as stack:
            await street.meet(stack, car_mtu=car_mtu, box_mtu=box_mtu)
            scene.strike()
            came = await story(street)
            await street.box.let_go()
            await asyncio.sleep(0.2)
            scene.record_ends()
            opened = street.lock_again()
            await street.still_serves()
            scene.garage.brain.body.locked = not opened
        return came

    def tell(now: float) -> None:
        scene.garage.monotonic = now

    return await in_slow_time(play, tell, scene.garage.monotonic + 60)


def _at(kind: MessageType, change: Callable[[bytes], Iterable[bytes]]) -> Rewrite:
    return lambda message: change(message) if message[0] == kind else (message,)


def _told(came: Collection[tuple[MessageType, str]]) -> str:
    """What came of each kind, those alike together."""
    codes = Counter(code for _, code in came)
    return "; ".join(f"{', '.join(kind.name for kind, got in came if got == code)}: {code}" for code in codes)


@attack(
    "between-relays",
    "stands between two links with different MTUs, takes every message apart and passes it on unchanged",
    protects="nothing in plain BLE: whoever carries every byte is not there",
    expected="done",
    recorded=("receipt: done",),
    remains="the car unlocks, as in air-relay; the box reads nothing and changes nothing. Passive entry needs ranging",
    stopped=False,
)
async def relays(scene: Scene) -> str:
    async def story(street: Street) -> str:
        came = await street.owner(Action.UNLOCK)
        kinds = {message[0] for _, message in street.box.heard}
        scene.must({*HANDSHAKE, MessageType.RESULT} <= kinds, "something went past the box")
        return came

    return await between(scene, story, car_mtu=23, box_mtu=517)


@attack(
    "between-forces-mtu",
    "agrees to no more than the smallest MTU with the phone, and with the car to the largest",
    protects="nothing hangs on the MTU: it decides how many frames a message has, and no key or check",
    expected="done",
    recorded=("receipt: done",),
    remains="an unlock takes more packets and so a little longer; as in between-relays, the box is not noticed",
    stopped=False,
)
async def forces_mtu(scene: Scene) -> str:
    async def story(street: Street) -> str:
        return await street.owner(Action.UNLOCK)

    return await between(scene, story, car_mtu=517, box_mtu=23)


@attack(
    "between-delays",
    "holds message_3, with the owner's UNLOCK in it, back until the car's patience is over",
    protects=f"the car hears no message_3 later than {HANDSHAKE_SECONDS:.0f} s after message_1; the phone gives up "
    "after 4 s, and says that it may have happened",
    expected="phone: link_timeout; car: refused",
    remains="the phone says that the command may have happened; the next contact settles it",
)
async def delays(scene: Scene) -> str:
    async def story(street: Street) -> str:
        street.box.slow = {MessageType.MESSAGE_3: HANDSHAKE_SECONDS + 1}
        street.box.keeps = True
        came = await street.owner(Action.UNLOCK)
        await asyncio.sleep(HANDSHAKE_SECONDS)
        return f"phone: {came}; car: {answer_in(street.box.said('vehicle'))}"

    return await between(scene, story)


@attack(
    "between-drops",
    "swallows each kind of message in turn",
    protects="the phone waits 4 s for an answer; a command that may have left is told as unknown, never as failed",
    expected="HELLO: link_lost; MESSAGE_1, MESSAGE_2, MESSAGE_3, RESULT, CMD, RES: link_timeout",
    recorded=(f"{ENDS} x4", "receipt: done x4"),
    remains="nothing is opened but what the owner asked for, and nothing twice; who can do this can jam the air",
)
async def drops(scene: Scene) -> str:
    return await _each(scene, lambda message: ())


@attack(
    "between-modifies",
    "turns one bit in each kind of message in turn",
    protects=BOUND,
    expected="HELLO, MESSAGE_3, CMD: link_lost; MESSAGE_1, MESSAGE_2, RESULT, RES: protocol_violation",
    recorded=(f"{BREACH} x3", f"{ENDS} x4", "receipt: done x4"),
    remains="link_lost: the car has refused; protocol_violation: the phone has. With RESULT, CMD and RES the owner's "
    "own UNLOCK is done before that, and settled on the next contact",
)
async def modifies(scene: Scene) -> str:
    return await _each(scene, lambda message: (turned(message, len(message) // 2),))


@attack(
    "between-modifies-fast",
    "turns one bit in FAST, and in FAST_RESULT, of an owner's unlock by the fast path",
    protects="FAST is sealed and answered under keys that no bit of it is without; a phone whose FAST is not known "
    "takes the full handshake with the same number",
    expected="FAST: done by full; FAST_RESULT: link_lost",
    recorded=(BREACH, "receipt: done x4"),
    remains="with FAST_RESULT the owner's own UNLOCK is done before that, once; the app is told that it may have "
    "happened, and it is settled on the next contact",
)
async def modifies_fast(scene: Scene) -> str:
    async def story(street: Street) -> str:
        came = []
        for kind in (MessageType.FAST, MessageType.FAST_RESULT):
            street.box.up = street.box.down = pass_on
            opened, key = await street.hurries(None, Action.UNLOCK)
            scene.must(opened == "done by full" and key is not None, f"no fast key: {opened}")
            street.lock_again()
            street.box.up = street.box.down = _at(kind, lambda message: (turned(message, len(message) // 2),))
            got, _ = await street.hurries(key, Action.UNLOCK)
            scene.must(kind in {each[0] for _, each in street.box.heard}, f"no {kind.name} went through the box")
            street.lock_again()
            came.append((kind, got))
        return _told(came)

    return await between(scene, story)


@attack(
    "between-repeats",
    "passes each kind of message on twice",
    protects="one state table for both roles: a message out of its turn ends the session; the channel counts",
    expected="HELLO, MESSAGE_1, MESSAGE_3: link_lost; MESSAGE_2, RESULT: protocol_violation; CMD, RES: done",
    recorded=(f"{ENDS} x3", f"{BREACH} x3", "receipt: done x8"),
    remains="the owner's command is executed once; the session is over, and a new one is made",
)
async def repeats(scene: Scene) -> str:
    from_here = (MessageType.MESSAGE_2, MessageType.MESSAGE_3, *AFTER)
    return await _each(scene, lambda message: (message, message), may_open=from_here)


async def _each(
    scene: Scene, change: Callable[[bytes], Iterable[bytes]], may_open: Collection[MessageType] = AFTER
) -> str:
    """An owner's UNLOCK and LOCK for each kind of message, changed on its way; what the phone got.

    ``may_open``: kinds that leave the owner's own UNLOCK whole. Nothing is executed twice in any case.
    """

    async def story(street: Street) -> str:
        came = []
        for kind in (*HANDSHAKE, *AFTER):
            street.box.up = street.box.down = _at(kind, change)
            before = street.garage.brain.memory.receipt_sequence
            got = await street.owner(Action.UNLOCK, Action.LOCK)
            scene.must(not street.lock_again() or kind in may_open, f"{kind.name} that was changed opens the car")
            done = street.garage.brain.memory.receipt_sequence - before
            scene.must(done <= 2, f"two commands have left {done} receipts")
            came.append((kind, got))
        return _told(came)

    return await between(scene, story)


@attack(
    "between-reorders",
    "passes the frames of message_3 on in another order",
    protects="frames are counted in each direction",
    expected="link_lost",
    recorded=(BREACH,),
)
async def reorders(scene: Scene) -> str:
    async def story(street: Street) -> str:
        street.box.shuffle = lambda frames: [*frames[1:], frames[0]] if len(frames) > 2 else frames
        return await street.owner(Action.UNLOCK)

    return await between(scene, story, car_mtu=115)


@attack(
    "between-replays",
    "plays one conversation that went through it again: the phone's half to the car, and the car's half to the phone",
    protects="both sides bring fresh ephemeral keys to every connection",
    expected="device: protocol_violation",
    recorded=(BREACH, ENDS),
)
async def replays(scene: Scene) -> str:
    async def story(street: Street) -> str:
        scene.must(await street.owner(Action.UNLOCK, Action.LOCK) == "done", "the owner cannot unlock")
        scene.strike()
        spoken = {by: street.box.said(by) for by in ("device", "vehicle")}
        await street.box.pose()
        assert street.box.there is not None  # noqa: S101 - pose has just made it
        lane = Lane()
        with contextlib.suppress(LinkError):
            for message in spoken["device"]:
                for frame in lane.give((message,), street.box.there.max_frame):
                    await street.box.there.send(frame)
        scene.must(not street.lock_again(), "the phone's half opens the car")
        await asyncio.sleep(0.2)
        lines = iter(spoken["vehicle"])
        street.box.down = lambda message: [line for line in [next(lines, None)] if line is not None]
        return f"device: {await street.owner(Action.UNLOCK)}"

    return await between(scene, story)


@attack(
    "between-swaps-hello",
    "gives the phone the HELLO of an earlier connection",
    protects="HELLO is hashed into EAD_3, which the phone signs",
    expected="link_lost",
    recorded=(BREACH,),
)
async def swaps_hello(scene: Scene) -> str:
    async def story(street: Street) -> str:
        await street.box.pose()
        await asyncio.sleep(0.2)
        assert street.box.there is not None  # noqa: S101 - pose has just made it
        old = Lane().take(await street.box.there.receive())
        street.box.down = _at(MessageType.HELLO, lambda message: (old or b"",))
        return await street.owner(Action.UNLOCK)

    return await between(scene, story)


@attack(
    "between-changes-info",
    "adds a version to those that the car speaks",
    protects="INFO is hashed into EAD_3, which the phone signs",
    expected="link_lost",
    recorded=(BREACH,),
)
async def changes_info(scene: Scene) -> str:
    async def story(street: Street) -> str:
        street.box.told_info = lambda info: cbor.encode([[1, 9], decode_info(info)[1]])
        return await street.owner(Action.UNLOCK)

    return await between(scene, story)


@attack(
    "between-hides-versions",
    "tells the phone that the car speaks nothing but an older version",
    protects="a phone says nothing in a version that it does not know; there is none below 1",
    expected="version_unsupported",
    recorded=(ENDS,),
    remains="the app says that the versions differ; it does not know who said so",
)
async def hides_versions(scene: Scene) -> str:
    async def story(street: Street) -> str:
        street.box.told_info = lambda info: cbor.encode([[0], decode_info(info)[1]])
        street.box.vanishes = True
        came = await street.owner(Action.UNLOCK)
        said = [message[0] for message in street.box.said("device") if message[0] != MessageType.ERROR]
        scene.must(not said, "the phone has spoken")
        return came

    return await between(scene, story)


@attack(
    "between-speaks-first",
    "notifies a HELLO of its own making before the phone has subscribed",
    protects="what comes before the subscription is not heard, and the car's own HELLO counts",
    expected="done",
    recorded=("receipt: done x2",),
)
async def speaks_first(scene: Scene) -> str:
    async def story(street: Street) -> str:
        street.box.first_word = b"\xc0\x01\x01" + bytes(16) + bytes(31) + b"\x09" + bytes(4)
        return await street.owner(Action.UNLOCK, Action.LOCK)

    return await between(scene, story)
