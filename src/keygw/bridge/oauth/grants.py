"""Grants: what a person has let a client do, for how long, and the tokens that say so.

A grant calls as an app of its own (``App``), with a hosted device of its own, whose digital key was shared from the
owner's and is no wider than the grant's scopes. Ending the grant ends the app at once, and its keys in the car.

Refresh tokens are replaced at each use, and one that was replaced before ends the grant (RFC 9700, section 4.14.2),
with one exception: the one just replaced is taken again while its successor was never used, because an answer may get
lost. They are bound to the client's key as well, so whoever merely copies one does nothing with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from keygw.bridge.access import Access, require
from keygw.bridge.apps import Apps
from keygw.bridge.errands import Errands
from keygw.bridge.keys import Keys
from keygw.bridge.notes import Notes
from keygw.bridge.oauth.errors import BoundTokenRefused, OauthError, ProofRefused
from keygw.bridge.oauth.proofs import Proofs
from keygw.bridge.oauth.records import Client, Grant, GrantKind, OauthStore
from keygw.bridge.oauth.rights import entitlements_of
from keygw.bridge.ports import AppStore, Clock, Credentials, IssuerBook
from keygw.bridge.records import App
from keygw.bridge.scopes import Scope
from keygw.crypto.kdf import constant_time_equal, sha256
from keygw.model.base64url import encode_base64url
from keygw.model.digital_key import KeyState
from keygw.model.errors import NotFound, TokenError
from keygw.model.ids import ID_BYTES, Random, new_id
from keygw.token.access import AccessClaims, decode_access, encode_access
from keygw.token.dpop import Proof

ACCESS_SECONDS = 600
IDLE_SECONDS = 90 * 86400
"""A grant that was not refreshed for so long is over."""
STEP_UP_SECONDS = 300
"""So long after a person was seen to be there may a grant start the engine, share a key and pair."""
REFRESH_PREFIX = "kgr_"
MOST_OPENED = 4096
"""Access tokens whose signature need not be checked again."""
_SECRET_LETTERS = 43
_APP_ID = 20


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the token endpoint answers. ``expires_in``: seconds, of the access token."""

    app: App
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int
    scopes: frozenset[Scope]


@dataclass(frozen=True, slots=True)
class GrantView:
    """A grant as its person sees it."""

    grant: Grant
    app: App
    client: Client | None


