"""Following cars and phones about: by what they advertise, by what they say, by how they refuse."""

from __future__ import annotations

from functools import partial

from keygw.crypto import cbor
from keygw.model.command import Action
from keygw.session.edhoc import SUITE_6
from keygw.session.identity import recognises, vehicle_credential
from keygw.wire.messages import Hello, MessageType
from keygw_sim.attacker.attack import attack
from keygw_sim.attacker.scene import Scene, came_of
from keygw_sim.attacker.tools import UNLINKED, Curious, FalseCar, Forger, Middle, Stranger, in_common
from keygw_sim.chance import new_signer
from keygw_sim.garage import Garage
from keygw_sim.vehicle.brain import ROTATION_SECONDS

EX_FRIENDS = "whoever once had a key keeps the advertising key"


@attack(
    "track-car-by-its-id",
    "notes the id that a car advertises, over forty connections, hours and a reboot",
    protects="a rotating id, fresh on every connection, every quarter of an hour and at every start",
    expected=UNLINKED,
    remains=EX_FRIENDS + ", see track-car-as-an-ex-friend",
)
async def car_by_its_id(scene: Scene) -> str:
    garage = scene.garage
    ids = []
    scene.strike()
    for turn in range(40):
        ids.append([garage.brain.rotating_id])
        if turn % 2:
            garage.monotonic += ROTATION_SECONDS
            garage.brain.tick()
        else:
            Stranger(garage.brain, scene.next_conn()).leave()
        if turn == 20:
            garage.reboot()
    return in_common(*ids, window=4)


@attack(
    "track-car-by-asking",
    "connects to cars, begins a handshake with each, and reads what it can of the answer",
    protects="every car answers under the same kid, and signs with a nonce of its own each time",
    expected=UNLINKED,
    remains="who knows the vehicle key (an ex-friend) can check the signature, and so recognise the car",
)
async def car_by_asking(scene: Scene) -> str:
    first, second = _reads(scene, scene.garage), _reads(scene, scene.garage)
    other = _reads(scene, scene.second_car())
    scene.strike()
    head = first.index(b"\x58\x40")
    scene.must(first[:head] == second[:head] == other[:head], "cars differ before the signature")
    return in_common([first], [second])


@attack(
    "track-car-by-its-boot-epoch",
    "connects twice and compares the boot epoch in HELLO",
    protects="nothing: HELLO is in clear, because it comes before there are keys",
    expected="the same number",
    remains="until its next reboot a car tells everybody who connects how often it was started: a weak mark, shared by "
    "all cars started as often",
    stopped=False,
)
async def car_by_its_boot_epoch(scene: Scene) -> str:
    heard = [Stranger(scene.garage.brain, scene.next_conn()).heard[0] for _ in range(2)]
    epochs = {Hello.decode(hello[1:]).boot_epoch for hello in heard}
    return "the same number" if len(epochs) == 1 else UNLINKED


@attack(
    "track-car-as-an-ex-friend",
    "a friend whose key has been revoked listens for the car with the advertising key that it still has",
    protects="nothing yet: the advertising key does not change on revocation",
    expected="recognised",
    recorded=("log: list_accepted 1",),
    remains=EX_FRIENDS + " and can tell that the car is near; it opens nothing",
    stopped=False,
)
async def car_as_an_ex_friend(scene: Scene) -> str:
    garage = scene.garage
    garage.enrol("owner", "friend")
    kept = garage.vehicle.advertising_key
    scene.strike()
    garage.bring(1, revoked=(2,))
    return "recognised" if recognises(kept, garage.brain.rotating_id) else UNLINKED


@attack(
    "track-phone-by-listening",
    "records two unlocks of the same phone, and looks for anything that both have in common",
    protects="key token and signature are encrypted to the car, after it has proven itself; everything else is fresh",
    expected=UNLINKED,
    recorded=("receipt: done x2",),
)
async def phone_by_listening(scene: Scene) -> str:
    garage, said = scene.garage, []
    scene.strike()
    claims, hand = garage.claims("owner"), garage.office.hand(garage.claims("owner"))
    for number in (1, 2):
        tape = Middle(garage.brain)
        visit = garage.visit("owner", meets=tape)
        visit.prove(Action.FLASH_LIGHTS, number=number)
        visit.leave()
        for secret in (hand.token[40:60], claims.device_key[1:], garage.vehicle.public_key[1:]):
            scene.must(secret not in tape.everything(), "the phone says who it is")
        said.append(tape.said("device"))
    return in_common(*said)


@attack(
    "track-phone-as-a-false-car",
    "answers to the car's id and waits for phones to say who they are",
    protects="a phone shows its token only to a car that has signed with the vehicle key",
    expected=UNLINKED,
    remains="it learns that a phone is near which knows this car's advertising key",
)
async def phone_as_a_false_car(scene: Scene) -> str:
    garage, said = scene.garage, []
    scene.strike()
    for _ in range(2):
        false = FalseCar(garage.brain, new_signer(garage.random), garage.random)
        visit = garage.visit("owner", meets=false)
        came_of(visit, partial(visit.prove, Action.UNLOCK))
        said.append(false.learnt)
    return in_common(*said)


@attack(
    "probe-refusals",
    "gets itself refused in every way there is before a key is proven, and compares the answers",
    protects="one ERROR with one code for everything, before authentication",
    expected="one answer",
    recorded=(
        "log: refused protocol_violation x8",
        "log: refused pairing_closed",
        "log: refused unknown_issuer",
        "log: refused wrong_audience",
        "log: refused token_signature",
    ),
    remains="after it the car tells the precise reason, to who has proven a key that it knows how to read",
)
async def refusals(scene: Scene) -> str:
    garage = scene.garage
    answers = set()
    scene.strike()
    point = cbor.byte_string(bytes(31) + b"\x09")
    for message in (
        b"\x00", b"\x20", b"\x30" + bytes(40), b"\x40" + bytes(40), bytes((MessageType.MESSAGE_1,)),
        bytes((MessageType.MESSAGE_1,)) + b"\x03\x02" + point + b"\x00", bytes((MessageType.MESSAGE_3,)) + bytes(99),
        bytes((MessageType.PAIR_ASK, 1)),
    ):  # fmt: skip
        answers.add(Stranger(garage.brain, scene.next_conn()).say(message)[-1])
    forger = Forger(garage.office, garage.random)
    theirs, mine = garage.signers["stranger"], garage.claims("owner", device_key=garage.signers["stranger"].public_key)
    for hand in (
        forger.office.hand(mine),
        garage.office.hand(garage.claims("owner", vehicle_thumbprint=bytes(16))),
        garage.office.hand(garage.claims("owner")),
        forger.token_under_the_issuers_name(mine),
    ):
        tape = Middle(garage.brain)
        visit = scene.bring(hand, theirs, meets=tape)
        came_of(visit, partial(visit.prove, Action.UNLOCK))
        answers.add(tape.said("vehicle")[-1])
    return "one answer" if len(answers) == 1 else f"{len(answers)} answers"


def _reads(scene: Scene, garage: Garage) -> bytes:
    """The plaintext of message_2, for a stranger who has made up everything it says of itself."""
    stranger = Stranger(garage.brain, scene.next_conn())
    hand = garage.office.hand(garage.claims("stranger"))
    peer = vehicle_credential(garage.vehicle.id, garage.vehicle.public_key)  # of no use for reading
    curious = Curious(SUITE_6, garage.random(32), b"\x00", hand.credential(), peer)
    (message_2,) = stranger.say(bytes((MessageType.MESSAGE_1,)) + curious.message_1)
    return curious.read_2(message_2[1:])
