"""Bad frames and bad points, from somebody who has no key: every one costs its sender the link, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from keygw.crypto import cbor
from keygw.wire.frame import BEFORE_AUTHENTICATION, FIRST, INACTIVITY_SECONDS, MAX_FRAME
from keygw.wire.messages import MessageType
from keygw.wire.pairing import encode_ask
from keygw_sim.attacker.attack import attack
from keygw_sim.attacker.scene import Scene, came_of, one_of
from keygw_sim.attacker.tools import Middle, Stranger, answer_in

REFUSED_TWICE = ("log: refused protocol_violation x2",)
_P = 2**255 - 19
_ORDER_8 = (
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
)
_SMALL = (0, 1, *_ORDER_8, _P - 1, _P, _P + 1)
LOW_ORDER = tuple(top + point for point in _SMALL for top in (0, 2**255))
"""Every 32-byte string that X25519 maps to zero whatever the other side's key; it ignores the top bit (RFC 7748)."""
OFF_THE_CURVE = (
    b"\x04" + bytes(64),
    b"\x04" + bytes(31) + b"\x01" + bytes(31) + b"\x01",
    b"\x04" + b"\xff" * 64,
    b"\x02" + bytes(64),
)


@attack(
    "fragment-bomb",
    "begins a message and never stops adding to it, in the largest and in the smallest frames",
    protects="512 bytes before authentication, 4096 after; one frame over the limit ends the link",
    expected="refused",
    recorded=REFUSED_TWICE,
)
async def bomb(scene: Scene) -> str:
    came = set()
    scene.strike()
    for size in (MAX_FRAME, 20):
        stranger = Stranger(scene.garage.brain, scene.next_conn())
        taken = 0
        for number in range(64):
            header = (number & 0x3F) | (FIRST if number == 0 else 0)
            said = stranger.frames(bytes((header,)) + bytes(size - 1))
            if said:
                came.add(answer_in(said))
                break
            taken += size - 1
        scene.must(taken <= BEFORE_AUTHENTICATION, f"it has taken in {taken} bytes")
        stranger.leave()
    return one_of(came)


@attack(
    "fragment-disorder",
    "repeats, swaps, skips and interleaves frames, begins in the middle, and sends empty ones",
    protects="every frame of a direction has the next number modulo 64",
    expected="refused",
    recorded=("log: refused protocol_violation x7",),
)
async def disorder(scene: Scene) -> str:
    came = set()
    scene.strike()
    for frames in _disorderly():
        stranger = Stranger(scene.garage.brain, scene.next_conn())
        came.add(answer_in(stranger.frames(*frames)))
        stranger.leave()
    return one_of(came)


def _disorderly() -> list[Sequence[bytes]]:
    first, middle, last = b"\x80\x10a", b"\x01b", b"\x42c"
    return [
        (first, first),
        (first, b"\x02b", b"\x41c"),
        (first, last),
        (first, b"\x81\x10b"),
        (middle,),
        (b"\xc0",),
        (b"\xc1\x10a",),
    ]


@attack(
    "fragment-left-open",
    "begins a message and leaves it unfinished",
    protects="2 s of inactivity end a reassembly, and the link with it",
    expected="refused",
)
async def left_open(scene: Scene) -> str:
    garage = scene.garage
    stranger = Stranger(garage.brain, scene.next_conn())
    scene.strike()
    stranger.frames(b"\x80\x10a")
    garage.monotonic += INACTIVITY_SECONDS
    garage.brain.tick()
    return answer_in(stranger.listen())


@attack(
    "low-order-point-to-the-car",
    "sends each X25519 point of low order as G_X, so that the shared secret would be known beforehand",
    protects="an all-zero shared secret is refused",
    expected="refused",
    recorded=(f"log: refused protocol_violation x{len(LOW_ORDER)}",),
)
async def low_order_to_the_car(scene: Scene) -> str:
    came = set()
    scene.strike()
    for point in LOW_ORDER:
        message_1 = b"\x00\x06" + cbor.byte_string(point.to_bytes(32, "little")) + b"\x00"
        stranger = Stranger(scene.garage.brain, scene.next_conn())
        came.add(answer_in(stranger.say(bytes((MessageType.MESSAGE_1,)) + message_1)))
        stranger.leave()
    return one_of(came)


@attack(
    "low-order-point-to-the-device",
    "puts each point of low order in the place of the car's G_Y",
    protects="an all-zero shared secret is refused, on both sides",
    expected="device: protocol_violation",
    recorded=(f"log: session_ended refused x{len(LOW_ORDER)}",),
)
async def low_order_to_the_device(scene: Scene) -> str:
    came = set()
    scene.strike()
    for point in LOW_ORDER:

        def swap(message: bytes, point: int = point) -> tuple[bytes, ...]:
            if message[0] != MessageType.MESSAGE_2:
                return (message,)
            return (message[:3] + point.to_bytes(32, "little") + message[35:],)

        visit = scene.garage.visit("owner", meets=Middle(scene.garage.brain, down=swap))
        came.add(came_of(visit, visit.prove))
        visit.leave()
    return one_of(came)


@attack(
    "invalid-point-in-pairing",
    "sends points that are not on P-256 as its share of the pairing, to learn of the code without knowing it",
    protects="every point is checked before it is used, and the try is counted before that",
    expected="refused",
    recorded=(f"log: pairing_tried x{len(OFF_THE_CURVE)}", f"log: refused protocol_violation x{len(OFF_THE_CURVE)}"),
)
async def invalid_point_in_pairing(scene: Scene) -> str:
    garage = scene.unowned()
    scene.show_code()
    came = set()
    scene.strike()
    for point in OFF_THE_CURVE:
        stranger = Stranger(garage.brain, scene.next_conn())
        stranger.say(bytes((MessageType.PAIR_ASK,)) + encode_ask())
        came.add(answer_in(stranger.say(bytes((MessageType.PAIR_SHARE,)) + point)))
        stranger.leave()
    scene.must(garage.stored().pairing.tries == len(OFF_THE_CURVE), "a try was not counted")
    return one_of(came)


@attack(
    "invalid-point-to-a-pairing-device",
    "answers a device that wants to pair with points that are not on P-256",
    protects="the device checks what it gets as the car does",
    expected="device: pairing_code_wrong",
    recorded=("log: pairing_tried x4", "log: session_ended refused x4"),
)
async def invalid_point_to_the_device(scene: Scene) -> str:
    garage = scene.unowned()
    code, came = scene.show_code(), set()
    scene.strike()
    for point in OFF_THE_CURVE:

        def swap(message: bytes, point: bytes = point) -> tuple[bytes, ...]:
            hit = message[0] == MessageType.PAIR_PROOF
            return (message[:1] + point + message[1 + len(point) :] if hit else message,)

        visit = scene.pairing(code, "owner", meets=Middle(garage.brain, down=swap))
        came.add(came_of(visit, visit.ask))
        visit.leave()
    return one_of(came)
