"""All that is kept of a person, and its removal, in SQL: that part of the bridge's port."""

# ruff: noqa: S608 - the statements are put together of our own words; whose they are about is a parameter

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from keygw.bridge.people_ports import Kept, Note
from keygw.model.errors import Conflict
from keygw.model.person import PersonState
from keygw.store.group import Fetch, Storage, Transaction
from keygw.store.notes import write_note
from keygw.token.audit import decode_data

ERASED = "erased"
"""In place of a name."""

# Each ? is the person's id. An app that acts for somebody else now is that person's.
_APPS = (
    "SELECT id FROM apps WHERE person_id = ? UNION SELECT p.app_id FROM person_apps p JOIN apps a ON a.id = p.app_id "
    "WHERE p.person_id = ? AND a.person_id IS NULL"
)
_CLIENTS = (
    f"SELECT id FROM oauth_clients WHERE home_id IN ({_APPS}) "
    f"UNION SELECT client_id FROM oauth_grants WHERE app_id IN ({_APPS})"
)
_SESSIONS = f"SELECT id FROM app_sessions WHERE app_id IN ({_APPS})"
_DEVICES = f"SELECT id FROM devices WHERE app_id IN ({_APPS})"
_KEYS = (
    "SELECT key_id FROM key_people WHERE person_id = ? "
    f"UNION SELECT id FROM digital_keys WHERE device_id IN ({_DEVICES})"
)
# Two levels are all there are (credentials.values.MAX_DEPTH).
_CHILDREN = f"SELECT id FROM digital_keys WHERE parent_id IN ({_KEYS})"
_SHARED = f"{_CHILDREN} UNION SELECT id FROM digital_keys WHERE parent_id IN ({_CHILDREN})"

