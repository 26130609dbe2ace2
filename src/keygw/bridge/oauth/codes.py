"""The authorization code with PKCE (RFC 6749 section 4.1, RFC 7636, RFC 9207): a browser asks, the person logs in by a
passkey and consents in one act, and the client exchanges a code that is good once, for a minute, with its verifier.

Nothing is kept of a request until somebody has consented: the page sends the request back, and the passkey signs a
challenge that is bound to every letter of it and to the browser.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from keygw.bridge.oauth.challenges import Challenges
from keygw.bridge.oauth.clients import Clients, parse_scope
from keygw.bridge.oauth.consents import Consents
from keygw.bridge.oauth.errors import OauthError
from keygw.bridge.oauth.grants import Grants, Tokens
from keygw.bridge.oauth.passkeys import Passkeys
from keygw.bridge.oauth.records import Client, Code, CodeStore, GrantKind
from keygw.bridge.ports import AppStore, Clock
from keygw.bridge.scopes import Scope
from keygw.crypto.kdf import constant_time_equal, sha256
from keygw.model.base64url import encode_base64url
from keygw.model.errors import BadInput
from keygw.model.ids import Random
from keygw.token.passkey import Assertion

SECONDS = 60
KEPT_SECONDS = 3600
"""So long is a code remembered that is over, to notice one that comes twice."""
PREFIX = "kgc_"
MOST_QUERY = 4096
_MOST_FIELDS = 32
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)
_STATE = re.compile(r"[\x20-\x7e]{0,512}", re.ASCII)


class Unsendable(BadInput):
    """The browser must not be sent back (RFC 6749 section 4.1.2.1): who asks, or where to, is not certain."""

    code = "bad_authorization_request"


class SentBack(OauthError):
    """Refused, and the client is told by way of the browser. ``location``: where that goes."""

    def __init__(self, code: str, location: str) -> None:
        super().__init__(code, code=code)
        self.location = location


@dataclass(frozen=True, slots=True)
class Wish:
    """An authorization request that may be granted. ``query``: as it came."""

    query: str
    client: Client
    redirect_uri: str
    scopes: frozenset[Scope]
    state: str | None
    challenge: str
    thumbprint: str | None


class Codes:
    def __init__(
        self,
        store: CodeStore,
        rows: AppStore,
        clients: Clients,
        passkeys: Passkeys,
        challenges: Challenges,
        consents: Consents,
        grants: Grants,
        clock: Clock,
        random: Random,
    ) -> None:
        self._store = store
        self._rows = rows
        self._clients = clients
        self._passkeys = passkeys
        self._challenges = challenges
        self._consents = consents
        self._grants = grants
        self._clock = clock
        self._random = random

    async def wish(self, query: str, base: str) -> Wish:
        """``Unsendable``; ``SentBack``."""
        pairs = _pairs(query)
        client, redirect_uri = await self._sure(pairs)
        found = {name: value for name, value in pairs if value}
        state = found.get("state")

        def back(code: str) -> SentBack:
            kept = None if state is None or not _STATE.fullmatch(state) else state
            return SentBack(code, location(redirect_uri, base, kept, error=code))

        if len({name for name, _ in pairs}) != len(pairs) or (state is not None and not _STATE.fullmatch(state)):
            raise back(code="invalid_request")
        if "request" in found:
            raise back(code="request_not_supported")
        if "request_uri" in found:
            raise back(code="request_uri_not_supported")
        if "response_type" not in found:
            raise back(code="invalid_request")
        if found["response_type"] != "code":
            raise back(code="unsupported_response_type")
        if found.get("response_mode", "query") != "query":
            raise back(code="invalid_request")
        # RFC 7636 section 4.4.1; a challenge without a method would be a plain one
        if found.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(found.get("code_challenge", "")):
            raise back(code="invalid_request")
        if "dpop_jkt" in found and not _CHALLENGE.fullmatch(found["dpop_jkt"]):
            raise back(code="invalid_request")
        if "none" in found.get("prompt", "").split():
            raise back(code="login_required")
        try:
            scopes = parse_scope(found.get("scope"), within=client.scopes)
        except OauthError:
            raise back(code="invalid_scope") from None
        return Wish(query, client, redirect_uri, scopes, state, found["code_challenge"], found.get("dpop_jkt"))

    def ask(self, wish: Wish, browser: str, base: str) -> dict[str, Any]:
        """What the page asks a passkey for. ``browser``: what only this browser knows."""
        return self._passkeys.login(_purpose(wish, browser), base)

    async def allow(self, wish: Wish, browser: str, assertion: Assertion, base: str) -> str:
        """Where the browser goes with the code. ``Forbidden`` passkey_refused, ``Conflict`` challenge_unknown;
        ``SentBack`` access_denied for somebody who has no car to let anybody into."""
        passkey = await self._passkeys.judge(assertion, _purpose(wish, browser), base)
        home = await self._rows.app(passkey.home_id)
        if (
            home is None
            or home.revoked
            or home.tenant_id != wish.client.tenant_id
            or not await self._consents.owner_keys(home)
        ):
            raise SentBack("access_denied", location(wish.redirect_uri, base, wish.state, error="access_denied"))
        text, now = PREFIX + encode_base64url(self._random(32)), int(self._clock())
        names = tuple(sorted(wish.scopes))
        code = Code(
            _hash(text),
            wish.client.id,
            home.id,
            names,
            wish.redirect_uri,
            wish.challenge,
            wish.thumbprint,
            now + SECONDS,
        )
        await self._store.add_code(code, now - KEPT_SECONDS)
        return location(wish.redirect_uri, base, wish.state, code=text)

    def deny(self, wish: Wish, browser: str, challenge: bytes, base: str) -> str:
        """Where the browser goes without one. ``Conflict`` challenge_unknown."""
        self._challenges.check(challenge, _purpose(wish, browser))
        return location(wish.redirect_uri, base, wish.state, error="access_denied")

    async def collect(
        self, client: Client, text: str, redirect_uri: str | None, verifier: str, thumbprint: str, base: str
    ) -> Tokens:
        """Section 4.1.3. ``OauthError`` invalid_grant; a code that comes twice ends what came of it."""
        digest = _hash(text)
        known = await self._store.code(digest)
        if known is None or known.client_id != client.id:
            raise _over()
        code = await self._store.use_code(digest)
        if code is None or code.uses > 1:
            if code is not None and code.grant_id is not None:
                await self._grants.end_reused(code.grant_id)
            raise OauthError("this code was used before: what came of it has ended", code="invalid_grant")
        if self._clock() >= code.expires_at or redirect_uri != code.redirect_uri:
            raise _over()
        proven = encode_base64url(sha256(verifier.encode("utf-8", "surrogateescape")))
        if not _VERIFIER.fullmatch(verifier) or not constant_time_equal(proven.encode(), code.challenge.encode()):
            raise OauthError("the code_verifier is not that of the request", code="invalid_grant")
        if code.thumbprint is not None and not constant_time_equal(code.thumbprint.encode(), thumbprint.encode()):
            raise OauthError("the proof is by another key than dpop_jkt has named", code="invalid_grant")
        home = await self._rows.app(code.home_id)
        if home is None or home.revoked:
            raise _over()
        keys = [key.id for key in await self._consents.owner_keys(home)]
        scopes = [Scope(name) for name in code.scopes]
        app = await self._grants.begin(client, home, keys, scopes, thumbprint, GrantKind.AUTHORIZATION_CODE)
        after = await self._store.set_code_grant(digest, app.id)
        if after is None or after.uses > 1:  # it came again meanwhile
            await self._grants.end_reused(app.id)
            raise _over()
        return await self._grants.tokens(client, app.id, thumbprint, base)

    async def _sure(self, pairs: Sequence[tuple[str, str]]) -> tuple[Client, str]:
        """Who asks, and where the answer goes: both must be certain before the browser is sent anywhere."""
        ids = [value for name, value in pairs if name == "client_id"]
        uris = [value for name, value in pairs if name == "redirect_uri"]
        if len(ids) != 1:
            raise Unsendable("the link names no client_id, or several")
        try:
            client = await self._clients.known(ids[0])
        except OauthError:
            raise Unsendable("the app that made this link is not registered here") from None
        if not client.redirect_uris:
            raise Unsendable("the app that made this link has registered no redirect_uris")
        if len(uris) != 1 or uris[0] not in client.redirect_uris:
            raise Unsendable("the link leads back to an address that the app has not registered")
        return client, uris[0]


def location(redirect_uri: str, base: str, state: str | None, **told: str) -> str:
    """RFC 6749 sections 4.1.2 and 4.1.2.1, with ``iss`` (RFC 9207)."""
    answer = {**told, **({} if state is None else {"state": state}), "iss": base}
    return f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{urlencode(answer)}"


def _pairs(query: str) -> list[tuple[str, str]]:
    try:
        if len(query) > MOST_QUERY:
            raise ValueError("too long")
        return parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise Unsendable("the link cannot be read") from None


def _purpose(wish: Wish, browser: str) -> str:
    return f"authorize {sha256(wish.query.encode()).hex()} {sha256(browser.encode()).hex()}"


def _hash(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogateescape"))


def _over() -> OauthError:
    return OauthError(
        "this is no code of this client and request, or it is over: ask the person anew", code="invalid_grant"
    )
