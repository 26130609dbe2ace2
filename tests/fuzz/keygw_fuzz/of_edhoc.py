"""Targets of EDHOC: each message as it comes, and each plaintext under the true keys, as an evil peer can make it."""

from __future__ import annotations

from collections.abc import Callable

from keygw.crypto import cbor
from keygw.crypto.agreement import EphemeralKey, P256Key
from keygw.model.errors import ProtocolError
from keygw.session.edhoc import SUITE_6, Credential, Ead, Initiator, Responder, Schedule, codec, suites, token_of
from keygw.session.edhoc.oracle import negotiation
from keygw.session.edhoc.oracle.after import message_4, receive_4
from keygw.session.edhoc.oracle.static import StaticInitiator, StaticResponder
from keygw.session.edhoc.oracle.suites import SUITE_0, SUITE_2, SUITE_3
from keygw.session.edhoc.party import xor
from keygw_fuzz.target import PROTOCOL, Broken, Target
from keygw_fuzz.world import CAR, DEVICE

OURS, THEIRS = P256Key(b"\x11" * 32), P256Key(b"\x22" * 32)
X, Y = b"\x55" * 32, b"\x66" * 32
EAD = Ead(5, b"data")


class Pair:
    """Both roles of one method, and each message as the last one left it."""

    def __init__(self, method: int) -> None:
        self.suite, kind = (SUITE_6, EphemeralKey) if method == 0 else (SUITE_2, P256Key)
        ours, theirs = (DEVICE.public_key, CAR.public_key) if method == 0 else (OURS.public, THEIRS.public)
        self.me, car = Credential.by_kid(b"\x07", b"\xa0", ours), Credential.by_kid(b"\x08", b"\x80", theirs)
        self.device_key, self.car_key = kind(X), kind(Y)
        if method == 0:
            self.device: Initiator | StaticInitiator = Initiator(SUITE_6, X, b"\x02", self.me, car, ead_1=[EAD])
            self.car: Responder | StaticResponder = Responder(SUITE_6, Y, b"\x03", car)
        else:
            self.device = StaticInitiator(SUITE_2, X, b"\x02", self.me, car, OURS, before=[6, 0], ead_1=[EAD])
            self.car = StaticResponder((SUITE_2, SUITE_3), Y, b"\x03", car, THEIRS)

    def second(self) -> bytes:
        if isinstance(self.car, Responder):
            return self.car.message_2(CAR.sign(self.car.to_be_signed([EAD])))
        return self.car.message_2([EAD])

    def third(self) -> bytes:
        if isinstance(self.device, Initiator):
            return self.device.message_3(DEVICE.sign(self.device.to_be_signed([EAD])))
        return self.device.message_3([EAD])

    def reach(self, message: int) -> Pair:
        """To where ``message`` is due."""
        if message > 1:
            self.car.receive_1(self.device.message_1)
        if message > 2:
            self.device.receive_2(self.second())
        if message > 3:
            self.car.receive_3(self.third(), self.resolve)
        return self

    def message(self, number: int) -> bytes:
        self.reach(number)
        made: dict[int, Callable[[], bytes]] = {
            1: lambda: self.device.message_1, 2: self.second, 3: self.third, 4: lambda: message_4(self.car, [EAD]),
        }  # fmt: skip
        return made[number]()

    def take(self, number: int, data: bytes) -> object:
        self.reach(number)
        if number == 1:
            self.car.receive_1(data)
            return self.second()
        if number == 2:
            return self.device.receive_2(data)
        if number == 3:
            return self.car.receive_3(data, self.resolve)
        return receive_4(self.device, data)

    def resolve(self, id_cred: bytes) -> Credential:
        if id_cred == self.me.id_cred:
            return self.me
        return Credential(id_cred, token_of(id_cred, {b"\x09": b"\x40"}.get), self.me.public_key)


def _message(method: int, number: int) -> Callable[[bytes], object]:
    return lambda data: Pair(method).take(number, data)


def _seed(method: int, number: int) -> Callable[[], list[bytes]]:
    return lambda: [Pair(method).message(number)]


def _plaintext_2(method: int) -> Callable[[bytes], object]:
    """Whoever hears message_1 can make this message_2; only the proof inside stops it."""

    def take(data: bytes) -> object:
        pair = Pair(method)
        schedule = Schedule(pair.suite)
        schedule.begin(pair.device.message_1, pair.car_key.public, pair.car_key.agree(pair.device_key.public))
        body = pair.car_key.public + xor(data, schedule.keystream_2(len(data)))
        return pair.device.receive_2(cbor.encode(body))

    return take


