"""After a restart, and after a lost link: nothing is acted upon twice, and every doubt is settled by receipts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from keygw.bridge.records import App, CommandRecord
from keygw.model.command import Action, CommandState, Outcome
from keygw.model.signal import SignalId
from keygw.vehicle.values import CommandResult

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

S = CommandState


async def ask(world: World, app: App, action: str = "unlock", key: str = "k") -> CommandRecord:
    record, _ = await world.bridge.commands.create(app, world.vehicle.id, action=action, idempotency_key=key)
    return record


async def stop_at(world: World, stage: str, action: str = "unlock") -> CommandRecord:
    """A gateway that dies while a command is at that stage."""
    app, _, _ = await world.owner()
    world.car.hold(stage)
    record = await ask(world, app, action)
    await world.car.at[stage].wait()
    await world.bridge.stop()
    world.car._holds.clear()
    return record


async def stored(world: World, record: CommandRecord) -> CommandRecord:
    found = await world.store.bridge.command(record.id)
    assert found is not None
    return found


async def test_what_had_not_left_expires(world: World) -> None:
    record = await stop_at(world, "connect")
    await (await world.rebuild()).start()
    found = await stored(world, record)
    assert (found.state, found.reason, found.may_have_happened) == (S.EXPIRED, "gateway_restarted", False)
    assert world.car.acted == []


async def test_what_had_not_left_and_was_too_old_anyway(world: World) -> None:
    record = await stop_at(world, "connect")
    world.clock.now += 60
    await (await world.rebuild()).start()
    assert (await stored(world, record)).reason == "command_expired"


async def test_what_had_left_is_unknown_until_the_car_tells(world: World) -> None:
    record = await stop_at(world, "answer")
    assert (await stored(world, record)).state is S.SENT
    await (await world.rebuild()).start()
    event = await world.heard("keygw.command.updated", id=record.id, state="confirmed")
    assert [step["state"] for step in event.data["timeline"]] == ["accepted", "sent", "unknown", "confirmed"]
    assert event.data["receipt"]["number"] == record.command.number
    assert world.car.acted == [Action.UNLOCK]


async def test_a_receipt_that_came_before_the_crash_settles_it_without_the_car(world: World) -> None:
    record = await stop_at(world, "answer")
    await world.car.deliver()
    world.car.present = False
    await (await world.rebuild()).start()
    found = await stored(world, record)
    assert (found.state, found.timeline[-2][0]) == (S.CONFIRMED, S.UNKNOWN)
    assert world.car.settles == []


async def test_a_link_cut_after_the_act_is_settled_from_the_receipts(world: World) -> None:
    app, _, _ = await world.owner()
    world.car.cut = True
    record = await ask(world, app)
    unknown = await world.heard("keygw.command.updated", id=record.id, state="unknown")
    assert (unknown.data["reason"], unknown.data["settled"]) == ("link_lost", False)
    done = await world.settled(record)
    assert (done.state, world.car.acted) == (S.CONFIRMED, [Action.UNLOCK])
    assert done.receipt is not None


async def test_a_refusal_behind_a_cut_link_is_told_as_such(world: World) -> None:
    app, _, _ = await world.owner()
    world.car.cut, world.car.outcome = True, Outcome.KEY_SUSPENDED
    done = await world.settled(await ask(world, app))
    assert (done.state, done.reason) == (S.FAILED, "key_suspended")


async def test_a_link_cut_before_the_act_is_settled_by_a_log_without_holes(world: World) -> None:
    app, _, _ = await world.owner()
    await world.settled(await ask(world, app, "lock", "earlier"))
    world.car.deaf = True
    done = await world.settled(await ask(world, app))
    assert (done.state, done.reason, done.may_have_happened) == (S.FAILED, "not_executed", False)


async def test_a_log_with_holes_proves_nothing(world: World) -> None:
    app, _, _ = await world.owner()
    world.car.deaf = True
    go = world.car.hold("sent")
    record = await ask(world, app)
    await world.car.at["sent"].wait()
    for number in (1, 2):  # what others do meanwhile; of that we shall get only the second receipt
        world.car.act(replace(record.command, number=number))
    world.car._delivered = 1
    go.set()
    await world.heard("keygw.key.used", sequence=2)
    settles = len(world.car.settles)
    assert (await world.bridge.commands.wait(record, 0.02)).state is S.UNKNOWN
    await world.credentials.record_receipt(world.vehicle.id, world.car.receipts[0])
    world.bridge.contact(world.vehicle.id)
    assert (await world.settled(record)).reason == "not_executed"
    assert len(world.car.settles) == settles + 1


async def test_the_next_contact_settles_when_the_car_was_out_of_reach(world: World) -> None:
    app, _, key = await world.owner()
    world.car.cut = True
    go = world.car.hold("sent")
    record = await ask(world, app)
    await world.car.at["sent"].wait()
    world.car.present = False
    go.set()
    await world.heard("keygw.command.updated", id=record.id, state="unknown")
    await world.car.until(lambda: len(world.car.settles) >= 3)  # the attempts that a lost link gets by itself
    assert (await stored(world, record)).state is S.UNKNOWN
    world.car.present = True
    world.car.up(key.id)
    assert (await world.settled(record)).state is S.CONFIRMED


async def test_receipts_of_others_settle_nothing(world: World) -> None:
    app, _, _ = await world.owner()
    theirs = await world.give_key((await world.app())[0])
    world.car.deaf = True
    go = world.car.hold("sent")
    record = await ask(world, app)
    await world.car.at["sent"].wait()
    world.car.act(replace(record.command, number=record.command.number ^ 1))
    world.car.act(replace(record.command, key_id=theirs.id))
    world.car.act(replace(record.command, action=Action.LOCK))
    go.set()
    done = await world.settled(record)
    assert (done.state, done.reason, done.receipt) == (S.FAILED, "not_executed", None)


@pytest.mark.parametrize(("locked", "state"), [(True, S.FAILED), (False, S.CONFIRMED)])
async def test_when_signal_and_receipt_disagree_a_second_look_decides(
    world: World, locked: bool, state: CommandState, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, _, _ = await world.owner()
    execute, settle = type(world.car).execute, type(world.car).settle

    async def doubtful(car: object, authorized: object, on_state: object) -> CommandResult:
        result = await execute(car, authorized, on_state)  # type: ignore[arg-type]
        return CommandResult(S.UNKNOWN, "signal_disagrees", result.outcome, result.receipt, result.measures)

    async def look(car: object, vehicle_id: str, key_id: str) -> None:
        await settle(car, vehicle_id, key_id)  # type: ignore[arg-type]
        world.car.report(SignalId.CENTRAL_LOCK, locked)

    monkeypatch.setattr(type(world.car), "execute", doubtful)
    monkeypatch.setattr(type(world.car), "settle", look)
    done = await world.settled(await ask(world, app))
    assert (done.state, done.timeline[-2][0]) == (state, S.UNKNOWN)
    assert done.reason == ("signal_disagrees" if locked else None)
    assert done.may_have_happened, "its receipt says that it was done"


async def test_what_the_car_answered_is_never_called_not_executed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It said done, and then has no receipt: it lost its log, or it lies."""
    app, _, key = await world.owner()

    async def forgetful(car: object, authorized: object, on_state: Callable[..., Awaitable[None]]) -> CommandResult:
        world.car.up(key.id)
        await on_state(S.SENT, None)
        await on_state(S.ACKNOWLEDGED, None)
        return CommandResult(S.UNKNOWN, "receipt_missing", Outcome.DONE)

    monkeypatch.setattr(type(world.car), "execute", forgetful)
    record = await ask(world, app)
    await world.car.until(lambda: len(world.car.settles) >= 1)
    assert (await world.bridge.commands.wait(record, 0.04)).state is S.UNKNOWN


