"""The ranging air between processes: what a phone's process says is what the car's anchors hear, and no more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from keygw.model.errors import LinkError
from keygw.wire.ranging import RangingMethod
from keygw_sim.ranging import ether
from keygw_sim.ranging.ether import MAX_PHONES, Ether, EtherLink
from keygw_sim.ranging.geometry import Point
from keygw_sim.ranging.space import Anchors, Space, Transponder

UWB, SOUNDING = RangingMethod.UWB, RangingMethod.CHANNEL_SOUNDING
KEY = bytes(range(16))
DOOR = Point(0.5, 1.9)


@pytest.fixture
async def air() -> AsyncIterator[Ether]:
    async with Ether(Space(), 0) as air:
        yield air


def anchors(air: Ether) -> Anchors:
    return Anchors(air._space)


async def ask(air: Ether, *lines: bytes) -> list[dict[str, object]]:
    """Say these lines on one connection; what is answered until it ends, or falls silent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", air.port)
    answers = []
    for line in lines:
        writer.write(line)
        answer = await reader.readline()
        if not answer:
            break
        answers.append(json.loads(answer))
    writer.close()
    return answers


@pytest.mark.parametrize("method", [UWB, SOUNDING])
async def test_what_a_phone_sends_is_measured(air: Ether, method: RangingMethod) -> None:
    phone, link, local = Transponder(DOOR), EtherLink(air.port), Space()
    local.add(phone)
    phone.arm(method, KEY)
    await link.publish(phone)
    measured = anchors(air).measure(method, KEY)
    assert measured == Anchors(local).measure(method, KEY), "as if it were in this process"
    assert measured is not None
    assert anchors(air).measure(method, bytes(16)) is None
    assert KEY.hex() not in json.dumps([vars(sender) for sender in air._space.senders], default=repr)
    phone.disarm()
    await link.publish(phone)
    assert anchors(air).measure(method, KEY) is None
    await link.close()


async def test_a_phone_that_goes_is_not_heard_any_more(air: Ether) -> None:
    phone, link = Transponder(DOOR), EtherLink(air.port)
    phone.arm(UWB, KEY)
    await link.publish(phone)
    assert len(air._space.senders) == 1
    await link.close()
    async with asyncio.timeout(5):
        while air._space.senders:  # noqa: ASYNC110 - a space has no event for who leaves it
            await asyncio.sleep(0)


async def test_a_silent_phone_is_forgotten_and_comes_back(air: Ether, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ether, "SILENT_SECONDS", 0.01)
    phone, link = Transponder(DOOR), EtherLink(air.port)
    phone.arm(UWB, KEY)
    await link.publish(phone)
    async with asyncio.timeout(5):
        while air._space.senders:  # noqa: ASYNC110 - a space has no event for who leaves it
            await asyncio.sleep(0)
    monkeypatch.undo()
    await link.publish(phone)
    assert anchors(air).measure(UWB, KEY) is not None
    await link.close()


@pytest.mark.parametrize(
    "line",
    [
        b"\n", b"[]\n", b"{}\n", b"no json\n", b"\xff\n",
        b'{"at": [1, 2], "uwb": null}\n',
        b'{"at": [1, 2], "uwb": null, "tones": null, "key": 1}\n',
        b'{"at": [1], "uwb": null, "tones": null}\n',
        b'{"at": [1, true], "uwb": null, "tones": null}\n',
        b'{"at": [1, NaN], "uwb": null, "tones": null}\n',
        b'{"at": [1, ' + b"9" * 400 + b'], "uwb": null, "tones": null}\n',
        b'{"at": [1, 1e999], "uwb": null, "tones": null}\n',
        b'{"at": null, "uwb": null, "tones": null}\n',
        b'{"at": [1, 2], "uwb": "00", "tones": null}\n',
        b'{"at": [1, 2], "uwb": null, "tones": "' + b"zz" * 16 + b'"}\n',
        b"[" * 900 + b"\n",
    ],
)  # fmt: skip
async def test_a_line_that_is_none_ends_it_with_the_reason(air: Ether, line: bytes) -> None:
    (answer,) = await ask(air, line, b'{"at": [1, 2], "uwb": null, "tones": null}\n')
    assert answer["error"]
    good = await ask(air, b'{"at": [1, 2], "uwb": null, "tones": null}\n')
    assert good == [{"ok": True}]


async def test_a_line_without_end_is_cut_off(air: Ether) -> None:
    assert await ask(air, b"x" * 5000) == []


async def test_only_so_many_phones(air: Ether) -> None:
    links = [EtherLink(air.port) for _ in range(MAX_PHONES)]
    for link in links:
        await link.publish(Transponder(DOOR))
    (answer,) = await ask(air, b'{"at": [1, 2], "uwb": null, "tones": null}\n')
    assert "no more than" in str(answer["error"])
    for link in links:
        await link.close()


async def test_a_port_that_is_taken_is_said(air: Ether) -> None:
    with pytest.raises(LinkError, match="name another") as refusal:
        async with Ether(Space(), air.port):
            pass
    assert refusal.value.code == "radio_unavailable"


async def test_a_phone_without_a_car_says_nothing_and_does_not_break() -> None:
    async with Ether(Space(), 0) as gone:
        port = gone.port
    link = EtherLink(port)
    await link.publish(Transponder(DOOR))
    await link.close()
