"""Devices: a challenge, a registration on it, and what is known of them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, StringConstraints

from keygw.api.auth import Caller, Wired
from keygw.api.document import problems
from keygw.api.fields import Body, Evidence, Label, PublicKey, Secret, Signed
from keygw.api.idempotency import Repeatable
from keygw.api.models import TimeText
from keygw.api.strict import StrictRoute
from keygw.credentials import attestation
from keygw.model.base64url import encode_base64url
from keygw.model.device import AttestationLevel, Device, DeviceKind
from keygw.model.times import rfc3339

router = APIRouter(prefix="/v1/devices", tags=["devices"], route_class=StrictRoute)


class AttestationIn(Body):
    """What the platform says of the device key; ``protocols/attestation`` has the formats."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"format": "packed", "evidence": "gljOo2NmbXRm"}]})
    format: Annotated[str, StringConstraints(pattern=r"^[ -~]{1,24}$")]
    evidence: Evidence

    def value(self) -> attestation.Evidence:
        return attestation.Evidence(self.format, self.evidence)


class NewDevice(Body):
    """``proof``: COSE_Sign1 by the device key over challenge and attestation, ``dkdp`` of ``protocols/attestation``."""

    public_key: PublicKey
    challenge: Secret
    proof: Signed
    attestation: AttestationIn | None = None
    label: Label = ""


class ChallengeOut(BaseModel):
    """``challenge``: base64url, 32 bytes; good once, for this app."""

    challenge: str
    expires_at: TimeText


class DeviceOut(BaseModel):
    """``attestation``: the level that profiles judge by. ``model``: hexadecimal aaguid. ``registered_at``: null for a
    device that was never registered, as of a phone that has claimed an invitation."""

    id: str
    kind: DeviceKind
    public_key: str
    label: str
    app_id: str | None
    attestation: AttestationLevel
    attestation_format: str | None
    model: str | None
    attested_at: TimeText | None
    registered_at: TimeText | None


class DeviceList(BaseModel):
    devices: list[DeviceOut]


def device_json(device: Device) -> dict[str, Any]:
    return {
        "id": device.id,
        "kind": device.kind.value,
        "public_key": encode_base64url(device.public_key),
        "label": device.label,
        "app_id": device.app_id,
        "attestation": device.level.value,
        "attestation_format": device.attestation_format or None,
        "model": device.model or None,
        "attested_at": None if device.attested_at is None else rfc3339(device.attested_at),
        "registered_at": None if device.registered_at is None else rfc3339(device.registered_at),
    }


@router.post(
    "/challenges",
    status_code=201,
    response_model=ChallengeOut,
    responses=problems(),
    summary="A challenge for a device to sign",
)
async def challenge(caller: Caller, wired: Wired) -> dict[str, Any]:
    """Good for five minutes and one registration."""
    made = await wired.bridge.devices.challenge(caller)
    return {"challenge": encode_base64url(made.value), "expires_at": rfc3339(made.expires_at)}


@router.post(
    "", status_code=201, response_model=DeviceOut, responses=problems(409, body=True), summary="Register a device"
)
async def register(body: NewDevice, caller: Caller, wired: Wired, once: Repeatable) -> dict[str, Any]:
    """A phone that holds its own device key. It is this app's from now on, and its keys are visible to it. The same
    device again gets the new label, and the better of both attestations."""
    evidence = None if body.attestation is None else body.attestation.value()
    made = await wired.bridge.devices.register(
        caller, body.public_key, body.challenge, body.proof, body.label, evidence, once
    )
    return device_json(made)


@router.get("", response_model=DeviceList, responses=problems(), summary="The devices of this app")
async def list_all(caller: Caller, wired: Wired) -> dict[str, Any]:
    return {"devices": [device_json(each) for each in await wired.bridge.devices.list(caller)]}


@router.get("/{device_id}", response_model=DeviceOut, responses=problems(404), summary="One device")
async def get(device_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    return device_json(await wired.bridge.devices.get(caller, device_id))


@router.delete(
    "/{device_id}", status_code=204, responses=problems(404, 409), summary="Remove a device that has no live keys"
)
async def remove(device_id: str, caller: Caller, wired: Wired) -> Response:
    await wired.bridge.devices.remove(caller, device_id)
    return Response(status_code=204)
