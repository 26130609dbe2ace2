"""Making a phone that is far away look near, to a car with ranging anchors.

The phone's app opens whatever is near, as passive entry wants it; BLE is relayed, or was opened in range. What protects
is the measurement alone: its signal is made from a key of this session and this round, light is no faster for an
attacker, and what was measured counts for a second.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from keygw.model.command import Action
from keygw.session.device import DeviceSession
from keygw.session.events import Responded
from keygw.wire.messages import MessageType
from keygw.wire.ranging import Finding, Range, RangingMethod, Zone
from keygw_sim.attacker.attack import attack
from keygw_sim.attacker.scene import Scene, came_of, one_of
from keygw_sim.attacker.tools import Middle
from keygw_sim.ranging.geometry import Point
from keygw_sim.ranging.signal import BACK_TAPS, PULSES, TAP_NS, Arrival
from keygw_sim.ranging.space import Tone, Transponder, round_trip
from keygw_sim.rehearsal import Visit
from keygw_sim.vehicle.proximity import AWAY_METRES, FRESH_SECONDS, MIN_QUALITY

FAR = Point(50.0, 0.0)
DOOR = Point(0.5, 1.9)
"""A step from the driver's door."""
SEAT = Point(0.3, 0.4)
SHORT_OF_FAR = Point(12.0, 0.0)
"""As far as a ghost peak reaches: the receiver looks back 19 m from the strongest path."""


@dataclass(slots=True)
class Silent:
    """A sender of neither kind; what follows overrides one."""

    def arrivals(self, anchor: Point) -> Iterable[Arrival]:
        return ()

    def tones(self, anchor: Point, key: bytes) -> Iterable[Tone]:
        return ()


@dataclass(slots=True)
class Repeater(Silent):
    """One box at the phone, one at the car, and between them nothing slower than light. ``inside_ns``: what the boxes
    themselves take, both ways together; ``turn``: metres by which they turn the phase of every tone."""

    phone: Transponder
    at_phone: Point
    at_car: Point
    inside_ns: float = 4.0
    turn: float = 0.0

    def arrivals(self, anchor: Point) -> Iterable[Arrival]:
        pulses = self.phone.pulses()
        if pulses is not None:
            yield Arrival(round_trip(self._metres(anchor)) + self.inside_ns, pulses)

    def tones(self, anchor: Point, key: bytes) -> Iterable[Tone]:
        for _ in self.phone.tones(self.at_phone, key):
            yield Tone(self._metres(anchor), self._metres(anchor) - self.turn)

    def _metres(self, anchor: Point) -> float:
        return self.phone.at.to(self.at_phone) + self.at_phone.to(self.at_car) + self.at_car.to(anchor)


@dataclass(slots=True)
class Loud(Silent):
    """Sends those pulses from ``at``, as if it had them so many nanoseconds too early, at that power."""

    at: Point
    pulses: int
    early_ns: float = 0.0
    power: float = 1.0

    def arrivals(self, anchor: Point) -> Iterable[Arrival]:
        yield Arrival(max(0.0, round_trip(self.at.to(anchor)) - self.early_ns), self.pulses, self.power)


