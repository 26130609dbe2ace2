"""One world: put together, stepped through, brought to rest, judged."""

from __future__ import annotations

import asyncio
import hashlib
import random
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from keygw.model.command import Action, CommandState, Outcome
from keygw.model.digital_key import KeyState
from keygw.model.errors import KeygwError
from keygw.token.trust import kid_of
from keygw.wire.messages import MessageType
from keygw_sim.chance import chance, new_signer
from keygw_sim.vehicle.flash import Answer, Issuer
from keygw_sim.world.air import Ether, Wire
from keygw_sim.world.car import GATEWAY, SimulatedCar
from keygw_sim.world.gateway import Gateway, empty_image
from keygw_sim.world.life import Gone, tasks_have_lives
from keygw_sim.world.loop import VirtualLoop
from keygw_sim.world.model import Invariant, Model, Violation
from keygw_sim.world.people import Friend, Owner, rotate
from keygw_sim.world.steps import Cast, Kind, Step
from keygw_sim.world.watch import Watch, hearing_errors, watching_nonces
from keygw_sim.world.weather import CLEAR, KINDS, Weather

START = 1_800_000_000.0
REST_SECONDS = 700.0
"""Once faults stop: longer than a session lives, so that nothing that was broken still stands."""
SIGNAL_DISAGREES = "signal_disagrees"
"""It was done, and somebody has locked again before that could be seen: neither confirmed nor not done."""
TOO_LONG = 3600.0
"""Seconds beyond what a step itself says, after which it is taken to hang."""
MOST_BESIDE = 12
"""Steps that go on at the same time."""
_ROADS: dict[int, str] = {MessageType.MESSAGE_3: "cold", MessageType.FAST: "fast"}


@dataclass(slots=True)
class Verdict:
    """What became of a world. ``digest``: SHA-256 of everything that happened in it, in order."""

    seed: str
    violations: list[Violation] = field(default_factory=list)
    unlocks: Counter[str] = field(default_factory=Counter)
    """By road: cold (full handshake), fast, session (one that was open)."""
    tries: Counter[str] = field(default_factory=Counter)
    """How whoever tried was answered."""
    commands: Counter[str] = field(default_factory=Counter)
    """How those that the gateway took on have ended."""
    steps: int = 0
    """That were taken."""
    frames: int = 0
    lives: int = 0
    boots: int = 0
    seconds: float = 0.0
    """That passed in it."""
    digest: str = ""


