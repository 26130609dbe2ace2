"""The history of the schema: every released one leads to this release's, once, under a lock, and no row is lost."""

from __future__ import annotations

import hashlib
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory

from keygw.credentials.values import KeyToken
from keygw.store import migrations
from keygw.store.migrations import REVISIONS, VERSION_TABLE
from keygw.store.migrations.dialect import for_postgres
from keygw.store.migrations.plan import plan
from keygw.store.schema import APPLICATION_ID, SCHEMA_VERSION
from keygw.store.store import DATABASE_NAME, open_store

RELEASED = {
    "0001": "4f2f3e65a5e5087e518488b1152246220c707828245bf7af4005dc345985a5e1",
    "0002": "f2daae292a6172f86c9545efcd2c5fb16562a737ec255b2bbc2970568a9e4b09",
    "0003": "59a3052542621a394c882a7fc7d9dc745e739a3482e87064518fa65c66e06da1",
    "0004": "d1f5040c29cc975fa13016d55c2ff019ac1c67e934ef7ab35aba90d543955ad6",
    "0005": "f6e9e5f93dc1329933c7d9da7b4fda1dbe7ede688a4cedeeabc8f1e0cb0039fa",
}
"""SHA-256 of the statements of every released revision: one that was edited is not what people's databases ran."""

BEFORE_ALEMBIC = range(1, 6)
"""The schema versions of the releases that kept no version table."""

HOME = Path(migrations.__file__).parent
YEAR = 31_536_000

OPENING = """
import asyncio, sys
from pathlib import Path
from keygw.store.store import open_store

async def main():
    print("ready", flush=True)
    sys.stdin.readline()
    async with await open_store(Path(sys.argv[1])) as store:
        print(*[row[0] for row in await store.database.fetch("SELECT version_num FROM keygw_schema")])
    print("alembic" in sys.modules)

asyncio.run(main())
"""


def statements(revision: str) -> list[str]:
    told: list[str] = []
    script = ScriptDirectory(HOME).get_revision(revision)
    script.module.upgrade(told.append)
    return told


def insert(table: str, row: dict[str, Any]) -> str:
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})"  # noqa: S608 - our own words


@contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def released(path: Path, version: int, *, stamped: bool = False) -> None:
    """The file as that release left it, with a vehicle, a device and three keys in it."""
    with connected(path) as connection:
        for revision in REVISIONS[:version]:
            for statement in statements(revision):
                connection.execute(statement)
        if stamped:
            connection.execute(f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
            stamp = {"version_num": REVISIONS[version - 1]}
            connection.execute(insert(VERSION_TABLE, stamp), list(stamp.values()))
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {version}")
        connection.execute(
            "INSERT INTO vehicles (id, name, public_key, advertising_key) VALUES ('veh_a', '', x'', x'')"
        )
        connection.execute("INSERT INTO devices VALUES ('dev_a', 'phone', x'', '', NULL)")
        for index, (name, role, end) in enumerate([("full", 1, 100 + YEAR), ("short", 1, 200), ("friend", 2, 300)]):
            row: dict[str, Any] = {
                "id": f"key_{name}",
                "vehicle_id": "veh_a",
                "device_id": "dev_a",
                "role": role,
                "entitlements": 7,
                "key_index": index,
                "not_before": 100,
                "expires_at": end,
                "issued_at": 100,
                "state": "active",
                "depth": 0,
                "max_depth": 2,
                "epoch": 0,
                "label": "",
                "version": 1,
                "jwt": "a.b.c",
                "cwt": b"\x01",
            }
            if version >= 5:
                row |= {"token_expires_at": end, "renew_from": end - YEAR // 3 if name == "full" else None}
            connection.execute(insert("digital_keys", row), list(row.values()))


def schema(path: Path) -> list[tuple[str, str]]:
    """Every table and index, in the words that made it; white space does not count."""
    with connected(path) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
        return [(name, re.sub(r"\s+", " ", sql)) for name, sql in rows if name != VERSION_TABLE]


def version_of(path: Path) -> tuple[int, list[str]]:
    """What the header counts, and what the version table says."""
    with connected(path) as connection:
        stamps = connection.execute("SELECT version_num FROM keygw_schema").fetchall()
        return connection.execute("PRAGMA user_version").fetchone()[0], [row[0] for row in stamps]


def test_the_revisions_are_one_chain_in_the_order_that_is_written_down() -> None:
    scripts = ScriptDirectory(HOME)
    assert [each.revision for each in scripts.walk_revisions()] == list(reversed(REVISIONS))
    assert scripts.get_heads() == [REVISIONS[-1]]
    assert len(list((HOME / "versions").glob("*.py"))) == len(REVISIONS) == SCHEMA_VERSION


@pytest.mark.parametrize("revision", sorted(RELEASED))
def test_a_released_revision_is_never_edited(revision: str) -> None:
    assert hashlib.sha256("\0".join(statements(revision)).encode()).hexdigest() == RELEASED[revision]


@pytest.mark.parametrize("stamped", [False, True])
@pytest.mark.parametrize("version", BEFORE_ALEMBIC)
async def test_every_released_schema_becomes_this_one_and_keeps_its_rows(
    tmp_path: Path, version: int, stamped: bool
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    released(old / DATABASE_NAME, version, stamped=stamped)
    async with await open_store(new):
        pass
    async with await open_store(old) as store:
        tokens = {name: await store.credentials.key_token(f"key_{name}") for name in ("full", "short", "friend")}
        assert await store.credentials.vehicle("veh_a") is not None
        assert not await store.database.fetch("PRAGMA foreign_key_check")
    # Before renewal a key ended with its one token; owner keys of the full term may be prolonged from there on.
    assert tokens == {
        "full": KeyToken("a.b.c", b"\x01", None, 100 + YEAR, 100 + YEAR - YEAR // 3),
        "short": KeyToken("a.b.c", b"\x01", None, 200),
        "friend": KeyToken("a.b.c", b"\x01", None, 300),
    }
    assert schema(old / DATABASE_NAME) == schema(new / DATABASE_NAME)
    if stamped or version < SCHEMA_VERSION:
        assert version_of(old / DATABASE_NAME) == (SCHEMA_VERSION, [REVISIONS[-1]])


async def test_a_step_that_fails_leaves_the_old_schema(tmp_path: Path) -> None:
    path = tmp_path / DATABASE_NAME
    released(path, 2)
    with connected(path) as connection:
        connection.execute("CREATE TABLE invitations (in_the_way TEXT)")
    before = schema(path)
    with pytest.raises(sqlite3.OperationalError):
        await open_store(tmp_path)
    assert schema(path) == before
    with connected(path) as connection:
        connection.execute("DROP TABLE invitations")
    async with await open_store(tmp_path):
        pass
    assert version_of(path) == (SCHEMA_VERSION, [REVISIONS[-1]])


@pytest.mark.parametrize("version", [0, 2])
def test_two_processes_migrate_at_once(tmp_path: Path, version: int) -> None:
    if version:
        released(tmp_path / DATABASE_NAME, version)
    command = [sys.executable, "-c", OPENING, str(tmp_path)]
    running = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate()[0].split() for process in running]
    assert [each[0] for each in said] == [REVISIONS[-1]] * 2
    assert [process.returncode for process in running] == [0, 0]
    assert version_of(tmp_path / DATABASE_NAME) == (SCHEMA_VERSION, [REVISIONS[-1]])


def test_alembic_is_loaded_only_where_there_is_something_to_migrate(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OPENING, str(tmp_path)]
    for loaded in ("True", "False"):
        done = subprocess.run(command, input="\n", capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["ready", REVISIONS[-1], loaded]


def test_postgresql_is_told_the_same_in_its_own_words() -> None:
    written = (
        "CREATE TABLE t (n INTEGER PRIMARY KEY, i INTEGER, r REAL, b BLOB, t TEXT DEFAULT 'a BLOB, it''s TEXT', "
        "v ANY NOT NULL) STRICT, WITHOUT ROWID"
    )
    assert for_postgres(written) == (
        "CREATE TABLE t (n BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, i BIGINT, r DOUBLE PRECISION, b BYTEA, "
        "t TEXT COLLATE \"C\" DEFAULT 'a BLOB, it''s TEXT', v BIGINT NOT NULL)"
    )
    assert for_postgres("UPDATE t SET t = 'INTEGER'") == "UPDATE t SET t = 'INTEGER'"
    told = " ".join(plan("postgresql", 0, stamped=False))
    assert not re.search(r"\b(BLOB|INTEGER|REAL|ANY|STRICT|ROWID)\b", told)
    assert plan("postgresql", SCHEMA_VERSION, stamped=True) == []
