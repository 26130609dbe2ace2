"""The pairing-code grant: whoever reads the code that the car shows is let in, and becomes an owner on the way.

The gateway never knows the code; it takes the car's word, by a whole pairing (``protocols/owner_pairing``). The owner
key goes to a hosted device of the client's *home*, an app row that nobody can call as; the grant gets a key shared from
it. A lost phone comes back the same way: the code is the recovery.

The radio takes its time. A request waits for a while, then hears authorization_pending, and the client asks again with
the same code; nothing is begun twice, and an answer that got lost is given again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from keygw.bridge.notes import Notes
from keygw.bridge.oauth.clients import OFFERED
from keygw.bridge.oauth.errors import OauthError
from keygw.bridge.oauth.grants import Grants, Tokens
from keygw.bridge.oauth.records import Client, Grant, GrantKind, OauthStore
from keygw.bridge.pairings import SECONDS, Pairings
from keygw.bridge.ports import AppStore, Clock
from keygw.bridge.records import App
from keygw.bridge.scopes import Scope
from keygw.crypto.kdf import sha256
from keygw.model.errors import BadInput, Conflict
from keygw.model.ids import Random, new_id
from keygw.model.person import Person

WAIT_SECONDS = 20.0
"""How long one request waits for the car."""
MOST_ATTEMPTS = 1000
_REASONS = {
    "out_of_range": "no car that shows a pairing code was heard: hold the car's pairing page open and come closer",
    "pairing_refused": "the car refuses that code",
    "bad_proof": "the car refuses that code",
}


@dataclass(slots=True)
class _Attempt:
    """One code that is being tried. ``until``: when it is forgotten, by the gateway's clock."""

    until: float
    scopes: frozenset[Scope]
    task: asyncio.Task[App] = field(repr=False)


class Arrivals:
    def __init__(
        self,
        store: OauthStore,
        rows: AppStore,
        pairings: Pairings,
        grants: Grants,
        notes: Notes,
        clock: Clock,
        random: Random,
        wait: float = WAIT_SECONDS,
    ) -> None:
        self._store = store
        self._rows = rows
        self._pairings = pairings
        self._grants = grants
        self._notes = notes
        self._clock = clock
        self._random = random
        self._wait = wait
        self._attempts: dict[bytes, _Attempt] = {}

    async def arrive(
        self, client: Client, code: str, name: str, scopes: frozenset[Scope], thumbprint: str, base: str
    ) -> Tokens:
        """Tokens for the code that the car shows. ``OauthError`` authorization_pending, slow_down, invalid_grant,
        invalid_request; ``KeygwError`` if the radio or the database cannot be used."""
        mark = sha256(f"{client.id} {thumbprint} {code}".encode("utf-8", "surrogateescape"))
        attempt = self._attempt(mark, client, code, name, scopes, thumbprint)
        done, _ = await asyncio.wait([attempt.task], timeout=self._wait)
        if not done:
            raise OauthError("the car was not met yet: ask again with the same code", code="authorization_pending")
        if attempt.task.exception() is not None:
            self._attempts.pop(mark, None)
        app = attempt.task.result()
        return await self._grants.tokens(client, app.id, thumbprint, base)

    async def stop(self) -> None:
        """What is under way is left to the pairings, which end it as interrupted."""
        tasks = [attempt.task for attempt in self._attempts.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _attempt(
        self, mark: bytes, client: Client, code: str, name: str, scopes: frozenset[Scope], thumbprint: str
    ) -> _Attempt:
        """The one under way, or a new one. No step between looking and writing down."""
        now = self._clock()
        for old in [each for each, attempt in self._attempts.items() if attempt.until < now and attempt.task.done()]:
            del self._attempts[old]
        known = self._attempts.get(mark)
        if known is not None:
            if known.scopes != scopes:
                raise OauthError("this code was given with another scope before", code="invalid_scope")
            return known
        if len(self._attempts) >= MOST_ATTEMPTS:
            raise OauthError("too many pairings are under way: try again in a minute", code="slow_down")
        run = self._run(client, code, name, scopes, thumbprint)
        attempt = _Attempt(now + SECONDS, scopes, asyncio.create_task(run, name=f"arrival of {client.id}"))
        self._attempts[mark] = attempt
        return attempt

    async def _run(self, client: Client, code: str, name: str, scopes: frozenset[Scope], thumbprint: str) -> App:
        home = await self._home(client)
        try:
            pairing = await self._pairings.start(home, code, name)
        except BadInput as error:
            raise OauthError(str(error), code="invalid_request") from error
        except Conflict as error:
            code = "authorization_pending" if error.code == "pairing_under_way" else "slow_down"
            raise OauthError(str(error), code=code) from error
        await self._pairings.wait(pairing.id)
        found = await self._pairings.get(home, pairing.id)
        if found.key_id is None:  # one that failed with a key: the car takes its token at the next session
            reason = found.reason or "interrupted"
            detail = _REASONS.get(reason, "show a fresh code in the car and try again")
            raise OauthError(f"not paired ({reason}): {detail}", code="invalid_grant")
        grant = await self._extendable(client, scopes, thumbprint)
        if grant is not None:
            return await self._grants.extend(home, found.key_id, grant)
        kind = GrantKind.PAIRING_CODE
        return await self._grants.begin(client, home, [found.key_id], scopes, thumbprint, kind)

    async def _extendable(self, client: Client, scopes: frozenset[Scope], thumbprint: str) -> Grant | None:
        """A grant that this very installation has, and that lets it do all of that already."""
        for grant in await self._store.grants_of_client(client.id):
            app = await self._rows.app(grant.app_id)
            guest = grant.kind is GrantKind.INVITATION  # it has no home that a key could come from
            if app is not None and not guest and grant.thumbprint == thumbprint and scopes <= app.scopes:
                return grant
        return None

    async def _home(self, client: Client) -> App:
        """The app row that holds the owner keys; made with the first code, with an account for its person."""
        home_id = client.home_id
        if home_id is None:
            now = self._clock()
            person = Person(new_id("per", self._random), client.tenant_id, client.name, int(now))
            fresh = App(
                new_id("app", self._random),
                client.name,
                frozenset(OFFERED),
                now,
                sha256(self._random(32)),  # of no token
                tenant_id=client.tenant_id,
                person_id=person.id,
            )
            notes = [
                self._notes.note(fresh, "person.added", client.tenant_id, person_id=person.id),
                self._notes.note(fresh, "app.registered", client.tenant_id, app_id=fresh.id),
            ]
            home_id = await self._store.set_home(client.id, person, fresh, notes)
        home = await self._rows.app(home_id)
        if home is None or home.revoked:
            raise OauthError("what was paired through this client was ended: register again", code="invalid_client")
        return home
