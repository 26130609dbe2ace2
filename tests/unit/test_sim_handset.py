"""A handset by itself: what waits for its radio, what it refuses, and the orders of the process it lives in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from keygw.model.command import Action
from keygw.model.errors import BadInput
from keygw.wire.messages import MessageType
from keygw.wire.ranging import RangingMethod, Zone
from keygw_sim.phone.handset import MAX_WAITING, UNLOCK_SECONDS, Screen
from keygw_sim.phone.living import MAX_STOPS, Living, path_of
from keygw_sim.ranging.geometry import Point
from keygw_sim.vehicle.proximity import GONE_SECONDS
from street import DOOR, HOUSE, PASSIVE, Street, commands, told


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    async with Street(tmp_path) as street:
        street.garage.enrol("owner", "friend")
        yield street


async def test_only_so_much_waits(street: Street) -> None:
    owner = street.comes("owner")
    await owner.set_flight(True)
    for _ in range(MAX_WAITING):
        assert (await owner.command(Action.LOCK, wait=600)).outcome == "waiting"
    assert (await owner.command(Action.LOCK, wait=600)).outcome == "too_many_waiting"
    assert len(owner.waiting) == MAX_WAITING


@pytest.mark.parametrize("action", [Action.UNLOCK, Action.OPEN_TRUNK, Action.START_ENGINE])
async def test_what_opens_does_not_outlive_four_seconds(street: Street, action: Action) -> None:
    owner = street.comes("owner", at=DOOR)
    await owner.set_flight(True)
    assert (await owner.command(action, wait=3600)).outcome == "waiting"
    await street.passes(UNLOCK_SECONDS)
    await owner.set_flight(False)
    await street.passes(1)
    assert (action.label, "command_expired") in commands(owner)
    assert [outcome for name, outcome in commands(owner) if name == action.label] == ["waiting", "command_expired"]


async def test_what_waits_goes_in_its_order_with_the_number_it_had(street: Street) -> None:
    owner = street.comes("owner", at=Point(10.0, 0.0))
    owner.passive = False
    await owner.set_flight(True)
    street.lock(False)
    for action in (Action.FLASH_LIGHTS, Action.LOCK):
        await owner.command(action, wait=60)
    await owner.set_flight(False)
    await street.passes(2)
    assert commands(owner)[2:] == [("flash_lights", "done"), ("lock", "done")]
    numbers = [receipt.number for receipt in street.garage.receipts()[-2:]]
    assert len(set(numbers)) == 2


@pytest.mark.parametrize("action", [Action.START_ENGINE, Action.ALLOW_PAIRING])
async def test_what_needs_its_user(street: Street, action: Action) -> None:
    owner = street.comes("owner", at=Point(0.3, 0.4))
    owner.show(Screen.BACKGROUND)
    assert (await owner.command(action)).outcome == "needs_user_verification"
    assert not owner.linked, "nothing was even asked of the car"
    owner.show(Screen.FOREGROUND)
    assert (await owner.command(action)).ok


async def test_a_car_without_uwb_is_measured_the_other_way(street: Street) -> None:
    owner = street.comes("owner", at=Point(15.0, 0.0))
    owner.radio.methods = (RangingMethod.UWB, RangingMethod.CHANNEL_SOUNDING)
    anchors = street.garage._anchors
    assert anchors is not None
    anchors.methods = (RangingMethod.CHANNEL_SOUNDING,)
    await street.walks("owner", Point(0.5, 1.5))
    assert (owner.zone, street.locked) == (Zone.NEAR, False)


async def test_a_phone_without_a_ranging_radio_opens_by_tap(street: Street) -> None:
    owner = street.comes("owner", at=DOOR)
    owner.radio.methods = ()
    await street.passes(3)
    assert (owner.linked, owner.zone, commands(owner)) == (True, Zone.UNMEASURED, [])
    assert (await owner.command(Action.UNLOCK)).ok
    assert (await owner.command(Action.START_ENGINE)).outcome == "proximity_required"


async def test_a_revoked_key_is_told_and_tries_no_harder(street: Street) -> None:
    friend = street.comes("friend", at=DOOR)
    street.garage.bring(1, revoked=(2,))
    await street.passes(1)
    assert not friend.linked
    assert told(friend, "not_let_in") == [{"outcome": "key_revoked"}]
    assert street.locked


async def test_a_link_that_goes_in_mid_command_is_told(street: Street) -> None:
    owner = street.comes("owner", at=Point(10.0, 0.0))
    await street.passes(1)
    street.air.cut = MessageType.CMD
    deed = await owner.command(Action.UNLOCK)
    assert (deed.outcome, deed.ok, owner.linked) == ("link_lost", False, False)
    street.air.cut = MessageType.RANGE
    await street.passes(3)
    assert {data["why"] for data in told(owner, "link_lost")} == {"link_lost"}
    street.air.cut = None
    await street.passes(3)
    assert owner.linked


async def test_a_session_that_ends_at_the_door_is_no_new_coming(street: Street) -> None:
    owner = street.comes("owner", at=DOOR)
    await street.passes(2)
    street.garage.visit("owner").prove()  # the same key, on another link: the first session ends
    await street.passes(3)
    assert told(owner, "link_lost") == [{"why": "link_lost"}]
    assert owner.linked
    assert owner.zone is Zone.NEAR
    assert commands(owner) == [(PASSIVE, "done")]
    await owner.set_flight(True)
    street.garage.monotonic += GONE_SECONDS
    street.lock(True)
    await owner.set_flight(False)
    await street.passes(3)
    assert commands(owner) == [(PASSIVE, "done")] * 2


async def test_a_request_to_open_that_was_lost_is_repeated_under_its_number(street: Street) -> None:
    owner = street.comes("owner", at=DOOR)
    street.air.cut = MessageType.CMD
    await street.passes(3)
    assert (street.locked, commands(owner)) == (True, [])
    first = owner._asked
    assert first is not None
    await street.passes(3)
    street.air.cut = None
    await street.passes(3)
    assert not street.locked
    assert street.garage.receipts()[-1].number == first


async def test_without_a_key_it_says_so(street: Street) -> None:
    owner = street.comes("owner", at=DOOR)
    owner.phone._invitation = None
    assert (await owner.command(Action.UNLOCK)).outcome == "no_key"
    with pytest.raises(BadInput, match="no digital key"):
        await owner.phone.meet()


# -- the process -----------------------------------------------------------------------------------------------------


@pytest.fixture
def said() -> list[dict[str, Any]]:
    return []


async def test_orders_move_it_about(street: Street, said: list[dict[str, Any]]) -> None:
    living = Living(street.comes("owner", at=HOUSE), street.clock, said.append)
    where = await living.obey({"do": "where"})
    assert where == {
        "did": "where", "at": [45.0, 10.0], "zone": "unmeasured", "screen": "foreground", "flight": False,
        "linked": False, "waiting": [],
    }  # fmt: skip
    assert (await living.obey({"do": "ask", "action": "unlock"})) == {
        "did": "ask", "action": "unlock", "outcome": "out_of_range", "ok": False,
    }  # fmt: skip
    await living.obey({"do": "walk", "path": [[0, 20, 0], [10, 0.5, 1.9]]})
    await street.passes(11)
    assert not street.locked
    moved = await living.obey({"do": "flight", "on": True})
    assert moved is not None
    assert (moved["at"], moved["flight"], moved["linked"]) == ([0.5, 1.9], True, False)
    assert {"event": "command", "action": PASSIVE, "outcome": "done"} in said
    assert (await living.obey({"do": "screen", "to": "background"})) is not None
    assert (await living.obey({"do": "command", "action": "unlock"})) is None, "an order of the phone's own"


async def test_it_lives_from_the_first_walk_on(street: Street, said: list[dict[str, Any]]) -> None:
    opened = asyncio.Event()

    def hear(line: dict[str, Any]) -> None:
        said.append(line)
        if line.get("outcome") == "done":
            opened.set()

    living = Living(street.comes("owner", at=DOOR), street.clock, hear)
    task = asyncio.create_task(living.live())
    await asyncio.sleep(0.01)
    assert said == []
    await living.obey({"do": "walk", "path": [[0, 0.5, 1.9]]})
    async with asyncio.timeout(5):
        await opened.wait()
    assert not street.locked
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    ("order", "says"),
    [
        ({"do": "walk", "path": []}, "1 to 1000 stops"),
        ({"do": "walk", "path": "north"}, "1 to 1000 stops"),
        ({"do": "walk", "path": [[0, 1, 2], [1, 2]]}, "stop 2"),
        ({"do": "walk", "path": [[0, 1, True]]}, "stop 1"),
        ({"do": "walk", "path": [[0, 1, 1], [0, 2, 2]]}, "rise"),
        ({"do": "walk", "path": [[0, float("nan"), 1]]}, "x of stop 1"),
        ({"do": "walk", "path": [[0, 1, 10**400]]}, "y of stop 1"),
        ({"do": "screen", "to": "upside down"}, "upside down"),
        ({"do": "flight", "on": "yes"}, "true or false"),
        ({"do": "ask", "action": "dance"}, "dance"),
        ({"do": "ask", "action": "lock", "wait": -1}, "wait is a number"),
        ({"do": "ask", "action": "lock", "wait": "long"}, "wait is a number"),
    ],
)
async def test_an_order_that_is_none_is_told(
    street: Street, said: list[dict[str, Any]], order: dict[str, Any], says: str
) -> None:
    living = Living(street.comes("owner"), street.clock, said.append)
    with pytest.raises(ValueError, match=says):
        await living.obey(order)
    with pytest.raises(ValueError, match="stops"):
        path_of([[n, 0, 0] for n in range(MAX_STOPS + 1)], 0.0)
