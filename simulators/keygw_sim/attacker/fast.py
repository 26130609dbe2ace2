"""Attacks on the fast path, which has no signature and one round trip: what K_fast opens, and when it stops."""

from __future__ import annotations

from functools import partial

from keygw.model.command import Action
from keygw.model.errors import ProtocolError
from keygw.session.events import FastRefused
from keygw.session.fast import MAX_SECONDS, MAX_USES, FastKey
from keygw.wire.messages import FAST_RESULT_BYTES, Fast, MessageType
from keygw_sim.attacker.attack import attack
from keygw_sim.attacker.frames import LOW_ORDER
from keygw_sim.attacker.scene import Scene, came_of, ending_of, one_of
from keygw_sim.attacker.tools import Middle, Parrot, Stranger, answer_in, in_common, turned
from keygw_sim.rehearsal import ISSUED_AT, CarSide

NOT_TAKEN = "not taken"
"""FAST_RESULT came, of the right length, and opens with no key: the car does not say why."""
ONE_EACH = "FAST is bound to one HELLO, one car, both ephemeral keys; a HELLO takes one FAST"
SEALED = 22
"""Bytes of the sealed part of FAST."""
LONG = ISSUED_AT + 30 * 86_400


def leaves(scene: Scene, who: str = "owner", **changes: object) -> FastKey:
    """A full handshake, and the fast key that it leaves with that device."""
    visit = scene.garage.visit(who, **changes)  # type: ignore[arg-type]  # claims only
    visit.prove()
    visit.leave()
    if visit.session.fast_key is None:
        raise LookupError("the handshake left no fast key")
    return visit.session.fast_key


def hurries(
    scene: Scene, key: FastKey, who: str = "owner", action: Action = Action.UNLOCK, meets: CarSide | None = None
) -> str:
    """Somebody takes the fast path with that key; what comes of it."""
    visit = scene.garage.visit(who, meets=meets)
    try:
        return visit.hurry(key, action, number=visit.conn).outcome.label
    except LookupError:
        refused = any(isinstance(event, FastRefused) for event in visit.heard)
        return NOT_TAKEN if refused else ending_of(visit)
    except ProtocolError as error:
        return f"device: {error.code}"
    finally:
        visit.leave()


def taped(scene: Scene, key: FastKey, action: Action = Action.LOCK) -> bytes:
    """FAST as it went over the air in an honest conversation."""
    tape = Middle(scene.garage.brain)
    hurries(scene, key, action=action, meets=tape)
    return next(heard.message for heard in tape.heard if heard.kind is MessageType.FAST)


def shape(messages: list[bytes]) -> str:
    """``not taken`` for one FAST_RESULT of the one length, else what it was."""
    if len(messages) == 1 and messages[0][0] == MessageType.FAST_RESULT and len(messages[0]) == 1 + FAST_RESULT_BYTES:
        return NOT_TAKEN
    return answer_in(messages)


@attack(
    "fast-replay",
    "plays a recorded FAST to the same car on a new connection, to the car after a reboot, and to another car",
    protects=ONE_EACH,
    expected=NOT_TAKEN,
)
async def replay(scene: Scene) -> str:
    garage, other = scene.garage, scene.second_car()
    garage.brain.set_body({"locked": False})
    said = taped(scene, leaves(scene))
    garage.brain.set_body({"locked": False})
    scene.strike()
    came = {shape(Stranger(car.brain, scene.next_conn()).say(said)) for car in (garage, other)}
    garage.reboot()
    came.add(shape(Stranger(garage.brain, scene.next_conn()).say(said)))
    scene.must(not garage.brain.body.locked, "the car has locked again")
    garage.brain.set_body({"locked": True})
    return one_of(came)


