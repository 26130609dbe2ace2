"""People's accounts, and limits of tenants, in SQL: that part of the bridge's port."""

from __future__ import annotations

from collections.abc import Mapping

from keygw.bridge.people_ports import Note
from keygw.model.errors import Conflict
from keygw.model.person import Person, PersonState
from keygw.store.group import Row, Storage, Transaction
from keygw.store.notes import write_note
from keygw.store.privacy_store import remember_apps

_PERSON = "SELECT id, tenant_id, name, created_at, state FROM people"


class SqlPersons:
    """``bridge.people_ports.PersonStore``. Each write is a transaction of its own, durable on return."""

    _database: Storage

    async def add_person(self, person: Person, note: Note, app_id: str | None = None) -> None:
        async def work(tx: Transaction) -> None:
            rows = await tx.fetch(
                "INSERT INTO people (id, tenant_id, name, created_at, state) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT DO NOTHING RETURNING id",
                (person.id, person.tenant_id, person.name, person.created_at, person.state.value),
            )
            if not rows:
                raise Conflict("an account with this id is there already", code="person_exists")
            if app_id is not None:
                await _bind(tx, app_id, person.id)
            write_note(tx, note)

        await self._database.write(work)

    async def person(self, person_id: str) -> Person | None:
        rows = await self._database.fetch(f"{_PERSON} WHERE id = ?", (person_id,))
        return _person(rows[0]) if rows else None

    async def people(self, tenant_id: str | None = None) -> list[Person]:
        where, values = ("", ()) if tenant_id is None else ("WHERE tenant_id = ?", (tenant_id,))
        rows = await self._database.fetch(f"{_PERSON} {where} ORDER BY created_at, id", values)
        return [_person(row) for row in rows]

    async def bind_app(self, app_id: str, person_id: str, note: Note) -> bool:
        async def work(tx: Transaction) -> bool:
            done = await _bind(tx, app_id, person_id)
            if done:
                write_note(tx, note)
            return done

        return await self._database.write(work)

    async def unbind_app(self, app_id: str, person_id: str, note: Note) -> bool:
        async def work(tx: Transaction) -> bool:
            await remember_apps(tx, person_id, app_id)
            rows = await tx.fetch(
                "UPDATE apps SET person_id = NULL WHERE id = ? AND person_id = ? RETURNING id", (app_id, person_id)
            )
            if rows:
                write_note(tx, note)
            return bool(rows)

        return await self._database.write(work)

    async def close_person(self, person_id: str, now: int, note: Note) -> bool:
        async def work(tx: Transaction) -> bool:
            rows = await tx.fetch(
                "UPDATE people SET state = ? WHERE id = ? AND state = ? RETURNING id",
                (PersonState.CLOSED.value, person_id, PersonState.ACTIVE.value),
            )
            if not rows:
                return False
            live = await tx.fetch(
                "SELECT 1 FROM key_people b JOIN digital_keys k ON k.id = b.key_id WHERE b.person_id = ? "
                "AND k.expires_at > ? AND k.state <> 'revoked' LIMIT 1",
                (person_id, now),
            )
            if live:
                raise Conflict(
                    "an owner key of this account could still open a car: revoke it first", code="person_has_keys"
                )
            await remember_apps(tx, person_id)
            await tx.fetch("UPDATE apps SET person_id = NULL WHERE person_id = ?", (person_id,))
            await tx.fetch("DELETE FROM vehicle_reservations WHERE app_id = ?", (person_id,))
            write_note(tx, note)
            return True

        return await self._database.write(work)

    async def apps_of_person(self, person_id: str) -> list[str]:
        sql = "SELECT id FROM apps WHERE person_id = ? ORDER BY created_at, id"
        return [row[0] for row in await self._database.fetch(sql, (person_id,))]

    async def keys_of_person(self, person_id: str) -> list[str]:
        rows = await self._database.fetch(
            "SELECT k.id FROM key_people b JOIN digital_keys k ON k.id = b.key_id WHERE b.person_id = ? "
            "ORDER BY k.issued_at, k.id",
            (person_id,),
        )
        return [row[0] for row in rows]

    async def reserved_for_person(self, person_id: str) -> list[str]:
        rows = await self._database.fetch(
            "SELECT vehicle_id FROM vehicle_reservations WHERE app_id = ? "
            "OR app_id IN (SELECT id FROM apps WHERE person_id = ?) ORDER BY vehicle_id",
            (person_id, person_id),
        )
        return [row[0] for row in rows]


class SqlLimits:
    """``bridge.people_ports.LimitStore``."""

    _database: Storage

    async def tenant_limits(self) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for tenant_id, name, value in await self._database.fetch(
            "SELECT tenant_id, name, value FROM tenant_limits ORDER BY tenant_id, name"
        ):
            found.setdefault(tenant_id, {})[name] = value
        return found

    async def set_tenant_limits(self, tenant_id: str, wanted: Mapping[str, int | None], note: Note) -> None:
        async def work(tx: Transaction) -> None:
            for name, value in wanted.items():
                if value is None:
                    await tx.fetch("DELETE FROM tenant_limits WHERE tenant_id = ? AND name = ?", (tenant_id, name))
                    continue
                await tx.fetch(
                    "INSERT INTO tenant_limits (tenant_id, name, value) VALUES (?, ?, ?) "
                    "ON CONFLICT (tenant_id, name) DO UPDATE SET value = excluded.value",
                    (tenant_id, name, value),
                )
            write_note(tx, note)

        await self._database.write(work)


async def _bind(tx: Transaction, app_id: str, person_id: str) -> bool:
    people = await tx.fetch(f"{_PERSON} WHERE id = ?", (person_id,))
    if not people or _person(people[0]).state is not PersonState.ACTIVE:
        raise Conflict("the account is closed", code="person_closed")
    if await tx.fetch("SELECT 1 FROM apps WHERE id = ? AND person_id = ?", (app_id, person_id)):
        return False
    rows = await tx.fetch(
        "UPDATE apps SET person_id = ? WHERE id = ? AND person_id IS NULL AND revoked = 0 RETURNING id",
        (person_id, app_id),
    )
    if not rows:
        raise Conflict("the app acts for another account, or was removed", code="app_bound")
    await tx.fetch(
        "INSERT INTO key_people (key_id, person_id) SELECT k.id, a.person_id FROM apps a "
        "JOIN devices d ON d.app_id = a.id JOIN digital_keys k ON k.device_id = d.id "
        "WHERE a.id = ? AND k.parent_id IS NULL ON CONFLICT DO NOTHING",
        (app_id,),
    )
    return True


def _person(row: Row) -> Person:
    return Person(row[0], row[1], row[2], row[3], PersonState(row[4]))
