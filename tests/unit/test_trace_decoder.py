"""Frames of whole conversations, told one by one: every field in its place, every break named, never an exception."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from keygw.session.states import Side
from keygw.session.trace import KeyLog, LinkTrace, MalformedKeyLog, Record, specs
from keygw.wire.frame import Fragmenter
from keygw.wire.messages import MessageType as M
from keygw_sim.replay import MTU_23, Replay

D, V = Side.DEVICE, Side.VEHICLE
SESSION = ("conversation", "kept", "fast", "chain", "rotation", "ranging")


def vector(repository: Path, name: str) -> dict[str, Any]:
    room = "owner_pairing" if name == "pairing" else "key_session"
    loaded: dict[str, Any] = json.loads((repository / f"protocols/{room}/vectors/{name}.json").read_text())
    return loaded


def keys_of(name: str, loaded: dict[str, Any]) -> KeyLog:
    """A key log made from the vector's own values, not by our writer."""
    if name == "pairing":
        said, channel = loaded["pairing"]["messages"], loaded["pairing"]["channel"]
        keys = [channel[word] for word in ("device_key", "device_iv", "vehicle_key", "vehicle_iv")]
        name = sha256(bytes.fromhex(said["share"])[1:]).hexdigest()
        return KeyLog(" ".join(["CHANNEL", name, loaded["pairing"]["th_proven"], *keys]))
    derived = loaded["derived"]
    messages = {row["name"]: bytes.fromhex(row["message"]) for row in loaded["messages"]}
    if name == "fast":
        return KeyLog(" ".join(["CHANNEL", messages["FAST"][9:41].hex(), derived["TH_F"], *channel_words(derived)]))
    g_x = messages["MESSAGE_1"][5:37].hex()
    lines = [" ".join(["CHANNEL", g_x, derived["TH_4"], *channel_words(derived)])]
    if "PRK_2e" in derived:
        lines.append(f"HANDSHAKE {g_x} {derived['PRK_2e']} {derived['TH_3']}")
    return KeyLog("\n".join(lines))


def channel_words(derived: dict[str, str]) -> list[str]:
    return [derived[name] for name in ("key D>V", "iv D>V", "key V>D", "iv V>D")]


def watched(rows: list[dict[str, Any]], link: LinkTrace, max_frame: int = 512) -> Iterator[tuple[str, Record]]:
    """The record of each message's last frame, by its name."""
    lanes = {side: Fragmenter() for side in Side}
    for row in rows:
        side = D if row["direction"] == "D>V" else V
        frames = lanes[side].split(bytes.fromhex(row["message"]), max_frame)
        yield row["name"], [link.frame(side, frame, 0.0) for frame in frames][-1]


def values(record: Record) -> dict[str, object]:
    assert record.message is not None
    return {each.name: each.shown(True) for each in record.message.fields}


@pytest.mark.parametrize("max_frame", [MTU_23, 512])
@pytest.mark.parametrize("name", SESSION)
def test_a_conversation_is_told_without_keys(repository: Path, name: str, max_frame: int) -> None:
    loaded = vector(repository, name)
    for said, record in watched(loaded["messages"], LinkTrace(), max_frame):
        assert record.message is not None
        assert record.message.name == said
        word = "refused" if said == "ERROR" else record.verdict.word
        assert word == ("refused" if said == "ERROR" else "sealed" if not record.message.opened else "ok"), record
        assert record.message.opened is (M[said] in {M.HELLO, M.HELLO_REQ, M.MESSAGE_1, M.ERROR})
        assert record.state is not None
        json.dumps(record.to_json())


@pytest.mark.parametrize("name", SESSION)
def test_a_conversation_is_opened_with_its_keys(repository: Path, name: str) -> None:
    loaded = vector(repository, name)
    link = LinkTrace(keys_of(name, loaded), reveal=True)
    opened = 0
    for (said, record), row in zip(watched(loaded["messages"], link), loaded["messages"], strict=True):
        assert record.message is not None
        if M[said] in (M.MESSAGE_2, M.MESSAGE_3) and "PRK_2e" not in loaded["derived"]:
            continue
        assert record.message.opened, (said, record.verdict)
        assert record.verdict.word != "breach", (said, record.verdict)
        if "plaintext" not in row:
            continue
        opened += 1
        # A field that is a byte string is what the plaintext has at that place.
        plain, offset = bytes.fromhex(row["plaintext"]), 41 if said == "FAST" else 1
        for each in record.message.fields:
            value = each.value
            if isinstance(value, bytes) and each.name != "tag" and each.at >= offset:
                assert plain[each.at - offset : each.at - offset + each.size] == value, (said, each.name)
    assert opened or name in ("fast", "chain", "rotation", "ranging")


