"""The fast path, both roles side by side: what one round trip gives, and every way it must fail.

What the car's memory adds (uses, lives, lists, receipts) is in ``test_sim_vehicle_fast``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from keygw.crypto.aead import GcmKey
from keygw.crypto.agreement import EphemeralKey
from keygw.model.command import Action, Outcome
from keygw.model.errors import ProtocolError
from keygw.session import fast
from keygw.session.core import GREETED_SECONDS, SESSION_SECONDS
from keygw.session.events import AnsweredFast, Commanded, Ended, FastRefused, Greeted, PresentedFast, Responded
from keygw.session.fast import FastKey
from keygw.session.states import State
from keygw.wire.messages import (
    FAST_RESULT_BYTES,
    Cmd,
    ErrorCode,
    Fast,
    FastResult,
    LinkKind,
    MessageType,
    Res,
)
from keygw_sim.chance import chance
from keygw_sim.rehearsal import Stage, first_of

UNLOCK = Cmd(0x01020304, Action.UNLOCK)
OTHER_KEY = FastKey("key_" + "a" * 16, b"S" * 32, b"I" * 32)
LOW_ORDER = bytes(32)


def said(stage: Stage) -> bytes:
    """The one FAST that the device has ready, as a frame."""
    stage.device.begin_fast(stage.now, stage.fast_key, UNLOCK)
    (frame,) = stage.device.frames(512)
    return frame


def altered(frame: bytes, at: int) -> bytes:
    return frame[:at] + bytes((frame[at] ^ 1,)) + frame[at + 1 :]


def noise(stage: Stage) -> bytes:
    """What the car answers when it refuses; it has heard nobody and has no channel."""
    (frame,) = stage.car.frames(512)
    assert (frame[1], len(frame)) == (MessageType.FAST_RESULT, 2 + FAST_RESULT_BYTES)
    assert not any(isinstance(event, PresentedFast) for event in stage.heard_by_car)
    assert not stage.car.talking
    return frame


# -- the straight road ---------------------------------------------------------------------------------------------


def test_one_round_trip_and_143_bytes_with_hello() -> None:
    """Golden; the goal is 160."""
    stage = Stage(link=LinkKind.HOSTED, subscribe=True).hurry(UNLOCK)
    assert stage.messages == [("vehicle", 54), ("device", 63), ("vehicle", 26)]
    assert stage.device.message_bytes == stage.car.message_bytes == 89
    (presented,) = stage.heard_by_car
    assert isinstance(presented, PresentedFast)
    assert (presented.key, presented.link, presented.subscribe) == (stage.fast_key, LinkKind.HOSTED, True)
    assert presented.command == UNLOCK
    session_hash = presented.session_hash
    assert stage.heard_by_device == [Greeted(7), AnsweredFast(FastResult(Outcome.DONE, 1, 0), session_hash)]
    assert stage.device.state is stage.car.state is State.QUICK
    assert stage.device.talking
    assert stage.car.talking


def test_the_session_goes_on_from_there() -> None:
    stage = Stage().hurry(UNLOCK)
    lock = Cmd(9, Action.LOCK)
    stage.device.command(lock)
    stage.carry()
    assert stage.heard_by_car[-1] == Commanded(lock)
    stage.car.respond(Res(9, Outcome.DONE, 2))
    stage.device.push_list(bytes(4000))
    stage.carry()
    assert stage.heard_by_device[-1] == Responded(Res(9, Outcome.DONE, 2))
    stage.now += SESSION_SECONDS
    assert isinstance(stage.car.tick(stage.now)[0], Ended)
    assert isinstance(stage.device.tick(stage.now)[0], Ended)


def test_it_leaves_no_new_fast_key() -> None:
    stage = Stage().hurry(UNLOCK)
    assert stage.device.fast_key is None
    assert stage.car.fast_key is None


# -- where the key comes from --------------------------------------------------------------------------------------


def test_a_full_handshake_leaves_the_same_new_key_with_both() -> None:
    stage, other = Stage().open(UNLOCK), Stage("another").open(UNLOCK)
    key = stage.device.fast_key
    assert key is not None
    assert key == stage.car.fast_key
    assert key.key_id == stage.claims.key_id
    assert key.secret != key.identifier
    assert key != other.device.fast_key
    again = Stage()
    again.fast_key = key
    assert first_of(again.hurry(UNLOCK).heard_by_device, AnsweredFast).result.outcome is Outcome.DONE


@pytest.mark.parametrize("how", ["before RESULT", "RESULT tampered with", "key refused", "over"])
def test_the_device_has_no_fast_key_unless_result_has_verified(how: str) -> None:
    stage = Stage().reach(State.SHOWN)
    assert stage.device.fast_key is stage.car.fast_key is None
    presented: Any = stage.heard_by_car[-1]
    if how == "RESULT tampered with":
        stage.answer(presented)
        (frame,) = stage.car.frames(512)
        with pytest.raises(ProtocolError):
            stage.to_device(altered(frame, -1 % len(frame)))
    elif how == "key refused":
        stage.answer(presented, Outcome.KEY_REVOKED)
        stage.carry()
    elif how == "over":
        stage.answer(presented)
        stage.carry()
        assert stage.device.fast_key is not None
        stage.device.end()
    assert stage.device.fast_key is None


# -- replay, splice, reflection ------------------------------------------------------------------------------------


def test_a_fast_does_not_answer_another_hello() -> None:
    """Also after a reboot: whatever the car remembers, its n_v and G_V are new."""
    stage = Stage().greet()
    frame = said(stage)
    stage.car = stage.new_car(chance("later", "car"))
    stage.car.greet(7)
    list(stage.car.frames(512))
    stage.to_car(frame)
    refused = noise(stage)
    stage.to_device(b"\xc1" + refused[1:])
    assert stage.heard_by_device[-1] == FastRefused()


def test_a_fast_does_not_open_another_car() -> None:
    """Even one that has the same fast key, the same HELLO and so the same tag."""
    stage = Stage().greet()
    frame = said(stage)
    stage.vehicle = replace(stage.vehicle, id="veh_" + "b" * 16)
    stage.car = stage.new_car(chance("rehearsal", "car"))
    stage.car.greet(7)
    list(stage.car.frames(512))
    stage.to_car(frame)
    noise(stage)


def test_the_same_fast_twice_is_a_breach() -> None:
    stage = Stage().greet()
    frame = said(stage)
    stage.to_car(frame)
    list(stage.car.frames(512))
    with pytest.raises(ProtocolError, match="no place"):
        stage.to_car(b"\xc1" + frame[1:])


@pytest.mark.parametrize("good", [True, False])
def test_one_fast_for_each_hello(good: bool) -> None:
    stage = Stage().greet()
    frame = said(stage)
    stage.to_car(frame if good else altered(frame, 60))
    list(stage.car.frames(512))
    with pytest.raises(ProtocolError, match="no place"):
        stage.to_car(b"\xc1" + frame[1:])
    assert stage.car.state is State.CLOSED


# After the frame header and the type byte: ktag 2..9, G_D 10..41, sealed 42..63.
@pytest.mark.parametrize("at", [2, 9, 10, 40, 42, 47, 48, 63])
def test_a_changed_byte_is_refused(at: int) -> None:
    stage = Stage().greet()
    stage.to_car(altered(said(stage), at))
    noise(stage)


@pytest.mark.parametrize("at", [3, 18, 19, 49, 54], ids=["nonce", "nonce's end", "G_V", "G_V's end", "boot epoch"])
def test_a_hello_altered_on_the_way_is_noticed(at: int) -> None:
    stage = Stage()
    stage.car.greet(7)
    (hello,) = stage.car.frames(512)
    stage.to_device(altered(hello, at))
    stage.to_car(said(stage))
    noise(stage)


def test_an_info_altered_on_the_way_is_noticed() -> None:
    stage = Stage().greet()
    stage.device._info = stage.info[:-1] + b"\x07"
    stage.to_car(said(stage))
    noise(stage)


@pytest.mark.parametrize("part", ["tag", "ephemeral", "sealed"])
def test_parts_of_two_messages_do_not_splice(part: str) -> None:
    stage, other = Stage().greet(), Stage().greet()
    mine = Fast.decode(said(stage)[2:])
    other.device._random = chance("other", "device")
    theirs = Fast.decode(said(other)[2:])
    mixed = replace(mine, **{part: getattr(theirs, part)})
    stage.to_car(b"\xc0\x20" + mixed.encode())
    noise(stage)


def test_a_message_sent_back_does_not_open() -> None:
    """Each direction has its own key: what the device can seal, it does not believe."""
    stage = Stage().greet()
    said(stage)
    channel = stage.device._channel
    assert channel is not None
    own, peer = channel._out, channel._in
    assert own._iv != peer._iv
    own._counter = 0
    reflected = channel.seal(MessageType.FAST_RESULT, FastResult(Outcome.DONE, 1, 0).encode())
    stage.to_device(b"\xc1\x21" + reflected)
    assert stage.heard_by_device[-1] == FastRefused()


def test_an_answer_of_another_conversation_does_not_open() -> None:
    stage, other = Stage().greet(), Stage("another")
    other.fast_key = stage.fast_key
    other.hurry(UNLOCK, None)
    said(stage)
    other.car.answer_fast(FastResult(Outcome.DONE, 1, 0))
    (frame,) = other.car.frames(512)
    stage.to_device(frame)
    assert stage.heard_by_device[-1] == FastRefused()


# -- refusals tell nothing -----------------------------------------------------------------------------------------


class Count(Counter[str]):
    """How often the cryptography that a FAST costs is called."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        for where, name in (
            (fast, "hmac256"), (fast, "hkdf_extract"), (fast, "hkdf_expand"), (fast, "sha256"),
            (fast, "constant_time_equal"), (EphemeralKey, "agree"), (EphemeralKey, "__init__"), (GcmKey, "open"),
        ):  # fmt: skip
            monkeypatch.setattr(where, name, self._counted(name, getattr(where, name)))

    def _counted(self, name: str, call: Any) -> Any:
        def run(*args: Any) -> Any:
            self[name] += 1
            return call(*args)

        return run


