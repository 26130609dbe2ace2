"""The authorization server's port in SQL: clients and grants; what waits for a person is in ``oauth_requests``."""

from __future__ import annotations

from collections.abc import Sequence

from keygw.bridge.oauth.records import Client, Grant, GrantKind
from keygw.bridge.people_ports import Note
from keygw.bridge.records import App
from keygw.model.person import Person
from keygw.store.app_rows import insert_app
from keygw.store.group import Row, Storage, Transaction
from keygw.store.notes import write_note
from keygw.store.oauth_codes import SqlOauthCodes
from keygw.store.oauth_requests import SqlOauthRequests
from keygw.store.passkey_store import SqlPasskeys

_CLIENT = "SELECT id, tenant_id, name, scopes, created_at, home_id, used_at, redirect_uris FROM oauth_clients"
_GRANT = (
    "SELECT g.app_id, g.client_id, g.home_id, g.thumbprint, g.kind, g.created_at, g.auth_time, g.refresh_hash, "
    "g.refresh_former, g.key_ids FROM oauth_grants g"
)
_LIVE = f"{_GRANT} JOIN apps a ON a.id = g.app_id WHERE a.revoked = 0"
_ORDER = "ORDER BY g.created_at, g.app_id"


class SqlOauth(SqlOauthCodes, SqlOauthRequests, SqlPasskeys):
    """``bridge.oauth.records.OauthStore``. Each write is a transaction of its own, durable on return."""

    _database: Storage

    async def add_client(self, client: Client, unused: int, since: int) -> bool:
        values = (
            client.id,
            client.tenant_id,
            client.name,
            " ".join(client.scopes),
            client.created_at,
            " ".join(client.redirect_uris),
        )

        async def work(tx: Transaction) -> bool:
            await tx.fetch(
                "DELETE FROM oauth_requests WHERE client_id IN "
                "(SELECT id FROM oauth_clients WHERE used_at IS NULL AND home_id IS NULL AND created_at < ?)",
                (since,),
            )
            await tx.fetch(
                "DELETE FROM oauth_clients WHERE used_at IS NULL AND home_id IS NULL AND created_at < ?", (since,)
            )
            rows = await tx.fetch(
                "SELECT COUNT(*) FROM oauth_clients WHERE tenant_id = ? AND used_at IS NULL", (client.tenant_id,)
            )
            if rows[0][0] >= unused:
                return False
            await tx.fetch(
                "INSERT INTO oauth_clients (id, tenant_id, name, scopes, created_at, redirect_uris) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                values,
            )
            return True

        return await self._database.write(work)

    async def client(self, client_id: str) -> Client | None:
        rows = await self._database.fetch(f"{_CLIENT} WHERE id = ?", (client_id,))
        if not rows:
            return None
        client_id, tenant_id, name, scopes, created_at, home_id, used_at, uris = rows[0]
        wanted = tuple(scopes.split())
        return Client(client_id, tenant_id, name, wanted, created_at, home_id, used_at, tuple(uris.split()))

    async def set_home(self, client_id: str, person: Person, home: App, notes: Sequence[Note]) -> str:
        async def work(tx: Transaction) -> str:
            rows = await tx.fetch("SELECT home_id FROM oauth_clients WHERE id = ?", (client_id,))
            if rows and rows[0][0] is not None:
                return str(rows[0][0])
            await tx.fetch(
                "INSERT INTO people (id, tenant_id, name, created_at, state) VALUES (?, ?, ?, ?, ?)",
                (person.id, person.tenant_id, person.name, person.created_at, person.state.value),
            )
            await insert_app(tx, home)
            await tx.fetch("UPDATE oauth_clients SET home_id = ? WHERE id = ?", (home.id, client_id))
            for note in notes:
                write_note(tx, note)
            return home.id

        return await self._database.write(work)

    async def add_grant(self, app: App, grant: Grant, note: Note) -> None:
        async def work(tx: Transaction) -> None:
            await insert_app(tx, app)
            await tx.fetch(
                "INSERT INTO oauth_grants (app_id, client_id, home_id, thumbprint, kind, created_at, auth_time, "
                "refresh_hash, refresh_former, key_ids) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    grant.app_id,
                    grant.client_id,
                    grant.home_id,
                    grant.thumbprint,
                    grant.kind.value,
                    grant.created_at,
                    grant.auth_time,
                    grant.refresh_hash,
                    grant.refresh_former,
                    " ".join(grant.key_ids),
                ),
            )
            await tx.fetch(
                "UPDATE oauth_clients SET used_at = ? WHERE id = ? AND used_at IS NULL",
                (grant.created_at, grant.client_id),
            )
            write_note(tx, note)

        await self._database.write(work)

    async def grant(self, app_id: str) -> Grant | None:
        rows = await self._database.fetch(f"{_GRANT} WHERE g.app_id = ?", (app_id,))
        return _grant(rows[0]) if rows else None

    async def grants_of_client(self, client_id: str) -> list[Grant]:
        return await self._grants(f"{_LIVE} AND g.client_id = ? {_ORDER}", client_id)

    async def grants_of_home(self, home_id: str) -> list[Grant]:
        return await self._grants(f"{_LIVE} AND g.home_id = ? {_ORDER}", home_id)

    async def grants_of_tenant(self, tenant_id: str | None) -> list[Grant]:
        if tenant_id is None:
            return await self._grants(f"{_LIVE} {_ORDER}")
        return await self._grants(f"{_LIVE} AND a.tenant_id = ? {_ORDER}", tenant_id)

    async def _grants(self, sql: str, *values: str) -> list[Grant]:
        return [_grant(row) for row in await self._database.fetch(sql, values)]

    async def add_grant_key(self, app_id: str, key_id: str) -> None:
        sql = "UPDATE oauth_grants SET key_ids = TRIM(key_ids || ' ' || ?) WHERE app_id = ?"
        await self._database.write(lambda tx: tx.fetch(sql, (key_id, app_id)))

    async def replace_refresh(
        self, app_id: str, was: bytes, fresh: bytes, former: bytes | None, expires_at: float
    ) -> bool:
        async def work(tx: Transaction) -> bool:
            rows = await tx.fetch(
                "UPDATE oauth_grants SET refresh_hash = ?, refresh_former = ? WHERE app_id = ? AND refresh_hash = ? "
                "AND EXISTS (SELECT 1 FROM apps WHERE id = ? AND revoked = 0) RETURNING app_id",
                (fresh, former, app_id, was, app_id),
            )
            if rows:
                await tx.fetch("UPDATE apps SET expires_at = ? WHERE id = ?", (expires_at, app_id))
            return bool(rows)

        return await self._database.write(work)

    async def set_auth_time(self, app_id: str, at: int) -> None:
        sql = "UPDATE oauth_grants SET auth_time = ? WHERE app_id = ? AND auth_time < ?"
        await self._database.write(lambda tx: tx.fetch(sql, (at, app_id, at)))

    async def see_proof(self, digest: bytes, until: int, now: int) -> bool:
        async def work(tx: Transaction) -> bool:
            await tx.fetch("DELETE FROM oauth_proofs WHERE until < ?", (now,))
            rows = await tx.fetch(
                "INSERT INTO oauth_proofs (digest, until) VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING digest",
                (digest, until),
            )
            return bool(rows)

        return await self._database.write(work)


def _grant(row: Row) -> Grant:
    app_id, client_id, home_id, thumbprint, kind, created_at, auth_time, refresh_hash, refresh_former, key_ids = row
    return Grant(
        app_id,
        client_id,
        home_id,
        thumbprint,
        GrantKind(kind),
        created_at,
        auth_time,
        refresh_hash,
        refresh_former,
        tuple(key_ids.split()),
    )
