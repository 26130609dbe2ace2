"""Saying again what was said before: to the same car, to another one, after a reboot, or to the device."""

from __future__ import annotations

from keygw.model.command import Action
from keygw.wire.messages import MessageType
from keygw_sim.attacker.attack import attack
from keygw_sim.attacker.scene import Scene, came_of
from keygw_sim.attacker.tools import Middle, Parrot, Stranger, answer_in
from keygw_sim.vehicle.brain import Brain

FRESH_KEYS = "both sides bring a fresh ephemeral key to every handshake, and every message is bound to both"
REFUSED_ONCE = ("log: refused protocol_violation",)


def recorded_unlock(scene: Scene) -> Middle:
    """The owner unlocks and locks while somebody listens; the recording."""
    tape = Middle(scene.garage.brain)
    visit = scene.garage.visit("owner", meets=tape)
    visit.prove(Action.UNLOCK, number=1)
    visit.command(Action.LOCK, 2)
    visit.leave()
    return tape


def play(scene: Scene, tape: Middle, car: Brain) -> str:
    """Everything the device said, to that car."""
    stranger = Stranger(car, scene.next_conn())
    return answer_in(stranger.say(*tape.said("device")))


@attack(
    "replay-same-car",
    "records the owner's unlock and plays all of it to the same car",
    protects=FRESH_KEYS,
    expected="refused",
    recorded=REFUSED_ONCE,
)
async def same_car(scene: Scene) -> str:
    tape = recorded_unlock(scene)
    scene.strike()
    return play(scene, tape, scene.garage.brain)


@attack(
    "replay-other-car",
    "plays the recording to another car of the same owner",
    protects=FRESH_KEYS,
    expected="refused",
    recorded=REFUSED_ONCE,
)
async def other_car(scene: Scene) -> str:
    tape, other = recorded_unlock(scene), scene.second_car()
    scene.strike()
    return play(scene, tape, other.brain)


@attack(
    "replay-after-reboot",
    "cuts the car's power so that it forgets what it has heard, then plays the recording",
    protects=FRESH_KEYS + "; nothing has to be remembered",
    expected="refused",
    recorded=REFUSED_ONCE,
)
async def after_reboot(scene: Scene) -> str:
    tape = recorded_unlock(scene)
    scene.garage.reboot()
    scene.strike()
    return play(scene, tape, scene.garage.brain)


@attack(
    "replay-in-session",
    "stands in the link and sends the owner's LOCK twice, to push a sealed command in a second time",
    protects="a counter in nonce and AAD of every sealed message, one for each direction",
    expected="refused",
    recorded=("log: refused protocol_violation", "receipt: done"),
)
async def in_session(scene: Scene) -> str:
    hands = Middle(scene.garage.brain)
    visit = scene.garage.visit("owner", meets=hands)
    visit.prove(Action.UNLOCK, number=1)
    scene.strike()
    hands.up = lambda message: (message, message) if message[0] == MessageType.CMD else (message,)
    return came_of(visit, lambda: visit.command(Action.LOCK, 2))


@attack(
    "replay-to-the-device",
    "a false car repeats what the real one said in a recorded session, RESULT included, so that the owner believes "
    "that the car has locked",
    protects=FRESH_KEYS,
    expected="device: protocol_violation",
)
async def to_the_device(scene: Scene) -> str:
    tape = recorded_unlock(scene)
    scene.strike()
    parrot = Parrot(scene.garage.brain, tape.read_info, tape.said("vehicle"))
    visit = scene.garage.visit("owner", meets=parrot)
    came = came_of(visit, lambda: visit.prove(Action.LOCK, number=3))
    told = {message[0] for message in parrot.learnt}
    scene.must(told <= {MessageType.MESSAGE_1, MessageType.ERROR}, "the device has said who it is")
    return came
