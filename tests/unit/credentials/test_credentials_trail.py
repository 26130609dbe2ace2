"""The audit trail of a service at work: what is recorded, by whom, sealed, and found when somebody changes it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from keygw.app.audit import check_directory, check_export, trust
from keygw.bridge.audit_json import line_json
from keygw.credentials.audit_ports import AuditFilter
from keygw.credentials.outbox import Outbox
from keygw.credentials.trail import SEAL_ENTRIES, SEAL_SECONDS, Trail
from keygw.model.errors import BadInput, Conflict, StoreError
from keygw.store.marker import MARKER_NAME, FileMarker
from keygw.store.store import DATABASE_NAME

if TYPE_CHECKING:
    from tests.unit.credentials.conftest import World

ALL = AuditFilter()


def trail_of(world: World) -> Trail:
    marker = FileMarker(world.store.directory / MARKER_NAME)
    return Trail(world.store.credentials, world.issuer, lambda: world.now, marker)


async def lived(world: World) -> None:
    """A life of keys, with something of most kinds in it."""
    car = await world.car()
    owner = await world.owner(car)
    friend = await world.friend(owner)
    await world.service.suspend(friend.id, actor="app:app_a")
    await world.service.revoke(owner.id, actor="operator:ops")
    await world.service.acknowledge_list(car.id, await world.ack(car.id))
    await world.service.record_receipt(car.id, world.receipt(car.id, owner.id))


async def test_every_change_is_recorded_with_who_did_it(world: World) -> None:
    await lived(world)
    records = await world.store.credentials.audit_entries(0, 100, ALL)
    assert [(each.entry.action, each.entry.actor.split(":")[0], each.entry.outcome) for each in records] == [
        ("vehicle.registered", "system", "done"),
        ("device.registered", "system", "done"),
        ("key.issued", "system", "done"),
        ("key.shared", "system", "done"),
        ("key.suspended", "app", "done"),
        ("key.revoking", "operator", "done"),
        ("key.revoking", "operator", "done"),
        ("list.acknowledged", "vehicle", "done"),
        ("key.revoked", "vehicle", "done"),
        ("key.revoked", "vehicle", "done"),
        ("receipt.recorded", "vehicle", "done"),
        ("key.met", "vehicle", "done"),
    ]
    receipt = records[-2].entry
    assert receipt.data["sequence"] == 1
    assert len(str(receipt.data["hash"])) == 64
    assert [each.entry.action for each in await trail_of(world).newest(AuditFilter(action="key.issued"))] == [
        "key.issued"
    ]


async def test_a_refusal_and_a_repetition_leave_no_entry(world: World) -> None:
    owner = await world.owner(await world.car())
    await world.service.revoke(owner.id)
    before = await world.store.credentials.audit_head()
    await world.service.revoke(owner.id)
    with pytest.raises(Conflict):
        await world.service.suspend(owner.id)
    assert await world.store.credentials.audit_head() == before


async def test_nothing_secret_is_in_the_trail(world: World) -> None:
    owner = await world.owner(await world.car())
    invited = await world.service.invitations.create(
        owner.id, app_id="app_a", entitlements=owner.entitlements, key_lifetime=60, activation_code=True
    )
    token = await world.service.key_token(owner.id)
    rows = b"".join(row.encoded for row in await world.store.credentials.audit_rows(0, 100))
    assert b"invitation.created" in rows
    for secret in (invited.secret, invited.secret.hex().encode(), (invited.code or "").encode(), token.jwt.encode()):
        assert secret not in rows


async def test_it_is_sealed_when_enough_waits_or_long_enough(world: World) -> None:
    trail = trail_of(world)
    assert await trail.seal() is None
    await world.car()
    assert await trail.seal_if_due() is None
    world.now += SEAL_SECONDS
    sealed = await trail.seal_if_due()
    assert sealed is not None
    assert (sealed.first, sealed.sequence) == (1, 1)
    assert await trail.seal_if_due() is None
    for _ in range(SEAL_ENTRIES):
        await world.car()
    sealed = await trail.seal_if_due()
    assert sealed is not None
    assert (sealed.first, sealed.sequence) == (2, 1 + SEAL_ENTRIES)
    report = await trail.check()
    assert (report.intact, report.sealed, report.checkpoints) == (True, 1 + SEAL_ENTRIES, 2)


TAMPERING: dict[str, tuple[str, int, str]] = {
    "an actor": ("UPDATE audit SET actor = 'system' WHERE sequence = 5", 5, "entry_altered"),
    "a time": ("UPDATE audit SET at = at + 1 WHERE sequence = 1", 1, "entry_altered"),
    "data": ("UPDATE audit SET data = x'a0' WHERE sequence = 11", 11, "entry_altered"),
    "a hash": ("UPDATE audit SET hash = zeroblob(32) WHERE sequence = 3", 3, "entry_altered"),
    "a missing entry": ("DELETE FROM audit WHERE sequence = 4", 4, "entry_missing"),
    "the last entry": ("DELETE FROM audit WHERE sequence = 12", 12, "entry_missing"),
    "the whole trail": ("DELETE FROM audit", 1, "entry_missing"),
    "its seals": ("DELETE FROM audit_checkpoints", 12, "checkpoint_missing"),
    "a seal": ("UPDATE audit_checkpoints SET signed = x'00'", 12, "checkpoint_refused"),
    "its tail and its seals": (
        "DELETE FROM audit WHERE sequence > 6; DELETE FROM audit_checkpoints", 7, "entry_missing"
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(TAMPERING))
async def test_what_somebody_does_to_the_database_is_found(world: World, kind: str) -> None:
    await lived(world)
    await trail_of(world).seal()
    path = world.store.directory
    await world.store.close()
    issuers = trust([world.issuer.public_key])
    assert await in_thread(lambda: check_directory(path, issuers).intact)
    script, sequence, code = TAMPERING[kind]
    with sqlite3.connect(path / DATABASE_NAME) as connection:
        connection.executescript(script)
    connection.close()
    report = await in_thread(lambda: check_directory(path, issuers))
    assert (report.findings[0].sequence, report.findings[0].code) == (sequence, code)


async def test_an_export_is_checked_wherever_it_has_been(world: World, tmp_path: Path) -> None:
    await lived(world)
    trail = trail_of(world)
    await trail.seal()
    await world.car()
    lines = [json.dumps(line_json(item)) for item in [each async for each in trail.export()]]
    assert len(lines) == 14
    file, issuers = tmp_path / "trail.jsonl", trust([world.issuer.public_key])

    def check(changed: list[str], marker: bytes | None = None) -> Any:
        file.write_text("\n".join(changed))
        return check_export(file, issuers, marker)

    assert check(lines).intact
    assert check(lines).entries == 13
    forged = [line.replace("operator:ops", "operator:you") for line in lines]
    assert [each.sequence for each in check(forged).findings] == [6, 7]
    assert [each.code for each in check([*lines[:3], *lines[4:]]).findings][:1] == ["entry_missing"]
    marker = await FileMarker(world.store.directory / MARKER_NAME).read()
    assert check(lines, marker).intact
    assert [each.code for each in check(lines[:5], marker).findings] == ["entry_missing"]
    for malformed in ("[]", "{}", "nonsense", '{"checkpoint": 1}'):
        with pytest.raises(BadInput) as refused:
            check([*lines, malformed])
        assert refused.value.code == "audit_export_malformed"


async def test_a_directory_without_a_trail_says_so(tmp_path: Path, world: World) -> None:
    with pytest.raises(StoreError):
        await in_thread(lambda: check_directory(tmp_path / "nowhere", trust([world.issuer.public_key])))


async def test_what_a_crash_kept_from_being_told_is_told_at_the_start(world: World) -> None:
    told: list[tuple[str, str]] = []

    def started() -> Outbox:
        return Outbox(
            world.store.credentials, lambda kind, _data, event_id: told.append((kind, event_id)), lambda: world.now
        )

    outbox = started()
    assert await outbox.catch_up() == 0
    owner = await world.owner(await world.car())  # committed, and told to somebody who then died
    await world.service.suspend(owner.id)
    assert await started().catch_up() == 2
    assert [kind for kind, _ in told] == ["key.issued", "key.suspended"]
    assert await started().catch_up() == 0
    await world.service.resume(owner.id)
    again = started()
    assert await again.catch_up() == 1
    (kind, event_id), told[:] = told[-1], []
    assert kind == "key.resumed"
    assert event_id == (await world.store.credentials.outbox(2, 1))[0].event_id


async def test_a_number_that_nobody_wrote_swallows_no_event(world: World) -> None:
    """As after a restore beneath a gateway that runs: the others' numbers begin again below what it has heard of."""
    told: list[str] = []
    outbox = Outbox(world.store.credentials, lambda kind, _data, _id: told.append(kind), lambda: world.now)
    await outbox.catch_up()
    outbox.hear(99)
    await _read(outbox)
    owner = await world.owner(await world.car())
    await world.service.suspend(owner.id)
    outbox.heard("2")
    await _read(outbox)
    assert told == ["key.issued", "key.suspended"]


async def _read(outbox: Outbox) -> None:
    if outbox._reading is not None:
        await outbox._reading


async def test_old_events_go(world: World) -> None:
    owner = await world.owner(await world.car())
    outbox = Outbox(world.store.credentials, lambda *_: None, lambda: world.now)
    await world.service.suspend(owner.id)
    assert await outbox.drop() == 0
    world.now += 8 * 86_400
    assert await outbox.drop() == 1
    assert await world.store.credentials.outbox_bounds() == (2, 2)


async def in_thread(call: Callable[[], Any]) -> Any:
    """``check_directory`` runs an event loop of its own."""
    import asyncio

    return await asyncio.to_thread(call)
