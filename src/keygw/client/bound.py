"""Tokens that are bound to a key (RFC 9449): a proof for each request, the gateway's nonce in it, refreshed in time.

``enter`` is the way in: it registers this installation and exchanges the code that the car shows. What it answers goes
to ``Keygw`` in the place of a token, and into a safe place, beside the key: ``held`` for the tokens, the signer for the
key. Whoever has only one of them has nothing.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from pydantic import TypeAdapter, ValidationError

from keygw.client.problem import OauthRefused, Stranger, Unreachable
from keygw.crypto.signer import LocalSigner, Signer
from keygw.token.dpop import make_proof

PAIRING_CODE = "urn:keygw:params:oauth:grant-type:pairing-code"
EARLY_S = 30.0
"""So long before its end an access token is refreshed."""
PENDING_S = 1.0
TIMEOUT = httpx.Timeout(40.0, connect=5.0)
_TOLD = TypeAdapter(dict[str, Any])


@dataclass(frozen=True, slots=True)
class Held:
    """What an installation holds of a grant. ``expires_at``: of the access token, by this machine's clock."""

    client_id: str
    grant_id: str
    scope: str
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: float


class BoundAuth(httpx.Auth):
    """For ``httpx`` and for ``Keygw``. ``kept``: called with each new ``Held``, before it is used: write it down then,
    for the refresh token of before ends with it."""

    requires_response_body = True

    def __init__(
        self,
        url: str,
        signer: Signer,
        held: Held | None = None,
        *,
        kept: Callable[[Held], None] = lambda held: None,
        clock: Callable[[], float] = time.time,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.nonce: str | None = None
        self._held = held
        self._signer = signer
        self._kept = kept
        self._clock = clock
        self._transport = transport
        self._one = asyncio.Lock()

    @property
    def held(self) -> Held:
        if self._held is None:
            raise OauthRefused("invalid_grant", "this installation has not been let in yet")
        return self._held

    def proof(self, method: str, url: str, access_token: str | None = None) -> str:
        """A fresh one, for one request."""
        jti = secrets.token_urlsafe(16)
        return make_proof(
            self._signer, method, url, now=self._clock(), jti=jti, nonce=self.nonce, access_token=access_token
        )

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        if self._clock() > self.held.expires_at - EARLY_S:
            await self.refresh(self.held)
        for tried in range(3):
            held = self.held
            request.headers["Authorization"] = f"DPoP {held.access_token}"
            request.headers["DPoP"] = self.proof(request.method, str(request.url), held.access_token)
            response = yield request
            self.nonce = response.headers.get("DPoP-Nonce", self.nonce)
            if response.status_code != 401 or tried == 2:
                return
            told = response.headers.get("WWW-Authenticate", "")
            if "invalid_token" in told:  # ended early, or the gateway has moved
                await self.refresh(held)
            elif "use_dpop_nonce" not in told:
                return

    async def refresh(self, before: Held) -> None:
        """Once, whoever asks at the same time. ``OauthRefused``, ``Unreachable``."""
        async with self._one:
            if self.held != before:
                return
            form = {"grant_type": "refresh_token", "client_id": before.client_id}
            self._take(before.client_id, await self.token({**form, "refresh_token": before.refresh_token}))

    async def register(self, name: str, scopes: Sequence[str]) -> str:
        """The id of a new client, which may ask for these scopes. ``OauthRefused``, ``Unreachable``, ``Stranger``."""
        made = await self._post("/oauth2/register", json={"client_name": name, "scope": " ".join(scopes)})
        return str(made["client_id"])

    async def enter(self, client_id: str, pairing_code: str, *, vehicle_name: str | None = None) -> None:
        """Be let in by the code that the car shows, with all that the client registered for. ``OauthRefused``,
        ``Unreachable``, ``Stranger``."""
        form = {
            "grant_type": PAIRING_CODE,
            "client_id": client_id,
            "pairing_code": pairing_code,
            **({} if vehicle_name is None else {"vehicle_name": vehicle_name}),
        }
        while True:
            try:
                self._take(form["client_id"], await self.token(form))
                return
            except OauthRefused as refusal:
                if refusal.error != "authorization_pending":
                    raise
                await asyncio.sleep(PENDING_S)

    async def token(self, form: Mapping[str, str]) -> dict[str, Any]:
        """The answer of the token endpoint; asked once more where it wants another nonce."""
        where = "/oauth2/token"
        for tried in range(2):
            try:
                return await self._post(where, data=dict(form), headers={"DPoP": self.proof("POST", self.url + where)})
            except OauthRefused as refusal:
                if refusal.error != "use_dpop_nonce" or tried:
                    raise
        raise AssertionError("unreachable")

    def move(self, url: str) -> None:
        """The same gateway at another address."""
        self.url = url.rstrip("/")

    def _take(self, client_id: str, told: Mapping[str, Any]) -> None:
        try:
            held = Held(
                client_id,
                str(told["grant_id"]),
                str(told["scope"]),
                str(told["access_token"]),
                str(told["refresh_token"]),
                self._clock() + float(told["expires_in"]),
            )
        except (KeyError, ValueError) as error:
            raise Stranger("what answers there is no authorization server of keygw's") from error
        self._kept(held)
        self._held = held

    async def _post(self, where: str, **sent: Any) -> dict[str, Any]:
        trust = httpx.URL(self.url).host not in ("127.0.0.1", "::1", "localhost")
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=trust, transport=self._transport) as http:
                response = await http.post(self.url + where, **sent)
        except httpx.HTTPError as error:
            raise Unreachable(f"no answer ({type(error).__name__})", retryable=True, may_have_happened=True) from error
        self.nonce = response.headers.get("DPoP-Nonce", self.nonce)
        try:
            told = _TOLD.validate_json(response.content)
        except ValidationError as error:
            raise Stranger("what answers there is no gateway") from error
        if not response.is_success:
            raise OauthRefused(
                str(told.get("error", told.get("code", response.status_code))),
                str(told.get("error_description", told.get("detail", ""))),
            )
        return told


async def enter(
    url: str,
    pairing_code: str,
    *,
    name: str,
    scopes: Sequence[str],
    signer: Signer | None = None,
    vehicle_name: str | None = None,
    kept: Callable[[Held], None] = lambda held: None,
) -> BoundAuth:
    """From nothing: register this installation and exchange the code that the car shows, two requests.

    ``signer``: of this installation's key; without it one that lives as long as this process. ``OauthRefused``,
    ``Unreachable``, ``Stranger``.
    """
    auth = BoundAuth(url, signer or LocalSigner.generate(), kept=kept)
    await auth.enter(await auth.register(name, scopes), pairing_code, vehicle_name=vehicle_name)
    return auth