_KEY = "id, vehicle_id, device_id, parent_id, role, profile, label, state, issued_at, not_before, expires_at"
_PARTS: Mapping[str, tuple[str, str]] = {
    "apps": (
        "id, name, scopes, created_at, expires_at, revoked",
        f"apps WHERE id IN ({_APPS}) ORDER BY created_at, id",
    ),
    "clients": (
        "id, name, scopes, created_at",
        f"oauth_clients WHERE id IN ({_CLIENTS}) ORDER BY created_at, id",
    ),
    "grants": (
        "app_id, client_id, kind, created_at, auth_time",
        f"oauth_grants WHERE app_id IN ({_APPS}) ORDER BY created_at, app_id",
    ),
    "passkeys": (
        "id, name, synced, created_at, used_at",
        "passkeys WHERE person_id = ? ORDER BY created_at, id",
    ),
    "sessions": (
        "id, app_id, vehicle_id, state, created_at, updated_at",
        f"app_sessions WHERE app_id IN ({_APPS}) ORDER BY created_at, id",
    ),
    "cards": (
        "session_id, name, body",
        f"app_cards WHERE session_id IN ({_SESSIONS}) ORDER BY session_id, name",
    ),
    "offers": (
        "session_id, kind, body, state, created_at",
        f"app_offers WHERE session_id IN ({_SESSIONS}) ORDER BY session_id, kind",
    ),
    "webhooks": (
        "id, app_id, url, label, events, created_at",
        f"webhooks WHERE app_id IN ({_APPS}) ORDER BY created_at, id",
    ),
    "webhook_deliveries": (
        "id, webhook_id, event_id, type, created_at, state",
        f"webhook_deliveries WHERE webhook_id IN (SELECT id FROM webhooks WHERE app_id IN ({_APPS})) ORDER BY number",
    ),
    "devices": (
        "id, kind, label, app_id, public_key, model, attestation, registered_at",
        f"devices WHERE app_id IN ({_APPS}) ORDER BY id",
    ),
    "keys": (_KEY, f"digital_keys WHERE id IN ({_KEYS}) ORDER BY issued_at, id"),
    "shared_keys": (_KEY, f"digital_keys WHERE id IN ({_SHARED}) ORDER BY issued_at, id"),
    "vehicles": (
        "id, name",
        f"vehicles WHERE id IN (SELECT vehicle_id FROM digital_keys WHERE id IN ({_KEYS})) "
        f"OR id IN (SELECT vehicle_id FROM vehicle_claims WHERE app_id IN ({_APPS})) ORDER BY id",
    ),
    "reserved_vehicles": (
        "vehicle_id",
        f"vehicle_reservations WHERE app_id = ? OR app_id IN ({_APPS}) ORDER BY vehicle_id",
    ),
    "invitations": (
        "id, vehicle_id, parent_id, key_id, label, state, created_at, expires_at",
        f"invitations WHERE app_id IN ({_APPS}) OR parent_id IN ({_KEYS}) ORDER BY position",
    ),
    "transfers": (
        "id, vehicle_id, state, created_at, expires_at",
        f"transfers WHERE offered_by IN ({_APPS}) OR app_id IN ({_APPS}) ORDER BY created_at, id",
    ),
    "pairings": (
        "id, app_id, name, state, reason, vehicle_id, key_id, created_at",
        f"pairings WHERE app_id IN ({_APPS}) ORDER BY created_at, id",
    ),
    "commands": ("body", f"commands WHERE app_id IN ({_APPS}) ORDER BY position DESC"),
    "receipts": (
        "vehicle_id, sequence, key_id, action, outcome, at",
        f"receipts WHERE key_id IN ({_KEYS}) ORDER BY at DESC, vehicle_id, sequence DESC",
    ),
    "audit": (
        "sequence, at, actor, action, vehicle_id, key_id, device_id, outcome",
        f"audit WHERE key_id IN ({_KEYS}) OR device_id IN ({_DEVICES}) OR actor IN (SELECT 'app:' || mine.id FROM "
        f"({_APPS}) mine) OR actor IN (SELECT 'device:' || mine.id FROM ({_DEVICES}) mine) ORDER BY sequence DESC",
    ),
}
_ABOUT = "SELECT sequence, at, actor, action, outcome, data FROM audit WHERE action IN ({}) AND sequence > ? "
_PERSON_ACTIONS = (
    "person.added", "person.app_bound", "person.app_unbound", "person.closed", "person.erased", "person.exported",
)  # fmt: skip
_PAGE = 500
_OPEN = "('accepted', 'queued', 'sent', 'acknowledged', 'unknown')"


class SqlPrivacy:
    """``bridge.people_ports.PrivacyStore``."""

    _database: Storage

    async def add_note(self, note: Note) -> None:
        async def work(tx: Transaction) -> None:
            write_note(tx, note)

        await self._database.write(work)

    async def live_keys_of(self, person_id: str, now: int) -> list[str]:
        return await _live(self._database.fetch, person_id, now)

    async def unheard_keys_of(self, person_id: str) -> list[str]:
        sql = f"SELECT id FROM digital_keys WHERE state = 'revoking' AND id IN ({_KEYS}) ORDER BY id"
        return [row[0] for row in await self._database.fetch(sql, _ids(sql, person_id))]

    async def kept_of(self, person_id: str, most: int) -> Mapping[str, Kept]:
        found: dict[str, Kept] = {}
        for part, (columns, rest) in _PARTS.items():
            sql = f"SELECT {columns} FROM {rest} LIMIT {most + 1}"
            rows = await self._database.fetch(sql, _ids(sql, person_id))
            names = columns.split(", ")
            found[part] = Kept([dict(zip(names, row, strict=True)) for row in rows[:most]], len(rows) > most)
        found["account"] = Kept(await self._about(person_id), False)
        return found

    async def erase_person(self, person_id: str, now: int, note: Note) -> Sequence[bytes] | None:
        async def work(tx: Transaction) -> list[bytes] | None:
            changed = await tx.fetch(
                "UPDATE people SET state = ?, name = ? WHERE id = ? AND state <> ? RETURNING id",
                (PersonState.ERASED.value, ERASED, person_id, PersonState.ERASED.value),
            )
            if not changed:
                return None
            if await _live(tx.fetch, person_id, now):
                raise Conflict("a key of this account could still open a car", code="person_has_keys", retryable=True)
            sql = f"SELECT id, token_hash FROM apps WHERE id IN ({_APPS}) ORDER BY id"
            apps = await tx.fetch(sql, _ids(sql, person_id))
            for statement in _ERASURE:
                await tx.fetch(statement, _ids(statement, person_id))
            write_note(tx, note)
            for app_id, _ in apps:
                tx.announce(partial("app {}".format, app_id))
            return [bytes(digest) for _, digest in apps]

        return await self._database.write(work)

    async def _about(self, person_id: str) -> list[dict[str, Any]]:
        """Entries about the account itself, which name it in their data."""
        found: list[dict[str, Any]] = []
        sql = _ABOUT.format(", ".join("?" * len(_PERSON_ACTIONS))) + f"ORDER BY sequence LIMIT {_PAGE}"
        after = 0
        while rows := await self._database.fetch(sql, (*_PERSON_ACTIONS, after)):
            after = rows[-1][0]
            for sequence, at, actor, action, outcome, data in rows:
                told = decode_data(data)
                if told.get("person_id") == person_id:
                    entry = {"sequence": sequence, "at": at, "actor": actor, "action": action, "outcome": outcome}
                    found.append({**entry, "data": dict(told)})
        return found


