"""The issuer's keys as the operator handles them, and as everybody may see them."""

from __future__ import annotations

import binascii
from collections.abc import Sequence

import structlog

from keygw.bridge.access import require
from keygw.bridge.errands import Errands
from keygw.bridge.ports import Credentials, Fleet, IssuerBook
from keygw.bridge.records import App
from keygw.bridge.scopes import Scope
from keygw.credentials.issuer_keys import ANNOUNCED, IssuerKeyRecord
from keygw.model.base64url import decode_base64url
from keygw.model.errors import BadInput, NotFound

log = structlog.get_logger(__name__)


class IssuerKeys:
    def __init__(self, book: IssuerBook, credentials: Credentials, fleet: Fleet, errands: Errands) -> None:
        self._book = book
        self._credentials = credentials
        self._fleet = fleet
        self._errands = errands

    def announced(self) -> list[IssuerKeyRecord]:
        """What verifiers must know: the next, the current and the retiring keys. For everybody."""
        return [record for record in self._book.keyring.records if record.state in ANNOUNCED]

    async def list(self, app: App) -> Sequence[IssuerKeyRecord]:
        """All there ever were, oldest first."""
        require(app, Scope.ISSUER_READ)
        return await self._book.keys()

    async def get(self, app: App, name: str) -> IssuerKeyRecord:
        """``name``: the kid, base64url. ``NotFound`` unknown_issuer_key."""
        require(app, Scope.ISSUER_READ)
        return await self._book.key(_kid(name))

    async def prepare(self, app: App, place: str | None) -> IssuerKeyRecord:
        require(app, Scope.ISSUER_MANAGE)
        made = await self._book.prepare(place, actor=_actor(app))
        log.warning("issuer_key_prepared", kid=made.name, signer=made.signer, actor=_actor(app))
        return made

    async def activate(self, app: App, name: str, overlap: int | None) -> IssuerKeyRecord:
        require(app, Scope.ISSUER_MANAGE)
        found = await self._book.activate(_kid(name), overlap, actor=_actor(app))
        log.warning("issuer_key_activated", kid=found.name, actor=_actor(app))
        await self._tell_vehicles()
        return found

    async def retire(self, app: App, name: str) -> IssuerKeyRecord:
        require(app, Scope.ISSUER_MANAGE)
        found = await self._book.retire(_kid(name), actor=_actor(app))
        log.warning("issuer_key_retired", kid=found.name, actor=_actor(app))
        await self._tell_vehicles()
        return found

    async def upkeep(self) -> None:
        """Retire what is over."""
        retired = await self._book.upkeep()
        for record in retired:
            log.warning("issuer_key_retired", kid=record.name, actor="system")
        if retired:
            await self._tell_vehicles()

    async def _tell_vehicles(self) -> None:
        """Of a key, who can be told at once; of a list that was signed anew, everybody. The others hear at the next
        contact."""
        found = {vehicle.id for vehicle in await self._credentials.vehicles() if self._fleet.link(vehicle.id)}
        for vehicle_id in sorted(found.union(await self._credentials.vehicles_behind())):
            self._errands.request(vehicle_id)


def _kid(name: str) -> bytes:
    try:
        return decode_base64url(name)
    except (ValueError, BadInput, binascii.Error):
        raise NotFound("the issuer never had a key of that kid", code="unknown_issuer_key") from None


def _actor(app: App) -> str:
    return f"operator:{app.id}"
