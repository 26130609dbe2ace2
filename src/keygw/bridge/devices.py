"""Devices as an app handles them: it registers the phones whose keys it may see, and sees no other app's. An operator
sees those of its tenant."""

from __future__ import annotations

from keygw.bridge.access import Access, require
from keygw.bridge.ports import Credentials
from keygw.bridge.records import App
from keygw.bridge.scopes import Scope
from keygw.credentials.attestation import Evidence
from keygw.credentials.devices import Challenge
from keygw.credentials.once import Once, Replayed
from keygw.model.device import Device
from keygw.model.errors import BadInput, NotFound
from keygw.model.ids import id_bytes

_SCOPES = (Scope.KEY_READ, Scope.KEY_SHARE, Scope.KEY_MANAGE)
"""Any of them: whoever may have keys shown may say which phone is to hold them."""


_CHANGES = (Scope.DEVICE_MANAGE,)
"""What an operator needs, who reaches other people's devices."""


class Devices:
    def __init__(self, credentials: Credentials, access: Access) -> None:
        self._credentials = credentials
        self._access = access

    async def challenge(self, app: App) -> Challenge:
        require(app, *_SCOPES, operator=_CHANGES)
        return await self._credentials.devices.challenge(app.id)

    async def register(
        self,
        app: App,
        public_key: bytes,
        challenge: bytes,
        proof: bytes,
        label: str,
        evidence: Evidence | None,
        once: Once | None = None,
    ) -> Device:
        """``credentials.devices.Devices.register`` has the codes. A repeated request needs no other challenge."""
        require(app, *_SCOPES, operator=_CHANGES)
        credentials = self._credentials if once is None else self._credentials.under(once)
        try:
            made = await credentials.devices.register(
                app.id, public_key, challenge, proof, label, evidence, actor=app.actor
            )
        except Replayed as again:
            return await self.get(app, again.resource)
        self._access.forget_device(made.id)
        return made

    async def list(self, app: App) -> list[Device]:
        require(app, *_SCOPES)
        found = await self._credentials.devices.of_app(None if app.operator else app.id)
        return [each for each in found if await self._access.reaches_device(app, each)]

    async def get(self, app: App, device_id: str) -> Device:
        """``NotFound`` unknown_device, also for another app's."""
        require(app, *_SCOPES)
        try:
            id_bytes(device_id, "dev")
            found = await self._credentials.devices.get(device_id)
        except (BadInput, NotFound):
            raise _unknown() from None
        if not await self._access.reaches_device(app, found):
            raise _unknown()
        return found

    async def remove(self, app: App, device_id: str) -> None:
        """``Conflict`` device_in_use, hosted_device."""
        require(app, *_SCOPES, operator=_CHANGES)
        found = await self.get(app, device_id)
        await self._credentials.devices.remove(found.id, actor=app.actor)
        self._access.forget_device(found.id)


def _unknown() -> NotFound:
    return NotFound("there is no such device for this app", code="unknown_device")
