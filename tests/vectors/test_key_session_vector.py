"""The frozen conversation of ``protocols/key_session/vectors``, replayed byte for byte in both roles."""

from __future__ import annotations

import hashlib
import hmac
import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from keygw.crypto import aead
from keygw.crypto.agreement import EphemeralKey
from keygw.crypto.signer import LocalSigner, verify
from keygw.model.command import Action, Outcome
from keygw.model.errors import ProtocolError
from keygw.model.ids import Random
from keygw.model.signal import SignalId
from keygw.model.vehicle import Vehicle
from keygw.session.device import DeviceSession, KeyInHand
from keygw.session.events import (
    Answered,
    AnsweredFast,
    Presented,
    PresentedFast,
    ReceiptsGiven,
    Responded,
    SignatureNeeded,
)
from keygw.session.fast import FastKey
from keygw.session.identity import recognises, vehicle_credential
from keygw.session.states import PAIRING_STATES, TRANSITIONS, State
from keygw.session.vehicle import VehicleSession
from keygw.token.claims import KeyClaims
from keygw.token.cwt import decode_cwt
from keygw.token.receipt import verify_receipt
from keygw.token.revocation import list_hash, verify_ack, verify_list
from keygw.token.time_proof import verify_time_proof
from keygw.token.trust import IssuerKey, TrustedIssuers
from keygw.wire.frame import AFTER_AUTHENTICATION, Fragmenter, Reassembler
from keygw.wire.messages import Cmd, FastResult, LinkKind, MessageType, Reading, Receipts, Res, Result, TimeState

UNLOCK, LOCK = Cmd(0x01020304, Action.UNLOCK), Cmd(0x01020305, Action.LOCK)
AT = 1_800_000_000
Vector = dict[str, Any]


@pytest.fixture(scope="module")
def vector(repository: Path) -> Vector:
    path = repository / "protocols" / "key_session" / "vectors" / "conversation.json"
    loaded: Vector = json.loads(path.read_text())
    return loaded


@pytest.fixture(scope="module")
def fast_vector(repository: Path) -> Vector:
    path = repository / "protocols" / "key_session" / "vectors" / "fast.json"
    loaded: Vector = json.loads(path.read_text())
    return loaded


def draws(*values: bytes) -> Random:
    rest = list(values)

    def draw(length: int) -> bytes:
        value = rest.pop(0)
        assert len(value) == length
        return value

    return draw


class Replay:
    """Both roles with the vector's keys and randomness; ``to(n)`` brings the conversation to before message n."""

    def __init__(self, vector: Vector) -> None:
        self.vector = vector
        given = {name: self._raw(value) for name, value in vector["inputs"].items()}
        self.derived = {name: bytes.fromhex(value) for name, value in vector["derived"].items()}
        self.vehicle = Vehicle(vector["inputs"]["vehicle_id"], "Car", given["vehicle_public"], given["advertising_key"])
        self.given = given
        hand = KeyInHand(vector["inputs"]["key_id"], given["token"], given["device_public"])
        self.trust = TrustedIssuers([IssuerKey("https://issuer.example", given["issuer_kid"], given["issuer_public"])])
        self.device = DeviceSession(self.vehicle, hand, given["info"], draws(given["g_x_secret"]), 0.0, subscribe=True)
        self.car = VehicleSession(
            self.vehicle.id,
            self.vehicle.public_key,
            lambda token: decode_cwt(token, self.trust, vehicle_id=self.vehicle.id),
            given["info"],
            draws(given["n_v"], given["g_v_secret"], given["g_y_secret"]),
            0.0,
        )
        self.events: list[Any] = []
        self._plain = [bytes.fromhex(row.get("plaintext", "")) for row in vector["messages"]]

    @staticmethod
    def _raw(value: object) -> bytes:
        try:
            return bytes.fromhex(value) if isinstance(value, str) else b""
        except ValueError:
            return b""

    def _sign(self, number: int) -> None:
        """The frozen signature, if what is to be signed is what was signed then."""
        assert self.events[-1] == SignatureNeeded(self.derived[f"to be signed {number}"])
        (self.car if number == 2 else self.device).sign(self.derived[f"signature {number}"])

    def speak(self, index: int) -> None:
        """Have the right side say message ``index``."""
        car, device, plain = self.car, self.device, self._plain
        receipt = Receipts.decode(plain[11]).signed
        speeches: list[Callable[[], None]] = [
            lambda: car.greet(self.vector["inputs"]["boot_epoch"]),
            lambda: device.begin(0.0, UNLOCK),
            lambda: self._sign(2),
            lambda: self._sign(3),
            lambda: car.answer(Result(Outcome.DONE, UNLOCK.number, 1, 0, b"nonce..8", TimeState.DUE), keep_open=True),
            lambda: car.tell([Reading(SignalId.CENTRAL_LOCK, False, AT), Reading(SignalId.SPEED, 0.0, AT)]),
            lambda: device.command(LOCK),
            lambda: car.respond(Res(LOCK.number, Outcome.DONE, 2)),
            lambda: device.push_list(plain[8]),
            lambda: car.acknowledge_list(plain[9]),
            lambda: device.ask_receipts(1),
            lambda: car.give_receipts(Receipts(receipt, more=False)),
            lambda: device.acknowledge_receipts(2),
            device.ask_list,
            lambda: car.give_list(plain[14]),
            lambda: device.prove_time(plain[15]),
            lambda: car.answer(Result(Outcome.DONE, None, 2, 1, b"nonce..9", TimeState.TRUSTED), keep_open=True),
            device.end,
        ]
        assert len(speeches) == len(self.vector["messages"])
        speeches[index]()

    def ends(self, index: int) -> tuple[DeviceSession | VehicleSession, DeviceSession | VehicleSession]:
        """Who says message ``index``, and who hears it."""
        device_speaks = self.vector["messages"][index]["direction"] == "D>V"
        return (self.device, self.car) if device_speaks else (self.car, self.device)

    def to(self, end: int, max_frame: int = 512) -> Replay:
        for index in range(end):
            self.speak(index)
            speaker, hearer = self.ends(index)
            frames = list(speaker.frames(max_frame))
            assert b"".join(frame[1:] for frame in frames).hex() == self.vector["messages"][index]["message"]
            if max_frame == 20:
                assert [frame.hex() for frame in frames] == self.vector["messages"][index]["frames_at_mtu_23"]
            for frame in frames:
                self.events += hearer.receive(frame, 0.0)
        return self


