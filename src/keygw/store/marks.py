"""Marks that tell a restored database from the one that was last seen here.

Beside the database, in the data directory, lies what the counters of the database were when a gateway last looked: keys
given an index, lists signed, receipts kept, the newest time that was signed. They only ever grow. A database that is
behind that file was put back, by whatever means: it does not know what was issued and revoked since. It is marked, and
gives out no new key until an operator confirms.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from keygw.model.errors import StoreError
from keygw.store.group import Fetch, Storage, Transaction

SEEN_NAME = "seen.json"
RESTORED = "restored_unconfirmed"
"""The fact that is there as long as nobody has confirmed."""
WRITER = "writer "
"""Begins the name of the row in ``facts`` by which a process that writes to PostgreSQL knows its own commits."""

_COUNTERS = """
    SELECT coalesce((SELECT value FROM facts WHERE name = 'last_issued_at'), 0),
           coalesce((SELECT sum(next_index + list_sequence + receipts_through) FROM vehicles), 0)
"""


@dataclass(frozen=True, slots=True)
class Counters:
    """``issued_at``: the newest iat that was signed. ``written``: indices, lists, receipts, all vehicles together."""

    issued_at: int
    written: int

    def behind(self, other: Counters) -> bool:
        return self.issued_at < other.issued_at or self.written < other.written


def is_writer_row(name: object) -> bool:
    return isinstance(name, str) and name.startswith(WRITER)


async def counters(fetch: Fetch) -> Counters:
    row = (await fetch(_COUNTERS))[0]
    return Counters(int(row[0]), int(row[1]))


async def is_unconfirmed(fetch: Fetch) -> bool:
    return bool(await fetch("SELECT 1 FROM facts WHERE name = ?", (RESTORED,)))


async def look_for_restore(database: Storage, directory: Path) -> bool:
    """Mark the database if it is behind what was seen here; whether it is marked now."""
    seen = read_seen(directory)
    if seen is not None and (await counters(database.fetch)).behind(seen):
        sql = "INSERT INTO facts (name, value) VALUES (?, 1) ON CONFLICT DO NOTHING"
        await database.write(lambda tx: tx.fetch(sql, (RESTORED,)))
    return await is_unconfirmed(database.fetch)


async def note_seen(database: Storage, directory: Path) -> None:
    """Remember how far the database is. Never lowers it: that takes ``confirm``."""
    now, seen = await counters(database.fetch), read_seen(directory)
    if now != seen and not (seen is not None and now.behind(seen)):
        write_seen(directory, now)


async def confirm(database: Storage, directory: Path) -> bool:
    """Take the database as it is; whether it was marked."""

    async def work(tx: Transaction) -> bool:
        return bool(await tx.fetch("DELETE FROM facts WHERE name = ? RETURNING name", (RESTORED,)))

    marked = await database.write(work)
    write_seen(directory, await counters(database.fetch))
    return marked


def read_seen(directory: Path) -> Counters | None:
    """``None``: nothing was seen here yet. ``StoreError`` seen_damaged."""
    path = directory / SEEN_NAME
    try:
        found = json.loads(path.read_bytes())
        return Counters(int(found["issued_at"]), int(found["written"]))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{path} does not say what was seen: look whether the database is the newest one, then delete the file",
            code="seen_damaged",
        ) from error


def write_seen(directory: Path, seen: Counters) -> None:
    path = directory / SEEN_NAME
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(f"{json.dumps(asdict(seen))}\n")
        os.replace(draft, path)  # noqa: PTH105 - the one call that replaces on every system
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise StoreError(f"{path} cannot be written: {error.strerror}") from error
