"""An owner's morning on the virtual radio, written down by both hosts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from keygw.ble.air import BleAir
from keygw.ble.trace.tap import TraceFile, tapped
from keygw.model.command import Action
from keygw.vehicle.conversation import Conversation
from keygw.vehicle.ports import HeldKey
from keygw.wire.messages import Cmd
from keygw_sim.garage import Garage
from keygw_sim.radio.virtual import VirtualRadio
from keygw_sim.vehicle.runner import VehicleOnAir


@dataclass
class Recorded:
    """``phone`` and ``car``: btsnoop files of the two hosts. ``keys``: the lines of the car's key log."""

    phone: Path
    car: Path
    keys: list[str] = field(default_factory=list)


async def record(folder: Path, *, mtu: int = 517, visits: int = 2) -> Recorded:
    """``visits`` connections, an UNLOCK and a LOCK in each."""
    made = Recorded(folder / "phone.btsnoop", folder / "car.btsnoop")
    garage = Garage(folder / "garage")
    garage.brain.key_log = made.keys.append
    phone_tap, car_tap = TraceFile(made.phone), TraceFile(made.car)
    async with VirtualRadio() as radio:
        car_port, phone_port = [await radio.add_controller(tcp=False) for _ in range(2)]
        car = VehicleOnAir(garage.brain, tapped(car_port.open, car_tap), max_mtu=mtu)
        await car.start()
        air = BleAir.bumble(tapped(phone_port.open, phone_tap))
        held = HeldKey(garage.office.hand(garage.claims("owner")), garage.signers["owner"])
        for visit in range(visits):
            talk = await Conversation.open(air, garage.vehicle, held, garage.random, 5.0)
            await talk.authenticate(Cmd(2 * visit + 1, Action.UNLOCK))
            await talk.command(Cmd(2 * visit + 2, Action.LOCK))
            await talk.close()
        await air.close()
        await car.stop()
    phone_tap.close()
    car_tap.close()
    return made
