"""Keys that were removed in the car, and who would bring them back, keep it quiet, or remove those of others."""

from __future__ import annotations

from keygw.crypto.signer import LocalSigner
from keygw.model.command import Action, Outcome
from keygw.model.digital_key import KeyState
from keygw.model.errors import KeygwError
from keygw.model.receipt import NO_SESSION
from keygw.session.events import Responded
from keygw.token.receipt import FIRST, sign_receipt
from keygw_sim.attacker.attack import attack
from keygw_sim.attacker.scene import Scene, code_of
from keygw_sim.chance import new_signer
from keygw_sim.garage import Garage


@attack(
    "removal-sent-by-a-device",
    "sends the number that receipts of removed keys have as a command, with the owner's key and the number 0",
    protects="numbers from 128 on are no commands; the receipt of the refusal names the session and the outcome",
    expected="unknown_action",
    recorded=("receipt: unknown_action",),
)
async def sent_by_a_device(scene: Scene) -> str:
    garage = scene.garage.enrol("owner", "friend")
    scene.strike()
    visit = garage.visit("owner")
    visit.prove()
    visit.command(Action.REMOVE_KEY, 0)
    visit.leave()
    scene.must(not any(receipt.removes_key for receipt in garage.receipts()), "a receipt says that it was removed")
    return visit.last(Responded).response.outcome.label


@attack(
    "removed-key-brought-back",
    "a friend whose key was removed brings a newer list that does not name it, and a renewed token after a reboot",
    protects="the car keeps by itself which keys were removed in it; no list lifts that",
    expected="key_revoked",
    recorded=(
        "log: key_removed",
        "log: list_accepted 1",
        "log: time_proven",
        "receipt: done",
        "receipt: key_revoked x2",
    ),
)
async def brought_back(scene: Scene) -> str:
    garage = scene.garage.enrol("owner", "friend")
    scene.strike()
    garage.brain.remove_key(garage.key("friend"))
    garage.bring(1)
    garage.tries("friend")
    garage.reboot()
    garage.trust()
    return garage.tries("friend", issued_at=garage.claims("friend").issued_at + 30).label


@attack(
    "removal-of-the-last-owner",
    "a valet removes the owner's key at the car's screen, to pair a phone of his own as a new owner's",
    protects="the last owner's device is not removed in the car; a car with an owner pairs with nobody unasked",
    expected="last_owner, owner_exists",
    remains="where there are two owners, either may be removed by whoever the car lets at that screen",
)
async def of_the_last_owner(scene: Scene) -> str:
    garage = scene.garage.enrol("owner")
    scene.strike()
    removed = code_of(lambda: garage.brain.remove_key(garage.key("owner")))
    return f"{removed}, {code_of(scene.show_code)}"


async def told(scene: Scene, car: Garage, signer: LocalSigner) -> str:
    """What the service makes of a receipt in that car's name, by that signer: the first car's owner key was removed."""
    service, home = await scene.service(), scene.garage.vehicle
    await service.register_vehicle(home)
    if car is not scene.garage:
        await service.register_vehicle(car.vehicle)
    owner = await service.issue_owner_key(home.id, scene.garage.signers["owner"].public_key)
    scene.strike()
    signed = sign_receipt(
        vehicle_id=car.vehicle.id, sequence=1, number=0, key_id=owner.id, action=Action.REMOVE_KEY,
        outcome=Outcome.DONE, before=None, after=None, boot_epoch=1, session=NO_SESSION, previous=FIRST, at=0,
        signer=signer,
    )  # fmt: skip
    try:
        await service.record_receipt(car.vehicle.id, signed)
    except KeygwError as error:
        came = error.code
    else:
        came = "kept"
    scene.must((await service.key(owner.id)).state is KeyState.ACTIVE, "the owner's key has ended")
    return came


@attack(
    "removal-forged",
    "a courier hands the service a receipt of its own making that says that the owner's key was removed in the car",
    protects="a receipt is signed by the vehicle key",
    expected="token_signature",
)
async def forged(scene: Scene) -> str:
    return await told(scene, scene.garage, new_signer(scene.garage.random))


@attack(
    "removal-by-another-car",
    "a car in the wrong hands says that a key of another car was removed in it",
    protects="a car's word counts for keys of its own alone",
    expected="kept",
    recorded=("event: security.alert removal_foreign",),
)
async def by_another_car(scene: Scene) -> str:
    other = scene.second_car()
    return await told(scene, other, other.brain.memory.signer)
