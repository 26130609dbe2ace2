"""What every ``CardStore`` must do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keygw.bridge.app_session import AppSession, CloseReason, SessionState
from keygw.bridge.card_ports import Button, Card
from keygw.bridge.driving import Template
from keygw.credentials.outbox_ports import OutboxEvent, Told
from keygw.model.vehicle import Vehicle
from keygw.store.store import Store

if TYPE_CHECKING:
    from tests.contracts.conftest import OpenStore

VEHICLE = "veh_aaaaaaaaaaaaaaaa"
SESSION = AppSession("ses_1", "app_a", "default", VEHICLE, (), 1000, 1000, 1000, state=SessionState.ACTIVE)
CARD = Card("ses_1", "app_a", "one", Template.STATUS, "Größe", ("a", ""), (Button("b", "B"),))
EVENT = OutboxEvent("card.action", VEHICLE, {"app_id": "app_a"}, 1000)


def quiet(_: Told) -> None:
    """Nobody listens."""


@pytest.fixture
async def store(opened: OpenStore, tmp_path: Path) -> AsyncIterator[Store]:
    async with await opened(tmp_path) as store:
        await store.credentials.write(lambda tx: tx.add_vehicle(Vehicle(VEHICLE, "Blue van", b"\x02" * 33, bytes(16))))
        await store.bridge.add_session(SESSION, 5, 5, EVENT, quiet)
        yield store


async def on(store: Store, most: int = 9) -> list[str]:
    return [card.name for card in await store.bridge.cards_on(VEHICLE, most)]


async def test_it_is_kept_as_it_was_given_the_newest_last(store: Store) -> None:
    assert await store.bridge.put_card(CARD, 3, 1500)
    assert await store.bridge.cards_on(VEHICLE, 9) == [CARD]
    found = await store.bridge.session("ses_1")
    assert found is not None
    assert found.heard_at == 1500
    await store.bridge.put_card(replace(CARD, name="two"), 3, 1500)
    await store.bridge.put_card(replace(CARD, title="again"), 3, 1500)
    assert await on(store) == ["two", "one"]
    assert await on(store, 1) == ["one"]
    await store.bridge.drop_card("ses_1", "two")
    await store.bridge.drop_card("ses_1", "two")
    assert await on(store) == ["one"]


async def test_there_are_at_most_so_many(store: Store) -> None:
    assert await store.bridge.put_card(CARD, 1, 1000) is True
    assert await store.bridge.put_card(replace(CARD, name="two"), 1, 1000) is False
    assert await store.bridge.put_card(replace(CARD, title="other"), 1, 1000) is True
    assert await on(store) == ["one"]


async def test_only_an_active_session_has_any(store: Store) -> None:
    await store.bridge.put_card(CARD, 3, 1000)
    suspended = replace(SESSION, state=SessionState.SUSPENDED, updated_at=1100)
    assert await store.bridge.save_session(suspended, SESSION, None, quiet)
    assert await on(store) == []
    assert await store.bridge.put_card(CARD, 3, 1100) is None
    assert not await store.bridge.tell_of_card(CARD, EVENT, quiet)
    back = replace(SESSION, updated_at=1200)
    await store.bridge.save_session(back, suspended, None, quiet)
    assert await on(store) == ["one"]
    closed = replace(back, state=SessionState.CLOSED, reason=CloseReason.USER_EXIT, updated_at=1300)
    await store.bridge.save_session(closed, back, None, quiet)
    await store.bridge.save_session(replace(back, updated_at=1400), closed, None, quiet)
    assert await on(store) == [], "they are gone, and not only hidden"


async def test_cards_of_a_removed_app_go_with_it(store: Store) -> None:
    await store.bridge.put_card(CARD, 3, 1000)
    await store.bridge.revoke_app("app_a")
    assert await on(store) == []


async def test_what_was_pressed_must_be_what_was_shown(store: Store) -> None:
    await store.bridge.put_card(CARD, 3, 1000)
    told: list[Told] = []
    assert not await store.bridge.tell_of_card(replace(CARD, title="before"), EVENT, told.append)
    assert await store.bridge.tell_of_card(CARD, EVENT, told.append)
    assert [each.event for each in told] == [EVENT]
