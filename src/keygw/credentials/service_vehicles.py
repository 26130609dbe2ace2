"""The vehicles and devices that the credential service knows."""

from __future__ import annotations

from collections.abc import Sequence

from keygw.credentials.issuing import checked_label, checked_public_key
from keygw.credentials.ports import CredentialTransaction
from keygw.credentials.service_base import ServiceBase
from keygw.crypto.signer import Signer, device_id
from keygw.model.audit import SYSTEM
from keygw.model.device import Device, DeviceKind
from keygw.model.errors import BadInput, Conflict, NotFound
from keygw.model.ids import id_bytes
from keygw.model.vehicle import IssuerRoot, Registered, Vehicle


class VehicleService(ServiceBase):
    """Vehicles and devices."""

    async def register_vehicle(self, vehicle: Vehicle, *, actor: str = SYSTEM) -> Vehicle:
        """The same vehicle again is a success; ``Conflict`` vehicle_exists if the id stands for other keys."""
        self._check_vehicle(vehicle)

        async def work(tx: CredentialTransaction) -> Vehicle:
            if await self._registered(tx, vehicle, actor) is Registered.CONFLICT:
                raise Conflict("another vehicle is registered under this id", code="vehicle_exists")
            return vehicle

        return await self._store.write(work)

    async def register_vehicles(self, vehicles: Sequence[Vehicle], *, actor: str = SYSTEM) -> list[Registered]:
        """Many in one transaction: what became of each, in order. ``BadInput`` for a malformed one; then of none."""
        for vehicle in vehicles:
            self._check_vehicle(vehicle)

        async def work(tx: CredentialTransaction) -> list[Registered]:
            return [await self._registered(tx, vehicle, actor) for vehicle in vehicles]

        return await self._store.write(work)

    async def issuer_root(self) -> IssuerRoot:
        """What a vehicle is to trust that is provisioned now."""
        issuer = self.issuer
        statements = await self._store.issuer_statements(0)
        sequence = next((said.sequence for said in reversed(statements) if said.kid == issuer.kid), 0)
        return IssuerRoot(issuer.issuer, issuer.kid, issuer.public_key, sequence)

    async def vehicle(self, vehicle_id: str) -> Vehicle:
        return (await self._vehicle(self._store, vehicle_id)).vehicle

    async def vehicles(self) -> list[Vehicle]:
        return [record.vehicle for record in await self._store.vehicles()]

    async def create_hosted_device(self, app_id: str, label: str = "", *, actor: str = SYSTEM) -> Device:
        """A device whose key the gateway keeps for that app."""
        checked_label(label, self._limits)
        public_key = await self._vault.create()
        device = Device(device_id(public_key), DeviceKind.HOSTED, public_key, label, app_id)

        async def work(tx: CredentialTransaction) -> Device:
            added = await tx.add_device(device)
            self._journal.record(tx, actor, "device.registered", device_id=device.id, data={"kind": device.kind.value})
            return added

        return await self._store.write(work)

    async def device(self, device_id: str) -> Device:
        device = await self._store.device(device_id)
        if device is None:
            raise NotFound("there is no such device", code="unknown_device")
        return device

    async def device_signer(self, device_id: str) -> Signer:
        """The key of a hosted device, for use inside this process alone."""
        return await self._vault.signer(device_id)

    async def _registered(self, tx: CredentialTransaction, vehicle: Vehicle, actor: str) -> Registered:
        known = await tx.vehicle(vehicle.id)
        if known is not None:
            return Registered.KNOWN if known.vehicle == vehicle else Registered.CONFLICT
        await tx.add_vehicle(vehicle)
        self._journal.record(tx, actor, "vehicle.registered", vehicle_id=vehicle.id)
        return Registered.CREATED

    def _check_vehicle(self, vehicle: Vehicle) -> None:
        id_bytes(vehicle.id, "veh")
        checked_public_key(vehicle.public_key)
        if len(vehicle.advertising_key) != 16:
            raise BadInput("an advertising key has 16 bytes", code="bad_advertising_key")
        checked_label(vehicle.name, self._limits)
