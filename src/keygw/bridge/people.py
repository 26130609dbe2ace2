"""People's accounts: an owner is a person, and apps act for one.

What makes somebody the owner is still a key that the car knows. The account says whose such keys are, and lets a person
whose phone is gone come back with another app: by the car's own code, like any owner (``protocols/owner_pairing``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keygw.bridge.access import require
from keygw.bridge.notes import Notes
from keygw.bridge.people_ports import PersonStore
from keygw.bridge.ports import AppStore, Clock, Credentials
from keygw.bridge.records import App
from keygw.bridge.scopes import Scope
from keygw.bridge.tenants import Tenants
from keygw.model.digital_key import DigitalKey, KeyState
from keygw.model.errors import Conflict, NotFound
from keygw.model.ids import Random, new_id
from keygw.model.person import Person, PersonState

_LIVE = (KeyState.ACTIVE, KeyState.SUSPENDED)


@dataclass(frozen=True, slots=True)
class Account:
    """``keys``: owner keys bound to it, ended ones too. ``vehicle_ids``: of those that live. ``reserved_ids``: vehicles
    that wait for its next owner key, as after they were handed over."""

    person: Person
    app_ids: Sequence[str]
    keys: Sequence[DigitalKey]
    vehicle_ids: Sequence[str]
    reserved_ids: Sequence[str]


class People:
    def __init__(
        self,
        store: PersonStore,
        apps: AppStore,
        credentials: Credentials,
        tenants: Tenants,
        notes: Notes,
        clock: Clock,
        random: Random,
    ) -> None:
        self._store = store
        self._apps = apps
        self._credentials = credentials
        self._tenants = tenants
        self._notes = notes
        self._clock = clock
        self._random = random

    async def add(self, by: App, name: str, tenant_id: str | None) -> Person:
        """An app makes one for itself, and acts for it from then on; ``Conflict`` app_bound if it acts for somebody."""
        require(by, Scope.KEY_MANAGE, operator=(Scope.PERSON_MANAGE,))
        tenant_id = await self._tenants.chosen(by, tenant_id)
        person = Person(new_id("per", self._random), tenant_id, name, int(self._clock()))
        note = self._notes.note(by, "person.added", tenant_id, person_id=person.id)
        await self._store.add_person(person, note, None if by.operator else by.id)
        return person

    async def list(self, by: App) -> Sequence[Person]:
        require(by, Scope.PERSON_READ)
        return await self._store.people(by.tenant_id)

    async def get(self, by: App, person_id: str) -> Account:
        """``NotFound`` unknown_person, also for one for whom the app does not act."""
        require(by, Scope.KEY_READ, operator=(Scope.PERSON_READ,))
        person = await self.known(by, person_id)
        keys = [await self._credentials.key(each) for each in await self._store.keys_of_person(person.id)]
        vehicles = list(dict.fromkeys(key.vehicle_id for key in keys if key.state in _LIVE))
        return Account(
            person,
            await self._store.apps_of_person(person.id),
            keys,
            vehicles,
            await self._store.reserved_for_person(person.id),
        )

    async def bind(self, by: App, person_id: str, app_id: str) -> None:
        """Let that app act for the person. ``NotFound`` unknown_person, unknown_app; ``Conflict`` app_bound,
        person_closed. Again: a success that changes nothing."""
        require(by, Scope.PERSON_MANAGE)
        person, app = await self.known(by, person_id), await self._app(by, person_id, app_id)
        note = self._notes.note(by, "person.app_bound", person.tenant_id, person_id=person.id, app_id=app.id)
        await self._store.bind_app(app.id, person.id, note)

    async def unbind(self, by: App, person_id: str, app_id: str) -> None:
        """The app acts for nobody any more; keys stay whose they are. Again: a success that changes nothing."""
        require(by, Scope.PERSON_MANAGE)
        person, app = await self.known(by, person_id), await self._app(by, person_id, app_id)
        note = self._notes.note(by, "person.app_unbound", person.tenant_id, person_id=person.id, app_id=app.id)
        await self._store.unbind_app(app.id, person.id, note)

    async def close(self, by: App, person_id: str) -> Person:
        """``Conflict`` person_has_keys. Again: a success that changes nothing, for operators: its apps are gone."""
        require(by, Scope.KEY_MANAGE, operator=(Scope.PERSON_MANAGE,))
        person = await self.known(by, person_id)
        note = self._notes.note(by, "person.closed", person.tenant_id, person_id=person.id)
        await self._store.close_person(person.id, int(self._clock()), note)
        return await self.found(person.id)

    async def heir(self, by: App, person_id: str, tenant_id: str) -> str:
        """For whom a vehicle of that tenant may be reserved: the id of an open account of the same tenant."""
        person = await self.known(by, person_id)
        if person.tenant_id != tenant_id:
            raise _unknown()
        if person.state is not PersonState.ACTIVE:
            raise Conflict("the account is closed", code="person_closed")
        return person.id

    async def found(self, person_id: str) -> Person:
        """As it is now, whoever asks. ``NotFound`` unknown_person."""
        person = await self._store.person(person_id)
        if person is None:
            raise _unknown()
        return person

    async def known(self, by: App, person_id: str) -> Person:
        """One that the caller may know of. ``NotFound`` unknown_person."""
        found = await self._store.person(person_id)
        if found is None or not by.reaches(found.tenant_id) or not (by.operator or by.person_id == found.id):
            raise _unknown()
        return found

    async def _app(self, by: App, person_id: str, app_id: str) -> App:
        """Of the person's own tenant: an account never reaches across."""
        found, person = await self._apps.app(app_id), await self._store.person(person_id)
        if found is None or person is None or found.tenant_id != person.tenant_id or not by.reaches(found.tenant_id):
            raise NotFound("there is no such app", code="unknown_app")
        return found


def _unknown() -> NotFound:
    return NotFound("there is no such account", code="unknown_person")
