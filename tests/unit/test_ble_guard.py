"""One rule for radio operations: done, out of time, or gone."""

from __future__ import annotations

import asyncio

import pytest

from keygw.ble.guard import Gone, guarded


def future() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


async def test_a_result_passes() -> None:
    async def work() -> int:
        return 7

    assert await guarded(work(), future(), 1.0) == 7


async def test_its_own_error_passes() -> None:
    async def work() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        await guarded(work(), future(), 1.0)


async def test_time_is_up() -> None:
    stopped = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    with pytest.raises(TimeoutError):
        await guarded(work(), future(), 0.01)
    await asyncio.wait_for(stopped.wait(), 1.0)


async def test_gone_ends_what_hangs() -> None:
    gone = future()
    asyncio.get_running_loop().call_later(0.01, gone.set_result, None)
    with pytest.raises(Gone):
        await guarded(asyncio.Event().wait(), gone, 5.0)


async def test_what_is_gone_already_is_not_begun() -> None:
    gone = future()
    gone.set_result(None)
    begun = False

    async def work() -> None:
        nonlocal begun
        begun = True

    with pytest.raises(Gone):
        await guarded(work(), gone, 5.0)
    assert not begun


async def test_a_library_that_cancels_itself_does_not_cancel_us() -> None:
    async def work() -> None:
        raise asyncio.CancelledError

    with pytest.raises(Gone):
        await guarded(work(), future(), 5.0)


async def test_our_own_cancellation_passes_and_stops_the_work() -> None:
    stopped = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    task = asyncio.ensure_future(guarded(work(), future(), None))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(stopped.wait(), 1.0)
