"""The frozen vectors of protocols/owner_pairing: the script that makes them, the code, and the text alone agree.

``derive`` is written from the specification with hashlib, ``cryptography``'s AES-GCM and ECDSA, and a naive P-256 of
its own. It shares nothing with ``src/keygw``, so that a shared mistake of our two roles would show.
"""

from __future__ import annotations

import hashlib
import hmac
import importlib.util
import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keygw.model.errors import ProtocolError, TokenError
from keygw.session.states import PAIRING_STATES, TRANSITIONS, State
from keygw.token.cwt import decode_cwt
from keygw.token.ticket import verify_ticket
from keygw.token.trust import IssuerKey, TrustedIssuers
from keygw.wire import pairing as bodies

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "protocols" / "owner_pairing" / "README.md"
VECTOR: dict[str, Any] = json.loads((PAGE.parent / "vectors" / "pairing.json").read_text("utf-8"))["pairing"]
CASES: list[dict[str, str]] = json.loads((PAGE.parent / "vectors" / "invalid.json").read_text("utf-8"))["cases"]
SAID = {name: bytes.fromhex(message) for name, message in VECTOR["messages"].items()}


@cache
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_pairing_vectors", ROOT / "tools" / "make_pairing_vectors.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_script_still_makes_these_files() -> None:
    for name, content in tool().files().items():
        assert json.loads((PAGE.parent / "vectors" / name).read_text("utf-8")) == content, name


# -- the text alone ----------------------------------------------------------------------------------------------------

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
Affine = tuple[int, int] | None
G: Affine = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)


def add(left: Affine, right: Affine) -> Affine:
    if left is None or right is None:
        return right if left is None else left
    if left[0] == right[0] and (left[1] + right[1]) % P == 0:
        return None
    if left == right:
        slope = (3 * left[0] ** 2 - 3) * pow(2 * left[1], -1, P)
    else:
        slope = (right[1] - left[1]) * pow(right[0] - left[0], -1, P)
    x = (slope**2 - left[0] - right[0]) % P
    return x, (slope * (left[0] - x) - left[1]) % P


def times(scalar: int, point: Affine) -> Affine:
    total: Affine = None
    for bit in bin(scalar)[2:]:
        total = add(total, total)
        total = add(total, point) if bit == "1" else total
    return total


def minus(point: Affine) -> Affine:
    return None if point is None else (point[0], -point[1] % P)


def raw(point: Affine) -> bytes:
    assert point is not None
    return b"\x04" + point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big")


