"""What is kept of a person, told to that person; and its removal (docs/explanation/privacy.md).

Both are for the person's own apps and for operators who manage accounts, and both are entered in the audit trail.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keygw.bridge.access import require
from keygw.bridge.apps import Apps
from keygw.bridge.notes import Notes
from keygw.bridge.people import People
from keygw.bridge.people_ports import PrivacyStore
from keygw.bridge.ports import Clock, Credentials
from keygw.bridge.records import App
from keygw.bridge.scopes import Scope
from keygw.model.base64url import encode_base64url
from keygw.model.command import Action, Outcome
from keygw.model.digital_key import KeyState, Role
from keygw.model.errors import Conflict
from keygw.model.person import Person
from keygw.model.times import rfc3339

MOST = 10_000
"""Of one kind in an export; the newest of commands, receipts and entries."""
TRIES = 3
"""An app may make a key while its person's others are being revoked."""


@dataclass(frozen=True, slots=True)
class Export:
    """``kept``: by kind, plain JSON values. ``cut``: kinds of which there is more than fits."""

    person: Person
    kept: Mapping[str, Sequence[Mapping[str, Any]]]
    cut: Sequence[str]


@dataclass(frozen=True, slots=True)
class Erasure:
    """``unheard``: ids of revoked keys of which the vehicle has not heard yet."""

    person: Person
    unheard: Sequence[str]


class Privacy:
    """``request``: sets out to a vehicle with its newest list."""

    def __init__(
        self,
        store: PrivacyStore,
        people: People,
        apps: Apps,
        credentials: Credentials,
        request: Callable[[str], None],
        notes: Notes,
        clock: Clock,
    ) -> None:
        self._store = store
        self._people = people
        self._apps = apps
        self._credentials = credentials
        self._request = request
        self._notes = notes
        self._clock = clock

    async def export(self, by: App, person_id: str) -> Export:
        """``NotFound`` unknown_person, also for one for whom the app does not act."""
        person = await self._known(by, person_id)
        await self._store.add_note(self._notes.note(by, "person.exported", person.tenant_id, person_id=person.id))
        found = await self._store.kept_of(person.id, MOST)
        kept = {part: [_told(row) for row in rows.rows] for part, rows in found.items()}
        return Export(person, kept, [part for part, rows in found.items() if rows.more])

    async def erase(self, by: App, person_id: str) -> Erasure:
        """Revoke the keys, then end the apps and remove the names. Cut short anywhere, it is finished by asking again.

        Once it is done that is a success that changes nothing, for operators: the person's apps are gone."""
        person = await self._known(by, person_id)
        for tried in range(1, TRIES + 1):
            for key_id in await self._store.live_keys_of(person.id, int(self._clock())):
                key = await self._credentials.key(key_id)
                if key.state in (KeyState.ACTIVE, KeyState.SUSPENDED):  # else it went with its parent
                    await self._credentials.revoke(key_id, actor=by.actor)
                self._request(key.vehicle_id)
            note = self._notes.note(by, "person.erased", person.tenant_id, person_id=person.id)
            try:
                ended = await self._store.erase_person(person.id, int(self._clock()), note)
            except Conflict:
                if tried == TRIES:
                    raise
                continue
            for digest in ended or ():
                self._apps.ended(digest)
            break
        unheard = await self._store.unheard_keys_of(person.id)
        return Erasure(await self._people.found(person.id), unheard)

    async def _known(self, by: App, person_id: str) -> Person:
        require(by, Scope.KEY_MANAGE, operator=(Scope.PERSON_MANAGE,))
        return await self._people.known(by, person_id)


_WORDS: Mapping[str, Callable[[Any], Any]] = {
    "role": lambda value: Role(value).label,
    "outcome": lambda value: value if isinstance(value, str) else Outcome(value).label,
    "action": lambda value: value if isinstance(value, str) else Action(value).label,
    "revoked": bool,
    "scopes": str.split,
}


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as JSON, with the words that the rest of the API has."""
    if "body" in row:
        return _command(json.loads(row["body"]))
    return {name: _value(name, value) for name, value in row.items()}


def _value(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name == "at" or name.endswith("_at") or name == "not_before":
        return rfc3339(value)
    if isinstance(value, bytes):
        return encode_base64url(value)
    return _WORDS[name](value) if name in _WORDS else value


def _command(body: Mapping[str, Any]) -> dict[str, Any]:
    command = body["command"]
    return {
        "id": command["id"],
        "app_id": body["app_id"],
        "vehicle_id": command["vehicle_id"],
        "key_id": command["key_id"],
        "action": Action(command["action"]).label,
        "state": body["state"],
        "reason": body["reason"],
        "idempotency_key": body["idempotency_key"],
        "created_at": rfc3339(command["created_at"]),
        "updated_at": rfc3339(body["updated_at"]),
    }
