"""The registry of apps: who may call the bridge, and with which scopes. Operators call with such tokens too.

A bearer token is ``kgw_`` and 32 random bytes in base64url. It is shown once; only its SHA-256 is stored, and an app is
looked up by that hash, so neither a stolen database nor the time of a look-up gives a token away.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from keygw.bridge.access import require
from keygw.bridge.notes import Notes
from keygw.bridge.ports import BridgeStore, Clock
from keygw.bridge.records import App
from keygw.bridge.roles import OperatorRole
from keygw.bridge.scopes import Scope, parse_scopes
from keygw.credentials.actors import OPERATOR_APP
from keygw.credentials.once import Once, Replayed
from keygw.model.base64url import encode_base64url
from keygw.model.errors import BadInput, KeygwError, NotFound
from keygw.model.ids import Random, new_id
from keygw.model.tenant import DEFAULT_TENANT

TOKEN_PREFIX = "kgw_"  # noqa: S105 - what every token starts with, so that secret scanners find leaked ones
DEFAULT_LIFETIME = 90 * 86400
MAX_LIFETIME = 366 * 86400


class Unauthenticated(KeygwError):
    """No valid bearer token. Codes: token_missing, token_malformed, token_unknown, token_expired, token_revoked.

    ``dpop``: the token is one that is bound to a key; ``nonce``, ``max_age``: see ``oauth.errors``."""

    code = "token_missing"
    dpop = False
    nonce: str | None = None
    max_age: int | None = None


class ProofRequired(Unauthenticated):
    """What was asked for, or the token, takes a proof by the caller's key, and none came (RFC 9449 section 7.1)."""

    code = "dpop_required"
    dpop = True


def new_token(random: Random) -> str:
    """A fresh bearer token."""
    return TOKEN_PREFIX + encode_base64url(random(32))


