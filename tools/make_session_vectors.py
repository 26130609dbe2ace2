"""Write ``protocols/key_session/vectors``: whole conversations with every value they rest on.

``conversation.json``: a device shows its token and uses every message of a session. ``kept.json``: it comes back, names
the token by its kid, and waits until its key is resumed. ``fast.json``: it comes back by the fast path.

``python tools/make_session_vectors.py [DIRECTORY]``. Fixed keys, fixed randomness and deterministic signatures (RFC
6979), so no byte moves. The files are the frozen truth; a test holds this script to them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fixed_signer import FixedSigner
from kept import write_vectors

from keygw.crypto import cbor
from keygw.crypto.agreement import EphemeralKey
from keygw.crypto.kdf import hkdf_expand, hkdf_extract, sha256
from keygw.model.command import Action, Outcome
from keygw.model.ids import format_id, id_bytes
from keygw.model.revocation import ListAck
from keygw.model.signal import SignalId
from keygw.model.vehicle import Vehicle
from keygw.session.channel import LABEL_IV, LABEL_KEY
from keygw.session.device import DeviceSession, KeyInHand
from keygw.session.edhoc import Schedule
from keygw.session.edhoc.codec import encode_identifier
from keygw.session.events import Presented, PresentedFast, SignatureNeeded
from keygw.session.fast import FastKey
from keygw.session.identity import rotating_id, token_kid, vehicle_credential
from keygw.session.states import Side
from keygw.session.vehicle import VehicleSession
from keygw.token.claims import KeyClaims
from keygw.token.receipt import sign_receipt
from keygw.token.revocation import list_hash, sign_ack
from keygw.wire.frame import Fragmenter
from keygw.wire.gatt import advertisement
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
    encode_event,
    encode_info,
    encode_sequence,
)
from keygw_sim.rehearsal import ISSUED_AT, Office, first_of

DIRECTORY = Path(__file__).resolve().parent.parent / "protocols" / "key_session" / "vectors"
BOOT_EPOCH = 7
DEVICE, CAR = FixedSigner(0x1001), FixedSigner(0x1002)
UNLOCK, LOCK = Cmd(0x01020304, Action.UNLOCK), Cmd(0x01020305, Action.LOCK)
DRAWN = {
    name: sha256(b"keygw vector " + name.encode()) for name in ("n_v", "G_V", "G_X", "G_Y", "advertising", "issuer")
}
AGAIN = {name: sha256(b"keygw kept vector " + name.encode()) for name in ("n_v", "G_V", "n_v 2", "G_V 2", "G_X", "G_Y")}
INDICES = (0, 1, 23, 24, 255, 256, 300, 65535)
MTU_23 = 20
ABOUT = "Every value is hex unless it is obviously not."
ORIGIN = "tools/make_session_vectors.py; made-up keys, never to be used"


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


class Cast:
    """Who takes part: the issuer, the vehicle, a device with an owner's token of index 1."""

    def __init__(self) -> None:
        self.office = Office(lambda length: b"\0" + DRAWN["issuer"][1:length])
        self.office.signer = FixedSigner(int.from_bytes(b"\0" + DRAWN["issuer"][1:], "big"))  # type: ignore[assignment]
        self.vehicle = Vehicle(format_id("veh", b"vector-car"), "Car", CAR.public_key, DRAWN["advertising"][:16])
        self.claims = self.office.claims(self.vehicle, DEVICE.public_key, key_id=format_id("key", b"vector-key"))
        self.hand = self.office.hand(self.claims)


