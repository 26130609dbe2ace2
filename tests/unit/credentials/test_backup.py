"""Backup, restore and verify, between both databases; and what a gateway does with a database that was put back."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from keygw.app.config import ISSUER_KEY
from keygw.app.keeping import back_up, confirm_restored, look_at, look_at_backup, put_back
from keygw.app.noting import noting_seen
from keygw.app.settings import Settings
from keygw.bridge.records import App
from keygw.cli.main import main
from keygw.credentials.values import Issuer
from keygw.model.digital_key import KeyState
from keygw.model.errors import Conflict, StoreError
from keygw.store.backup.check import Finding
from keygw.store.backup.restore import parents_first
from keygw.store.group import Transaction
from keygw.store.keyfile import load_or_create_issuer_key
from keygw.store.marks import SEEN_NAME, Counters, note_seen, read_seen
from keygw.store.store import DATABASE_NAME, VAULT_KEY_NAME, Store, open_store
from keygw.token.receipt import receipt_hash
from keygw.token.trust import kid_of

if TYPE_CHECKING:
    from tests.unit.credentials.conftest import World

NewDatabase = Callable[[], str]
MakeWorld = Callable[[Store], Awaitable["World"]]
ISSUER = (
    "INSERT INTO issuer_keys (issuer, kid, public_key, signer, state, made_at) VALUES (?, ?, ?, ?, ?, ?) "
    "ON CONFLICT DO NOTHING"
)
BOTH = ["sqlite", "postgresql"]


def nobody(what: str, done: int) -> None:
    """Nobody looks on."""


@dataclass
class Place:
    """A data directory and its database."""

    settings: Settings

    async def open(self) -> Store:
        url = self.settings.database
        return await open_store(
            self.settings.data,
            keys=(ISSUER_KEY,),
            database_url=None if url is None else url.get_secret_value(),
        )

    async def findings(self) -> dict[str, Finding]:
        return {finding.name: finding for finding in await look_at(self.settings, nobody)}


@pytest.fixture
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[str, str], Place]:
    """``place(kind, name)``: a new one."""

    def make(kind: str, name: str) -> Place:
        database = SecretStr(request.getfixturevalue("new_database")()) if kind == "postgresql" else None
        return Place(Settings(data=tmp_path / name, database=database))

    return make


@pytest.fixture
def make_world() -> MakeWorld:
    from tests.unit.credentials.conftest import World

    async def make(store: Store) -> World:
        world = World(store)
        signer = load_or_create_issuer_key(store.directory / ISSUER_KEY)
        kid = kid_of(signer.public_key)
        world.issuer = Issuer(f"urn:keygw:{kid.hex()}", kid, signer)
        world.service = world.restarted()
        row = (world.issuer.issuer, kid, signer.public_key, f"file:{ISSUER_KEY}", "current", int(world.now))
        await store.database.write(lambda tx: tx.fetch(ISSUER, row))
        return world

    return make


async def lived_in(store: Store, world: World) -> tuple[str, str]:
    """A car with keys, two lists (the first acknowledged) and two receipts, and an app. Answers car and owner key."""
    vehicle = await world.car()
    owner = await world.owner(vehicle)
    friend = await world.friend(owner)
    await world.service.revoke(friend.id)
    await world.service.acknowledge_list(vehicle.id, await world.ack(vehicle.id))
    await world.service.suspend(owner.id)
    first = world.receipt(vehicle.id, owner.id)
    await world.service.record_receipt(vehicle.id, first)
    second = world.receipt(vehicle.id, owner.id, 2, receipt_hash(first), 2)
    await world.service.record_receipt(vehicle.id, second)
    await store.bridge.add_app(App("app_a", "An app \N{SNOWMAN}", frozenset(), 1000.25, bytes(range(32))))
    return vehicle.id, owner.id


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def content(store: Store) -> dict[str, Any]:
    """Every row of every table, but for what belongs to the moment."""
    found: dict[str, Any] = {}
    for table in (
        "issuer_keys",
        "status_pages",
        "status_places",
        "vehicles",
        "devices",
        "digital_keys",
        "revocation_lists",
        "receipts",
        "hosted_keys",
        "apps",
    ):
        rows = await store.database.fetch(f"SELECT * FROM {table}")  # noqa: S608 - our own names
        found[table] = sorted((tuple(row) for row in rows), key=repr)
    return found


@pytest.mark.parametrize("to", BOTH)
@pytest.mark.parametrize("source", BOTH)
async def test_a_backup_is_restored_into_either_database(
    place: Callable[[str, str], Place], make_world: MakeWorld, tmp_path: Path, source: str, to: str
) -> None:
    old, new = place(source, "old"), place(to, "new")
    async with await old.open() as store:
        world = await make_world(store)
        _, owner = await lived_in(store, world)
        before = await content(store)
        # The gateway still runs.
        manifest = await back_up(old.settings, tmp_path / "backup", with_keys=True, progress=nobody)
    assert look_at_backup(tmp_path / "backup", nobody) == manifest
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o600
    await put_back(new.settings, tmp_path / "backup", nobody)
    assert (new.settings.data / VAULT_KEY_NAME).read_bytes() == (old.settings.data / VAULT_KEY_NAME).read_bytes()
    async with await new.open() as store:
        assert store.restored
        assert await content(store) == before
        await store.vault.signer((await store.credentials.key(owner)).key.device_id)  # type: ignore[union-attr]  # it is there
        findings = await new.findings()
        assert {name: finding.faults for name, finding in findings.items() if finding.faults} == {}
        assert findings["receipts"].looked_at == 2
        assert findings["lists"].looked_at == 2
        assert findings["keys"].remark == ""
        assert "restored" in findings["restored"].remark
        world.store, world.service = store, (await make_world(store)).service
        await confirm_restored(new.settings)
        # Positions go on after the last, where the database gives them.
        await world.owner(await world.car())


@pytest.mark.parametrize("kind", BOTH)
async def test_a_backup_does_not_say_where_cars_are(
    place: Callable[[str, str], Place], tmp_path: Path, kind: str
) -> None:
    """What gateways tell each other of a car that they hear is of this minute, and may hold its place."""
    where = place(kind, "data")
    store = await where.open()
    await store.bridge.join("gw_a")
    lease = await store.bridge.take("veh_a", "gw_a")
    await store.bridge.tell_heard({lease: "52.516275"})
    await store.close()
    await back_up(where.settings, tmp_path / "backup.zip", with_keys=False, progress=nobody)
    with zipfile.ZipFile(tmp_path / "backup.zip") as archive:
        rows = archive.read("tables/leases.jsonl").decode()
    assert "veh_a" in rows
    assert "52.516275" not in rows


@pytest.mark.parametrize("kind", BOTH)
async def test_what_was_restored_issues_nothing_until_it_is_confirmed(
    place: Callable[[str, str], Place], make_world: MakeWorld, tmp_path: Path, kind: str
) -> None:
    old, new = place(kind, "old"), place(kind, "new")
    async with await old.open() as store:
        vehicle_id, owner_id = await lived_in(store, await make_world(store))
    await back_up(old.settings, tmp_path / "backup", with_keys=True, progress=nobody)
    await put_back(new.settings, tmp_path / "backup", nobody)
    async with await new.open() as store:
        world = await make_world(store)
        device = await world.service.create_hosted_device("app_test", "Phone")
        for _ in range(2):
            with pytest.raises(Conflict) as caught:
                await world.service.issue_owner_key(vehicle_id, device)
            assert caught.value.code == "restored_unconfirmed"
        token = await world.service.key_token(owner_id)
        world.now += 300 * 86400
        await world.service.resume(owner_id)
        assert await world.service.key_token(owner_id) == token
        assert (await world.service.revoke(owner_id)).state is KeyState.REVOKING
        assert await confirm_restored(new.settings)
        assert not await confirm_restored(new.settings)
        assert (await world.service.issue_owner_key(vehicle_id, device)).vehicle_id == vehicle_id
    async with await new.open() as store:
        assert not store.restored


@pytest.mark.parametrize("kind", BOTH)
async def test_an_old_copy_of_the_database_is_noticed_however_it_came(
    place: Callable[[str, str], Place], make_world: MakeWorld, tmp_path: Path, kind: str
) -> None:
    """The marker lies beside the database. Here nobody used ``keygw restore``: rows were taken back, as a copy does."""
    here = place(kind, "data")
    async with await here.open() as store, noting_seen(store):
        world = await make_world(store)
        vehicle = await world.car()
        await world.owner(vehicle)
        old = await store.database.fetch("SELECT next_index FROM vehicles")
        await world.owner(vehicle)
    assert read_seen(here.settings.data) == Counters(int(world.now), 2)
    async with await here.open() as store:
        assert not store.restored
        await store.database.write(lambda tx: tx.fetch("DELETE FROM digital_keys WHERE key_index = 1"))
        await store.database.write(lambda tx: tx.fetch("UPDATE vehicles SET next_index = ?", (old[0][0],)))
    async with await here.open() as store, noting_seen(store):
        assert store.restored
        world.store, world.service = store, (await make_world(store)).service
        with pytest.raises(Conflict) as caught:
            await world.owner(vehicle)
        assert caught.value.code == "restored_unconfirmed"
    assert read_seen(here.settings.data) == Counters(int(world.now), 2), "the evidence stays until it is confirmed"
    assert await confirm_restored(here.settings)
    async with await here.open() as store:
        assert not store.restored


async def test_what_was_seen_is_never_lowered_by_itself(
    place: Callable[[str, str], Place], make_world: MakeWorld
) -> None:
    here = place("sqlite", "data")
    async with await here.open() as store:
        (store.directory / SEEN_NAME).write_text('{"issued_at": 5, "written": 7}')
        await note_seen(store.database, store.directory)
        assert read_seen(store.directory) == Counters(5, 7)
        (store.directory / SEEN_NAME).write_text("{")
        with pytest.raises(StoreError) as caught:
            await note_seen(store.database, store.directory)
        assert caught.value.code == "seen_damaged"


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(
    ("damage", "check", "word"),
    [
        ("UPDATE vehicles SET next_index = 1", "counters", "next_index"),
        ("UPDATE vehicles SET list_sequence = 3", "counters", "list_sequence"),
        ("UPDATE vehicles SET acknowledged_sequence = 9", "counters", "acknowledged"),
        ("DELETE FROM receipts WHERE sequence = 1", "counters", "receipts missing"),
        ("DELETE FROM receipts WHERE sequence = 1", "receipts", "receipt_chain"),
        ("UPDATE receipts SET signed = (SELECT r.signed FROM receipts r WHERE r.sequence = 2)", "receipts",
         "as another"),
        ("UPDATE revocation_lists SET signed = (SELECT l.signed FROM revocation_lists l WHERE l.sequence = 1)", "lists",
         "another number"),
        ("UPDATE digital_keys SET cwt = (SELECT k.cwt FROM digital_keys k WHERE k.key_index = 0)", "keys",
         "another key"),
        ("UPDATE digital_keys SET cwt = signed_grant WHERE key_index = 1", "keys", "the token of"),
    ],
)  # fmt: skip
async def test_verify_finds_what_does_not_fit(
    place: Callable[[str, str], Place],
    make_world: MakeWorld,
    kind: str,
    damage: str,
    check: str,
    word: str,
) -> None:
    here = place(kind, "data")
    async with await here.open() as store:
        world = await make_world(store)
        await lived_in(store, world)
        if "signed_grant" in damage:
            await store.database.write(lambda tx: tx.fetch("UPDATE digital_keys SET signed_grant = ?", (b"\x01",)))
        await store.database.write(lambda tx: tx.fetch(damage))
    findings = await here.findings()
    assert any(word in fault for fault in findings[check].faults), findings[check]


async def test_verify_finds_a_reference_into_nothing(place: Callable[[str, str], Place], make_world: MakeWorld) -> None:
    import sqlite3

    here = place("sqlite", "data")
    async with await here.open() as store:
        await lived_in(store, await make_world(store))
    with sqlite3.connect(here.settings.data / DATABASE_NAME) as connection:
        connection.execute("DELETE FROM devices")
    connection.close()
    assert "digital_keys.device_id names" in (await here.findings())["references"].faults[0]


async def test_nothing_is_overwritten(
    place: Callable[[str, str], Place], make_world: MakeWorld, tmp_path: Path
) -> None:
    here = place("sqlite", "data")
    async with await here.open() as store:
        await lived_in(store, await make_world(store))
    (tmp_path / "backup").write_text("mine")
    with pytest.raises(StoreError) as caught:
        await back_up(here.settings, tmp_path / "backup", with_keys=False, progress=nobody)
    assert caught.value.code == "backup_exists"
    assert (tmp_path / "backup").read_text() == "mine"
    await back_up(here.settings, tmp_path / "other", with_keys=True, progress=nobody)
    before = (here.settings.data / DATABASE_NAME).read_bytes()
    with pytest.raises(StoreError) as caught:
        await put_back(here.settings, tmp_path / "other", nobody)
    assert caught.value.code == "restore_not_empty"
    assert (here.settings.data / DATABASE_NAME).read_bytes() == before
    elsewhere = place("sqlite", "elsewhere")
    elsewhere.settings.data.mkdir()
    (elsewhere.settings.data / VAULT_KEY_NAME).write_text("another")
    with pytest.raises(StoreError) as caught:
        await put_back(elsewhere.settings, tmp_path / "other", nobody)
    assert caught.value.code == "restore_not_empty"
    assert names(elsewhere.settings.data) == ["gateway.lock", VAULT_KEY_NAME]
    assert names(tmp_path) == ["backup", "data", "elsewhere", "other"]


def rewritten(backup: Path, change: Callable[[str, bytes], bytes]) -> Path:
    damaged = backup.with_name("damaged")
    with zipfile.ZipFile(backup) as old, zipfile.ZipFile(damaged, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return damaged


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("tables/receipts.jsonl", b"[", b"["),
        ("tables/vehicles.jsonl", b"Car", b"Cab"),
        ("files/vault.key", b"\n", b" \n"),
        ("manifest.json", b'"vehicles"', b'"vehicles; DROP"'),
        ("manifest.json", b'"keygw-backup"', b'"other-backup"'),
        ("manifest.json", b"{", b"["),
    ],
)
async def test_a_damaged_backup_restores_nothing(
    place: Callable[[str, str], Place],
    make_world: MakeWorld,
    tmp_path: Path,
    name: str,
    old: bytes,
    new: bytes,
) -> None:
    here, there = place("sqlite", "data"), place("sqlite", "there")
    async with await here.open() as store:
        await lived_in(store, await make_world(store))
    await back_up(here.settings, tmp_path / "backup", with_keys=True, progress=nobody)

    def change(found: str, data: bytes) -> bytes:
        if found != name:
            return data
        return data.replace(old, new) if old != new else b"".join(data.splitlines(keepends=True)[:-1])

    damaged = rewritten(tmp_path / "backup", change)
    with pytest.raises(StoreError) as caught:
        look_at_backup(damaged, nobody)
    assert caught.value.code == "backup_damaged"
    with pytest.raises(StoreError):
        await put_back(there.settings, damaged, nobody)
    assert not (there.settings.data / DATABASE_NAME).exists()


async def test_what_is_no_backup_and_what_is_too_new(place: Callable[[str, str], Place], tmp_path: Path) -> None:
    here = place("sqlite", "data")
    async with await here.open():
        pass
    await back_up(here.settings, tmp_path / "backup", with_keys=False, progress=nobody)
    (tmp_path / "text").write_text("no backup")
    newer = rewritten(tmp_path / "backup", lambda name, data: data.replace(b'"schema": "0', b'"schema": "9'))
    for path, code in (
        (tmp_path / "text", "backup_damaged"),
        (tmp_path / "gone", "backup_unreadable"),
        (newer, "store_too_new"),
    ):
        with pytest.raises(StoreError) as caught:
            look_at_backup(path, nobody)
        assert caught.value.code == code


async def test_a_backup_is_of_one_moment(
    place: Callable[[str, str], Place], make_world: MakeWorld, tmp_path: Path, new_database: NewDatabase
) -> None:
    """While it is written the gateway goes on, and neither waits for the other."""
    for kind in BOTH:
        here = place(kind, f"data-{kind}")
        async with await here.open() as store:
            world = await make_world(store)
            vehicle = await world.car()
            await world.owner(vehicle)

            from keygw.app.keeping import _source

            async with _source(here.settings) as source:
                await world.owner(vehicle)
                tables = {table.name: table for table in await source.tables()}
                rows = [row async for batch in source.rows(tables["digital_keys"]) for row in batch]
                assert len(rows) == 1
            assert len(await store.credentials.keys()) == 2


def test_rows_that_name_others_come_after_them() -> None:
    table = {"name": "t", "columns": ["id", "parent"], "own_parent": "parent"}
    rows = [("c", "b"), ("d", "b"), ("a", None), ("b", "a"), ("e", None)]
    ordered = [row[0] for row in parents_first(iter(rows), table)]
    assert sorted(ordered) == list("abcde")
    assert all(parent is None or ordered.index(parent) < ordered.index(name) for name, parent in rows)
    with pytest.raises(StoreError):
        list(parents_first(iter([("a", "gone")]), table))


async def test_the_command_line(
    place: Callable[[str, str], Place],
    make_world: MakeWorld,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import asyncio

    here = place("sqlite", "data")
    async with await here.open() as store:
        await lived_in(store, await make_world(store))
    monkeypatch.setenv("KEYGW_DATA", str(here.settings.data))

    async def run(*arguments: str) -> tuple[int, Any]:
        code = await asyncio.to_thread(main, [*arguments, "--json"])
        said = capsys.readouterr()
        return int(code), json.loads(said.out or said.err)

    backup = str(tmp_path / "backup")
    code, said = await run("backup", backup, "--with-keys")
    assert (code, said["rows"]["receipts"], said["files"]) == (0, 2, ["issuer.pem", "vault.key"])
    assert (await run("backup", backup))[0] == 7
    assert (await run("verify"))[0] == 0
    assert (await run("verify", backup))[0] == 0
    assert (await run("restore", backup))[0] == 7
    assert (await run("restore"))[0] == 2
    assert (await run("restore", backup, "--confirm"))[0] == 2
    monkeypatch.setenv("KEYGW_DATA", str(tmp_path / "new"))
    assert (await run("verify"))[1]["code"] == "database_missing"
    assert (await run("restore", backup))[0] == 0
    assert await run("restore", "--confirm") == (0, {"confirmed": True, "was_waiting": True})
    async with await open_store(tmp_path / "new") as store:

        async def work(tx: Transaction) -> None:
            await tx.fetch("UPDATE vehicles SET next_index = 0")

        await store.database.write(work)
    code, said = await run("verify")
    assert (code, said["ok"]) == (1, False)
    assert await asyncio.to_thread(main, ["verify"]) == 1
    assert "FAULTY" in capsys.readouterr().out
