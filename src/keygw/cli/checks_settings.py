"""Check of the settings that ``keygw serve`` would find, and of where they put the database."""

from __future__ import annotations

from pathlib import Path

from keygw.cli.diagnosis import Check, fail, ok, skipped, warn
from keygw.cli.failure import Failure
from keygw.cli.settings import settings

_NAME = "settings"


def found(data: Path) -> tuple[Check, bool]:
    """The check, and whether the database is a server's and no file in the data directory."""
    try:
        loaded = settings(None, {"data": data})
    except Failure as failure:
        return fail(_NAME, f"{failure.detail} [{failure.code}]", failure.next_step), False
    elsewhere = loaded.settings.database is not None
    if loaded.doubts:
        return warn(_NAME, loaded.doubts[0], "correct its name, or leave it if it is another program's"), elsewhere
    return ok(_NAME, str(loaded.file or "no file; variables and defaults")), elsewhere


def database_elsewhere() -> Check:
    """A database that is no file: the gateway itself looks at it, and ``/readyz`` says how it is."""
    return skipped("database", "PostgreSQL, by the settings; keygw serve and /readyz look at it")
