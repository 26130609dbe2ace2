"""From a backup file to a database of either kind. Everything stands at the end, or nothing does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from keygw.model.errors import StoreError
from keygw.model.tenant import DEFAULT_TENANT
from keygw.store.backup.archive import Archive
from keygw.store.backup.tables import BATCH, Progress, Target
from keygw.store.group import Row
from keygw.store.marks import RESTORED
from keygw.store.migrations.plan import plan

_MADE_ANEW = {"facts": RESTORED, "tenants": DEFAULT_TENANT}
"""Rows, by their first column, that are there without the backup."""


async def restore(archive: Archive, target: Target, progress: Progress) -> None:
    """Tables of the archive's schema, its rows, and the mark that it was restored.

    The next start brings the schema up to date, as for any older database. ``StoreError``: restore_not_empty,
    backup_damaged, and those of the database.
    """
    try:
        await target.create(plan(target.dialect, 0, stamped=False, until=archive.version))
        for table in archive.tables:
            count = 0
            rows = parents_first(archive.rows(table), table)
            while batch := list(islice(rows, BATCH)):
                there = _MADE_ANEW.get(table["name"])
                batch = [row for row in batch if row[0] != there]
                await target.insert(table["name"], table["columns"], batch)
                count += len(batch)
                progress(table["name"], count)
        await target.insert("facts", ["name", "value"], [(RESTORED, 1)])
        await target.finish(archive.version)
    finally:
        await target.abandon()


def parents_first(rows: Iterator[Row], table: Mapping[str, Any]) -> Iterator[Row]:
    """A table that refers to itself: each row after the one it names. The first column is the one that is named."""
    if table["own_parent"] is None:
        yield from rows
        return
    column = table["columns"].index(table["own_parent"])
    there: set[Any] = {None}
    waiting: dict[Any, list[Row]] = {}
    for row in rows:
        if row[column] not in there:
            waiting.setdefault(row[column], []).append(row)
            continue
        ready = [row]
        while ready:
            free = ready.pop()
            there.add(free[0])
            ready += waiting.pop(free[0], [])
            yield free
    if waiting:
        raise StoreError(f"rows of {table['name']} name others that are not there", code="backup_damaged")
