"""Write ``protocols/key_session/vectors/conversation.json``: one whole conversation with every value it rests on.

ECDSA signatures are random, so each run gives other bytes: the file is frozen, and a test replays it with the
signatures it holds. Run this only when the protocol itself changes: ``python tools/make_session_vectors.py``.

``--fast`` writes only ``fast.json``, the fast path after that conversation; nothing in it is random.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from keygw.crypto import cbor
from keygw.crypto.agreement import EphemeralKey
from keygw.crypto.kdf import hkdf_expand, hkdf_extract, sha256
from keygw.crypto.signer import LocalSigner
from keygw.model.command import Action, Outcome
from keygw.model.ids import format_id, id_bytes
from keygw.model.revocation import ListAck
from keygw.model.signal import SignalId
from keygw.model.vehicle import Vehicle
from keygw.session.channel import LABEL_IV, LABEL_KEY
from keygw.session.device import DeviceSession, KeyInHand
from keygw.session.edhoc import Schedule
from keygw.session.events import Presented, PresentedFast, SignatureNeeded
from keygw.session.fast import FastKey
from keygw.session.identity import rotating_id, vehicle_credential
from keygw.session.states import Side
from keygw.session.vehicle import VehicleSession
from keygw.token.claims import KeyClaims
from keygw.token.receipt import sign_receipt
from keygw.token.revocation import list_hash, sign_ack
from keygw.wire.frame import Fragmenter
from keygw.wire.messages import (
    Cmd,
    FastCommand,
    FastResult,
    Intent,
    LinkKind,
    MessageType,
    Reading,
    Receipts,
    Res,
    Result,
    TimeState,
    encode_info,
)
from keygw_sim.rehearsal import ISSUED_AT, Office, first_of

FILE = Path(__file__).resolve().parent.parent / "protocols" / "key_session" / "vectors" / "conversation.json"
BOOT_EPOCH = 7
DEVICE_SECRET, VEHICLE_SECRET = 0x1001, 0x1002
UNLOCK, LOCK = Cmd(0x01020304, Action.UNLOCK), Cmd(0x01020305, Action.LOCK)
DRAWN = {
    name: sha256(b"keygw vector " + name.encode()) for name in ("n_v", "G_V", "G_X", "G_Y", "advertising", "issuer")
}
MTU_23 = 20


def draws(*values: bytes) -> Any:
    """``random(n)`` that gives these values in turn."""
    rest = list(values)

    def draw(length: int) -> bytes:
        value = rest.pop(0)
        assert len(value) == length  # noqa: S101 - a tool for us, not for users
        return value

    return draw


def exported(schedule: Schedule, context: bytes) -> dict[str, str]:
    """What the channel takes from EDHOC_Exporter."""
    return {
        f"{name} {'D>V' if side is Side.DEVICE else 'V>D'}": schedule.export(label[side], context, size).hex()
        for name, label, size in (("key", LABEL_KEY, 16), ("iv", LABEL_IV, 12))
        for side in Side
    }


def build() -> dict[str, Any]:  # noqa: PLR0915 - a conversation told in one go
    office = Office(lambda length: b"\0" + DRAWN["issuer"][1:length])
    device_signer, vehicle_signer = LocalSigner.from_secret(DEVICE_SECRET), LocalSigner.from_secret(VEHICLE_SECRET)
    vehicle = Vehicle(format_id("veh", b"vector-car"), "Car", vehicle_signer.public_key, DRAWN["advertising"][:16])
    claims = office.claims(vehicle, device_signer.public_key, key_id=format_id("key", b"vector-key"))
    hand = office.hand(claims)
    adv = rotating_id(vehicle.advertising_key, b"\x01\x02\x03")
    info = encode_info(adv)
    device = DeviceSession(vehicle, hand, info, draws(DRAWN["G_X"]), 0.0, subscribe=True)
    car = VehicleSession(
        vehicle.id, vehicle.public_key, lambda token: claims, info,
        draws(DRAWN["n_v"][:16], DRAWN["G_V"], DRAWN["G_Y"]), 0.0,
    )  # fmt: skip
    sent: list[dict[str, str]] = []
    fragmenters = {Side.DEVICE: Fragmenter(), Side.VEHICLE: Fragmenter()}

    def carry(side: Side, plaintext: bytes | None = None) -> list[Any]:
        """Move the one message that waits on that side."""
        source, target = (device, car) if side is Side.DEVICE else (car, device)
        frames = list(source.frames(512))
        message = b"".join(frame[1:] for frame in frames)
        row = {
            "name": MessageType(message[0]).name,
            "direction": "D>V" if side is Side.DEVICE else "V>D",
            "message": message.hex(),
            "frames_at_mtu_23": [frame.hex() for frame in fragmenters[side].split(message, MTU_23)],
        }
        if plaintext is not None:
            row["plaintext"] = plaintext.hex()
        sent.append(row)  # type: ignore[arg-type]  # one value is a list; JSON does not mind
        return [event for frame in frames for event in target.receive(frame, 0.0)]

    car.greet(BOOT_EPOCH)
    carry(Side.VEHICLE)
    device.begin(0.0, UNLOCK)
    to_sign_2 = first_of(carry(Side.DEVICE), SignatureNeeded).message
    signature_2 = vehicle_signer.sign(to_sign_2)
    car.sign(signature_2)
    to_sign_3 = first_of(carry(Side.VEHICLE), SignatureNeeded).message
    signature_3 = device_signer.sign(to_sign_3)
    device.sign(signature_3)
    presented = first_of(carry(Side.DEVICE), Presented)
    hello_hash = sha256(info + bytes.fromhex(sent[0]["message"])[1:])
    result = Result(Outcome.DONE, UNLOCK.number, 1, 0, b"nonce..8", TimeState.DUE)
    car.answer(result, keep_open=True)
    carry(Side.VEHICLE, result.encode())
    reading = [Reading(SignalId.CENTRAL_LOCK, False, ISSUED_AT), Reading(SignalId.SPEED, 0.0, ISSUED_AT)]
    car.tell(reading)
    carry(Side.VEHICLE, cbor.encode([[1, False, ISSUED_AT], [6, 0.0, ISSUED_AT]]))
    device.command(LOCK)
    carry(Side.DEVICE, LOCK.encode())
    response = Res(LOCK.number, Outcome.DONE, 2)
    car.respond(response)
    carry(Side.VEHICLE, response.encode())
    signed_list = office.sign_list(vehicle, 1, revoked=(2, 3))
    device.push_list(signed_list)
    carry(Side.DEVICE, signed_list)
    ack = sign_ack(ListAck(vehicle.id, 1, list_hash(signed_list), BOOT_EPOCH), vehicle_signer)
    car.acknowledge_list(ack)
    carry(Side.VEHICLE, ack)
    device.ask_receipts(1)
    carry(Side.DEVICE, b"\x81\x01")
    receipt = sign_receipt(
        vehicle_id=vehicle.id, sequence=2, number=LOCK.number, key_id=hand.key_id, action=LOCK.action,
        outcome=Outcome.DONE, before=False, after=True, boot_epoch=BOOT_EPOCH, session=presented.session_hash,
        previous=sha256(b"receipt 1"), at=ISSUED_AT, signer=vehicle_signer,
    )  # fmt: skip
    car.give_receipts(Receipts((receipt,), more=False))
    carry(Side.VEHICLE, Receipts((receipt,), more=False).encode())
    device.acknowledge_receipts(2)
    carry(Side.DEVICE, b"\x81\x02")
    device.ask_list()
    carry(Side.DEVICE, b"")
    car.give_list(signed_list)
    carry(Side.VEHICLE, signed_list)
    proof = office.prove_time(vehicle, result.time_nonce, ISSUED_AT + 5, 1)
    device.prove_time(proof)
    carry(Side.DEVICE, proof)
    result = Result(Outcome.DONE, None, 2, 1, b"nonce..9", TimeState.TRUSTED)
    car.answer(result, keep_open=True)
    carry(Side.VEHICLE, result.encode())
    device.end()
    carry(Side.DEVICE)

    party = device._edhoc
    assert party is not None  # noqa: S101 - a tool for us, not for users
    schedule = party.schedule
    context = hello_hash + id_bytes(vehicle.id, "veh") + id_bytes(hand.key_id, "key")
    return {
        "about": "One conversation of protocols/key_session, version 1. Every value is hex unless it is obviously not.",
        "origin": "tools/make_session_vectors.py; made-up keys, never to be used",
        "inputs": {
            "vehicle_id": vehicle.id,
            "key_id": hand.key_id,
            "vehicle_secret": f"{VEHICLE_SECRET:064x}",
            "vehicle_public": vehicle.public_key.hex(),
            "device_secret": f"{DEVICE_SECRET:064x}",
            "device_public": device_signer.public_key.hex(),
            "issuer_public": office.signer.public_key.hex(),
            "issuer_kid": office.kid.hex(),
            "advertising_key": vehicle.advertising_key.hex(),
            "rotating_id": adv.hex(),
            "info": info.hex(),
            "token": hand.token.hex(),
            "boot_epoch": BOOT_EPOCH,
            "n_v": DRAWN["n_v"][:16].hex(),
            "g_v_secret": DRAWN["G_V"].hex(),
            "g_x_secret": DRAWN["G_X"].hex(),
            "g_y_secret": DRAWN["G_Y"].hex(),
        },
        "derived": {
            "hello_hash": hello_hash.hex(),
            "G_V": EphemeralKey(DRAWN["G_V"]).public.hex(),
            "CRED_R": vehicle_credential(vehicle.id, vehicle.public_key).cred.hex(),
            "EAD_3 value": Intent(hello_hash[:8], presented.link, True, UNLOCK).encode().hex(),
            "TH_2": schedule.th_2.hex(),
            "TH_3": schedule.th_3.hex(),
            "TH_4": schedule.th_4.hex(),
            "PRK_2e": schedule.prk_2e.hex(),
            "PRK_out": schedule.prk_out.hex(),
            "PRK_exporter": schedule.prk_exporter.hex(),
            "to be signed 2": to_sign_2.hex(),
            "signature 2": signature_2.hex(),
            "to be signed 3": to_sign_3.hex(),
            "signature 3": signature_3.hex(),
            "exporter context": context.hex(),
            **exported(schedule, context),
            "session hash": presented.session_hash.hex(),
        },
        "messages": sent,
    }


def build_fast(before: dict[str, Any]) -> dict[str, Any]:
    """The device of the frozen conversation comes back and takes the fast path."""
    prk_exporter = bytes.fromhex(before["derived"]["PRK_exporter"])
    context = bytes.fromhex(before["derived"]["exporter context"])

    def export(label: int, what: bytes, length: int) -> bytes:
        return hkdf_expand(prk_exporter, cbor.encode(label) + cbor.encode(what) + cbor.encode(length), length)

    given = before["inputs"]
    key = FastKey.derive(export, context, given["key_id"])
    public = bytes.fromhex(given["vehicle_public"])
    info = encode_info(rotating_id(bytes.fromhex(given["advertising_key"]), b"\x04\x05\x06"))
    n_v, g_v, g_d = (sha256(b"keygw fast vector " + name) for name in (b"n_v", b"G_V", b"G_D"))
    vehicle = Vehicle(given["vehicle_id"], "Car", public, bytes(16))
    hand = KeyInHand(given["key_id"], b"", public)
    device = DeviceSession(vehicle, hand, info, draws(g_d), 0.0, LinkKind.HOSTED, subscribe=True)
    car = VehicleSession(
        vehicle.id,
        public,
        lambda token: _nobody(),
        info,
        draws(n_v[:16], g_v, bytes(32), bytes(32)),
        0.0,
        lambda: [key],
    )
    car.greet(BOOT_EPOCH)
    (hello,) = (frame[1:] for frame in car.frames(512))
    device.receive(b"\xc0" + hello, 0.0)
    device.begin_fast(0.0, key, UNLOCK)
    (fast,) = (frame[1:] for frame in device.frames(512))
    presented = first_of(car.receive(b"\xc0" + fast, 0.0), PresentedFast)
    result = FastResult(Outcome.DONE, 3, 2)
    car.answer_fast(result)
    (answer,) = (frame[1:] for frame in car.frames(512))
    ephemeral = EphemeralKey(g_d)
    th_f = sha256(id_bytes(vehicle.id, "veh") + info + hello[1:] + fast[1:9] + ephemeral.public)
    prk = hkdf_extract(key.secret, ephemeral.agree(hello[18:50]))
    return {
        "about": "The fast path after conversation.json: the same car, device and key. Every value is hex but the ids.",
        "origin": "tools/make_session_vectors.py --fast; made-up keys, never to be used",
        "inputs": {
            "vehicle_id": vehicle.id,
            "vehicle_raw": id_bytes(vehicle.id, "veh").hex(),
            "key_id": given["key_id"],
            "vehicle_public": given["vehicle_public"],
            "info": info.hex(),
            "K_fast": key.secret.hex(),
            "K_id": key.identifier.hex(),
            "n_v": n_v[:16].hex(),
            "g_v_secret": g_v.hex(),
            "g_d_secret": g_d.hex(),
        },
        "derived": {
            "TH_F": th_f.hex(),
            "PRK": prk.hex(),
            **{
                f"{name} {'D>V' if side is Side.DEVICE else 'V>D'}": hkdf_expand(
                    prk, label[side].to_bytes(2, "big") + th_f, size
                ).hex()
                for name, label, size in (("key", LABEL_KEY, 16), ("iv", LABEL_IV, 12))
                for side in Side
            },
            "session hash": presented.session_hash.hex(),
        },
        "messages": [
            {"name": "HELLO", "direction": "V>D", "message": hello.hex()},
            {
                "name": "FAST",
                "direction": "D>V",
                "message": fast.hex(),
                "plaintext": FastCommand(UNLOCK, LinkKind.HOSTED, True).encode().hex(),
            },
            {"name": "FAST_RESULT", "direction": "V>D", "message": answer.hex(), "plaintext": result.encode().hex()},
        ],
    }


def _nobody() -> KeyClaims:
    raise AssertionError("the fast path shows no token")


def write(path: Path, made: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] != ["--fast"]:
        write(FILE, build())
    write(FILE.with_name("fast.json"), build_fast(json.loads(FILE.read_text(encoding="utf-8"))))