class Simulation:
    def __init__(self, seed: str, cast: Cast, image: bytes) -> None:
        self.verdict = Verdict(seed)
        self.model = Model()
        self._seed = seed
        self._loop = asyncio.get_running_loop()
        self._hash = hashlib.sha256()
        chances = random.Random(f"{seed} world")
        self.cars = [
            SimulatedCar(f"car {n}", seed, chances.uniform(-2e-4, 2e-4), self._on_car, self._on_done)
            for n in range(cast.cars)
        ]
        self.ether = Ether(seed, self.cars)
        self.ether.on_frame = self._on_frame
        self.gateway = Gateway(image, self.ether, seed, self.now)
        self.watch = Watch(self.model, self.cars, self.gateway, self.now)
        self.owners = [Owner(car, self.gateway, self.model, seed) for car in self.cars]
        self.friends = [Friend(f"friend {n}", self.ether, seed) for n in range(cast.friends)]
        self.thieves: list[Friend] = []
        """With the phones of friends."""
        self._beside: dict[asyncio.Task[None], None] = {}
        self._chance = chance(seed, "adversary")
        self._conns = 0

    def now(self) -> float:
        return START + self._loop.time()

    # A run

    async def live(self, steps: Sequence[Step], enough: int | None) -> None:
        """From its beginning to its rest, or to the first step after which something is wrong."""
        try:
            await self.begin()
            for step in steps:
                if self.model.violations or (enough is not None and self.verdict.unlocks.total() >= enough):
                    break
                await self.take(step)
            if not self.model.violations:
                await self.rest()
        except Exception as error:
            self.broke(f"{error!r} at {_place(error)}")

    async def begin(self) -> None:
        issuer = new_signer(chance(self._seed, "issuer seeded:1"))
        kid = kid_of(issuer.public_key)
        trusted = Issuer(f"urn:keygw:{kid.hex()}", kid, issuer.public_key)
        await self.gateway.start()
        for car, owner in zip(self.cars, self.owners, strict=True):
            car.leave_the_factory(trusted, await owner.move_in())

    async def take(self, step: Step) -> None:
        """One step, and a look at everything once it is over, or under way."""
        self.verdict.steps += 1
        self._note("step", *step.to_json())
        task = self._loop.create_task(self._guarded(step))
        self._beside[task] = None
        task.add_done_callback(lambda done: self._beside.pop(done, None))
        if step.alone or len(self._beside) > MOST_BESIDE:
            await asyncio.wait({task}, timeout=step.amount + TOO_LONG)
            if not task.done():
                self.broke(f"{step.kind.value} has no end")
        else:
            await asyncio.sleep(0.05)
        await self._look()

    async def rest(self) -> None:
        """Faults stop. Then everybody who may must get in, everybody who asked must have heard the end of it."""
        self._calm()
        if self._beside:
            await asyncio.wait(list(self._beside), timeout=TOO_LONG)
        if self._beside:
            self.broke(f"{len(self._beside)} steps have no end")
            return
        self._calm()
        await asyncio.sleep(REST_SECONDS)
        await self._look()
        for car in self.cars:
            car.tick()
        for owner in self.owners:
            await self._owner_gets_in(owner)
        for friend in self.friends:
            await self._friend_gets_in(friend)
        await asyncio.sleep(REST_SECONDS)
        await self._settled()
        await self._look()
        await self.watch.look_back()
        await self.gateway.stop()

    def end(self) -> Verdict:
        verdict = self.verdict
        verdict.violations = list(dict.fromkeys(self.model.violations))
        verdict.frames, verdict.lives = self.ether.frames, self.gateway.lives
        verdict.boots = sum(car.boots for car in self.cars)
        verdict.seconds = self._loop.time()
        verdict.digest = self._hash.hexdigest()
        return verdict

    def broke(self, what: str) -> None:
        self.model.broken(Invariant.SOUND, what)

    def on_error(self, event: str) -> None:
        """A room of the gateway has logged an error. A dead one's are nobody's business."""
        if self.gateway.alive and "StoreError" not in event:
            self.broke(event)

    # Steps

    async def _guarded(self, step: Step) -> None:
        try:
            await self._do(step)
        except (Gone, KeygwError) as error:
            answer = error.code if isinstance(error, KeygwError) else "gone"
            self.verdict.tries[f"refused {answer}"] += 1
            self._note("refused", answer)
        except Exception as error:
            self.broke(f"{step.kind.value}: {error!r} at {_place(error)}")

    async def _do(self, step: Step) -> None:
        """What people do; the rest is what happens to them."""
        owner, friend = self.owners[step.who % len(self.owners)], self.friends[step.who % len(self.friends)]
        match step.kind:
            case Kind.APP:
                for _ in range(step.times):
                    record = await owner.unlock()
                    self._tried(f"app {record.state.value}", record.reason)
            case Kind.PHONE:
                await self._phone(friend, step.times)
            case Kind.THIEF:
                if self.thieves:
                    await self._phone(self.thieves[step.who % len(self.thieves)], step.times)
            case Kind.SHARE:
                if not self._has_key(friend):
                    await owner.share(friend, self.now() + step.amount)
            case Kind.FETCH:
                await friend.fetch()
            case Kind.SUSPEND | Kind.RESUME | Kind.REVOKE:
                everybody = [*self.friends, *self.thieves]
                holder = everybody[step.who % len(everybody)]
                if holder.owner is not None:
                    await getattr(holder.owner, step.kind.value)(holder.key_id)
            case Kind.REMOVE:
                self._remove(self.friends[step.who % len(self.friends)])
            case Kind.ROTATE:
                await rotate(self.gateway, int(step.amount) or None)
            case Kind.WAIT:
                await self._wait(step.amount)
            case _:
                await self._happen(step)

    async def _happen(self, step: Step) -> None:
        car = self.cars[step.who % len(self.cars)]
        match step.kind:
            case Kind.STEAL:
                self._steal(step.who % len(self.friends))
            case Kind.AWAY:
                who = "*" if step.times == 0 else GATEWAY
                car.drive_off(who)
                self._loop.call_later(step.amount, car.away.discard, who)
            case Kind.REBOOT:
                car.reboot()
            case Kind.POWER:
                car.flash.fuse, car.flash.stored = step.times, step.amount > 0
            case Kind.CRASH:
                self.gateway.life.fuse = step.times
            case Kind.WEATHER:
                rates = {kind: step.amount for bit, kind in enumerate(KINDS) if step.times >> bit & 1}
                self.ether.weather = Weather(**rates)
            case Kind.CLEAR:
                self.ether.weather = CLEAR
            case Kind.REPLAY:
                await self._replay(car)

    def _has_key(self, friend: Friend) -> bool:
        if friend.owner is None:
            return False
        key = self.model.keys[friend.key_id]
        return key.state is KeyState.ACTIVE and not key.removed and key.ends > self.now() + 60

    async def _phone(self, friend: Friend, times: int) -> None:
        """So often, or until it is not let in."""
        for _ in range(times):
            tried = await friend.unlock()
            if tried is not None:
                self._tried(f"{'thief' if friend.stolen else 'phone'} {tried.outcome}", None)
            if tried is None or not tried.ok:
                return

    def _remove(self, friend: Friend) -> None:
        if friend.owner is not None and friend.owner.car.remove_key(friend.key_id):
            self.model.keys[friend.key_id].removed = True

    def _steal(self, which: int) -> None:
        """Whoever had that phone buys another, and has no key until somebody gives one."""
        thief = self.friends[which]
        thief.lose()
        self.thieves.append(thief)
        self.friends[which] = Friend(f"friend {which}, phone {len(self.thieves) + 1}", self.ether, self._seed)

    async def _wait(self, seconds: float) -> None:
        """Cars tick meanwhile, now and then."""
        pause = max(seconds / 8, 1.0)
        while seconds > 0:
            await asyncio.sleep(min(pause, seconds))
            seconds -= pause
            for car in self.cars:
                car.tick()

    async def _replay(self, car: SimulatedCar) -> None:
        """A device that says what it has heard another say. Nothing of it may count."""
        for tape in list(self.ether.tapes[car.name]):
            if not car.hears("adversary"):
                return
            self._conns += 1
            wire = Wire(self.ether, car, f"adversary.{self._conns}", random.Random(self._chance(8)), fair=True)
            wire.max_frame = max(20, *(len(frame) for frame in tape))
            wire.connect()
            for frame in tape:
                if wire.ended is None:
                    await wire.send(frame)
            await asyncio.sleep(0.2)
            await wire.close()

    # The end

    def _calm(self) -> None:
        self.ether.weather = CLEAR
        self.gateway.life.fuse = None
        for car in self.cars:
            car.away.clear()
            car.flash.fuse = None

    async def _owner_gets_in(self, owner: Owner) -> None:
        try:
            record = await owner.unlock()
        except KeygwError as error:
            self.model.broken(Invariant.HONEST, f"the {owner.name} is refused: {error.code}")
            return
        if record.state is not CommandState.CONFIRMED:
            self.model.broken(Invariant.HONEST, f"the {owner.name} gets {record.state.value}, {record.reason}")

    async def _friend_gets_in(self, friend: Friend) -> None:
        if friend.owner is None or not self._has_key(friend):
            return
        try:
            await friend.fetch()
        except KeygwError as error:
            self.model.broken(Invariant.HONEST, f"{friend.name} gets no token: {error.code}")
            return
        tried = await friend.unlock()
        if tried is None or not tried.ok:
            outcome = "no answer" if tried is None else tried.outcome
            self.model.broken(Invariant.HONEST, f"{friend.name} gets {outcome} from {friend.owner.car.name}")

    async def _settled(self) -> None:
        """Every command has an end, and it is the true one; every car has the newest list."""
        for owner in self.owners:
            for command_id, command in owner.commands.items():
                record = await owner.look(command_id)
                state = record.state
                doubted = any(each is CommandState.UNKNOWN for each, _ in record.timeline)
                self.verdict.commands[f"unknown, then {state.value}" if doubted else state.value] += 1
                if not state.settled or state is CommandState.UNKNOWN:
                    self.model.broken(Invariant.TRUTH, f"{command_id} is {state.value} for ever ({record.reason})")
                elif record.reason != SIGNAL_DISAGREES:
                    self.model.told(owner.car.name, command.key_id, command.number, state.value)
            book = await self.gateway.credentials.vehicle(owner.car.vehicle.id)
            if book is None or book.acknowledged_sequence < book.list_sequence:
                self.model.broken(Invariant.HONEST, f"{owner.car.name} is not brought its list")

    # What is seen

    async def _look(self) -> None:
        for car in self.cars:
            car.tick()
        await self.watch.look()

    def _tried(self, how: str, why: str | None) -> None:
        self.verdict.tries[how if why is None else f"{how} {why}"] += 1
        self._note("tried", how, why)

    def _on_car(self, car: SimulatedCar, what: str, data: dict[str, object]) -> None:
        self._note("car", car.name, what, *sorted(data.items()))

    def _on_done(self, car: SimulatedCar, key_id: str, answer: Answer, sequence: int) -> None:
        self._note("done", car.name, key_id, answer, sequence)
        self.watch.on_done(car, key_id, answer, sequence)
        if answer.action == Action.UNLOCK and answer.outcome == Outcome.DONE:
            self.verdict.unlocks[_ROADS.get(car.hearing, "session")] += 1

    def _on_frame(self, link: str, to_car: bool, frame: bytes) -> None:
        self._note("frame", link, to_car, frame.hex())

    def _note(self, *what: object) -> None:
        self._hash.update(f"{self._loop.time():.6f} {what!r}\n".encode())


def run(seed: str, steps: Sequence[Step], cast: Cast | None = None, enough: int | None = None) -> Verdict:
    """Live through those steps, or until there were ``enough`` unlocks; then faults stop.

    The same seed and steps give the same verdict, digest and all, in any process. It ends at the first step after which
    something is wrong.
    """

    async def live() -> Verdict:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(tasks_have_lives)
        world = Simulation(seed, cast or Cast(), await _image())
        loop.set_exception_handler(lambda _, said: world.broke(f"nobody heard of {said.get('exception')!r}"))
        with watching_nonces(world.model), hearing_errors(world.on_error):
            await world.live(steps, enough)
        return world.end()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(live())


def _place(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{PurePath(frame.filename).name}:{frame.lineno}"


_IMAGES: list[bytes] = []


async def _image() -> bytes:
    """Made once in a process: to load what makes a schema takes longer than a world."""
    if not _IMAGES:
        _IMAGES.append(await empty_image())
    return _IMAGES[0]
