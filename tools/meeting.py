"""A device meets the vehicle of ``token_cast``, with fixed randomness: for the makers of frozen conversations."""

from __future__ import annotations

from typing import Any

from fixed_signer import FixedSigner
from make_session_vectors import draws, exported
from token_cast import CAR, KEY, VEHICLE

from keygw.crypto.kdf import sha256
from keygw.model.command import Outcome
from keygw.model.ids import id_bytes
from keygw.model.vehicle import Vehicle
from keygw.session.device import DeviceSession, KeyInHand
from keygw.session.events import Presented, SignatureNeeded
from keygw.session.identity import rotating_id
from keygw.session.states import Side
from keygw.session.vehicle import VehicleSession
from keygw.token.claims import KeyClaims
from keygw.token.cwt import decode_cwt
from keygw.token.trust import TrustedIssuers
from keygw.wire.messages import Cmd, MessageType, Result, TimeState, encode_info
from keygw_sim.rehearsal import first_of


class Meeting:
    """``label``: what the fixed randomness is drawn from."""

    def __init__(self, label: bytes, hand: KeyInHand, signer: FixedSigner) -> None:
        names = ("n_v", "G_V", "G_X", "G_Y", "advertising")
        self.drawn = {name: sha256(label + b" " + name.encode()) for name in names}
        vehicle = Vehicle(VEHICLE, "Car", CAR.public_key, self.drawn["advertising"][:16])
        self.info = encode_info(rotating_id(vehicle.advertising_key, b"\x01\x02\x03"))
        self.device = DeviceSession(vehicle, hand, self.info, draws(self.drawn["G_X"]), 0.0)
        random = draws(self.drawn["n_v"][:16], self.drawn["G_V"], self.drawn["G_Y"])
        self.car = VehicleSession(VEHICLE, CAR.public_key, self.verify, self.info, random, 0.0)
        self._hand, self._signer = hand, signer
        self._sent: list[dict[str, str]] = []

    @staticmethod
    def verify(token: bytes) -> KeyClaims:
        return decode_cwt(token, TrustedIssuers([KEY]), vehicle_id=VEHICLE)

    def carry(self, side: Side, plaintext: bytes | None = None) -> list[Any]:
        """Move the one message that waits on that side."""
        source, target = (self.device, self.car) if side is Side.DEVICE else (self.car, self.device)
        frames = list(source.frames(512))
        message = b"".join(frame[1:] for frame in frames)
        direction = "D>V" if side is Side.DEVICE else "V>D"
        row = {"name": MessageType(message[0]).name, "direction": direction, "message": message.hex()}
        self._sent.append(row if plaintext is None else {**row, "plaintext": plaintext.hex()})
        return [event for frame in frames for event in target.receive(frame, 0.0)]

    def open(self, first: Cmd | None = None) -> KeyClaims:
        """HELLO to message_3; what the device has shown."""
        self.car.greet(7)
        self.carry(Side.VEHICLE)
        self.device.begin(0.0, first)
        self.car.sign(CAR.sign(first_of(self.carry(Side.DEVICE), SignatureNeeded).message))
        self.device.sign(self._signer.sign(first_of(self.carry(Side.VEHICLE), SignatureNeeded).message))
        return first_of(self.carry(Side.DEVICE), Presented).claims

    def answer(self, outcome: Outcome, number: int | None, nonce: bytes) -> None:
        """RESULT."""
        result = Result(outcome, number, 0, 0, nonce, TimeState.TRUSTED)
        self.car.answer(result, keep_open=True)
        self.carry(Side.VEHICLE, result.encode())

    def document(self, about: str) -> dict[str, Any]:
        party = self.device._edhoc
        assert party is not None  # noqa: S101 - a tool for us
        hello = sha256(self.info + bytes.fromhex(self._sent[0]["message"])[1:])
        context = hello + id_bytes(VEHICLE, "veh") + id_bytes(self._hand.key_id)
        return {
            "about": about,
            "inputs": {
                "vehicle_id": VEHICLE,
                "key_id": self._hand.key_id,
                "info": self.info.hex(),
                "token": self._hand.token.hex(),
                **{f"{name.lower()}_secret": self.drawn[name].hex() for name in ("G_V", "G_X", "G_Y")},
                "n_v": self.drawn["n_v"][:16].hex(),
            },
            "derived": {
                "TH_4": party.schedule.th_4.hex(),
                "exporter context": context.hex(),
                **exported(party.schedule, context),
            },
            "messages": self._sent,
        }
