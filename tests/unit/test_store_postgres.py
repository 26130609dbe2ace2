"""PostgreSQL as the database: what a commit means, what a lost connection leaves behind, and what is never shown."""

from __future__ import annotations

import asyncio
import logging
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from keygw.model.errors import KeygwError, StoreError
from keygw.store import postgres as module
from keygw.store import postgres_door as door_module
from keygw.store.errors import Duplicate
from keygw.store.group import Transaction
from keygw.store.migrations import REVISIONS
from keygw.store.placeholders import numbered
from keygw.store.postgres import PostgresDatabase, shown
from keygw.store.schema import SCHEMA_VERSION
from keygw.store.store import open_store
from postgres_server import PORT, PostgresServer

PUT = "INSERT INTO facts (name, value) VALUES (?, ?)"
NewDatabase = Callable[[], str]

OPENING = """
import asyncio, sys
from pathlib import Path
from keygw.store.store import open_store

async def main():
    print("ready", flush=True)
    sys.stdin.readline()
    async with await open_store(Path(sys.argv[1]), database_url=sys.argv[2]) as store:
        print(*[row[0] for row in await store.database.fetch("SELECT version_num FROM keygw_schema")])

asyncio.run(main())
"""


async def opened(url: str) -> PostgresDatabase:
    database = await PostgresDatabase.connect(url)
    await database.bring_up()
    return database


@pytest.fixture
async def database(new_database: NewDatabase) -> AsyncIterator[PostgresDatabase]:
    database = await opened(new_database())
    yield database
    await database.close()


async def put(database: PostgresDatabase, name: str, value: int) -> None:
    await database.write(lambda tx: tx.fetch(PUT, (name, value)))


async def facts(database: PostgresDatabase) -> dict[str, Any]:
    rows = await database.fetch("SELECT name, value FROM facts WHERE name NOT LIKE 'writer %' ORDER BY name")
    return {row[0]: row[1] for row in rows}


async def writer(database: PostgresDatabase) -> int:
    """The process on the server behind the connection that writes."""
    rows = await database.write(lambda tx: tx.fetch("SELECT pg_backend_pid()"))
    return int(rows[0][0])


