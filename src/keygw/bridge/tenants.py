"""Tenants as operators handle them, and which tenant a new thing belongs to."""

from __future__ import annotations

from collections.abc import Sequence

from keygw.bridge.access import require
from keygw.bridge.notes import Notes
from keygw.bridge.people_ports import TenantStore
from keygw.bridge.ports import Clock
from keygw.bridge.records import App
from keygw.bridge.scopes import Scope
from keygw.model.errors import NotFound
from keygw.model.ids import Random, new_id
from keygw.model.tenant import DEFAULT_TENANT, Tenant


class Tenants:
    def __init__(self, store: TenantStore, notes: Notes, clock: Clock, random: Random) -> None:
        self._store = store
        self._notes = notes
        self._clock = clock
        self._random = random

    async def add(self, by: App, name: str) -> Tenant:
        require(by, Scope.TENANT_MANAGE)
        tenant = Tenant(new_id("ten", self._random), name, int(self._clock()))
        await self._store.add_tenant(tenant, self._notes.note(by, "tenant.added", tenant.id))
        return tenant

    async def list(self, by: App) -> Sequence[Tenant]:
        """Those that the operator looks after."""
        require(by, Scope.TENANT_READ)
        return [each for each in await self._store.tenants() if by.reaches(each.id)]

    async def get(self, by: App, tenant_id: str) -> Tenant:
        """``NotFound`` unknown_tenant, also for one that is another's."""
        require(by, Scope.TENANT_READ)
        return await self._known(by, tenant_id)

    async def chosen(self, by: App, tenant_id: str | None) -> str:
        """Where what is made now belongs: to the tenant that is named, or the caller's own, or ``default``.

        ``NotFound`` unknown_tenant for any but its own; only who looks after all of them may name another."""
        if tenant_id is None:
            return by.tenant_id or DEFAULT_TENANT
        return (await self._known(by, tenant_id)).id

    async def _known(self, by: App, tenant_id: str) -> Tenant:
        found = await self._store.tenant(tenant_id) if by.reaches(tenant_id) else None
        if found is None:
            raise NotFound("there is no such tenant", code="unknown_tenant")
        return found
