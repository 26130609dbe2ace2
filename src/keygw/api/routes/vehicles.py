"""Vehicles and the links to them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import ConfigDict, Field

from keygw.api.auth import Caller, Wired
from keygw.api.document import problems
from keygw.api.fields import (
    AdvertisingKey,
    Body,
    Id,
    Label,
    Name,
    PublicKey,
    Signed,
    SignedObject,
    TenantId,
    TimeNonce,
    VehicleId,
)
from keygw.api.idempotency import Repeatable
from keygw.api.models import (
    DiscoveredList,
    KeysIssued,
    LinkOut,
    RevocationListOut,
    TimeProofOut,
    VehicleCreated,
    VehicleOut,
    VehicleRows,
    Vehicles,
)
from keygw.api.present import issued_json, link_json, list_json, root_json, vehicle_json
from keygw.api.rights import YEAR
from keygw.api.services import Services
from keygw.api.strict import StrictRoute
from keygw.bridge.records import App
from keygw.credentials.batches import MOST, KeyWish
from keygw.model.base64url import encode_base64url
from keygw.model.vehicle import Vehicle

router = APIRouter(prefix="/v1", tags=["vehicles"], route_class=StrictRoute)


class NewVehicle(Body):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "veh_mfrggzdfmztwq2lk",
                    "name": "Blue van",
                    "public_key": "Ao2RVdM-mJz3gV-h4y1Xb2yJ3jJ8zB1o2C8yTgq0xq5v",
                    "advertising_key": "AAECAwQFBgcICQoLDA0ODw",
                }
            ]
        }
    )
    id: VehicleId
    name: Name
    public_key: PublicKey
    advertising_key: AdvertisingKey
    tenant_id: TenantId | None = None


class NewVehicles(Body):
    vehicles: Annotated[list[NewVehicle], Field(min_length=1, max_length=100)]


class KeyOfBatch(Body):
    """An owner key of that phone, or, with ``parent_id`` and ``grant``, the friend key that a parent grants."""

    public_key: PublicKey
    label: Label = ""
    lifetime_seconds: Annotated[int, Field(ge=1, le=YEAR)] | None = None
    parent_id: Id | None = None
    grant: Signed | None = None


class NewKeys(Body):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"keys": [{"public_key": "Ao2RVdM-mJz3gV-h4y1Xb2yJ3jJ8zB1o2C8yTgq0xq5v", "label": "Van 7"}]}]
        }
    )
    keys: Annotated[list[KeyOfBatch], Field(min_length=1, max_length=MOST)]


class NewAck(Body):
    """``ack``: the body of RL_ACK, as the vehicle gave it."""

    ack: SignedObject


class TimeQuestion(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"nonce": "AAECAwQFBgc"}]})
    nonce: TimeNonce


class Connect(Body):
    key_id: Id | None = None
    timeout_seconds: Annotated[float, Field(ge=0.5, le=30)] = 4.0


@router.get("/discovery", response_model=DiscoveredList, responses=problems(), summary="Vehicles near the gateway")
async def discover(
    caller: Caller, wired: Wired, seconds: Annotated[float, Query(ge=0.1, le=10)] = 2.0
) -> dict[str, Any]:
    """Listens for that long. A vehicle that the app has nothing to do with shows no more than it shows everybody."""
    heard = await wired.bridge.vehicles.discover(caller, seconds)
    names = {view.vehicle.id: view.vehicle.name for view in await wired.bridge.vehicles.list(caller)}
    return {
        "vehicles": [
            {
                "vehicle_id": each.vehicle_id,
                "name": names.get(each.vehicle_id or ""),
                "rotating_id": encode_base64url(each.rotating_id),
                "link": each.link,
            }
            for each in heard
        ]
    }


@router.post(
    "/vehicles",
    status_code=201,
    response_model=VehicleCreated,
    responses=problems(404, 409, body=True),
    summary="Make a vehicle known",
)
async def register(body: NewVehicle, caller: Caller, wired: Wired, once: Repeatable) -> dict[str, Any]:
    """Whoever registers a vehicle may issue its first owner key. The same request again is a success."""
    vehicle = await _vehicle(body, caller, wired)
    await wired.bridge.vehicles.register(caller, vehicle, once)
    return {**vehicle_json(vehicle), "issuer": root_json(await wired.bridge.vehicles.issuer_root())}


@router.post(
    "/vehicles:batch",
    response_model=VehicleRows,
    responses=problems(404, body=True),
    summary="Make up to 100 vehicles known",
)
async def register_many(body: NewVehicles, caller: Caller, wired: Wired) -> dict[str, Any]:
    """In one transaction; each vehicle is answered in its place. One that is malformed (422) refuses them all, one in
    conflict hinders no other. The same batch again is a success."""
    vehicles = [await _vehicle(each, caller, wired) for each in body.vehicles]
    results = await wired.bridge.vehicles.register_many(caller, vehicles)
    return {"vehicles": [{"id": each.id, "result": result} for each, result in zip(vehicles, results, strict=True)]}


@router.post(
    "/vehicles/{vehicle_id}/keys:batch",
    status_code=201,
    response_model=KeysIssued,
    responses=problems(404, 409, body=True),
    summary="Issue up to 100 keys of one vehicle (operator)",
)
async def issue_batch(vehicle_id: str, body: NewKeys, caller: Caller, wired: Wired, once: Repeatable) -> dict[str, Any]:
    """In the order of the request; all of them or none. How far the vehicle has heard stands in each key's own page."""
    wishes = [
        KeyWish(each.public_key, each.label, each.lifetime_seconds, each.parent_id, each.grant) for each in body.keys
    ]
    made = await wired.bridge.keys.issue_batch(caller, vehicle_id, wishes, once)
    return {"keys": [issued_json(key) for key in made]}


