"""Writes without response that a radio drops under load: the message has a hole, and neither end acts on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from keygw.ble.air import BleAir
from keygw_sim.radio.virtual import VirtualRadio
from keygw_sim.vehicle.runner import VehicleOnAir
from town import Town

WRITE_COMMAND = 0x52
SMALLEST = 23
ENDS = {("confirmed", None), ("failed", "link_lost"), ("failed", "not_executed"), ("unknown", "link_lost")}
"""Tried again by itself before the command had gone, or told as it was."""


class Loss:
    """Drops the write without response that is the ``nth`` from now on; ``met``: how many there were."""

    def __init__(self, radio: VirtualRadio, monkeypatch: pytest.MonkeyPatch) -> None:
        self.nth: int | None = None
        self.met = 0
        carry = radio.link.send_acl_data

        def send(sender: Any, to: Any, transport: Any, data: bytes) -> None:
            if data[2:5] == bytes((4, 0, WRITE_COMMAND)):
                self.met += 1
                if self.met == self.nth:
                    return
            carry(sender, to, transport, data)

        monkeypatch.setattr(radio.link, "send_acl_data", send)

    def drop(self, nth: int) -> None:
        self.met, self.nth = 0, nth


@pytest.fixture
async def street(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Town, Loss]]:
    """A gateway and a car that agree on the smallest frames, so that each message takes many."""
    async with AsyncExitStack() as stack:
        radio = await stack.enter_async_context(VirtualRadio())
        town = Town(tmp_path)
        car = VehicleOnAir(town.brain, (await radio.add_controller(tcp=False)).open, max_mtu=SMALLEST)
        await car.start()
        stack.push_async_callback(car.stop)
        air = BleAir.bumble((await radio.add_controller(tcp=False)).open)
        stack.push_async_callback(air.close)
        monkeypatch.setattr(town, "air", air)
        await town.start()
        stack.push_async_callback(town.aclose)
        yield town, Loss(radio, monkeypatch)


@pytest.mark.parametrize("warm", [True, False], ids=["over an open link", "over a new link"])
@pytest.mark.parametrize("nth", [1, 2, 3])
async def test_a_dropped_write_is_no_command_and_no_lie(street: tuple[Town, Loss], nth: int, *, warm: bool) -> None:
    town, loss = street
    token, key_id = await town.owner()
    if not warm:
        await town.disconnect()
    loss.drop(nth)
    state, reason = await town.unlocks(token, key_id)
    assert loss.met >= nth, "nothing was lost"
    assert (state, reason) in ENDS
    assert (state == "confirmed") is not town.brain.body.locked, "the car acts on whole messages alone"
    loss.drop(0)
    assert await town.unlocks(token, key_id) == ("confirmed", None), "and nothing of it stays behind"
