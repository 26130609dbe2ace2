"""The credential service as the vehicle room wants to see it (``vehicle.ports.Books``)."""

from __future__ import annotations

from collections.abc import Sequence

from keygw.credentials.service import CredentialService
from keygw.credentials.values import SignedList
from keygw.model.device import DeviceKind
from keygw.model.digital_key import KeyState, Role
from keygw.model.errors import Forbidden
from keygw.model.receipt import Receipt
from keygw.model.vehicle import Vehicle
from keygw.session.device import KeyInHand
from keygw.vehicle.ports import HeldKey

_MAY_CARRY = (KeyState.ACTIVE, KeyState.REVOKING, KeyState.SUSPENDED)
"""In order of preference. A key under revocation or suspension still opens a session on a car that has not heard of it,
and so may bring it the news."""


class ServiceBooks:
    def __init__(self, service: CredentialService) -> None:
        self._service = service

    async def vehicle(self, vehicle_id: str) -> Vehicle:
        return await self._service.vehicle(vehicle_id)

    async def vehicles(self) -> Sequence[Vehicle]:
        return await self._service.vehicles()

    async def held_key(self, key_id: str) -> HeldKey:
        key = await self._service.key(key_id)
        device = await self._service.device(key.device_id)
        if device.kind is not DeviceKind.HOSTED:
            raise Forbidden("a phone holds this key; the gateway cannot act with it", code="not_hosted")
        token = await self._service.key_token(key_id)
        signer = await self._service.device_signer(device.id)
        chain = tuple((link.grant, link.parent_token) for link in await self._service.chain(key_id))
        before = await self._service.former_token(key_id)
        former = None
        if before is not None:
            links = tuple((link.grant, link.parent_token) for link in before.chain)
            former = KeyInHand(key_id, before.cwt, device.public_key, links)
        return HeldKey(KeyInHand(key_id, token.cwt, device.public_key, chain), signer, former)

    async def courier_keys(self, vehicle_id: str) -> Sequence[str]:
        found = []
        for key in await self._service.keys(vehicle_id=vehicle_id):
            device = await self._service.device(key.device_id)
            if device.kind is DeviceKind.HOSTED and key.state in _MAY_CARRY:
                found.append(key)
        found.sort(key=lambda key: (_MAY_CARRY.index(key.state), key.role is not Role.OWNER))
        return [key.id for key in found]

    async def current_list(self, vehicle_id: str) -> SignedList:
        return await self._service.current_list(vehicle_id)

    async def recover_list(self, vehicle_id: str, signed: bytes) -> None:
        await self._service.recover_list(vehicle_id, signed)

    async def alert(self, vehicle_id: str, reason: str) -> None:
        await self._service.alert(vehicle_id, reason)

    async def acknowledge_list(self, vehicle_id: str, ack: bytes) -> object:
        return await self._service.acknowledge_list(vehicle_id, ack)

    async def time_proof(self, vehicle_id: str, nonce: bytes) -> bytes:
        return await self._service.time_proof(vehicle_id, nonce)

    async def record_receipt(self, vehicle_id: str, signed: bytes) -> Receipt:
        return await self._service.record_receipt(vehicle_id, signed)

    async def last_receipt_sequence(self, vehicle_id: str) -> int:
        return await self._service.last_receipt_sequence(vehicle_id)
