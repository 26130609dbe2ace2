"""The small parts of the command line: times, names, addresses, tokens, streams, output."""

from __future__ import annotations

import io
import itertools
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygw.app.addresses import is_loopback
from keygw.cli import files, lookup, output, sharing, spans
from keygw.cli.command import checked_action
from keygw.cli.endpoint import checked_url, endpoint
from keygw.cli.exits import Exit
from keygw.cli.failure import Failure
from keygw.cli.places import default_data_dir, default_url
from keygw.cli.waiting import until
from keygw.client.sse import MAX_PENDING, Reader, ServerEvent

POINT = "02" + "11" * 32


def fails(act: Callable[[], object]) -> Failure:
    with pytest.raises(Failure) as caught:
        act()
    assert caught.value.next_step, "every failure names a next step"
    return caught.value


# --- times


@pytest.mark.parametrize(("text", "seconds"), [("45m", 2700), ("72h", 259200), ("2d", 172800), ("1h30m", 5400)])
def test_durations(text: str, seconds: int) -> None:
    assert spans.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "72", "h", "1.5h", "-1h", "0s", "1h ", "1h x", "٣h", "9999999999d"])
def test_what_is_no_duration(text: str) -> None:
    assert fails(lambda: spans.seconds(text)).exit_code is Exit.USAGE


def test_moments() -> None:
    assert spans.moment("2026-12-24T18:00:00Z") == "2026-12-24T18:00:00Z"
    assert spans.moment("2026-12-24T18:00+02:00") == "2026-12-24T16:00:00Z"
    local = datetime.fromisoformat("2026-12-24T18:00").astimezone(UTC)
    assert datetime.fromisoformat(spans.moment("2026-12-24T18:00")) == local
    assert fails(lambda: spans.moment("tomorrow")).code == "bad_time"


# --- where things are


def test_the_data_directory_of_each_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert default_data_dir({"KEYGW_DATA": "/srv/k", "XDG_DATA_HOME": "/x"}, "linux") == Path("/srv/k")
    assert default_data_dir({"XDG_DATA_HOME": "/x"}, "linux") == Path("/x/keygw")
    assert default_data_dir({"XDG_DATA_HOME": "relative"}, "linux") == tmp_path / ".local/share/keygw"
    assert default_data_dir({"APPDATA": "D:/Roaming"}, "win32") == Path("D:/Roaming/keygw")
    assert list(tmp_path.iterdir()) == []


def test_the_address() -> None:
    assert default_url({}) == "http://127.0.0.1:8765"
    assert default_url({"KEYGW_PORT": "9000"}) == "http://127.0.0.1:9000"
    assert default_url({"KEYGW_URL": "https://gw.example", "KEYGW_PORT": "9000"}) == "https://gw.example"
    assert checked_url("https://gw.example/keygw/") == "https://gw.example/keygw"


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8765", "ftp://h", "http://", "http://h:99999", "http://u:p@h", "http://h?t=1"]
)
def test_what_is_no_address(url: str) -> None:
    assert fails(lambda: checked_url(url)).code == "bad_url"


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("127.0.0.1.example", False),
        ("localhost.example", False),
        ("10.0.0.1", False),
        ("0.0.0.0", False),
        ("", False),
    ],
)
def test_this_machine(host: str, here: bool) -> None:
    assert is_loopback(host) is here


# --- tokens


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "operator.token").write_text("kgw_operator\n")
    return tmp_path


