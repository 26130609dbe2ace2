"""What a session can reach of EDHOC, how suites are negotiated, and what external authorization data may hold."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from keygw.crypto import cbor
from keygw.crypto.agreement import EphemeralKey, P256Key
from keygw.crypto.signer import LocalSigner
from keygw.model.errors import ProtocolError
from keygw.session.edhoc import SUITE_6, Credential, Ead, Initiator, Responder, SuiteRefused
from keygw.session.edhoc.initiator import InitiatorCore
from keygw.session.edhoc.oracle.after import message_4, receive_4
from keygw.session.edhoc.oracle.negotiation import ErrorMessage, decode_error, encode_error, offer
from keygw.session.edhoc.oracle.static import StaticInitiator, StaticResponder
from keygw.session.edhoc.oracle.suites import SUITE_0, SUITE_2, SUITE_3
from keygw.session.edhoc.responder import ResponderCore
from keygw.session.edhoc.suites import Suite
from keygw.session.events import SignatureNeeded
from keygw.session.states import State
from keygw_sim.rehearsal import Stage

SUITES = {suite.number: suite for suite in (SUITE_0, SUITE_2, SUITE_3, SUITE_6)}
OURS, THEIRS = LocalSigner.from_secret(11), LocalSigner.from_secret(22)


def answer_to(message_1: bytes) -> bool:
    """Whether a vehicle session goes on after this message_1; if it does, it is under method 0 and suite 6."""
    stage = Stage().greet()
    try:
        events = stage.car.receive(b"\xc0\x10" + message_1, stage.now)
    except ProtocolError:
        assert stage.car.state is State.CLOSED
        return False
    assert isinstance(events[0], SignatureNeeded)
    party = stage.car._edhoc
    assert type(party) is Responder
    assert (party.METHOD, party.schedule.suite) == (0, SUITE_6)
    return True


@pytest.mark.parametrize("method", [*range(5), 23, 24, 2**64 - 1, -1, None, True, False, "0", b"\x00", [0]])
def test_a_vehicle_speaks_method_0_with_suite_6_and_nothing_else(method: object) -> None:
    tail = cbor.encode(EphemeralKey(bytes(range(32))).public) + b"\x00"
    for offered in (*range(-2, 30), [6], [6, 6], [2, 6], [6, 2], [0, 2, 6], [0, 6, 2], [2, 3], [], None, True, "6"):
        expected = method == 0 and type(method) is int and offered in (6, [2, 6], [0, 2, 6])
        assert answer_to(cbor.encode(method) + cbor.encode(offered) + tail) == expected, (method, offered)


def test_a_device_speaks_method_0_with_suite_6_and_nothing_else() -> None:
    stage = Stage().greet()
    stage.device.begin(stage.now)
    party = stage.device._edhoc
    assert type(party) is Initiator
    assert party.message_1[:2] == b"\x00\x06"
    assert (party.METHOD, party.schedule.suite) == (0, SUITE_6)


def test_a_vehicle_takes_no_ead_1() -> None:
    plain = b"\x00\x06" + cbor.encode(EphemeralKey(bytes(range(32))).public) + b"\x00"
    assert answer_to(plain)
    for ead in ("00", "17", "37", "0041ff", "1941ff"):
        assert not answer_to(plain + bytes.fromhex(ead))


@pytest.mark.parametrize("core", [InitiatorCore, ResponderCore])
def test_no_side_can_be_made_that_does_not_check_its_peer(core: type) -> None:
    with pytest.raises(TypeError, match=r"abstract method.*_check_"):
        type("Trusting", (core,), {})()


def test_nothing_in_keygw_imports_the_oracle(repository: Path) -> None:
    for path in sorted((repository / "src").rglob("*.py")):
        if "oracle" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            assert not any("oracle" in name for name in (module, *names)), path
    code = (
        "import sys, keygw.session.device, keygw.session.vehicle, keygw.session.edhoc;"
        "sys.exit(any('oracle' in name for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def responder(*suites: Suite) -> StaticResponder:
    key = P256Key(b"\x22" * 32)
    return StaticResponder(suites, b"\x44" * 32, b"\x01", Credential.by_kid(b"\x00", b"\xa0", key.public), key)


# SUITES_I, what the responder has, and the suite or SUITES_R (RFC 9528 sections 5.2.3 and 6.3)
NEGOTIATIONS: list[tuple[object, list[int], int | list[int]]] = [
    (2, [2], 2),
    (2, [6, 2, 3], 2),
    ([6, 2], [2], 2),
    ([6, 5, 2], [3, 2], 2),
    (6, [2], [2]),
    (6, [2, 3], [2, 3]),
    ([5, 6], [2, 0], [2, 0]),
    ([6, 2], [2, 6], [6]),
    ([6, 2, 5], [2], [2]),
    ([3, 2, 5], [2, 3], [3]),
    ([5, 3, 2], [2, 3], [3]),
]


@pytest.mark.parametrize(("offered", "supported", "outcome"), NEGOTIATIONS)
def test_the_responder_takes_the_first_common_suite_or_names_it(
    offered: object, supported: list[int], outcome: int | list[int]
) -> None:
    party = responder(*(SUITES[number] for number in supported))
    message_1 = b"\x03" + cbor.encode(offered) + cbor.encode(P256Key(b"\x33" * 32).public) + b"\x0e"
    if isinstance(outcome, int):
        party.receive_1(message_1)
        assert party.schedule.suite.number == outcome
        return
    with pytest.raises(SuiteRefused) as refused:
        party.receive_1(message_1)
    error = encode_error(refused.value)
    assert error == b"\x02" + (cbor.encode(outcome) if len(outcome) > 1 else bytes(outcome))
    assert decode_error(error) == ErrorMessage(2, tuple(outcome))


@pytest.mark.parametrize("offered", [[], [2], [2, 2], [6, "2"], [6, True], [6, [2]], list(range(17)), "2", None, 2.0])
def test_a_malformed_list_of_suites_is_no_negotiation(offered: object) -> None:
    message_1 = b"\x03" + cbor.encode(offered) + cbor.encode(P256Key(b"\x33" * 32).public) + b"\x0e"
    with pytest.raises(ProtocolError) as refused:
        responder(SUITE_2).receive_1(message_1)
    assert not isinstance(refused.value, SuiteRefused)
    assert encode_error(refused.value)[:1] == b"\x01"
    assert decode_error(encode_error(refused.value)).code == 1


def test_the_initiator_keeps_its_preferences_whatever_it_is_told() -> None:
    preferred = [SUITE_3, SUITE_2, SUITE_6]
    assert offer(preferred) == (SUITE_3, ())
    assert offer(preferred, ErrorMessage(2, (6,))) == (SUITE_6, (3, 2))
    assert offer(preferred, ErrorMessage(2, (6, 2))) == (SUITE_2, (3,))
    with pytest.raises(ProtocolError):
        offer(preferred, ErrorMessage(2, (0, 25)))
    static, peer = P256Key(b"\x11" * 32), Credential.by_kid(b"\x00", b"\xa0", P256Key(b"\x22" * 32).public)
    me = Credential.by_kid(b"\x07", b"\xa0", static.public)
    with pytest.raises(SuiteRefused) as refused:
        responder(SUITE_2).receive_1(StaticInitiator(SUITE_3, b"\x55" * 32, b"\x02", me, peer, static).message_1)
    suite, before = offer(preferred, decode_error(encode_error(refused.value)))
    again = StaticInitiator(suite, b"\x66" * 32, b"\x02", me, peer, static, before=before)
    assert again.message_1[:4] == bytes.fromhex("03820302")
    car = responder(SUITE_2)
    car.receive_1(again.message_1)
    again.receive_2(car.message_2())
    car.receive_3(again.message_3(), lambda id_cred: me)
    assert again.export(0, b"", 16) == car.export(0, b"", 16)


@pytest.mark.parametrize(
    "message", ["", "02", "0202 02", "00f5", "0102", "f502", "02f5", "0280", "028102", "41 02", "01ff"]
)
def test_a_malformed_error_message_is_refused(message: str) -> None:
    with pytest.raises(ProtocolError):
        decode_error(bytes.fromhex(message))
    assert decode_error(bytes.fromhex("03f5")) == ErrorMessage(3)


EADS = [Ead(0, bytes(7)), Ead(9), Ead(-40, b"act"), Ead(-300), Ead(65001, b"")]


def exchange(suite: Suite, critical: tuple[int, ...], where: int) -> list[list[Ead]]:
    """A whole method 0 exchange with EADS in message ``where``; what each receiver got."""
    me, car = (Credential.by_kid(b"\x07" * n, cbor.encode(n), who.public_key) for n, who in ((2, OURS), (3, THEIRS)))
    given = [EADS if where == n else [] for n in range(5)]
    initiator = Initiator(suite, b"\x55" * 32, b"\x02", me, car, ead_1=given[1])
    party = Responder(suite, b"\x66" * 32, b"", car)
    party.receive_1(initiator.message_1, critical)
    initiator.receive_2(party.message_2(THEIRS.sign(party.to_be_signed(given[2]))), critical)
    message_3 = initiator.message_3(OURS.sign(initiator.to_be_signed(given[3])))
    ead_3 = party.receive_3(message_3, lambda id_cred: me, critical)
    ead_4 = receive_4(initiator, message_4(party, given[4]), critical)
    assert initiator.export(5, b"x", 20) == party.export(5, b"x", 20)
    return [[], party.ead_1, initiator.ead_2, ead_3, ead_4]


@pytest.mark.parametrize("where", [1, 2, 3, 4])
@pytest.mark.parametrize("suite", [SUITE_2, SUITE_3, SUITE_6])
def test_ead_travels_in_every_message_and_a_critical_item_must_be_known(suite: Suite, where: int) -> None:
    assert exchange(suite, (40, 300), where)[where] == EADS
    for known in ((), (40,), (300,), (-40, -300)):
        with pytest.raises(ProtocolError, match="critical"):
            exchange(suite, known, where)