@attack(
    "fast-twice",
    "sends the owner's FAST twice on the connection that it was made for",
    protects=ONE_EACH,
    expected="refused",
    recorded=("log: refused protocol_violation", "receipt: done"),
)
async def twice(scene: Scene) -> str:
    key = leaves(scene)
    scene.garage.brain.set_body({"locked": False})
    hands = Middle(scene.garage.brain, up=lambda m: (m, m) if m[0] == MessageType.FAST else (m,))
    visit = scene.garage.visit("owner", meets=hands)
    scene.strike()
    scene.must(came_of(visit, lambda: visit.hurry(key, Action.LOCK)) == "refused", "the second one was heard")
    return ending_of(visit)


@attack(
    "fast-splice",
    "takes the owner's FAST to another connection, where the car has said another HELLO",
    protects=ONE_EACH,
    expected=NOT_TAKEN,
)
async def splice(scene: Scene) -> str:
    key = leaves(scene)
    elsewhere = Stranger(scene.garage.brain, scene.next_conn())
    taken: list[bytes] = []

    def take(message: bytes) -> tuple[bytes, ...]:
        taken.append(message)
        return ()

    scene.strike()
    hurries(scene, key, meets=Middle(scene.garage.brain, up=take))
    return shape(elsewhere.say(taken[0]))


@attack(
    "fast-altered",
    "turns one bit in each part of the owner's FAST: tag, G_D, sealed command, authentication tag",
    protects="the tag covers HELLO and G_D, the seal covers all of it",
    expected=NOT_TAKEN,
)
async def altered(scene: Scene) -> str:
    key, came = leaves(scene), set()
    scene.strike()
    for at in (1, 8, 9, 39, 41, 44, -16, -1):

        def turn(message: bytes, at: int = at) -> tuple[bytes, ...]:
            return (turned(message, at),) if message[0] == MessageType.FAST else (message,)

        came.add(hurries(scene, key, meets=Middle(scene.garage.brain, up=turn)))
    return one_of(came)


@attack(
    "fast-reflect",
    "sends the device its own sealed FAST back as the car's answer",
    protects="a key for each direction, and an answer of another length",
    expected=NOT_TAKEN,
)
async def reflect(scene: Scene) -> str:
    key = leaves(scene)
    parrot = Middle(scene.garage.brain, up=lambda message: ())
    visit = scene.garage.visit("owner", meets=parrot)
    scene.strike()
    came_of(visit, lambda: visit.hurry(key, Action.UNLOCK))
    sealed = parrot.heard[-1].message[41:]
    echo = bytes((MessageType.FAST_RESULT,)) + (sealed + bytes(FAST_RESULT_BYTES))[:FAST_RESULT_BYTES]
    heard = [event for frame in parrot.send_down(echo) for event in visit.session.receive(frame, 0.0)]
    return NOT_TAKEN if heard == [FastRefused()] else str(heard)


@attack(
    "fast-reflect-to-the-car",
    "sends the car its own sealed answer back as a command",
    protects="a key and a counter for each direction; the type is authenticated",
    expected="refused",
    recorded=("log: refused protocol_violation",),
)
async def reflect_to_the_car(scene: Scene) -> str:
    key = leaves(scene)
    hands = Middle(scene.garage.brain)
    visit = scene.garage.visit("owner", meets=hands)
    visit.hurry(key, Action.LOCK)
    answer = hands.heard[-1].message
    hands.up = lambda message: (bytes((MessageType.CMD,)) + answer[1:],)
    scene.strike()
    visit.command(Action.UNLOCK, 9)
    return ending_of(visit)


@attack(
    "fast-low-order",
    "sends each point of low order as G_D, so that the shared secret would be known, under a tag that nobody knows",
    protects="an all-zero shared secret is refused",
    expected="refused",
    recorded=(f"log: refused crypto_failed x{len(LOW_ORDER)}",),
)
async def low_order(scene: Scene) -> str:
    leaves(scene)
    came = set()
    scene.strike()
    for point in LOW_ORDER:
        stranger = Stranger(scene.garage.brain, scene.next_conn())
        body = Fast(bytes(8), point.to_bytes(32, "little"), bytes(SEALED)).encode()
        came.add(answer_in(stranger.say(bytes((MessageType.FAST,)) + body)))
        stranger.leave()
    return one_of(came)


