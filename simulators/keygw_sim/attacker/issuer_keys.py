"""Issuer keys that are stolen, and statements of new ones that are forged, replayed, forked or made by a former key."""

from __future__ import annotations

from keygw.crypto.signer import LocalSigner
from keygw.model.command import Action
from keygw.session.device import KeyInHand
from keygw.token.cwt import encode_cwt
from keygw.token.issuer_key import verify_issuer_key_ack
from keygw.token.trust import kid_of
from keygw.wire.messages import MessageType, encode_statements
from keygw_sim.attacker.attack import attack
from keygw_sim.attacker.lists import pushes
from keygw_sim.attacker.scene import Scene, came_of, ending_of, one_of
from keygw_sim.attacker.tools import Forger, Stranger, answer_in
from keygw_sim.chance import new_signer
from keygw_sim.rehearsal import ISSUED_AT, Office, Visit

WEEK = 7 * 86_400
ONLY_THE_NEWEST = "only what the newest key has signed brings another; the signature of a former one is not looked at"


class Thief:
    """Has the issuer key that was in force when it came, and a key of its own that it would put in its place."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        office, random = scene.garage.office, scene.garage.random
        self.office = Office(random, office.key.issuer)
        self.office.signer, self.office.kid, self.office.key = office.signer, office.kid, office.key
        self.own: LocalSigner = new_signer(random)

    def statement(self, sequence: int) -> bytes:
        """That its own key follows the stolen one, and every other ends at once."""
        now = int(self.scene.garage.time)
        return self.office.state(self.own.public_key, now, sequence=sequence, retire_at=now)

    def token(self, *, by_the_stolen: bool = False) -> KeyInHand:
        """For the owner's device, which the car has enrolled, signed by its own key, or by the one that it stole: then
        with a date of when that one was in force.
        """
        by = self.office.signer if by_the_stolen else self.own
        dated = ISSUED_AT if by_the_stolen else int(self.scene.garage.time)
        claims = self.scene.garage.claims("owner", issued_at=dated)
        return KeyInHand(claims.key_id, encode_cwt(claims, by, kid_of(by.public_key)), claims.device_key)


def carries(scene: Scene, *signed: bytes) -> str:
    """A courier with a good key brings the car those statements; which key the car says is its newest, or its ERROR."""
    garage = scene.garage
    visit = garage.visit("owner", issued_at=int(garage.time))
    visit.prove()
    try:
        ack = verify_issuer_key_ack(visit.bring_issuer_keys(*signed), garage.vehicle.public_key)
    except LookupError:
        return ending_of(visit)
    finally:
        visit.leave()
    return f"key {ack.sequence} is the newest"


def rotates(scene: Scene, **changes: int) -> bytes:
    """The issuer takes a new key, and the car learns it; the statement."""
    garage = scene.garage
    visit = garage.visit("owner")
    visit.prove()
    signed = garage.office.rotate(garage.random, int(garage.time), **changes)
    visit.bring_issuer_keys(signed)
    visit.leave()
    return signed


def opens(scene: Scene, hand: KeyInHand) -> str:
    """The owner's device shows that token and unlocks."""
    visit = scene.bring(hand, scene.garage.signers["owner"])
    return came_of(visit, lambda: visit.prove(Action.UNLOCK))


@attack(
    "issuer-key-forged",
    "signs that its own key follows, once under its own name and once under the issuer's, and shows a token of it",
    protects="a statement is signed by the newest key that the car has",
    expected="key 0 is the newest, refused",
    recorded=("log: issuer_key_passed_over", "log: refused token_signature", "log: refused unknown_issuer"),
)
async def forged(scene: Scene) -> str:
    garage, thief = scene.garage, Thief(scene)
    forger = Forger(garage.office, garage.random)
    scene.strike()
    came = {carries(scene, forger.office.state(thief.own.public_key, int(garage.time)))}
    forger.office.kid = forger.stolen_name
    came.add(carries(scene, forger.office.state(thief.own.public_key, int(garage.time))))
    return one_of({*came, opens(scene, thief.token())})


@attack(
    "issuer-key-replayed",
    "brings the car the statement of the key before the newest once more, also after a reboot",
    protects=ONLY_THE_NEWEST + "; what the car has learnt is on flash before it is acknowledged",
    expected="key 2 is the newest",
    recorded=("log: issuer_key_passed_over 2 x2",),
)
async def replayed(scene: Scene) -> str:
    first = rotates(scene)
    visit = scene.garage.visit("owner", issued_at=int(scene.garage.time))
    visit.prove()
    visit.bring_issuer_keys(scene.garage.office.rotate(scene.garage.random, int(scene.garage.time)))
    visit.leave()
    scene.strike()
    came = carries(scene, first)
    scene.garage.reboot()
    return one_of({came, carries(scene, first)})


@attack(
    "issuer-key-forked",
    "has stolen the key before, while its overlap runs, and signs that a key of its own follows it, with the number of "
    "the true statement and with a greater one",
    protects=ONLY_THE_NEWEST,
    expected="key 1 is the newest, refused",
    recorded=("log: issuer_key_passed_over 1 x2", "log: refused unknown_issuer"),
)
async def forked(scene: Scene) -> str:
    thief = Thief(scene)
    rotates(scene)
    scene.strike()
    came = {carries(scene, thief.statement(sequence)) for sequence in (1, 9)}
    return one_of({*came, opens(scene, thief.token())})