@router.get("/vehicles", response_model=Vehicles, responses=problems(), summary="The app's vehicles")
async def list_all(caller: Caller, wired: Wired) -> dict[str, Any]:
    return {"vehicles": [vehicle_json(view.vehicle) for view in await wired.bridge.vehicles.list(caller)]}


@router.get("/vehicles/{vehicle_id}", response_model=VehicleOut, responses=problems(404), summary="One vehicle")
async def get(vehicle_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    return vehicle_json((await wired.bridge.vehicles.get(caller, vehicle_id)).vehicle)


@router.post(
    "/vehicles/{vehicle_id}/time-proofs",
    response_model=TimeProofOut,
    responses=problems(404, body=True),
    summary="Sign what time it is, for the vehicle",
)
async def prove_time(vehicle_id: str, body: TimeQuestion, caller: Caller, wired: Wired) -> dict[str, Any]:
    """For a phone whose vehicle has answered `time_proof_required`: send the nonce of its RESULT here, and the proof to
    the vehicle in the same session, within 60 seconds; if it then answers `list_required`, the list as well. Then
    repeat the command, with the same number."""
    proof, newest = await wired.bridge.vehicles.time_proof(caller, vehicle_id, body.nonce)
    return {"proof": encode_base64url(proof), "revocation_list": list_json(newest)}


@router.get("/vehicles/{vehicle_id}/link", response_model=LinkOut, responses=problems(404), summary="How the link is")
async def link(vehicle_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    status = await wired.bridge.vehicles.link(caller, vehicle_id)
    return link_json(status, wired.bridge.feed.nearness(vehicle_id))


@router.post(
    "/vehicles/{vehicle_id}/link:connect",
    response_model=LinkOut,
    responses=problems(404, 409, 502, 504, body=True),
    summary="Connect to the vehicle",
)
async def connect(vehicle_id: str, caller: Caller, wired: Wired, body: Connect | None = None) -> dict[str, Any]:
    """With one of the app's own keys. Commands connect by themselves; this saves them the time. A link that was asked
    for is made again when it is lost, until somebody ends it."""
    wish = body or Connect()
    status = await wired.bridge.vehicles.connect(caller, vehicle_id, wish.key_id, wish.timeout_seconds)
    return link_json(status, wired.bridge.feed.nearness(vehicle_id))


@router.delete(
    "/vehicles/{vehicle_id}/link", status_code=204, responses=problems(404), summary="End the link (not the key)"
)
async def disconnect(vehicle_id: str, caller: Caller, wired: Wired) -> None:
    await wired.bridge.vehicles.disconnect(caller, vehicle_id)


@router.post(
    "/vehicles/{vehicle_id}/link:sync",
    response_model=LinkOut,
    responses=problems(404, 409, 502, 504),
    summary="Carry the revocation list to the vehicle now",
)
async def sync(vehicle_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    """It goes by itself as well; this waits until the vehicle has acknowledged it."""
    await wired.bridge.vehicles.sync(caller, vehicle_id)
    status = await wired.bridge.vehicles.link(caller, vehicle_id)
    return link_json(status, wired.bridge.feed.nearness(vehicle_id))


@router.get(
    "/vehicles/{vehicle_id}/revocation-list",
    response_model=RevocationListOut,
    responses=problems(404),
    summary="The newest revocation list, to carry to the vehicle",
)
async def newest_list(vehicle_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    """Any device with a key may bring it: the issuer signed it for this vehicle, and the carrier can change nothing."""
    return list_json(await wired.bridge.lists.newest(caller, vehicle_id))


@router.post(
    "/vehicles/{vehicle_id}/revocation-acks",
    response_model=RevocationListOut,
    responses=problems(404, 409, body=True),
    summary="Hand in what the vehicle signed for a list",
)
async def acknowledge(vehicle_id: str, body: NewAck, caller: Caller, wired: Wired) -> dict[str, Any]:
    """Only this makes a key ``revoked``. The same one again is a success that changes nothing."""
    return list_json(await wired.bridge.lists.acknowledge(caller, vehicle_id, body.ack))


async def _vehicle(body: NewVehicle, caller: App, wired: Services) -> Vehicle:
    tenant_id = await wired.bridge.tenants.chosen(caller, body.tenant_id)
    return Vehicle(body.id, body.name, body.public_key, body.advertising_key, tenant_id)