async def test_absence_is_concluded_with_the_commands_own_key_alone(world: World) -> None:
    """Another key's session does not end that of this one at the car, so a command held back may still arrive."""
    app, _, _ = await world.owner()
    await world.give_key(app)
    world.car.deaf = True
    go = world.car.hold("sent")
    record = await ask(world, app)
    await world.car.at["sent"].wait()
    await world.credentials.revoke(record.command.key_id)
    go.set()
    await world.car.until(lambda: len(world.car.settles) >= 1)
    assert (await world.bridge.commands.wait(record, 0.04)).state is S.UNKNOWN


async def test_lists_that_were_behind_are_carried_at_start(world: World) -> None:
    _, _, key = await world.owner()
    await world.bridge.stop()
    await world.credentials.revoke(key.id)
    await (await world.rebuild()).start()
    await world.heard("keygw.key.revoked", key_id=key.id)
    assert world.car.syncs == 1


async def test_a_list_is_carried_when_the_car_comes_back(world: World) -> None:
    app, _, key = await world.owner()
    world.car.present = False
    await world.bridge.keys.revoke(app, key.id)
    await world.car.until(lambda: world.car.syncs >= 3)
    assert (await world.credentials.key(key.id)).state == "revoking"
    world.car.present = True
    world.car.up(key.id)
    await world.heard("keygw.key.revoked", key_id=key.id)
    syncs = world.car.syncs
    world.car.up(key.id)
    await world.hub.subscribe(lambda _: True).next(0.02)
    assert world.car.syncs == syncs  # a contact with nothing to carry carries nothing


async def test_a_list_does_not_wait_for_the_receipts_of_a_lost_key(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, _, key = await world.owner()
    second = await world.give_key(app)
    world.car.cut = True
    go = world.car.hold("sent")
    record, _ = await world.bridge.commands.create(
        app, world.vehicle.id, action="unlock", idempotency_key="k", key_id=key.id
    )
    await world.car.at["sent"].wait()
    world.car.present = False
    go.set()
    await world.heard("keygw.command.updated", id=record.id, state="unknown")
    await world.credentials.revoke(key.id)

    async def refused(_: object, vehicle_id: str, key_id: str) -> None:
        world.car.settles.append(key_id)
        raise ValueError("the vehicle refused the key")

    monkeypatch.setattr(type(world.car), "settle", refused)
    world.car.present = True
    world.bridge.contact(world.vehicle.id)
    await world.heard("keygw.key.revoked", key_id=key.id)
    assert world.car.settles[-1] == second.id  # and it asked with a key that still lives
