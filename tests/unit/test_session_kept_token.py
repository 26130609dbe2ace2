"""A token that the vehicle keeps is named and need not travel; what is signed and hashed is the token all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from keygw.model.command import Action, AuthorizedCommand, CommandState, Outcome
from keygw.session.events import Answered, Ended
from keygw.session.identity import token_kid
from keygw.session.states import State
from keygw.token.cwt import index_of
from keygw.wire.messages import Cmd, ErrorCode, MessageType
from keygw_sim.depot import World
from keygw_sim.garage import Garage
from keygw_sim.rehearsal import Visit

GOAL_BYTES, GOAL_ROUND_TRIPS = 300, 2


@pytest.fixture
def garage(tmp_path: Path) -> Garage:
    return Garage(tmp_path)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path, lambda command: AuthorizedCommand(command, "dev_" + "a" * 16))
    async with made.fleet:
        yield made


def name_it(visit: Visit, number: int = 1) -> Visit:
    visit.session.begin(100.0, Cmd(number, Action.UNLOCK), kept=True)
    visit.carry()
    return visit


def test_a_kept_token_is_named_within_the_budget(garage: Garage) -> None:
    garage.enrol("owner")
    visit = name_it(garage.visit("owner"))
    assert visit.last(Answered).result.outcome is Outcome.DONE
    assert visit.session.message_bytes == 278 <= GOAL_BYTES
    assert garage.brain.body.locked is False


def test_it_is_kept_across_a_power_cut(garage: Garage) -> None:
    garage.enrol("owner")
    garage.reboot()
    assert name_it(garage.visit("owner")).last(Answered).result.outcome is Outcome.DONE


@pytest.mark.parametrize("who", ["owner", "stranger"])
def test_a_token_that_is_not_kept_is_refused_like_anything_else(garage: Garage, who: str) -> None:
    visit = name_it(garage.visit(who))
    assert visit.session.state is State.CLOSED
    assert visit.last(Ended).code is ErrorCode.REFUSED
    assert garage.brain.body.locked is True


def test_who_names_the_token_of_another_is_not_let_in(garage: Garage) -> None:
    """The stranger's own token states the owner's index; the token that is kept there binds the owner's key."""
    garage.enrol("owner")
    visit = name_it(garage.visit("stranger", index=1))
    assert visit.session.state is State.CLOSED
    assert garage.brain.body.locked is True


def test_an_older_token_of_the_same_key_has_to_travel(garage: Garage) -> None:
    """CRED_I is the token (M): who means another one than the vehicle keeps fails, and nothing is run."""
    visit = garage.visit("owner", issued_at=garage.claims("owner").issued_at + 5)
    visit.prove()
    visit.leave()
    assert name_it(garage.visit("owner")).session.state is State.CLOSED
    assert garage.tries("owner") is Outcome.DONE


def test_a_named_token_is_judged_like_one_that_travelled(garage: Garage) -> None:
    garage.enrol("owner", "friend")
    garage.bring(1, revoked=(2,))
    visit = name_it(garage.visit("friend"))
    assert visit.last(Answered).result.outcome is Outcome.KEY_REVOKED


def test_a_token_whose_issuer_is_trusted_no_longer_is_of_no_use_for_being_kept(garage: Garage) -> None:
    garage.enrol("owner")
    garage.brain.memory.issuers.clear()
    assert name_it(garage.visit("owner")).session.state is State.CLOSED


def test_what_has_ended_is_kept_no_longer(garage: Garage) -> None:
    garage.enrol("owner", "friend")
    garage.time = garage.claims("owner").expires_at + 1
    visit = garage.visit("owner", expires_at=int(garage.time) + 60, issued_at=int(garage.time) - 1)
    assert visit.prove().outcome is Outcome.DONE
    assert list(garage.stored().tokens) == [1]


def test_the_end_of_a_key_takes_no_other_keys_token_with_it(garage: Garage) -> None:
    """A service restored from a backup may have given an index again."""
    garage.enrol("owner", "friend")
    ends = garage.claims("friend").expires_at
    again: dict[str, Any] = {"index": 2, "key_id": "key_" + "b" * 16, "expires_at": ends + 3600}
    assert garage.tries("owner", **again) is Outcome.DONE
    later: dict[str, Any] = {"index": 3, "key_id": "key_" + "c" * 16, "issued_at": ends + 1, "expires_at": ends + 3600}
    assert garage.tries("owner", Action.LOCK, **later) is Outcome.DONE
    assert sorted(garage.stored().tokens) == [2, 3]


@pytest.mark.parametrize(("index", "kid"), [(0, "00"), (23, "17"), (24, "0018"), (65535, "ffff")])
def test_kids_are_one_byte_while_they_can_be(garage: Garage, index: int, kid: str) -> None:
    assert token_kid(index).hex() == kid
    claims = replace(garage.claims("owner"), index=index)
    assert index_of(garage.office.hand(claims).token) == index
    visit = garage.visit("owner", index=index)
    visit.prove()
    visit.leave()
    assert name_it(garage.visit("owner", index=index)).last(Answered).result.outcome is Outcome.DONE


# -- over a link ---------------------------------------------------------------------------------------------------


async def test_the_gateway_sends_a_token_once(world: World) -> None:
    first = await world.execute(Action.UNLOCK)
    await world.fleet.disconnect(world.car.id)
    second = await world.execute(Action.FLASH_LIGHTS)  # not for the fast path
    assert second.state is CommandState.CONFIRMED
    assert first.measures is not None
    assert second.measures is not None
    assert (second.measures.road, second.measures.round_trips) == ("full", GOAL_ROUND_TRIPS)
    assert second.measures.message_bytes <= GOAL_BYTES < first.measures.message_bytes


async def test_a_car_that_has_forgotten_the_token_gets_it_by_itself(world: World) -> None:
    await world.execute(Action.UNLOCK)
    await world.fleet.disconnect(world.car.id)
    world.brain.memory.tokens.clear()
    opened = world.road.opened
    result = await world.execute(Action.FLASH_LIGHTS)
    assert result.state is CommandState.CONFIRMED
    assert world.road.opened == opened + 2
    assert world.states == [CommandState.SENT, CommandState.ACKNOWLEDGED], "the app hears of one command"


async def test_what_may_have_happened_before_the_second_try_is_not_denied(world: World) -> None:
    """Somebody in the car's place may have refused, and the car may have acted: unknown, whatever the second try."""
    await world.execute(Action.UNLOCK)
    await world.fleet.disconnect(world.car.id)
    world.brain.memory.tokens.clear()
    world.road.only = 1
    result = await world.execute(Action.FLASH_LIGHTS)
    assert result.state is CommandState.UNKNOWN
    assert MessageType.MESSAGE_3 in world.road.seen