class Recording:
    """Both roles side by side; ``sent`` keeps what was said."""

    def __init__(self, cast: Cast, prand: bytes, for_device: Any, for_car: Any) -> None:
        self.cast = cast
        self.adv = rotating_id(cast.vehicle.advertising_key, prand)
        self.info = encode_info(self.adv)
        self.device = DeviceSession(cast.vehicle, cast.hand, self.info, for_device, 0.0, subscribe=True)
        self.car = VehicleSession(
            cast.vehicle.id, CAR.public_key, lambda token: cast.claims, self.info, for_car, 0.0,
            kept_token={token_kid(cast.claims.index): cast.hand.token}.get,
        )  # fmt: skip
        self.sent: list[dict[str, Any]] = []
        self._fragmenters = {Side.DEVICE: Fragmenter(), Side.VEHICLE: Fragmenter()}

    def carry(self, side: Side, plaintext: bytes | None = None) -> list[Any]:
        """Move the one message that waits on that side."""
        source, target = (self.device, self.car) if side is Side.DEVICE else (self.car, self.device)
        frames = list(source.frames(512))
        message = b"".join(frame[1:] for frame in frames)
        row = {
            "name": MessageType(message[0]).name,
            "direction": "D>V" if side is Side.DEVICE else "V>D",
            "message": message.hex(),
            "frames_at_mtu_23": [frame.hex() for frame in self._fragmenters[side].split(message, MTU_23)],
        }
        if plaintext is not None:
            row["plaintext"] = plaintext.hex()
        self.sent.append(row)
        return [event for frame in frames for event in target.receive(frame, 0.0)]

    def prove(self, *, kept: bool = False) -> Presented:
        """message_1 to message_3, with UNLOCK as the first command."""
        self.device.begin(0.0, UNLOCK, kept=kept)
        self.signed_2 = first_of(self.carry(Side.DEVICE), SignatureNeeded).message
        self.car.sign(CAR.sign(self.signed_2))
        self.signed_3 = first_of(self.carry(Side.VEHICLE), SignatureNeeded).message
        self.device.sign(DEVICE.sign(self.signed_3))
        return first_of(self.carry(Side.DEVICE), Presented)

    def answer(self, result: Result) -> None:
        self.car.answer(result, keep_open=True)
        self.carry(Side.VEHICLE, result.encode())

    def push(self, signed_list: bytes, sequence: int) -> None:
        """RL_PUSH and RL_ACK."""
        self.device.push_list(signed_list)
        self.carry(Side.DEVICE, signed_list)
        ack = sign_ack(ListAck(self.cast.vehicle.id, sequence, list_hash(signed_list), BOOT_EPOCH), CAR)
        self.car.acknowledge_list(ack)
        self.carry(Side.VEHICLE, ack)

    def inputs(self) -> dict[str, Any]:
        cast = self.cast
        return {
            "vehicle_id": cast.vehicle.id,
            "key_id": cast.hand.key_id,
            "vehicle_secret": f"{CAR.secret:064x}",
            "vehicle_public": CAR.public_key.hex(),
            "device_secret": f"{DEVICE.secret:064x}",
            "device_public": DEVICE.public_key.hex(),
            "issuer_public": cast.office.signer.public_key.hex(),
            "issuer_kid": cast.office.kid.hex(),
            "advertising_key": cast.vehicle.advertising_key.hex(),
            "rotating_id": self.adv.hex(),
            "info": self.info.hex(),
            "token": cast.hand.token.hex(),
            "boot_epoch": BOOT_EPOCH,
        }

    def derived(self, presented: Presented) -> dict[str, str]:
        """Every value between the randomness and the channel, in the order in which it comes to be."""
        said = {row["name"]: bytes.fromhex(row["message"]) for row in self.sent}  # of two HELLOs the last
        party = self.device._edhoc
        assert party is not None  # noqa: S101 - a tool for us, not for users
        schedule, hello = party.schedule, said["HELLO"][1:]
        hello_hash = sha256(self.info + hello)
        body_2, body_3 = cbor.decode(said["MESSAGE_2"][1:]), cbor.decode(said["MESSAGE_3"][1:])
        keystream_2 = schedule.keystream_2(len(body_2) - 32)
        plaintext_2 = bytes(a ^ b for a, b in zip(body_2[32:], keystream_2, strict=True))
        key_3, iv_3, aad_3 = schedule.key_3()
        context = hello_hash + id_bytes(self.cast.vehicle.id, "veh") + id_bytes(self.cast.hand.key_id, "key")
        return {
            "advertisement": advertisement(self.adv).hex(),
            "hello_hash": hello_hash.hex(),
            "G_V": hello[17:49].hex(),
            "CRED_R": vehicle_credential(self.cast.vehicle.id, CAR.public_key).cred.hex(),
            "EAD_3 value": Intent(hello_hash[:8], presented.link, True, UNLOCK).encode().hex(),
            "G_XY": party._ephemeral.agree(body_2[:32]).hex(),
            "H(message_1)": sha256(said["MESSAGE_1"][1:]).hex(),
            "TH_2": schedule.th_2.hex(),
            "PRK_2e": schedule.prk_2e.hex(),
            "MAC_2": cbor.decode(self.signed_2)[3].hex(),
            "to be signed 2": self.signed_2.hex(),
            "signature 2": CAR.sign(self.signed_2).hex(),
            "plaintext_2": plaintext_2.hex(),
            "KEYSTREAM_2": keystream_2.hex(),
            "TH_3": schedule.th_3.hex(),
            "MAC_3": cbor.decode(self.signed_3)[3].hex(),
            "to be signed 3": self.signed_3.hex(),
            "signature 3": DEVICE.sign(self.signed_3).hex(),
            "K_3": key_3.hex(),
            "IV_3": iv_3.hex(),
            "A_3": aad_3.hex(),
            "plaintext_3": schedule.suite.aead.open(key_3, iv_3, body_3, aad_3).hex(),
            "TH_4": schedule.th_4.hex(),
            "PRK_out": schedule.prk_out.hex(),
            "PRK_exporter": schedule.prk_exporter.hex(),
            "exporter context": context.hex(),
            **exported(schedule, context),
            "session hash": presented.session_hash.hex(),
        }


