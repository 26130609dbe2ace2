"""A store that refuses in the middle of a command: nothing is sent that is not written down, no outcome is lost, and
no lane stands still."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from keygw.bridge.records import App, CommandRecord
from keygw.model.command import CommandState
from keygw.model.errors import Conflict, StoreError

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

S = CommandState


async def ask(world: World, app: App, key: str = "k1") -> CommandRecord:
    record, _ = await world.bridge.commands.create(app, world.vehicle.id, action="unlock", idempotency_key=key)
    return record


async def test_what_is_not_on_disk_does_not_go_on_the_air(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    app, _, _ = await world.owner()
    save = world.store.bridge.save_command

    async def full(record: CommandRecord, *where: Any) -> bool:
        if record.state is S.SENT:
            raise StoreError("the disk is full")
        return await save(record, *where)

    monkeypatch.setattr(type(world.store.bridge), "save_command", lambda _, *given: full(*given))
    done = await world.settled(await ask(world, app))
    assert (done.state, done.reason, world.car.acted) == (S.FAILED, "store_unavailable", [])


async def test_an_outcome_is_written_when_the_store_is_free_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, _, _ = await world.owner()
    save, refusals = world.store.bridge.save_command, [1, 2]

    async def busy(record: CommandRecord, *where: Any) -> bool:
        if record.state is S.CONFIRMED and refusals:
            refusals.pop()
            raise StoreError("locked", code="store_busy", retryable=True)
        return await save(record, *where)

    monkeypatch.setattr(type(world.store.bridge), "save_command", lambda _, *given: busy(*given))
    assert (await world.settled(await ask(world, app))).state is S.CONFIRMED


async def test_an_outcome_is_offered_until_the_store_takes_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer than the rewrites last; meanwhile a cancel says what is so, and the lane goes on."""
    app, _, _ = await world.owner()
    world.car.present = False
    store = world.store.bridge
    save, busy, refusals, many = store.save_command, True, 0, asyncio.Event()

    async def locked(record: CommandRecord, *where: Any) -> bool:
        nonlocal refusals
        if busy and record.id == first.id:
            refusals += 1
            if refusals > len(world.timing.rewrite) + 2:
                many.set()
            raise StoreError("locked", code="store_busy", retryable=True)
        return await save(record, *where)

    monkeypatch.setattr(type(store), "save_command", lambda _, *given: locked(*given))
    first = await ask(world, app, key="1")
    await asyncio.wait_for(many.wait(), 5)
    with pytest.raises(StoreError) as refused:
        await world.bridge.commands.cancel(app, world.vehicle.id, first.id)
    assert (refused.value.code, refused.value.retryable, refused.value.may_have_happened) == ("store_busy", True, False)
    second = await world.settled(await ask(world, app, key="2"))
    assert (second.state, second.reason) == (S.FAILED, "out_of_range")
    busy = False
    done = await world.settled(first)
    assert (done.state, done.reason) == (S.FAILED, "out_of_range")
    with pytest.raises(Conflict) as late:
        await world.bridge.commands.cancel(app, world.vehicle.id, first.id)
    assert late.value.code == "already_settled"


async def test_a_cancel_writes_an_outcome_that_is_owed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    app, _, _ = await world.owner()
    world.car.present = False
    store = world.store.bridge
    save, left, last = store.save_command, len(world.timing.rewrite) + 1, asyncio.Event()

    async def locked(record: CommandRecord, *where: Any) -> bool:
        nonlocal left
        if left:
            left -= 1
            if not left:
                last.set()
            raise StoreError("locked", code="store_busy", retryable=True)
        return await save(record, *where)

    monkeypatch.setattr(type(store), "save_command", lambda _, *given: locked(*given))
    monkeypatch.setattr(world.bridge._lanes, "_again", 3600.0)  # no further attempt of its own
    record = await ask(world, app)
    await asyncio.wait_for(last.wait(), 5)
    with pytest.raises(Conflict) as refused:
        await world.bridge.commands.cancel(app, world.vehicle.id, record.id)
    assert refused.value.code == "already_settled"
    assert (await world.bridge.commands.get(app, world.vehicle.id, record.id)).reason == "out_of_range"


async def test_a_store_that_cannot_be_read_ends_the_command(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    app, _, _ = await world.owner()
    key = world.credentials.key
    failures = [1]

    async def unreadable(key_id: str) -> object:
        if failures:
            failures.pop()
            raise StoreError("the disk")
        return await key(key_id)

    monkeypatch.setattr(world.credentials, "key", unreadable)
    done = await world.settled(await ask(world, app, key="1"))
    assert (done.state, done.reason) == (S.FAILED, "store_unavailable")
    assert (await world.settled(await ask(world, app, key="2"))).state is S.CONFIRMED


async def test_an_outcome_that_can_never_be_written_frees_its_place(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, _, _ = await world.owner()

    async def taken_over(*_: object) -> bool:
        return False

    monkeypatch.setattr(type(world.store.bridge), "save_command", taken_over)
    record = await ask(world, app)
    job = world.bridge._lanes.job(record.id)
    assert job is not None
    await job.done.wait()
    await asyncio.gather(*world.bridge._lanes._owed)
    assert world.bridge._lanes._lanes == {}


async def test_a_command_that_could_not_be_written_down_gives_its_place_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, _, _ = await world.owner()

    async def broken(*_: object) -> object:
        raise RuntimeError("a bug")

    monkeypatch.setattr(type(world.store.bridge), "add_command", broken)
    with pytest.raises(RuntimeError):
        await ask(world, app)
    assert world.bridge._lanes._lanes == {}


async def test_a_store_error_while_a_doubt_is_pursued_strands_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, _, _ = await world.owner()
    world.car.cut = True
    go = world.car.hold("sent")
    first = await ask(world, app, key="1")
    await world.car.at["sent"].wait()
    second = await ask(world, app, key="2")

    async def unreadable(*_: object, **__: object) -> object:
        raise StoreError("the disk")

    with monkeypatch.context() as patch:
        patch.setattr(world.credentials, "receipts", unreadable)
        world.car._holds.clear()
        go.set()
        assert (await world.settled(second)).state is S.CONFIRMED
    world.bridge.contact(world.vehicle.id)
    assert (await world.settled(first)).state is S.CONFIRMED