def unpacked(text: str) -> Affine:
    """A compressed point."""
    x = int(text[2:], 16)
    y = pow(x**3 - 3 * x + B, (P + 1) // 4, P)
    return x, y if y % 2 == int(text[:2], 16) % 2 else P - y


def sized(data: bytes) -> bytes:
    return len(data).to_bytes(8, "little") + data


def expand(prk: bytes, info: bytes, length: int) -> bytes:
    out = block = b""
    while len(out) < length:
        block = hmac.digest(prk, block + info + bytes((len(out) // 32 + 1,)), "sha256")
        out += block
    return out[:length]


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def hkdf(secret: bytes, info: bytes, length: int) -> bytes:
    return expand(hmac.digest(bytes(32), secret, "sha256"), info, length)


def derive() -> dict[str, bytes]:
    """From code, salt, ephemeral randomness and what was said in clear: everything else."""
    code, salt = VECTOR["code"].encode(), SAID["offer"][1:]
    stretched = hashlib.scrypt(
        sized(code) + sized(b"device") + sized(b"vehicle"), salt=salt, n=2**14, r=8, p=1, dklen=80, maxmem=2**26
    )
    w0, w1 = (int.from_bytes(half, "big") % ORDER for half in (stretched[:40], stretched[40:]))
    m = unpacked("02886e2f97ace46e55ba9dd7242579f2993b64e16ef3dcab95afd497333d8fa12f")
    n = unpacked("03d8bbd6c639c62937b04d997f38c3770719c629d7014d49a24b4f98baa1292b49")
    x, y = (1 + int(VECTOR[name], 16) % (ORDER - 1) for name in ("random_x", "random_y"))
    share_p, share_v = add(times(x, G), times(w0, m)), add(times(y, G), times(w0, n))
    from_v = add(share_v, minus(times(w0, n)))
    z, v = times(x, from_v), times(w1, from_v)
    hello_hash = sha256(bytes.fromhex(VECTOR["info"]) + SAID["hello"][1:])
    context = b"keygw pairing 1" + hello_hash + SAID["ask"][1:] + salt
    parts = (context, b"device", b"vehicle", raw(m), raw(n), raw(share_p), raw(share_v), raw(z), raw(v))
    main = sha256(b"".join(sized(part) for part in (*parts, w0.to_bytes(32, "big"))))
    confirmation, shared = hkdf(main, b"ConfirmationKeys", 64), hkdf(main, b"SharedKey", 32)
    confirm_p = hmac.digest(confirmation[:32], raw(share_v), "sha256")
    confirm_v = hmac.digest(confirmation[32:], raw(share_p), "sha256")
    proven = sha256(context + raw(share_p) + raw(share_v) + confirm_v)
    found = {
        "w0": w0.to_bytes(32, "big"), "w1": w1.to_bytes(32, "big"), "L": raw(times(w1, G)), "hello_hash": hello_hash,
        "context": context, "K_main": main, "K_shared": shared, "confirmP": confirm_p, "confirmV": confirm_v,
        "th_proven": proven, "th_enrolled": sha256(proven + SAID["enrol"][1:]),
        "prk": hmac.digest(proven, shared, "sha256"), "shareP": raw(share_p), "shareV": raw(share_v),
    }  # fmt: skip
    for name, label, length in (
        ("device_key", 32769, 16),
        ("vehicle_key", 32770, 16),
        ("device_iv", 32771, 12),
        ("vehicle_iv", 32772, 12),
    ):
        found[f"channel.{name}"] = expand(found["prk"], b"keygw pairing 1" + label.to_bytes(4, "big"), length)
    return found


def opened(found: dict[str, bytes], side: str, counter: int, kind: int, sealed: bytes) -> Any:
    nonce = (int.from_bytes(found[f"channel.{side}_iv"], "big") ^ counter).to_bytes(12, "big")
    aad = found["th_proven"] + (b"\x00" if side == "device" else b"\x01") + bytes((kind,)) + counter.to_bytes(8, "big")
    return AESGCM(found[f"channel.{side}_key"]).decrypt(nonce, sealed, aad)


def verify(public_key: str, signature: bytes, message: bytes) -> None:
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bytes.fromhex(public_key))
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))


def test_the_text_alone_derives_every_value() -> None:
    found = derive()
    for name in ("w0", "w1", "L", "hello_hash", "context", "K_main", "K_shared", "confirmP", "confirmV",
                 "th_proven", "th_enrolled"):  # fmt: skip
        assert found[name].hex() == VECTOR[name], name
    assert SAID["share"] == b"\x52" + found["shareP"]
    assert SAID["proof"] == b"\x53" + found["shareV"] + found["confirmV"]
    assert SAID["enrol"][1:33] == found["confirmP"]

    key, signature, attestation = cbor2.loads(opened(found, "device", 0, 0x54, SAID["enrol"][33:]))
    assert (key.hex(), attestation) == (VECTOR["device_key"], None)
    message = cbor2.dumps(["keygw enrol", found["th_proven"], key, None], canonical=True)
    assert message.hex() == VECTOR["device_signs"]
    verify(VECTOR["device_key"], signature, message)

    ticket, vehicle, vehicle_key, advertising = cbor2.loads(opened(found, "vehicle", 0, 0x55, SAID["ticket"][1:]))
    assert (vehicle_key.hex(), advertising.hex()) == (VECTOR["vehicle_key"], VECTOR["advertising_key"])
    protected, unprotected, payload, signature = cbor2.loads(ticket)
    assert (cbor2.loads(protected), unprotected) == ({1: -7, 16: "dkpt"}, {})
    thumbprint = bytes.fromhex(VECTOR["device_thumbprint"])
    assert cbor2.loads(payload) == [vehicle, thumbprint, found["th_enrolled"], 1]
    verify(VECTOR["vehicle_key"], signature, cbor2.dumps(["Signature1", protected, b"", payload], canonical=True))

    enrol, answer = VECTOR["enrol_plaintext"], VECTOR["answer_plaintext"]
    assert opened(found, "device", 0, 0x54, SAID["enrol"][33:]).hex() == enrol
    assert opened(found, "vehicle", 0, 0x55, SAID["ticket"][1:]).hex() == VECTOR["ticket_plaintext"]
    assert opened(found, "vehicle", 1, 0x56, SAID["answer"][1:]).hex() == answer
    token = opened(found, "device", 1, 0x56, SAID["token"][1:])
    assert token.hex() == VECTOR["owner_token"]
    trust = TrustedIssuers(
        [IssuerKey("https://keys.example", bytes.fromhex(VECTOR["issuer_kid"]), bytes.fromhex(VECTOR["issuer_key"]))]
    )
    assert decode_cwt(token, trust, vehicle_id=VECTOR["vehicle_id"]).device_key.hex() == VECTOR["device_key"]
    assert cbor2.loads(opened(found, "vehicle", 1, 0x56, SAID["answer"][1:])) == [0]


def test_what_is_sealed_and_signed_when_there_is_an_attestation() -> None:
    row = VECTOR["attested"]
    key, signature, attestation = cbor2.loads(bytes.fromhex(row["enrol_plaintext"]))
    assert (key.hex(), attestation) == (VECTOR["device_key"], [row["format"], bytes.fromhex(row["evidence"])])
    proven = bytes.fromhex(VECTOR["th_proven"])
    message = cbor2.dumps(["keygw enrol", proven, key, attestation], canonical=True)
    assert message.hex() == row["device_signs"]
    verify(VECTOR["device_key"], signature, message)


# -- the code --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_frame", [2, 20, 512])
def test_both_roles_say_these_messages_also_byte_by_byte(max_frame: int) -> None:
    stage = tool().stage()
    stage.max_frame = max_frame
    stage.run()
    assert [message.hex() for _, message in stage.messages] == list(VECTOR["messages"].values())
    assert (stage.device.state, stage.car.state) == (State.PAIRED, State.PAIRED)


def in_place_of(good: bytes, bad: bytes) -> Callable[[bytes], bytes]:
    return lambda frame: frame[:1] + bad if frame[1:] == good else frame


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_each_invalid_message_ends_the_pairing(case: dict[str, str]) -> None:
    stage = tool().stage()
    stage.on_the_air = in_place_of(SAID[case["instead_of"]], bytes.fromhex(case["message"]))
    with pytest.raises(ProtocolError):
        stage.run()
    receiver = stage.car if case["instead_of"] in ("ask", "share", "enrol", "token") else stage.device
    assert receiver.state is State.CLOSED


CODECS: dict[str, tuple[Callable[[bytes], Any], Callable[[Any], bytes]]] = {
    "offer": (bodies.check_offer, bytes),
    "share": (bodies.check_share, bytes),
    "proof": (bodies.split_proof, b"".join),
    "ticket": (bodies.Credential.decode, bodies.Credential.encode),
    "enrol": (bodies.Enrol.decode, bodies.Enrol.encode),
    "attested": (bodies.Enrol.decode, bodies.Enrol.encode),
    "answer": (bodies.decode_outcome, bodies.encode_outcome),
}


@pytest.mark.parametrize("name", CODECS)
def test_every_body_is_read_whole_and_no_other_way(name: str) -> None:
    plaintext = VECTOR["attested"]["enrol_plaintext"] if name == "attested" else VECTOR.get(f"{name}_plaintext")
    body = SAID[name][1:] if plaintext is None else bytes.fromhex(plaintext)
    decode, encode = CODECS[name]
    assert encode(decode(body)) == body
    for changed in (*(body[:size] for size in range(len(body))), body + b"\x00", body + b"\xf6", body + body):
        with pytest.raises(ProtocolError):
            decode(changed)


def test_the_ask_is_read_whole_and_no_other_way() -> None:
    bodies.decode_ask(SAID["ask"][1:])
    for changed in (b"", b"\x00", b"\x01\x00", b"\x01\x01"):
        with pytest.raises(ProtocolError):
            bodies.decode_ask(changed)


def test_no_part_of_the_ticket_is_accepted() -> None:
    ticket, car = bytes.fromhex(VECTOR["ticket"]), bytes.fromhex(VECTOR["vehicle_key"])
    verify_ticket(ticket, car)
    for changed in (*(ticket[:size] for size in range(len(ticket))), ticket + b"\x00", ticket + ticket):
        with pytest.raises(TokenError):
            verify_ticket(changed, car)


def test_the_page_has_the_state_table() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (device|vehicle) \| ([A-Z0-9_]+) \| `(\w+)` \|$", PAGE.read_text("utf-8"), re.M)
    table = [
        (state.value, who.value, message.name, then.value)
        for state, steps in TRANSITIONS.items()
        for (who, message), then in steps.items()
        if then in PAIRING_STATES
    ]
    assert rows == table
