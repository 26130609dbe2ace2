"""Where a device is tested on a radio: a simulated phone in this process, or an app on a phone somewhere near."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

from keygw.ble.air import BleAir
from keygw.model.errors import BadInput
from keygw_sim.conformance.counter import Counter, PhoneUser, User
from keygw_sim.conformance.device_kit import CHECK_SECONDS, DeviceStand, MemoryStand, simulated_phone
from keygw_sim.conformance.hci import HCI
from keygw_sim.conformance.mutants.plant import Bed
from keygw_sim.conformance.operator import Operator, OperatorUser
from keygw_sim.conformance.rig import in_memory
from keygw_sim.conformance.rig_device import DeviceRig, load_device, vehicle_of_the_kit
from keygw_sim.conformance.showroom import Player
from keygw_sim.conformance.showroom_radio import RadioShowroom
from keygw_sim.conformance.simulated import SimulatedVehicle
from keygw_sim.conformance.tape import Tape
from keygw_sim.conformance.targets import OPERATED_S, only_kit
from keygw_sim.radio.virtual import VirtualRadio


class RadioStand:
    """One vehicle on the air, and one device, for all of the checks."""

    in_memory = False

    def __init__(self, room: RadioShowroom, rig: DeviceRig, user: User, seconds: float) -> None:
        self.seconds = seconds
        self._room, self._rig, self._user = room, rig, user

    @contextlib.asynccontextmanager
    async def counter(self, bed: Bed) -> AsyncIterator[Counter]:
        """``LinkError`` radio_unavailable once the radio has gone."""
        tape = Tape(self._room.sim.now)
        try:
            await self._room.fresh(tape)
            yield Counter(self._room, self._rig, bed, self._user, tape)
        finally:
            self._room.check()  # whatever has been found: it was found with nobody there


@contextlib.asynccontextmanager
async def device_stand(
    target: str, folder: Path | None, patience: float, operator: Operator | None
) -> AsyncIterator[DeviceStand]:
    """The stand for that target. ``BadInput`` no_rig, unknown_target, no_operator; ``LinkError`` without a radio."""
    if target == "memory":
        yield MemoryStand()
    elif target == "virtual":
        async with _virtual() as made:
            yield made
    else:
        if not HCI.fullmatch(target):
            raise BadInput(
                f"{target[:40]!r} cannot play a vehicle: to advertise, the kit takes an HCI controller of its own "
                "(usb:0, serial:..., tcp-client:HOST:PORT), or virtual",
                code="unknown_target",
            )
        if folder is None:
            raise BadInput(
                "a phone needs a rig: keygw conformance prepare DIR --phone FILE, then --rig DIR", code="no_rig"
            )
        if operator is None:
            raise BadInput("a phone is in somebody's hand: --operator tells them what to do", code="no_operator")
        rig = load_device(folder)
        with only_kit(rig.rig.vehicle.id):
            room = RadioShowroom(target, patience)
            sim = vehicle_of_the_kit(folder, rig, lambda *parts: Player(room, *parts))
            async with _on_air(room, sim, rig, OperatorUser(operator, folder), OPERATED_S) as stand:
                operator.tells(f"the vehicle {rig.rig.vehicle.id} advertises on {target}, and waits for the app")
                yield stand


@contextlib.asynccontextmanager
async def _virtual() -> AsyncIterator[RadioStand]:
    """Vehicle and simulated phone on one virtual radio: GATT, ATT, L2CAP, HCI, all in this process."""
    async with VirtualRadio() as radio:
        theirs, ours = [await radio.add_controller(tcp=False) for _ in range(2)]
        room = RadioShowroom(theirs.open, 0, own_clock=True)
        sim = SimulatedVehicle(time.monotonic, make=lambda *parts: Player(room, *parts))
        plain = in_memory(sim.vehicle, sim.unix)
        signer = plain.stranger()
        rig = DeviceRig(plain, signer.public_key)
        rig.trusted_by(sim)
        room.sim = sim
        air = BleAir.bumble(ours.open)
        phone = simulated_phone(air, signer, rig, room)
        try:
            async with _on_air(room, sim, rig, PhoneUser(phone), CHECK_SECONDS) as stand:
                yield stand
        finally:
            await phone.leave()
            await air.close()


@contextlib.asynccontextmanager
async def _on_air(
    room: RadioShowroom, sim: SimulatedVehicle, rig: DeviceRig, user: User, seconds: float
) -> AsyncIterator[RadioStand]:
    await room.start(sim)
    try:
        yield RadioStand(room, rig, user, seconds)
    finally:
        await room.stop()
