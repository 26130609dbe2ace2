"""What every ``SessionStore`` must do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keygw.bridge.app_session import AppSession, CloseReason, SessionState
from keygw.credentials.outbox_ports import OutboxEvent, Told
from keygw.model.vehicle import Vehicle
from keygw.store.store import Store

if TYPE_CHECKING:
    from tests.contracts.conftest import OpenStore

VEHICLE = "veh_aaaaaaaaaaaaaaaa"
FIRST = AppSession(
    "ses_1", "app_a", "default", VEHICLE, ("command.unlock",), 1000, 1000, 1000, state=SessionState.ACTIVE
)
EVENT = OutboxEvent("session.opened", VEHICLE, {"id": "ses_1", "app_id": "app_a"}, 1000)


@pytest.fixture
async def store(opened: OpenStore, tmp_path: Path) -> AsyncIterator[Store]:
    async with await opened(tmp_path) as store:
        await store.credentials.write(lambda tx: tx.add_vehicle(Vehicle(VEHICLE, "Blue van", b"\x02" * 33, bytes(16))))
        yield store


def quiet(_: Told) -> None:
    """Nobody listens."""


def another(number: int, **changes: object) -> AppSession:
    return replace(FIRST, id=f"ses_{number}", **changes)  # type: ignore[arg-type]  # its own fields


async def test_it_is_kept_as_it_was_given_and_told_of(store: Store) -> None:
    told: list[Told] = []
    assert await store.bridge.session(FIRST.id) is None
    assert await store.bridge.add_session(FIRST, 5, 5, EVENT, told.append)
    assert await store.bridge.session(FIRST.id) == FIRST
    assert [each.event for each in told] == [EVENT]
    assert [each.event.type for each in await store.bridge.outbox(0, 10)] == ["session.opened"]


async def test_an_app_has_so_many_open_ones_however_they_come(store: Store) -> None:
    tries = [store.bridge.add_session(another(n), 3, 5, EVENT, quiet) for n in range(6)]
    assert sum(await asyncio.gather(*tries)) == 3
    assert len(await store.bridge.outbox(0, 10)) == 3, "nothing is told of the others"
    assert await store.bridge.add_session(another(9, app_id="app_b"), 3, 5, EVENT, quiet)


async def test_only_the_newest_closed_ones_are_kept(store: Store) -> None:
    for number in range(5):
        made = another(number, updated_at=1000 + number, state=SessionState.CLOSED, reason=CloseReason.USER_EXIT)
        assert await store.bridge.add_session(made, 1, 2, EVENT, quiet)
    assert [each.id for each in await store.bridge.sessions_of("app_a")] == ["ses_2", "ses_3", "ses_4"]


async def test_a_step_is_written_on_the_one_before_alone(store: Store) -> None:
    await store.bridge.add_session(FIRST, 5, 5, EVENT, quiet)
    suspended = replace(FIRST, state=SessionState.SUSPENDED, updated_at=1500, heard_at=1500)
    closed = replace(FIRST, state=SessionState.CLOSED, updated_at=1500, reason=CloseReason.USER_EXIT)
    steps = [store.bridge.save_session(each, FIRST, EVENT, quiet) for each in (suspended, closed)]
    assert sum(await asyncio.gather(*steps)) == 1
    assert len(await store.bridge.outbox(0, 10)) == 2
    assert not await store.bridge.save_session(another(7), another(7), None, quiet), "there is none"


async def test_those_that_are_due(store: Store) -> None:
    for number, state in enumerate((SessionState.ACTIVE, SessionState.SUSPENDED, SessionState.CLOSED)):
        made = another(number, state=state, updated_at=1000 + number, heard_at=2000)
        await store.bridge.add_session(made, 5, 5, EVENT, quiet)
    assert [each.id for each in await store.bridge.sessions_due(1999, 1000, 9)] == []
    assert [each.id for each in await store.bridge.sessions_due(2000, 1000, 9)] == ["ses_0"]
    assert [each.id for each in await store.bridge.sessions_due(2000, 1001, 9)] == ["ses_0", "ses_1"]
    assert [each.id for each in await store.bridge.sessions_due(2000, 1001, 1)] == ["ses_0"]


async def test_sessions_of_a_removed_app_are_closed_with_it(store: Store) -> None:
    await store.bridge.add_session(FIRST, 5, 5, EVENT, quiet)
    await store.bridge.revoke_app("app_a")
    found = await store.bridge.session(FIRST.id)
    assert found is not None
    assert (found.state, found.reason) == (SessionState.CLOSED, CloseReason.APP_UNAUTHORIZED)