def test_the_order_in_which_a_token_is_looked_for(data: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("kgw_mine\n")
    env = {"KEYGW_TOKEN": " kgw_env "}
    assert endpoint(None, mine, data, env).token == "kgw_mine"
    assert endpoint(None, None, data, env).token == "kgw_env"
    assert endpoint(None, None, data, {}).token == "kgw_operator"
    assert endpoint(None, None, None, {"KEYGW_DATA": str(data)}).token == "kgw_operator"
    assert "kgw_mine" not in repr(endpoint(None, mine, data, env))


def test_the_operators_token_stays_on_this_machine(data: Path) -> None:
    failure = fails(lambda: endpoint("https://gw.example", None, data, {}))
    assert (failure.exit_code, failure.code) == (Exit.NOT_AUTHORISED, "no_token")


def test_a_token_does_not_travel_in_clear_text(data: Path) -> None:
    env = {"KEYGW_TOKEN": "kgw_env"}
    assert fails(lambda: endpoint("http://gw.example", None, data, env)).code == "clear_text"
    assert endpoint("https://gw.example", None, data, env).token == "kgw_env"
    assert endpoint("http://gw.example", None, data, {**env, "KEYGW_UNSAFE_CLEARTEXT": "1"}).token == "kgw_env"


@pytest.mark.parametrize("text", ["", "two words", "kgw_x\nkgw_y", "kgw_\x00", "kgw_\u00e9", "x" * 5000])
def test_what_is_no_token(tmp_path: Path, text: str) -> None:
    file = tmp_path / "token"
    file.write_text(text, encoding="utf-8")
    failure = fails(lambda: endpoint(None, file, None, {}))
    assert (failure.exit_code, failure.code) == (Exit.NOT_AUTHORISED, "bad_token_file")
    assert text[:9] not in failure.detail or not text


def test_no_token_anywhere(tmp_path: Path) -> None:
    failure = fails(lambda: endpoint(None, None, tmp_path / "none", {}))
    assert (failure.exit_code, failure.code) == (Exit.NOT_AUTHORISED, "no_token")
    assert "keygw serve" in failure.next_step
    assert fails(lambda: endpoint(None, tmp_path / "none", None, {})).code == "bad_token_file"


# --- names

CARS = [
    {"id": "veh_aaaaaaaaaaaaaaaa", "name": "Blue van"},
    {"id": "veh_aaaaaaaaaaaaaaab", "name": "Red van"},
    {"id": "veh_bbbbbbbbbbbbbbbb", "name": "Red van"},
    {"id": "veh_cccccccccccccccc", "name": "veh_b"},
]


class Listing:
    """A gateway that knows these vehicles. ``asked`` counts how often it was."""

    def __init__(self, cars: list[dict[str, str]]) -> None:
        self.cars = cars
        self.asked = 0

    def get(self, path: str) -> Any:
        assert path == "/v1/vehicles"
        self.asked += 1
        return {"vehicles": self.cars}


@pytest.mark.parametrize(
    ("given_", "found"),
    [
        ("veh_aaaaaaaaaaaaaaab", "veh_aaaaaaaaaaaaaaab"),
        ("veh_zzzzzzzzzzzzzzzz", "veh_zzzzzzzzzzzzzzzz"),  # whether it exists, the gateway says
        ("veh_bb", "veh_bbbbbbbbbbbbbbbb"),
        ("VEH_C", "veh_cccccccccccccccc"),
        ("blue VAN", "veh_aaaaaaaaaaaaaaaa"),
        ("veh_b", "veh_cccccccccccccccc"),  # a name wins over the beginning of an id
    ],
)
def test_a_vehicle_by_what_was_typed(given_: str, found: str) -> None:
    assert lookup.vehicle_id(Listing(CARS), given_) == found  # type: ignore[arg-type]  # all of it that is needed


def test_a_whole_id_needs_no_list() -> None:
    listing = Listing(CARS)
    lookup.vehicle_id(listing, "veh_aaaaaaaaaaaaaaaa")  # type: ignore[arg-type]
    assert listing.asked == 0


@pytest.mark.parametrize("typed", ["veh_a", "red van"])
def test_an_ambiguous_name(typed: str) -> None:
    failure = fails(lambda: lookup.vehicle_id(Listing(CARS), typed))  # type: ignore[arg-type]
    assert (failure.exit_code, failure.code) == (Exit.USAGE, "ambiguous_vehicle")
    assert "veh_aaaaaaaaaaaaaaab (Red van)" in failure.detail
    assert "veh_cccccccccccccccc" not in failure.detail


@pytest.mark.parametrize("typed", ["", "veh_", "v", "veh_d", "van", "key_aaaaaaaaaaaaaaaa"])
def test_an_unknown_name(typed: str) -> None:
    failure = fails(lambda: lookup.vehicle_id(Listing(CARS), typed))  # type: ignore[arg-type]
    assert (failure.exit_code, failure.code) == (Exit.NOT_FOUND, "unknown_vehicle")
    assert fails(lambda: lookup.vehicle_id(Listing([]), typed)).code == "unknown_vehicle"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("typed", "word"),
    [("unlock", "unlock"), ("Open-Trunk", "open_trunk"), ("trunk", "open_trunk"), ("lights", "flash_lights")],
)
def test_actions(typed: str, word: str) -> None:
    assert checked_action(typed) == word