def build() -> dict[str, Any]:
    """Every message of a session, once, by the long way."""
    cast = Cast()
    told = Recording(cast, b"\x01\x02\x03", draws(DRAWN["G_X"]), draws(DRAWN["n_v"][:16], DRAWN["G_V"], DRAWN["G_Y"]))
    device, car, carry = told.device, told.car, told.carry
    car.greet(BOOT_EPOCH)
    carry(Side.VEHICLE)
    presented = told.prove()
    result = Result(Outcome.DONE, UNLOCK.number, 1, 0, b"nonce..8", TimeState.DUE)
    told.answer(result)
    reading = [Reading(SignalId.CENTRAL_LOCK, False, ISSUED_AT), Reading(SignalId.SPEED, 0.0, ISSUED_AT)]
    car.tell(reading)
    carry(Side.VEHICLE, encode_event(reading))
    device.command(LOCK)
    carry(Side.DEVICE, LOCK.encode())
    response = Res(LOCK.number, Outcome.DONE, 2)
    car.respond(response)
    carry(Side.VEHICLE, response.encode())
    signed_list = cast.office.sign_list(cast.vehicle, 1, revoked=(2, 3))
    told.push(signed_list, 1)
    device.ask_receipts(1)
    carry(Side.DEVICE, encode_sequence(1))
    receipt = sign_receipt(
        vehicle_id=cast.vehicle.id, sequence=2, number=LOCK.number, key_id=cast.hand.key_id, action=LOCK.action,
        outcome=Outcome.DONE, before=False, after=True, boot_epoch=BOOT_EPOCH, session=presented.session_hash,
        previous=sha256(b"receipt 1"), at=ISSUED_AT, signer=CAR,
    )  # fmt: skip
    car.give_receipts(Receipts((receipt,), more=False))
    carry(Side.VEHICLE, Receipts((receipt,), more=False).encode())
    device.acknowledge_receipts(2)
    carry(Side.DEVICE, encode_sequence(2))
    device.ask_list()
    carry(Side.DEVICE, b"")
    car.give_list(signed_list)
    carry(Side.VEHICLE, signed_list)
    proof = cast.office.prove_time(cast.vehicle, result.time_nonce, ISSUED_AT + 5, 1)
    device.prove_time(proof)
    carry(Side.DEVICE, proof)
    told.answer(Result(Outcome.DONE, None, 2, 1, b"nonce..9", TimeState.TRUSTED))
    device.end()
    carry(Side.DEVICE)
    drawn = {"n_v": DRAWN["n_v"][:16], "g_v_secret": DRAWN["G_V"]}
    return {
        "about": f"One conversation of protocols/key_session, version 1. {ABOUT}",
        "origin": ORIGIN,
        "inputs": told.inputs()
        | {name: value.hex() for name, value in drawn.items()}
        | {"g_x_secret": DRAWN["G_X"].hex(), "g_y_secret": DRAWN["G_Y"].hex()},
        "derived": told.derived(presented),
        "messages": told.sent,
    }


def build_kept() -> dict[str, Any]:
    """The device comes back, asks for a fresh HELLO, names its token, and finds its key suspended, then resumed."""
    cast = Cast()
    told = Recording(
        cast,
        b"\x07\x08\x09",
        draws(AGAIN["G_X"]),
        draws(AGAIN["n_v"][:16], AGAIN["G_V"], AGAIN["n_v 2"][:16], AGAIN["G_V 2"], AGAIN["G_Y"]),
    )
    told.car.greet(BOOT_EPOCH)
    told.carry(Side.VEHICLE)
    told.device.request_hello()
    told.carry(Side.DEVICE)
    told.carry(Side.VEHICLE)
    presented = told.prove(kept=True)
    told.answer(Result(Outcome.KEY_SUSPENDED, UNLOCK.number, 3, 1, b"nonce..1", TimeState.TRUSTED))
    told.push(cast.office.sign_list(cast.vehicle, 2), 2)
    told.answer(Result(Outcome.DONE, None, 3, 2, b"nonce..2", TimeState.TRUSTED))
    told.car.end()
    told.carry(Side.VEHICLE)
    drawn = [AGAIN["n_v"][:16], AGAIN["n_v 2"][:16]], [AGAIN["G_V"], AGAIN["G_V 2"]]
    return {
        "about": f"A token named by its kid, and a key that is resumed while the session waits. {ABOUT}",
        "origin": ORIGIN,
        "inputs": told.inputs()
        | {"n_v": [value.hex() for value in drawn[0]], "g_v_secret": [value.hex() for value in drawn[1]]}
        | {"g_x_secret": AGAIN["G_X"].hex(), "g_y_secret": AGAIN["G_Y"].hex()},
        "derived": told.derived(presented),
        "messages": told.sent,
        "kids": [
            {"index": index, "kid": token_kid(index).hex(), "on_air": encode_identifier(token_kid(index)).hex()}
            for index in INDICES
        ],
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
        "origin": ORIGIN,
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


def documents() -> dict[str, str]:
    """File name -> exact text."""
    conversation = build()
    made = {"conversation.json": conversation, "kept.json": build_kept(), "fast.json": build_fast(conversation)}
    return {name: json.dumps(content, indent=1) + "\n" for name, content in made.items()}


if __name__ == "__main__":
    write_vectors(DIRECTORY, documents, __doc__)