@attack(
    "fast-low-order-from-a-false-car",
    "says HELLO with each point of low order as G_V, to learn from FAST what only K_fast should open",
    protects="an all-zero shared secret is refused, on both sides",
    expected="device: crypto_failed",
    recorded=(f"log: session_ended refused x{len(LOW_ORDER)}",),
)
async def low_order_from_a_false_car(scene: Scene) -> str:
    key, came = leaves(scene), set()
    scene.strike()
    for point in LOW_ORDER:

        def swap(message: bytes, point: int = point) -> tuple[bytes, ...]:
            hit = message[0] == MessageType.HELLO
            return (message[:18] + point.to_bytes(32, "little") + message[50:] if hit else message,)

        visit = scene.garage.visit("owner", meets=Middle(scene.garage.brain, down=swap))
        came.add(came_of(visit, partial(visit.hurry, key, Action.UNLOCK)))
        visit.leave()
    return one_of(came)


@attack(
    "fast-drive",
    "starts the engine and allows a pairing with a fast key, in FAST itself and in the session that it opens",
    protects="lock, unlock and trunk alone; everything else takes the full handshake",
    expected="full_handshake_required",
    recorded=("receipt: full_handshake_required x2",),
)
async def drive(scene: Scene) -> str:
    key = leaves(scene)
    scene.strike()
    return one_of({hurries(scene, key, action=action) for action in (Action.START_ENGINE, Action.ALLOW_PAIRING)})


@attack(
    "fast-stolen",
    "has copied K_fast out of the owner's phone, and not the device key",
    protects="nothing, until K_fast dies: 7 days, 100 uses, the key token's end, a reboot, a list",
    expected="done",
    recorded=("receipt: done",),
    remains="it opens the car and does not start it. Hosted devices keep K_fast in memory only, a phone should keep it "
    "where it keeps secrets; revoking the key ends it",
    stopped=False,
)
async def stolen(scene: Scene) -> str:
    key = leaves(scene)
    scene.strike()
    return hurries(scene, key)


@attack(
    "fast-after-revocation",
    "a friend goes on with a fast key after the list that revokes its digital key has come, and suspended alike",
    protects="a list ends the fast keys that it concerns, in the same moment",
    expected=NOT_TAKEN,
    recorded=("log: list_accepted 1", "log: list_accepted 2"),
)
async def after_revocation(scene: Scene) -> str:
    garage, came = scene.garage, set()
    garage.enrol("owner")
    key = leaves(scene, "friend")
    scene.strike()
    for sequence, barred in enumerate(("suspended", "revoked"), 1):
        garage.bring(sequence, **{barred: (2,)})
        came.add(hurries(scene, key, "friend"))
    return one_of(came)


@attack(
    "fast-with-the-parent",
    "a friend goes on with a fast key when the owner key that it was shared from has been revoked",
    protects="a list ends the fast keys of everything that descends from the keys it names",
    expected=NOT_TAKEN,
    recorded=("log: list_accepted 1",),
)
async def with_the_parent(scene: Scene) -> str:
    scene.garage.enrol("owner")
    key = leaves(scene, "friend")
    scene.strike()
    scene.garage.bring(1, revoked=(1,))
    return hurries(scene, key, "friend")