@pytest.mark.parametrize("enrolled", [0, 1, 64])
def test_an_unknown_tag_and_a_wrong_seal_look_alike_and_cost_the_same(
    monkeypatch: pytest.MonkeyPatch, enrolled: int
) -> None:
    counts, answers = [], []
    for at in (2, 63):
        stage = Stage().greet()
        frame = altered(said(stage), at)
        random = chance("others", "keys")
        others = [FastKey(f"key_{n:016x}", random(32), random(32)) for n in range(max(0, enrolled - 1))]
        keys = [stage.fast_key, *others] if enrolled else []
        stage.car._fast_keys = lambda keys=keys: keys  # type: ignore[misc]  # bound now
        with monkeypatch.context() as patch:
            count = Count(patch)
            stage.to_car(frame)
        counts.append(count)
        answers.append(noise(stage))
        assert stage.car.state is State.QUICK
    assert counts[0] == counts[1]
    assert counts[0]["agree"] == counts[0]["open"] == 1
    assert counts[0]["hmac256"] == counts[0]["constant_time_equal"] == enrolled
    assert len(answers[0]) == len(answers[1])


def test_a_refusal_has_the_length_of_an_answer() -> None:
    good = Stage().hurry(UNLOCK)
    bad = Stage()
    bad.greet()
    bad.to_car(altered(said(bad), 2))
    assert good.messages[-1] == ("vehicle", len(noise(bad)) - 1)


