"""Couriers that lie: lists rolled back, exchanged, forged; acknowledgements that the car never gave."""

from __future__ import annotations

from keygw.credentials.service import CredentialService
from keygw.crypto.signer import LocalSigner
from keygw.model.command import Action
from keygw.model.digital_key import DigitalKey, KeyState
from keygw.model.entitlement import PROFILES
from keygw.model.errors import KeygwError
from keygw.model.revocation import ListAck
from keygw.session.events import ListAcknowledged
from keygw.token.revocation import list_hash, sign_ack, verify_ack
from keygw.wire.messages import MessageType
from keygw_sim.attacker.attack import attack
from keygw_sim.attacker.scene import Scene, ending_of, one_of
from keygw_sim.attacker.tools import Forger, Stranger, answer_in
from keygw_sim.chance import new_signer
from keygw_sim.rehearsal import ISSUED_AT

DAY = 86_400
STILL_REVOKING = "the service says revoked only on the car's own signature over the hash of the list"


def pushes(scene: Scene, signed: bytes, who: str = "owner", **changes: object) -> str:
    """A courier with a good session pushes that list; the car's ERROR, or which list the car says is in force.

    The changes are to its claims.
    """
    visit = scene.garage.visit(who, **changes)  # type: ignore[arg-type]  # claims only
    visit.prove()
    scene.garage.push(visit, signed)
    try:
        ack = verify_ack(visit.last(ListAcknowledged).signed, scene.garage.vehicle.public_key)
    except LookupError:
        return ending_of(visit)
    finally:
        visit.leave()
    return f"list {ack.sequence} in force"


@attack(
    "list-rolled-back",
    "a courier brings the car the older list, on which its own key was not yet revoked; once more after a reboot",
    protects="the sequence is on flash before it is acknowledged; an older list changes nothing",
    expected="key_revoked",
    recorded=("receipt: key_revoked x2",),
)
async def rolled_back(scene: Scene) -> str:
    garage = scene.garage
    garage.enrol("owner", "friend")
    old = garage.office.sign_list(garage.vehicle, 1)
    scene.must(pushes(scene, old) == "list 1 in force", "the car does not take its list")
    garage.bring(2, revoked=(2,))
    scene.strike()
    came = set()
    for _ in range(2):
        scene.must(pushes(scene, old) == "list 2 in force", "the older list is in force again")
        came.add(garage.tries("friend").label)
        garage.reboot()
    return one_of(came)


@attack(
    "list-of-another-car",
    "brings the car the newer list of another car, which names nobody",
    protects="the list names its vehicle",
    expected="refused",
    recorded=("log: refused wrong_audience",),
)
async def of_another_car(scene: Scene) -> str:
    garage, other = scene.garage, scene.second_car()
    garage.enrol("owner", "friend").bring(1, revoked=(2,))
    scene.strike()
    return pushes(scene, garage.office.sign_list(other.vehicle, 9))


@attack(
    "list-forged",
    "signs a list with a key of its own, once under its own name and once under the issuer's",
    protects="the car trusts the issuers that it was given, by their keys",
    expected="refused",
    recorded=("log: refused unknown_issuer", "log: refused token_signature"),
)
async def forged(scene: Scene) -> str:
    garage = scene.garage
    forger = Forger(garage.office, garage.random)
    scene.strike()
    came = {pushes(scene, forger.office.sign_list(garage.vehicle, 9))}
    forger.office.kid = forger.stolen_name
    return one_of(came | {pushes(scene, forger.office.sign_list(garage.vehicle, 9))})


@attack(
    "list-by-a-stranger",
    "pushes the right list without having proven any key, to see whether the car listens",
    protects="a list travels only in an open session",
    expected="refused",
    recorded=("log: refused protocol_violation",),
    remains="any digital key may carry it, a friend's too: the list is signed, so its bearer need not be trusted",
)
async def by_a_stranger(scene: Scene) -> str:
    garage = scene.garage
    scene.strike()
    stranger = Stranger(garage.brain, scene.next_conn())
    return answer_in(stranger.say(bytes((MessageType.RL_PUSH,)) + garage.office.sign_list(garage.vehicle, 1)))


@attack(
    "list-withheld",
    "a friend whose key was revoked is the only one who meets the car, and does not carry the list there",
    protects="it opens doors and no more; the service goes on saying revoking, a friend key ends after 72 h, and a "
    "time proof names the list",
    expected="done",
    recorded=("receipt: done",),
    remains="until the list, or a time proof, comes by anybody else, or the key's time is over, the revoked key opens "
    "the car: a gateway brings a proof when the last is a day old; after 7 days, or a power cut, the friend needs one",
    stopped=False,
)
async def withheld(scene: Scene) -> str:
    garage = scene.garage
    garage.enrol("owner", "friend")
    garage.office.sign_list(garage.vehicle, 1, revoked=(2,))  # signed, and never carried
    scene.strike()
    return garage.tries("friend").label