class Proxy:
    """Stands between a database and its clients on a socket of its own, and loses what it is told to lose.

    ``lose``: after a client has said these bytes its connection ends; ``deliver``: whether the server still hears them.
    """

    def __init__(self, server: PostgresServer, directory: Path) -> None:
        self.url = ""
        self.lose = b""
        self.deliver = True
        self.lost = 0
        self._server = server
        self._directory = directory
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def between(self, url: str) -> AsyncIterator[str]:
        here = self._directory / f".s.PGSQL.{PORT}"
        listener = await asyncio.start_unix_server(self._carry, here)
        try:
            database = url.split("@/")[1].split("?", maxsplit=1)[0]
            yield f"postgresql://keygw@/{database}?host={self._directory}&port={PORT}"
        finally:
            listener.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        there, back = await asyncio.open_unix_connection(self._server.home / f".s.PGSQL.{PORT}")
        down = asyncio.create_task(self._down(there, writer))
        try:
            while said := await reader.read(65536):
                losing = self.lose and self.lose in said
                if losing:
                    self.lost += 1
                    self.lose = b""
                    down.cancel()
                if not losing or self.deliver:
                    back.write(said)
                    await back.drain()
                if losing:
                    break
            if self.deliver and back.can_write_eof():
                # The server hears what was said, answers into the void, and then finds that nobody is there.
                back.write_eof()
                while await there.read(65536):
                    pass
        except OSError:
            pass
        finally:
            down.cancel()
            writer.close()
            back.close()
            self._tasks.discard(task)

    async def _down(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while said := await there.read(65536):
            writer.write(said)
            await writer.drain()
        writer.close()


def test_placeholders_are_counted_outside_of_quotes() -> None:
    assert numbered("SELECT ?, 'why?', 'it''s ?', ? WHERE a = ?") == "SELECT $1, 'why?', 'it''s ?', $2 WHERE a = $3"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "postgresql://me:secret@db.example:5433/keys",
            "the PostgreSQL database keys on db.example:5433",
        ),
        ("postgresql:///keys?host=/run/postgresql&password=secret", "the PostgreSQL database keys on /run/postgresql"),
        ("postgresql://", "the PostgreSQL database of the user on localhost"),
        ("postgresql://me:secret@[db/keys", "the PostgreSQL database"),
        ("postgresql://me:sec/ret@db:port/keys", "the PostgreSQL database"),
    ],
)
def test_a_password_is_never_shown(url: str, said: str) -> None:
    assert shown(url) == said
    assert "sec" not in repr(PostgresDatabase(url))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://keygw:hunter2@/nowhere?host=/nonexistent",
        "postgresql://keygw:hunter2@localhost:hunter2/nowhere",
        "postgresql://keygw:hunter2@[localhost/nowhere",
        "mysql://keygw:hunter2@localhost/nowhere",
        "postgresql://keygw:hunter2@localhost:1/nowhere",
        "postgresql://keygw:hunter2@localhost:1/nowhere?sslmode=hunter2",
    ],
)
async def test_an_address_that_leads_nowhere(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(StoreError) as caught:
        await PostgresDatabase.connect(url)
    assert caught.value.code in {"store_busy", "store_unavailable"}
    assert "hunter2" not in str(caught.value) + caplog.text


async def test_a_database_or_user_that_is_not_there(postgres: PostgresServer) -> None:
    for url in (postgres.url("nowhere"), postgres.url("postgres").replace("keygw@", "nobody_there@")):
        with pytest.raises(StoreError) as caught:
            await PostgresDatabase.connect(url)
        assert (caught.value.code, caught.value.retryable) == ("store_unavailable", False)


async def test_writers_take_turns_across_connections(new_database: NewDatabase) -> None:
    url = new_database()
    one, two = await opened(url), await opened(url)
    await put(one, "n", 0)

    async def count(tx: Transaction) -> None:
        value = (await tx.fetch("SELECT value FROM facts WHERE name = 'n'"))[0][0]
        await tx.fetch("UPDATE facts SET value = ? WHERE name = 'n'", (value + 1,))

    await asyncio.gather(*(database.write(count) for _ in range(30) for database in (one, two)))
    assert await facts(two) == {"n": 60}
    await one.close()
    await two.close()


async def test_many_writers_share_one_commit(database: PostgresDatabase) -> None:
    def transaction(tx: Transaction) -> Any:
        return tx.fetch("INSERT INTO facts SELECT ?, pg_current_xact_id()::text::bigint RETURNING value", (name(),))

    names = iter(range(100))

    def name() -> str:
        return f"n{next(names)}"

    ended = await asyncio.gather(*(database.write(transaction) for _ in range(32)))
    assert len({rows[0][0] for rows in ended}) <= 2


async def test_a_broken_constraint_is_the_fault_of_one(database: PostgresDatabase) -> None:
    await put(database, "a", 1)
    ends = await asyncio.gather(*(put(database, name, 2) for name in "abac"), return_exceptions=True)
    assert [type(end).__name__ for end in ends] == ["Duplicate", "NoneType", "Duplicate", "NoneType"]
    assert await facts(database) == {"a": 1, "b": 2, "c": 2}
    assert "facts_pkey" in str(ends[0])


async def test_a_work_cannot_pass_over_a_statement_that_failed(database: PostgresDatabase) -> None:
    async def work(tx: Transaction) -> str:
        await tx.fetch(PUT, ("a", 1))
        with pytest.raises(Duplicate):
            await tx.fetch(PUT, ("a", 2))
        return "as if nothing had been"

    with pytest.raises(Duplicate):
        await database.write(work)
    assert await facts(database) == {}


async def test_a_statement_that_only_asks_may_fail_too(database: PostgresDatabase) -> None:
    async def ask(tx: Transaction) -> None:
        await tx.fetch("SELECT 1 / 0")

    ends = await asyncio.gather(
        put(database, "a", 1), database.write(ask), put(database, "b", 1), return_exceptions=True
    )
    assert [type(end).__name__ for end in ends] == ["NoneType", "DivisionByZeroError", "NoneType"]
    assert await facts(database) == {"a": 1, "b": 1}


async def test_readers_cannot_write_and_see_what_is_committed(database: PostgresDatabase) -> None:
    async def work(tx: Transaction) -> None:
        await tx.fetch(PUT, ("a", 1))
        assert await facts(database) == {}

    await database.write(work)
    assert await facts(database) == {"a": 1}
    with pytest.raises(StoreError):
        await database.fetch(PUT, ("b", 2))


async def test_a_lost_writer_is_replaced_and_the_work_runs_again(
    database: PostgresDatabase, postgres: PostgresServer
) -> None:
    runs: list[int] = []

    async def work(tx: Transaction) -> None:
        await tx.fetch(PUT, ("a", 1))
        pid = (await tx.fetch("SELECT pg_backend_pid()"))[0][0]
        runs.append(pid)
        if len(runs) == 1:
            postgres.sql(f"SELECT pg_terminate_backend({pid}, 5000)")
        await tx.fetch(PUT, ("b", 2))

    await database.write(work)
    assert len(set(runs)) == len(runs) == 2
    assert await facts(database) == {"a": 1, "b": 2}
    postgres.sql(f"SELECT pg_terminate_backend({await writer(database)}, 5000)")
    await put(database, "c", 3)
    postgres.sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE backend_type = 'client backend' "
                 "AND pid <> pg_backend_pid()")  # fmt: skip
    assert await facts(database) == {"a": 1, "b": 2, "c": 3}


