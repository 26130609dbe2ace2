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
from malformed import Refusal, malformed, numbers, texts

from keygw.crypto import aead, cbor, cose
from keygw.crypto.kdf import sha256
from keygw.crypto.p256 import multiply
from keygw.crypto.signer import thumbprint
from keygw.crypto.spake2plus import SECRET_BYTES, M, N, Prover, Verifier
from keygw.model.command import Outcome
from keygw.model.digital_key import Role
from keygw.model.entitlement import PROFILES
from keygw.model.ids import format_id, id_bytes
from keygw.session import pairing
from keygw.session.channel import LABEL_IV, LABEL_KEY
from keygw.session.events import Enrolled, SignatureNeeded
from keygw.session.pairing import PROVER, VERIFIER, context_of, enrolled_hash, proven_hash
from keygw.session.pairing_device import PairingDevice
from keygw.session.states import Side
from keygw.session.vehicle import VehicleSession
from keygw.token.claims import KeyClaims
from keygw.token.cwt import encode_cwt
from keygw.token.trust import IssuerKey
from keygw.wire import pairing as bodies
from keygw.wire.messages import MessageType
from keygw.wire.pairing import Attestation, Enrol
from keygw_sim.pairing_rehearsal import CODE, PairingStage, secret_for
from keygw_sim.rehearsal import ISSUED_AT, first_of

DIRECTORY = Path(__file__).resolve().parent.parent / "protocols" / "owner_pairing" / "vectors"
VEHICLE_ID = "veh_ucq2fi5eutt2rkfj"
ISSUER, CAR, DEVICE = FixedSigner(0x2000), FixedSigner(0x2001), FixedSigner(0x2002)
KEY = IssuerKey.of("https://keys.example", ISSUER.public_key)
TOKEN = encode_cwt(
    KeyClaims(
        issuer=KEY.issuer,
        key_id=format_id("key", bytes(range(0x30, 0x3A))),
        device_key=DEVICE.public_key,
        vehicle_id=VEHICLE_ID,
        vehicle_thumbprint=thumbprint(CAR.public_key)[:16],
        role=Role.OWNER,
        entitlements=PROFILES["owner"],
        index=1,
        issued_at=ISSUED_AT,
        not_before=ISSUED_AT,
        expires_at=ISSUED_AT + 30 * 86_400,
        max_depth=2,
    ),
    ISSUER,
    KEY.kid,
)
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
    made.vehicle_signer, made.device_signer = CAR, DEVICE
    made.vehicle_id, made.advertising_key = VEHICLE_ID, bytes(range(0x10, 0x20))
    made.salt = bytes(range(0x20, 0x30))
    made.record = secret_for(CODE, made.salt).record()
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
    secret = secret_for(CODE, played.salt)
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
    signed = first_of(played.heard_by_device, SignatureNeeded).message
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
        "device_secret": f"{DEVICE.secret:064x}",
        "device_key": played.device_signer.public_key.hex(),
        "device_thumbprint": thumbprint(played.device_signer.public_key).hex(),
        "device_signs": signed.hex(),
        "vehicle_secret": f"{CAR.secret:064x}",
        "vehicle_key": played.vehicle_signer.public_key.hex(),
        "vehicle_id": played.vehicle_id,
        "advertising_key": played.advertising_key.hex(),
        "enrol_plaintext": Enrol(enrolled.device_key, played.device_signer.sign(signed)).encode().hex(),
        "attested": attested(played, proven),
        "ticket": credential.ticket.hex(),
        "ticket_plaintext": credential.encode().hex(),
        "issuer_kid": KEY.kid.hex(),
        "issuer_key": ISSUER.public_key.hex(),
        "owner_token": TOKEN.hex(),
        "answer_plaintext": bodies.encode_outcome(Outcome.DONE).hex(),
        "messages": {name: message.hex() for name, message in said.items()},
    }