def test_a_refused_fast_opens_nothing() -> None:
    stage = Stage().greet()
    stage.to_car(altered(said(stage), 2))
    noise(stage)
    with pytest.raises(ProtocolError):
        stage.to_car(b"\xc1\x30" + bytes(20))
    assert stage.car.state is State.CLOSED
    (said_last,) = stage.car.frames(512)
    assert said_last[1:] == bytes((MessageType.ERROR, ErrorCode.REFUSED))


def test_after_a_refusal_the_full_handshake_takes_the_same_link() -> None:
    stage = Stage()
    key, stage.fast_key = stage.fast_key, OTHER_KEY
    stage.greet()
    stage.device.begin_fast(stage.now, key, UNLOCK)
    stage.carry()
    assert stage.heard_by_device[-1] == FastRefused()
    assert not stage.device.talking
    stage.device.request_hello()
    stage.carry()
    stage.device.begin(stage.now, UNLOCK)
    stage.carry()
    assert stage.device.state is stage.car.state is State.OPEN


def test_hello_req_has_no_place_in_an_open_quick_session() -> None:
    stage = Stage().hurry(UNLOCK)
    stage.device.request_hello()
    with pytest.raises(ProtocolError, match="HELLO_REQ"):
        stage.carry()
    assert stage.car.state is State.CLOSED


