"""Requests of clients that wait for a person's word, in SQL."""

from __future__ import annotations

from keygw.bridge.oauth.records import Answer, Request
from keygw.store.group import Row, Storage, Transaction

_COLUMNS = (
    "id, client_id, tenant_id, secret_hash, user_code, scopes, created_at, expires_at, answer, approved_by, asked_at"
)
_SELECT = f"SELECT {_COLUMNS} FROM oauth_requests"  # noqa: S608 - our own words
_INSERT = (
    f"INSERT INTO oauth_requests ({_COLUMNS}) VALUES ({', '.join('?' * 11)}) "  # noqa: S608 - our own words
    "ON CONFLICT DO NOTHING RETURNING id"
)


class SqlOauthRequests:
    """That part of ``bridge.oauth.records.OauthStore``."""

    _database: Storage

    async def add_request(self, request: Request, open_of_client: int) -> bool:
        values = (
            request.id,
            request.client_id,
            request.tenant_id,
            request.secret_hash,
            request.user_code,
            " ".join(request.scopes),
            request.created_at,
            request.expires_at,
            request.answer.value,
            request.approved_by,
            request.asked_at,
        )

        async def work(tx: Transaction) -> bool:
            await tx.fetch("DELETE FROM oauth_requests WHERE expires_at < ?", (request.created_at,))
            rows = await tx.fetch("SELECT COUNT(*) FROM oauth_requests WHERE client_id = ?", (request.client_id,))
            return rows[0][0] < open_of_client and bool(await tx.fetch(_INSERT, values))

        return await self._database.write(work)

    async def request_by_secret(self, secret_hash: bytes) -> Request | None:
        return await self._request("secret_hash", secret_hash)

    async def request_by_user_code(self, user_code: str) -> Request | None:
        return await self._request("user_code", user_code)

    async def _request(self, column: str, value: object) -> Request | None:
        rows = await self._database.fetch(f"{_SELECT} WHERE {column} = ?", (value,))
        return _of(rows[0]) if rows else None

    async def save_request(self, request: Request, was: Answer) -> bool:
        sql = (
            "UPDATE oauth_requests SET answer = ?, approved_by = ?, asked_at = ? "
            "WHERE id = ? AND answer = ? RETURNING id"
        )
        values = (request.answer.value, request.approved_by, request.asked_at, request.id, was.value)
        return bool(await self._database.write(lambda tx: tx.fetch(sql, values)))


def _of(row: Row) -> Request:
    request_id, client_id, tenant_id, secret_hash, user_code, scopes, created_at, expires_at, *rest = row
    answer, approved_by, asked_at = rest
    return Request(
        request_id,
        client_id,
        tenant_id,
        secret_hash,
        user_code,
        tuple(scopes.split()),
        created_at,
        expires_at,
        Answer(answer),
        approved_by,
        asked_at,
    )
