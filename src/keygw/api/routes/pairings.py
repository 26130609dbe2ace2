"""Owner pairing: the code that the car shows, and what became of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, StringConstraints

from keygw.api.auth import Caller, Wired
from keygw.api.document import problems
from keygw.api.fields import Body, Enrol, Name, PublicKey, Secret, Signed
from keygw.api.idempotency import Repeatable
from keygw.api.models import KeyOut, TimeText, TokenOut
from keygw.api.present import key_json, token_json
from keygw.api.routes.devices import AttestationIn
from keygw.api.routes.vehicles import NewVehicle
from keygw.api.strict import StrictRoute
from keygw.bridge.pairing_ports import Pairing
from keygw.bridge.pairings import PhoneExchange
from keygw.model.times import rfc3339
from keygw.model.vehicle import Vehicle

router = APIRouter(prefix="/v1/pairings", tags=["pairings"], route_class=StrictRoute)


class NewPairing(Body):
    """``code``: the 8 digits that the car shows. ``name``: what the vehicle is called here, if it is new."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"code": "31415926", "name": "Blue van"}]})
    code: Annotated[str, StringConstraints(pattern=r"^[0-9]{8}$")]
    name: Name


class PairingOut(BaseModel):
    """``vehicle_id`` and ``key_id`` once the car has enrolled the device; ``reason`` when it failed."""

    id: str
    name: str
    state: Literal["searching", "proving", "enrolled", "done", "failed"]
    reason: str | None
    vehicle_id: str | None
    key_id: str | None
    created_at: TimeText
    expires_at: TimeText


class PhonePairing(Body):
    """What the phone has from the exchange of ``protocols/owner_pairing``. ``vehicle``: the credential, and a name;
    ``proven``: `th_proven`; ``enrol``: ENROL as it was sent; ``attestation``: the one in it, if there was one."""

    vehicle: NewVehicle
    public_key: PublicKey
    ticket: Signed
    proven: Secret
    enrol: Enrol
    attestation: AttestationIn | None = None


class PairedOut(BaseModel):
    key: KeyOut
    token: TokenOut


def pairing_json(pairing: Pairing) -> dict[str, Any]:
    return {
        "id": pairing.id,
        "name": pairing.name,
        "state": pairing.state.value,
        "reason": pairing.reason,
        "vehicle_id": pairing.vehicle_id,
        "key_id": pairing.key_id,
        "created_at": rfc3339(pairing.created_at),
        "expires_at": rfc3339(pairing.expires_at),
    }


@router.post(
    "",
    status_code=202,
    response_model=PairingOut,
    responses=problems(409, 429, body=True),
    summary="Pair with the car that shows this code",
)
async def start(body: NewPairing, caller: Caller, wired: Wired) -> dict[str, Any]:
    """Answers at once; read the resource until it is `done` or `failed`. The app then holds an owner key."""
    return pairing_json(await wired.bridge.pairings.start(caller, body.code, body.name))


@router.post(
    ":redeem",
    status_code=201,
    response_model=PairedOut,
    responses=problems(409, body=True),
    summary="An owner key for a phone that has paired by its own radio",
)
async def redeem(body: PhonePairing, caller: Caller, wired: Wired, once: Repeatable) -> dict[str, Any]:
    """On the ticket that the car has signed; bring it the token within 60 s, or at the next session. Where the owner's
    profile asks for an attestation, it must come along, made for `proven`."""
    said = body.vehicle
    vehicle = Vehicle(said.id, said.name, said.public_key, said.advertising_key)
    evidence = None if body.attestation is None else body.attestation.value()
    exchange = PhoneExchange(vehicle, body.public_key, body.ticket, body.proven, body.enrol, evidence)
    made = await wired.bridge.pairings.redeem(caller, exchange, once)
    return {"key": key_json(made.key), "token": token_json(made.token, (), made.vehicle, made.revocations)}


@router.get("/{pairing_id}", response_model=PairingOut, responses=problems(404), summary="How a pairing stands")
async def get(pairing_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    return pairing_json(await wired.bridge.pairings.get(caller, pairing_id))


@router.delete("/{pairing_id}", status_code=204, responses=problems(404, 409), summary="Cancel or forget a pairing")
async def cancel(pairing_id: str, caller: Caller, wired: Wired) -> None:
    await wired.bridge.pairings.cancel(caller, pairing_id)
