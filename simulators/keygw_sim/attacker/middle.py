"""Standing in the link: reading, altering, reflecting, splicing, delaying, and passing one off as another."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from keygw.crypto import cbor
from keygw.crypto.kdf import sha256
from keygw.model.command import Action, Outcome
from keygw.model.digital_key import Role
from keygw.model.entitlement import PROFILES
from keygw.session.core import EAD_INTENT
from keygw.session.edhoc import SUITE_6, Credential, Ead, Initiator
from keygw.session.identity import vehicle_credential
from keygw.wire.messages import Cmd, Intent, LinkKind, MessageType
from keygw_sim.attacker.attack import attack
from keygw_sim.attacker.scene import Scene, came_of, code_of, ending_of, one_of
from keygw_sim.attacker.tools import FalseCar, Middle, Stranger, answer_in, turned
from keygw_sim.chance import new_signer

REFUSED = ("log: refused protocol_violation",)
ENDED = ("log: session_ended refused",)
"""The device gave up, and told the car so."""
SIGNED = "both sides sign the transcript, and the device expects the key of one vehicle"
HELLO_BOUND = "INFO and HELLO are hashed into EAD_3 and into the channel's keys"


@attack(
    "middle-own-keys",
    "answers the device in the car's place, with a key pair of its own",
    protects=SIGNED,
    expected="device: protocol_violation",
)
async def own_keys(scene: Scene) -> str:
    garage = scene.garage
    false = FalseCar(garage.brain, new_signer(garage.random), garage.random)
    visit = garage.visit("owner", meets=false)
    scene.strike()
    came = came_of(visit, lambda: visit.prove(Action.UNLOCK))
    kinds = [message[0] for message in false.learnt]
    scene.must(kinds == [MessageType.MESSAGE_1, MessageType.ERROR], "the device has shown its key token")
    return came


@attack(
    "middle-alters",
    "turns one bit in each part of each message of a handshake, one conversation after the other",
    protects="signatures and MACs over the whole transcript",
    expected="never opened",
    recorded=("log: refused protocol_violation x8", "log: session_ended refused x16"),
)
async def alters(scene: Scene) -> str:
    garage = scene.garage
    lengths = _lengths(scene)
    scene.strike()
    for kind, length in lengths:
        for at in (1, 2, length // 4, length // 2, length - 17, length - 1):
            hands = Middle(garage.brain)

            def turn(message: bytes, kind: int = kind, at: int = at) -> Iterable[bytes]:
                hit = message[0] == kind and len(message) > at
                return (turned(message, at),) if hit else (message,)

            hands.up = hands.down = turn
            visit = garage.visit("owner", meets=hands)
            came = came_of(visit, partial(visit.prove, Action.UNLOCK))
            visit.leave()
            # RESULT comes after the fact: the car has acted on what the owner asked, and the device cannot tell.
            if kind != MessageType.RESULT:
                scene.must(garage.brain.body.locked, f"{kind:#x} altered at {at} opens the car")
            elif not garage.brain.body.locked:
                garage.brain.set_body({"locked": True})
            scene.must(came != Outcome.DONE.label, f"{kind:#x} altered at {at} is taken for an answer")
    return "never opened"


@attack(
    "middle-holds-back",
    "holds the owner's first UNLOCK back, lets the owner come again, and delivers the first one afterwards",
    protects="a key that proves itself ends its other sessions and whatever it began before",
    expected="refused",
    recorded=REFUSED,
)
async def holds_back(scene: Scene) -> str:
    garage = scene.garage
    held: list[bytes] = []

    def hold(message: bytes) -> Iterable[bytes]:
        if message[0] != MessageType.MESSAGE_3:
            return (message,)
        held.append(message)
        return ()

    hands = Middle(garage.brain, up=hold)
    first = garage.visit("owner", meets=hands)
    came_of(first, lambda: first.prove(Action.UNLOCK, number=1))
    garage.monotonic += 1
    again = garage.visit("owner")
    again.prove(Action.LOCK, number=2)
    again.leave()
    scene.strike()
    hands.send_up(first.conn, *held)
    first.carry()
    return ending_of(first)


@attack(
    "reflect-to-the-car",
    "sends the car's own sealed messages back to it, as CMD",
    protects="a key and a counter of its own for each direction; the type is authenticated",
    expected="refused",
    recorded=REFUSED,
)
async def reflect_to_the_car(scene: Scene) -> str:
    hands = Middle(scene.garage.brain)
    visit = scene.garage.visit("owner", meets=hands)
    visit.prove()
    result = next(heard.message for heard in hands.heard if heard.kind is MessageType.RESULT)
    hands.up = lambda message: (bytes((MessageType.CMD,)) + result[1:],)
    scene.strike()
    visit.command(Action.LOCK, 2)
    return ending_of(visit)


@attack(
    "reflect-to-the-device",
    "sends the device's own messages back to it, as if the car spoke",
    protects="what each role may say next is one state table, and the transcript is signed by the vehicle key",
    expected="device: protocol_violation",
    recorded=ENDED,
)
async def reflect_to_the_device(scene: Scene) -> str:
    hands = Middle(scene.garage.brain)
    own: list[bytes] = []

    def keep(message: bytes) -> Iterable[bytes]:
        own.append(message)
        return (message,)

    hands.up = keep
    hands.down = lambda message: (
        (bytes((MessageType.MESSAGE_2,)) + own[0][1:],) if message[0] == MessageType.MESSAGE_2 else (message,)
    )
    visit = scene.garage.visit("owner", meets=hands)
    scene.strike()
    return came_of(visit, lambda: visit.prove(Action.UNLOCK))


@attack(
    "splice-hello",
    "gives the device the HELLO of another connection to the same car",
    protects=HELLO_BOUND,
    expected="refused",
    recorded=REFUSED,
)
async def splice_hello(scene: Scene) -> str:
    other = Stranger(scene.garage.brain, scene.next_conn()).heard[0]
    hands = Middle(scene.garage.brain, down=lambda m: (other,) if m[0] == MessageType.HELLO else (m,))
    visit = scene.garage.visit("owner", meets=hands)
    scene.strike()
    return came_of(visit, lambda: visit.prove(Action.UNLOCK))


@attack(
    "splice-sessions",
    "takes a sealed LOCK out of one session of the owner and puts it into the next one",
    protects="fresh channel keys for every session",
    expected="refused",
    recorded=REFUSED,
)
async def splice_sessions(scene: Scene) -> str:
    garage = scene.garage
    taken: list[bytes] = []
    hands = Middle(garage.brain)
    first = garage.visit("owner", meets=hands)
    first.prove()

    def take(message: bytes) -> Iterable[bytes]:
        taken.append(message)
        return ()

    hands.up = take
    first.command(Action.LOCK, 1)
    first.leave()
    hands = Middle(garage.brain)
    second = garage.visit("owner", meets=hands)
    second.prove()
    hands.up = lambda message: (taken[0],)
    scene.strike()
    second.command(Action.FLASH_LIGHTS, 2)
    return ending_of(second)


@attack(
    "relay-to-another-car",
    "carries the owner's conversation with one car to another car of the same owner, which stands nearer to the thief",
    protects="the device means one vehicle before message_1, and its token names that vehicle and its key",
    expected="device: protocol_violation",
    recorded=ENDED,
)
async def to_another_car(scene: Scene) -> str:
    other = scene.second_car()
    hands = Middle(other.brain, meant=scene.garage.brain)
    visit = scene.garage.visit("owner", meets=hands)
    scene.strike()
    came = came_of(visit, lambda: visit.prove(Action.UNLOCK))
    scene.must(all(heard.kind is not MessageType.MESSAGE_3 for heard in hands.heard), "the device has shown its token")
    return came


@attack(
    "misbind-token",
    "a friend, who holds the device key of two digital keys, signs for the small one and names the wide one",
    protects="ID_CRED_I and CRED_I are both in what is signed, and both are the same CWT bytes",
    expected="refused",
    recorded=REFUSED,
)
async def misbind_token(scene: Scene) -> str:
    garage = scene.garage
    garage.enrol("owner")
    two: list[dict[str, Any]] = [
        {"key_id": f"key_{letter * 16}", "entitlements": rights, "index": index}
        for letter, rights, index in (("b", PROFILES["access"], 4), ("c", PROFILES["owner"], 5))
    ]
    for changes in two:
        garage.visit("friend", **changes).prove()  # the car has met both, so neither waits for its chain
    narrow, wide = (garage.office.hand(garage.claims("friend", **changes)) for changes in two)
    mixed = Credential(wide.credential().id_cred, narrow.token, narrow.device_key)
    return _present(scene, mixed)


@attack(
    "misbind-device-key",
    "a friend gets a key token for the owner's public key, and hopes that the owner's proof passes for the friend's",
    protects="whoever proves the key is who acts: the receipt names the token that was shown and signed for",
    expected="refused",
    recorded=REFUSED,
)
async def misbind_device_key(scene: Scene) -> str:
    garage = scene.garage
    garage.enrol("owner")
    borrowed = garage.claims("friend", device_key=garage.signers["owner"].public_key, role=Role.FRIEND)
    visit = scene.bring(garage.office.hand(borrowed), garage.signers["friend"])
    scene.strike()
    return came_of(visit, lambda: visit.prove(Action.UNLOCK))


@attack(
    "downgrade-hello",
    "writes other versions into HELLO, older and newer",
    protects="a version that is not spoken is refused, and HELLO is bound",
    expected="device: version_unsupported",
)
async def downgrade_hello(scene: Scene) -> str:
    scene.strike()
    came = set()
    for version in (0, 2):

        def other(message: bytes, version: int = version) -> Iterable[bytes]:
            hit = message[0] == MessageType.HELLO
            return (message[:1] + bytes((version,)) + message[2:] if hit else message,)

        hands = Middle(scene.garage.brain, down=other)
        came.add(code_of(partial(scene.garage.visit, "owner", meets=hands)))
    return f"device: {one_of(came)}"


@attack(
    "downgrade-info",
    "makes INFO say that the car speaks an older version as well",
    protects=HELLO_BOUND,
    expected="refused",
    recorded=REFUSED,
)
async def downgrade_info(scene: Scene) -> str:
    hands = Middle(scene.garage.brain, told_info=lambda info: cbor.encode([[0, 1], cbor.decode(info)[1]]))
    visit = scene.garage.visit("owner", meets=hands)
    scene.strike()
    return came_of(visit, lambda: visit.prove(Action.UNLOCK))


@attack(
    "downgrade-boot-epoch",
    "turns the boot epoch in HELLO back, so that an old time proof or fast key might be taken for a fresh one",
    protects=HELLO_BOUND,
    expected="refused",
    recorded=REFUSED,
)
async def downgrade_boot_epoch(scene: Scene) -> str:
    hands = Middle(scene.garage.brain, down=lambda m: (m[:-4] + bytes(4),) if m[0] == MessageType.HELLO else (m,))
    visit = scene.garage.visit("owner", meets=hands)
    scene.strike()
    return came_of(visit, lambda: visit.prove(Action.UNLOCK))


@attack(
    "downgrade-suite",
    "offers the car each other method and cipher suite of EDHOC",
    protects="one method and one suite, and no negotiation",
    expected="refused",
    recorded=("log: refused protocol_violation x8",),
)
async def downgrade_suite(scene: Scene) -> str:
    came = set()
    scene.strike()
    for method, suite in [(method, 6) for method in (1, 2, 3)] + [(0, suite) for suite in (0, 1, 2, 3, 24)]:
        message_1 = cbor.integer(method) + cbor.integer(suite) + cbor.byte_string(bytes(31) + b"\x09") + b"\x00"
        stranger = Stranger(scene.garage.brain, scene.next_conn())
        came.add(answer_in(stranger.say(bytes((MessageType.MESSAGE_1,)) + message_1)))
        stranger.leave()
    return one_of(came)


@attack(
    "downgrade-suites-offered",
    "writes into the owner's message_1 that it would rather have a weaker suite",
    protects="message_1 is part of the transcript that both sides sign",
    expected="device: protocol_violation",
    recorded=ENDED,
)
async def downgrade_suites_offered(scene: Scene) -> str:
    weak = bytes((MessageType.MESSAGE_1,)) + b"\x00\x82\x02\x06"
    hands = Middle(scene.garage.brain, up=lambda m: (weak + m[3:],) if m[0] == MessageType.MESSAGE_1 else (m,))
    visit = scene.garage.visit("owner", meets=hands)
    scene.strike()
    return came_of(visit, lambda: visit.prove(Action.UNLOCK))


def _lengths(scene: Scene) -> list[tuple[int, int]]:
    """The kind and length of every message of an honest handshake, HELLO excepted, which has attacks of its own."""
    tape = Middle(scene.garage.brain)
    visit = scene.garage.visit("owner", meets=tape)
    visit.prove(Action.LOCK)
    visit.leave()
    return [(heard.message[0], len(heard.message)) for heard in tape.heard if heard.kind is not MessageType.HELLO]


def _present(scene: Scene, credential: Credential) -> str:
    """A handshake with that credential, made by hand, and an UNLOCK in it."""
    garage = scene.garage
    stranger = Stranger(garage.brain, scene.next_conn())
    party = Initiator(
        SUITE_6,
        garage.random(32),
        b"\x00",
        credential,
        vehicle_credential(garage.vehicle.id, garage.vehicle.public_key),
    )
    scene.strike()
    (message_2,) = stranger.say(bytes((MessageType.MESSAGE_1,)) + party.message_1)
    party.receive_2(message_2[1:])
    bound = sha256(stranger.info + stranger.heard[0][1:])[:8]
    intent = Intent(bound, LinkKind.DIRECT, False, Cmd(1, Action.UNLOCK))
    proof = garage.signers["friend"].sign(party.to_be_signed([Ead(-EAD_INTENT, intent.encode())]))
    return answer_in(stranger.say(bytes((MessageType.MESSAGE_3,)) + party.message_3(proof)))