def test_what_is_opened_says_what_was_meant(repository: Path) -> None:
    loaded = vector(repository, "conversation")
    told: dict[str, dict[str, object]] = {}
    for said, record in watched(loaded["messages"], LinkTrace(keys_of("conversation", loaded), reveal=True)):
        told.setdefault(said, values(record))
    given, derived = loaded["inputs"], loaded["derived"]
    assert told["HELLO"] == {
        "version": 1,
        "n_v": given["n_v"],
        "g_v": derived["G_V"],
        "boot_epoch": given["boot_epoch"],
    }
    assert told["MESSAGE_2"]["signature_2"] == derived["signature 2"]
    assert told["MESSAGE_3"]["id_cred_i"] == "a10d" + given["token"]
    assert told["MESSAGE_3"]["signature_3"] == derived["signature 3"]
    assert told["MESSAGE_3"]["hello"] == derived["hello_hash"][:16]
    assert (told["MESSAGE_3"]["number"], told["MESSAGE_3"]["action"]) == (0x01020304, "unlock")
    assert (told["RESULT"]["outcome"], told["RESULT"]["number"]) == ("done", 0x01020304)


def test_our_sessions_write_the_key_log_that_the_vectors_say(repository: Path) -> None:
    loaded = vector(repository, "conversation")
    lines: dict[str, list[str]] = {"device": [], "car": []}
    replay = Replay(loaded)
    replay.device.key_log, replay.car.key_log = lines["device"].append, lines["car"].append
    replay.to(6)
    derived, g_x = loaded["derived"], bytes.fromhex(loaded["messages"][1]["message"])[5:37].hex()
    expected = [
        f"HANDSHAKE {g_x} {derived['PRK_2e']} {derived['TH_3']}",
        " ".join(["CHANNEL", g_x, derived["TH_4"], *channel_words(derived)]),
    ]
    assert lines == {"device": expected, "car": expected}


def test_secrets_are_redacted_unless_asked_for(repository: Path) -> None:
    loaded = vector(repository, "conversation")
    token = loaded["inputs"]["token"]
    for reveal in (False, True):
        link = LinkTrace(keys_of("conversation", loaded), reveal=reveal)
        text = "".join(json.dumps(record.to_json()) for _, record in watched(loaded["messages"], link))
        assert (token in text) is reveal
    assert "redacted, 2" in json.dumps(watched_json(loaded))


def watched_json(loaded: dict[str, Any]) -> list[dict[str, Any]]:
    link = LinkTrace(keys_of("conversation", loaded))
    return [record.to_json() for _, record in watched(loaded["messages"], link)]


def test_a_pairing_is_opened_and_its_secrets_stay(repository: Path) -> None:
    loaded = vector(repository, "pairing")
    said = loaded["pairing"]["messages"]
    rows = [
        {"name": name, "direction": "D>V" if index % 2 else "V>D", "message": message}
        for index, (name, message) in enumerate(said.items())
    ]
    link = LinkTrace(keys_of("pairing", loaded))
    records = [record for _, record in watched(rows, link)]
    assert [record.verdict.word for record in records] == ["ok"] * 9
    assert records[-1].state == "paired"
    secrets = [each.name for record in records if record.message for each in record.message.fields if each.secret]
    assert secrets == ["advertising_key", "token"]
    assert values(records[-3])["advertising_key"] == loaded["pairing"]["advertising_key"]


# -- what is broken ----------------------------------------------------------------------------------------------------

UNSEEN = {
    "MESSAGE_2: another C_R, under the old signature",
    "MESSAGE_2: the signature with one bit changed",
    "MESSAGE_3: a signature of zeros",
    "MESSAGE_3: signed by another key",
    "MESSAGE_3: the key token with one bit of its signature changed",
    "MESSAGE_3: a kid under which nothing is kept",
    "MESSAGE_3: a kid of two bytes under which nothing is kept",
    "MESSAGE_3: EAD_3 answers another HELLO",
    "RESULT: number is another than the command's",
    "RESULT: number is nil, though there was a command",
    "RES: a command that was not asked",
}
"""A watcher verifies no signature, for it has nobody's keys, and remembers no command: the two ends do."""