COUNT = 18


@pytest.mark.parametrize("max_frame", [20, 512])
def test_both_roles_say_exactly_these_bytes(vector: Vector, max_frame: int) -> None:
    replay = Replay(vector).to(COUNT, max_frame)
    assert (replay.device.state, replay.car.state) == (State.CLOSED, State.CLOSED)
    presented = next(event for event in replay.events if isinstance(event, Presented))
    assert presented.command == UNLOCK
    assert presented.session_hash == replay.derived["session hash"]
    answered = next(event for event in replay.events if isinstance(event, Answered))
    assert answered.session_hash == replay.derived["session hash"]
    assert any(isinstance(event, Responded) for event in replay.events)


def test_the_derived_values(vector: Vector) -> None:
    replay = Replay(vector).to(4)
    derived = replay.derived
    for party in (replay.device._edhoc, replay.car._edhoc):
        assert party is not None
        schedule = party.schedule
        assert (schedule.th_2, schedule.th_3, schedule.th_4) == (derived["TH_2"], derived["TH_3"], derived["TH_4"])
        assert (schedule.prk_2e, schedule.prk_out) == (derived["PRK_2e"], derived["PRK_out"])
        assert schedule.prk_exporter == derived["PRK_exporter"]
        context = derived["exporter context"]
        for label, name, size in (
            (32769, "key D>V", 16), (32770, "key V>D", 16), (32771, "iv D>V", 12), (32772, "iv V>D", 12),
        ):  # fmt: skip
            assert schedule.export(label, context, size) == derived[name]
    assert derived["exporter context"].startswith(derived["hello_hash"])
    assert vehicle_credential(replay.vehicle.id, replay.vehicle.public_key).cred == derived["CRED_R"]
    assert recognises(replay.vehicle.advertising_key, replay.given["rotating_id"])


def test_the_channel_opens_with_the_written_keys_nonces_and_aad(vector: Vector) -> None:
    """As a firmware author would do it, with nothing but the specification and an AES-GCM."""
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
    assert opened == 13


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


@pytest.mark.parametrize("index", range(COUNT))
@pytest.mark.parametrize("change", ["trailing", "truncated"])
def test_a_byte_more_or_less_is_refused(vector: Vector, index: int, change: str) -> None:
    replay = Replay(vector).to(index)
    replay.speak(index)
    speaker, hearer = replay.ends(index)
    (frame,) = speaker.frames(512)
    with pytest.raises(ProtocolError):
        hearer.receive(frame + b"\x00" if change == "trailing" else frame[:-1], 0.0)
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


def test_every_message_of_this_version_but_hello_req_is_shown(
    vector: Vector, fast_vector: Vector, repository: Path
) -> None:
    """Owner pairing has messages and vectors of its own: ``test_pairing_vectors.py``."""
    chain = json.loads((repository / "protocols" / "key_session" / "vectors" / "chain.json").read_text())
    elsewhere = {message.name for state in PAIRING_STATES for _, message in TRANSITIONS[state]} | {"PAIR_ASK"}
    shown = {row["name"] for row in (*vector["messages"], *fast_vector["messages"], *chain["messages"])}
    assert shown == {m.name for m in MessageType} - {"HELLO_REQ"} - elsewhere
    assert any(isinstance(event, ReceiptsGiven) for event in Replay(vector).to(COUNT).events)


def fast_pair(vector: Vector) -> tuple[DeviceSession, VehicleSession, FastKey]:
    given = vector["inputs"]
    raw = {name: bytes.fromhex(value) for name, value in given.items() if name not in ("vehicle_id", "key_id")}
    vehicle = Vehicle(given["vehicle_id"], "Car", raw["vehicle_public"], bytes(16))
    key = FastKey(given["key_id"], raw["K_fast"], raw["K_id"])
    hand = KeyInHand(given["key_id"], b"", raw["vehicle_public"])
    device = DeviceSession(vehicle, hand, raw["info"], draws(raw["g_d_secret"]), 0.0, LinkKind.HOSTED, True)
    car = VehicleSession(
        vehicle.id, vehicle.public_key, _nobody, raw["info"],
        draws(raw["n_v"], raw["g_v_secret"], bytes(32), bytes(32)), 0.0, lambda: [key],
    )  # fmt: skip
    return device, car, key


def _nobody(token: bytes) -> KeyClaims:
    raise AssertionError("the fast path shows no token")


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