@attack(
    "issuer-key-by-a-retired-key",
    "the same after the key before was retired, at once: as an issuer does that knows of the theft",
    protects=ONLY_THE_NEWEST + "; a retired key is forgotten",
    expected="key 1 is the newest, refused",
    recorded=("log: issuer_key_passed_over 1", "log: refused unknown_issuer x2"),
)
async def by_a_retired_key(scene: Scene) -> str:
    thief = Thief(scene)
    rotates(scene, retire_at=int(scene.garage.time))
    scene.strike()
    came = {
        carries(scene, thief.statement(9)),
        opens(scene, thief.token()),
        opens(scene, thief.token(by_the_stolen=True)),
    }
    return one_of(came)


@attack(
    "issuer-key-by-the-stolen-newest",
    "has stolen the newest key, and brings the car a key of its own before the issuer's next one comes",
    protects="the car signs which key is its newest: the service sees that it is none of its own, and says so",
    expected="key 1 is the newest",
    recorded=("log: issuer_key_learnt 1", "log: issuer_key_ended"),
    remains="the car believes the thief until it is provisioned anew; even then a thief without a device that an owner "
    "has let in opens nothing. Rotate before there is a reason, and keep the key where it cannot be copied",
    stopped=False,
)
async def by_the_stolen_newest(scene: Scene) -> str:
    thief = Thief(scene)
    scene.strike()
    return carries(scene, thief.statement(1))


@attack(
    "issuer-key-statement-by-a-stranger",
    "brings a true statement without having proven any key, to see whether the car listens",
    protects="a statement travels only in an authenticated session",
    expected="refused",
    recorded=("log: refused protocol_violation",),
    remains="any digital key may carry it, one that waits too: it is signed, so its bearer need not be trusted",
)
async def by_a_stranger(scene: Scene) -> str:
    garage = scene.garage
    scene.strike()
    stranger = Stranger(garage.brain, scene.next_conn())
    signed = encode_statements([garage.office.rotate(garage.random, int(garage.time))])
    return answer_in(stranger.say(bytes((MessageType.ISSUER_KEY,)) + signed))


@attack(
    "former-key-after-its-overlap",
    "shows a token of the stolen key when its overlap is over, and once more after it has cut the car's power",
    protects="the car forgets the key for good as soon as it knows that its time is over",
    expected="refused",
    recorded=("log: issuer_key_ended", "log: refused unknown_issuer x2"),
)
async def after_its_overlap(scene: Scene) -> str:
    garage, thief = scene.garage, Thief(scene)
    rotates(scene, retire_at=int(garage.time) + 60)
    garage.time += 60
    scene.strike()
    garage.brain.tick()
    came = opens(scene, thief.token(by_the_stolen=True))
    garage.reboot()
    return one_of({came, opens(scene, thief.token(by_the_stolen=True))})


@attack(
    "former-key-after-a-power-cut",
    "the same where the car cannot know: it cuts the power before the overlap is over, waits, and shows the token then",
    protects="while the car does not know the time, a token of a former key waits for a time proof, an owner's too",
    expected="time_proof_required",
    remains="so does the owner whose device has not fetched a new token since the key was changed",
)
async def after_a_power_cut(scene: Scene) -> str:
    garage, thief = scene.garage, Thief(scene)
    rotates(scene, retire_at=int(garage.time) + 60)
    garage.reboot()
    garage.time += 120
    scene.strike()
    return opens(scene, thief.token(by_the_stolen=True))


@attack(
    "former-key-turns-back-time",
    "then brings a time proof of its own making, by which the stolen key still counts",
    protects="once the time of the next key has begun, the key before tells no time",
    expected="time_proof_required",
    recorded=("log: time_proof_refused former_issuer_key",),
)
async def turns_back_time(scene: Scene) -> str:
    garage, thief = scene.garage, Thief(scene)
    began = garage.time
    rotates(scene, retire_at=int(began) + 60)
    hand = thief.token(by_the_stolen=True)
    garage.reboot()
    garage.time += 120
    scene.strike()
    visit: Visit = scene.bring(hand, garage.signers["owner"])
    result = visit.prove(Action.UNLOCK)
    told = visit.prove_time(thief.office.prove_time(garage.vehicle, result.time_nonce, began))
    visit.command(Action.UNLOCK, scene.next_conn())
    return told.outcome.label


@attack(
    "former-key-lifts-a-revocation",
    "has the stolen key sign a list on which nobody is revoked, for a car whose power it has cut",
    protects="while the car does not know the time, it takes no list of a former key",
    expected="list 1 in force",
    recorded=("log: list_passed_over 99",),
    remains="while the overlap runs, and the car knows the time, the former key signs lists: one that may be stolen is "
    "ended at once",
)
async def lifts_a_revocation(scene: Scene) -> str:
    garage, thief = scene.garage, Thief(scene)
    garage.enrol("owner").bring(1, revoked=(2,))
    rotated_at = int(garage.time)
    rotates(scene, retire_at=rotated_at + 60)
    garage.reboot()
    garage.time += 120
    scene.strike()
    return pushes(scene, thief.office.sign_list(garage.vehicle, 99), issued_at=rotated_at)
