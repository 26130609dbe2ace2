"""What the bridge keeps of tenants, operators and people's accounts: a part of ``BridgeStore``.

Every write is durable when it returns, and its note with it. The contract suite is
``tests/contracts/test_people_store_contract.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from keygw.bridge.records import Operator
from keygw.model.audit import AuditEntry
from keygw.model.person import Person
from keygw.model.tenant import Tenant


@dataclass(frozen=True, slots=True)
class Note:
    """What is written beside a change, in its transaction: an entry of the audit trail, and perhaps an announcement to
    the other gateways on the same database (``neighbours``)."""

    entry: AuditEntry
    announce: str | None = None


class TenantStore(Protocol):
    async def add_tenant(self, tenant: Tenant, note: Note) -> None:
        """``Conflict`` tenant_exists if the id is taken."""

    async def tenant(self, tenant_id: str) -> Tenant | None: ...

    async def tenants(self) -> Sequence[Tenant]:
        """Oldest first; ``default`` is always there."""


class OperatorStore(Protocol):
    async def add_operator(self, operator: Operator, note: Note) -> None:
        """``Conflict`` operator_exists if the id or the token hash is taken."""

    async def operator(self, operator_id: str) -> Operator | None: ...

    async def operator_by_token(self, token_hash: bytes) -> Operator | None:
        """The one with exactly that 32-byte hash, revoked or not."""

    async def operators(self, tenant_id: str | None = None) -> Sequence[Operator]:
        """Oldest first; of one tenant, or all."""

    async def replace_operator_token(self, operator_id: str, token_hash: bytes, expires_at: int, note: Note) -> bool:
        """The former token ends with it. ``False``: it is revoked, or there is none, and nothing was written."""

    async def revoke_operator(self, operator_id: str, bootstrap: bytes, now: int, note: Note) -> bool:
        """``False``: it was revoked before, or there is none, and nothing was written.

        ``Conflict`` last_admin if the token with the hash ``bootstrap`` has ended, and no other admin of the whole
        gateway would be left that is not expired at ``now``.
        """

    async def end_bootstrap(self, token_hash: bytes, now: int, note: Note) -> bool:
        """The token with that hash is good for nothing from now on. ``False``: it was so before.

        ``Conflict`` last_admin unless there is an admin of the whole gateway that is not expired at ``now``.
        """

    async def bootstrap_ended(self, token_hash: bytes) -> bool: ...


class PersonStore(Protocol):
    async def add_person(self, person: Person, note: Note, app_id: str | None = None) -> None:
        """``app_id``: an app that acts for it from the beginning (``bind_app``)."""

    async def person(self, person_id: str) -> Person | None: ...

    async def people(self, tenant_id: str | None = None) -> Sequence[Person]:
        """Oldest first, closed ones too; of one tenant, or all."""

    async def bind_app(self, app_id: str, person_id: str, note: Note) -> bool:
        """Let the app act for the person. Owner keys of its devices that are bound to nobody are the person's now.

        ``False``: it was so before, and nothing was written. ``Conflict`` app_bound if the app acts for another person
        or has been removed; person_closed."""

    async def unbind_app(self, app_id: str, person_id: str, note: Note) -> bool:
        """Keys stay whose they are. ``False``: the app did not act for that person, and nothing was written."""

    async def close_person(self, person_id: str, now: int, note: Note) -> bool:
        """No app acts for it any more. ``False``: it was closed before, and nothing was written.

        ``Conflict`` person_has_keys while an owner key that is bound to it could still open a car at ``now``."""

    async def apps_of_person(self, person_id: str) -> Sequence[str]:
        """Ids, oldest first."""

    async def keys_of_person(self, person_id: str) -> Sequence[str]:
        """Ids of the owner keys that are bound to it, ended ones too, in the order in which they were issued."""

    async def reserved_for_person(self, person_id: str) -> Sequence[str]:
        """Ids of the vehicles whose next owner key is for it, or for an app that acts for it."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Rows of one kind, by column: text, numbers, bytes. ``more``: there are others."""

    rows: Sequence[Mapping[str, Any]]
    more: bool


class PrivacyStore(Protocol):
    """What is a person's: the account, the apps that act for it or did so last, their devices, the keys of the account
    and of those devices, and what was shared from them."""

    async def add_note(self, note: Note) -> None:
        """Of what changes nothing."""

    async def kept_of(self, person_id: str, most: int) -> Mapping[str, Kept]:
        """By kind; of each ``most`` at most."""

    async def live_keys_of(self, person_id: str, now: int) -> Sequence[str]:
        """Ids of those that are active or suspended and not expired at ``now``, parents first."""

    async def unheard_keys_of(self, person_id: str) -> Sequence[str]:
        """Ids of those that are being revoked: the vehicle has not heard."""

    async def erase_person(self, person_id: str, now: int, note: Note) -> Sequence[bytes] | None:
        """Names and labels are gone, settled commands too, and the apps are removed: the hashes of their tokens.
        ``None``: it was so before, and nothing was written. ``Conflict`` person_has_keys (retryable) while there are
        ``live_keys_of``."""


class LimitStore(Protocol):
    async def tenant_limits(self) -> Mapping[str, Mapping[str, int]]:
        """Tenant -> name -> number, of those that have any of their own."""

    async def set_tenant_limits(self, tenant_id: str, wanted: Mapping[str, int | None], note: Note) -> None:
        """``None`` takes one away; what is not named stays."""
