"""An owner key is issued on a verified ticket alone, once, for that device and that exchange."""

from __future__ import annotations

from dataclasses import replace

import pytest
from attestation_cast import CHALLENGE, DEVICE
from tests.unit.credentials.test_credentials_devices import making, refused, strict

from keygw.crypto.signer import LocalSigner, device_id, thumbprint
from keygw.model.device import AttestationLevel, Device, DeviceKind
from keygw.model.digital_key import Role
from keygw.model.errors import Conflict, Forbidden, KeygwError, NotFound, TokenError
from keygw.model.ids import new_id
from keygw.model.vehicle import Vehicle
from keygw.token.cwt import decode_cwt
from keygw.token.ticket import PairingTicket, sign_ticket

TRANSCRIPT = bytes(range(32))


class Exchange:
    """A vehicle that has just enrolled a hosted device; the gateway has never heard of it."""

    def __init__(self, world) -> None:  # type: ignore[no-untyped-def]  # the conftest's World
        self.world = world
        self.signer = LocalSigner.generate()
        self.vehicle = Vehicle(new_id("veh", world.random), "Car", self.signer.public_key, world.random(16))

    async def device(self) -> Device:
        made: Device = await self.world.service.create_hosted_device("app_test", "Owner's phone")
        return made

    def ticket(self, device: Device, counter: int = 1, signer: LocalSigner | None = None, **changes: object) -> bytes:
        ticket = PairingTicket(self.vehicle.id, thumbprint(device.public_key), TRANSCRIPT, counter)
        return sign_ticket(replace(ticket, **changes), signer or self.signer)  # type: ignore[arg-type]  # any field


@pytest.fixture
def exchange(world) -> Exchange:  # type: ignore[no-untyped-def]  # the conftest's World
    return Exchange(world)


async def test_a_ticket_makes_vehicle_and_owner_known(exchange: Exchange) -> None:
    world, device = exchange.world, await exchange.device()
    key = await world.service.pair_owner(exchange.vehicle, device, exchange.ticket(device), TRANSCRIPT, "Mine")
    assert (key.role, key.device_id, key.label) == (Role.OWNER, device.id, "Mine")
    claims = decode_cwt((await world.service.key_token(key.id)).cwt, world.trusted, vehicle_id=exchange.vehicle.id)
    assert claims.device_key == device.public_key
    assert claims.vehicle_thumbprint == thumbprint(exchange.vehicle.public_key)[:16]
    assert await world.service.vehicle(exchange.vehicle.id) == exchange.vehicle
    assert world.told() == ["key.issued", "key.pairing"]


@pytest.mark.parametrize(
    ("level", "challenge", "code"),
    [
        (AttestationLevel.BASIC, CHALLENGE, None),
        (AttestationLevel.SELF, CHALLENGE, "attestation_required"),
        (AttestationLevel.NONE, CHALLENGE, "attestation_required"),
        (AttestationLevel.BASIC, bytes(32), "attestation_challenge"),
    ],
)
async def test_the_owners_profile_judges_what_a_phone_proved_in_the_exchange(
    exchange: Exchange, level: AttestationLevel, challenge: bytes, code: str | None
) -> None:
    world = exchange.world
    world.service = world.restarted(strict())
    phone = Device(device_id(DEVICE.public_key), DeviceKind.PHONE, DEVICE.public_key, "Phone", "app_test")
    ticket, said = exchange.ticket(phone), {"evidence": making(DEVICE, level, challenge), "challenge": CHALLENGE}
    pairing = world.service.pair_owner(exchange.vehicle, phone, ticket, TRANSCRIPT, **said)
    if code is None:
        key = await pairing
        assert (await world.service.device(key.device_id)).level is AttestationLevel.BASIC
        return
    assert await refused(pairing) == code
    assert await refused(world.service.vehicle(exchange.vehicle.id)) == "unknown_vehicle", "nothing is kept"
    said = {"evidence": making(DEVICE, AttestationLevel.BASIC, CHALLENGE), "challenge": CHALLENGE}
    await world.service.pair_owner(exchange.vehicle, phone, ticket, TRANSCRIPT, **said)


