"""Operators with roles: made, given new tokens, and ended; and the end of the token that a gateway begins with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from keygw.bridge.access import require
from keygw.bridge.apps import Apps, new_token, token_hash, token_life
from keygw.bridge.notes import Notes
from keygw.bridge.people_ports import OperatorStore
from keygw.bridge.ports import Clock
from keygw.bridge.records import App, Operator
from keygw.bridge.roles import parse_role, scopes_of
from keygw.bridge.scopes import Scope
from keygw.bridge.tenants import Tenants
from keygw.credentials.actors import OPERATOR_APP
from keygw.model.errors import Forbidden, NotFound
from keygw.model.ids import Random, new_id


class Operators:
    """``bootstrap``: SHA-256 of the token in ``operator.token``."""

    def __init__(
        self,
        store: OperatorStore,
        apps: Apps,
        tenants: Tenants,
        notes: Notes,
        clock: Clock,
        random: Random,
        bootstrap: bytes,
    ) -> None:
        self._store = store
        self._apps = apps
        self._tenants = tenants
        self._notes = notes
        self._clock = clock
        self._random = random
        self._bootstrap = bootstrap

    async def add(
        self, by: App, name: str, role: str, tenant_id: str | None, lifetime: int | None = None
    ) -> tuple[Operator, str]:
        """A new one and its token, which nobody can read again.

        ``tenant_id``: ``None`` is the caller's own reach: for an operator of one tenant that tenant, else all of them.
        ``BadInput`` unknown_role, role_of_the_platform, bad_input (lifetime); ``NotFound`` unknown_tenant;
        ``Forbidden`` role_too_high for a role that may what the caller may not.
        """
        require(by, Scope.OPERATOR_MANAGE)
        now = int(self._clock())
        expires_at = now + token_life(lifetime)
        tenant_id = by.tenant_id if tenant_id is None else await self._tenants.chosen(by, tenant_id)
        wanted = parse_role(role, platform=tenant_id is None)
        if not scopes_of(wanted, platform=tenant_id is None) <= by.scopes:
            raise Forbidden("nobody gives away more than he has", code="role_too_high")
        token = new_token(self._random)
        made = Operator(new_id("opr", self._random), tenant_id, name, wanted, now, expires_at, token_hash(token))
        note = self._notes.note(by, "operator.added", tenant_id, operator_id=made.id, role=wanted.value)
        await self._store.add_operator(made, note)
        return made, token

    async def list(self, by: App) -> Sequence[Operator]:
        """Those whom the caller looks after, ended ones too, oldest first."""
        require(by, Scope.OPERATOR_READ)
        return await self._store.operators(by.tenant_id)

    async def get(self, by: App, operator_id: str) -> Operator:
        """``NotFound`` unknown_operator, also for another tenant's."""
        require(by, Scope.OPERATOR_READ)
        return await self._known(by, operator_id)

    async def rotate(self, by: App, operator_id: str, lifetime: int | None = None) -> tuple[Operator, str]:
        """A new token in place of the old one, which ends now. Everybody may have a new one for itself, but only who
        looks after operators one that lives longer than the old one would have.

        ``NotFound`` unknown_operator, also for one that has ended."""
        if by.id != operator_id:
            require(by, Scope.OPERATOR_MANAGE)
        found = await self._known(by, operator_id)
        expires_at, token = int(self._clock()) + token_life(lifetime), new_token(self._random)
        if Scope.OPERATOR_MANAGE not in by.scopes:
            expires_at = min(expires_at, found.expires_at)
        fresh = replace(found, token_hash=token_hash(token), expires_at=expires_at)
        note = self._notes.ending(by, "operator.token_replaced", found.tenant_id, found.id, operator_id=found.id)
        if not await self._store.replace_operator_token(found.id, fresh.token_hash, expires_at, note):
            raise _unknown()
        self._apps.ended(found.token_hash)
        return fresh, token

    async def revoke(self, by: App, operator_id: str) -> Operator:
        """End it at once, open event streams included. Again: a success that changes nothing.

        ``Conflict`` last_admin if nobody would be left who looks after the whole gateway."""
        require(by, Scope.OPERATOR_MANAGE)
        found = await self._known(by, operator_id)
        note = self._notes.ending(by, "operator.revoked", found.tenant_id, found.id, operator_id=found.id)
        await self._store.revoke_operator(found.id, self._bootstrap, int(self._clock()), note)
        self._apps.ended(found.token_hash)
        return replace(found, revoked=True)

    async def end_bootstrap(self, by: App) -> None:
        """End the token in ``operator.token``. Again: a success that changes nothing. ``Conflict`` last_admin."""
        require(by, Scope.OPERATOR_MANAGE)
        if not by.platform:
            raise Forbidden("that token looks after the whole gateway", code="not_platform_operator")
        note = self._notes.ending(by, "operator.bootstrap_ended", None, OPERATOR_APP)
        await self._store.end_bootstrap(self._bootstrap, int(self._clock()), note)
        self._apps.ended(self._bootstrap)

    async def bootstrap_ended(self, by: App) -> bool:
        require(by, Scope.OPERATOR_READ)
        return await self._store.bootstrap_ended(self._bootstrap)

    async def _known(self, by: App, operator_id: str) -> Operator:
        found = await self._store.operator(operator_id)
        if found is None or not by.reaches(found.tenant_id):
            raise _unknown()
        return found


def _unknown() -> NotFound:
    return NotFound("there is no such operator", code="unknown_operator")
