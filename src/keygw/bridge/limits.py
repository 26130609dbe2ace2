"""Limits that a tenant has of its own, in place of the deployment's: kept in the database, in force at once."""

from __future__ import annotations

from collections.abc import Mapping

from keygw.bridge.access import require
from keygw.bridge.notes import Notes
from keygw.bridge.people_ports import LimitStore
from keygw.bridge.records import App
from keygw.bridge.scopes import Scope
from keygw.bridge.tenants import Tenants
from keygw.credentials.values import Limits
from keygw.model.errors import BadInput, Forbidden

ANNOUNCED = "limits"
"""The word with which the other gateways on the database hear of a change."""


class TenantLimits:
    """``limits``: the deployment's, by way of which every service sees what is said here (``Limits.of_tenant``)."""

    def __init__(self, store: LimitStore, limits: Limits, tenants: Tenants, notes: Notes) -> None:
        self._store = store
        self._limits = limits
        self._tenants = tenants
        self._notes = notes

    async def look(self, _: str = "") -> None:
        """Take in what the database says: at the start, and when another gateway has changed it."""
        said = await self._store.tenant_limits()
        for tenant_id in self._limits.tenants.keys() - said.keys():
            self._limits.tenants.pop(tenant_id)
        for tenant_id, own in said.items():
            self._limits.tenants[tenant_id] = self._limits.changed(own)

    async def get(self, by: App, tenant_id: str) -> tuple[Limits, Mapping[str, int]]:
        """What holds for that tenant, and which of it is its own. ``NotFound`` unknown_tenant."""
        require(by, Scope.LIMITS_READ)
        found = await self._tenants.chosen(by, tenant_id)
        return await self._shown(found)

    async def change(
        self, by: App, tenant_id: str, wanted: Mapping[str, int | None]
    ) -> tuple[Limits, Mapping[str, int]]:
        """``None``: the deployment's from now on. Keys that are there stay; what is made from now on is held to it.

        ``BadInput`` bad_limit; ``NotFound`` unknown_tenant; ``Forbidden`` limit_too_high where an operator of the
        tenant asks for more than the deployment allows: that is for who looks after the gateway.
        """
        require(by, Scope.LIMITS_MANAGE)
        found = await self._tenants.chosen(by, tenant_id)
        said = {name: number for name, number in wanted.items() if number is not None}
        try:
            self._limits.changed(said)
        except ValueError as error:
            raise BadInput(str(error), code="bad_limit") from error
        common = self._limits.shown()
        for name, number in said.items():
            if number > common[name] and not by.platform:
                raise Forbidden(f"{name} is {common[name]} at most in this deployment", code="limit_too_high")
        told = {name: "default" if number is None else number for name, number in wanted.items()}
        note = self._notes.telling(by, "limits.changed", found, f"{ANNOUNCED} {found}", **told)
        await self._store.set_tenant_limits(found, wanted, note)
        await self.look()
        return await self._shown(found)

    async def _shown(self, tenant_id: str) -> tuple[Limits, Mapping[str, int]]:
        return self._limits.of_tenant(tenant_id), (await self._store.tenant_limits()).get(tenant_id, {})
