"""Who gets a connection when there are few: in the order in which they came, and none is ever lost."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from keygw.ble.slots import MOST_WAITING, Slots
from keygw.model.errors import LinkError


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_first_come_first_served() -> None:
    slots, order = Slots(2), list[int]()

    async def come(number: int) -> None:
        await slots.take()
        order.append(number)

    tasks = [asyncio.create_task(come(number)) for number in range(5)]
    await settle()
    assert (order, slots.taken, slots.waiting) == ([0, 1], 2, 3)
    for _ in range(3):
        slots.give_back()
    await settle()
    assert (order, slots.taken, slots.waiting) == ([0, 1, 2, 3, 4], 2, 0)
    slots.give_back()
    slots.give_back()
    assert slots.taken == 0
    await asyncio.gather(*tasks)


async def test_a_newcomer_does_not_overtake_who_waits() -> None:
    slots = Slots(1)
    await slots.take()
    waiting = asyncio.create_task(slots.take())
    await settle()
    slots.give_back()
    late = asyncio.create_task(slots.take())
    await settle()
    assert (waiting.done(), late.done()) == (True, False)
    late.cancel()
    await asyncio.gather(late, return_exceptions=True)
    assert (slots.taken, slots.waiting) == (1, 0)


async def test_too_many_are_sent_away_at_once() -> None:
    slots = Slots(1)
    await slots.take()
    queue = [asyncio.create_task(slots.take()) for _ in range(MOST_WAITING)]
    await settle()
    with pytest.raises(LinkError) as refused:
        await slots.take()
    assert (refused.value.code, refused.value.retryable) == ("radio_busy", True)
    for task in queue:
        task.cancel()
    await asyncio.gather(*queue, return_exceptions=True)
    assert (slots.taken, slots.waiting) == (1, 0)


async def test_none_is_lost_however_they_come_and_go(rng: Random) -> None:
    slots, holding, tasks = Slots(3), 0, list[asyncio.Task[None]]()

    async def visit(turns: int) -> None:
        nonlocal holding
        await slots.take()
        holding += 1
        try:
            assert holding <= 3
            for _ in range(turns):
                await asyncio.sleep(0)
        finally:
            holding -= 1
            slots.give_back()

    for _ in range(300):
        tasks.append(asyncio.create_task(visit(rng.randrange(4))))
        if rng.random() < 0.5:
            rng.choice(tasks).cancel()
        for _ in range(rng.randrange(3)):
            await asyncio.sleep(0)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (holding, slots.taken, slots.waiting) == (0, 0, 0)


def test_an_adapter_has_at_least_one() -> None:
    with pytest.raises(ValueError, match="of no use"):
        Slots(0)
