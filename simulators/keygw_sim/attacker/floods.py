"""Too much of everything: half-open handshakes, HELLOs, refused keys. The car stays there for its owner."""

from __future__ import annotations

import tracemalloc
from functools import partial

from keygw.crypto import cbor
from keygw.model.command import Action
from keygw.session.core import GREETED_SECONDS, HANDSHAKE_SECONDS
from keygw.wire.messages import MessageType
from keygw_sim.attacker.attack import attack
from keygw_sim.attacker.scene import Scene, came_of, one_of
from keygw_sim.attacker.tools import Stranger, answer_in
from keygw_sim.vehicle.keeper import REFUSED_KEY_RECEIPTS

MANY = 100
KIB_EACH = 32
MESSAGE_1 = bytes((MessageType.MESSAGE_1,)) + b"\x00\x06" + cbor.byte_string(bytes(31) + b"\x09") + b"\x00"


@attack(
    "flood-half-open",
    f"begins {MANY} handshakes, finishes none, and leaves a piece of a large message in each",
    protects="a half-open session holds one ephemeral key, one key schedule and one message of at most 512 bytes; it "
    "ends 10 s after message_1",
    expected="refused",
    recorded=("receipt: done x2",),
    remains="each handshake that is begun costs the car one agreement and one signature: a flood costs it power. On "
    "the air there are four connections, see air-flood",
)
async def half_open(scene: Scene) -> str:
    garage = scene.garage
    scene.strike()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        strangers = [Stranger(garage.brain, scene.next_conn()) for _ in range(MANY)]
        for stranger in strangers:
            stranger.say(MESSAGE_1)
            stranger.frames(b"\x81\x12" + bytes(500))
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    kib = (after - before) / MANY / 1024
    scene.detail = f"{kib:.0f} KiB each, the attacker's own half included"
    scene.must(kib < KIB_EACH, f"{kib:.0f} KiB each")
    scene.must(garage.tries("owner", Action.UNLOCK).ok and garage.tries("owner", Action.LOCK).ok, "the owner waits")
    garage.monotonic += HANDSHAKE_SECONDS
    garage.brain.tick()
    return one_of({answer_in(stranger.listen()) for stranger in strangers})


@attack(
    "flood-hellos",
    "asks for a fresh HELLO again and again, to hold the link for ever",
    protects="asking buys no time: a link on which nobody authenticates is over after 120 s",
    expected="refused",
    recorded=("log: session_ended the session's time is over",),
)
async def hellos(scene: Scene) -> str:
    garage = scene.garage
    stranger = Stranger(garage.brain, scene.next_conn())
    scene.strike()
    said: list[bytes] = []
    for _ in range(int(GREETED_SECONDS)):
        garage.monotonic += 1
        said = stranger.say(bytes((MessageType.HELLO_REQ,)))
    scene.must(len(stranger.heard) == GREETED_SECONDS + 1, "it ended at another time")
    return answer_in(said)


@attack(
    "flood-receipts",
    "a revoked friend comes back again and again, to push the evidence of what it did out of the car's log",
    protects=f"a refused key leaves at most {REFUSED_KEY_RECEIPTS} receipts, and refusals make room before deeds",
    expected="key_revoked",
    recorded=(f"receipt: key_revoked x{REFUSED_KEY_RECEIPTS - 1}",),
    remains="whoever may still act can fill the log with deeds; the hash chain and the sequence show what is missing",
)
async def receipts(scene: Scene) -> str:
    garage = scene.garage
    garage.enrol("owner")
    garage.tries("friend", Action.LOCK)
    garage.bring(1, revoked=(2,))
    scene.strike()
    came = set()
    for number in range(REFUSED_KEY_RECEIPTS + 6):
        visit = garage.visit("friend")
        came.add(came_of(visit, partial(visit.prove, Action.UNLOCK, number=number)))
        visit.leave()
    scene.must(garage.receipts()[0].key_id == garage.key("friend"), "what the friend did is forgotten")
    return one_of(came)
