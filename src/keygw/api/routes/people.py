"""People's accounts: whose owner keys are, and which apps act for whom."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict

from keygw.api.auth import Caller, Wired
from keygw.api.document import problems
from keygw.api.fields import Body, Name, TenantId
from keygw.api.models import TimeText
from keygw.api.strict import StrictRoute
from keygw.bridge.people import Account
from keygw.model.digital_key import KeyState
from keygw.model.person import Person, PersonState
from keygw.model.times import rfc3339

router = APIRouter(prefix="/v1/people", tags=["people"], route_class=StrictRoute)


class NewPerson(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Ada"}]})
    name: Name
    tenant_id: TenantId | None = None


class PersonOut(BaseModel):
    id: str
    name: str
    state: PersonState
    tenant_id: str
    created_at: TimeText


class PersonKey(BaseModel):
    id: str
    vehicle_id: str
    state: KeyState


class AccountOut(PersonOut):
    """``keys``: owner keys bound to it, ended ones too. ``vehicle_ids``: of those that live. ``reserved_vehicle_ids``:
    vehicles that wait for its next owner key, as after they were handed over."""

    app_ids: list[str]
    keys: list[PersonKey]
    vehicle_ids: list[str]
    reserved_vehicle_ids: list[str]


class ExportOut(BaseModel):
    """``kept``: by kind. ``cut``: the kinds of which only the newest 10,000 are here."""

    made_at: TimeText
    person: PersonOut
    kept: dict[str, list[dict[str, Any]]]
    cut: list[str]


class ErasureOut(BaseModel):
    """``unheard_key_ids``: revoked keys of which the vehicle has not heard yet: until then it may open to them."""

    person: PersonOut
    unheard_key_ids: list[str]


class PersonList(BaseModel):
    people: list[PersonOut]


def person_json(person: Person) -> dict[str, Any]:
    return {
        "id": person.id,
        "name": person.name,
        "state": person.state,
        "tenant_id": person.tenant_id,
        "created_at": rfc3339(person.created_at),
    }


def account_json(account: Account) -> dict[str, Any]:
    return {
        **person_json(account.person),
        "app_ids": list(account.app_ids),
        "keys": [{"id": key.id, "vehicle_id": key.vehicle_id, "state": key.state} for key in account.keys],
        "vehicle_ids": list(account.vehicle_ids),
        "reserved_vehicle_ids": list(account.reserved_ids),
    }


@router.post(
    "", status_code=201, response_model=PersonOut, responses=problems(404, 409, body=True), summary="Open an account"
)
async def add(body: NewPerson, caller: Caller, wired: Wired) -> dict[str, Any]:
    """An app opens one for itself, and acts for it from then on; an operator opens one and binds apps to it."""
    return person_json(await wired.bridge.people.add(caller, body.name, body.tenant_id))


@router.get("", response_model=PersonList, responses=problems(), summary="The accounts there are (operator)")
async def list_all(caller: Caller, wired: Wired) -> dict[str, Any]:
    """Closed ones too, oldest first."""
    return {"people": [person_json(each) for each in await wired.bridge.people.list(caller)]}


# Before the account itself, whose path fits this one, too.
@router.get(
    "/{person_id}:export", response_model=ExportOut, responses=problems(404), summary="All that is kept of a person"
)
async def export(person_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    """One document: account, apps, devices, keys, invitations, pairings, commands, receipts, and the entries of the
    audit trail that name them. It is entered there, too."""
    told = await wired.bridge.privacy.export(caller, person_id)
    return {
        "made_at": rfc3339(wired.clock()),
        "person": person_json(told.person),
        "kept": told.kept,
        "cut": list(told.cut),
    }


@router.post(
    "/{person_id}:erase", response_model=ErasureOut, responses=problems(404, 409), summary="Remove what names a person"
)
async def erase(person_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    """For good. Every key is revoked first, with what was shared from it; then the apps are ended, names and labels
    removed, and settled commands deleted. What remains names nobody."""
    done = await wired.bridge.privacy.erase(caller, person_id)
    return {"person": person_json(done.person), "unheard_key_ids": list(done.unheard)}


@router.get("/{person_id}", response_model=AccountOut, responses=problems(404), summary="One account")
async def get(person_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    """Its apps, keys and vehicles. For an operator, and for an app that acts for this person."""
    return account_json(await wired.bridge.people.get(caller, person_id))


@router.put(
    "/{person_id}/apps/{app_id}",
    status_code=204,
    responses=problems(404, 409),
    summary="Let an app act for a person (operator)",
)
async def bind(person_id: str, app_id: str, caller: Caller, wired: Wired) -> Response:
    """Owner keys that the app makes are bound to the account, and those that it has already."""
    await wired.bridge.people.bind(caller, person_id, app_id)
    return Response(status_code=204)


@router.delete(
    "/{person_id}/apps/{app_id}",
    status_code=204,
    responses=problems(404),
    summary="Let an app act for nobody any more (operator)",
)
async def unbind(person_id: str, app_id: str, caller: Caller, wired: Wired) -> Response:
    """For a phone that is gone. Its keys stay the person's, and stay as they are: report the device lost, too."""
    await wired.bridge.people.unbind(caller, person_id, app_id)
    return Response(status_code=204)


@router.post("/{person_id}:close", response_model=PersonOut, responses=problems(404, 409), summary="Close an account")
async def close(person_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    """For good. `person_has_keys` while an owner key that is bound to it could still open a car."""
    return person_json(await wired.bridge.people.close(caller, person_id))