@pytest.mark.parametrize("deliver", [True, False], ids=["committed", "not committed"])
async def test_a_connection_lost_during_the_commit_is_settled(
    new_database: NewDatabase, postgres: PostgresServer, tmp_path: Path, deliver: bool
) -> None:
    """The answer to COMMIT never comes. Whether the server heard it is found out, and the work is not done twice."""
    url, runs = new_database(), 0
    proxy = Proxy(postgres, tmp_path)

    async def work(tx: Transaction) -> None:
        nonlocal runs
        runs += 1
        await tx.fetch("UPDATE facts SET value = value + 1 WHERE name = 'n'")

    async with proxy.between(url) as through:
        database = await opened(through)
        await put(database, "n", 0)
        proxy.deliver, proxy.lose = deliver, b"COMMIT"
        told: list[str] = []

        async def counted(tx: Transaction) -> None:
            tx.after_commit(lambda: told.append("yes"))
            await work(tx)

        await database.write(counted)
        assert (proxy.lost, told) == (1, ["yes"])
        assert runs == (1 if deliver else 2)
        assert await facts(database) == {"n": 1}
        await database.close()


async def test_a_commit_that_cannot_be_settled_may_have_happened(
    new_database: NewDatabase, postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door_module, "RETRY_SECONDS", 0.1)
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.1)
    url = new_database()
    proxy = Proxy(postgres, tmp_path)
    async with proxy.between(url) as through:
        database = await opened(through)
        proxy.lose = b"COMMIT"
        connect = database._link.connect

        async def refuse() -> Any:
            if proxy.lost:
                raise StoreError("nobody there")
            return await connect()

        monkeypatch.setattr(database._link, "connect", refuse)
        with pytest.raises(StoreError) as caught:
            await put(database, "a", 1)
        assert (caught.value.may_have_happened, caught.value.retryable) == (True, False)
        monkeypatch.undo()
        assert await facts(database) == {"a": 1}
        await database.close()


async def test_a_lock_that_another_holds_is_waited_for_and_then_told(
    new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door_module, "LOCK_SECONDS", 1)
    url = new_database()
    one, two = await opened(url), await opened(url)
    held, free = asyncio.Event(), asyncio.Event()

    async def hold(tx: Transaction) -> None:
        await tx.fetch(PUT, ("a", 1))
        held.set()
        await free.wait()  # a work may not do that; it stands for a gateway that hangs

    holding = asyncio.create_task(one.write(hold))
    await held.wait()
    with pytest.raises(StoreError) as caught:
        await put(two, "b", 2)
    assert (caught.value.code, caught.value.retryable, caught.value.may_have_happened) == ("store_busy", True, False)
    assert await facts(two) == {}
    free.set()
    await holding
    await put(two, "b", 2)
    assert await facts(one) == {"a": 1, "b": 2}
    await one.close()
    await two.close()


async def test_a_gateway_that_hangs_in_a_transaction_is_thrown_out(
    new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door_module, "IDLE_SECONDS", 1)
    url = new_database()
    one = await opened(url)
    monkeypatch.undo()
    two = await opened(url)
    held, free = asyncio.Event(), asyncio.Event()

    async def hold(tx: Transaction) -> None:
        await tx.fetch("INSERT INTO facts (name, value) VALUES ('a', 1) ON CONFLICT DO NOTHING")
        held.set()
        await free.wait()

    holding = asyncio.create_task(one.write(hold))
    await held.wait()
    await put(two, "b", 2)
    assert await facts(two) == {"b": 2}
    free.set()
    await holding
    assert await facts(two) == {"a": 1, "b": 2}
    await one.close()
    await two.close()


