"""Group commit: who waits together is committed together, and nobody's failure, or absence, is another's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from keygw.model.errors import Conflict, StoreError
from keygw.store.database import Database
from keygw.store.group import GROUP, MOST_WAITING, GroupCommit, Job, Transaction
from keygw.store.inline import InlineDatabase
from keygw.store.store import DATABASE_NAME

PUT = "INSERT INTO facts (name, value) VALUES (?, ?)"


class Counted:
    """A database that counts its groups, and the statements of its writer."""

    def __init__(self, database: Database | InlineDatabase) -> None:
        self.database = database
        self.groups: list[int] = []
        self._run = database._groups._run
        database._groups._run = self._counting

    async def _counting(self, jobs: Any) -> None:
        self.groups.append(len(jobs))
        await self._run(jobs)

    async def names(self) -> list[str]:
        return [row[0] for row in await self.database.fetch("SELECT name FROM facts ORDER BY name")]


@pytest.fixture(params=[Database, InlineDatabase], ids=["thread", "inline"])
async def counted(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Counted]:
    database = await request.param.open(tmp_path / DATABASE_NAME)
    yield Counted(database)
    await database.close()


def putting(name: str, fail: Exception | None = None, told: list[str] | None = None) -> Callable[..., Awaitable[str]]:
    """A work that writes, and then may fail."""

    async def work(tx: Transaction) -> str:
        if told is not None:
            tx.after_commit(lambda: told.append(name))
        await tx.fetch(PUT, (name, 1))
        if fail is not None:
            raise fail
        return name

    return work


async def test_writers_that_wait_together_are_committed_together(counted: Counted) -> None:
    told: list[str] = []
    names = [f"n{number:03}" for number in range(150)]
    assert await asyncio.gather(*(counted.database.write(putting(name, told=told)) for name in names)) == names
    assert counted.groups == [GROUP, GROUP, 150 - 2 * GROUP]
    assert told == names
    assert await counted.names() == names


async def test_each_work_sees_those_before_it(counted: Counted) -> None:
    async def count(tx: Transaction) -> int:
        number = int((await tx.fetch("SELECT count(*) FROM facts"))[0][0])
        await tx.fetch(PUT, (f"n{number}", number))
        return number

    assert await asyncio.gather(*(counted.database.write(count) for _ in range(20))) == list(range(20))


@pytest.mark.parametrize("failing", [0, 3, 7])
async def test_a_failing_work_takes_no_neighbour_with_it(counted: Counted, failing: int) -> None:
    told: list[str] = []
    works = [putting(f"n{n}", Conflict("no", code="key_exists") if n == failing else None, told) for n in range(8)]
    ends = await asyncio.gather(*(counted.database.write(work) for work in works), return_exceptions=True)
    good = [f"n{n}" for n in range(8) if n != failing]
    assert isinstance(ends[failing], Conflict)
    assert [end for end in ends if isinstance(end, str)] == good
    assert (await counted.names(), told) == (good, good)


async def test_a_refusal_that_wrote_nothing_costs_no_second_run(counted: Counted) -> None:
    runs: list[str] = []

    async def refuse(tx: Transaction) -> None:
        await tx.fetch("SELECT 1")
        raise Conflict("no")

    async def run(tx: Transaction) -> None:
        runs.append("ran")
        await tx.fetch(PUT, ("a", 1))

    ends = await asyncio.gather(counted.database.write(run), counted.database.write(refuse), return_exceptions=True)
    assert (ends[0], type(ends[1]), runs) == (None, Conflict, ["ran"])


async def test_a_broken_constraint_is_the_fault_of_one(counted: Counted) -> None:
    """Also where the database itself says no."""
    ends = await asyncio.gather(
        *(counted.database.write(putting(name)) for name in ("a", "b", "a", "c")), return_exceptions=True
    )
    assert [type(end).__name__ for end in ends] == ["str", "str", "Duplicate", "str"]
    assert await counted.names() == ["a", "b", "c"]


async def test_when_the_storage_fails_everybody_hears_it(counted: Counted) -> None:
    async def fill_up(tx: Transaction) -> None:
        pages = (await tx.fetch("PRAGMA page_count"))[0][0]
        await tx.fetch(f"PRAGMA max_page_count = {pages}")

    await counted.database.write(fill_up)
    big = "INSERT INTO facts (name, value) VALUES ('big', zeroblob(100000))"
    ends = await asyncio.gather(
        counted.database.write(putting("a")),
        counted.database.write(lambda tx: tx.fetch(big)),
        counted.database.write(putting("b")),
        return_exceptions=True,
    )
    assert [getattr(end, "code", None) for end in ends] == ["store_full"] * 3
    assert len({id(end) for end in ends}) == 3, "each its own: a raised exception collects tracebacks"
    assert await counted.names() == []
    await counted.database.write(lambda tx: tx.fetch("PRAGMA max_page_count = 100000"))
    assert await counted.database.write(putting("c")) == "c"


async def test_who_gives_up_in_the_line_is_not_run(counted: Counted) -> None:
    runs: list[str] = []

    async def run(tx: Transaction) -> None:
        runs.append("ran")

    waiting = asyncio.create_task(counted.database.write(run))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await counted.database.write(putting("a"))
    assert (runs, await counted.names()) == ([], ["a"])


async def test_who_gives_up_during_the_commit_is_committed_and_told(counted: Counted) -> None:
    """And the cancellation is heard only after that, however often it comes."""
    told: list[str] = []
    run = counted._run

    async def cancelling(jobs: Any) -> None:
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        await run(jobs)

    counted._run = cancelling
    task = asyncio.create_task(counted.database.write(putting("a", told=told)))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await counted.names(), told) == (["a"], ["a"])


async def test_who_gives_up_at_the_very_moment_of_the_answer_leaves_nobody_waiting() -> None:
    """The cancellation is on its way, the writer has not woken yet, and it is told."""
    told: list[str] = []

    async def run(jobs: Sequence[Job[Any]]) -> None:
        for job in jobs:
            job.result = "done"
            job.callbacks = [lambda: told.append("told")]
        first.cancel()

    group = GroupCommit(run)
    first = asyncio.create_task(group.write(putting("a")))
    second = asyncio.create_task(group.write(putting("b")))
    async with asyncio.timeout(5):
        ends = await asyncio.gather(first, second, return_exceptions=True)
        await group.idle()
    assert (type(ends[0]), ends[1], told) == (asyncio.CancelledError, "done", ["told", "told"])


async def test_a_failing_callback_cannot_undo_a_commit(counted: Counted) -> None:
    failures: list[dict[str, Any]] = []
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context))

    def fail() -> None:
        raise ZeroDivisionError

    async def work(tx: Transaction) -> str:
        await tx.fetch(PUT, ("a", 1))
        tx.after_commit(fail)
        tx.after_commit(lambda: told.append("still"))
        return "done"

    assert await counted.database.write(work) == "done"
    assert (told, len(failures), await counted.names()) == (["still"], 1, ["a"])


async def test_what_was_begun_is_finished_before_the_end(counted: Counted) -> None:
    writing = [asyncio.create_task(counted.database.write(putting(f"n{number}"))) for number in range(5)]
    await asyncio.sleep(0)
    await counted.database.close()
    assert [await each for each in writing] == [f"n{number}" for number in range(5)]
    with pytest.raises(StoreError):
        await counted.database.write(putting("late"))


async def test_the_line_has_an_end() -> None:
    never = asyncio.Event()

    async def run(jobs: Any) -> None:
        await never.wait()
        for job in jobs:
            job.result = "done"

    group = GroupCommit(run)
    waiting = [asyncio.create_task(group.write(putting("a"))) for _ in range(GROUP + MOST_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(StoreError) as caught:
        await group.write(putting("a"))
    assert (caught.value.code, caught.value.retryable) == ("store_busy", True)
    never.set()
    ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert ends.count("done") == MOST_WAITING


async def test_a_group_that_is_lost_is_not_waited_for_in_vain() -> None:
    runs: list[int] = []

    async def run(jobs: Sequence[Job[Any]]) -> None:
        runs.append(len(jobs))
        if len(runs) == 1:
            raise ZeroDivisionError
        for job in jobs:
            job.result = "done"

    group = GroupCommit(run)
    ends = await asyncio.gather(*(group.write(putting("a")) for _ in range(GROUP + 1)), return_exceptions=True)
    assert [type(end) for end in ends[:GROUP]] == [StoreError] * GROUP
    assert ends[GROUP] == "done"
    await group.idle()


async def ledger(fetch: Any, items: Sequence[str]) -> None:
    """One statement, whatever the works of the group have appended."""
    await fetch(PUT, ("+".join(items), len(items)))


def appending(name: str, fail: Exception | None = None, put: bool = False) -> Callable[..., Awaitable[str]]:
    async def work(tx: Transaction) -> str:
        tx.append(ledger, name)
        if put:
            await tx.fetch(PUT, (name, 1))
        if fail is not None:
            raise fail
        return name

    return work


async def test_what_the_works_append_is_written_once_in_their_order(counted: Counted) -> None:
    await asyncio.gather(*(counted.database.write(appending(name)) for name in "abc"))
    assert counted.groups == [3]
    assert await counted.names() == ["a+b+c"]


@pytest.mark.parametrize("put", [False, True])
async def test_a_failing_work_appends_nothing(counted: Counted, put: bool) -> None:
    works = [appending("a"), appending("b", Conflict("no"), put), appending("c")]
    outcomes = await asyncio.gather(*map(counted.database.write, works), return_exceptions=True)
    assert [isinstance(each, Conflict) for each in outcomes] == [False, True, False]
    assert await counted.names() == ["a+c"]


async def test_a_ledger_that_cannot_be_written_fails_the_whole_group(counted: Counted) -> None:
    async def broken(fetch: Any, items: Sequence[str]) -> None:
        raise StoreError("no space", code="store_full", retryable=True)

    async def work(tx: Transaction) -> None:
        await tx.fetch(PUT, ("a", 1))
        tx.append(broken, "a")

    outcomes = await asyncio.gather(
        counted.database.write(work), counted.database.write(putting("b")), return_exceptions=True
    )
    assert [getattr(each, "code", None) for each in outcomes] == ["store_full", "store_full"]
    assert await counted.names() == []
