"""The backup file: a ZIP archive with a table's rows as JSON lines each, and a manifest that says what must be there.

``manifest.json`` names format, schema, tables (columns, rows, SHA-256 of the lines) and files. ``tables/NAME.jsonl``
has a JSON array for each row; byte strings are ``{"base64": ...}``. ``files/NAME`` are key files as they were. The
hashes find damage, not malice: whoever can write the file can write the hashes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import secrets
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from keygw import __version__
from keygw.model.errors import StoreError
from keygw.store.backup.sqlite import sync_directory
from keygw.store.backup.tables import Progress, Source, Table
from keygw.store.group import Row
from keygw.store.marks import is_writer_row
from keygw.store.migrations import REVISIONS
from keygw.store.vault import mark_number

FORMAT = "keygw-backup"
FORMAT_VERSION = 1
_MANIFEST = "manifest.json"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_FILE = re.compile(r"[a-z][a-z0-9_.-]{0,62}")


async def write_archive(
    source: Source, path: Path, files: Mapping[str, bytes], made_at: int, progress: Progress
) -> dict[str, Any]:
    """Write it beside its place, then give it its name; answers the manifest. ``StoreError``: backup_exists."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        _check_free(path)
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w+b") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                tables = [await _write_table(archive, source, table, progress) for table in await source.tables()]
                for name, content in files.items():
                    archive.writestr(f"files/{name}", content)
                manifest = {
                    "format": FORMAT,
                    "format_version": FORMAT_VERSION,
                    "made_at": made_at,
                    "made_by": __version__,
                    "made_from": source.kind,
                    "schema": REVISIONS[source.version - 1],
                    "tables": tables,
                    "files": [{"name": name, "sha256": _digest(content)} for name, content in files.items()],
                }
                archive.writestr(_MANIFEST, json.dumps(manifest, indent=1))
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
        sync_directory(path.parent)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise StoreError(f"the backup {path} cannot be written: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)
    return manifest


async def _write_table(archive: zipfile.ZipFile, source: Source, table: Table, progress: Progress) -> dict[str, Any]:
    digest, count = hashlib.sha256(), 0
    with archive.open(f"tables/{table.name}.jsonl", "w", force_zip64=True) as out:
        async for batch in source.rows(table):
            rows = [row for row in batch if not (table.name == "facts" and is_writer_row(row[0]))]
            rows = [_without_places(table, row) for row in rows]
            text = "".join(f"{json.dumps([_to_json(table.name, value) for value in row])}\n" for row in rows).encode()
            digest.update(text)
            out.write(text)
            count += len(rows)
            progress(table.name, count)
    own = [column for column, other, _ in table.references if other == table.name]
    return {
        "name": table.name,
        "columns": list(table.columns),
        "own_parent": own[0] if own else None,
        "rows": count,
        "sha256": digest.hexdigest(),
    }


def _without_places(table: Table, row: Row) -> Row:
    """What gateways tell each other of cars that they hear is of this minute, and may say where those are."""
    if table.name != "leases":
        return row
    return tuple(None if name == "heard" else value for name, value in zip(table.columns, row, strict=True))


class Archive:
    """A backup file that is read. ``StoreError`` backup_damaged where it is not one, or not whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._archive = zipfile.ZipFile(path)
            self.manifest: dict[str, Any] = json.loads(self._archive.read(_MANIFEST))
            self.schema = str(self.manifest["schema"])
            known = self.manifest["format"] == FORMAT
            format_version = int(self.manifest["format_version"])
            for table in self.manifest["tables"]:
                names = [table["name"], *table["columns"]]
                if not all(_NAME.fullmatch(name) for name in names) or table["own_parent"] not in (None, *names[1:]):
                    raise ValueError
            if not all(_FILE.fullmatch(file["name"]) for file in self.manifest["files"]):
                raise ValueError
        except OSError as error:
            raise StoreError(f"the backup {path} cannot be read: {error.strerror}", code="backup_unreadable") from error
        except (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError) as error:
            raise _damaged(path, "it is no backup of keygw") from error
        if not known:
            raise _damaged(path, "it is no backup of keygw")
        if format_version > FORMAT_VERSION or self.schema not in REVISIONS:
            raise StoreError(f"{path} was made by a newer release: use that one", code="store_too_new")

    @property
    def version(self) -> int:
        return REVISIONS.index(self.schema) + 1

    @property
    def tables(self) -> list[dict[str, Any]]:
        return list(self.manifest["tables"])

    def rows(self, table: Mapping[str, Any]) -> Iterator[Row]:
        """Its rows; at the end it is known whether they were all there."""
        digest, count = hashlib.sha256(), 0
        try:
            with self._archive.open(f"tables/{table['name']}.jsonl") as lines:
                for line in lines:
                    digest.update(line)
                    count += 1
                    row = json.loads(line)
                    if not isinstance(row, list) or len(row) != len(table["columns"]):
                        raise ValueError
                    yield [_from_json(value) for value in row]
        except (zipfile.BadZipFile, KeyError, ValueError, OSError, EOFError) as error:
            raise _damaged(self.path, f"table {table['name']}, line {count}") from error
        if (digest.hexdigest(), count) != (table["sha256"], table["rows"]):
            raise _damaged(self.path, f"table {table['name']} is not what was written")

    def files(self) -> dict[str, bytes]:
        found = {}
        for file in self.manifest["files"]:
            try:
                content = self._archive.read(f"files/{file['name']}")
            except (zipfile.BadZipFile, KeyError, OSError, EOFError) as error:
                raise _damaged(self.path, f"file {file['name']}") from error
            if _digest(content) != file["sha256"]:
                raise _damaged(self.path, f"file {file['name']} is not what was written")
            found[file["name"]] = content
        return found

    def check(self, progress: Progress) -> None:
        """Read all of it once."""
        self.files()
        for table in self.tables:
            for count, _ in enumerate(self.rows(table), 1):
                if count % 10_000 == 0:
                    progress(table["name"], count)

    def close(self) -> None:
        self._archive.close()


def _to_json(table: str, value: Any) -> Any:
    if isinstance(value, bytes):
        # One fact was kept as bytes once, in a column that holds numbers alone in the other database.
        return mark_number(value) if table == "facts" else {"base64": base64.b64encode(value).decode()}
    return value


def _from_json(value: Any) -> Any:
    if isinstance(value, dict):
        return base64.b64decode(value["base64"], validate=True)
    if value is not None and not isinstance(value, str | int | float):
        raise TypeError
    return value


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _check_free(path: Path) -> None:
    if path.exists():
        raise _exists(path)


def _exists(path: Path) -> StoreError:
    return StoreError(f"{path} is there already, and a backup overwrites nothing", code="backup_exists")


def _damaged(path: Path, where: str) -> StoreError:
    return StoreError(f"the backup {path} is damaged: {where}", code="backup_damaged")
