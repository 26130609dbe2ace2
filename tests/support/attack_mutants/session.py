"""Rules of the session itself."""

from __future__ import annotations

from typing import Any

import pytest

from attack_mutants.register import CAR, always, frees
from keygw.crypto import agreement
from keygw.crypto.errors import CryptoError
from keygw.model.errors import ProtocolError
from keygw.session import channel
from keygw.session.core import Session
from keygw.session.edhoc.party import Party
from keygw.wire import frame
from keygw_sim.vehicle.brain import Brain
from keygw_sim.vehicle.gatt import GattPeripheral


@frees("replay-in-session", "device: protocol_violation")
def nothing_is_counted(patch: pytest.MonkeyPatch) -> None:
    real = channel._Direction.next

    def stand_still(self: Any, message_type: int) -> tuple[bytes, bytes]:
        made = real(self, message_type)
        self._counter = 0
        return made

    patch.setattr(channel._Direction, "next", stand_still)


@frees("splice-hello", CAR)
@frees("downgrade-info", CAR)
@frees("downgrade-boot-epoch", CAR)
@frees("between-swaps-hello", CAR)
@frees("between-changes-info", CAR)
def hello_is_not_bound(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Session, "_hello_hash", property(always(bytes(32))))


@frees("token-stolen", CAR)
@frees("misbind-token", CAR)
@frees("middle-own-keys", "breach: the device has shown its key token")
@frees("relay-to-another-car", "breach: the device has shown its token")
@frees("air-stolen-token", CAR)
@frees("token-named-by-its-number", CAR)
def signatures_of_the_handshake_are_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Party, "_check_signature", always(None))


@frees("middle-holds-back", CAR)
def nobody_is_superseded(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Brain, "_supersede", always(None))


@frees("relay-holds-the-proof", "result")
def a_handshake_may_take_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("keygw.session.vehicle.HANDSHAKE_SECONDS", 1e9)


@frees("held-open-for-ever", "done")
def a_session_lives_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("keygw.session.vehicle.SESSION_SECONDS", 1e9)


@frees("low-order-point-to-the-car", "message_2")
@frees("fast-low-order", "fast_result")
def an_all_zero_secret_will_do(patch: pytest.MonkeyPatch) -> None:
    real = agreement.EphemeralKey.agree

    def agree(self: agreement.EphemeralKey, peer: bytes) -> bytes:
        try:
            return real(self, peer)
        except CryptoError:
            return bytes(32)

    patch.setattr(agreement.EphemeralKey, "agree", agree)


@frees("fragment-bomb", "breach: it has taken in")
def messages_have_no_end(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(frame, "BEFORE_AUTHENTICATION", 1 << 20)


@frees("flood-hellos", "hello")
def asking_buys_time(patch: pytest.MonkeyPatch) -> None:
    real = Session.receive

    def receive(self: Session, data: bytes, now: float) -> Any:
        self._deadline = now + 120
        return real(self, data, now)

    patch.setattr(Session, "receive", receive)


@frees("probe-refusals", "5 answers")
def the_reason_is_told(patch: pytest.MonkeyPatch) -> None:
    real = Session.receive

    def receive(self: Session, data: bytes, now: float) -> Any:
        try:
            return real(self, data, now)
        except ProtocolError as error:
            self._outbox[-1] = b"\x7f" + error.code.encode()[:1]
            raise

    patch.setattr(Session, "receive", receive)


@frees("gatt-fuzz", "breach: afterwards the owner gets")
def every_attribute_takes_a_write(patch: pytest.MonkeyPatch) -> None:
    real = GattPeripheral._configure

    def configure(self: GattPeripheral, device: Any) -> None:
        real(self, device)
        for attribute in device.gatt_server.attributes:
            vars(attribute).pop("write_value", None)

    patch.setattr(GattPeripheral, "_configure", configure)
