"""The registry of apps: who may call the bridge, and with which scopes.

A bearer token is ``kgw_`` and 32 random bytes in base64url. It is shown once; only its SHA-256 is stored, and an app is
looked up by that hash, so neither a stolen database nor the time of a look-up gives a token away.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from keygw.bridge.ports import AppStore, Clock
from keygw.bridge.records import App
from keygw.bridge.scopes import Scope, parse_scopes
from keygw.credentials.actors import OPERATOR_APP
from keygw.model.base64url import encode_base64url
from keygw.model.errors import BadInput, KeygwError, NotFound
from keygw.model.ids import Random, new_id

TOKEN_PREFIX = "kgw_"  # noqa: S105 - what every token starts with, so that secret scanners find leaked ones
DEFAULT_LIFETIME = 90 * 86400
MAX_LIFETIME = 366 * 86400


class Unauthenticated(KeygwError):
    """No valid bearer token. Codes: token_missing, token_malformed, token_unknown, token_expired, token_revoked."""

    code = "token_missing"


def new_token(random: Random) -> str:
    """A fresh bearer token."""
    return TOKEN_PREFIX + encode_base64url(random(32))


def token_hash(token: str) -> bytes:
    """SHA-256, 32 bytes: what is stored in place of the token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


class Apps:
    """``operator_hash``: ``token_hash`` of the operator's token, whose secret lives in a 0600 file, not here."""

    def __init__(self, store: AppStore, clock: Clock, random: Random, operator_hash: bytes) -> None:
        self._store = store
        self._clock = clock
        self._random = random
        self._operator = App(OPERATOR_APP, "operator", frozenset(Scope), 0.0, operator_hash)
        self._ended: set[str] = set()

    async def register(self, name: str, scopes: Iterable[str], lifetime: float | None = None) -> tuple[App, str]:
        """A new app and its token, which nobody can read again. ``BadInput`` for an unknown scope or bad lifetime."""
        seconds = DEFAULT_LIFETIME if lifetime is None else lifetime
        if not 0 < seconds <= MAX_LIFETIME:
            raise BadInput(f"a token lives between 1 second and {MAX_LIFETIME} seconds")
        token, now = new_token(self._random), self._clock()
        app = App(
            new_id("app", self._random), name, parse_scopes(scopes), now, token_hash(token), expires_at=now + seconds
        )
        await self._store.add_app(app)
        return app, token

    async def authenticate(self, token: str) -> App:
        """The app that this token belongs to; ``Unauthenticated`` otherwise."""
        if not token.startswith(TOKEN_PREFIX) or len(token) > 128 or not token.isascii():
            raise Unauthenticated("this is not a keygw bearer token", code="token_malformed")
        digest = token_hash(token)
        if hmac.compare_digest(digest, self._operator.token_hash):
            return self._operator
        app = await self._store.app_by_token(digest)
        if app is None or not hmac.compare_digest(digest, app.token_hash):
            raise Unauthenticated("this bearer token is unknown here; register the app again", code="token_unknown")
        self.check(app)
        return app

    def check(self, app: App) -> None:
        """Raise ``Unauthenticated`` if the app has ended meanwhile: for streams that outlive their request."""
        if app.revoked or app.id in self._ended:
            raise Unauthenticated("this app was removed by the operator", code="token_revoked")
        if app.expires_at is not None and self._clock() >= app.expires_at:
            raise Unauthenticated("this bearer token has expired; register the app again", code="token_expired")

    async def revoke(self, app_id: str) -> None:
        """End an app for good; ``NotFound`` if there is none. Its digital keys stay: those are the owner's affair."""
        if await self._store.app(app_id) is None:
            raise NotFound("there is no such app", code="unknown_app")
        await self._store.revoke_app(app_id)
        self._ended.add(app_id)

    async def look(self, _: str = "") -> None:
        """Another gateway has ended an app, or may have: its streams here end with it."""
        self._ended.update(await self._store.revoked_apps())
