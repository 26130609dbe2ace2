"""Checks of the data directory. Nothing is created, changed or brought up to date."""

from __future__ import annotations

import asyncio
import os
import stat
import struct
from pathlib import Path

from keygw.cli.diagnosis import Check, fail, ok, skipped, warn
from keygw.cli.places import OPERATOR_TOKEN

_POSIX = os.name == "posix"
_MAGIC = b"SQLite format 3\0"
_ELSEWHERE = "mend the rights, or choose another with --data or KEYGW_DATA"


def directory(path: Path) -> Check:
    """Is it there and writable, and does nobody else read along?"""
    name = "data directory"
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return _to_be_made(name, path)
    except OSError as error:
        return fail(name, f"{path}: {error.strerror}", _ELSEWHERE)
    if not stat.S_ISDIR(mode):
        return fail(name, f"{path} is not a directory", "choose another with --data or KEYGW_DATA")
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return fail(name, f"{path} is not writable for this user", _ELSEWHERE)
    if _POSIX and mode & 0o022:
        return fail(name, f"{path} can be written by others ({mode & 0o777:04o})", f"chmod 700 {path}")
    if _POSIX and mode & 0o055:
        return warn(name, f"{path} can be read by others ({mode & 0o777:04o})", f"chmod 700 {path}")
    return ok(name, f"{path}, writable")


def _to_be_made(name: str, path: Path) -> Check:
    parent = next((each for each in path.absolute().parents if each.exists()), None)
    if parent is None or not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        return fail(name, f"{path} is not there, and {parent} does not allow to make it", _ELSEWHERE)
    return ok(name, f"{path} is not there yet; the first keygw serve makes it")


def secrets(path: Path) -> Check:
    """The issuer's key, the vault's key and the operator's token: only their owner may read them."""
    from keygw.app.config import ISSUER_KEY
    from keygw.store.store import DATABASE_NAME, VAULT_KEY_NAME

    name = "key files"
    try:
        issuers = sorted(each.name for each in path.glob("issuer*.pem"))
        names = (*issuers, VAULT_KEY_NAME, OPERATOR_TOKEN, DATABASE_NAME)
        modes = {each: (path / each).stat().st_mode & 0o777 for each in names if (path / each).exists()}
    except OSError as error:
        return fail(name, f"{path}: {error.strerror}", _ELSEWHERE)
    if not modes:
        return skipped(name, "none yet; the first keygw serve makes them")
    exposed = [each for each, mode in modes.items() if _POSIX and mode & 0o077]
    if exposed:
        files = " ".join(str(path / each) for each in exposed)
        return fail(name, f"others can read: {', '.join(exposed)}", f"chmod 600 {files}; and replace what was exposed")
    wanted = {VAULT_KEY_NAME, *(issuers or [ISSUER_KEY])}  # the file of a retired key may be gone
    if DATABASE_NAME in modes and not wanted <= set(modes):
        lost = ", ".join(sorted(wanted - set(modes)))
        return fail(name, f"missing beside the database: {lost}", "restore them from a backup; new ones would not fit")
    return ok(name, ", ".join(modes))


def database(path: Path, *, running: bool) -> Check:
    """``running``: a gateway works with it right now, so that it is neither locked by a stranger nor too new."""
    from keygw.store.schema import APPLICATION_ID, SCHEMA_VERSION
    from keygw.store.store import DATABASE_NAME

    name = "database"
    file = path / DATABASE_NAME
    try:
        with file.open("rb") as opened:
            header = opened.read(100)
    except FileNotFoundError:
        return _none(name, file)
    except OSError as error:
        return fail(name, f"{file}: {error.strerror}", _ELSEWHERE)
    if not header:
        return _none(name, file)
    if not header.startswith(_MAGIC):
        return fail(name, f"{file} is not a database", "restore a backup, or choose another directory with --data")
    # SQLite file format, section 1.3: user version at 60, application id at 68.
    version, application = struct.unpack_from(">I4xI", header, 60) if len(header) == 100 else (0, 0)
    if version > SCHEMA_VERSION and application == APPLICATION_ID:
        return fail(
            name,
            f"{file} was written by a newer release (schema {version}; this one knows {SCHEMA_VERSION})",
            "install that release again, or restore a backup",
        )
    if application not in (0, APPLICATION_ID):
        return fail(name, f"{file} is a database of another program", "choose another directory with --data")
    if running:
        return ok(name, f"{file}, in use by the gateway that runs")
    if version != SCHEMA_VERSION:
        # Still in the write-ahead log, or of an older release: opening it would change the file.
        return ok(name, f"{file}, to be finished or brought up to date by the next keygw serve")
    return asyncio.run(_opened(name, file, version))


def _none(name: str, file: Path) -> Check:
    """No database is right for a gateway that never ran, and a loss for one that did (``database_missing``)."""
    from keygw.app.config import ISSUER_KEY
    from keygw.store.store import VAULT_KEY_NAME

    left = [each for each in (VAULT_KEY_NAME, ISSUER_KEY) if (file.parent / each).exists()]
    if not left:
        return skipped(name, "none yet; the first keygw serve makes it")
    return fail(
        name,
        f"{file} is missing or empty, and {' and '.join(left)} of the same gateway are there [database_missing]",
        "restore it from a backup; or, to begin anew and lose every digital key, move these files away",
    )


async def _opened(name: str, file: Path, version: int) -> Check:
    from keygw.model.errors import StoreError
    from keygw.store.database import Database

    try:
        await (await Database.open(file)).close()
    except StoreError as error:
        seen, _, fix = str(error).partition(": ")
        if error.code == "store_busy":
            seen, fix = f"{file} is locked by another process", "end that process, or wait for it"
        return fail(name, seen, fix or "look at the rights and the disk")
    return ok(name, f"{file}, schema {version}")
