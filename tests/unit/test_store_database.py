"""The database file: who may open it, what a commit means, and what a cancellation leaves behind (nothing)."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from keygw.model.errors import StoreError
from keygw.store import database as module
from keygw.store.database import Database
from keygw.store.group import Storage, Transaction
from keygw.store.schema import APPLICATION_ID, SCHEMA_VERSION
from keygw.store.store import DATABASE_NAME, open_store

HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""
SLOW = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400000) SELECT count(*) FROM n"
PUT = "INSERT INTO facts (name, value) VALUES (?, ?)"


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Another process holds the database for itself."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield
        finally:
            process.communicate()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(tmp_path / "data" / DATABASE_NAME)
    yield database
    await database.close()


async def facts(database: Storage) -> dict[str, Any]:
    return {row[0]: row[1] for row in await database.fetch("SELECT name, value FROM facts")}


async def refusal(directory: Path) -> StoreError:
    with pytest.raises(StoreError) as caught:
        await open_store(directory)
    return caught.value


async def put(database: Storage, name: str, value: object = 1) -> None:
    await database.write(lambda tx: tx.fetch(PUT, (name, value)))


async def test_what_a_commit_means(database: Database) -> None:
    async def work(tx: Transaction) -> list[object]:
        return [
            (await tx.fetch(f"PRAGMA {name}"))[0][0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "user_version")
        ]

    assert await database.write(work) == ["wal", 2, 1, 2000, SCHEMA_VERSION]


@pytest.mark.skipif(os.name != "posix", reason="rights of files are a matter of POSIX")
async def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        async with await open_store(tmp_path / "data"):
            rights = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "data").iterdir()}
    finally:
        os.umask(umask)
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    assert len(rights) == 4
    assert set(rights.values()) == {0o600}


async def test_it_is_opened_again_as_it_was(tmp_path: Path) -> None:
    for count in range(3):
        database = await Database.open(tmp_path / DATABASE_NAME)
        assert len(await facts(database)) == count
        await put(database, f"n{count}", count)
        await database.close()
        await database.close()
        with pytest.raises(StoreError):
            await database.fetch("SELECT 1")
        with pytest.raises(StoreError):
            await put(database, "late")


async def test_held_by_another_process_at_start(tmp_path: Path) -> None:
    async with await open_store(tmp_path):
        pass
    with held(tmp_path / DATABASE_NAME):
        begun = time.monotonic()
        error = await refusal(tmp_path)
        assert time.monotonic() - begun < 4
    assert (error.code, error.retryable, error.may_have_happened) == ("store_busy", True, False)
    assert "another process" in str(error)
    async with await open_store(tmp_path):
        pass


async def test_held_before_it_was_ever_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.05)
    with held(tmp_path / DATABASE_NAME):
        assert (await refusal(tmp_path)).code == "store_busy"


async def test_held_by_another_process_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.05)
    async with await open_store(tmp_path) as store:
        with held(tmp_path / DATABASE_NAME):
            with pytest.raises(StoreError) as caught:
                await store.database.write(lambda tx: pytest.fail("the transaction began"))
            assert caught.value.code == "store_busy"
            await store.database.fetch("SELECT 1 FROM facts")
        await put(store.database, "a")
        assert (await facts(store.database))["a"] == 1


async def test_a_newer_schema_is_left_alone(tmp_path: Path) -> None:
    async with await open_store(tmp_path):
        pass
    with sqlite3.connect(tmp_path / DATABASE_NAME) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    before = (tmp_path / DATABASE_NAME).read_bytes()
    error = await refusal(tmp_path)
    assert (error.code, error.retryable) == ("store_too_new", False)
    assert (tmp_path / DATABASE_NAME).read_bytes() == before


@pytest.mark.parametrize("application", [0, APPLICATION_ID + 1])
async def test_the_database_of_another_program_is_left_alone(tmp_path: Path, application: int) -> None:
    with sqlite3.connect(tmp_path / DATABASE_NAME) as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
        connection.execute(f"PRAGMA application_id = {application}")
    connection.close()
    before = (tmp_path / DATABASE_NAME).read_bytes()
    error = await refusal(tmp_path)
    assert error.code == "store_unavailable"
    assert "another program" in str(error)
    assert (tmp_path / DATABASE_NAME).read_bytes() == before


async def test_not_a_database(tmp_path: Path) -> None:
    (tmp_path / DATABASE_NAME).write_bytes(b"no database at all, but long enough to look at. " * 30)
    error = await refusal(tmp_path)
    assert error.code == "store_unavailable"
    assert "not a database" in str(error)


async def test_a_directory_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "taken" / DATABASE_NAME).mkdir(parents=True)
    for directory in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / "taken"):
        error = await refusal(directory)
        assert (error.code, error.retryable) == ("store_unavailable", False)
        assert str(directory) in str(error)


@contextmanager
def readable_directory() -> Iterator[Path]:
    """One that this process may look at and not write to; root becomes somebody else meanwhile."""
    with tempfile.TemporaryDirectory() as name:
        root = os.geteuid() == 0
        Path(name).chmod(0o555)
        if root:
            os.seteuid(65534)
        try:
            yield Path(name)
        finally:
            if root:
                os.seteuid(0)
            Path(name).chmod(0o755)


@pytest.mark.skipif(os.name != "posix", reason="rights of files are a matter of POSIX")
async def test_a_directory_that_may_not_be_written() -> None:
    with readable_directory() as directory:
        for path in (directory, directory / "data"):
            assert (await refusal(path)).code == "store_unavailable"


async def test_no_space_left_and_then_some(database: Database) -> None:
    async def fill_up(tx: Transaction) -> None:
        pages = (await tx.fetch("PRAGMA page_count"))[0][0]
        await tx.fetch(f"PRAGMA max_page_count = {pages}")

    await database.write(fill_up)
    with pytest.raises(StoreError) as caught:
        await put(database, "big", bytes(100_000))
    assert (caught.value.code, caught.value.retryable) == ("store_full", True)
    await database.write(lambda tx: tx.fetch("PRAGMA max_page_count = 100000"))
    await put(database, "big", bytes(100_000))
    assert list(await facts(database)) == ["big"]


async def test_readers_see_what_is_committed_and_nothing_else(database: Database) -> None:
    reached, go_on = threading.Event(), threading.Event()
    kept: list[Transaction] = []

    async def work(tx: Transaction) -> None:
        await tx.fetch(PUT, ("a", 1))
        kept.append(tx)
        reached.set()
        go_on.wait(10)

    writing = asyncio.create_task(database.write(work))
    assert await asyncio.to_thread(reached.wait, 10)
    assert await facts(database) == {}
    go_on.set()
    await writing
    assert await facts(database) == {"a": 1}
    with pytest.raises(RuntimeError):
        await kept[0].fetch(PUT, ("b", 2))
    with pytest.raises(StoreError):
        await database.fetch(PUT, ("b", 2))


async def test_a_work_that_waits_for_something_else_is_refused(database: Database) -> None:
    async def work(tx: Transaction) -> None:
        await tx.fetch(PUT, ("a", 1))
        await asyncio.sleep(0)

    with pytest.raises(StoreError):
        await database.write(work)
    await put(database, "b")
    assert await facts(database) == {"b": 1}


async def test_two_on_one_file_take_turns(tmp_path: Path) -> None:
    """Two databases on one file: each sees what the other has committed, and nobody's write is lost."""
    first, second = await Database.open(tmp_path / DATABASE_NAME), await Database.open(tmp_path / DATABASE_NAME)

    async def count(tx: Transaction) -> None:
        rows = await tx.fetch("SELECT value FROM facts WHERE name = 'n'")
        value = rows[0][0] + 1 if rows else 1
        await tx.fetch(f"{PUT} ON CONFLICT (name) DO UPDATE SET value = excluded.value", ("n", value))

    await asyncio.gather(*(database.write(count) for database in (first, second) for _ in range(10)))
    assert await facts(first) == await facts(second) == {"n": 20}
    await first.close()
    await second.close()
