"""Authorization codes in SQL."""

from __future__ import annotations

from keygw.bridge.oauth.records import Code
from keygw.store.group import Row, Storage, Transaction

_COLUMNS = "hash, client_id, home_id, scopes, redirect_uri, challenge, thumbprint, expires_at, uses, grant_id"


class SqlOauthCodes:
    """``bridge.oauth.records.CodeStore``."""

    _database: Storage

    async def add_code(self, code: Code, over: int) -> None:
        sql = f"INSERT INTO oauth_codes ({_COLUMNS}) VALUES ({', '.join('?' * 10)})"  # noqa: S608 - our own words
        values = (
            code.hash,
            code.client_id,
            code.home_id,
            " ".join(code.scopes),
            code.redirect_uri,
            code.challenge,
            code.thumbprint,
            code.expires_at,
            code.uses,
            code.grant_id,
        )

        async def work(tx: Transaction) -> None:
            await tx.fetch("DELETE FROM oauth_codes WHERE expires_at < ?", (over,))
            await tx.fetch(sql, values)

        await self._database.write(work)

    async def code(self, digest: bytes) -> Code | None:
        sql = f"SELECT {_COLUMNS} FROM oauth_codes WHERE hash = ?"  # noqa: S608 - our own words
        return _one(await self._database.fetch(sql, (digest,)))

    async def use_code(self, digest: bytes) -> Code | None:
        sql = f"UPDATE oauth_codes SET uses = uses + 1 WHERE hash = ? RETURNING {_COLUMNS}"  # noqa: S608 - our own words
        return _one(await self._database.write(lambda tx: tx.fetch(sql, (digest,))))

    async def set_code_grant(self, digest: bytes, grant_id: str) -> Code | None:
        sql = f"UPDATE oauth_codes SET grant_id = ? WHERE hash = ? RETURNING {_COLUMNS}"  # noqa: S608 - our own words
        return _one(await self._database.write(lambda tx: tx.fetch(sql, (grant_id, digest))))


def _one(rows: list[Row]) -> Code | None:
    if not rows:
        return None
    digest, client_id, home_id, scopes, redirect_uri, challenge, thumbprint, expires_at, uses, grant_id = rows[0]
    return Code(
        bytes(digest),
        client_id,
        home_id,
        tuple(scopes.split()),
        redirect_uri,
        challenge,
        thumbprint,
        expires_at,
        uses,
        grant_id,
    )