async def test_a_phone_of_another_app_is_not_paired(exchange: Exchange) -> None:
    world = exchange.world
    for app, code in (("app_a", None), ("app_b", "device_taken")):
        phone = Device(device_id(DEVICE.public_key), DeviceKind.PHONE, DEVICE.public_key, "Phone", app)
        ticket = exchange.ticket(phone, counter=1 if code is None else 2)
        pairing = world.service.pair_owner(exchange.vehicle, phone, ticket, TRANSCRIPT)
        if code is None:
            await pairing
        else:
            assert await refused(pairing) == code


async def test_a_used_ticket_is_refused_after_a_restart_as_well(exchange: Exchange) -> None:
    world, device = exchange.world, await exchange.device()
    ticket = exchange.ticket(device, 3)
    await world.service.pair_owner(exchange.vehicle, device, ticket, TRANSCRIPT)
    older = exchange.ticket(device, 2)
    for service in (world.service, world.restarted()):
        for replayed in (ticket, older):
            with pytest.raises(Conflict) as refused:
                await service.pair_owner(exchange.vehicle, device, replayed, TRANSCRIPT)
            assert refused.value.code == "ticket_replayed"
    assert len(await world.service.keys(exchange.vehicle.id)) == 1
    await world.service.pair_owner(exchange.vehicle, device, exchange.ticket(device, 4), TRANSCRIPT)


async def test_a_ticket_is_for_one_device_vehicle_and_exchange(exchange: Exchange) -> None:
    world, device, other = exchange.world, await exchange.device(), await exchange.device()
    cases: list[tuple[Device, bytes, bytes, str]] = [
        (other, exchange.ticket(device), TRANSCRIPT, "ticket_foreign"),
        (device, exchange.ticket(device), bytes(32), "ticket_foreign"),
        (device, exchange.ticket(device, vehicle_id="veh_aaaaaaaaaaaaaaaa"), TRANSCRIPT, "ticket_foreign"),
        (device, exchange.ticket(device, signer=LocalSigner.generate()), TRANSCRIPT, "token_signature"),
        (device, b"", TRANSCRIPT, "token_malformed"),
    ]
    for holder, ticket, transcript, code in cases:
        with pytest.raises(TokenError) as refused:
            await world.service.pair_owner(exchange.vehicle, holder, ticket, transcript)
        assert refused.value.code == code
    with pytest.raises(NotFound):  # nothing of it was kept
        await world.service.vehicle(exchange.vehicle.id)
    assert world.told() == []


@pytest.mark.parametrize("what", ["public_key", "advertising_key"])
async def test_nobody_pairs_his_way_into_a_known_vehicles_name(exchange: Exchange, what: str) -> None:
    world, device = exchange.world, await exchange.device()
    await world.service.register_vehicle(exchange.vehicle)
    thief = LocalSigner.generate()
    own = exchange.vehicle
    impostor = {
        "public_key": replace(own, public_key=thief.public_key),
        "advertising_key": replace(own, advertising_key=bytes(16)),
    }[what]
    with pytest.raises(KeygwError) as refused:
        await world.service.pair_owner(impostor, device, exchange.ticket(device, signer=thief), TRANSCRIPT)
    assert refused.value.code == "vehicle_exists"


async def test_a_known_vehicle_keeps_the_name_it_has(exchange: Exchange) -> None:
    world, device = exchange.world, await exchange.device()
    await world.service.register_vehicle(exchange.vehicle)
    renamed = replace(exchange.vehicle, name="Mine")
    await world.service.pair_owner(renamed, device, exchange.ticket(device), TRANSCRIPT)
    assert (await world.service.vehicle(exchange.vehicle.id)).name == "Car"


async def test_a_paired_vehicle_gets_no_owner_without_a_ticket(exchange: Exchange) -> None:
    world, device = exchange.world, await exchange.device()
    await world.service.register_vehicle(exchange.vehicle)
    await world.service.issue_owner_key(exchange.vehicle.id, device)
    await world.service.pair_owner(exchange.vehicle, device, exchange.ticket(device), TRANSCRIPT)
    for service in (world.service, world.restarted()):
        with pytest.raises(Forbidden) as refused:
            await service.issue_owner_key(exchange.vehicle.id, device)
        assert refused.value.code == "pairing_required"