def attested(played: PairingStage, proven: bytes) -> Json:
    """What ENROL seals, and what the device signs, when there is an attestation."""
    attestation = Attestation("example", b"evidence")
    signed = pairing.to_be_signed(proven, played.device_signer.public_key, attestation)
    enrol = Enrol(played.device_signer.public_key, played.device_signer.sign(signed), attestation)
    return {
        "format": attestation.format,
        "evidence": attestation.evidence.hex(),
        "device_signs": signed.hex(),
        "enrol_plaintext": enrol.encode().hex(),
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
    for name, why, message, plaintext in sealed():
        cases.append(
            {"name": why, "instead_of": name, "message": message.hex(), "why": why, "plaintext": plaintext.hex()}
        )
    point, kind = bytes.fromhex(good["share"])[1:], bytes((MessageType.PAIR_SHARE,))
    case("ask_suite_2", "ask", bytes((MessageType.PAIR_ASK, 2)), "a suite that does not exist")
    case("share_infinity", "share", kind + b"\x00", "the point at infinity")
    case("share_compressed", "share", kind + bytes((2 + point[-1] % 2,)) + point[1:33], "a compressed point")
    case("share_off_curve", "share", kind + point[:-1] + bytes((point[-1] ^ 1,)), "not on the curve")
    case("share_zeros", "share", kind + b"\x04" + bytes(64), "not on the curve")
    secret = secret_for(CODE, bytes.fromhex(whole()["salt"]))
    case("share_w0_M", "share", kind + multiply(M, secret.w0).encode(), "w0*M, which leads to the point at infinity")
    proof, enrol = bytes.fromhex(good["proof"]), bytes.fromhex(good["enrol"])
    case("proof_w0_N", "proof", proof[:1] + multiply(N, secret.w0).encode() + proof[66:],
         "w0*N, which leads to the point at infinity")  # fmt: skip
    case("proof_compressed", "proof", proof[:1] + bytes((2 + proof[65] % 2,)) + proof[2:34] + proof[66:], "compressed")
    case("proof_off_curve", "proof", proof[:65] + bytes((proof[65] ^ 1,)) + proof[66:], "shareV is not on the curve")
    case("enrol_confirmP_changed", "enrol", enrol[:32] + bytes((enrol[32] ^ 1,)) + enrol[33:], "confirmP is another")
    case("enrol_confirmP_alone", "enrol", enrol[:33], "nothing is sealed")
    return cases


def sealed() -> list[tuple[str, str, bytes, bytes]]:
    """In place of which message, why it must be refused, the message, and what it seals: correctly, but for the why."""
    good = whole()
    key, signature, none = cbor.decode(bytes.fromhex(good["enrol_plaintext"]))
    proven, enrolled = bytes.fromhex(good["th_proven"]), bytes.fromhex(good["th_enrolled"])
    device, car, stranger = DEVICE, CAR, FixedSigner(0x2003)
    compressed, vehicle = thumbprint(key), id_bytes(good["vehicle_id"], "veh")

    def attested(value: object) -> bytes:
        """Signed as it stands."""
        return cbor.encode([key, device.sign(cbor.encode(["keygw enrol", proven, key, value])), value])

    def delivered(ticket: bytes) -> bytes:
        return cbor.encode([ticket, vehicle, car.public_key, good_key])

    def ticket(*fields: object, typ: str = "dkpt", signer: FixedSigner = car) -> bytes:
        return cose.sign1(cbor.encode(list(fields)), signer, {cose.TYP: typ})

    ticketed, good_key = [vehicle, compressed, enrolled, 1], bytes.fromhex(good["advertising_key"])
    credential = cbor.decode(bytes.fromhex(good["ticket_plaintext"]))
    cases: dict[str, list[Refusal]] = {
        "enrol": [
            *malformed([key, signature, none]),
            *texts([key, signature, none], 0, "the device key"),
            *texts([key, signature, none], 1, "the signature"),
            ("the device key is off the curve", cbor.encode([b"\x02" + bytes(31) + b"\x01", signature, none])),
            ("the signature is zeros", cbor.encode([key, bytes(64), none])),
            ("another key has signed", cbor.encode([key, stranger.sign(bytes.fromhex(good["device_signs"])), none])),
            ("a key that nobody has shown to hold", cbor.encode([stranger.public_key, signature, none])),
            ("an attestation that was not signed", cbor.encode([key, signature, ["example", b""]])),
            ("the signature is about another exchange",
             cbor.encode([key, device.sign(cbor.encode(["keygw enrol", bytes(32), key, None])), None])),
            ("attestation: one element", attested(["example"])),
            ("attestation: three elements", attested(["example", b"", b""])),
            ("attestation: a map", attested({})),
            ("attestation: no format", attested(["", b""])),
            ("attestation: a format of 25", attested(["x" * 25, b""])),
            ("attestation: a format that is not ASCII", attested(["\u00e4", b""])),
            ("attestation: a format with a control character", attested(["a\n", b""])),
            ("attestation: the format is a byte string", attested([b"example", b""])),
            ("attestation: the evidence is a text", attested(["example", ""])),
            ("attestation: 3073 bytes of evidence", attested(["example", bytes(3073)])),
        ],
        "ticket": [
            *malformed(credential),
            *texts(credential, 1, "the vehicle id"),
            *texts(credential, 2, "the vehicle key"),
            *texts(credential, 3, "the advertising key"),
            ("the ticket is nil", cbor.encode([None, *credential[1:]])),
            ("the vehicle key is off the curve",
             cbor.encode([*credential[:2], b"\x02" + bytes(31) + b"\x01", credential[3]])),
            ("another key has signed the ticket", delivered(ticket(*ticketed, signer=stranger))),
            ("the ticket has another typ", delivered(ticket(*ticketed, typ="dkra"))),
            ("the ticket is about another vehicle", delivered(ticket(bytes(10), *ticketed[1:]))),
            ("the ticket is about another device", delivered(ticket(vehicle, bytes(32), enrolled, 1))),
            ("the ticket is about another exchange", delivered(ticket(vehicle, compressed, bytes(32), 1))),
            ("the ticket names th_proven", delivered(ticket(vehicle, compressed, proven, 1))),
            *((f"ticket: {why}", delivered(cose.sign1(body, car, {cose.TYP: "dkpt"})))
              for why, body in (*malformed(ticketed)[1:], *numbers(ticketed, 3, 2**32, "counter"),
                                ("counter is 0", cbor.encode([*ticketed[:3], 0])))),
        ],
        "answer": [*malformed([0]), *numbers([0], 0, 256, "outcome")],
    }  # fmt: skip
    found = []
    for name, refusals in cases.items():
        message = bytes.fromhex(good["messages"][name])
        side, counter = ("device", 0) if name == "enrol" else ("vehicle", 0 if name == "ticket" else 1)
        channel = {item: bytes.fromhex(value) for item, value in good["channel"].items()}
        nonce = (int.from_bytes(channel[f"{side}_iv"], "big") ^ counter).to_bytes(12, "big")
        aad = proven + (b"\x00" if side == "device" else b"\x01") + message[:1] + counter.to_bytes(8, "big")
        start = message[:33] if name == "enrol" else message[:1]
        for why, plaintext in refusals:
            body = aead.seal(channel[f"{side}_key"], nonce, plaintext, aad)
            found.append((name, f"{name}: {why}", start + body, plaintext))
    return found


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
    if sys.argv[1:] and sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else DIRECTORY
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in files().items():
        (directory / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