def _guess(scene: Scene) -> int:
    """Pulses of whom the key was not told."""
    return int.from_bytes(scene.garage.random(PULSES // 8), "big")


def _phone(scene: Scene, at: Point) -> Transponder:
    """The owner's phone there, and a car with anchors. Beyond 30 m, behind walls, only who is beside it hears it."""
    phone = Transponder(at, reach=30.0)
    scene.garage.fit_anchors().space.add(phone)
    return phone


def _heard(scene: Scene, visit: Visit, phone: Transponder) -> Finding:
    """A round in which the receiver has taken the bait: where his guess moves nothing he tries another, fifty times."""

    def suspects() -> int:
        return sum(what == "ranging_suspect" for what, _ in scene.garage.log)

    before, found = suspects(), visit.range(phone)
    for _ in range(49):
        if found.zone is Zone.NEAR or suspects() > before:
            break
        found = visit.range(phone)
    return found


def _asks(visit: Visit, action: Action = Action.PASSIVE_UNLOCK) -> str:
    """What the owner's app, which takes itself to be near, gets in that session."""
    visit.command(action, visit.conn)
    return visit.last(Responded).response.outcome.label


def _proven(scene: Scene, meets: Middle | None = None) -> Visit:
    visit = scene.garage.visit("owner", meets=meets)
    visit.prove()
    return visit


@attack(
    "range-relay",
    "relays BLE and UWB of a phone 50 m away, with boxes that are as fast as light, and the phone asks to open",
    protects="the time of flight: a relay adds to it and takes nothing away",
    expected="proximity_required",
    recorded=("receipt: proximity_required x2",),
)
async def relay(scene: Scene) -> str:
    phone = _phone(scene, FAR)
    scene.garage.space.add(Repeater(phone, Point(49.0, 0.0), DOOR, inside_ns=0.0))
    came = set()
    scene.strike()
    for method in (RangingMethod.UWB, RangingMethod.CHANNEL_SOUNDING):
        visit = _proven(scene, Middle(scene.garage.brain))
        found = visit.range(phone, method)
        scene.must(found.zone is Zone.FAR, f"{method.label} says {found.zone.label}")
        scene.detail = f"measured {(found.bound or 0) / 100:.1f} m"
        came.add(_asks(visit))
        visit.leave()
    return one_of(came)


@attack(
    "range-relay-drive",
    "starts the engine of a car with anchors through such a relay, the phone taking its link for a direct one",
    protects="a car with anchors lets drive only who was measured inside it",
    expected="proximity_required",
    recorded=("receipt: proximity_required",),
)
async def relay_drive(scene: Scene) -> str:
    phone = _phone(scene, FAR)
    scene.garage.space.add(Repeater(phone, Point(49.0, 0.0), SEAT, inside_ns=0.0))
    scene.strike()
    visit = _proven(scene, Middle(scene.garage.brain))
    visit.range(phone)
    return _asks(visit, Action.START_ENGINE)


@attack(
    "range-early-commit",
    "stands at the door and sends each pulse before it can have heard it (early detect, late commit), so that the "
    "phone's distance seems shorter by what it was early",
    protects="no time is taken from a preamble that all know; each pulse of the STS is a secret bit, too short to be "
    "recognised in its beginning, and four of five must be right",
    expected="proximity_required",
    recorded=("log: ranging_suspect x4", "receipt: proximity_required x4"),
    remains="less than a pulse: 2 ns, 30 cm, which the bound has room for",
)
async def early_commit(scene: Scene) -> str:
    phone = _phone(scene, SHORT_OF_FAR)
    came, best = set(), 0
    scene.strike()
    for taps in (1, 8, 16, 32):
        early = Loud(SHORT_OF_FAR, _guess(scene), early_ns=taps * TAP_NS, power=8.0)
        scene.garage.space.add(early)
        visit = _proven(scene)
        found = _heard(scene, visit, phone)
        came.add(_asks(visit))
        scene.garage.space.remove(early)
        visit.leave()
        best = max(best, found.quality)
    scene.detail = f"at best {best} of 100 pulses right, {MIN_QUALITY} are wanted"
    return one_of(came)


@attack(
    "range-ghost-peak",
    "drowns the phone's signal in loud random pulses, so that the receiver, which looks for an earlier and weaker "
    "path, finds one by chance",
    protects="an early path counts only if its pulses are right, not if it correlates a little; and all anchors must "
    "agree on one place",
    expected="proximity_required",
    recorded=("log: ranging_suspect x8", "receipt: proximity_required x8"),
    remains="the car does not open by itself while somebody does that; a tap opens it",
)
async def ghost_peak(scene: Scene) -> str:
    phone = _phone(scene, SHORT_OF_FAR)
    came, ghosts = set(), 0
    scene.strike()
    for _ in range(8):
        ghost = Loud(SHORT_OF_FAR, _guess(scene), early_ns=(BACK_TAPS // 2) * TAP_NS, power=6.0)
        scene.garage.space.add(ghost)
        visit = _proven(scene)
        found = _heard(scene, visit, phone)
        ghosts += 0 < found.quality < MIN_QUALITY
        came.add(_asks(visit))
        scene.garage.space.remove(ghost)
        visit.leave()
    scene.detail = f"{ghosts} of 8 rounds showed the receiver a path that was none"
    return one_of(came)


@attack(
    "range-replayed-sts",
    "records the pulses of a round at the door, and plays them back when the phone is 50 m away and ranges again",
    protects="every round of a session has a key of its own, and so other pulses",
    expected="proximity_required",
    recorded=("receipt: proximity_required",),
)
async def replayed(scene: Scene) -> str:
    phone = _phone(scene, DOOR)
    visit = _proven(scene)
    scene.must(visit.range(phone).zone is Zone.NEAR, "the phone at the door is not near")
    recorded = phone.sent or 0
    phone.at = FAR
    scene.garage.space.add(Loud(DOOR, recorded))
    scene.strike()
    scene.must(visit.range(phone).zone is Zone.UNMEASURED, "what was recorded is heard again")
    return _asks(visit)


@attack(
    "range-other-session",
    "a friend stands at the door with a phone and a session of its own, while the owner's phone, 50 m away and relayed "
    "over BLE alone, asks to open",
    protects="a round is answered by its own session's key, and counts for that session alone",
    expected="proximity_required",
    recorded=("receipt: proximity_required",),
)
async def other_session(scene: Scene) -> str:
    phone = _phone(scene, FAR)
    near = Transponder(DOOR)
    scene.garage.space.add(near)
    friend = scene.garage.visit("friend")
    friend.prove()
    scene.strike()
    owner = _proven(scene, Middle(scene.garage.brain))
    scene.must(friend.range(near).zone is Zone.NEAR, "the friend at the door is not near")
    near.arm(RangingMethod.UWB, friend.session.next_round(RangingMethod.UWB))
    scene.must(owner.range(phone).zone is Zone.UNMEASURED, "the friend's phone answers for the owner's")
    return _asks(owner)


@attack(
    "range-reused-round",
    "has the phone's app, which counts wrongly, range with the same round again, whose pulses are known by now",
    protects="rounds only go up within a session; the same number again ends it",
    expected="refused",
    recorded=("log: refused protocol_violation",),
)
async def reused_round(scene: Scene) -> str:
    phone = _phone(scene, DOOR)
    visit = _proven(scene)
    visit.range(phone)
    scene.garage.space.add(Loud(DOOR, phone.sent or 0))
    phone.at = FAR
    scene.strike()
    visit.session._round -= 1
    return came_of(visit, partial(visit.range, phone))


@attack(
    "range-own-word",
    "changes the app of a stolen, unlocked phone 50 m away, so that it says in RANGE itself that it sits inside",
    protects="the car believes its own anchors; a device that tells its place ends the session",
    expected="refused",
    recorded=("log: refused protocol_violation",),
)
async def own_word(scene: Scene) -> str:
    _phone(scene, FAR)
    visit = _proven(scene)
    scene.strike()

    def claim(session: DeviceSession) -> None:
        lie = Range(1, RangingMethod.UWB, Finding(Zone.INSIDE, 10, 100, 1000))
        session._send_sealed(MessageType.RANGE, lie.encode())
        visit.carry()

    return came_of(visit, partial(claim, visit.session))


@attack(
    "range-turned-phase",
    "relays Channel Sounding from 50 m and turns the phase of every tone, so that the phase says one metre",
    protects="the bound is the greater of the figures by phase and by round-trip time, and if they are more than 3 m "
    "apart there is none",
    expected="proximity_required",
    recorded=("log: ranging_suspect", "receipt: proximity_required"),
    remains="that the round-trip time of half-microsecond symbols is as hard to shorten as that of two-nanosecond "
    "pulses is for the radio's detector to show; it is not simulated. A car may do without this method",
)
async def turned_phase(scene: Scene) -> str:
    phone = _phone(scene, FAR)
    scene.garage.space.add(Repeater(phone, Point(49.0, 0.0), DOOR, turn=50.0))
    scene.strike()
    visit = _proven(scene, Middle(scene.garage.brain))
    visit.range(phone, RangingMethod.CHANNEL_SOUNDING)
    return _asks(visit)


@attack(
    "range-stale",
    "holds the owner's command to open back until the owner, who was near, has walked away",
    protects="a measurement counts for a second",
    expected="proximity_required",
    recorded=("receipt: proximity_required",),
    remains="the second",
)
async def stale(scene: Scene) -> str:
    phone = _phone(scene, DOOR)
    visit = _proven(scene)
    visit.range(phone)
    scene.strike()
    scene.garage.monotonic += FRESH_SECONDS
    return _asks(visit)


@attack(
    "range-left-inside",
    "stands at the door of a locked car in which the owner's phone was left, and pulls the handle",
    protects="the car opens by itself to who comes to the doors, not to who is measured inside",
    expected="proximity_required",
    recorded=("receipt: proximity_required",),
)
async def left_inside(scene: Scene) -> str:
    phone = _phone(scene, SEAT)
    scene.strike()
    visit = _proven(scene)
    scene.must(visit.range(phone).zone is Zone.INSIDE, "the phone on the seat is not inside")
    return _asks(visit)


@attack(
    "range-stays-near",
    "waits until the owner has locked, by tap, and stands by; the phone is still near, and asks to open again",
    protects="the car opens by itself once for each coming: who has been served must have been "
    f"{AWAY_METRES:.0f} m away first",
    expected="proximity_required",
    recorded=("receipt: done", "receipt: proximity_required"),
)
async def stays_near(scene: Scene) -> str:
    phone = _phone(scene, DOOR)
    visit = _proven(scene)
    visit.range(phone)
    scene.must(_asks(visit) == "done", "the owner who comes is not let in")
    scene.strike()
    visit.command(Action.LOCK, scene.next_conn())
    visit.range(phone)
    visit.command(Action.PASSIVE_UNLOCK, scene.next_conn())
    return visit.last(Responded).response.outcome.label