async def test_a_server_that_restarts_under_load_loses_nothing(postgres_to_stop: PostgresServer) -> None:
    """Every write that was acknowledged is there once, and none that was not reported as failed is missing."""
    server = postgres_to_stop
    url = server.create("restarted")
    database = await opened(url)
    acknowledged: list[str] = []
    progress = asyncio.Event()

    async def write(lane: int) -> None:
        for number in range(30):
            await put(database, f"{lane}-{number}", number)
            acknowledged.append(f"{lane}-{number}")
            progress.set()

    async def restart() -> None:
        for how in (signal.SIGINT, signal.SIGQUIT):
            before = len(acknowledged)
            while len(acknowledged) < before + 40:
                await progress.wait()
                progress.clear()
            server.stop(how)
            server.start()

    await asyncio.gather(restart(), *(write(lane) for lane in range(8)))
    assert sorted(await facts(database)) == sorted(acknowledged)
    assert len(acknowledged) == 240
    await database.close()


async def test_a_server_that_is_gone_is_told_and_its_return_is_noticed(
    postgres_to_stop: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door_module, "RETRY_SECONDS", 0.1)
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.1)
    server = postgres_to_stop
    database = await opened(server.create("gone"))
    server.stop()
    for attempt in (put(database, "a", 1), facts(database)):
        with pytest.raises(StoreError) as caught:
            await attempt
        assert (caught.value.code, caught.value.retryable) == ("store_busy", True)
        assert caught.value.may_have_happened is False
    server.start()
    await put(database, "a", 1)
    assert await facts(database) == {"a": 1}
    await database.close()


async def test_a_database_of_another_program_is_left_alone(new_database: NewDatabase, postgres: PostgresServer) -> None:
    url = new_database()
    name = url.split("@/")[1].split("?")[0]
    postgres.sql("CREATE TABLE songs (title TEXT)", name)
    with pytest.raises(StoreError, match="another program"):
        await PostgresDatabase.connect(url)
    assert postgres.sql("SELECT string_agg(tablename, ' ') FROM pg_tables WHERE schemaname = 'public'", name) == "songs"


async def test_a_newer_schema_is_left_alone(
    new_database: NewDatabase, postgres: PostgresServer, tmp_path: Path
) -> None:
    url = new_database()
    name = url.split("@/")[1].split("?")[0]
    async with await open_store(tmp_path, database_url=url):
        pass
    postgres.sql("UPDATE keygw_schema SET version_num = '9999'", name)
    with pytest.raises(StoreError) as caught:
        await open_store(tmp_path, database_url=url)
    assert (caught.value.code, caught.value.retryable) == ("store_too_new", False)
    assert postgres.sql("SELECT version_num FROM keygw_schema", name) == "9999"


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
async def test_every_released_schema_becomes_this_one(new_database: NewDatabase, version: int, tmp_path: Path) -> None:
    from keygw.store.migrations.plan import plan

    database = await PostgresDatabase.connect(url := new_database())

    async def as_it_was(tx: Transaction) -> None:
        for statement in plan("postgresql", 0, stamped=False):
            await tx.fetch(statement)
            if (
                statement.startswith(("INSERT INTO keygw_schema", "UPDATE keygw_schema"))
                and (await tx.fetch("SELECT version_num FROM keygw_schema"))[0][0] == REVISIONS[version - 1]
            ):
                return

    await database.write(as_it_was)
    await database.write(lambda tx: tx.fetch("INSERT INTO devices VALUES ('dev_a', 'phone', '', '', NULL)"))
    await database.close()
    async with await open_store(tmp_path, database_url=url) as store:
        assert (await store.database.fetch("SELECT version_num FROM keygw_schema"))[0][0] == REVISIONS[-1]
        assert await store.credentials.device("dev_a") is not None


async def test_two_processes_migrate_at_once(new_database: NewDatabase, tmp_path: Path) -> None:
    command = [sys.executable, "-c", OPENING, str(tmp_path), new_database()]
    running = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]  # noqa: ASYNC220
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    said = [(await asyncio.to_thread(process.communicate))[0].split() for process in running]
    assert said == [[REVISIONS[-1]]] * 2
    assert [process.returncode for process in running] == [0, 0]


async def test_key_files_beside_an_empty_database_are_a_loss(new_database: NewDatabase, tmp_path: Path) -> None:
    async with await open_store(tmp_path / "data"):
        pass
    with pytest.raises(StoreError) as caught:
        await open_store(tmp_path / "data", database_url=new_database())
    assert caught.value.code == "database_missing"


async def test_what_is_closed_stays_closed(database: PostgresDatabase) -> None:
    await put(database, "a", 1)
    await database.close()
    await database.close()
    with pytest.raises(KeygwError, match="closed"):
        await put(database, "b", 1)
    with pytest.raises(KeygwError, match="closed"):
        await facts(database)
