"""The kit's vehicle on a radio: it advertises, and waits for the device to come."""

from __future__ import annotations

import asyncio

from keygw.ble.bumble_host import HciOpener
from keygw.ble.faults import RADIO_UNAVAILABLE, fault
from keygw.wire.gatt import PREFERRED_MTU
from keygw_sim.conformance.showroom import Showroom
from keygw_sim.conformance.simulated import SimulatedVehicle
from keygw_sim.conformance.tape import Tape
from keygw_sim.conformance.verdict import Skip
from keygw_sim.vehicle.runner import VehicleOnAir

ATT_HEADER = 3


class RadioShowroom(Showroom):
    """``start`` puts ``sim`` on the air. ``own_clock``: the device is of this process and asks ``lateness``, so time
    can be let pass for it; else it really passes, up to ``patience`` seconds at once."""

    in_memory = False

    def __init__(self, transport: str | HciOpener, patience: float, *, own_clock: bool = False) -> None:
        super().__init__()
        self._transport, self._patience, self._own_clock = transport, patience, own_clock
        self._car: VehicleOnAir

    async def start(self, sim: SimulatedVehicle) -> None:
        """Advertise. ``LinkError`` radio_unavailable."""
        self.sim = sim
        self._car = VehicleOnAir(sim.brain, self._transport)
        await self._car.start()
        self._lost = asyncio.ensure_future(self._car.wait_lost())

    async def stop(self) -> None:
        self._lost.cancel()
        await self._car.stop()

    def check(self) -> None:
        if self._lost.done():
            raise fault(RADIO_UNAVAILABLE, "the controller of the kit's vehicle has gone")

    async def fresh(self, tape: Tape) -> None:
        """For the next check: every link ended, and nothing left of what the last one did to the vehicle."""
        await self.reboot()
        await self.settle()
        await self._car.allow_mtu(PREFERRED_MTU)
        self.new(tape)

    async def flush(self) -> None:
        await self._car.flush()

    async def pretend(self, rotating_id: bytes) -> None:
        await super().pretend(rotating_id)
        await self._car.advertise()

    async def limit_frames(self, size: int) -> None:
        await self._car.allow_mtu(size + ATT_HEADER)

    def affords(self, seconds: float) -> None:
        if not self._own_clock and seconds > self._patience:
            raise Skip(f"it takes {seconds:.0f} s: --patience {int(seconds) + 1}")

    async def late(self, seconds: float) -> None:
        if self._own_clock:
            await super().late(seconds)
            return
        self.sim.warped -= seconds  # what passes now is not for the vehicle
        await asyncio.sleep(seconds)

    async def reboot(self) -> None:
        await super().reboot()
        await self._car.reboot(self.sim.brain)
