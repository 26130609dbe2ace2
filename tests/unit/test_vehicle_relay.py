"""A lent link: its bounds, and that the car comes back to who waits for it."""

from __future__ import annotations

import asyncio
import time

import pytest

from keygw.model.errors import ProtocolError
from keygw.vehicle import relay
from keygw.vehicle.relay import Relay, Turn
from keygw_sim.memory_link import VehicleSide, memory_link


def lent(turn: Turn | None = None) -> tuple[Relay, VehicleSide]:
    link, side = memory_link(20)
    return Relay(link, turn or Turn(), time.monotonic), side


async def why(one: Relay) -> str:
    async with asyncio.timeout(2):
        return (await one.over()).code


async def test_frames_pass_as_they_are() -> None:
    one, side = lent()
    assert (one.max_frame, one.peer, one.info, one.sent) == (20, "vehicle", b"\x01", False)
    await one.send(b"\xc0up")
    assert await side.receive() == b"\xc0up"
    await side.send(b"\xc0down")
    assert await one.receive() == b"\xc0down"
    assert (one.frames, one.sent) == (2, True)


@pytest.mark.parametrize("size", [0, 21])
async def test_a_frame_that_does_not_fit_is_refused(size: int) -> None:
    one, _ = lent()
    with pytest.raises(ProtocolError) as caught:
        await one.send(bytes(size))
    assert (caught.value.code, one.frames) == ("bad_frame", 0)


async def test_it_ends_when_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "IDLE_S", 0.02)
    assert await why(lent()[0]) == "relay_idle"


async def test_it_ends_after_its_time_whatever_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "IDLE_S", 0.03)
    monkeypatch.setattr(relay, "LONGEST_S", 0.1)
    one, side = lent()

    async def talk() -> None:
        while True:
            await one.send(b"\xc0x")
            await side.receive()
            await asyncio.sleep(0.005)

    talking = asyncio.create_task(talk())
    assert await why(one) == "relay_over"
    talking.cancel()


async def test_it_gives_way_to_a_command_when_it_is_quiet_and_at_last_when_it_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    turn = Turn()
    one, side = lent(turn)
    over = asyncio.create_task(one.over())
    await asyncio.sleep(0.01)
    assert not over.done()
    monkeypatch.setattr(relay, "QUIET_S", 0.02)
    with turn.pressing():
        assert (await asyncio.wait_for(over, 1)).code == "gave_way"
        monkeypatch.setattr(relay, "QUIET_S", 0.5)
        monkeypatch.setattr(relay, "PRESSED_S", 0.05)
        await one.send(b"\xc0x")
        await side.receive()
        began = time.monotonic()
        ended = await asyncio.wait_for(one.over(), 1)
    assert (ended.code, ended.may_have_happened) == ("gave_way", True)
    assert time.monotonic() - began < 0.4


async def test_a_command_that_has_had_its_turn_presses_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "QUIET_S", 0.02)
    monkeypatch.setattr(relay, "IDLE_S", 0.1)
    turn = Turn()
    one, _ = lent(turn)
    with turn.pressing(), turn.pressing():
        assert turn.pressed.is_set()
    assert not turn.pressed.is_set()
    assert await why(one) == "relay_idle"


async def test_who_sends_too_fast_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "BURST", 2.0)
    monkeypatch.setattr(relay, "FRAMES_PER_SECOND", 100.0)
    one, _ = lent()
    began = time.monotonic()
    for _ in range(6):
        await one.send(b"\xc0x")
    assert time.monotonic() - began > 0.03
