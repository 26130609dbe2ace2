"""The CSV of an import: what is read, and that everything that is wrong is told with its line."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygw.cli.vehicle_csv import COLUMNS, FAULTS_TOLD, ROW_LIMIT, BadCsv, Row, parse
from keygw.crypto.signer import LocalSigner
from keygw.model.base64url import encode_base64url
from keygw.model.ids import format_id

KEYS = [encode_base64url(LocalSigner.generate().public_key) for _ in range(5)]
HEADER = ",".join(COLUMNS)


def line(number: int, **changes: str) -> str:
    sound = {"id": vehicle(number), "name": f"Van {number}", "public_key": KEYS[number], "advertising_key": "A" * 22}
    return ",".join({**sound, **changes}.values())


def vehicle(number: int) -> str:
    return format_id("veh", number.to_bytes(10, "big"))


def faults(*lines: str) -> list[str]:
    with pytest.raises(BadCsv) as caught:
        parse("\n".join(lines).encode())
    return [str(fault) for fault in caught.value.faults]


names = st.text(st.characters(exclude_categories=["C", "Z"], include_characters=' ,"'), min_size=1, max_size=80)


@given(
    st.lists(names, min_size=1, max_size=5),
    st.permutations(COLUMNS),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_what_is_written_is_read(
    named: list[str], columns: list[str], end: str, mark: bool, padded: bool, quoting: int
) -> None:
    rows = [
        Row(number + 2, (vehicle(number), name, KEYS[number], encode_base64url(bytes(16))))
        for number, name in enumerate(named)
    ]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=end, quoting=quoting)  # type: ignore[arg-type]  # one of two that exist
    writer.writerow(columns)
    for row in rows:
        values = row.to_json()
        if padded:
            values["advertising_key"] += "=="
        writer.writerow([values[column] for column in columns])
    assert parse(text.getvalue().encode("utf-8-sig" if mark else "utf-8")) == rows


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: f"{HEADER}\n{text}".encode("utf-8", "replace")))
def test_anything_is_read_or_told(data: bytes) -> None:
    bad: BadCsv | None = None
    try:
        assert parse(data)
    except BadCsv as error:
        bad = error
    assert bad is None or 1 <= len(bad.faults) <= min(FAULTS_TOLD, bad.total)


def test_empty_lines_count_and_are_passed_over() -> None:
    assert [row.line for row in parse(f"{HEADER}\n\n{line(1)}\n\n{line(2)}\n\n".encode())] == [3, 5]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"id": "veh_short"}, "line 3, id: not a vehicle id (veh_ and 16 letters or digits)"),
        ({"id": "key_aaaaaaaaaaaaaaaa"}, "line 3, id: not a vehicle id (veh_ and 16 letters or digits)"),
        ({"name": ""}, "line 3, name: a name is one line of 1 to 80 characters"),
        ({"name": "a\x1bb"}, "line 3, name: a name is one line of 1 to 80 characters"),
        ({"name": "n" * 81}, "line 3, name: a name is one line of 1 to 80 characters"),
        ({"public_key": "A" * 44}, "line 3, public_key: not a point of P-256, compressed, 33 bytes in base64url"),
        ({"public_key": "é"}, "line 3, public_key: not a point of P-256, compressed, 33 bytes in base64url"),
        ({"advertising_key": "AAAA"}, "line 3, advertising_key: not 16 bytes in base64url"),
        ({"advertising_key": "A" * 22 + "==="}, "line 3, advertising_key: not 16 bytes in base64url"),
        ({"advertising_key": "A" * 21 + "B"}, "line 3, advertising_key: not 16 bytes in base64url"),
        ({"more": "x"}, "line 3: 5 columns, and the header has 4"),
        ({"id": vehicle(1)}, "line 3, id: the same as in line 2"),
        ({"public_key": KEYS[1]}, "line 3, public_key: the same as in line 2"),
        ({"name": "x" * ROW_LIMIT}, f"line 3: longer than {ROW_LIMIT} characters"),
        ({"name": 'a"b'}, None),
        ({"name": '"a"b'}, "line 3: not CSV: ',' expected after '\"'"),
        ({"name": '"open'}, "line 3: not CSV: unexpected end of data"),
    ],
)
def test_a_fault_has_its_line_and_column(changes: dict[str, str], told: str | None) -> None:
    lines = (HEADER, line(1), line(2, **changes))
    if told is None:
        assert len(parse("\n".join(lines).encode())) == 2
    else:
        assert faults(*lines) == [told]


def test_all_faults_of_a_file_and_twenty_at_most() -> None:
    assert faults(HEADER, line(1, id="x", name=""), "a,b", line(1)) == [
        "line 2, id: not a vehicle id (veh_ and 16 letters or digits)",
        "line 2, name: a name is one line of 1 to 80 characters",
        "line 3: 2 columns, and the header has 4",
        "line 4, public_key: the same as in line 2",
    ]
    with pytest.raises(BadCsv) as caught:
        parse("\n".join([HEADER, *["a,b"] * 30]).encode())
    assert (len(caught.value.faults), caught.value.total) == (FAULTS_TOLD, 30)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", f"line 1: there is no header; the first line must be {HEADER}"),
        (HEADER.encode(), "line 1: there is a header and no vehicle"),
        (f"{HEADER},owner\n".encode(), f"line 1, owner: no such column; there are {', '.join(COLUMNS)}"),
        (f"{HEADER},id\n".encode(), "line 1, id: the header names it twice"),
        (b"id,name,public_key\n", "line 1, advertising_key: the header does not name it"),
        (HEADER.encode() + b"\n\nveh_\xff", "line 3: not UTF-8 text"),
    ],
)
def test_a_file_that_is_none(data: bytes, told: str) -> None:
    with pytest.raises(BadCsv) as caught:
        parse(data)
    assert [str(fault) for fault in caught.value.faults] == [told]


def test_a_file_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keygw.cli.vehicle_csv.FILE_LIMIT", 100)
    assert faults(HEADER, line(1), line(2)) == ["line 1: the file has more than 100 bytes; split it"]
