"""The device grant (RFC 8628): who has no keyboard shows eight letters, and the person says yes in an app that is in.

The person looks at who asks, and for what, and compares the letters. What is granted stands on the owner keys of the
app that said yes: its home's, or its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from keygw.bridge.access import require
from keygw.bridge.oauth.errors import OauthError
from keygw.bridge.oauth.grants import Grants, Tokens
from keygw.bridge.oauth.records import Answer, Client, GrantKind, OauthStore, Request
from keygw.bridge.people_ports import PersonStore
from keygw.bridge.ports import AppStore, Clock, Credentials
from keygw.bridge.records import App
from keygw.bridge.scopes import Scope
from keygw.crypto.kdf import sha256
from keygw.model.base64url import encode_base64url
from keygw.model.digital_key import DigitalKey, KeyState
from keygw.model.errors import Conflict, Forbidden, NotFound
from keygw.model.ids import Random, new_id

SECONDS = 600
INTERVAL = 5
"""Seconds between two looks of a client at what became of its request."""
MOST_OPEN = 5
"""Requests of one client."""
LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""RFC 8628, section 6.1: no vowels, so no words; 20 to the 8th power of codes."""
CODE_LETTERS = 8


@dataclass(frozen=True, slots=True)
class Asked:
    """A new request, and its device code, which is shown this once."""

    request: Request
    device_code: str


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person is asked: who it is, and what it would be let do."""

    request: Request
    client: Client


class Consents:
    def __init__(
        self,
        store: OauthStore,
        rows: AppStore,
        people: PersonStore,
        grants: Grants,
        credentials: Credentials,
        clock: Clock,
        random: Random,
    ) -> None:
        self._store = store
        self._rows = rows
        self._people = people
        self._grants = grants
        self._credentials = credentials
        self._clock = clock
        self._random = random

    async def ask(self, client: Client, scopes: frozenset[Scope]) -> Asked:
        """RFC 8628 section 3.1. ``OauthError`` slow_down while the client has too many."""
        now, secret = int(self._clock()), encode_base64url(self._random(32))
        names = tuple(sorted(scopes))
        request = Request(
            new_id("req", self._random),
            client.id,
            client.tenant_id,
            _hash(secret),
            self._user_code(),
            names,
            now,
            now + SECONDS,
        )
        if not await self._store.add_request(request, MOST_OPEN):
            raise OauthError(f"this client has {MOST_OPEN} requests that wait: use one of them", code="slow_down")
        return Asked(request, secret)

    async def collect(self, client: Client, device_code: str, thumbprint: str, base: str) -> Tokens:
        """What became of it (section 3.5). ``OauthError`` authorization_pending, slow_down, access_denied,
        expired_token, invalid_grant."""
        request, now = await self._store.request_by_secret(_hash(device_code)), int(self._clock())
        if request is None or request.client_id != client.id or request.answer is Answer.USED:
            raise OauthError("this is no device code of this client, or it was used", code="invalid_grant")
        if now >= request.expires_at:
            raise OauthError("the request is over: make another one", code="expired_token")
        if request.answer is Answer.DENIED:
            raise OauthError("the person said no", code="access_denied")
        if request.answer is Answer.WAITING:
            quick = now < request.asked_at + INTERVAL
            await self._store.save_request(replace(request, asked_at=now), Answer.WAITING)
            raise OauthError(
                f"nobody has answered yet: ask again in {INTERVAL} seconds",
                code="slow_down" if quick else "authorization_pending",
            )
        home = await self._rows.app(request.approved_by or "")
        if home is None or home.revoked:
            raise OauthError("the app that said yes was put out meanwhile", code="access_denied")
        if not await self._store.save_request(replace(request, answer=Answer.USED), Answer.APPROVED):
            raise OauthError("this is no device code of this client, or it was used", code="invalid_grant")
        keys = [key.id for key in await self.owner_keys(home)]
        scopes = [Scope(name) for name in request.scopes]
        app = await self._grants.begin(client, home, keys, scopes, thumbprint, GrantKind.DEVICE_CODE)
        return await self._grants.tokens(client, app.id, thumbprint, base)

    async def look(self, by: App, user_code: str) -> Consent:
        """For the person to see before the answer. ``NotFound`` unknown_request; ``Forbidden`` not_vehicle_owner."""
        return (await self._open(by, user_code))[0]

    async def approve(self, by: App, user_code: str) -> Consent:
        """Yes. ``BoundTokenRefused`` unless the person was seen a moment ago; ``Conflict`` request_answered."""
        self._grants.check_seen(by)
        consent, home = await self._open(by, user_code)
        return await self._answer(consent, Answer.APPROVED, home.id)

    async def deny(self, by: App, user_code: str) -> Consent:
        """No. ``Conflict`` request_answered."""
        consent, home = await self._open(by, user_code)
        return await self._answer(consent, Answer.DENIED, home.id)

    async def _answer(self, consent: Consent, answer: Answer, home_id: str) -> Consent:
        answered = replace(consent.request, answer=answer, approved_by=home_id)
        if consent.request.answer is answer and consent.request.approved_by == home_id:
            return consent  # the same answer again
        if not await self._store.save_request(answered, Answer.WAITING):
            raise Conflict("the request was answered already", code="request_answered")
        return replace(consent, request=answered)

    async def _open(self, by: App, user_code: str) -> tuple[Consent, App]:
        """The request, and the app on whose owner keys the answer would stand."""
        require(by, Scope.KEY_MANAGE)
        home = by if by.home_id is None else await self._rows.app(by.home_id)
        if home is None or not await self.owner_keys(home):  # before the code is looked at: that is not to be told
            raise Forbidden("only who owns a vehicle can let others in", code="not_vehicle_owner")
        request = await self._store.request_by_user_code(_plain(user_code))
        client = None if request is None else await self._store.client(request.client_id)
        over = request is None or self._clock() >= request.expires_at or request.answer is Answer.USED
        if over or request is None or client is None or not by.reaches(request.tenant_id):
            raise NotFound("nobody shows that code, or it is over: look at it again", code="unknown_request")
        return Consent(request, client), home

    async def owner_keys(self, home: App) -> Sequence[DigitalKey]:
        """Those that live, of devices that the gateway hosts for that app, newest of each vehicle."""
        if home.person_id is None:
            return []
        found: dict[str, DigitalKey] = {}
        for key_id in await self._people.keys_of_person(home.person_id):
            key = await self._credentials.key(key_id)
            device = await self._credentials.device(key.device_id)
            if key.state is KeyState.ACTIVE and not key.expired(self._clock()) and device.app_id == home.id:
                found[key.vehicle_id] = key
        return list(found.values())

    def _user_code(self) -> str:
        """Without a bias: of each byte those values count that are a multiple of the letters."""
        code = ""
        most = 256 - 256 % len(LETTERS)
        while len(code) < CODE_LETTERS:
            code += "".join(LETTERS[byte % len(LETTERS)] for byte in self._random(16) if byte < most)
        return code[:CODE_LETTERS]


def shown_code(user_code: str) -> str:
    """In two halves, as people read it."""
    return f"{user_code[:4]}-{user_code[4:]}"


def _plain(user_code: str) -> str:
    """However somebody has typed it (section 6.1)."""
    return "".join(letter for letter in user_code.upper() if letter in LETTERS)


def _hash(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogateescape"))
