"""A frozen conversation of ``protocols/key_session/vectors``, said again by both roles, byte for byte.

For the tests of those vectors: any test can be brought to just before any message, and put another in its place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keygw.model.command import Action
from keygw.model.ids import Random
from keygw.model.vehicle import Vehicle
from keygw.session.device import DeviceSession, KeyInHand
from keygw.session.events import SignatureNeeded
from keygw.session.fast import FastKey
from keygw.session.vehicle import VehicleSession
from keygw.token.claims import KeyClaims
from keygw.token.cwt import decode_cwt
from keygw.token.trust import IssuerKey, TrustedIssuers
from keygw.wire.messages import Cmd, LinkKind, Receipts, Res, Result, decode_event, decode_sequence

FIRST = Cmd(0x01020304, Action.UNLOCK)
"""The command that rides in message_3 of every vector."""
MTU_23 = 20
Vector = dict[str, Any]


def draws(*values: bytes) -> Random:
    rest = list(values)

    def draw(length: int) -> bytes:
        value = rest.pop(0)
        if len(value) != length:
            raise AssertionError(f"{length} random bytes were wanted, not {len(value)}")
        return value

    return draw


class Replay:
    """Both roles with a vector's keys and randomness; ``to(n)`` brings the conversation to before message n."""

    def __init__(self, vector: Vector) -> None:
        self.vector = vector
        given = {name: self._raw(value) for name, value in vector["inputs"].items()}
        self.derived = {name: bytes.fromhex(value) for name, value in vector["derived"].items()}
        self.vehicle = Vehicle(vector["inputs"]["vehicle_id"], "Car", given["vehicle_public"], given["advertising_key"])
        self.given = given
        hand = KeyInHand(vector["inputs"]["key_id"], given["token"], given["device_public"])
        self.trust = TrustedIssuers([IssuerKey("https://issuer.example", given["issuer_kid"], given["issuer_public"])])
        self.device = DeviceSession(self.vehicle, hand, given["info"], draws(given["g_x_secret"]), 0.0, subscribe=True)
        hellos = zip(self._all("n_v"), self._all("g_v_secret"), strict=True)
        self.car = VehicleSession(
            self.vehicle.id,
            self.vehicle.public_key,
            lambda token: decode_cwt(token, self.trust, vehicle_id=self.vehicle.id),
            given["info"],
            draws(*(value for hello in hellos for value in hello), given["g_y_secret"]),
            0.0,
            kept_token={b"\x01": given["token"]}.get,
        )
        self.events: list[Any] = []

    @staticmethod
    def _raw(value: object) -> bytes:
        try:
            return bytes.fromhex(value) if isinstance(value, str) else b""
        except ValueError:
            return b""

    def _all(self, name: str) -> list[bytes]:
        value = self.vector["inputs"][name]
        return [bytes.fromhex(each) for each in (value if isinstance(value, list) else [value])]

    def _sign(self, number: int) -> None:
        """The frozen signature, if what is to be signed is what was signed then."""
        if self.events[-1] != SignatureNeeded(self.derived[f"to be signed {number}"]):
            raise AssertionError(f"something else than the vector's is to be signed for message_{number}")
        (self.car if number == 2 else self.device).sign(self.derived[f"signature {number}"])

    def speak(self, index: int) -> None:
        """Have the right side say message ``index``: its plaintext, decoded and encoded again."""
        row = self.vector["messages"][index]
        car, device, plain = self.car, self.device, bytes.fromhex(row.get("plaintext", ""))
        kept = self.derived["plaintext_3"].startswith(b"\x01")
        speeches: dict[str, Callable[[], None]] = {
            # The vehicle answers HELLO_REQ by itself.
            "HELLO": lambda: None if index else car.greet(self.vector["inputs"]["boot_epoch"]),
            "HELLO_REQ": device.request_hello,
            "MESSAGE_1": lambda: device.begin(0.0, FIRST, kept=kept),
            "MESSAGE_2": lambda: self._sign(2),
            "MESSAGE_3": lambda: self._sign(3),
            "RESULT": lambda: car.answer(Result.decode(plain), keep_open=True),
            "EVENT": lambda: car.tell(decode_event(plain)),
            "CMD": lambda: device.command(Cmd.decode(plain)),
            "RES": lambda: car.respond(Res.decode(plain)),
            "RL_PUSH": lambda: device.push_list(plain),
            "TIME_PROOF": lambda: device.prove_time(plain),
            "RL_GET": device.ask_list,
            "RL_GIVE": lambda: car.give_list(plain),
            "RL_ACK": lambda: car.acknowledge_list(plain),
            "RECEIPT_GET": lambda: device.ask_receipts(decode_sequence(plain)),
            "RECEIPT": lambda: car.give_receipts(Receipts.decode(plain)),
            "RECEIPT_ACK": lambda: device.acknowledge_receipts(decode_sequence(plain)),
            "ERROR": device.end if row["direction"] == "D>V" else car.end,
        }
        speeches[row["name"]]()

    def ends(self, index: int) -> tuple[DeviceSession | VehicleSession, DeviceSession | VehicleSession]:
        """Who says message ``index``, and who hears it."""
        device_speaks = self.vector["messages"][index]["direction"] == "D>V"
        return (self.device, self.car) if device_speaks else (self.car, self.device)

    def to(self, end: int, max_frame: int = 512) -> Replay:
        """Say the first ``end`` messages. ``AssertionError`` if one is not the vector's."""
        for index in range(end):
            self.speak(index)
            speaker, hearer = self.ends(index)
            frames = list(speaker.frames(max_frame))
            row = self.vector["messages"][index]
            if b"".join(frame[1:] for frame in frames).hex() != row["message"]:
                raise AssertionError(f"message {index}, {row['name']}, is another than the vector's")
            if max_frame == MTU_23 and [frame.hex() for frame in frames] != row["frames_at_mtu_23"]:
                raise AssertionError(f"the frames of message {index} are others than the vector's")
            for frame in frames:
                self.events += hearer.receive(frame, 0.0)
        return self


def fast_pair(vector: Vector) -> tuple[DeviceSession, VehicleSession, FastKey]:
    """Both roles of ``fast.json``, before HELLO, and the key they share."""
    given = vector["inputs"]
    raw = {name: bytes.fromhex(value) for name, value in given.items() if name not in ("vehicle_id", "key_id")}
    vehicle = Vehicle(given["vehicle_id"], "Car", raw["vehicle_public"], bytes(16))
    key = FastKey(given["key_id"], raw["K_fast"], raw["K_id"])
    hand = KeyInHand(given["key_id"], b"", raw["vehicle_public"])
    device = DeviceSession(vehicle, hand, raw["info"], draws(raw["g_d_secret"]), 0.0, LinkKind.HOSTED, True)
    car = VehicleSession(
        vehicle.id, vehicle.public_key, _nobody, raw["info"],
        draws(raw["n_v"], raw["g_v_secret"], bytes(32), bytes(32), bytes(25)), 0.0, lambda: [key],
    )  # fmt: skip
    return device, car, key


def _nobody(token: bytes) -> KeyClaims:
    raise AssertionError("the fast path shows no token")