def token_hash(token: str) -> bytes:
    """SHA-256, 32 bytes: what is stored in place of the token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def token_life(wanted: int | None) -> int:
    """Seconds, by default 90 days. ``BadInput`` for what is no life of a token."""
    seconds = DEFAULT_LIFETIME if wanted is None else wanted
    if not 1 <= seconds <= MAX_LIFETIME:
        raise BadInput(f"a token lives between 1 second and {MAX_LIFETIME} seconds")
    return seconds


class Apps:
    """``operator_hash``: ``token_hash`` of the operator's token, whose secret lives in a 0600 file, not here."""

    def __init__(self, store: BridgeStore, notes: Notes, clock: Clock, random: Random, operator_hash: bytes) -> None:
        self._store = store
        self._notes = notes
        self._clock = clock
        self._random = random
        self._bootstrap = App(
            OPERATOR_APP,
            "operator",
            frozenset(Scope),
            0.0,
            operator_hash,
            tenant_id=None,
            role=OperatorRole.ADMIN,
        )
        self._ended: set[bytes] = set()
        self._streams: dict[bytes, set[Callable[[], None]]] = {}

    async def register(
        self,
        name: str,
        scopes: Iterable[str],
        lifetime: int | None = None,
        *,
        tenant_id: str = DEFAULT_TENANT,
        by: App | None = None,
        once: Once | None = None,
        machine: bool = False,
        thumbprint: str | None = None,
    ) -> tuple[App, str]:
        """A new app and its token, which nobody can read again. ``BadInput`` for an unknown scope or bad lifetime.

        ``thumbprint``: the token counts with a proof by that key alone. ``machine``: it is a bearer token that may
        command cars all the same. Neither: a bearer token that commands nothing.
        ``by``: the operator who registers it; the gateway's own, unless it is said. ``Replayed`` if the same request
        has registered one before, whose token is gone."""
        seconds = token_life(lifetime)
        if machine and thumbprint is not None:
            raise BadInput("an app whose token is bound to a key needs no exception: leave machine out")
        token, now = new_token(self._random), self._clock()
        app = App(
            new_id("app", self._random),
            name,
            parse_scopes(scopes),
            now,
            token_hash(token),
            expires_at=now + seconds,
            tenant_id=tenant_id,
            machine=machine,
            thumbprint=thumbprint,
        )
        note = self._notes.note(by or self._bootstrap, "app.registered", tenant_id, app_id=app.id)
        try:
            await self._store.add_app(app, note, once)
        except Replayed:
            if once is not None:
                once.on_replay()
            raise
        return app, token

    async def list(self, by: App) -> Sequence[App]:
        """Those of the operator's tenant, oldest first, removed ones too."""
        require(by, Scope.APP_READ)
        return await self._store.apps(by.tenant_id)

    async def get(self, by: App, app_id: str) -> App:
        """``NotFound`` unknown_app, also for another tenant's."""
        require(by, Scope.APP_READ)
        return await self._known(by, app_id)

    async def authenticate(self, token: str, thumbprint: str | None = None) -> App:
        """The app or operator that this token belongs to; ``Unauthenticated`` otherwise.

        ``thumbprint``: of the key whose proof came with it."""
        if not token.startswith(TOKEN_PREFIX) or len(token) > 128 or not token.isascii():
            raise Unauthenticated("this is not a keygw bearer token", code="token_malformed")
        digest = token_hash(token)
        if hmac.compare_digest(digest, self._bootstrap.token_hash):
            if await self._store.bootstrap_ended(digest):
                raise _ended(self._bootstrap)
            return _shown(self._bootstrap, thumbprint)
        app = await self._by_token(digest)
        if app is None or not hmac.compare_digest(digest, app.token_hash):
            raise Unauthenticated("this bearer token is unknown here; register the app again", code="token_unknown")
        self.check(app)
        return _shown(app, thumbprint)

    async def acting(self, app_id: str) -> App | None:
        """That app, grant or operator, as it would call now; ``None``: its token has ended, or run out."""
        if app_id == self._bootstrap.id:
            ended = await self._store.bootstrap_ended(self._bootstrap.token_hash)
            found = None if ended else self._bootstrap
        elif app_id.startswith("opr_"):
            operator = await self._store.operator(app_id)
            found = None if operator is None else operator.caller
        else:
            found = await self._store.app(app_id)
        try:
            if found is not None:
                self.check(found)
        except Unauthenticated:
            return None
        return found

    def check(self, app: App) -> None:
        """Raise ``Unauthenticated`` if its token has ended meanwhile: for streams that outlive their request."""
        if app.revoked or app.token_hash in self._ended:
            raise _ended(app)
        if app.expires_at is not None and self._clock() >= app.expires_at:
            raise Unauthenticated("this bearer token has expired; register the app again", code="token_expired")

    @contextmanager
    def holding(self, app: App, end: Callable[[], None]) -> Iterator[None]:
        """``end`` is called as soon as the caller's token ends early, by whichever gateway on the database."""
        mine = self._streams.setdefault(app.token_hash, set())
        mine.add(end)
        try:
            yield
        finally:
            mine.discard(end)
            if not mine:
                self._streams.pop(app.token_hash, None)

    def held(self, app: App) -> int:
        """How many streams of that token are open."""
        return len(self._streams.get(app.token_hash, ()))

    async def revoke(self, app_id: str, by: App | None = None) -> None:
        """End an app for good; ``NotFound`` if there is none. Its digital keys stay: those are the owner's affair."""
        by = by or self._bootstrap
        app = await self._known(by, app_id)
        note = self._notes.ending(by, "app.removed", app.tenant_id, app.id, app_id=app.id)
        await self._store.revoke_app(app.id, note)
        self.ended(app.token_hash)

    def ended(self, token_hash: bytes) -> None:
        """That token is good for nothing from now on, and what streams to it ends."""
        self._ended.add(token_hash)
        for end in tuple(self._streams.get(token_hash, ())):
            end()

    async def look(self, _: str = "") -> None:
        """Another gateway has ended a token, or may have: its streams here end with it."""
        for digest in tuple(self._streams):
            if digest == self._bootstrap.token_hash:
                ended = await self._store.bootstrap_ended(digest)
            else:
                app = await self._by_token(digest)
                ended = app is None or app.revoked
            if ended:
                self.ended(digest)

    async def _by_token(self, digest: bytes) -> App | None:
        app = await self._store.app_by_token(digest)
        if app is None:
            operator = await self._store.operator_by_token(digest)
            app = None if operator is None else operator.caller
        return app

    async def _known(self, by: App, app_id: str) -> App:
        found = await self._store.app(app_id)
        if found is None or not by.reaches(found.tenant_id):
            raise NotFound("there is no such app", code="unknown_app")
        return found


def require_proof(app: App) -> None:
    """What changes a car takes a proof by the caller's key; ``ProofRequired`` dpop_required. A machine that an operator
    has registered as one is let through, and an operator who may register machines: refused, it would register one."""
    if not (app.proven or app.machine or (app.operator and Scope.APP_MANAGE in app.scopes)):
        raise ProofRequired(
            "a command to a car takes a proof by the caller's key (DPoP): be let in at /oauth2/token, or have the app "
            "registered with dpop_jkt; for a machine or a test with machine: true"
        )


def _shown(app: App, thumbprint: str | None) -> App:
    """The caller, whose token came as it must."""
    if app.thumbprint is None and thumbprint is None:
        return app
    if thumbprint is None:
        raise ProofRequired(
            "this token is bound to a key: send it as Authorization: DPoP, with a proof in a DPoP header"
        )
    if app.thumbprint is None:
        raise Unauthenticated("this token is bound to no key: send it as Authorization: Bearer", code="token_malformed")
    if not hmac.compare_digest(app.thumbprint.encode(), thumbprint.encode()):
        raise ProofRequired("the proof is by another key than the token's", code="invalid_dpop_proof")
    return replace(app, proven=True)


def _ended(app: App) -> Unauthenticated:
    if app.operator:
        return Unauthenticated("this operator's token was ended by another operator", code="token_revoked")
    return Unauthenticated("this app was removed by the operator", code="token_revoked")
