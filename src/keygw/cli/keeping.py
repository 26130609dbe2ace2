"""``keygw backup``, ``restore``, ``verify``: they work on the database itself, whether a gateway runs or not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keygw.cli import output
from keygw.cli.exits import Exit
from keygw.cli.failure import Failure, usage
from keygw.cli.options import Data, Json
from keygw.cli.settings import Config, Database, settings, without_password

if TYPE_CHECKING:
    from keygw.app.settings import Settings
    from keygw.store.backup.check import Finding

_CONFLICTS = {"backup_exists", "restore_not_empty", "store_in_use"}
_STEP = 5000


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The backup to write; it must not be there yet.")],
    with_keys: Annotated[
        bool,
        typer.Option("--with-keys", help="Put issuer*.pem and vault.key in, as they are: then FILE opens everything."),
    ] = False,
    data: Data = None,
    database: Database = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Write everything that the database holds in one moment into one file, while the gateway goes on.

    keygw restore reads it into either kind of database, so this is also the way from SQLite to PostgreSQL and back.
    """
    import asyncio

    from keygw.app.keeping import back_up
    from keygw.cli import files

    files.must_have_a_name(file)
    with _failures("look at the free space, and whether the database is the one you mean"):
        manifest = asyncio.run(back_up(_settings(config, data, database), file, with_keys=with_keys, progress=_tell))
    _show_manifest(file, manifest, as_json, "written")


def restore(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="The backup to read.", show_default=False)] = None,
    confirm: Annotated[
        bool,
        typer.Option("--confirm", help="Without FILE: this database is the newest one, so let it issue keys again."),
    ] = False,
    data: Data = None,
    database: Database = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Fill an empty database from a backup, or confirm one that was restored.

    What was issued or revoked after the backup is not known to it. Until it is confirmed the gateway issues no keys and
    renews none; revoking works. Vehicles that have newer revocation lists bring them back by themselves.
    """
    import asyncio

    from keygw.app.keeping import confirm_restored, put_back

    if confirm == (file is not None):
        raise usage("usage", "either FILE or --confirm", "see: keygw restore --help")
    loaded = _settings(config, data, database)
    if file is None:
        with _failures("look at it with: keygw verify"):
            waited = asyncio.run(confirm_restored(loaded))
        if as_json:
            output.document({"confirmed": True, "was_waiting": waited})
        else:
            output.say("confirmed: keys are issued again" if waited else "confirmed; it was not waiting for that")
        return
    with _failures("restore into an empty data directory or database: --data, --database"):
        manifest = asyncio.run(put_back(loaded, file, _tell))
    _show_manifest(file, manifest, as_json, "restored")
    output.remark("Nothing is issued until you have looked at it and say: keygw restore --confirm")


def verify(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="A backup to look at in place of the database.", show_default=False),
    ] = None,
    data: Data = None,
    database: Database = None,
    config: Config = None,
    as_json: Json = False,
) -> int:
    """Look whether what is stored is whole: files, references, counters, signatures of tokens, lists and receipts.

    Nothing is changed, and the gateway goes on. Exit 0 if all is well, 1 if something is not.
    """
    import asyncio

    from keygw.app.keeping import look_at, look_at_backup

    if file is not None:
        with _failures("take another backup"):
            _show_manifest(file, look_at_backup(file, _tell), as_json, "whole")
        return Exit.OK
    with _failures("see what is wrong here with: keygw doctor"):
        findings = asyncio.run(look_at(_settings(config, data, database), _tell))
    good = not any(finding.faults for finding in findings)
    if as_json:
        output.document({"ok": good, "checks": [_finding(finding) for finding in findings]})
        return Exit.OK if good else Exit.NOT_DONE
    for finding in findings:
        verdict = "FAULTY" if finding.faults else "ok"
        output.say(f"{verdict:<7}{finding.name:<12}{finding.looked_at:>9}  {output.clean(finding.remark)}".rstrip())
        for fault in finding.faults:
            output.say(f"         {output.clean(fault)}")
        if finding.more_faults:
            output.say(f"         and {finding.more_faults} more")
    return Exit.OK if good else Exit.NOT_DONE


def _settings(config: Path | None, data: Path | None, database: str | None) -> Settings:
    return settings(config, {"data": data, "database": without_password(database)}).settings


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.name,
        "ok": not finding.faults,
        "looked_at": finding.looked_at,
        "faults": finding.faults,
        "more_faults": finding.more_faults,
        "remark": finding.remark or None,
    }


def _show_manifest(file: Path, manifest: dict[str, Any], as_json: bool, done: str) -> None:
    rows = {table["name"]: table["rows"] for table in manifest["tables"]}
    files = [each["name"] for each in manifest["files"]]
    if as_json:
        told = {"file": str(file), "made_at": manifest["made_at"], "schema": manifest["schema"], "rows": rows}
        output.document({"ok": True, **told, "files": files})
        return
    with_keys = f" and {', '.join(files)}" if files else ", without key files"
    output.say(f"{done}: {file} ({sum(rows.values())} rows, schema {manifest['schema']}{with_keys})")


def _tell(what: str, done: int) -> None:
    """Long work says where it is, to somebody who looks on."""
    if output.fancy(sys.stderr) and done >= _STEP and done % _STEP == 0:
        output.remark(f"{what}: {done} rows")


@contextmanager
def _failures(next_step: str) -> Iterator[None]:
    from keygw.model.errors import StoreError

    try:
        yield
    except StoreError as error:
        code = Exit.CONFLICT if error.code in _CONFLICTS else Exit.ENVIRONMENT
        raise Failure(code, error.code, str(error), next_step) from error
