"""``ranging.json``: the script makes it, and its keys and messages are what the page says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from keygw.model.errors import ProtocolError
from keygw.session.states import State
from keygw.wire.messages import MessageType
from keygw.wire.ranging import Range
from keygw_sim.rehearsal import Stage

ROOT = Path(__file__).resolve().parent.parent.parent
FILE = ROOT / "protocols/key_session/vectors/ranging.json"
TOLD: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
INVALID: dict[str, Any] = json.loads((FILE.parent / "invalid.json").read_text("utf-8"))
METHODS = {"uwb": 1, "channel_sounding": 2}


def test_the_script_makes_exactly_this_conversation(tmp_path: Path) -> None:
    made = tmp_path / "ranging.json"
    subprocess.run([sys.executable, "tools/make_ranging_vectors.py", str(made)], cwd=ROOT, check=True)
    assert made.read_text() == FILE.read_text()


def test_a_rounds_key_comes_from_the_sessions() -> None:
    derived = TOLD["derived"]
    secret = bytes.fromhex(derived["K_range"])
    rounds = [name for name in derived if name.startswith("key of round")]
    assert len(rounds) == 2
    for name in rounds:
        number, method = name.removeprefix("key of round ").split(", ")
        info = b"keygw range" + bytes((METHODS[method],)) + int(number).to_bytes(4, "big")
        assert HKDFExpand(SHA256(), 16, info).derive(secret).hex() == derived[name]


def test_the_conversation_goes_as_the_page_says() -> None:
    """Opened by nonce, AAD and counter as the page gives them, with `cryptography` and `cbor2` alone."""
    derived, counters, found = TOLD["derived"], {"D>V": 0, "V>D": 0}, []
    for row in TOLD["messages"][4:]:
        way, message = row["direction"], bytes.fromhex(row["message"])
        key, iv = (bytes.fromhex(derived[f"{name} {way}"]) for name in ("key", "iv"))
        counter = counters[way].to_bytes(8, "big")
        counters[way] += 1
        nonce = bytes(a ^ b for a, b in zip(iv, bytes(4) + counter, strict=True))
        aad = bytes.fromhex(derived["TH_4"]) + (b"\0" if way == "D>V" else b"\1") + message[:1] + counter
        plaintext = AESGCM(key).decrypt(nonce, message[1:], aad)
        assert plaintext.hex() == row["plaintext"]
        found.append((row["name"], way, cbor2.loads(plaintext)))
    assert found[1:] == [
        ("RANGE", "D>V", [1, 2, None]), ("RANGE", "V>D", [1, 2, [1, 1234, 97, 1000]]),
        ("RANGE", "D>V", [2, 1, None]), ("RANGE", "V>D", [2, 1, [2, 140, 100, 1000]]),
        ("CMD", "D>V", [0x01020305, 7]), ("RES", "V>D", [0x01020305, 0, 1]),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "case", [case for case in INVALID["breaches"] if case["in"] == "ranging.json"], ids=lambda case: case["name"]
)
def test_what_no_device_may_say_ends_the_session(case: dict[str, str]) -> None:
    """The plaintext alone is of this conversation; the vehicle of another one refuses it as well."""
    stage = Stage().open()
    stage.device._send_sealed(MessageType.RANGE, bytes.fromhex(case["plaintext"]))
    with pytest.raises(ProtocolError):
        stage.carry()
    assert stage.car.state is State.CLOSED


def test_what_a_device_says_is_taken() -> None:
    """The same road with the good plaintext: else the cases above would show nothing."""
    stage = Stage().open()
    stage.device._send_sealed(MessageType.RANGE, bytes.fromhex(TOLD["messages"][5]["plaintext"]))
    stage.carry()
    assert stage.car._ranging == Range.decode(bytes.fromhex(TOLD["messages"][5]["plaintext"]))