@attack(
    "list-withheld-to-drive",
    "a friend whose key was revoked keeps every list from the car for more than a week, and drives off",
    protects="a friend drives only by a list that is at most 7 days old",
    expected="list_stale",
    recorded=("receipt: list_stale",),
)
async def withheld_to_drive(scene: Scene) -> str:
    garage = scene.garage
    month = {"expires_at": ISSUED_AT + 30 * DAY}
    for who in ("owner", "friend"):
        garage.tries(who, Action.LOCK, **month)
    visit = garage.visit("owner", **month)  # type: ignore[arg-type]  # claims only
    visit.prove()
    garage.push(visit, garage.office.sign_list(garage.vehicle, 1))
    visit.leave()
    garage.time += 5 * DAY
    visit = garage.visit("owner", **month)  # type: ignore[arg-type]  # claims only
    garage.bring_time(visit, visit.prove())
    visit.leave()
    garage.office.sign_list(garage.vehicle, 2, revoked=(2,))  # signed, and never carried
    garage.time += 3 * DAY
    scene.strike()
    return garage.tries("friend", Action.START_ENGINE, entitlements=PROFILES["driver"], **month).label


@attack(
    "list-withheld-from-a-proof",
    "the same, at a car that has lost the time: the friend must bring a time proof, and brings no list with it",
    protects="a time proof names the newest list, and without that one the car does not trust the time",
    expected="list_required",
    recorded=("log: time_proven", "log: list_withheld"),
)
async def withheld_from_a_proof(scene: Scene) -> str:
    garage = scene.garage.enrol("owner", "friend")
    garage.office.sign_list(garage.vehicle, 1, revoked=(2,))
    garage.reboot()
    scene.strike()
    visit = garage.visit("friend")
    came = garage.bring_time(visit, visit.prove(), list_sequence=1)
    visit.command(Action.UNLOCK, scene.next_conn())
    return came.outcome.label


async def revoking(scene: Scene) -> tuple[CredentialService, DigitalKey, list[bytes]]:
    """A service that has suspended and then revoked a friend's key, and the two lists, which nobody has carried yet."""
    service, garage = await scene.service(), scene.garage
    await service.register_vehicle(garage.vehicle)
    owner = await service.issue_owner_key(garage.vehicle.id, garage.signers["owner"].public_key)
    friend = await scene.share(service, owner, "friend", 3600)
    lists = []
    for change in (service.suspend, service.revoke):
        await change(friend.id)
        lists.append((await service.current_list(garage.vehicle.id)).signed)
    return service, friend, lists


async def tells(scene: Scene, service: CredentialService, friend: DigitalKey, ack: bytes) -> str:
    """A courier hands the service that acknowledgement; the refusal."""
    try:
        await service.acknowledge_list(scene.garage.vehicle.id, ack)
    except KeygwError as error:
        scene.must((await service.key(friend.id)).state is KeyState.REVOKING, "the key counts as revoked")
        return error.code
    state = (await service.key(friend.id)).state
    scene.must(state is KeyState.REVOKING, "the service says revoked, and the car knows nothing of it")
    return f"accepted; the key is {state.value}"


def says(scene: Scene, sequence: int, signed: bytes, signer: LocalSigner, vehicle_id: str = "") -> bytes:
    """An acknowledgement of that list, signed by whoever has that key."""
    return sign_ack(ListAck(vehicle_id or scene.garage.vehicle.id, sequence, list_hash(signed), 1), signer)


@attack(
    "ack-forged",
    "a courier throws the list away and signs the acknowledgement itself",
    protects=STILL_REVOKING,
    expected="token_signature",
)
async def ack_forged(scene: Scene) -> str:
    service, friend, lists = await revoking(scene)
    scene.strike()
    return await tells(scene, service, friend, says(scene, 2, lists[1], new_signer(scene.garage.random)))


@attack(
    "ack-of-another-car",
    "brings the acknowledgement of another car, with that car's true signature and with this car's name in it",
    protects=STILL_REVOKING,
    expected="token_signature",
)
async def ack_of_another_car(scene: Scene) -> str:
    service, friend, lists = await revoking(scene)
    other = scene.second_car()
    await service.register_vehicle(other.vehicle)
    scene.strike()
    signer = other.brain.memory.signer
    acks = [says(scene, 2, lists[1], signer, name) for name in (scene.garage.vehicle.id, other.vehicle.id)]
    return one_of({await tells(scene, service, friend, ack) for ack in acks})


@attack(
    "ack-of-an-older-list",
    "brings the car's true acknowledgement of the list before, on which the key was only suspended",
    protects=STILL_REVOKING + "; sequences are compared",
    expected="accepted; the key is revoking",
)
async def ack_of_an_older_list(scene: Scene) -> str:
    service, friend, lists = await revoking(scene)
    scene.strike()
    return await tells(scene, service, friend, says(scene, 1, lists[0], scene.garage.brain.memory.signer))


@attack(
    "ack-of-another-list",
    "has the car sign for a list of the same number that the service never signed",
    protects=STILL_REVOKING,
    expected="ack_mismatch",
    recorded=("event: security.alert ack_mismatch",),
    remains="it takes the issuer's key to get such a list into a car: hence the alert",
)
async def ack_of_another_list(scene: Scene) -> str:
    service, friend, _ = await revoking(scene)
    other = scene.garage.office.sign_list(scene.garage.vehicle, 2)
    scene.strike()
    return await tells(scene, service, friend, says(scene, 2, other, scene.garage.brain.memory.signer))
