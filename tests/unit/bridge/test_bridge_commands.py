"""Command resources: durable first, at most once, always brought to an end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from keygw.bridge.access import ScopeRequired
from keygw.bridge.executor import Timing
from keygw.bridge.records import App, CommandRecord, command_from_text, command_to_text
from keygw.model.command import Action, CommandState, Outcome
from keygw.model.entitlement import PROFILES
from keygw.model.errors import BadInput, Conflict, Forbidden, NotFound

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

S = CommandState


async def ask(world: World, app: App, action: str = "unlock", key: str = "k1", **more: object) -> CommandRecord:
    record, _ = await world.bridge.commands.create(app, world.vehicle.id, action=action, idempotency_key=key, **more)  # type: ignore[arg-type]
    return record


def states(record: CommandRecord) -> list[CommandState]:
    return [state for state, _ in record.timeline]


async def test_a_command_is_confirmed_by_the_receipt(world: World) -> None:
    app, _, key = await world.owner()
    record = await ask(world, app)
    assert record.state is S.ACCEPTED
    assert await world.store.bridge.command(record.id) is not None
    done = await world.settled(record)
    assert (done.state, done.reason, done.command.key_id) == (S.CONFIRMED, None, key.id)
    assert states(done) == [S.ACCEPTED, S.SENT, S.ACKNOWLEDGED, S.CONFIRMED]
    assert done.receipt is not None
    assert done.receipt.number == done.command.number
    assert done.measures is not None
    assert world.car.acted == [Action.UNLOCK]
    assert await world.store.bridge.command(record.id) == done
    assert command_from_text(command_to_text(done)) == done


async def test_already_in_state_is_a_success_with_its_reason(world: World) -> None:
    app, _, _ = await world.owner()
    world.car.outcome = Outcome.ALREADY_IN_STATE
    done = await world.settled(await ask(world, app, "lock"))
    assert (done.state, done.reason) == (S.CONFIRMED, "already_in_state")


async def test_a_refusal_carries_the_reason_of_the_car(world: World) -> None:
    app, _, _ = await world.owner()
    world.car.outcome = Outcome.DOOR_OPEN
    done = await world.settled(await ask(world, app, "lock"))
    assert (done.state, done.reason, done.may_have_happened) == (S.FAILED, "door_open", False)
    assert done.receipt is not None


async def test_every_step_is_on_disk_before_it_is_told(world: World) -> None:
    app, _, _ = await world.owner()
    told: list[tuple[str, str]] = []
    stream = world.hub.subscribe(lambda event: event.type == "keygw.command.updated")
    go = world.car.hold("sent")
    record = await ask(world, app)
    await world.car.at["sent"].wait()
    stored = await world.store.bridge.command(record.id)
    assert stored is not None
    assert (stored.state, stored.may_have_happened) == (S.SENT, True)
    go.set()
    await world.settled(record)
    while (event := await stream.next(0)) is not None:
        told.append((event.data["id"], event.data["state"]))
    assert told == [(record.id, state) for state in ("accepted", "sent", "acknowledged", "confirmed")]


async def test_the_same_idempotency_key_gives_the_same_command(world: World) -> None:
    app, _, _ = await world.owner()
    first, created = await world.bridge.commands.create(app, world.vehicle.id, action="unlock", idempotency_key="same")
    assert created
    await world.settled(first)
    again, created = await world.bridge.commands.create(app, world.vehicle.id, action="unlock", idempotency_key="same")
    assert (again.id, again.state, created) == (first.id, S.CONFIRMED, False)
    assert world.car.acted == [Action.UNLOCK]
    with pytest.raises(Conflict) as refused:
        await ask(world, app, "lock", "same")
    assert refused.value.code == "idempotency_mismatch"
    with pytest.raises(Conflict):
        await ask(world, app, "unlock", "same", expires_at=world.clock() + 2)


async def test_twins_at_the_same_moment_run_once(world: World) -> None:
    app, _, _ = await world.owner()
    records = await asyncio.gather(*(ask(world, app, "unlock", "twin") for _ in range(4)))
    assert len({record.id for record in records}) == 1
    await world.settled(records[0])
    assert world.car.acted == [Action.UNLOCK]
    # The places of the losers were given back.
    for number in range(4):
        await world.settled(await ask(world, app, "lock", f"after-{number}"))


async def test_idempotency_keys_belong_to_an_app(world: World) -> None:
    app, _, _ = await world.owner()
    other, _ = await world.app()
    await world.give_key(other)
    first, second = await ask(world, app, key="k"), await ask(world, other, "lock", "k")
    assert first.id != second.id
    assert (await world.settled(second)).state is S.CONFIRMED


async def test_commands_of_a_vehicle_run_one_after_the_other(world: World) -> None:
    app, _, _ = await world.owner()
    go = world.car.hold("sent")
    first = await ask(world, app, "unlock", "1")
    await world.car.at["sent"].wait()
    second = await ask(world, app, "lock", "2")
    assert second.state is S.QUEUED
    go.set()
    done = await world.settled(second)
    assert states(done) == [S.ACCEPTED, S.QUEUED, S.SENT, S.ACKNOWLEDGED, S.CONFIRMED]
    assert (await world.settled(first)).state is S.CONFIRMED
    assert world.car.acted == [Action.UNLOCK, Action.LOCK]


async def test_a_lane_has_room_for_so_many(world: World) -> None:
    app, _, _ = await world.owner()
    go = world.car.hold("sent")
    records = [await ask(world, app, "lock", str(number)) for number in range(4)]
    with pytest.raises(Conflict) as refused:
        await ask(world, app, "lock", "one too many")
    assert (refused.value.code, refused.value.retryable) == ("busy", True)
    assert await world.store.bridge.command_by_idempotency_key(app.id, "one too many") is None
    go.set()
    for record in records:
        assert (await world.settled(record)).state is S.CONFIRMED
    assert (await world.settled(await ask(world, app, "lock", "one too many"))).state is S.CONFIRMED


def test_an_absent_vehicle_is_told_within_four_seconds() -> None:
    timing = Timing()
    assert timing.absent < timing.doors == 4.0
    assert timing.other == 15.0


@pytest.mark.parametrize("action", ["unlock", "lock", "open_trunk"])
async def test_an_absent_vehicle_settles_the_command(world: World, action: str) -> None:
    app, _, _ = await world.owner()
    world.car.present = False
    done = await world.settled(await ask(world, app, action))
    assert (done.state, done.reason, done.may_have_happened) == (S.FAILED, "out_of_range", False)
    assert world.car.attempts == 1


@pytest.mark.parametrize("timing", [Timing(absent=0.02)])
async def test_a_radio_that_never_answers_settles_the_command_too(world: World) -> None:
    app, _, _ = await world.owner()
    world.car.hold("connect")
    done = await world.settled(await ask(world, app))
    assert (done.state, done.reason) == (S.FAILED, "out_of_range")


@pytest.mark.parametrize("timing", [Timing(answer=0.02)])
async def test_no_answer_after_sending_is_unknown(world: World) -> None:
    app, _, _ = await world.owner()
    world.car.hold("sent")
    world.car.present = True
    record = await ask(world, app)
    event = await world.heard("keygw.command.updated", id=record.id, state="unknown")
    assert (event.data["reason"], event.data["may_have_happened"], event.data["retryable"]) == (
        "no_answer",
        True,
        False,
    )


@pytest.mark.parametrize(("action", "life"), [("unlock", 4), ("lock", 4), ("open_trunk", 15), ("flash_lights", 15)])
async def test_lives_by_default(world: World, action: str, life: float) -> None:
    app, _, _ = await world.owner()
    record = await ask(world, app, action)
    assert record.command.expires_at - record.command.created_at == life
    await world.settled(record)


async def test_an_unlock_never_lives_longer_than_four_seconds(world: World) -> None:
    app, _, _ = await world.owner()
    world.car.present = False
    record = await ask(world, app, "unlock", expires_at=world.clock() + 3600)
    assert record.command.expires_at == world.clock() + 4
    assert (await world.settled(record)).reason == "out_of_range"


@pytest.mark.parametrize(
    ("ahead", "code"), [(0, "expires_in_past"), (-5, "expires_in_past"), (1e6, "expires_too_late")]
)
async def test_an_expiry_out_of_bounds_is_refused(world: World, ahead: float, code: str) -> None:
    app, _, _ = await world.owner()
    with pytest.raises(BadInput) as refused:
        await ask(world, app, "lock", expires_at=world.clock() + ahead)
    assert refused.value.code == code


async def test_a_patient_command_waits_for_the_vehicle(world: World) -> None:
    app, _, _ = await world.owner()
    world.car.present = False
    record = await ask(world, app, "lock", expires_at=world.clock() + 60)
    await world.car.until(lambda: world.car.attempts >= 3)
    world.car.present = True
    assert (await world.settled(record)).state is S.CONFIRMED


async def test_a_patient_command_expires_all_the_same(world: World) -> None:
    app, _, _ = await world.owner()
    world.car.present = False
    record = await ask(world, app, "lock", expires_at=world.clock() + 60)
    world.clock.now += 61
    done = await world.settled(record)
    assert done.state is S.EXPIRED


async def test_a_command_whose_time_came_while_it_waited_is_not_sent(world: World) -> None:
    app, _, _ = await world.owner()
    go = world.car.hold("sent")
    first = await ask(world, app, "unlock", "1")
    await world.car.at["sent"].wait()
    second = await ask(world, app, "lock", "2")
    world.clock.now += 5
    go.set()
    done = await world.settled(second)
    assert (done.state, done.reason) == (S.EXPIRED, "command_expired")
    await world.settled(first)
    assert world.car.acted == [Action.UNLOCK]


async def test_time_up_while_connecting_stops_it_at_the_last_gate(world: World) -> None:
    app, _, _ = await world.owner()
    go = world.car.hold("connect")
    record = await ask(world, app)
    await world.car.at["connect"].wait()
    world.clock.now += 5
    go.set()
    done = await world.settled(record)
    assert (done.state, world.car.acted) == (S.EXPIRED, [])


async def test_a_clock_set_back_gives_no_longer_life(world: World) -> None:
    app, _, _ = await world.owner()
    world.car.hold("connect")
    record = await ask(world, app, "lock", expires_at=world.clock() + 0.03)
    world.clock.now -= 3600
    done = await world.settled(record)
    assert (done.state, done.reason) == (S.EXPIRED, "out_of_range")


async def test_cancel_while_waiting(world: World) -> None:
    app, _, _ = await world.owner()
    go = world.car.hold("sent")
    first = await ask(world, app, "unlock", "1")
    await world.car.at["sent"].wait()
    second = await ask(world, app, "lock", "2")
    cancelled = await world.bridge.commands.cancel(app, world.vehicle.id, second.id)
    assert cancelled.state is S.CANCELLED
    assert (await world.bridge.commands.cancel(app, world.vehicle.id, second.id)).state is S.CANCELLED
    with pytest.raises(Conflict) as refused:
        await world.bridge.commands.cancel(app, world.vehicle.id, first.id)
    assert (refused.value.code, refused.value.may_have_happened) == ("already_sent", True)
    go.set()
    await world.settled(first)
    assert world.car.acted == [Action.UNLOCK]
    with pytest.raises(Conflict) as refused:
        await world.bridge.commands.cancel(app, world.vehicle.id, first.id)
    assert refused.value.code == "already_settled"


async def test_cancel_while_connecting(world: World) -> None:
    app, _, _ = await world.owner()
    world.car.hold("connect")
    record = await ask(world, app)
    await world.car.at["connect"].wait()
    assert (await world.bridge.commands.cancel(app, world.vehicle.id, record.id)).state is S.CANCELLED
    world.car._holds.clear()
    assert (await world.settled(await ask(world, app, key="next"))).state is S.CONFIRMED


async def test_cancel_of_a_patient_command_between_attempts(world: World) -> None:
    app, _, _ = await world.owner()
    world.car.present = False
    record = await ask(world, app, "lock", expires_at=world.clock() + 60)
    await world.car.until(lambda: world.car.attempts >= 2)
    assert (await world.bridge.commands.cancel(app, world.vehicle.id, record.id)).state is S.CANCELLED
    attempts = world.car.attempts
    await asyncio.sleep(0.03)
    assert world.car.attempts == attempts


async def test_a_key_that_ends_while_the_command_waits_is_refused_before_sending(world: World) -> None:
    app, _, key = await world.owner()
    go = world.car.hold("sent")
    first = await ask(world, app, "unlock", "1")
    await world.car.at["sent"].wait()
    second = await ask(world, app, "lock", "2")
    await world.credentials.suspend(key.id)
    go.set()
    done = await world.settled(second)
    assert (done.state, done.reason) == (S.FAILED, "key_suspended")
    await world.settled(first)
    assert world.car.acted == [Action.UNLOCK]


async def test_the_policy_is_asked_before_anything_is_promised(world: World) -> None:
    owner, _, key = await world.owner()
    friend, _ = await world.app()
    await world.give_friend_key(friend, key, PROFILES["access"])
    with pytest.raises(Forbidden) as refused:
        await ask(world, friend, "open_trunk")
    assert refused.value.code == "not_entitled"
    await world.credentials.revoke(key.id)
    for app in (owner, friend):
        with pytest.raises(Forbidden) as refused:
            await ask(world, app, "unlock", "x")
        assert refused.value.code == "key_revoked"
    assert await world.store.bridge.open_commands() == []


async def test_only_a_key_of_ones_own_can_be_named(world: World) -> None:
    owner, _, key = await world.owner()
    friend, _ = await world.app()
    theirs = await world.give_friend_key(friend, key, PROFILES["access"])
    for app, foreign in ((friend, key), (owner, theirs)):
        with pytest.raises(NotFound) as refused:
            await ask(world, app, key_id=foreign.id)
        assert refused.value.code == "unknown_key"
    done = await world.settled(await ask(world, friend, key_id=theirs.id))
    assert done.command.key_id == theirs.id


async def test_without_a_name_the_key_that_can_do_it_is_taken(world: World) -> None:
    _, _, key = await world.owner()
    app, _ = await world.app()
    await world.give_friend_key(app, key, PROFILES["delivery"])
    access = await world.give_friend_key(app, key, PROFILES["access"])
    trunk = await world.give_friend_key(app, key, PROFILES["delivery"])
    assert (await world.settled(await ask(world, app, "unlock", "1"))).command.key_id == access.id
    assert (await world.settled(await ask(world, app, "open_trunk", "2"))).command.key_id == trunk.id


async def test_refusals_before_there_is_a_resource(world: World) -> None:
    app, _, _ = await world.owner("command.lock", "key.manage", "vehicle.manage")
    with pytest.raises(BadInput) as bad:
        await ask(world, app, "explode")
    assert bad.value.code == "unknown_action"
    with pytest.raises(ScopeRequired) as narrow:
        await ask(world, app, "unlock")
    assert narrow.value.scope == "command.unlock"
    stranger, _ = await world.app()
    with pytest.raises(NotFound) as absent:
        await ask(world, stranger)
    assert absent.value.code == "unknown_vehicle"
    operator = await world.bridge.apps.authenticate("kgw_operator-for-tests")
    with pytest.raises(Forbidden) as keyless:
        await ask(world, operator)
    assert keyless.value.code == "no_key"


async def test_a_command_is_its_apps_alone(world: World) -> None:
    app, _, _ = await world.owner()
    other, _ = await world.app()
    await world.give_key(other)
    record = await world.settled(await ask(world, app))
    for call in (world.bridge.commands.get, world.bridge.commands.cancel):
        with pytest.raises(NotFound) as refused:
            await call(other, world.vehicle.id, record.id)
        assert refused.value.code == "unknown_command"
    with pytest.raises(NotFound):
        await world.bridge.commands.get(app, "veh_mfrggzdfmztwq2lk", record.id)


async def test_a_caller_that_hangs_up_does_not_stop_the_command(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    app, _, _ = await world.owner()
    add, writing = world.store.bridge.add_command, asyncio.Event()

    async def told(record: CommandRecord, *where: Any) -> object:
        writing.set()
        return await add(record, *where)

    monkeypatch.setattr(type(world.store.bridge), "add_command", lambda _, *given: told(*given))
    call = asyncio.create_task(ask(world, app, key="gone"))
    await writing.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await world.heard("keygw.command.updated", state="confirmed")
    assert world.car.acted == [Action.UNLOCK]


async def test_a_bug_below_ends_the_command_and_not_the_lane(world: World) -> None:
    app, _, _ = await world.owner()
    world.car.broken = RuntimeError("a bug")
    done = await world.settled(await ask(world, app, key="1"))
    assert (done.state, done.reason) == (S.FAILED, "internal")
    world.car.broken = None
    assert (await world.settled(await ask(world, app, key="2"))).state is S.CONFIRMED


async def test_a_fleet_that_cancels_itself_does_not_kill_the_lane(world: World) -> None:
    app, _, _ = await world.owner()
    world.car.broken = asyncio.CancelledError()  # type: ignore[assignment]
    done = await world.settled(await ask(world, app, key="1"))
    assert done.state is S.EXPIRED
    world.car.broken = None
    assert (await world.settled(await ask(world, app, key="2"))).state is S.CONFIRMED


async def test_waiting_ends_when_the_time_is_up(world: World) -> None:
    app, _, _ = await world.owner()
    go = world.car.hold("connect")
    record = await ask(world, app)
    assert (await world.bridge.commands.wait(record, 0.01)).state is S.ACCEPTED
    go.set()
