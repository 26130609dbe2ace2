"""What every ``PairingStore`` must do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keygw.bridge.pairing_ports import GRACE_SECONDS, Guesses, Pairing, PairingState
from keygw.bridge.ports import BridgeStore

if TYPE_CHECKING:
    from tests.contracts.conftest import OpenStore

FIRST = Pairing("par_1", "app_a", "ten_a", "Blue van", 1000, 1120)
OVER = FIRST.expires_at + GRACE_SECONDS + 1


@pytest.fixture
async def store(opened: OpenStore, tmp_path: Path) -> AsyncIterator[BridgeStore]:
    async with await opened(tmp_path) as store:
        yield store.bridge


def another(number: int, **changes: object) -> Pairing:
    return replace(FIRST, id=f"par_{number}", **changes)  # type: ignore[arg-type]  # its own fields


async def test_it_is_kept_as_it_was_given(store: BridgeStore) -> None:
    assert await store.pairing(FIRST.id) is None
    assert await store.add_pairing(FIRST, 100)
    assert await store.pairing(FIRST.id) == FIRST
    done = replace(FIRST, state=PairingState.DONE, vehicle_id="veh_a", key_id="key_a")
    assert await store.save_pairing(done, PairingState.SEARCHING)
    assert await store.pairing(FIRST.id) == done


async def test_an_app_is_at_one_at_a_time(store: BridgeStore) -> None:
    begun = await asyncio.gather(*(store.add_pairing(another(number), 100) for number in range(8)))
    assert sum(begun) == 1
    assert await store.add_pairing(another(9, app_id="app_b"), 100), "another app is not concerned"


async def test_one_that_nobody_finished_stands_in_the_way_until_it_is_over(store: BridgeStore) -> None:
    await store.add_pairing(FIRST, 100)
    assert not await store.add_pairing(another(2, created_at=OVER - 1), 100)
    assert await store.add_pairing(another(3, created_at=OVER), 100)


async def test_only_the_newest_are_kept(store: BridgeStore) -> None:
    for number in range(6):
        made = another(number, created_at=1000 + number, state=PairingState.FAILED)
        assert await store.add_pairing(made, 3)
    kept = [number for number in range(6) if await store.pairing(f"par_{number}")]
    assert kept == [3, 4, 5]


async def test_a_step_is_written_only_on_the_one_before(store: BridgeStore) -> None:
    await store.add_pairing(FIRST, 100)
    enrolled = replace(FIRST, state=PairingState.ENROLLED)
    assert not await store.save_pairing(enrolled, PairingState.PROVING)
    assert await store.pairing(FIRST.id) == FIRST
    assert not await store.save_pairing(another(2, state=PairingState.ENROLLED), PairingState.SEARCHING)


async def test_a_dropped_one_takes_no_step(store: BridgeStore) -> None:
    await store.add_pairing(FIRST, 100)
    assert await store.drop_pairing(FIRST.id, 1001)
    assert await store.pairing(FIRST.id) is None
    assert not await store.save_pairing(replace(FIRST, state=PairingState.PROVING), PairingState.SEARCHING)
    assert await store.drop_pairing(FIRST.id, 1001), "twice is the same"


async def test_what_is_enrolled_is_not_dropped_while_it_may_go_on(store: BridgeStore) -> None:
    await store.add_pairing(replace(FIRST, state=PairingState.ENROLLED), 100)
    assert not await store.drop_pairing(FIRST.id, OVER - 1)
    assert await store.drop_pairing(FIRST.id, OVER)


async def test_a_restart_ends_what_was_under_way_and_nothing_else(store: BridgeStore) -> None:
    for number, state in enumerate(PairingState):
        await store.add_pairing(another(number, app_id=f"app_{number}", state=state), 100)
    assert await store.interrupt_pairings() == 3
    found = [await store.pairing(f"par_{number}") for number in range(len(PairingState))]
    ends = [(each.state.value, each.reason) for each in found if each is not None]
    assert ends == [("failed", "interrupted")] * 3 + [("done", None), ("failed", None)]


async def test_wrong_codes_in_a_row_are_counted_for_each_app(store: BridgeStore) -> None:
    assert await store.guesses("app_a") == Guesses(0, 0)
    for at in range(1, 6):
        await store.note_guess("app_a", True, at, 5)
        assert await store.guesses("app_a") == Guesses(at, at)
    await store.note_guess("app_a", True, 6, 5)
    assert await store.guesses("app_a") == Guesses(1, 6), "after a lock they are counted anew"
    await store.note_guess("app_b", True, 7, 5)
    await store.note_guess("app_a", False, 8, 5)
    assert (await store.guesses("app_a"), await store.guesses("app_b")) == (Guesses(0, 0), Guesses(1, 7))


def test_one_whose_gateway_has_gone_is_shown_as_interrupted() -> None:
    enrolled = replace(FIRST, state=PairingState.ENROLLED)
    assert enrolled.seen(OVER - 1) is enrolled
    assert (enrolled.seen(OVER).state, enrolled.seen(OVER).reason) == (PairingState.FAILED, "interrupted")
    done = replace(FIRST, state=PairingState.DONE)
    assert done.seen(OVER) is done
