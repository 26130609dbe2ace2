"""Revocation lists for devices that carry them: an app fetches the newest, and hands in what vehicles signed."""

from __future__ import annotations

from keygw.bridge.access import Access, require
from keygw.bridge.ports import Credentials, SignedList
from keygw.bridge.records import App
from keygw.bridge.scopes import Scope
from keygw.model.errors import BadInput, TokenError


class Lists:
    def __init__(self, credentials: Credentials, access: Access) -> None:
        self._credentials = credentials
        self._access = access

    async def newest(self, app: App, vehicle_id: str) -> SignedList:
        """The vehicle's list as it is now; sequence 0 and no bytes before the first. For who holds a key of it."""
        require(app, Scope.KEY_READ)
        await self._access.view(app, vehicle_id)
        return await self._credentials.current_list(vehicle_id)

    async def acknowledge(self, app: App, vehicle_id: str, ack: bytes) -> SignedList:
        """Take the vehicle's acknowledgement from whoever met it; it counts because the vehicle signed it.

        So reading is scope enough: the app says nothing of its own. ``Conflict`` ack_older, ack_unknown_list;
        ``BadInput`` ack_foreign, ack_mismatch, or why it is no acknowledgement by that vehicle.
        """
        require(app, Scope.KEY_READ, operator=(Scope.KEY_MANAGE,))
        await self._access.view(app, vehicle_id)
        try:
            await self._credentials.acknowledge_list(vehicle_id, ack)
        except TokenError as error:
            raise BadInput(f"the vehicle did not sign that for a list of ours: {error}", code=error.code) from error
        return await self._credentials.current_list(vehicle_id)
