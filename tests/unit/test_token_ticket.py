"""The pairing ticket: what it says, and what is no ticket."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keygw.crypto import cbor, cose
from keygw.crypto.signer import thumbprint
from keygw.model.errors import TokenError
from keygw.token.envelope import LIST_ACK
from keygw.token.ticket import PairingTicket, check_ticket, sign_ticket, verify_ticket
from keygw_sim.chance import chance, new_signer

VEHICLE = new_signer(chance("ticket", "vehicle"))
DEVICE = new_signer(chance("ticket", "device")).public_key
TICKET = PairingTicket("veh_mfrggzdfmztwq2lk", thumbprint(DEVICE), bytes(range(32)), 7)


def test_a_ticket_reads_back() -> None:
    signed = sign_ticket(TICKET, VEHICLE)
    assert verify_ticket(signed, VEHICLE.public_key) == TICKET
    assert len(signed) <= 180
    check_ticket(TICKET, TICKET.vehicle_id, DEVICE, TICKET.transcript)


@pytest.mark.parametrize(
    "changes",
    [{"counter": 0}, {"counter": 2**32}, {"device": bytes(31)}, {"transcript": bytes(33)}, {"counter": True}],
)
def test_a_field_out_of_range_is_neither_signed_nor_read(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must|has"):
        sign_ticket(replace(TICKET, **changes), VEHICLE)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        cbor.encode([bytes(10), bytes(32), bytes(32)]),
        cbor.encode([bytes(9), bytes(32), bytes(32), 1]),
        cbor.encode(["veh_", bytes(32), bytes(32), 1]),
        cbor.encode([bytes(10), bytes(32), bytes(32), 0]),
        cbor.encode([bytes(10), bytes(32), bytes(32), True]),
        cbor.encode([bytes(10), bytes(32), bytes(32), 1, 1]),
        cbor.encode([bytes(10), bytes(32), bytes(32), 1]) + b"\x00",
    ],
)
def test_a_payload_of_another_shape_is_malformed(payload: bytes) -> None:
    signed = cose.sign1(payload, VEHICLE, {cose.TYP: "dkpt"})
    with pytest.raises(TokenError) as refused:
        verify_ticket(signed, VEHICLE.public_key)
    assert refused.value.code == "token_malformed"


def test_another_purpose_or_signer_is_no_ticket() -> None:
    payload = cbor.encode([bytes(10), bytes(32), bytes(32), 1])
    with pytest.raises(TokenError) as refused:
        verify_ticket(LIST_ACK.seal(payload, VEHICLE), VEHICLE.public_key)
    assert refused.value.code == "wrong_type"
    with pytest.raises(TokenError) as refused:
        verify_ticket(sign_ticket(TICKET, VEHICLE), DEVICE)
    assert refused.value.code == "token_signature"


@pytest.mark.parametrize(
    "changes", [{"vehicle_id": "veh_aaaaaaaaaaaaaaaa"}, {"device": bytes(32)}, {"transcript": bytes(32)}]
)
def test_a_ticket_about_something_else_is_foreign(changes: dict[str, object]) -> None:
    other = replace(TICKET, **changes)  # type: ignore[arg-type]  # one field each
    with pytest.raises(TokenError) as refused:
        check_ticket(other, TICKET.vehicle_id, DEVICE, TICKET.transcript)
    assert refused.value.code == "ticket_foreign"