def test_every_bad_message_of_the_vectors_is_a_breach_or_beyond_a_watcher(repository: Path) -> None:
    unseen: list[str] = []
    cases = vector(repository, "invalid")["breaches"]
    for case in cases:
        base = case["in"].removesuffix(".json")
        loaded = vector(repository, base)
        rows = []
        for row in loaded["messages"]:
            if row["name"] == case["instead_of"]:
                rows.append({**row, "message": case["message"]})
                break
            rows.append(row)
        link = LinkTrace(keys_of(base, loaded))
        if not case["message"]:
            continue
        *_, (_, last) = watched(rows, link)
        if last.verdict.word != "breach":
            unseen.append(f"{case['instead_of']}: {case['name']}")
        else:
            assert last.verdict.code, case["name"]
            assert last.verdict.spec in specs.every()
    assert set(unseen) == UNSEEN


def test_every_bad_frame_of_the_vectors_is_a_breach(repository: Path) -> None:
    for case in vector(repository, "invalid")["frames"]:
        link = LinkTrace(whole=True)
        if case["limit"] > 512:
            continue
        records = [link.frame(V, bytes.fromhex(frame), 0.0) for frame in case["frames"]]
        assert records[-1].verdict.word == "breach", case["name"]
        assert all(not record.verdict.code.startswith("frame") for record in records[:-1]), case["name"]


@pytest.mark.parametrize(
    ("frames", "code", "at"),
    [
        ([b""], "frame_size", 0),
        ([b"\xc0"], "frame_size", 0),
        ([b"\xc1\x01"], "frame_sequence", 0),
        ([b"\x80\x01", b"\x81\x01"], "frame_first_inside", 0),
        ([b"\x40\x01"], "frame_without_first", 0),
        ([b"\xc0\x77"], "message_misplaced", 0),
        ([b"\xc0\x01\x01"], "message_malformed", 1),
        ([b"\x80" + bytes(500), b"\x41" + bytes(500)], "message_size", 1),
    ],
)
def test_what_is_broken_is_named_with_its_place(frames: list[bytes], code: str, at: int) -> None:
    link = LinkTrace()
    record = [link.frame(V, frame, 0.0) for frame in frames][-1]
    assert (record.verdict.word, record.verdict.code, record.verdict.at) == ("breach", code, at)


def test_a_frame_that_comes_too_late_is_a_breach() -> None:
    link = LinkTrace()
    link.frame(V, b"\x80\x01", 0.0)
    assert link.frame(V, b"\x41\x01", 2.5).verdict.code == "frame_late"


def test_one_who_comes_late_finds_his_way(repository: Path) -> None:
    """A capture that begins in mid-session: no breach, and sealed messages open once a later handshake is named."""
    loaded = vector(repository, "conversation")
    rows = loaded["messages"]
    for start in range(1, len(rows)):
        link = LinkTrace(whole=False)
        words = [record.verdict.word for _, record in watched(rows[start:], link)]
        assert "breach" not in words, (start, words)


def test_bytes_of_chance_never_raise(rng: random.Random) -> None:
    for _ in range(300):
        link = LinkTrace(whole=rng.random() < 0.5)
        for at in range(rng.randrange(1, 12)):
            side = rng.choice([D, V])
            header = rng.choice([0xC0, 0x80, 0x40, 0]) | (at if rng.random() < 0.7 else rng.randrange(64))
            body = bytes((rng.choice([1, 2, 0x10, 0x11, 0x12, 0x20, 0x30, 0x53, 0x54, rng.randrange(256)]),))
            json.dumps(
                link.frame(side, bytes((header,)) + body + rng.randbytes(rng.randrange(80)), float(at)).to_json()
            )
        link.info(rng.randbytes(rng.randrange(12)))


# -- the key log -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line", ["CHANNEL", "CHANNEL 00", "NONSENSE 00", "HANDSHAKE zz zz zz", "HANDSHAKE " + " ".join(["00" * 31] * 3)]
)
def test_a_malformed_key_log_names_its_line_and_tells_no_more(line: str) -> None:
    with pytest.raises(MalformedKeyLog) as caught:
        KeyLog(f"# remark\n{line}\n")
    assert caught.value.line == 2
    assert "zz" not in str(caught.value)


def test_every_reference_is_a_heading(repository: Path) -> None:
    for reference in specs.every():
        page, anchor = reference.split("#")
        headings = re.findall(r"^#+ (.+)$", (repository / page).read_text("utf-8"), re.MULTILINE)
        assert anchor in {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}, reference
