"""The ends that concern more than one key: an epoch, a vehicle that is handed over, a device that is lost."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from keygw.api.auth import Caller, Wired
from keygw.api.document import problems
from keygw.api.fields import Body, Id, Secret, Signed
from keygw.api.models import TimeText
from keygw.api.strict import StrictRoute
from keygw.bridge.ownership import TransferView
from keygw.bridge.ports import LossReport
from keygw.credentials.service_ownership import MOST_LIFETIME
from keygw.credentials.transfer import TransferState
from keygw.model.base64url import encode_base64url
from keygw.model.times import rfc3339

router = APIRouter(prefix="/v1", tags=["ownership"], route_class=StrictRoute)


class NewTransfer(Body):
    """``open_seconds``: how long it may be accepted; a week unless told otherwise."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"open_seconds": 86400}]})
    open_seconds: Annotated[int, Field(ge=1, le=MOST_LIFETIME)] | None = None


class EndEpoch(Body):
    """``person_id``: for whom the vehicle's next owner key is reserved, in place of this app."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"person_id": "per_mfrggzdfmztwq2lk"}]})
    person_id: Id | None = None


class Accept(Body):
    """``secret``: what the old owner has passed on."""

    secret: Secret


class Found(Body):
    """``proof``: COSE_Sign1 by the device key, ``dkds`` of ``protocols/key_token``, about the newest loss."""

    proof: Signed | None = None


class EpochOut(BaseModel):
    """``epoch``: the one that has begun. ``key_ids``: keys that end with the old one. ``list_sequence``: the list that
    tells the vehicle; 0 if nothing had to end."""

    vehicle_id: str
    epoch: int
    list_sequence: int
    key_ids: list[str]


class TransferOut(BaseModel):
    """``accepted_by_you``: this app may pair with the vehicle now, or issue its first owner key."""

    id: str
    vehicle_id: str
    vehicle_name: str
    state: TransferState
    created_at: TimeText
    expires_at: TimeText
    accepted_by_you: bool


class TransferCreated(TransferOut):
    """``secret`` is shown this once: pass it on to the new owner."""

    secret: str


class LossOut(BaseModel):
    """``loss``: counts how often the device was reported lost; to be found it must name the newest. ``at``: when that
    was. ``key_ids``: keys whose state has changed now."""

    device_id: str
    lost: bool
    loss: int
    at: TimeText | None
    key_ids: list[str]


def transfer_json(view: TransferView, app_id: str) -> dict[str, Any]:
    transfer = view.transfer
    return {
        "id": transfer.id,
        "vehicle_id": transfer.vehicle_id,
        "vehicle_name": view.vehicle.name,
        "state": transfer.state.value,
        "created_at": rfc3339(transfer.created_at),
        "expires_at": rfc3339(transfer.expires_at),
        "accepted_by_you": transfer.state is TransferState.ACCEPTED and transfer.app_id == app_id,
    }


def loss_json(report: LossReport) -> dict[str, Any]:
    loss = report.loss
    return {
        "device_id": report.device_id,
        "lost": loss.lost,
        "loss": loss.number,
        "at": rfc3339(loss.at) if loss.number else None,
        "key_ids": [key.id for key in report.keys],
    }


@router.post(
    "/vehicles/{vehicle_id}:end-epoch",
    response_model=EpochOut,
    responses=problems(404, 409, body=True),
    summary="End every key of a vehicle at once",
)
async def end_epoch(vehicle_id: str, caller: Caller, wired: Wired, body: EndEpoch | None = None) -> dict[str, Any]:
    """For a stolen car: also keys that nobody here knows of end. The app's own ends with them; the vehicle's next owner
    key is reserved for this app, or for the person that is named. Each key is ``revoking`` until the vehicle has
    acknowledged."""
    done = await wired.bridge.ownership.end_epoch(caller, vehicle_id, (body or EndEpoch()).person_id)
    return {
        "vehicle_id": done.vehicle_id,
        "epoch": done.epoch,
        "list_sequence": done.list_sequence,
        "key_ids": [key.id for key in done.ended],
    }


@router.post(
    "/vehicles/{vehicle_id}:transfer",
    status_code=201,
    response_model=TransferCreated,
    responses=problems(404, 409, body=True),
    summary="Offer a vehicle to its next owner",
)
async def offer(vehicle_id: str, caller: Caller, wired: Wired, body: NewTransfer | None = None) -> dict[str, Any]:
    """The first of two steps: nothing happens to the vehicle until somebody accepts."""
    lifetime = None if body is None else body.open_seconds
    made, vehicle = await wired.bridge.ownership.offer(caller, vehicle_id, lifetime)
    shown = transfer_json(TransferView(made.transfer, vehicle), caller.id)
    return {**shown, "secret": encode_base64url(made.secret)}


@router.get(
    "/transfers/{transfer_id}", response_model=TransferOut, responses=problems(404), summary="How an offer stands"
)
async def transfer(transfer_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    return transfer_json(await wired.bridge.ownership.transfer(caller, transfer_id), caller.id)


@router.post(
    "/transfers/{transfer_id}:accept",
    response_model=TransferOut,
    responses=problems(404, 409, body=True),
    summary="Take a vehicle over",
)
async def accept(transfer_id: str, body: Accept, caller: Caller, wired: Wired) -> dict[str, Any]:
    """The second step. Every key of the vehicle ends; this app alone may pair with it next."""
    return transfer_json(await wired.bridge.ownership.accept(caller, transfer_id, body.secret), caller.id)


@router.post(
    "/transfers/{transfer_id}:cancel",
    response_model=TransferOut,
    responses=problems(404, 409),
    summary="Take an offer back",
)
async def cancel(transfer_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    return transfer_json(await wired.bridge.ownership.cancel(caller, transfer_id), caller.id)


@router.get(
    "/devices/{device_id}/loss", response_model=LossOut, responses=problems(404), summary="Whether a device is lost"
)
async def loss(device_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    return loss_json(await wired.bridge.ownership.loss(caller, device_id))


@router.post(
    "/devices/{device_id}:lost",
    response_model=LossOut,
    responses=problems(404, 409),
    summary="Suspend everything that a device holds",
)
async def lost(device_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    """On every vehicle; no token of it is renewed, and it gets no new key."""
    return loss_json(await wired.bridge.ownership.lose(caller, device_id))


@router.post(
    "/devices/{device_id}:found",
    response_model=LossOut,
    responses=problems(404, 409, body=True),
    summary="Lift that again",
)
async def found(device_id: str, caller: Caller, wired: Wired, body: Found | None = None) -> dict[str, Any]:
    """By the device's own signed word beside the app's token; a hosted device by an operator alone. What was suspended
    for another reason stays so."""
    proof = None if body is None else body.proof
    return loss_json(await wired.bridge.ownership.find(caller, device_id, proof))
