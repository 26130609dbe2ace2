"""What every ``BridgeStore`` must do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keygw.bridge.lease_ports import Lease
from keygw.bridge.ports import BridgeStore
from keygw.bridge.records import App, CommandRecord
from keygw.bridge.scopes import Scope
from keygw.credentials.audit_ports import AuditFilter
from keygw.model.audit import AuditEntry
from keygw.model.command import Action, Command, CommandState, Outcome
from keygw.model.errors import Conflict
from keygw.model.receipt import Receipt
from keygw.vehicle.values import Measures
from words import word

if TYPE_CHECKING:
    from tests.contracts.conftest import OpenStore

Open = Callable[[Path], AbstractAsyncContextManager[BridgeStore]]

APP = App("app_a", "An app", frozenset({Scope.VEHICLE_READ, Scope.COMMAND_UNLOCK}), 1000.25, bytes(32))
OTHER = App("app_b", "Another", frozenset({Scope.KEY_READ}), 1001.0, b"\xff" * 32, expires_at=2000.5)


GATEWAY = "gwy_a"


async def add(store: BridgeStore, command: CommandRecord) -> CommandRecord:
    stored, lease = await store.add_command(command, GATEWAY, word(command))
    assert lease == Lease("veh_a", GATEWAY, 1)
    return stored


def record(number: int, state: CommandState = CommandState.ACCEPTED, app_id: str = "app_a") -> CommandRecord:
    command = Command(f"cmd_{number}", number, "veh_a", "key_a", Action.UNLOCK, 1000.5, 1004.5)
    return CommandRecord(
        command=command,
        app_id=app_id,
        idempotency_key=f"once-{number}",
        fingerprint=bytes(range(32)),
        state=state,
        updated_at=1000.5,
        timeline=((state, 1000.5),),
    )


@pytest.fixture
def opener(opened: OpenStore) -> Open:
    @asynccontextmanager
    async def bridge(directory: Path) -> AsyncIterator[BridgeStore]:
        async with await opened(directory) as store:
            yield store.bridge

    return bridge


@pytest.fixture
async def store(opener: Open, tmp_path: Path) -> AsyncIterator[BridgeStore]:
    async with opener(tmp_path) as store:
        await store.join(GATEWAY)
        yield store


async def test_absent_things_are_none_or_empty(store: BridgeStore) -> None:
    assert await store.app("app_a") is None
    assert await store.app_by_token(bytes(32)) is None
    assert await store.claimant("veh_a") is None
    assert await store.command("cmd_1") is None
    assert await store.command_by_idempotency_key("app_a", "once-1") is None
    assert not await store.claims("app_a")
    assert not await store.open_commands()
    await store.revoke_app("app_a")


async def test_apps_are_found_by_id_and_by_token(store: BridgeStore) -> None:
    await store.add_app(APP)
    await store.add_app(OTHER)
    assert await store.app("app_a") == APP
    assert await store.app_by_token(b"\xff" * 32) == OTHER
    assert await store.app_by_token(b"\xff" * 31) is None
    await store.revoke_app("app_a")
    assert await store.app("app_a") == await store.app_by_token(bytes(32)) == replace(APP, revoked=True)
    assert await store.app("app_b") == OTHER


@pytest.mark.parametrize("again", [replace(APP, token_hash=bytes(31) + b"x"), replace(APP, id="app_c")])
async def test_an_app_is_added_once(store: BridgeStore, again: App) -> None:
    await store.add_app(APP)
    with pytest.raises(Conflict):
        await store.add_app(again)
    assert await store.app("app_a") == APP


async def test_the_first_claim_of_a_vehicle_stands(store: BridgeStore) -> None:
    assert await store.claim_vehicle("veh_b", "app_a") == "app_a"
    assert await store.claim_vehicle("veh_a", "app_a") == "app_a"
    assert await store.claim_vehicle("veh_a", "app_b") == "app_a"
    assert await store.claimant("veh_a") == "app_a"
    assert list(await store.claims("app_a")) == ["veh_a", "veh_b"]
    assert not await store.claims("app_b")


async def test_an_idempotency_key_stands_for_one_command_of_its_app(store: BridgeStore) -> None:
    first = record(1)
    again = replace(record(2), idempotency_key=first.idempotency_key)
    assert await add(store, first) == first
    assert await add(store, again) == first
    assert await store.command("cmd_2") is None
    of_another_app = replace(again, app_id="app_b")
    assert await add(store, of_another_app) == of_another_app
    assert await store.command_by_idempotency_key("app_b", "once-1") == of_another_app


async def test_of_many_at_once_one_wins(store: BridgeStore) -> None:
    rivals = [replace(record(number), idempotency_key="once") for number in range(12)]
    answers = await asyncio.gather(*(add(store, rival) for rival in rivals))
    assert len({answer.id for answer in answers}) == 1
    assert [found.id for found in await store.open_commands()] == [answers[0].id]


async def test_a_command_is_saved_whole(opener: Open, tmp_path: Path) -> None:
    receipt = Receipt(
        vehicle_id="veh_a",
        sequence=3,
        number=1,
        key_id="key_a",
        action=Action(99),
        outcome=Outcome(98),
        before=True,
        after=None,
        boot_epoch=1,
        session=b"\x00\xff",
        previous=bytes(32),
        at=1001,
        signed=b"\xff\x00",
    )
    saved = record(1).moved(
        CommandState.CONFIRMED,
        1001.75,
        receipt=receipt,
        reason="already_in_state",
        measures=Measures(12.5, round_trips=2),
        receipt_floor=2,
        patient=True,
    )
    async with opener(tmp_path) as store:
        await store.join(GATEWAY)
        _, lease = await store.add_command(record(1), GATEWAY, word(record(1)))
        assert await store.save_command(saved, CommandState.ACCEPTED, lease, word(saved))
    async with opener(tmp_path) as store:
        assert await store.command("cmd_1") == saved
        assert await add(store, record(1)) == saved


async def test_what_was_never_added_is_not_saved(store: BridgeStore) -> None:
    lease = await store.take("veh_a", GATEWAY)
    assert not await store.save_command(record(1), CommandState.ACCEPTED, lease, word(record(1)))


async def test_a_step_is_taken_from_where_the_command_stands(store: BridgeStore) -> None:
    _, lease = await store.add_command(record(1), GATEWAY, word(record(1)))
    sent = record(1).moved(CommandState.SENT, 1001.0)
    assert await store.save_command(sent, CommandState.ACCEPTED, lease, word(sent))
    assert not await store.save_command(
        record(1).moved(CommandState.FAILED, 1002.0),
        CommandState.ACCEPTED,
        lease,
        word(record(1).moved(CommandState.FAILED, 1002.0)),
    )
    assert await store.command("cmd_1") == sent


async def test_open_commands_are_the_unsettled_ones_oldest_first(store: BridgeStore) -> None:
    for number, state in enumerate(reversed(CommandState)):
        _, lease = await store.add_command(record(number), GATEWAY, word(record(number)))
        assert await store.save_command(
            record(number).moved(state, 1001.0), CommandState.ACCEPTED, lease, word(record(number).moved(state, 1001.0))
        )
    assert not await store.open_commands("veh_b")
    assert await store.open_commands("veh_a") == await store.open_commands()
    found = [command.state for command in await store.open_commands()]
    assert found == [state for state in reversed(CommandState) if not state.settled]


async def test_a_claim_that_is_new_is_recorded_and_no_other(opened: OpenStore, tmp_path: Path) -> None:
    entry = AuditEntry(1, "app:a", "vehicle.claimed", data={"app_id": "app_a"})
    async with await opened(tmp_path / "data") as store:
        await store.bridge.claim_vehicles(["veh_a", "veh_b", "veh_a"], "app_a", entry)
        await store.bridge.claim_vehicle("veh_a", "app_b", entry)
        for _ in range(2):
            await store.bridge.pass_claim("veh_b", "app_b", entry)
        found = await store.credentials.audit_entries(0, 10, AuditFilter())
    assert [each.entry for each in found] == [replace(entry, vehicle_id=name) for name in ("veh_a", "veh_b", "veh_b")]


async def test_several_claims_at_once(store: BridgeStore) -> None:
    """Whoever was first stays, vehicle by vehicle."""
    await store.claim_vehicle("veh_b", "app_b")
    assert await store.claim_vehicles(["veh_a", "veh_b", "veh_a"], "app_a") == {"veh_a": "app_a", "veh_b": "app_b"}
    assert await store.claim_vehicles([], "app_a") == {}
    assert list(await store.claims("app_a")) == ["veh_a"]
