"""Write ``protocols/owner_pairing/vectors/*.json``: one whole pairing, and what must be refused of it.

``python tools/make_pairing_vectors.py [DIRECTORY]``. Fixed randomness and deterministic signatures (RFC 6979), so no
byte moves. The files are the frozen truth; a test holds this script to them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from fixed_signer import FixedSigner

from keygw.crypto.kdf import sha256
from keygw.crypto.signer import thumbprint
from keygw.crypto.spake2plus import SECRET_BYTES, Prover, Verifier
from keygw.session import pairing
from keygw.session.channel import LABEL_IV, LABEL_KEY
from keygw.session.events import Enrolled, SignatureNeeded
from keygw.session.pairing import PROVER, VERIFIER, context_of, enrolled_hash, proven_hash
from keygw.session.pairing_device import PairingDevice
from keygw.session.states import Side
from keygw.session.vehicle import VehicleSession
from keygw.wire.messages import MessageType
from keygw_sim.pairing_rehearsal import CODE, PairingStage
from keygw_sim.rehearsal import first_of

DIRECTORY = Path(__file__).resolve().parent.parent / "protocols" / "owner_pairing" / "vectors"
TOKEN = bytes.fromhex("6120746f6b656e2c20736565206b65795f746f6b656e")
Json = dict[str, Any]


class Counting:
    """``Random`` that anybody can repeat: SHA-256 of a label, a slash and a counter, cut to what is asked."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._drawn = 0

    def __call__(self, count: int) -> bytes:
        out = b""
        while len(out) < count:
            out += sha256(f"{self._label}/{self._drawn}".encode())
            self._drawn += 1
        return out[:count]


def stage() -> PairingStage:
    """The cast of every vector."""
    made = PairingStage("vectors")
    made.vehicle_signer, made.device_signer = FixedSigner(0x2001), FixedSigner(0x2002)
    made.vehicle_id, made.advertising_key = "veh_ucq2fi5eutt2rkfj", bytes(range(0x10, 0x20))
    made.salt = bytes(range(0x20, 0x30))
    made.record = pairing.secret_for(CODE, made.salt).record()
    made.token = TOKEN
    made.device = PairingDevice(made.device_signer.public_key, made.info, Counting("device"), made.now)
    made.car = VehicleSession(
        made.vehicle_id, made.vehicle_signer.public_key, made._verify, made.info, Counting("vehicle"), made.now
    )
    return made


def whole() -> Json:
    """Every message and every derivation of one pairing that succeeds."""
    played = stage().run()
    said = dict(zip(("hello", "ask", "offer", "share", "proof", "enrol", "ticket", "token", "answer"),
                    (message for _, message in played.messages), strict=True))  # fmt: skip
    secret = pairing.secret_for(CODE, played.salt)
    hello_hash = sha256(played.info + said["hello"][1:])
    context = context_of(hello_hash, said["ask"][1:], said["offer"][1:])
    vehicle, device = Counting("vehicle"), Counting("device")
    vehicle(16), vehicle(32)  # HELLO's nonce and G_V
    random_x, random_y = device(SECRET_BYTES), vehicle(SECRET_BYTES)
    prover = Prover(secret, random_x, context, PROVER, VERIFIER)
    verifier = Verifier(played.record, random_y, context, PROVER, VERIFIER)
    keys = prover.finish(verifier.share)
    proven = proven_hash(context, said["share"][1:], said["proof"][1:])
    enrolled = first_of(played.heard_by_car, Enrolled)
    credential = played.credential(enrolled)
    return {
        "code": CODE,
        "salt": played.salt.hex(),
        "w0": f"{secret.w0:064x}",
        "w1": f"{secret.w1:064x}",
        "L": secret.record().l.encode().hex(),
        "info": played.info.hex(),
        "hello_hash": hello_hash.hex(),
        "context": context.hex(),
        "idProver": PROVER.decode(),
        "idVerifier": VERIFIER.decode(),
        "random_x": random_x.hex(),
        "random_y": random_y.hex(),
        "K_main": keys.main.hex(),
        "K_shared": keys.shared.hex(),
        "confirmP": keys.confirm_prover.hex(),
        "confirmV": keys.confirm_verifier.hex(),
        "th_proven": proven.hex(),
        "th_enrolled": enrolled_hash(proven, said["enrol"][1:]).hex(),
        "channel": _channel(keys.shared, proven),
        "device_secret": f"{0x2002:064x}",
        "device_key": played.device_signer.public_key.hex(),
        "device_thumbprint": thumbprint(played.device_signer.public_key).hex(),
        "device_signs": first_of(played.heard_by_device, SignatureNeeded).message.hex(),
        "vehicle_secret": f"{0x2001:064x}",
        "vehicle_key": played.vehicle_signer.public_key.hex(),
        "vehicle_id": played.vehicle_id,
        "advertising_key": played.advertising_key.hex(),
        "ticket": credential.ticket.hex(),
        "ticket_plaintext": credential.encode().hex(),
        "owner_token": TOKEN.hex(),
        "messages": {name: message.hex() for name, message in said.items()},
    }


def _channel(shared: bytes, proven: bytes) -> Json:
    from keygw.crypto.kdf import hkdf_expand, hkdf_extract  # noqa: PLC0415 - shown here step by step

    prk = hkdf_extract(proven, shared)
    made = {"prk": prk.hex()}
    for side in Side:
        for name, labels, length in (("key", LABEL_KEY, 16), ("iv", LABEL_IV, 12)):
            info = pairing.LABEL + labels[side].to_bytes(4, "big")
            made[f"{side.value}_{name}"] = hkdf_expand(prk, info, length).hex()
    return made


def invalid() -> list[Json]:
    """Messages in place of the good one of the same type, each to be refused by who receives it."""
    good = whole()["messages"]
    cases: list[Json] = []

    def case(name: str, instead_of: str, message: bytes, why: str) -> None:
        cases.append({"name": name, "instead_of": instead_of, "message": message.hex(), "why": why})

    for name in ("ask", "offer", "share", "proof", "enrol", "ticket", "token", "answer"):
        data = bytes.fromhex(good[name])
        case(f"{name}_cut", name, data[:-1], "the last byte is missing")
        case(f"{name}_trailing", name, data + b"\x00", "one byte too many")
        if name not in ("ask", "offer"):
            case(f"{name}_changed", name, data[:-1] + bytes((data[-1] ^ 1,)), "the last byte is another")
    point, kind = bytes.fromhex(good["share"])[1:], bytes((MessageType.PAIR_SHARE,))
    case("ask_suite_2", "ask", bytes((MessageType.PAIR_ASK, 2)), "a suite that does not exist")
    case("share_infinity", "share", kind + b"\x00", "the point at infinity")
    case("share_compressed", "share", kind + bytes((2 + point[-1] % 2,)) + point[1:33], "a compressed point")
    case("share_off_curve", "share", kind + point[:-1] + bytes((point[-1] ^ 1,)), "not on the curve")
    case("share_zeros", "share", kind + b"\x04" + bytes(64), "not on the curve")
    return cases


def files() -> dict[str, Json]:
    note = "Frozen. Made by tools/make_pairing_vectors.py; all binary values in hexadecimal."
    return {
        "pairing.json": {"description": f"{note} One whole pairing.", "pairing": whole()},
        "invalid.json": {
            "description": f"{note} Each message, sent in place of the good one of pairing.json, ends the pairing.",
            "cases": invalid(),
        },
    }


def main() -> int:
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else DIRECTORY
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in files().items():
        (directory / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
