"""The car robbed of the time, by whoever can reach its battery; and time proofs that do not tell it."""

from __future__ import annotations

from keygw.model.command import Action, Outcome
from keygw_sim.attacker.attack import attack
from keygw_sim.attacker.scene import Scene, came_of, one_of
from keygw_sim.rehearsal import ISSUED_AT, LIFETIME, Visit
from keygw_sim.vehicle.timekeeper import NONCE_SECONDS

ENDS = ISSUED_AT + 1000


def asks(scene: Scene, visit: Visit, signed: bytes) -> str:
    """A friend brings the car those bytes as a time proof, and asks it to open."""
    came = came_of(visit, lambda: visit.prove_time(signed))
    if visit.session.talking or visit.session.waiting:
        visit.command(Action.UNLOCK, scene.next_conn())
    return came


@attack(
    "power-cut-by-a-friend",
    "a friend whose key is over cuts the car's power, so that it forgets the time, and then brings it the true one",
    protects="without the time a shared key waits for a time proof, and a time proof tells the true time",
    expected="key_expired, time_proof_required",
    recorded=("log: time_proven",),
)
async def by_a_friend(scene: Scene) -> str:
    garage = scene.garage.enrol("owner")
    garage.visit("friend", expires_at=ENDS).prove()
    garage.time = ENDS + 60
    scene.strike()
    garage.reboot()
    visit = garage.visit("friend", expires_at=ENDS)
    result = visit.prove(Action.UNLOCK)
    newest = garage.office.prove_time(garage.vehicle, result.time_nonce, garage.time)
    return one_of({result.outcome.label, asks(scene, visit, newest)})


@attack(
    "power-cut-by-an-owner",
    "the same by an owner whose key is over",
    protects="an owner's key needs no time proof; it is held against the newest time that the issuer has signed",
    expected="done",
    recorded=("receipt: done",),
    remains="it opens such a car until a list, a newer key or a time proof reaches it; it makes no other owner",
    stopped=False,
)
async def by_an_owner(scene: Scene) -> str:
    garage = scene.garage
    garage.time = ISSUED_AT + LIFETIME + 60
    scene.must(garage.tries("owner") is Outcome.KEY_EXPIRED, "the key has not ended")
    garage.reboot()
    scene.must(garage.tries("owner", Action.ALLOW_PAIRING) is Outcome.TIME_PROOF_REQUIRED, "it makes an owner")
    scene.strike()
    return garage.tries("owner").label


@attack(
    "power-cut-after-the-issuers-word",
    "the same, after a time proof has reached the car since the key ended",
    protects="the floor of the car's time is on flash, and only signatures of the issuer move it",
    expected="key_expired",
    recorded=("receipt: key_expired",),
)
async def after_the_issuers_word(scene: Scene) -> str:
    garage = scene.garage
    garage.time = ISSUED_AT + LIFETIME + 60
    visit = garage.visit("owner", expires_at=int(garage.time) + LIFETIME)  # renewed by then
    garage.bring_time(visit, visit.prove())
    visit.leave()
    scene.strike()
    garage.reboot()
    return garage.tries("owner").label


@attack(
    "time-proof-replayed",
    "a friend has kept the time proof that it once brought; its key is over, it cuts the car's power and brings that "
    "one again, in two sessions, and a fresh one of that time a minute late",
    protects="a time proof counts for the nonce of its own session, once, for 60 s",
    expected="time_proof_required",
    recorded=("log: time_proof_refused nonce x2", "log: time_proof_refused late"),
)
async def replayed(scene: Scene) -> str:
    garage = scene.garage.enrol("owner")
    garage.reboot()
    visit = garage.visit("friend", expires_at=ENDS)
    then, nonce = garage.time, visit.prove().time_nonce
    kept = garage.office.prove_time(garage.vehicle, nonce, then)
    visit.prove_time(kept)
    visit.leave()
    scene.must(garage.brain.time.known, "the proof was no good in its own time")
    garage.time = ENDS + 60
    scene.strike()
    garage.reboot()
    came = set()
    for _ in range(2):
        visit = garage.visit("friend", expires_at=ENDS)
        visit.prove(Action.UNLOCK)
        came.add(asks(scene, visit, kept))
        visit.leave()
    visit = garage.visit("friend", expires_at=ENDS)
    held = garage.office.prove_time(garage.vehicle, visit.prove().time_nonce, then)
    garage.monotonic += NONCE_SECONDS
    came.add(asks(scene, visit, held))
    return one_of(came)


@attack(
    "time-proof-of-another-car",
    "a friend has the issuer sign a time proof for another car of the owner's, with this car's nonce",
    protects="a time proof names its vehicle",
    expected="refused",
    recorded=("log: refused wrong_audience",),
)
async def of_another_car(scene: Scene) -> str:
    garage, other = scene.garage.enrol("owner"), scene.second_car()
    garage.reboot()
    scene.strike()
    visit = garage.visit("friend")
    return asks(scene, visit, other.office.prove_time(other.vehicle, visit.prove().time_nonce, garage.time))