def test_an_unknown_action() -> None:
    assert fails(lambda: checked_action("fly")).code == "unknown_action"


# --- sharing


def test_what_a_friend_key_shall_be() -> None:
    body = sharing.wish(POINT, "access", [], "24h", None, "Friend")
    assert body == {
        "public_key": "AhEREREREREREREREREREREREREREREREREREREREREREQ".replace("EQ", "ER"),
        "label": "Friend",
        "profile": "access",
        "lifetime_seconds": 86400,
    } | {"public_key": body["public_key"]}
    assert sharing.device_public_key(body["public_key"]) == body["public_key"]
    rights = sharing.wish(POINT, None, ["door.unlock, status.read", "door.lock"], None, "2026-12-24T18:00Z", "")
    assert rights["entitlements"] == ["status.read", "door.lock", "door.unlock"]
    assert rights["expires_at"] == "2026-12-24T18:00:00Z"


@pytest.mark.parametrize("key", ["", "zz", POINT[:-2], "04" + POINT[2:], "*" * 44, "AAAA", "a" * 66, "é" * 44])
def test_what_is_no_device_key(key: str) -> None:
    assert fails(lambda: sharing.device_public_key(key)).code == "bad_public_key"


@pytest.mark.parametrize(
    ("profile", "rights", "lasting", "ends", "code"),
    [
        (None, [], "1h", None, "bad_rights"),
        ("access", ["door.lock"], "1h", None, "bad_rights"),
        (None, ["door.fly"], "1h", None, "unknown_entitlement"),
        ("access", [], None, None, "bad_end"),
        ("access", [], "1h", "2026-12-24", "bad_end"),
    ],
)
def test_what_no_friend_key_can_be(
    profile: str | None, rights: list[str], lasting: str | None, ends: str | None, code: str
) -> None:
    failure = fails(lambda: sharing.wish(POINT, profile, rights, lasting, ends, ""))
    assert (failure.exit_code, failure.code) == (Exit.USAGE, code)


# --- streams

STREAM = (
    b'\xef\xbb\xbfretry: 2000\n\n: still here\n\nid: b-1\nevent: a\ndata: {"n":1}\n\n'
    b"id: b-2\r\nevent: \xc3\xa4\r\ndata:x\r\ndata: y\r\n\r\ndata: z\rid: no\0pe\r\r\nid: b-3\ndata: half"
)
EVENTS = [ServerEvent("a", '{"n":1}', "b-1"), ServerEvent("ä", "x\ny", "b-2"), ServerEvent("message", "z", "b-2")]


@given(st.lists(st.integers(min_value=0, max_value=len(STREAM)), max_size=40))
def test_a_stream_cut_anywhere(cuts: list[int]) -> None:
    reader = Reader()
    edges = [0, *sorted(cuts), len(STREAM)]
    got = [event for begin, end in itertools.pairwise(edges) for event in reader.feed(STREAM[begin:end])]
    assert got == EVENTS
    assert reader.last_id == "b-2", "an event that did not end was not seen"


def test_a_stream_byte_by_byte() -> None:
    reader = Reader()
    assert [event for byte in STREAM for event in reader.feed(bytes([byte]))] == EVENTS


