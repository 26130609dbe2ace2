"""Bad input that crosses rooms: fragments of two messages, points of low order everywhere, counters at their end.

What one decoder refuses is tested beside it; ``tests/fuzz`` tries everything else.
"""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import chain, permutations, zip_longest
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygw.crypto import p256
from keygw.model.command import Action, Outcome
from keygw.model.errors import ProtocolError, StoreError
from keygw.session import channel
from keygw.session.states import Side, State
from keygw.wire import cbor
from keygw.wire.frame import Fragmenter, Reassembler
from keygw.wire.messages import Cmd, Hello, MessageType
from keygw_sim.garage import Garage
from keygw_sim.pairing_rehearsal import PairingStage
from keygw_sim.rehearsal import Stage, sent_before
from keygw_sim.vehicle.flash import COUNTS, Flash

# -- fragments -----------------------------------------------------------------------------------------------------


@given(st.binary(min_size=30, max_size=300), st.binary(min_size=30, max_size=300), st.integers(8, 30), st.booleans())
def test_interleaved_fragments_of_two_messages_never_make_one(
    left: bytes, right: bytes, size: int, count_on: bool
) -> None:
    """Whatever the numbers say: each message's own count, or one that goes on through both."""
    frames = [list(Fragmenter().split(message, size)) for message in (left, right)]
    mixed = [frame for frame in chain.from_iterable(zip_longest(*frames)) if frame is not None]
    if count_on:
        mixed = [bytes((frame[0] & 0xC0 | number & 0x3F,)) + frame[1:] for number, frame in enumerate(mixed)]
    into = Reassembler()
    delivered: list[bytes | None] = []
    with pytest.raises(ProtocolError):
        delivered += (into.push(frame, 0.0) for frame in mixed)
    assert not any(delivered)


def test_fragments_of_two_links_do_not_meet(tmp_path: Path) -> None:
    """Two connections send theirs in turn; each is whole in its own session."""
    garage = Garage(tmp_path).enrol("owner", "friend")
    visits = [garage.visit("owner", max_frame=20), garage.visit("friend", max_frame=20)]
    for visit in visits:
        visit.session.begin(garage.monotonic)
    for pair in zip_longest(*(list(visit.session.frames(20)) for visit in visits)):
        for visit, frame in zip(visits, pair, strict=True):
            if frame is not None:
                garage.brain.frame(visit.conn, frame)
    for visit in visits:
        visit.carry()
        assert garage.brain.authenticated(visit.conn)


@pytest.mark.parametrize("order", [order for order in permutations(range(3)) if order != (0, 1, 2)])
def test_fragments_in_another_order_end_the_session(order: tuple[int, ...]) -> None:
    stage = Stage().greet()
    stage.device.begin(stage.now)
    frames = list(stage.device.frames(18))
    assert len(frames) == 3
    with pytest.raises(ProtocolError):
        [stage.car.receive(frames[place], stage.now) for place in order]
    assert stage.car.state is State.CLOSED


# -- points --------------------------------------------------------------------------------------------------------

LOW_ORDER = [
    bytes(32),
    b"\x01" + bytes(31),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    *((2**255 - 19 + more).to_bytes(32, "little") for more in (-1, 0, 1)),
]
"""RFC 7748 section 6.1 and what reduces to them: everything whose product with a clamped scalar is zero."""


def hears(stage: Stage, side: Side, message: bytes) -> None:
    session = stage.device if side is Side.DEVICE else stage.car
    number = sent_before(session.state, side.other)
    session.receive(bytes((0xC0 | number,)) + message, stage.now)


@pytest.mark.parametrize("point", LOW_ORDER, ids=lambda point: point.hex()[:8])
def test_a_point_of_low_order_ends_every_exchange_that_takes_one(point: bytes) -> None:
    stage = Stage().greet()
    with pytest.raises(ProtocolError):
        hears(stage, Side.VEHICLE, bytes((MessageType.MESSAGE_1, 0, 6)) + cbor.encode(point) + b"\x00")
    assert stage.car.state is State.CLOSED

    stage = Stage().greet()
    tag = stage.fast_key.tag(stage.info + stage.device._hello, point)
    with pytest.raises(ProtocolError):
        hears(stage, Side.VEHICLE, bytes((MessageType.FAST,)) + tag + point + bytes(22))
    assert stage.car.state is State.CLOSED

    stage = Stage().reach(State.ASKED)
    with pytest.raises(ProtocolError):
        hears(stage, Side.DEVICE, bytes((MessageType.MESSAGE_2,)) + cbor.encode(point + bytes(100)))
    assert stage.device.state is State.CLOSED

    stage = Stage()
    hears(stage, Side.DEVICE, Hello(bytes(16), point, 1).encode())
    with pytest.raises(ProtocolError):
        stage.device.begin_fast(stage.now, stage.fast_key, Cmd(1, Action.UNLOCK))
    assert stage.device.state is State.CLOSED


