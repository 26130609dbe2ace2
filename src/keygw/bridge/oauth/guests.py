"""The invitation grant: whoever holds the link of an invitation may have tokens for a phone that is in by nothing else.

A friend has no account here and stands beside no car. The link lets in nobody further than it says: the grant is an
app without a person, a home or a key, which sees nothing until its phone claims the invitation with it; from then on it
sees that key, and borrows the car's link for it. What ends the key ends what the grant is good for.
"""

from __future__ import annotations

from keygw.bridge.notes import Notes
from keygw.bridge.oauth.clients import OFFERED
from keygw.bridge.oauth.errors import OauthError
from keygw.bridge.oauth.grants import IDLE_SECONDS, Grants, Tokens
from keygw.bridge.oauth.records import Client, Grant, GrantKind, OauthStore
from keygw.bridge.ports import Clock, Credentials
from keygw.bridge.records import App
from keygw.bridge.scopes import Scope
from keygw.credentials.invitation import InvitationState
from keygw.crypto.kdf import sha256
from keygw.model.errors import BadInput, NotFound
from keygw.model.ids import Random, id_bytes, new_id

GUESTS = OFFERED - {Scope.KEY_MANAGE, Scope.KEY_SHARE, Scope.HEAD_UNIT_SHOW}
"""The most that a link gives: to share and to manage takes a person who was seen, and a link sees nobody."""
NEVER_SEEN = 0
"""When the person was last seen to be there."""
_GOOD = frozenset({InvitationState.OPEN, InvitationState.CLAIMED, InvitationState.ACCEPTED})


class Guests:
    def __init__(
        self,
        store: OauthStore,
        grants: Grants,
        credentials: Credentials,
        notes: Notes,
        clock: Clock,
        random: Random,
    ) -> None:
        self._store = store
        self._grants = grants
        self._credentials = credentials
        self._notes = notes
        self._clock = clock
        self._random = random

    async def arrive(
        self, client: Client, invitation_id: str, secret: bytes, scopes: frozenset[Scope], thumbprint: str, base: str
    ) -> Tokens:
        """``OauthError`` invalid_grant for no such link, or one whose offer is over; invalid_scope. ``Conflict``
        too_many_guesses. One grant for an installation and key, however many links it brings."""
        wanted = scopes & GUESTS
        if not wanted:
            raise OauthError("none of these scopes is had by a link", code="invalid_scope")
        await self._check(client, invitation_id, secret)
        for known in await self._store.grants_of_client(client.id):
            if (known.kind, known.thumbprint) == (GrantKind.INVITATION, thumbprint):
                return await self._grants.tokens(client, known.app_id, thumbprint, base)
        app = await self._admit(client, wanted, thumbprint)
        return await self._grants.tokens(client, app.id, thumbprint, base)

    async def _check(self, client: Client, invitation_id: str, secret: bytes) -> None:
        try:
            id_bytes(invitation_id, "inv")
            found = await self._credentials.invitations.look(invitation_id, secret)
            vehicle = await self._credentials.vehicle(found.vehicle_id)
        except (BadInput, NotFound) as error:
            raise _no_offer() from error
        if vehicle.tenant_id != client.tenant_id:
            raise _no_offer()
        if found.state not in _GOOD:
            raise OauthError(f"the offer is over: it is {found.state.value}", code="invalid_grant")

    async def _admit(self, client: Client, scopes: frozenset[Scope], thumbprint: str) -> App:
        now = self._clock()
        app = App(
            new_id("app", self._random),
            client.name,
            scopes,
            now,
            sha256(self._random(32)),  # of no token: this app has those of the grant
            expires_at=now + IDLE_SECONDS,
            tenant_id=client.tenant_id,
        )
        unspoken = sha256(self._random(32))  # nobody has that refresh token
        grant = Grant(app.id, client.id, app.id, thumbprint, GrantKind.INVITATION, int(now), NEVER_SEEN, unspoken)
        note = self._notes.note(app, "grant.given", client.tenant_id, app_id=app.id, client_id=client.id)
        await self._store.add_grant(app, grant, note)
        return app


def _no_offer() -> OauthError:
    return OauthError("there is no such offer: is the link whole?", code="invalid_grant")
