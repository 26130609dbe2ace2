"""The frozen conversations of ``protocols/key_session/vectors``, replayed byte for byte in both roles.

Each message is heard whole, cut and with trailing data; each value in it is decoded and encoded again. What must be
refused beyond that is in ``test_key_session_invalid.py``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import importlib.util
import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cbor2
import pytest

from keygw.crypto import aead
from keygw.crypto.agreement import EphemeralKey
from keygw.crypto.signer import LocalSigner, verify
from keygw.model.command import Action, Outcome
from keygw.model.errors import ProtocolError
from keygw.session.events import (
    Answered,
    AnsweredFast,
    Presented,
    PresentedFast,
    ReceiptsGiven,
)
from keygw.session.identity import recognises, token_kid, vehicle_credential
from keygw.session.states import PAIRING_STATES, TRANSITIONS, State
from keygw.token.cwt import decode_cwt
from keygw.token.receipt import verify_receipt
from keygw.token.revocation import list_hash, verify_ack, verify_list
from keygw.token.time_proof import verify_time_proof
from keygw.wire.frame import AFTER_AUTHENTICATION, Fragmenter, Reassembler
from keygw.wire.gatt import advertisement
from keygw.wire.messages import (
    Cmd,
    FastResult,
    LinkKind,
    MessageType,
    Receipts,
    Result,
)
from keygw_sim.replay import Replay, Vector, fast_pair

UNLOCK, LOCK = Cmd(0x01020304, Action.UNLOCK), Cmd(0x01020305, Action.LOCK)
AT = 1_800_000_000


ROOT = Path(__file__).resolve().parent.parent.parent
VECTORS = ROOT / "protocols" / "key_session" / "vectors"


def load(name: str) -> Vector:
    loaded: Vector = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="module")
def vector() -> Vector:
    return load("conversation")


@pytest.fixture(scope="module")
def fast_vector() -> Vector:
    return load("fast")


CONVERSATIONS = {name: load(name) for name in ("conversation", "kept")}
COUNT = len(CONVERSATIONS["conversation"]["messages"])
BROKEN = [
    (name, index, change)
    for name, told in CONVERSATIONS.items()
    for index, row in enumerate(told["messages"])
    for change in ("trailing", "truncated", "halved", "emptied")
    if change == "trailing" or len(row["message"]) > 2  # nothing is left of HELLO_REQ without its type byte
]


@pytest.mark.parametrize("max_frame", [2, 20, 512])
@pytest.mark.parametrize("name", CONVERSATIONS)
def test_both_roles_say_exactly_these_bytes(name: str, max_frame: int) -> None:
    told = CONVERSATIONS[name]
    replay = Replay(told).to(len(told["messages"]), max_frame)
    assert (replay.device.state, replay.car.state) == (State.CLOSED, State.CLOSED)
    presented = next(event for event in replay.events if isinstance(event, Presented))
    assert presented.command == UNLOCK
    assert presented.session_hash == replay.derived["session hash"]
    answered = [event for event in replay.events if isinstance(event, Answered)]
    assert {event.session_hash for event in answered} == {replay.derived["session hash"]}
    assert len(answered) == sum(row["name"] == "RESULT" for row in told["messages"])


def test_the_script_makes_exactly_these_files() -> None:
    spec = importlib.util.spec_from_file_location("make_session_vectors", ROOT / "tools" / "make_session_vectors.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for name, text in script.documents().items():
        assert (VECTORS / name).read_text(encoding="utf-8") == text, name


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_the_derived_values(name: str) -> None:
    told = CONVERSATIONS[name]
    replay = Replay(told).to([row["name"] for row in told["messages"]].index("RESULT"))
    derived = replay.derived
    for party in (replay.device._edhoc, replay.car._edhoc):
        assert party is not None
        schedule = party.schedule
        assert (schedule.th_2, schedule.th_3, schedule.th_4) == (derived["TH_2"], derived["TH_3"], derived["TH_4"])
        assert (schedule.prk_2e, schedule.prk_out) == (derived["PRK_2e"], derived["PRK_out"])
        assert schedule.prk_exporter == derived["PRK_exporter"]
        context = derived["exporter context"]
        for label, item, size in (
            (32769, "key D>V", 16), (32770, "key V>D", 16), (32771, "iv D>V", 12), (32772, "iv V>D", 12),
        ):  # fmt: skip
            assert schedule.export(label, context, size) == derived[item]
    assert derived["exporter context"].startswith(derived["hello_hash"])
    assert vehicle_credential(replay.vehicle.id, replay.vehicle.public_key).cred == derived["CRED_R"]
    assert recognises(replay.vehicle.advertising_key, replay.given["rotating_id"])
    assert advertisement(replay.given["rotating_id"]) == derived["advertisement"]


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_the_handshake_from_the_specifications_alone(name: str) -> None:
    """Section by section of RFC 9528, with the standard library's HMAC, and an X25519, an AES-GCM and an ES256."""
    told = CONVERSATIONS[name]
    derived = {item: bytes.fromhex(value) for item, value in told["derived"].items()}
    given, said = told["inputs"], {row["name"]: bytes.fromhex(row["message"]) for row in told["messages"]}
    message_1, body_2, body_3 = said["MESSAGE_1"][1:], said["MESSAGE_2"][3:], cbor2.loads(said["MESSAGE_3"][1:])
    hello = [bytes.fromhex(row["message"])[1:] for row in told["messages"] if row["name"] == "HELLO"][-1]
    token = bytes.fromhex(given["token"])

    def digest(*parts: bytes) -> bytes:
        return hashlib.sha256(b"".join(parts)).digest()

    def kdf(prk: bytes, label: int, context: bytes, length: int) -> bytes:
        info, out, last = b"".join(cbor2.dumps(part) for part in (label, context, length)), b"", b""
        while len(out) < length:
            last = hmac.digest(prk, last + info + bytes((len(out) // 32 + 1,)), "sha256")
            out += last
        return out[:length]

    def bstr(data: bytes) -> bytes:
        return cbor2.dumps(data)

    hello_hash = digest(bytes.fromhex(given["info"]), hello)
    assert hello_hash == derived["hello_hash"]
    g_y = body_2[:32]
    shared = EphemeralKey(bytes.fromhex(given["g_x_secret"])).agree(g_y)
    assert shared == derived["G_XY"]
    th_2 = digest(bstr(g_y), bstr(digest(message_1)))
    prk = hmac.digest(th_2, shared, "sha256")
    plaintext_2 = bytes(a ^ b for a, b in zip(body_2[32:], kdf(prk, 0, th_2, len(body_2) - 32), strict=True))
    assert (th_2, prk, plaintext_2) == (derived["TH_2"], derived["PRK_2e"], derived["plaintext_2"])

    id_cred_r, cred_r = cbor2.dumps({4: b"\0"}), derived["CRED_R"]
    assert plaintext_2 == b"\x01\x00" + bstr(derived["signature 2"])
    mac_2 = kdf(prk, 2, b"\x01" + id_cred_r + bstr(th_2) + cred_r, 32)
    assert mac_2 == derived["MAC_2"]
    signed = cbor2.dumps(["Signature1", id_cred_r, bstr(th_2) + cred_r, mac_2])
    assert signed == derived["to be signed 2"]
    verify(bytes.fromhex(given["vehicle_public"]), derived["signature 2"], signed)

    th_3 = digest(bstr(th_2), plaintext_2, cred_r)
    aad = cbor2.dumps(["Encrypt0", b"", bstr(th_3)[2:]])
    key, nonce = kdf(prk, 3, th_3, 16), kdf(prk, 4, th_3, 12)
    assert (th_3, key, nonce, aad) == (derived["TH_3"], derived["K_3"], derived["IV_3"], derived["A_3"])
    plaintext_3 = aead.open_(key, nonce, body_3, aad)
    assert plaintext_3 == derived["plaintext_3"]

    id_cred_i = cbor2.dumps({4: b"\x01"}) if name == "kept" else b"\xa1\x0d" + token
    ead_3 = cbor2.dumps(-65001) + bstr(derived["EAD_3 value"])
    on_air = b"\x01" if name == "kept" else id_cred_i
    assert plaintext_3 == on_air + bstr(derived["signature 3"]) + ead_3
    mac_3 = kdf(prk, 6, id_cred_i + bstr(th_3) + token + ead_3, 32)
    signed = cbor2.dumps(["Signature1", id_cred_i, bstr(th_3) + token + ead_3, mac_3])
    assert (mac_3, signed) == (derived["MAC_3"], derived["to be signed 3"])
    verify(bytes.fromhex(given["device_public"]), derived["signature 3"], signed)

    th_4 = digest(bstr(th_3), plaintext_3, token)
    prk_out = kdf(prk, 7, th_4, 32)
    assert (th_4, prk_out, kdf(prk_out, 10, b"", 32)) == (derived["TH_4"], derived["PRK_out"], derived["PRK_exporter"])
    raw = [base64.b32decode(given[which][4:].upper()) for which in ("vehicle_id", "key_id")]
    assert hello_hash + b"".join(raw) == derived["exporter context"]
    assert digest(th_4)[:8] == derived["session hash"]
    adv = bytes.fromhex(given["rotating_id"])
    mac = hmac.digest(bytes.fromhex(given["advertising_key"]), b"keygw adv" + adv[:3], "sha256")
    assert adv == adv[:3] + mac[:3]


def test_the_kid_of_a_kept_token_is_its_index() -> None:
    for row in CONVERSATIONS["kept"]["kids"]:
        kid = bytes((row["index"],)) if row["index"] < 24 else row["index"].to_bytes(2, "big")
        assert kid.hex() == row["kid"] == token_kid(row["index"]).hex()
        assert row["on_air"] == (kid if len(kid) == 1 else cbor2.dumps(kid)).hex()


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_the_channel_opens_with_the_written_keys_nonces_and_aad(name: str) -> None:
    """As a firmware author would do it, with nothing but the specification and an AES-GCM."""
    vector = CONVERSATIONS[name]
    derived = {name: bytes.fromhex(value) for name, value in vector["derived"].items()}
    counters = {"D>V": 0, "V>D": 0}
    opened = 0
    for row in vector["messages"]:
        message, way = bytes.fromhex(row["message"]), row["direction"]
        if "plaintext" not in row:
            continue
        counter = counters[way].to_bytes(8, "big")
        counters[way] += 1
        nonce = bytes(a ^ b for a, b in zip(derived[f"iv {way}"], bytes(4) + counter, strict=True))
        aad = derived["TH_4"] + (b"\x00" if way == "D>V" else b"\x01") + message[:1] + counter
        assert aead.open_(derived[f"key {way}"], nonce, message[1:], aad).hex() == row["plaintext"]
        opened += 1
    assert opened == sum("plaintext" in row for row in vector["messages"]) > 3


def test_the_signed_objects_hold(vector: Vector) -> None:
    replay = Replay(vector)
    given, derived, rows = replay.given, replay.derived, vector["messages"]
    verify(given["vehicle_public"], derived["signature 2"], derived["to be signed 2"])
    verify(given["device_public"], derived["signature 3"], derived["to be signed 3"])
    for who in ("vehicle", "device"):
        assert LocalSigner.from_secret(int(vector["inputs"][f"{who}_secret"], 16)).public_key == given[f"{who}_public"]
    claims = decode_cwt(given["token"], replay.trust, vehicle_id=replay.vehicle.id)
    assert (claims.key_id, claims.device_key) == (vector["inputs"]["key_id"], given["device_public"])
    revocations = verify_list(bytes.fromhex(rows[8]["plaintext"]), replay.trust, replay.vehicle.id)
    assert revocations.revoked == (2, 3)
    ack = verify_ack(bytes.fromhex(rows[9]["plaintext"]), given["vehicle_public"])
    assert (ack.sequence, ack.list_hash) == (1, list_hash(bytes.fromhex(rows[8]["plaintext"])))
    (signed,) = Receipts.decode(bytes.fromhex(rows[11]["plaintext"])).signed
    assert verify_receipt(signed, given["vehicle_public"]).session == derived["session hash"]
    proof = verify_time_proof(bytes.fromhex(rows[15]["plaintext"]), replay.trust, replay.vehicle.id)
    first, second = (Result.decode(bytes.fromhex(rows[index]["plaintext"])) for index in (4, 16))
    assert (proof.nonce, proof.time, proof.list_sequence) == (first.time_nonce, AT + 5, second.list_sequence)


@pytest.mark.parametrize(("name", "index", "change"), BROKEN)
def test_a_byte_more_or_less_is_refused(name: str, index: int, change: str) -> None:
    replay = Replay(CONVERSATIONS[name]).to(index)
    replay.speak(index)
    speaker, hearer = replay.ends(index)
    (frame,) = speaker.frames(512)
    lengths = {"truncated": len(frame) - 1, "halved": 1 + len(frame) // 2, "emptied": 2}
    with pytest.raises(ProtocolError):
        hearer.receive(frame + b"\x00" if change == "trailing" else frame[: lengths[change]], 0.0)
    assert hearer.state is State.CLOSED


def test_the_frames_at_mtu_23(vector: Vector) -> None:
    for way in ("D>V", "V>D"):
        fragmenter, reassembler = Fragmenter(), Reassembler()
        reassembler.limit = AFTER_AUTHENTICATION
        for row in vector["messages"]:
            if row["direction"] != way:
                continue
            message = bytes.fromhex(row["message"])
            frames = list(fragmenter.split(message, 20))
            assert [frame.hex() for frame in frames] == row["frames_at_mtu_23"]
            assert [reassembler.push(frame, 0.0) for frame in frames] == [None] * (len(frames) - 1) + [message]


def test_every_message_of_this_version_is_shown(vector: Vector, fast_vector: Vector) -> None:
    """Owner pairing has messages and vectors of its own: ``test_pairing_vectors.py``."""
    elsewhere = {message.name for state in PAIRING_STATES for _, message in TRANSITIONS[state]} | {"PAIR_ASK"}
    told = (*CONVERSATIONS.values(), fast_vector, load("chain"), load("rotation"), load("ranging"))
    assert {row["name"] for vector in told for row in vector["messages"]} == {m.name for m in MessageType} - elsewhere
    assert any(isinstance(event, ReceiptsGiven) for event in Replay(vector).to(COUNT).events)


def test_the_fast_path_says_exactly_these_bytes(fast_vector: Vector) -> None:
    device, car, key = fast_pair(fast_vector)
    hello, fast, result = (bytes.fromhex(row["message"]) for row in fast_vector["messages"])
    car.greet(7)
    (frame,) = car.frames(512)
    assert frame[1:] == hello
    device.receive(frame, 0.0)
    device.begin_fast(0.0, key, UNLOCK)
    (frame,) = device.frames(512)
    assert frame[1:] == fast
    (presented,) = car.receive(frame, 0.0)
    session_hash = bytes.fromhex(fast_vector["derived"]["session hash"])
    assert presented == PresentedFast(key, LinkKind.HOSTED, True, UNLOCK, session_hash)
    car.answer_fast(FastResult(Outcome.DONE, 3, 2))
    (frame,) = car.frames(512)
    assert frame[1:] == result
    assert device.receive(frame, 0.0) == [AnsweredFast(FastResult(Outcome.DONE, 3, 2), session_hash)]


def test_the_fast_keys_are_those_of_the_conversation(vector: Vector, fast_vector: Vector) -> None:
    replay = Replay(vector).to(5)
    for side in (replay.device, replay.car):
        assert side.fast_key is not None
        assert side.fast_key.secret.hex() == fast_vector["inputs"]["K_fast"]
        assert side.fast_key.identifier.hex() == fast_vector["inputs"]["K_id"]


def test_the_fast_path_from_the_specification_alone(fast_vector: Vector) -> None:
    """Nothing of keygw but an X25519 and an AES-GCM; the HMACs are the standard library's."""
    given = {
        name: bytes.fromhex(value)
        for name, value in fast_vector["inputs"].items()
        if name not in ("vehicle_id", "key_id")
    }
    derived = fast_vector["derived"]
    hello, fast, result = (bytes.fromhex(row["message"]) for row in fast_vector["messages"])
    tag, g_d, sealed = fast[1:9], fast[9:41], fast[41:]
    greeting = given["info"] + hello[1:]

    def mac(secret: bytes, data: bytes) -> bytes:
        return hmac.digest(secret, data, "sha256")

    assert tag == mac(given["K_id"], b"tag" + greeting + g_d)[:8]
    th_f = hashlib.sha256(given["vehicle_raw"] + greeting + tag + g_d).digest()
    assert th_f.hex() == derived["TH_F"]
    assert hashlib.sha256(th_f).digest()[:8].hex() == derived["session hash"]
    shared = EphemeralKey(given["g_v_secret"]).agree(g_d)
    assert shared == EphemeralKey(given["g_d_secret"]).agree(hello[18:50])
    prk = mac(given["K_fast"], shared)
    assert prk.hex() == derived["PRK"]
    for way, message, body, label in (("D>V", fast, sealed, 0), ("V>D", result, result[1:], 1)):
        secret = mac(prk, struct.pack(">H", 32769 + label) + th_f + b"\x01")[:16]
        iv = mac(prk, struct.pack(">H", 32771 + label) + th_f + b"\x01")[:12]
        assert (secret.hex(), iv.hex()) == (derived[f"key {way}"], derived[f"iv {way}"])
        plain = aead.open_(secret, iv, body, th_f + bytes((label, message[0])) + bytes(8))
        assert plain.hex() == fast_vector["messages"][1 + label]["plaintext"]


@pytest.mark.parametrize("index", [0, 1, 2])
@pytest.mark.parametrize("change", ["trailing", "truncated"])
def test_a_byte_more_or_less_of_the_fast_path_is_refused(fast_vector: Vector, index: int, change: str) -> None:
    device, car, key = fast_pair(fast_vector)
    speeches: list[Callable[[], None]] = [
        lambda: car.greet(7),
        lambda: device.begin_fast(0.0, key, UNLOCK),
        lambda: car.answer_fast(FastResult(Outcome.DONE, 3, 2)),
    ]
    for at, speak in enumerate(speeches):
        speak()
        speaker, hearer = (device, car) if at == 1 else (car, device)
        (frame,) = speaker.frames(512)
        if at == index:
            with pytest.raises(ProtocolError):
                hearer.receive(frame + b"\x00" if change == "trailing" else frame[:-1], 0.0)
            assert hearer.state is State.CLOSED
            return
        hearer.receive(frame, 0.0)


def test_the_picture_of_the_states_is_the_tables(repository: Path) -> None:
    """Law 6: redraw with ``python tools/draw_states.py``."""
    done = subprocess.run(
        [sys.executable, "tools/draw_states.py", "--check"], cwd=repository, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