class Grants:
    def __init__(
        self,
        store: OauthStore,
        rows: AppStore,
        apps: Apps,
        keys: Keys,
        access: Access,
        credentials: Credentials,
        errands: Errands,
        issuer: IssuerBook,
        proofs: Proofs,
        notes: Notes,
        clock: Clock,
        random: Random,
    ) -> None:
        self._store = store
        self._rows = rows
        self._apps = apps
        self._keys = keys
        self._access = access
        self._credentials = credentials
        self._errands = errands
        self._issuer = issuer
        self._proofs = proofs
        self._notes = notes
        self._clock = clock
        self._random = random
        self._opened: dict[bytes, tuple[object, AccessClaims]] = {}

    async def begin(
        self,
        client: Client,
        home: App,
        key_ids: Sequence[str],
        scopes: Iterable[Scope],
        thumbprint: str,
        kind: GrantKind,
    ) -> App:
        """A new grant of the home's person, with a key for each of these owner keys. ``tokens`` gives it its first."""
        now, wanted = self._clock(), frozenset(scopes)
        manages = not wanted.isdisjoint((Scope.KEY_MANAGE, Scope.KEY_SHARE))
        app = App(
            new_id("app", self._random),
            client.name,
            wanted,
            now,
            sha256(self._random(32)),  # of no token: this app has those of the grant
            expires_at=now + IDLE_SECONDS,
            tenant_id=home.tenant_id,
            person_id=home.person_id,
            home_id=home.id if manages else None,
        )
        unspoken = sha256(self._random(32))  # nobody has that refresh token
        grant = Grant(app.id, client.id, home.id, thumbprint, kind, int(now), int(now), unspoken)
        note = self._notes.note(home, "grant.given", home.tenant_id, app_id=app.id, client_id=client.id)
        await self._store.add_grant(app, grant, note)
        for key_id in key_ids:
            await self.add_key(home, app, key_id)
        return app

    async def add_key(self, home: App, app: App, parent_id: str) -> None:
        """Share it to a new hosted device of the grant, no wider than the grant."""
        parent = await self._credentials.key(parent_id)
        device = await self._credentials.create_hosted_device(app.id, app.name, actor=home.actor)
        seen = await self._keys.share(
            home,
            parent.id,
            device_public_key=device.public_key,
            entitlements=entitlements_of(app.scopes),
            expires_at=parent.expires_at,
            label=app.name,
        )
        await self._store.add_grant_key(app.id, seen.key.id)

    async def extend(self, home: App, key_id: str, grant: Grant) -> App:
        """The same grant, for one more vehicle, or another key of the same. ``OauthError`` if it has ended."""
        app = await self._rows.app(grant.app_id)
        if app is None:
            raise _over()
        await self.add_key(home, app, key_id)
        await self._store.set_auth_time(app.id, int(self._clock()))
        return app

    async def tokens(self, client: Client, app_id: str, thumbprint: str, base: str) -> Tokens:
        """Fresh ones, for whoever has just proven what the grant stands on; the former refresh token ends with it.
        ``OauthError`` invalid_grant if the grant is not theirs, or over."""
        grant, app = await self._store.grant(app_id), await self._rows.app(app_id)
        if (
            grant is None
            or app is None
            or app.revoked
            or (grant.client_id, grant.thumbprint) != (client.id, thumbprint)
        ):
            raise _over()
        return await self._mint(grant, app, app.scopes, await self._replace(grant, None), base)

    async def _mint(self, grant: Grant, app: App, scopes: frozenset[Scope], refresh: str, base: str) -> Tokens:
        """An access token beside the refresh token. ``base``: the URL of this gateway, as clients see it."""
        now = int(self._clock())
        claims = AccessClaims(
            issuer=base,
            subject=app.person_id or app.id,
            client_id=grant.client_id,
            grant=app.id,
            scope=" ".join(sorted(scopes)),
            token_id=encode_base64url(self._random(ID_BYTES)),
            issued_at=now,
            expires_at=now + ACCESS_SECONDS,
            auth_time=grant.auth_time,
            thumbprint=grant.thumbprint,
        )
        issuer = self._issuer.keyring.current
        token = await asyncio.to_thread(encode_access, claims, issuer.signer, issuer.kid)  # an HSM may take its time
        return Tokens(app, token, refresh, ACCESS_SECONDS, scopes)

    async def refresh(
        self, client: Client, text: str, thumbprint: str, scope: frozenset[Scope] | None, base: str
    ) -> Tokens:
        """RFC 6749 section 6. ``scope``: narrower for this access token alone. ``OauthError`` invalid_grant,
        invalid_scope."""
        grant, app = await self._of_refresh(text)
        if grant is None or app is None or grant.client_id != client.id or grant.thumbprint != thumbprint:
            raise _over()
        digest = _hash(text)
        if constant_time_equal(digest, grant.refresh_hash):
            former: bytes | None = digest
        elif grant.refresh_former is not None and constant_time_equal(digest, grant.refresh_former):
            former = grant.refresh_former
        else:
            await self._end(app, app)
            raise OauthError(
                "this refresh token was replaced before, so somebody else may have it: the grant has ended, ask anew",
                code="invalid_grant",
            )
        if scope is not None and not scope <= app.scopes:
            raise OauthError("the grant holds less than that scope", code="invalid_scope")
        return await self._mint(grant, app, scope or app.scopes, await self._replace(grant, former), base)

    async def open(self, token: str, proof: str | None, method: str, url: str, base: str) -> tuple[App, Proof]:
        """Who calls with a token that is bound to a key. ``BoundTokenRefused``; ``Conflict`` busy."""
        try:
            claims = self._claims(token, base)
        except TokenError as error:
            code = "token_expired" if error.code == "token_expired" else "token_malformed"
            raise BoundTokenRefused(str(error), code=code) from error
        try:
            shown = await self._proofs.check(proof, method, url, token)
        except ProofRefused as error:
            raise BoundTokenRefused(str(error), code=error.code, nonce=error.nonce) from error
        if not constant_time_equal(shown.thumbprint.encode(), claims.thumbprint.encode()):
            raise BoundTokenRefused("the proof is by another key than the token's", code="invalid_dpop_proof")
        return await self._caller(claims), shown

    async def renewed(self, token: str, before: App, base: str) -> App:
        """The caller of a stream that is open already, by a fresh token of the same grant. The stream was opened with a
        proof; who has only the token cannot speak in it."""
        try:
            claims = self._claims(token, base)
        except TokenError as error:
            raise BoundTokenRefused(str(error), code="token_malformed") from error
        if claims.grant != before.id:
            raise BoundTokenRefused("the token is of another grant than the stream", code="token_malformed")
        return await self._caller(claims)

    async def introspect(self, text: str, base: str) -> dict[str, object]:
        """RFC 7662 section 2.2: what a token is good for now; nothing but ``active: false`` for any other text."""
        if text.startswith(REFRESH_PREFIX):
            grant, app = await self._of_refresh(text)
            if grant is None or app is None or not constant_time_equal(_hash(text), grant.refresh_hash):
                return {"active": False}
            scope, more = app.scopes, {"exp": int(app.expires_at or 0), "token_type": "refresh_token"}
        else:
            try:
                claims = self._claims(text, base)
                app = await self._caller(claims)
            except (TokenError, BoundTokenRefused):
                return {"active": False}
            grant = await self._store.grant(app.id)
            scope, more = app.scopes, {"exp": claims.expires_at, "iat": claims.issued_at, "token_type": "DPoP"}
        if grant is None:
            return {"active": False}
        about = {"client_id": grant.client_id, "sub": app.person_id, "iss": base, "cnf": {"jkt": grant.thumbprint}}
        return {"active": True, "scope": " ".join(sorted(scope)), **about, **more}

    async def revoke_token(self, client: Client, text: str, base: str) -> None:
        """RFC 7009: the whole grant of that token ends. Any other text is no error."""
        if text.startswith(REFRESH_PREFIX):
            grant, app = await self._of_refresh(text)
            known = (grant.refresh_hash, grant.refresh_former) if grant is not None else ()
            if not any(each is not None and constant_time_equal(_hash(text), each) for each in known):
                return
        else:
            try:
                claims = self._claims(text, base)
            except TokenError:
                return
            grant, app = await self._store.grant(claims.grant), await self._rows.app(claims.grant)
        if grant is not None and app is not None and grant.client_id == client.id:
            await self._end(app, app)

    async def list(self, by: App) -> list[GrantView]:
        """An operator: those of its tenant. An app: its own; with ``key.manage``, all of its person's."""
        if by.operator:
            require(by, Scope.APP_READ)
            found = await self._store.grants_of_tenant(by.tenant_id)
        elif by.home_id is not None and Scope.KEY_MANAGE in by.scopes:
            found = await self._store.grants_of_home(by.home_id)
        else:
            own = await self._store.grant(by.id)
            found = [own] if own is not None else []
        return [await self._view(grant) for grant in found]

    async def get(self, by: App, app_id: str) -> GrantView:
        """``NotFound`` unknown_grant, also for somebody else's."""
        grant = await self._store.grant(app_id)
        if grant is None:
            raise _unknown()
        view = await self._view(grant)
        managed = by.home_id == grant.home_id and Scope.KEY_MANAGE in by.scopes
        reached = by.operator and by.reaches(view.app.tenant_id)
        if not (reached or managed or by.id == app_id):
            raise _unknown()
        return view

    async def end(self, by: App, app_id: str) -> None:
        """Its tokens are good for nothing from now on, and its keys on their way to being dead. Again: a success."""
        view = await self.get(by, app_id)
        if by.operator:
            require(by, Scope.APP_MANAGE)
        await self._end(by, view.app)

    async def saw(self, app: App) -> GrantView:
        """The person behind this grant was seen just now: its next access token says so. ``NotFound`` for no grant."""
        if await self._store.grant(app.id) is None:
            raise _unknown()
        await self._store.set_auth_time(app.id, int(self._clock()))
        return await self.get(app, app.id)

    async def end_reused(self, app_id: str) -> None:
        """What came of a code that came twice (RFC 6749 section 4.1.2)."""
        app = await self._rows.app(app_id)
        if app is not None and not app.revoked:
            await self._end(app, app)

    def check_seen(self, app: App) -> None:
        """Was the person seen to be there a moment ago? ``BoundTokenRefused`` insufficient_user_authentication (RFC
        9470). What an operator has registered or runs is no person's, and is let through."""
        if app.seen_at is not None and self._clock() - app.seen_at > STEP_UP_SECONDS:
            raise BoundTokenRefused(
                f"this takes a person who was seen within {STEP_UP_SECONDS} seconds: use a passkey, or give the "
                "car's code once more",
                code="insufficient_user_authentication",
                max_age=STEP_UP_SECONDS,
            )

    async def _end(self, by: App, app: App) -> None:
        await self._apps.revoke(app.id, by)
        grant = await self._store.grant(app.id)
        for key_id in grant.key_ids if grant is not None else ():
            key = await self._credentials.key(key_id)
            if key.state in (KeyState.ACTIVE, KeyState.SUSPENDED):
                key = await self._credentials.revoke(key_id, actor=by.actor)
            self._errands.request(key.vehicle_id)

    def _claims(self, text: str, base: str) -> AccessClaims:
        """``decode_access``, once for each token: its hash is remembered, while the issuer keys stay what they are and
        until it expires. What has become of the grant since then says ``_caller``. ``TokenError``."""
        trusted, now = self._issuer.keyring.trusted, self._clock()
        digest = sha256(f"{base} {text}".encode("utf-8", "replace"))
        known = self._opened.get(digest)
        if known is not None and known[0] is trusted and now < known[1].expires_at:
            return known[1]
        claims = decode_access(text, trusted, now=now, issuer=base)
        if len(self._opened) >= MOST_OPENED:
            self._opened.clear()
        self._opened[digest] = trusted, claims
        return claims

    async def _caller(self, claims: AccessClaims) -> App:
        """The grant's app as it stands, with what this token says of it."""
        app = await self._rows.app(claims.grant)
        if app is None or app.revoked:
            raise BoundTokenRefused("this grant was ended: ask the owner anew", code="token_revoked")
        self._apps.check(app)
        scopes = app.scopes & {each for each in Scope if each.value in claims.scope.split()}
        ends = min(float(claims.expires_at), app.expires_at or float(claims.expires_at))
        return replace(app, scopes=scopes, expires_at=ends, seen_at=float(claims.auth_time), proven=True)

    async def _of_refresh(self, text: str) -> tuple[Grant | None, App | None]:
        """Whose token it says to be: the secret is still to be compared."""
        app_id, dot, secret = text.removeprefix(REFRESH_PREFIX).partition(".")
        if not text.startswith(REFRESH_PREFIX) or not dot or len(app_id) != _APP_ID or len(secret) != _SECRET_LETTERS:
            return None, None
        app = await self._rows.app(app_id)
        if app is None or app.revoked or self._clock() >= (app.expires_at or 0):
            return None, None
        return await self._store.grant(app_id), app

    async def _replace(self, grant: Grant, former: bytes | None) -> str:
        fresh = self._refresh_token(grant.app_id)
        ends = self._clock() + IDLE_SECONDS
        if not await self._store.replace_refresh(grant.app_id, grant.refresh_hash, _hash(fresh), former, ends):
            raise OauthError("another refresh came first: use the token that it was answered", code="invalid_grant")
        return fresh

    def _refresh_token(self, app_id: str) -> str:
        return f"{REFRESH_PREFIX}{app_id}.{encode_base64url(self._random(32))}"

    async def _view(self, grant: Grant) -> GrantView:
        app = await self._rows.app(grant.app_id)
        if app is None:
            raise _unknown()
        return GrantView(grant, app, await self._store.client(grant.client_id))


def _hash(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogateescape"))


def _over() -> OauthError:
    return OauthError("this is no refresh token of this client and key, or its grant is over", code="invalid_grant")


def _unknown() -> NotFound:
    return NotFound("there is no such grant for this caller", code="unknown_grant")
