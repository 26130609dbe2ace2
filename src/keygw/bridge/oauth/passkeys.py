"""Passkeys: how a person is seen again, without going to the car.

A grant that may manage keys registers one, a moment after its person was seen. From then on the same person is seen by
a fresh assertion: to make the grant do what takes a person (RFC 9470), or to let another client in (``codes``). Who has
lost them all gives the car's code, which makes the person seen as well, and registers another.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from keygw.bridge.access import require
from keygw.bridge.notes import Notes
from keygw.bridge.oauth.challenges import Challenges
from keygw.bridge.oauth.grants import Grants, GrantView
from keygw.bridge.oauth.records import Passkey, PasskeyStore
from keygw.bridge.ports import AppStore, Clock
from keygw.bridge.records import App
from keygw.bridge.scopes import Scope
from keygw.crypto.kdf import sha256
from keygw.model.errors import Conflict, Forbidden, NotFound, TokenError
from keygw.model.ids import Random, new_id
from keygw.token.passkey import (
    Assertion,
    Credential,
    Site,
    creation_options,
    decode_challenge,
    open_registration,
    request_options,
    verify_assertion,
)

MOST = 20
"""Of one person."""


class Passkeys:
    def __init__(
        self,
        store: PasskeyStore,
        rows: AppStore,
        challenges: Challenges,
        grants: Grants,
        notes: Notes,
        clock: Clock,
        random: Random,
    ) -> None:
        self._store = store
        self._rows = rows
        self._challenges = challenges
        self._grants = grants
        self._notes = notes
        self._clock = clock
        self._random = random

    async def offer(self, by: App, base: str) -> dict[str, Any]:
        """What a browser makes a new passkey of. ``Forbidden``; ``Conflict`` passkeys_unavailable."""
        person_id, _ = await self._owner(by)
        known = [each.credential_id for each in await self._store.passkeys_of(person_id)]
        challenge = self._challenges.make(f"new {by.id}")
        return creation_options(site_of(base), challenge, sha256(person_id.encode()), by.name, known)

    async def add(self, by: App, name: str, client_data: bytes, attestation_object: bytes, base: str) -> Passkey:
        """``Forbidden`` passkey_refused, ``Conflict`` challenge_unknown, passkey_exists, too_many_passkeys."""
        person_id, home_id = await self._owner(by)
        try:
            challenge = decode_challenge(client_data)
            self._challenges.check(challenge, f"new {by.id}")
            made = open_registration(site_of(base), challenge, client_data, attestation_object)
        except TokenError as error:
            raise _refused(error) from error
        await self._challenges.use(challenge)
        passkey = Passkey(
            new_id("psk", self._random),
            person_id,
            home_id,
            name,
            made.id,
            made.data,
            made.counter,
            made.synced,
            int(self._clock()),
        )
        note = self._notes.note(by, "passkey.added", by.tenant_id, passkey_id=passkey.id, person_id=person_id)
        if not await self._store.add_passkey(passkey, MOST, note):
            raise Conflict(f"a person has {MOST} passkeys at most: remove one", code="too_many_passkeys")
        return passkey

    async def list(self, by: App) -> Sequence[Passkey]:
        person_id, _ = await self._owner(by)
        return await self._store.passkeys_of(person_id)

    async def get(self, by: App, passkey_id: str) -> Passkey:
        """``NotFound`` unknown_passkey, also for somebody else's."""
        found = await self._store.passkey(passkey_id)
        if found is None or Scope.KEY_MANAGE not in by.scopes or by.home_id is None or by.person_id != found.person_id:
            raise NotFound("there is no such passkey for this caller", code="unknown_passkey")
        return found

    async def remove(self, by: App, passkey_id: str) -> None:
        """It is good for nothing from now on. What was granted with it stays until it is ended."""
        found = await self.get(by, passkey_id)
        note = self._notes.note(by, "passkey.removed", by.tenant_id, passkey_id=found.id, person_id=found.person_id)
        await self._store.remove_passkey(found.id, note)

    async def challenge(self, by: App, base: str) -> dict[str, Any]:
        """What a browser asks a passkey of the caller's person for. ``Forbidden`` no_passkey."""
        known = [] if by.person_id is None else await self._store.passkeys_of(by.person_id)
        if not known:
            raise Forbidden("the person behind this caller has no passkey here", code="no_passkey")
        challenge = self._challenges.make(f"seen {by.id}")
        return request_options(site_of(base), challenge, [each.credential_id for each in known])

    async def see(self, by: App, assertion: Assertion, base: str) -> GrantView:
        """The person behind the caller is here: the next access token of the grant says so. ``Forbidden``
        passkey_refused, ``Conflict`` challenge_unknown."""
        passkey = await self.judge(assertion, f"seen {by.id}", base)
        if passkey.person_id != by.person_id:
            raise _refused("it is somebody else's")
        return await self._grants.saw(by)

    def login(self, purpose: str, base: str) -> dict[str, Any]:
        """What a browser asks any passkey for that is of this site."""
        return request_options(site_of(base), self._challenges.make(purpose), [])

    async def judge(self, assertion: Assertion, purpose: str, base: str) -> Passkey:
        """Whose passkey this is, if it has answered a challenge of that purpose just now. ``Forbidden``
        passkey_refused, ``Conflict`` challenge_unknown."""
        passkey = await self._store.passkey_by_credential(assertion.credential_id)
        try:
            challenge = decode_challenge(assertion.client_data)
            self._challenges.check(challenge, purpose)
            if passkey is None:
                raise _refused("it is not known here")
            held = Credential(passkey.credential_id, passkey.data, passkey.counter, passkey.synced)
            counter = verify_assertion(site_of(base), challenge, held, assertion)
        except TokenError as error:
            raise _refused(error) from error
        await self._challenges.use(challenge)
        if not await self._store.use_passkey(passkey.id, counter, int(self._clock())):
            raise _refused("it was copied, or removed: its counter did not go on")
        return passkey

    async def _owner(self, by: App) -> tuple[str, str]:
        """The person and the home of a grant that may manage keys. ``Forbidden`` not_a_grant."""
        require(by, Scope.KEY_MANAGE)
        home = None if by.home_id is None else await self._rows.app(by.home_id)
        if by.operator or home is None or home.revoked or by.person_id is None or by.person_id != home.person_id:
            raise Forbidden("a passkey is of a person whom a car has let in (/oauth2/token)", code="not_a_grant")
        return by.person_id, home.id


def site_of(base: str) -> Site:
    """``Conflict`` passkeys_unavailable: Web Authentication wants a host name (section 5.1.3, effective domain)."""
    host = urlsplit(base).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return Site(host, base)
    raise Conflict(
        "passkeys are bound to a host name, and this gateway is known by an address: set public_url, as in "
        "https://keys.example, or http://localhost:8765 to try it",
        code="passkeys_unavailable",
    )


def _refused(why: object) -> Forbidden:
    text = str(why)
    return Forbidden(
        text if isinstance(why, TokenError) else f"this passkey is not taken: {text}", code="passkey_refused"
    )
