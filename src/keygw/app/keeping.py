"""Backups: which database and which files they are of, as the settings say."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from keygw.app.settings import Settings
from keygw.model.errors import StoreError
from keygw.store.backup.archive import Archive, write_archive
from keygw.store.backup.check import Checks, Finding
from keygw.store.backup.restore import restore
from keygw.store.backup.sqlite import SqliteSource, SqliteTarget
from keygw.store.backup.tables import Progress, Source, Target
from keygw.store.instance import InstanceLock
from keygw.store.keyfile import load_or_create_secret
from keygw.store.marks import confirm
from keygw.store.store import DATABASE_NAME, open_store

_KEY_FILE = re.compile(r"vault\.key|issuer[a-z0-9-]*\.pem")


async def back_up(settings: Settings, path: Path, *, with_keys: bool, progress: Progress) -> dict[str, Any]:
    """Answers the manifest (``store.backup.archive``). ``StoreError``: backup_exists, database_missing, ..."""
    files = await asyncio.to_thread(_key_files, settings.data) if with_keys else {}
    async with _source(settings) as source:
        return await write_archive(source, path, files, int(time.time()), progress)


async def put_back(settings: Settings, path: Path, progress: Progress) -> dict[str, Any]:
    """From a backup into the database of the settings, which must be empty; key files that are missing come with it.

    ``StoreError``: restore_not_empty, backup_damaged, backup_unreadable, store_too_new, store_in_use, ...
    """
    with _archive(path) as archive, InstanceLock(settings.data):
        archive.check(progress)
        files = archive.files()
        for name, content in files.items():
            if not _KEY_FILE.fullmatch(name):
                raise StoreError(f"the backup {path} is damaged: {name} is no key file", code="backup_damaged")
            if _read(settings.data / name) not in (None, content):
                raise StoreError(
                    f"{settings.data / name} is another one than that of the backup: move it away, or take a backup "
                    "without keys",
                    code="restore_not_empty",
                )
        await restore(archive, _target(settings), progress)
        for name, content in files.items():
            load_or_create_secret(settings.data / name, lambda content=content: content)  # type: ignore[misc]  # the default binds it
        return archive.manifest


async def confirm_restored(settings: Settings) -> bool:
    """Take the database as it is, also while a gateway runs on it; whether it waited for that."""
    async with await open_store(settings.data, database_url=_url(settings)) as store:
        return await confirm(store.database, settings.data)


async def look_at(settings: Settings, progress: Progress) -> list[Finding]:
    """Every check of ``store.backup.check`` on the database as it is now."""
    async with _source(settings) as source:
        return await Checks(source, progress).run()


def look_at_backup(path: Path, progress: Progress) -> dict[str, Any]:
    """Read the backup once, whole; answers its manifest. ``StoreError``: backup_damaged, backup_unreadable."""
    with _archive(path) as archive:
        archive.check(progress)
        return archive.manifest


@contextmanager
def _archive(path: Path) -> Iterator[Archive]:
    archive = Archive(path)
    try:
        yield archive
    finally:
        archive.close()


@asynccontextmanager
async def _source(settings: Settings) -> AsyncIterator[Source]:
    url = _url(settings)
    source: Source
    if url is None:
        source = await SqliteSource.open(settings.data / DATABASE_NAME)
    else:
        from keygw.store.backup.postgres import PostgresSource  # asyncpg is an extra

        source = await PostgresSource.open(url)
    try:
        yield source
    finally:
        await source.close()


def _target(settings: Settings) -> Target:
    url = _url(settings)
    if url is None:
        return SqliteTarget(settings.data / DATABASE_NAME)
    from keygw.store.backup.postgres import PostgresTarget  # asyncpg is an extra

    return PostgresTarget(url)


def _url(settings: Settings) -> str | None:
    return None if settings.database is None else settings.database.get_secret_value()


def _key_files(directory: Path) -> dict[str, bytes]:
    """The files that the database's content depends on: the vault's key, and the issuer's keys as they lie there."""
    try:
        names = sorted(path.name for path in directory.iterdir() if _KEY_FILE.fullmatch(path.name))
    except OSError as error:
        raise StoreError(f"the data directory {directory} cannot be used: {error.strerror}") from error
    return {name: content for name in names if (content := _read(directory / name)) is not None}


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from error