@pytest.mark.parametrize(
    "chunk", [b"data: " + b"x" * MAX_PENDING, (b"data: " + b"x" * 999 + b"\n") * (MAX_PENDING // 999)]
)
def test_an_event_without_end(chunk: bytes) -> None:
    with pytest.raises(ValueError, match="without end"):
        list(Reader().feed(chunk + b"data: more"))


# --- waiting


def test_waiting_is_bounded_and_slows_down() -> None:
    now, pauses = [0.0], []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    answers = iter(range(1, 1000))
    assert until(lambda: next(answers), lambda n: n == 3, 10, 0, clock=lambda: now[0], sleep=sleep) == 3
    assert pauses == pytest.approx([0.1, 0.15, 0.225])
    pauses.clear()
    now[0] = 0.0
    until(lambda: next(answers), lambda n: False, 10, 0, clock=lambda: now[0], sleep=sleep)
    assert sum(pauses) == pytest.approx(10)
    assert max(pauses) <= 2.0
    assert until(lambda: 2, lambda n: n == 1, 10, 1, clock=lambda: now[0], sleep=sleep) == 1, "asked again for nothing"


# --- files and output


def test_a_file_is_whole_private_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "token"
    files.must_be_new(path)
    files.write_text(path, "kgw_x\n")
    assert path.read_text() == "kgw_x\n"
    assert [each.name for each in tmp_path.iterdir()] == ["token"]
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600
    assert fails(lambda: files.must_be_new(path)).exit_code is Exit.CONFLICT
    assert fails(lambda: files.must_be_new(tmp_path / "no" / "where")).exit_code is Exit.ENVIRONMENT
    (tmp_path / "dangling").symlink_to(tmp_path / "elsewhere")
    assert fails(lambda: files.must_be_new(tmp_path / "dangling")).code == "file_exists"


def test_json_from_a_file_or_stdin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "car.json"
    file.write_text('\n{"vehicle": {"id": "v"}}\n{"event": "more"}\n')
    assert files.read_json(str(file)) == {"vehicle": {"id": "v"}}
    monkeypatch.setattr("sys.stdin", io.StringIO('{"id": 1}'))
    assert files.read_json("-") == {"id": 1}
    for text in ("", "[1]", "nonsense", '{"id": '):
        file.write_text(text)
        assert fails(lambda: files.read_json(str(file))).code == "not_json"
    assert fails(lambda: files.read_json(str(tmp_path / "none"))).code == "unreadable"


def test_nothing_that_came_from_outside_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "\x1b[2J\u202ename\x07\r\n\x9b31m"
    output.facts([("name", evil)])
    output.table(("name",), [(evil,)], "none")
    output.error(Failure(Exit.NOT_DONE, evil, evil, evil), as_json=False)
    said = capsys.readouterr()
    assert not any(sign in said.out + said.err for sign in ("\x1b", "\u202e", "\x07", "\r", "\x9b"))
    assert "name" in said.out


def test_plain_tables_are_tab_separated(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("key", "label"), [("key_a", None), ("key_b", "x y")], "none")
    assert capsys.readouterr().out == "KEY\tLABEL\nkey_a\t-\nkey_b\tx y\n"
    output.table(("key",), [], "There is none.")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "There is none.\n")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_tables_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    for no_color, escapes in (("", True), ("1", False)):
        screen = Terminal()
        monkeypatch.setattr("sys.stdout", screen)
        monkeypatch.setenv("NO_COLOR", no_color)
        output.table(("key", "label"), [("key_a", "[red]x"), ("key_bb", "y")], "none")
        said = screen.getvalue()
        assert ("\x1b[3" in said) is False, "headings are bold, never coloured"
        assert ("\x1b[" in said) is escapes or not escapes
        assert "[red]x" in said, "markup in a label is text"
        assert "\t" not in said


def test_an_error_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    output.error(Failure(Exit.CONFLICT, "key_revoked", "it is", "share another", {"status": 409}), as_json=True)
    said = capsys.readouterr()
    assert said.out == ""
    assert json.loads(said.err) == {
        "ok": False,
        "code": "key_revoked",
        "detail": "it is",
        "next": "share another",
        "exit_code": 7,
        "problem": {"status": 409},
    }
