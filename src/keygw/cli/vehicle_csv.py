"""The CSV of ``keygw vehicles import``: read whole and checked whole, before anything is sent.

UTF-8, with or without a byte order mark; lines end in LF or CRLF; RFC 4180 quoting. The first line names the columns,
in any order: id, name, public_key, advertising_key (the keys base64url), all of them and no other.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from keygw.crypto.errors import CryptoError
from keygw.crypto.signer import check_public_key
from keygw.model.base64url import decode_base64url
from keygw.model.errors import BadInput
from keygw.model.ids import id_bytes
from keygw.model.label import one_line

COLUMNS = ("id", "name", "public_key", "advertising_key")
FILE_LIMIT = 64 * 1024 * 1024
"""Bytes. 200,000 vehicles take half of it."""
ROW_LIMIT = 1024
"""Characters of a line; the widest sound one has 400."""
FAULTS_TOLD = 20
NAME_LIMIT = 80


@dataclass(frozen=True, slots=True)
class Row:
    """``line``: where it begins, from 1. ``values``: in the order of ``COLUMNS``; keys without padding."""

    line: int
    values: tuple[str, str, str, str]

    def to_json(self) -> dict[str, str]:
        return dict(zip(COLUMNS, self.values, strict=True))


@dataclass(frozen=True, slots=True)
class Fault:
    """``column``: its name, or empty for the line as a whole."""

    line: int
    column: str
    why: str

    def __str__(self) -> str:
        return f"line {self.line}{', ' + self.column if self.column else ''}: {self.why}"


class BadCsv(Exception):
    """``faults``: the first ``FAULTS_TOLD`` of them in order; ``total``: how many there are."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults[:FAULTS_TOLD]
        self.total = len(faults)
        super().__init__("; ".join(map(str, self.faults)))


def parse(data: bytes) -> list[Row]:
    """Every row of the file; ``BadCsv`` with everything that is wrong with it."""
    text = _text(data)
    faults: list[Fault] = []
    lines = _lines(text, faults)
    columns: list[str] | None = None
    rows: list[Row] = []
    for line, cells in _records(lines, faults):
        if columns is None:
            columns = cells
            if wrong := _header(line, cells):
                raise BadCsv(wrong)
        elif len(cells) != len(columns):
            faults.append(Fault(line, "", f"{len(cells)} columns, and the header has {len(columns)}"))
        else:
            rows.append(_row(line, dict(zip(columns, cells, strict=True)), faults))
    if columns is None and not faults:
        faults.append(Fault(1, "", f"there is no header; the first line must be {','.join(COLUMNS)}"))
    elif not rows and not faults:
        faults.append(Fault(1, "", "there is a header and no vehicle"))
    _find_twins(rows, faults)
    if faults:
        raise BadCsv(sorted(faults, key=lambda fault: fault.line))
    return rows


def _text(data: bytes) -> str:
    if len(data) > FILE_LIMIT:
        raise BadCsv([Fault(1, "", f"the file has more than {FILE_LIMIT} bytes; split it")])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadCsv([Fault(line, "", "not UTF-8 text")]) from None


def _lines(text: str, faults: list[Fault]) -> list[str]:
    """As the CSV reader wants them, with their ends. One that is too long is told, and read as an empty one."""
    lines = []
    for number, line in enumerate(io.StringIO(text, newline="\n"), 1):
        if len(line) > ROW_LIMIT:
            faults.append(Fault(number, "", f"longer than {ROW_LIMIT} characters"))
        lines.append(line if len(line) <= ROW_LIMIT else "\n")
    return lines


def _records(lines: Iterable[str], faults: list[Fault]) -> Iterator[tuple[int, list[str]]]:
    """Each record and the line where it begins; after an error of quoting nobody knows where the next one does."""
    reader = csv.reader(lines, strict=True)
    line = 1
    try:
        for cells in reader:
            if cells:
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        faults.append(Fault(line, "", f"not CSV: {error}"))


def _header(line: int, cells: list[str]) -> list[Fault]:
    faults = [Fault(line, cell[:40], f"no such column; there are {', '.join(COLUMNS)}") for cell in cells]
    faults = [fault for fault in faults if fault.column not in COLUMNS]
    faults += [Fault(line, column, "the header names it twice") for column in COLUMNS if cells.count(column) > 1]
    faults += [Fault(line, column, "the header does not name it") for column in COLUMNS if column not in cells]
    return faults


def _row(line: int, cells: dict[str, str], faults: list[Fault]) -> Row:
    for column, check in _CHECKS.items():
        if why := check(cells[column]):
            faults.append(Fault(line, column, why))
    keys = (cells["public_key"].rstrip("="), cells["advertising_key"].rstrip("="))
    return Row(line, (cells["id"], cells["name"], *keys))


def _find_twins(rows: list[Row], faults: list[Fault]) -> None:
    malformed = {(fault.line, fault.column) for fault in faults}
    for position, column in ((0, "id"), (2, "public_key")):
        seen: dict[str, int] = {}
        for row in rows:
            if (row.line, column) in malformed:
                continue
            first = seen.setdefault(row.values[position], row.line)
            if first != row.line:
                faults.append(Fault(row.line, column, f"the same as in line {first}"))


def _bad_id(text: str) -> str:
    try:
        id_bytes(text, "veh")
    except BadInput:
        return "not a vehicle id (veh_ and 16 letters or digits)"
    return ""


def _bad_name(text: str) -> str:
    sound = 1 <= len(text) <= NAME_LIMIT and one_line(text)
    return "" if sound else f"a name is one line of 1 to {NAME_LIMIT} characters"


def _bad_public_key(text: str) -> str:
    try:
        check_public_key(_raw(text))
    except (ValueError, CryptoError):
        return "not a point of P-256, compressed, 33 bytes in base64url"
    return ""


def _bad_advertising_key(text: str) -> str:
    try:
        sound = len(_raw(text)) == 16
    except ValueError:
        sound = False
    return "" if sound else "not 16 bytes in base64url"


def _raw(text: str) -> bytes:
    bare = text.rstrip("=")
    if text not in (bare, bare + "=" * (-len(bare) % 4)):
        raise ValueError("padded too far")
    return decode_base64url(bare)


_CHECKS: dict[str, Callable[[str], str]] = {
    "id": _bad_id,
    "name": _bad_name,
    "public_key": _bad_public_key,
    "advertising_key": _bad_advertising_key,
}