@attack(
    "fast-after-the-token",
    "uses a fast key when the key token that it came from is over, by the issuer's word or by the car's count",
    protects="FAST is authorised like any command; it dies with the token as well, by a count of seconds",
    expected=f"key_expired, {NOT_TAKEN}",
    recorded=("receipt: key_expired",),
)
async def after_the_token(scene: Scene) -> str:
    garage = scene.garage
    key = leaves(scene, expires_at=int(garage.time) + 100)
    garage.trust(time=int(garage.time) + 100)
    scene.strike()
    came = {hurries(scene, key), hurries(scene, key)}
    garage.reboot()  # without the time an owner's key is held against the floor alone, but the seconds are counted
    another = leaves(scene, expires_at=garage.brain.time.at + 100)
    garage.monotonic += 100
    return one_of(came | {hurries(scene, another)})


@attack(
    "fast-for-ever",
    "uses a fast key a hundred and first time, another after seven days, another after a reboot",
    protects="100 uses, 7 days, and RAM only; the car counts",
    expected=NOT_TAKEN,
    recorded=(),
)
async def for_ever(scene: Scene) -> str:
    garage, came = scene.garage, set()
    worn = leaves(scene)
    for _ in range(MAX_USES):
        scene.must(hurries(scene, worn, action=Action.LOCK) == "already_in_state", "it is worn out too soon")
    scene.strike()
    came.add(hurries(scene, worn))
    old = leaves(scene, expires_at=LONG)
    garage.monotonic += MAX_SECONDS
    came.add(hurries(scene, old))
    before = leaves(scene)
    garage.reboot()
    came.add(hurries(scene, before))
    return one_of(came)


@attack(
    "fast-answer-lost",
    "swallows the answer to FAST, so that the owner's device takes the full handshake, and the car unlocks twice",
    protects="the number is the same on both roads, and executed once",
    expected="done",
    recorded=("receipt: done",),
)
async def answer_lost(scene: Scene) -> str:
    garage, key = scene.garage, leaves(scene)
    garage.brain.set_body({"locked": False})
    scene.strike()
    hands = Middle(garage.brain, down=lambda m: () if m[0] == MessageType.FAST_RESULT else (m,))
    visit = garage.visit("owner", meets=hands)
    scene.must(came_of(visit, lambda: visit.hurry(key, Action.LOCK, number=5)) == "nothing", "the answer was not lost")
    visit.leave()
    garage.brain.set_body({"locked": False})
    again = garage.visit("owner")
    came = came_of(again, lambda: again.prove(Action.LOCK, number=5))
    scene.must(not garage.brain.body.locked, "it was done twice")
    garage.brain.set_body({"locked": True})
    return came


@attack(
    "fast-probing",
    "asks the car which keys it knows: tags at random, a living tag with a wrong seal, a dead key",
    protects="the answer has the same length whatever is wrong, and the work is the same",
    expected=NOT_TAKEN,
    remains="the time is made the same by doing the same work; it is not measured here",
)
async def probing(scene: Scene) -> str:
    garage = scene.garage
    known, came = leaves(scene), set()
    dead = FastKey(known.key_id, bytes(32), bytes(32))
    wrong_seal = FastKey(known.key_id, bytes(32), known.identifier)
    scene.strike()
    for key in (dead, wrong_seal):
        came.add(hurries(scene, key))
    stranger = Stranger(garage.brain, scene.next_conn())
    came.add(shape(stranger.say(bytes((MessageType.FAST,)) + garage.random(8 + 32 + SEALED))))
    return one_of(came)


@attack(
    "fast-tracks-phones",
    "repeats one HELLO to every phone that comes, and looks for a tag that comes twice",
    protects="the tag covers the device's own fresh G_D",
    expected="nothing in common",
)
async def tracks_phones(scene: Scene) -> str:
    garage, key = scene.garage, leaves(scene)
    hello = Stranger(garage.brain, scene.next_conn())
    tags = []
    scene.strike()
    for _ in range(4):
        parrot = Parrot(garage.brain, hello.info, [hello.heard[0]])
        visit = garage.visit("owner", meets=parrot)
        came_of(visit, partial(visit.hurry, key, Action.UNLOCK))
        tags.append(parrot.learnt[0])
    return in_common(*([tag] for tag in tags))
