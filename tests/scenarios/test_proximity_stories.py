"""People walk up to a car, and away from it: what opens, what locks, and what a screen or a thief has to do with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from keygw.model.command import Action, Outcome
from keygw.wire.ranging import RangingMethod, Zone
from keygw_sim.attacker.ranging import Repeater
from keygw_sim.garage import Garage
from keygw_sim.memory_air import MemoryAir
from keygw_sim.pairing_rehearsal import PairingVisit
from keygw_sim.phone.handset import LOOK_SECONDS, Screen
from keygw_sim.phone.reach import REACH_METRES
from keygw_sim.ranging.geometry import Point
from keygw_sim.ranging.space import Anchors
from keygw_sim.vehicle.proximity import GONE_SECONDS
from street import DOOR, HOUSE, PASSIVE, SEAT, Street, commands, told


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    async with Street(tmp_path) as street:
        street.garage.enrol("owner", "friend")
        yield street


async def test_walk_up_and_it_opens_walk_away_and_it_locks(street: Street) -> None:
    owner = street.comes("owner")
    await street.passes(5)
    assert not owner.linked, "the house is out of Bluetooth's reach"
    await street.walks("owner", Point(12.0, 4.0))
    assert (owner.linked, owner.zone, street.locked) == (True, Zone.FAR, True)
    await street.walks("owner", DOOR)
    assert (owner.zone, street.locked) == (Zone.NEAR, False)
    assert commands(owner) == [(PASSIVE, "done")]
    await street.walks("owner", SEAT)
    assert owner.zone is Zone.INSIDE
    assert (await owner.command(Action.START_ENGINE)).ok
    street.garage.brain.set_body({"engine_running": False})
    await street.walks("owner", DOOR, Point(0.5, 5.5))
    assert street.locked, "measured more than four metres away"
    assert [what for what, _ in street.garage.log].count("locked_behind") == 1
    assert "Locked: the last phone has left." in street.screen.notices
    await street.walks("owner", DOOR)
    assert not street.locked, "and again for the next coming"


async def test_it_locks_when_a_phone_walks_out_of_reach_without_a_word(street: Street) -> None:
    owner = street.comes("owner", at=DOOR)
    await street.passes(2)
    assert not street.locked
    owner.stand(HOUSE)  # the battery dies, or a lift door closes
    await street.passes(GONE_SECONDS - 5)
    assert not street.locked
    await street.passes(10)
    assert street.locked
    assert told(owner, "link_lost") == [{"why": "out_of_range"}]


async def test_without_anchors_nothing_opens_by_itself(tmp_path: Path) -> None:
    async with Street(tmp_path / "new") as street:
        street.garage = Garage(tmp_path / "old").enrol("owner")
        street.air = MemoryAir(street.garage.brain)
        owner = street.comes("owner")
        await street.walks("owner", DOOR)
        assert (owner.linked, owner.zone, street.locked) == (True, Zone.UNMEASURED, True)
        assert commands(owner) == []
        assert (await owner.command(Action.UNLOCK)).ok, "a tap opens it"


async def test_a_relay_at_fifty_metres_is_refused(street: Street) -> None:
    """Bluetooth is relayed, so the phone finds its car; the pulses are relayed too, and take their time."""
    owner = street.comes("owner", at=Point(50.0, 0.0), car=Point(49.0, 0.0))  # Bluetooth ends at the thief's box
    owner.radio.reach = 30.0  # behind the walls of the restaurant
    thief = Repeater(owner.radio, Point(49.0, 0.0), DOOR)
    street.garage.space.add(thief)
    await street.passes(10)
    assert owner.linked
    assert owner.zone is Zone.FAR
    assert commands(owner) == []
    assert street.locked
    owner.zone = Zone.UNMEASURED
    assert owner._talk is not None
    await owner._arrive(owner._talk)  # an app that takes itself to be there
    assert commands(owner) == [(PASSIVE, "proximity_required")]
    assert street.locked
    assert (await owner.command(Action.START_ENGINE)).outcome == "proximity_required"
    assert [receipt.outcome for receipt in street.garage.receipts()[-2:]] == [Outcome.PROXIMITY_REQUIRED] * 2


async def test_the_same_walk_opens_once_the_thief_is_gone(street: Street) -> None:
    """Else the story above would show nothing of the relay."""
    owner = street.comes("owner", at=Point(20.0, 0.0))
    await street.walks("owner", DOOR)
    assert not street.locked
    assert commands(owner) == [(PASSIVE, "done")]


async def test_a_phone_in_flight_mode_is_not_there(street: Street) -> None:
    owner = street.comes("owner", at=Point(15.0, 0.0))
    await street.passes(2)
    assert owner.linked
    await owner.set_flight(True)
    assert told(owner, "link_lost") == [{"why": "flight_mode"}]
    owner.radio.arm(RangingMethod.UWB, bytes(16))
    assert Anchors(street.garage.space).measure(RangingMethod.UWB, bytes(16)) is None, "all radios are off"
    owner.radio.disarm()
    await street.walks("owner", DOOR)
    assert (owner.linked, street.locked) == (False, True)
    assert (await owner.command(Action.UNLOCK)).outcome == "radio_unavailable"
    street.lock(False)
    assert (await owner.command(Action.LOCK, wait=600)).outcome == "waiting"
    assert (await owner.command(Action.OPEN_TRUNK, wait=600)).outcome == "waiting"
    await street.walks("owner", HOUSE, Point(10.0, 0.0))
    assert list(owner.waiting) == [Action.LOCK], "the boot does not open minutes later, with nobody there"
    await owner.set_flight(False)
    await street.passes(2)
    assert street.locked
    assert not owner.waiting
    assert street.garage.brain.body.trunk_open is False
    assert commands(owner)[-2:] == [("open_trunk", "command_expired"), ("lock", "done")]


async def test_a_friends_phone_in_the_background(street: Street) -> None:
    friend = street.comes("friend")
    friend.show(Screen.BACKGROUND)
    await street.walks("friend", DOOR)
    assert not street.locked, "it opens from the pocket"
    assert friend.phone.public_key == street.garage.signers["friend"].public_key
    await street.walks("friend", SEAT)
    assert (await friend.command(Action.START_ENGINE)).outcome == "needs_user_verification"
    assert street.garage.brain.body.engine_running is False
    assert [(who["role"], who["zone"]) for who in street.screen.view()["around"]] == [("friend", "inside")]
    friend.show(Screen.FOREGROUND)
    verdict = (await friend.command(Action.START_ENGINE)).outcome
    assert verdict == "not_entitled", "the car's word now: this friend may open, not drive"


async def test_in_the_background_it_looks_less_often_and_asks_nothing(street: Street) -> None:
    seen = {}
    for screen in Screen:
        owner = street.comes("owner", at=HOUSE)
        owner.passive = False
        owner.show(screen)
        await street.passes(LOOK_SECONDS[Screen.BACKGROUND] + 1)
        began = street.clock()
        owner.stand(Point(15.0, 0.0))
        while not owner.linked:
            await street.passes(0.25)
        seen[screen] = street.clock() - began
        await street.walks("owner", DOOR)
        assert owner.zone is Zone.NEAR
        assert commands(owner) == []
        assert bool(told(owner, "prompt")) is (screen is Screen.FOREGROUND)
        await owner.close()
        street.garage.space.remove(owner.radio)
    assert street.locked
    assert seen[Screen.FOREGROUND] <= LOOK_SECONDS[Screen.FOREGROUND]
    assert LOOK_SECONDS[Screen.FOREGROUND] < seen[Screen.BACKGROUND] <= LOOK_SECONDS[Screen.BACKGROUND]


async def test_two_phones_and_the_first_who_leaves_takes_nothing_along(street: Street) -> None:
    street.comes("owner", at=DOOR)
    await street.passes(2)
    street.comes("friend", at=Point(0.5, -1.9))
    await street.passes(2)
    assert not street.locked
    await street.walks("owner", HOUSE)
    await street.passes(GONE_SECONDS)
    assert not street.locked, "the friend stands there"
    await street.walks("friend", Point(0.5, -8.0))
    assert street.locked


async def test_a_link_that_is_cut_in_mid_round_is_made_again(street: Street) -> None:
    owner = street.comes("owner", at=Point(10.0, 0.0))
    await street.passes(2)
    await owner._air.cut()
    await street.passes(4)
    assert owner.linked
    await street.walks("owner", DOOR)
    assert not street.locked


async def test_pairing_by_the_head_units_code(street: Street) -> None:
    """Somebody in the car asks for the code; the car has an owner, who must allow it first."""
    screen, garage = street.screen, street.garage
    prompt = screen.pair_phone()
    with pytest.raises(Exception, match="owner, who must allow"):
        screen.answer(prompt.number, True)
    assert not screen.codes
    owner = street.comes("owner", at=SEAT)
    assert (await owner.command(Action.ALLOW_PAIRING)).ok
    street.listen()
    (prompt,) = screen.prompts
    assert prompt.ask == "new_owner"
    screen.answer(prompt.number, True)
    street.listen()
    (code,) = screen.codes
    token = garage.office.hand(garage.claims("stranger", index=9)).token
    visit = PairingVisit(
        garage.brain, code.digits, garage.signers["stranger"], garage.random, street.clock,
        token=lambda _: token, conn=4000,
    )  # fmt: skip
    visit.ask()
    street.listen()
    assert not screen.codes
    assert list(screen.notices)[-2:] == ["A phone has used the code.", "A phone is now an owner's."]
    assert len(garage.brain.memory.owners) == 2


async def test_nobody_is_found_beyond_the_reach_of_bluetooth(street: Street) -> None:
    owner = street.comes("owner", at=Point(REACH_METRES + 1, 0.0))
    await street.passes(5)
    assert (owner.linked, (await owner.command(Action.UNLOCK)).outcome) == (False, "out_of_range")
    owner.stand(Point(REACH_METRES - 1, 0.0))
    await street.passes(5)
    assert owner.linked