def _plain_2(method: int) -> Callable[[], list[bytes]]:
    def seeds() -> list[bytes]:
        pair = Pair(method).reach(2)
        ciphertext = codec.only_item(pair.second())[32:]
        return [xor(ciphertext, pair.car.schedule.keystream_2(len(ciphertext)))]

    return seeds


def _plaintext_3(method: int) -> Callable[[bytes], object]:
    def take(data: bytes) -> object:
        pair = Pair(method).reach(3)
        key, nonce, aad = pair.car.schedule.key_3()
        return pair.car.receive_3(cbor.encode(pair.suite.aead.seal(key, nonce, data, aad)), pair.resolve)

    return take


def _plain_3(method: int) -> Callable[[], list[bytes]]:
    def seeds() -> list[bytes]:
        pair = Pair(method).reach(3)
        key, nonce, aad = pair.car.schedule.key_3()
        return [pair.suite.aead.open(key, nonce, codec.only_item(pair.third()), aad)]

    return seeds


def _item(data: bytes) -> codec.Item:
    (item,) = cbor.split_sequence(data)[:1] or [(None, b"")]
    if item[1] != data:
        raise ProtocolError("one item was wanted")
    return item


def _ead(data: bytes) -> list[Ead]:
    found, encoded = codec.decode_ead(cbor.split_sequence(data), critical=(65001,))
    if encoded != data:
        raise Broken("EAD is hashed otherwise than it came")
    return found


def _chosen(data: bytes) -> list[int]:
    offered = suites.decode_suites(cbor.decode(data))
    chosen = suites.select(offered, (SUITE_6, SUITE_2))
    if chosen.number != offered[-1]:
        raise Broken("a suite that was not selected")
    return offered


def _error(data: bytes) -> object:
    error = negotiation.decode_error(data)
    if error.suites:
        negotiation.offer((SUITE_6, SUITE_0), error)
    return error


TARGETS = [
    *[
        Target(
            f"session.edhoc.{how}.message_{number}", _message(method, number), PROTOCOL, _seed(method, number),
            covers=covers, longest=300, slow=True, steps=8000,
        )
        for how, method in (("signed", 0), ("static", 3))
        for number, covers in (
            (1, ("session.edhoc.responder.ResponderCore.receive_1", "session.edhoc.suites.select")),
            (2, ("session.edhoc.initiator.InitiatorCore.receive_2", "session.edhoc.codec.only_item")),
            (3, ("session.edhoc.responder.ResponderCore.receive_3", "session.edhoc.codec.token_of")),
            (4, ("session.edhoc.oracle.after.receive_4",)),
        )
    ],
    *[
        Target(
            f"session.edhoc.{how}.plaintext_{number}", take(method), PROTOCOL, seeds(method),
            longest=300, slow=True, steps=8000,
        )
        for how, method in (("signed", 0), ("static", 3))
        for number, take, seeds in ((2, _plaintext_2, _plain_2), (3, _plaintext_3, _plain_3))
    ],
    Target(
        "session.edhoc.identifier", lambda data: codec.decode_identifier(_item(data)), PROTOCOL,
        lambda: [b"\x00", b"\x17", b"\x20", b"\x37", b"\x40", b"\x42ab", b"\x41\x18"], codec.encode_identifier,
        ("session.edhoc.codec.decode_identifier",), longest=40,
    ),
    Target(
        "session.edhoc.id_cred", lambda data: codec.decode_id_cred(_item(data)), PROTOCOL,
        lambda: [b"\x07", b"\x42ab", b"\xa1\x0d\x81\x00", b"\xa2\x04\x41\x09\x05\x00"], codec.encode_id_cred,
        ("session.edhoc.codec.decode_id_cred",), longest=80,
    ),
    Target(
        "session.edhoc.ead", _ead, PROTOCOL,
        lambda: [b"", codec.encode_ead([Ead(0, bytes(4)), Ead(-65001, b"intent"), Ead(9), Ead(9, b"")])],
        codec.encode_ead, ("session.edhoc.codec.decode_ead",), longest=120,
    ),
    Target(
        "session.edhoc.suites", _chosen, PROTOCOL,
        lambda: [suites.encode_suites([6]), suites.encode_suites([3, 6]), suites.encode_suites([0, -24, 300, 2])],
        suites.encode_suites, ("session.edhoc.suites.decode_suites", "session.edhoc.suites.select"), longest=80,
    ),
    Target(
        "session.edhoc.error", _error, PROTOCOL, lambda: [b"\x02\x06", b"\x02\x82\x00\x02", b"\x01\x61x", b"\x03\xf6"],
        covers=("session.edhoc.oracle.negotiation.decode_error",), longest=80,
    ),
]  # fmt: skip
