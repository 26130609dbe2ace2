"""Holding on to what was good once, and making a lost answer into a second deed."""

from __future__ import annotations

from keygw.model.command import Action
from keygw.model.errors import ProtocolError
from keygw.session.core import SESSION_SECONDS
from keygw.session.events import Read, ReceiptsGiven, Responded
from keygw.wire.messages import MessageType
from keygw_sim.attacker.attack import attack
from keygw_sim.attacker.scene import Scene, came_of, ending_of
from keygw_sim.attacker.tools import Middle
from keygw_sim.rehearsal import ISSUED_AT, Visit


def asks(visit: Visit, action: Action, number: int) -> str:
    """One more command in an open session: its outcome, or how the car ended the session."""
    before = len(visit.heard)
    try:
        visit.command(action, number)
    except ProtocolError:  # its own session is over as well
        return ending_of(visit)
    answers = [event for event in visit.heard[before:] if isinstance(event, Responded)]
    return answers[-1].response.outcome.label if answers else ending_of(visit)


@attack(
    "held-open-after-revocation",
    "a friend keeps the session open in which its key was good, while the owner brings the list that revokes it",
    protects="a new list ends at once the sessions that it concerns, and every command asks the list again",
    expected="session_over",
    recorded=("log: list_accepted 1",),
)
async def after_revocation(scene: Scene) -> str:
    garage = scene.garage
    garage.enrol("owner")
    friend = garage.visit("friend")
    friend.prove()
    scene.strike()
    garage.bring(1, revoked=(2,))
    friend.carry()
    return asks(friend, Action.UNLOCK, 1)


@attack(
    "held-open-deaf",
    "the same, with a link in the middle that lets the car's goodbye not through, and goes on asking",
    protects="the car's side is over, whatever the friend's believes",
    expected="nothing",
    recorded=("log: list_accepted 1",),
)
async def deaf(scene: Scene) -> str:
    garage = scene.garage
    garage.enrol("owner")
    hands = Middle(garage.brain)
    friend = garage.visit("friend", meets=hands)
    friend.prove()
    hands.down = lambda message: () if message[0] == MessageType.ERROR else (message,)
    scene.strike()
    garage.bring(1, revoked=(2,))
    friend.carry()
    return asks(friend, Action.UNLOCK, 1)


@attack(
    "held-open-past-its-end",
    "keeps a session open in which the key was good, and asks when its time is over",
    protects="every command is held against the time",
    expected="key_expired",
    recorded=("receipt: key_expired",),
)
async def past_its_end(scene: Scene) -> str:
    garage = scene.garage
    visit = garage.visit("owner", expires_at=ISSUED_AT + 90)
    visit.prove()
    garage.time = ISSUED_AT + 90
    scene.strike()
    return asks(visit, Action.UNLOCK, 1)


@attack(
    "held-open-for-ever",
    "keeps a session busy with harmless commands for longer than ten minutes",
    protects="a session lives ten minutes, however busy",
    expected="session_over",
    recorded=("log: session_ended the session's time is over", "receipt: done x9"),
)
async def for_ever(scene: Scene) -> str:
    garage = scene.garage
    hand, signer = garage.office.hand(garage.claims("owner")), garage.signers["owner"]
    visit = scene.bring(hand, signer, clock=lambda: 0.0)  # its own clock stands still, so it never gives up
    visit.prove()
    scene.strike()
    came = ""
    for minute in range(1, 11):
        garage.monotonic += SESSION_SECONDS / 10
        came = asks(visit, Action.FLASH_LIGHTS, minute)
    return came


@attack(
    "suspended-waits",
    "a suspended friend uses the session in which the car waits for a newer list: commands, receipts, events",
    protects="that session serves what may turn the verdict, and nothing else",
    expected="key_suspended",
    recorded=("receipt: key_suspended",),
)
async def suspended_waits(scene: Scene) -> str:
    garage = scene.garage
    garage.enrol("owner", "friend").bring(1, suspended=(2,))
    friend = garage.visit("friend", subscribe=True)
    friend.prove()
    scene.strike()
    friend.session.ask_receipts(0)
    friend.carry()
    scene.must(friend.last(ReceiptsGiven).receipts.signed == (), "it reads receipts")
    came = asks(friend, Action.UNLOCK, 1)
    garage.brain.set_body({"battery": 50.0})
    friend.carry()
    scene.must(not any(isinstance(event, Read) for event in friend.heard), "it hears events")
    return came


@attack(
    "number-reused",
    "uses the number of a command that was executed for another action",
    protects="a number is bound to its action",
    expected="number_reused",
)
async def number_reused(scene: Scene) -> str:
    garage = scene.garage
    visit = garage.visit("owner")
    visit.prove(Action.FLASH_LIGHTS, number=7)
    scene.strike()
    return asks(visit, Action.UNLOCK, 7)


@attack(
    "lost-result-retried",
    "lets the owner's LOCK through and not its answer, opens the car by hand meanwhile, and waits for the retry",
    protects="a number is executed once, over sessions and reboots; the retry gets the old answer",
    expected="done",
    recorded=("receipt: done",),
    remains="the car remembers the last 32 numbers of a key; a device that retries later than that is not helped",
)
async def lost_result(scene: Scene) -> str:
    garage = scene.garage
    garage.brain.set_body({"locked": False})
    scene.strike()
    hands = Middle(garage.brain, down=lambda m: () if m[0] == MessageType.RESULT else (m,))
    visit = garage.visit("owner", meets=hands)
    lost = came_of(visit, lambda: visit.prove(Action.LOCK, number=7))
    scene.must(lost == "nothing" and garage.brain.body.locked, "the answer was not lost")
    visit.leave()
    garage.reboot()
    garage.brain.set_body({"locked": False})
    again = garage.visit("owner")
    came = came_of(again, lambda: again.prove(Action.LOCK, number=7))
    scene.must(not garage.brain.body.locked, "it was done twice")
    garage.brain.set_body({"locked": True})
    return came


@attack(
    "answer-forged",
    "tells the owner that the car has locked, which it has not: drops the command and makes up an answer",
    protects="answers are sealed with keys that only the car and the device have",
    expected="device: protocol_violation",
    recorded=(),
)
async def answer_forged(scene: Scene) -> str:
    garage = scene.garage
    hands = Middle(garage.brain)
    visit = garage.visit("owner", meets=hands)
    visit.prove()
    hands.up = lambda message: ()
    scene.strike()
    visit.command(Action.LOCK, 1)
    frames = hands.send_down(bytes((MessageType.RES,)) + bytes(20))
    return came_of(visit, lambda: [visit.session.receive(frame, garage.monotonic) for frame in frames])