GOOD = p256.base(5).encode()
NO_POINTS = {
    "off the curve": GOOD[:-1] + bytes((GOOD[-1] ^ 1,)),
    "zero": b"\x04" + bytes(64),
    "coordinates beyond p": b"\x04" + b"\xff" * 64,
    "hybrid form": b"\x06" + GOOD[1:],
    "infinity, padded": bytes(65),
}


@pytest.mark.parametrize("name", NO_POINTS)
def test_a_share_that_is_no_point_ends_the_pairing_on_either_side(name: str) -> None:
    stage = PairingStage().run(State.OFFERED)
    number = sent_before(State.OFFERED, Side.DEVICE)
    with pytest.raises(ProtocolError):
        stage.to_car(bytes((0xC0 | number, MessageType.PAIR_SHARE)) + NO_POINTS[name])
    assert stage.car.state is State.CLOSED

    stage = PairingStage().run(State.SHARED)
    number = sent_before(State.SHARED, Side.VEHICLE)
    with pytest.raises(ProtocolError):
        stage.to_device(bytes((0xC0 | number, MessageType.PAIR_PROOF)) + NO_POINTS[name] + bytes(32))
    assert stage.device.state is State.CLOSED


@pytest.mark.parametrize("key", [b"\x02" + (2**256 - 1).to_bytes(32, "big"), b"\x02" + bytes(32), b"\x05" + bytes(32)])
def test_a_device_key_off_the_curve_cannot_be_enrolled(key: bytes) -> None:
    """By somebody who knows the code."""
    stage = PairingStage()
    stage.device._device_key = key
    with pytest.raises(ProtocolError):
        stage.run()
    assert stage.car.state is State.CLOSED


# -- counters ------------------------------------------------------------------------------------------------------


def test_the_counter_of_a_channel_ends_and_does_not_wrap(monkeypatch: pytest.MonkeyPatch) -> None:
    """A nonce that came twice would give the key away."""
    monkeypatch.setattr(channel, "MAX_MESSAGES", 3)
    stage = Stage().open()
    for number in (1, 2, 3):
        stage.device.command(Cmd(number, Action.LOCK))
    with pytest.raises(ProtocolError, match="used up"):
        stage.device.command(Cmd(4, Action.LOCK))
    stage.carry()
    with pytest.raises(ProtocolError, match="used up"):
        stage.to_car(bytes((0xC0 | 2 + 3, MessageType.CMD)) + bytes(20))


def test_a_frame_64_frames_late_is_refused_by_the_channel() -> None:
    """Its number has come round again, so only the channel can tell."""
    stage = Stage().open()
    stage.device.command(Cmd(0, Action.LOCK))
    (old,) = stage.device.frames(512)
    stage.to_car(old)
    for number in range(1, 64):
        stage.device.command(Cmd(number, Action.LOCK))
        for frame in stage.device.frames(512):
            stage.to_car(frame)
    with pytest.raises(ProtocolError, match="does not authenticate"):
        stage.to_car(old)


def test_a_car_whose_receipts_are_used_up_does_nothing_more(tmp_path: Path) -> None:
    """What cannot be recorded does not happen; the number does not begin again."""
    garage = Garage(tmp_path).enrol("owner")
    garage.brain.memory.receipt_sequence = COUNTS - 2
    assert garage.tries("owner") is Outcome.DONE
    assert garage.brain.memory.receipt_sequence == COUNTS - 1
    stored = (garage.folder / "vehicle.json").read_bytes()
    visit = garage.visit()
    with pytest.raises(LookupError):
        visit.prove(Action.LOCK, number=9)
    assert garage.log[-1] == ("refused", {"code": "protocol_violation", "why": "the receipts are used up"})
    assert garage.brain.body.locked is False
    assert (garage.folder / "vehicle.json").read_bytes() == stored


@pytest.mark.parametrize("counter", ["boot_epoch", "receipt_sequence", "ticket"])
def test_a_flash_whose_counter_is_used_up_starts_no_car(tmp_path: Path, counter: str) -> None:
    garage = Garage(tmp_path).enrol("owner")
    memory = garage.stored()
    if counter == "ticket":
        memory.pairing = replace(memory.pairing, counter=COUNTS - 1)
    else:
        setattr(memory, counter, COUNTS - 1)
    Flash(garage.folder).save(memory)
    with pytest.raises(StoreError, match="damaged"):
        garage.stored()


def test_a_flash_of_another_release_starts_no_car(tmp_path: Path) -> None:
    garage = Garage(tmp_path)
    path = garage.folder / "vehicle.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "v": content["v"] + 1}))
    with pytest.raises(StoreError):
        garage.stored()
