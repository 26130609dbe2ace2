"""What the authorization server keeps, and the port where: clients, grants, requests that wait for a person's word.

The contract suite is ``tests/contracts/test_oauth_store_contract.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from keygw.bridge.people_ports import Note
from keygw.bridge.records import App
from keygw.model.person import Person


class GrantKind(StrEnum):
    """How somebody was asked. The words stand in ``grants`` as apps see them."""

    PAIRING_CODE = "pairing_code"
    DEVICE_CODE = "device_code"
    INVITATION = "invitation"
    """Nobody was asked: the link of an invitation lets its phone claim it, and no further."""
    AUTHORIZATION_CODE = "authorization_code"


@dataclass(frozen=True, slots=True)
class Client:
    """A registered client: one installation of an app, or a head unit (RFC 7591). It has no secret.

    ``scopes``: the most that it will ask for, names. ``home_id``: the app row that holds the owner keys which were
    paired through it. ``used_at``: of its first grant; one that never gets any is forgotten. Unix seconds.
    """

    id: str
    tenant_id: str
    name: str
    scopes: tuple[str, ...]
    created_at: int
    home_id: str | None = None
    used_at: int | None = None
    redirect_uris: tuple[str, ...] = ()
    """Where a browser may be sent with an authorization code, to the letter."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person has let a client do. The grant itself calls as the app ``app_id``, which has its scopes.

    ``home_id``: the app row that holds the owner keys from which the grant's keys were shared; a guest's is its own.
    ``thumbprint``: of the
    key to which every token of the grant is bound. ``auth_time``: when the person was last seen to be there.
    ``refresh_hash``: SHA-256 of the refresh token that counts; ``refresh_former``: of the one before it.
    """

    app_id: str
    client_id: str
    home_id: str
    thumbprint: str
    kind: GrantKind
    created_at: int
    auth_time: int
    refresh_hash: bytes = field(repr=False)
    refresh_former: bytes | None = field(default=None, repr=False)
    key_ids: tuple[str, ...] = ()
    """Digital keys that were shared to its hosted devices."""


class Answer(StrEnum):
    """Of a request that waits for a person."""

    WAITING = "waiting"
    APPROVED = "approved"
    DENIED = "denied"
    USED = "used"


@dataclass(frozen=True, slots=True)
class Request:
    """A client asks to be let in, and a person says so in an app that is in already.

    ``secret_hash``: SHA-256 of the device code (RFC 8628). ``user_code``: what the person compares and types, 8
    letters. ``approved_by``: id of the app in which the person said yes. ``asked_at``: when the client last asked what
    became of it. Unix seconds.
    """

    id: str
    client_id: str
    tenant_id: str
    secret_hash: bytes = field(repr=False)
    user_code: str = field(repr=False)
    scopes: tuple[str, ...]
    created_at: int
    expires_at: int
    answer: Answer = Answer.WAITING
    approved_by: str | None = None
    asked_at: int = 0


@dataclass(frozen=True, slots=True)
class Code:
    """An authorization code (RFC 6749 section 4.1). ``hash``: SHA-256 of it. ``home_id``: on whose owner keys the grant
    will stand. ``challenge``: of PKCE, S256. ``thumbprint``: of the key to which its tokens must be bound, if that was
    said (``dpop_jkt``). ``uses``: how often it came; ``grant_id``: what came of the first. Unix seconds."""

    hash: bytes = field(repr=False)
    client_id: str
    home_id: str
    scopes: tuple[str, ...]
    redirect_uri: str
    challenge: str = field(repr=False)
    thumbprint: str | None
    expires_at: int
    uses: int = 0
    grant_id: str | None = None


@dataclass(frozen=True, slots=True)
class Passkey:
    """A passkey of a person. ``home_id``: the app row with that person's owner keys. ``credential_id``, ``data``,
    ``counter``, ``synced``: see ``token.passkey.Credential``. Unix seconds."""

    id: str
    person_id: str
    home_id: str
    name: str
    credential_id: bytes = field(repr=False)
    data: bytes = field(repr=False)
    counter: int
    synced: bool
    created_at: int
    used_at: int | None = None


class PasskeyStore(Protocol):
    """Every write is durable when it returns, and its note with it. ``StoreError`` if the database cannot be used."""

    async def add_passkey(self, passkey: Passkey, most: int, note: Note) -> bool:
        """False, and nothing is written, if the person has that many. ``Conflict`` passkey_exists if the credential id
        is taken."""

    async def passkey(self, passkey_id: str) -> Passkey | None: ...

    async def passkey_by_credential(self, credential_id: bytes) -> Passkey | None: ...

    async def passkeys_of(self, person_id: str) -> Sequence[Passkey]:
        """Oldest first."""

    async def use_passkey(self, passkey_id: str, counter: int, at: int) -> bool:
        """It has signed once more. False, and nothing is written, if its counter did not go on; one that stays at 0
        counts nothing."""

    async def remove_passkey(self, passkey_id: str, note: Note) -> bool:
        """False: there was none."""


class CodeStore(Protocol):
    """Every write is durable when it returns."""

    async def add_code(self, code: Code, over: int) -> None:
        """Insert, and forget those that ended before ``over``."""

    async def code(self, digest: bytes) -> Code | None: ...

    async def use_code(self, digest: bytes) -> Code | None:
        """Count one use more. The code as it is then."""

    async def set_code_grant(self, digest: bytes, grant_id: str) -> Code | None:
        """What came of it. The code as it is then."""


class OauthStore(PasskeyStore, CodeStore, Protocol):
    """Every write is durable when it returns, and its note with it. ``StoreError`` if the database cannot be used."""

    async def add_client(self, client: Client, unused: int, since: int) -> bool:
        """Insert, and forget those from before ``since`` that never got a grant. False, and nothing is written, while
        ``unused`` newer ones of the tenant have none either."""

    async def client(self, client_id: str) -> Client | None: ...

    async def set_home(self, client_id: str, person: Person, home: App, notes: Sequence[Note]) -> str:
        """The app row, of that new person, becomes the client's home, unless it has one: then nothing is written.
        Returns the id of the one that it has now."""

    async def add_grant(self, app: App, grant: Grant, note: Note) -> None:
        """The app row and the grant; the client is used from now on."""

    async def grant(self, app_id: str) -> Grant | None: ...

    async def grants_of_client(self, client_id: str) -> Sequence[Grant]:
        """Those that have not ended, oldest first."""

    async def grants_of_home(self, home_id: str) -> Sequence[Grant]:
        """Those that have not ended, oldest first."""

    async def grants_of_tenant(self, tenant_id: str | None) -> Sequence[Grant]:
        """Those that have not ended, oldest first; ``None``: of all tenants."""

    async def add_grant_key(self, app_id: str, key_id: str) -> None: ...

    async def replace_refresh(
        self, app_id: str, was: bytes, fresh: bytes, former: bytes | None, expires_at: float
    ) -> bool:
        """The grant's refresh token is another from now on, and its app lives until then. False, and nothing is
        written, if ``was`` is not the one that counts, or the app has been removed."""

    async def set_auth_time(self, app_id: str, at: int) -> None: ...

    async def see_proof(self, digest: bytes, until: int, now: int) -> bool:
        """Remember a proof, by a hash, and forget those that are over. False: it was seen before."""

    async def add_request(self, request: Request, open_of_client: int) -> bool:
        """Insert, and forget those that are over. False, and nothing is written, while the client has that many open
        ones, or the user code is taken."""

    async def request_by_secret(self, secret_hash: bytes) -> Request | None: ...

    async def request_by_user_code(self, user_code: str) -> Request | None: ...

    async def save_request(self, request: Request, was: Answer) -> bool:
        """Replace the one with this id. False, and nothing is written, if its answer is another."""
