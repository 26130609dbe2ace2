"""Any bytes into either role, under both methods: a ProtocolError or progress, never anything else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keygw.crypto import cbor
from keygw.crypto.agreement import EphemeralKey, P256Key
from keygw.crypto.signer import LocalSigner
from keygw.model.errors import ProtocolError
from keygw.session.edhoc import SUITE_6, Credential, Ead, Initiator, Responder, Schedule
from keygw.session.edhoc.oracle.after import message_4, receive_4
from keygw.session.edhoc.oracle.negotiation import decode_error
from keygw.session.edhoc.oracle.static import StaticInitiator, StaticResponder
from keygw.session.edhoc.oracle.suites import SUITE_2
from keygw.session.edhoc.party import xor

METHODS = [0, 3]
OURS, THEIRS = LocalSigner.from_secret(11), LocalSigner.from_secret(22)
OUR_KEY, THEIR_KEY = P256Key(b"\x11" * 32), P256Key(b"\x22" * 32)
ITEMS = st.recursive(
    st.none() | st.booleans() | st.integers(-300, 300) | st.binary(max_size=70) | st.text(max_size=3) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.integers(0, 30), inner, max_size=2),
    max_leaves=5,
)
SEQUENCES = st.lists(ITEMS, max_size=7).map(lambda items: b"".join(map(cbor.encode, items)))
BYTES = st.binary(max_size=150) | SEQUENCES


class Pair:
    """Both roles of one method, and each message as the last one left it."""

    def __init__(self, method: int) -> None:
        self.signed = method == 0
        ours, theirs = (OURS.public_key, THEIRS.public_key) if self.signed else (OUR_KEY.public, THEIR_KEY.public)
        self.me, car = Credential.by_kid(b"\x07", b"\xa0", ours), Credential.by_kid(b"\x08", b"\x80", theirs)
        if self.signed:
            self.device: Initiator | StaticInitiator = Initiator(SUITE_6, b"\x55" * 32, b"\x02", self.me, car)
            self.car: Responder | StaticResponder = Responder(SUITE_6, b"\x66" * 32, b"\x03", car)
        else:
            self.device = StaticInitiator(SUITE_2, b"\x55" * 32, b"\x02", self.me, car, OUR_KEY)
            self.car = StaticResponder(SUITE_2, b"\x66" * 32, b"\x03", car, THEIR_KEY)

    def message_2(self) -> bytes:
        if isinstance(self.car, Responder):
            return self.car.message_2(THEIRS.sign(self.car.to_be_signed()))
        return self.car.message_2([])

    def message_3(self) -> bytes:
        if isinstance(self.device, Initiator):
            return self.device.message_3(OURS.sign(self.device.to_be_signed([Ead(5, b"x")])))
        return self.device.message_3([Ead(5, b"x")])

    def reach(self, message: int) -> Pair:
        """Up to the point where ``message`` is due."""
        if message > 1:
            self.car.receive_1(self.device.message_1)
        if message > 2:
            self.device.receive_2(self.message_2())
        if message > 3:
            self.car.receive_3(self.message_3(), lambda id_cred: self.me)
        return self

    def take(self, message: int) -> Callable[[bytes], object]:
        take: dict[int, Callable[[bytes], object]] = {
            1: self.car.receive_1,
            2: self.device.receive_2,
            3: lambda data: self.car.receive_3(data, lambda id_cred: self.me),
            4: lambda data: receive_4(self.device, data),
        }
        return take[message]


def refused(take: Callable[[bytes], object], data: bytes) -> bool:
    try:
        take(data)
    except ProtocolError:
        return True
    return False


@pytest.mark.parametrize("message", [2, 3, 4])
@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=60)
@given(data=BYTES)
def test_made_up_messages_never_pass(method: int, message: int, data: bytes) -> None:
    assert refused(Pair(method).reach(message).take(message), data)


@pytest.mark.parametrize("method", METHODS)
@given(data=BYTES)
def test_any_message_1_is_refused_or_answered(method: int, data: bytes) -> None:
    pair = Pair(method)
    if not refused(pair.car.receive_1, data):
        assert len(pair.message_2()) > 32


@pytest.mark.parametrize("method", METHODS)
@given(
    head=st.tuples(st.integers(-1, 24), st.integers(-1, 24) | st.lists(st.integers(0, 6), max_size=4)),
    g_x=st.binary(min_size=32, max_size=32) | st.binary(max_size=40),
    tail=SEQUENCES,
)
def test_a_message_1_of_the_right_shape_is_refused_or_answered(
    method: int, head: tuple[object, object], g_x: bytes, tail: bytes
) -> None:
    pair = Pair(method)
    for start in (b"".join(map(cbor.encode, head)), bytes((method, 6 if pair.signed else 2))):
        pair = Pair(method)
        if not refused(pair.car.receive_1, start + cbor.encode(g_x) + tail):
            assert len(pair.message_2()) > 32


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=200)
@given(plaintext=BYTES.filter(bool))
def test_any_plaintext_2_under_the_true_keystream_is_refused(method: int, plaintext: bytes) -> None:
    """Whoever relays message_1 can make this one: only the proof inside stops it."""
    pair = Pair(method)
    key = (EphemeralKey if pair.signed else P256Key)(b"\x66" * 32)
    schedule = Schedule(SUITE_6 if pair.signed else SUITE_2)
    schedule.begin(pair.device.message_1, key.public, key.agree(pair.device._ephemeral.public))
    message_2 = cbor.encode(key.public + xor(plaintext, schedule.keystream_2(len(plaintext))))
    assert refused(pair.device.receive_2, message_2)


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=200)
@given(plaintext=BYTES)
def test_any_plaintext_3_under_the_true_key_is_refused(method: int, plaintext: bytes) -> None:
    pair = Pair(method).reach(3)
    key, nonce, aad = pair.car.schedule.key_3()
    message_3 = cbor.encode(pair.car.schedule.suite.aead.seal(key, nonce, plaintext, aad))
    assert refused(pair.take(3), message_3)


@pytest.mark.parametrize("method", METHODS)
@given(plaintext=BYTES)
def test_any_plaintext_4_is_refused_or_external_data(method: int, plaintext: bytes) -> None:
    pair = Pair(method).reach(4)
    assert receive_4(pair.device, message_4(pair.car)) == []
    key, nonce, aad = pair.car.schedule.key_4()
    refused(pair.take(4), cbor.encode(pair.car.schedule.suite.aead.seal(key, nonce, plaintext, aad)))


@given(data=BYTES)
def test_any_bytes_are_an_error_message_or_refused(data: bytes) -> None:
    refused(decode_error, data)
