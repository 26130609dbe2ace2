"""What every ``OfferStore`` must do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keygw.bridge.app_session import AppSession, CloseReason, SessionState
from keygw.bridge.offer_ports import OFFER_SECONDS, Destination, Offer, OfferState, Voice
from keygw.bridge.records import App
from keygw.credentials.outbox_ports import OutboxEvent, Told
from keygw.model.vehicle import Vehicle
from keygw.store.store import Store

if TYPE_CHECKING:
    from tests.contracts.conftest import OpenStore

VEHICLE = "veh_aaaaaaaaaaaaaaaa"
SESSION = AppSession("ses_1", "app_a", "default", VEHICLE, (), 1000, 1000, 1000, state=SessionState.ACTIVE)
PLACE = Offer("off_1", "ses_1", "app_a", "Maps", VEHICLE, Destination("Größe 5", 53.5459, -9.9695), 1000)
WORDS = Offer("off_2", "ses_1", "app_a", "Maps", VEHICLE, Voice("go.home", "nach Hause"), 1000)
EVENT = OutboxEvent("session.answered", VEHICLE, {"app_id": "app_a"}, 1000)


def quiet(_: Told) -> None:
    """Nobody listens."""


@pytest.fixture
async def store(opened: OpenStore, tmp_path: Path) -> AsyncIterator[Store]:
    async with await opened(tmp_path) as store:
        await store.credentials.write(lambda tx: tx.add_vehicle(Vehicle(VEHICLE, "Blue van", b"\x02" * 33, bytes(16))))
        await store.bridge.add_app(App("app_a", "Maps", frozenset(), 1000.0, b"\x01" * 32))
        await store.bridge.add_session(SESSION, 5, 5, EVENT, quiet)
        yield store


async def on(store: Store, since: int = 0, most: int = 9) -> list[str]:
    return [offer.id for offer in await store.bridge.offers_on(VEHICLE, since, most)]


async def test_one_of_a_kind_is_kept_as_it_was_given_and_the_same_is_the_same(store: Store) -> None:
    assert await store.bridge.put_offer(PLACE, 1500) == PLACE
    assert await store.bridge.put_offer(WORDS, 1500) == WORDS
    assert await store.bridge.put_offer(replace(PLACE, id="off_3"), 1500) == PLACE
    assert [await store.bridge.offer(name) for name in ("off_1", "off_2", "off_3")] == [PLACE, WORDS, None]
    found = await store.bridge.session("ses_1")
    assert found is not None
    assert found.heard_at == 1500
    other = replace(PLACE, id="off_4", what=Destination("Hof", 0.0, 0.0), created_at=1100)
    assert await store.bridge.put_offer(other, 1500) == other
    assert await on(store) == ["off_2", "off_4"]
    assert await on(store, since=1000) == ["off_4"]
    assert await on(store, most=1) == ["off_4"]


async def test_what_is_over_is_not_the_same(store: Store) -> None:
    await store.bridge.put_offer(PLACE, 1000)
    later = replace(PLACE, id="off_3", created_at=1000 + OFFER_SECONDS)
    assert await store.bridge.put_offer(later, later.created_at) == later
    await store.bridge.drop_offers(later.created_at)
    assert await on(store) == []


async def test_only_an_active_session_has_any(store: Store) -> None:
    await store.bridge.put_offer(PLACE, 1000)
    suspended = replace(SESSION, state=SessionState.SUSPENDED, updated_at=1100)
    assert await store.bridge.save_session(suspended, SESSION, None, quiet)
    assert await on(store) == []
    assert await store.bridge.put_offer(WORDS, 1100) is None
    assert not await store.bridge.answer_offer(PLACE, OfferState.ACCEPTED, EVENT, quiet)
    closed = replace(suspended, state=SessionState.CLOSED, reason=CloseReason.USER_EXIT, updated_at=1200)
    await store.bridge.save_session(closed, suspended, None, quiet)
    assert await store.bridge.offer("off_1") is None, "gone, and not only hidden"


async def test_it_is_answered_once_and_the_event_goes_with_it(store: Store) -> None:
    await store.bridge.put_offer(PLACE, 1000)
    told: list[Told] = []
    assert await store.bridge.answer_offer(PLACE, OfferState.ACCEPTED, EVENT, told.append)
    assert not await store.bridge.answer_offer(PLACE, OfferState.REFUSED, EVENT, told.append)
    assert [each.event for each in told] == [EVENT]
    assert await store.bridge.offer("off_1") == replace(PLACE, state=OfferState.ACCEPTED)
    again = replace(PLACE, id="off_3")
    assert await store.bridge.put_offer(again, 1500) == again, "what was answered is offered anew"


async def test_offers_of_a_removed_app_go_with_it(store: Store) -> None:
    await store.bridge.put_offer(PLACE, 1000)
    await store.bridge.revoke_app("app_a")
    assert await store.bridge.offer("off_1") is None


async def test_active_sessions_are_found_by_their_vehicle_with_what_ends_them(store: Store) -> None:
    ends = (CloseReason.LINK_LOST, CloseReason.IGNITION_OFF)
    other = replace(SESSION, id="ses_2", closes_on=ends, created_at=1001)
    await store.bridge.add_session(other, 5, 5, EVENT, quiet)
    assert await store.bridge.sessions_at(VEHICLE) == [SESSION, other]
    assert await store.bridge.sessions_at("veh_bbbbbbbbbbbbbbbb") == []
    suspended = replace(other, state=SessionState.SUSPENDED, updated_at=1100)
    await store.bridge.save_session(suspended, other, None, quiet)
    assert await store.bridge.sessions_at(VEHICLE) == [SESSION]