def test_trying_again_and_again_buys_no_time() -> None:
    stage = Stage()
    start, (key, stage.fast_key) = stage.now, (stage.fast_key, OTHER_KEY)
    stage.greet()
    for _ in range(12):
        stage.now += 9.5
        stage.device.begin_fast(stage.now, key, UNLOCK)
        stage.carry()
        stage.device.request_hello()
        stage.carry()
    assert stage.car.deadline == start + GREETED_SECONDS
    assert isinstance(stage.car.tick(start + GREETED_SECONDS)[0], Ended)


def test_a_refused_key_ends_the_session_at_once() -> None:
    stage = Stage().hurry(UNLOCK, Outcome.KEY_REVOKED)
    assert first_of(stage.heard_by_device, AnsweredFast).result.outcome is Outcome.KEY_REVOKED
    assert stage.device.state is State.CLOSED


# -- points, turns, secrets ----------------------------------------------------------------------------------------


def test_points_of_low_order_are_refused_by_both() -> None:
    stage = Stage().greet()
    fast_message = Fast.decode(said(stage)[2:])
    for tag in (fast_message.tag, stage.fast_key.tag(stage.info + stage.car._hello, LOW_ORDER)):
        victim = Stage().greet()
        with pytest.raises(ProtocolError):
            victim.to_car(b"\xc0\x20" + replace(fast_message, ephemeral=LOW_ORDER, tag=tag).encode())
        assert victim.car.state is State.CLOSED

    stage = Stage()
    stage.car.greet(7)
    (hello,) = stage.car.frames(512)
    stage.to_device(hello[:19] + LOW_ORDER + hello[51:])
    with pytest.raises(ProtocolError, match="low order"):
        stage.device.begin_fast(stage.now, stage.fast_key, UNLOCK)
    assert stage.device.state is State.CLOSED
    (frame,) = stage.device.frames(512)
    assert frame[1:] == bytes((MessageType.ERROR, ErrorCode.REFUSED))


def test_nobody_hurries_out_of_turn() -> None:
    for state in set(State) - {State.GREETED}:
        stage = Stage().reach(state)
        with pytest.raises(ProtocolError, match="no place"):
            stage.device.begin_fast(stage.now, stage.fast_key, UNLOCK)
        assert list(stage.device.frames(512)) == []


def test_the_car_forgets_g_v_with_the_hello_it_was_for() -> None:
    assert Stage().reach(State.ASKED).car._ephemeral is None
    assert Stage().reach(State.QUICK).car._ephemeral is None


def test_a_repeated_hello_does_not_link_a_phone() -> None:
    """(M) Without G_D in it, a fake car that says the same HELLO twice would see the same ktag twice."""
    tags = []
    for seed in ("monday", "tuesday"):
        stage = Stage().greet()
        stage.device._random = chance(seed, "device")
        tags.append(Fast.decode(said(stage)[2:]).tag)
    assert tags[0] != tags[1]
    key, greeting = Stage().fast_key, b"the same HELLO"
    assert key.tag(greeting, b"G_D of monday") != key.tag(greeting, b"G_D of tuesday")
    assert len(key.tag(greeting, b"")) == 8


def test_two_phones_at_one_car_have_other_tags() -> None:
    stage = Stage()
    assert stage.fast_key.tag(b"greeting", bytes(32)) != OTHER_KEY.tag(b"greeting", bytes(32))
    assert not OTHER_KEY.answers(stage.fast_key.tag(b"greeting", bytes(32)), b"greeting", bytes(32))


def test_no_repr_shows_a_secret() -> None:
    stage = Stage(subscribe=True).hurry(UNLOCK)
    things = [stage.fast_key, stage.device, stage.car, stage.device._channel, *stage.heard_by_car]
    text = " ".join(repr(thing) for thing in (*things, *stage.heard_by_device))
    for secret in (stage.fast_key.secret, stage.fast_key.identifier):
        assert secret.hex() not in text
        assert repr(secret)[2:-1] not in text