# In this order: what is found by way of apps and keys is gone through before those are no longer told apart.
_ERASURE = (
    f"UPDATE digital_keys SET label = '' WHERE id IN ({_KEYS}) OR id IN ({_SHARED})",
    f"UPDATE invitations SET label = '' WHERE app_id IN ({_APPS}) OR parent_id IN ({_KEYS})",
    f"UPDATE devices SET label = '', model = '' WHERE app_id IN ({_APPS})",
    "UPDATE vehicles SET name = 'Vehicle' WHERE id IN "
    f"(SELECT vehicle_id FROM vehicle_claims WHERE app_id IN ({_APPS}))",
    f"UPDATE pairings SET name = '{ERASED}' WHERE app_id IN ({_APPS})",
    f"DELETE FROM commands WHERE app_id IN ({_APPS}) AND state NOT IN {_OPEN}",
    f"DELETE FROM idempotency WHERE app_id IN ({_APPS})",
    f"DELETE FROM vehicle_reservations WHERE app_id = ? OR app_id IN ({_APPS})",
    f"DELETE FROM app_offers WHERE session_id IN ({_SESSIONS})",
    f"DELETE FROM app_cards WHERE session_id IN ({_SESSIONS})",
    f"DELETE FROM webhooks WHERE app_id IN ({_APPS})",
    f"DELETE FROM app_sessions WHERE app_id IN ({_APPS})",
    "DELETE FROM passkeys WHERE person_id = ?",
    f"UPDATE oauth_clients SET name = '{ERASED}' WHERE id IN ({_CLIENTS})",
    f"UPDATE apps SET name = '{ERASED}', revoked = 1 WHERE id IN ({_APPS})",
)


async def _live(fetch: Fetch, person_id: str, now: int) -> list[str]:
    sql = (
        f"SELECT id FROM digital_keys WHERE state IN ('active', 'suspended') AND expires_at > {now:d} "
        f"AND id IN ({_KEYS}) ORDER BY depth, id"
    )
    return [row[0] for row in await fetch(sql, _ids(sql, person_id))]


def _ids(sql: str, person_id: str) -> list[str]:
    return [person_id] * sql.count("?")


async def remember_apps(tx: Transaction, person_id: str, app_id: str | None = None) -> None:
    """They are about to act for the person no longer; all of them, or one."""
    only, values = ("", [person_id]) if app_id is None else ("AND id = ?", [person_id, app_id])
    await tx.fetch(
        f"INSERT INTO person_apps (person_id, app_id) SELECT person_id, id FROM apps WHERE person_id = ? {only} "
        "ON CONFLICT DO NOTHING",
        values,
    )
