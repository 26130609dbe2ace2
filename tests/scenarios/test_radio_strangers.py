"""Strangers on the air: what they may learn of a device, and whom they may keep from the car."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from bumble import hci, smp
from bumble.core import PhysicalTransport
from bumble.core import ProtocolError as PairingError
from bumble.device import Connection, Device, DeviceConfiguration
from bumble.host import Host

from keygw.ble.bumble_host import BumbleHost
from keygw_sim.radio.virtual import RadioPort, VirtualRadio
from keygw_sim.vehicle.echo import EchoVehicle

RID = bytes.fromhex("010203040506")
SOON = 2.0


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as made:
        yield made


@pytest.fixture
async def radio(stack: AsyncExitStack) -> VirtualRadio:
    return await stack.enter_async_context(VirtualRadio())


async def port(radio: VirtualRadio) -> RadioPort:
    return await radio.add_controller(tcp=False)


async def stranger(radio: VirtualRadio) -> Device:
    """A bare Bumble device, which pairs with anybody."""
    transport = await (await port(radio)).open()
    config = DeviceConfiguration(name="stranger", address=hci.Address.generate_static_address())
    device = Device(config=config, host=Host(transport.source, transport.sink))
    await device.power_on()
    return device


async def met(device: Device) -> Connection:
    """A connection to the one that advertises."""
    heard: asyncio.Future[hci.Address] = asyncio.get_running_loop().create_future()
    device.once(Device.EVENT_ADVERTISEMENT, lambda advertisement: heard.set_result(advertisement.address))
    await device.start_scanning(active=False)
    address = await asyncio.wait_for(heard, SOON)
    await device.stop_scanning()
    return await device.connect(address, transport=PhysicalTransport.LE, timeout=SOON)


async def answer_to(connection: Connection, command: smp.SMP_Command) -> smp.SMP_Command:
    """What comes back first for one Security Manager command, sent out of the blue."""
    device = connection.device
    answers: asyncio.Queue[smp.SMP_Command] = asyncio.Queue()
    device.l2cap_channel_manager.register_fixed_channel(
        smp.SMP_CID, lambda _handle, pdu: answers.put_nowait(smp.SMP_Command.from_bytes(pdu))
    )
    connection.send_l2cap_pdu(smp.SMP_CID, bytes(command))
    return await asyncio.wait_for(answers.get(), SOON)


async def test_a_vehicle_pairs_with_nobody_and_tells_no_identity(radio: VirtualRadio, stack: AsyncExitStack) -> None:
    await stack.enter_async_context(EchoVehicle((await port(radio)).open, RID))
    connection = await met(await stranger(radio))
    advertised = connection.peer_address
    with pytest.raises(PairingError) as caught:
        await asyncio.wait_for(connection.pair(), SOON)
    assert caught.value.error_code == smp.ErrorCode.PAIRING_NOT_SUPPORTED
    assert connection.peer_address == advertised
    assert not connection.is_encrypted


async def test_a_vehicle_gives_no_public_key_to_who_skips_the_request(
    radio: VirtualRadio, stack: AsyncExitStack
) -> None:
    await stack.enter_async_context(EchoVehicle((await port(radio)).open, RID))
    connection = await met(await stranger(radio))
    key = connection.device.smp_manager.ecc_key
    public_key = smp.SMP_Pairing_Public_Key_Command(public_key_x=key.x[::-1], public_key_y=key.y[::-1])
    answer = await answer_to(connection, public_key)
    assert isinstance(answer, smp.SMP_Pairing_Failed_Command)
    assert answer.reason == smp.ErrorCode.PAIRING_NOT_SUPPORTED


async def test_a_device_pairs_with_no_vehicle(radio: VirtualRadio, stack: AsyncExitStack) -> None:
    """The same from the other side: a false car may ask the gateway or the phone."""
    false_car = await stranger(radio)
    await false_car.start_advertising(advertising_interval_min=20, advertising_interval_max=20)
    arrived: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
    false_car.once(Device.EVENT_CONNECTION, arrived.set_result)
    host = await BumbleHost.open((await port(radio)).open)
    stack.push_async_callback(host.close)
    assert false_car.random_address is not None
    await host.connect(false_car.random_address, SOON)
    connection = await asyncio.wait_for(arrived, SOON)
    with pytest.raises(PairingError) as caught:
        await asyncio.wait_for(connection.pair(), SOON)
    assert caught.value.error_code == smp.ErrorCode.PAIRING_NOT_SUPPORTED


async def test_a_device_has_another_address_on_every_connection(radio: VirtualRadio, stack: AsyncExitStack) -> None:
    car = await stranger(radio)
    seen: asyncio.Queue[hci.Address] = asyncio.Queue()
    car.on(Device.EVENT_CONNECTION, lambda connection: seen.put_nowait(connection.peer_address))
    host = await BumbleHost.open((await port(radio)).open)
    stack.push_async_callback(host.close)
    assert car.random_address is not None
    addresses = []
    for _ in range(3):
        await car.start_advertising(advertising_interval_min=20, advertising_interval_max=20)
        connection = await host.connect(car.random_address, SOON)
        addresses.append(await asyncio.wait_for(seen.get(), SOON))
        await host.command(connection.disconnect())
    assert len(set(addresses)) == 3
    assert all(address.is_random and not address.is_resolvable and not address.is_static for address in addresses)
