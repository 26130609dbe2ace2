"""What ``--target`` names, made ready: the ground, the rig, the hands."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from keygw.ble.bumble_backend import bumble_backends
from keygw.ble.bumble_host import BumbleHost
from keygw.model.errors import BadInput, StoreError
from keygw.store.instance import InstanceLock
from keygw_sim.conformance import lack
from keygw_sim.conformance.hci import HCI, SIMULATED
from keygw_sim.conformance.kit import Stand
from keygw_sim.conformance.operator import Operator, OperatorHands
from keygw_sim.conformance.ports import NoHands
from keygw_sim.conformance.radio import PATIENCE_S, RadioGround
from keygw_sim.conformance.rig import Rig, in_memory, load
from keygw_sim.conformance.simulated import ANSWER_S, QUIET_S, MemoryGround, SimulatedVehicle
from keygw_sim.radio.virtual import VirtualRadio
from keygw_sim.vehicle.flash import Issuer
from keygw_sim.vehicle.runner import VehicleOnAir

_ADDRESS = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}")
"""Of BLE. (Apple's systems show an UUID in its place, which has no colon.)"""
OPERATED_S = 3600.0
"""For one check with a person in it; each of their steps has its own limit."""


@contextlib.asynccontextmanager
async def stand(
    target: str, folder: Path | None, patience: float = PATIENCE_S, operator: Operator | None = None
) -> AsyncIterator[Stand]:
    """The stand for that target. ``operator``: who presses the buttons of a board.

    ``BadInput`` no_rig, wrong_rig, unknown_target, board_in_use; ``LinkError`` without a radio.
    """
    if target in SIMULATED and folder is not None:
        raise BadInput(
            f"--target {target} is the simulated vehicle, and takes no rig: name the board with --target, or leave "
            "--rig out",
            code="wrong_rig",
        )
    if target == "memory":
        yield memory_stand()
    elif target == "virtual":
        async with virtual_stand() as made:
            yield made
    else:
        if folder is None:
            raise BadInput(
                "a board needs a rig: keygw conformance prepare DIR --vehicle FILE, then --rig DIR", code="no_rig"
            )
        rig = load(folder, time.time)
        if rig.device:
            raise BadInput(f"the rig in {folder} is for a phone: --role device goes with it", code="wrong_rig")
        with only_kit(rig.vehicle.id):
            ground = board_ground(target, rig, patience)
            try:
                if not HCI.fullmatch(target):
                    await lack.before(target)
                if operator is None:
                    yield Stand(ground, rig, NoHands(), board=folder)
                else:
                    yield Stand(ground, rig, OperatorHands(operator, ground.drop), OPERATED_S, folder)
            finally:
                await ground.close()


def memory_stand() -> Stand:
    """A simulated vehicle on links in memory: no radio, no waiting."""
    ground = MemoryGround()
    return Stand(ground, factory(ground.sim), ground.sim)


@contextlib.asynccontextmanager
async def virtual_stand() -> AsyncIterator[Stand]:
    """A simulated vehicle on the virtual radio: bleak, Bumble's host stack, HCI, all in this process."""
    sim = SimulatedVehicle(time.monotonic)
    rig = factory(sim)
    async with contextlib.AsyncExitStack() as stack:
        radio = await stack.enter_async_context(VirtualRadio())
        ports = [await radio.add_controller(tcp=False) for _ in range(2)]
        car = VehicleOnAir(sim.brain, ports[0].open)
        await car.start()
        stack.push_async_callback(car.stop)
        host = BumbleHost(ports[1].open)
        scanner, client = bumble_backends(host)
        hands = HandsOnAir(sim, car)
        ground = RadioGround(
            rig.vehicle.advertising_key,
            scanner,
            client,
            release=host.close,
            clock=sim.now,
            pass_time=hands.warp,
            answer_s=ANSWER_S,
            quiet_s=QUIET_S,
        )
        hands.ground = ground
        stack.push_async_callback(ground.close)
        yield Stand(ground, rig, hands)


class HandsOnAir:
    """The simulated vehicle's hands, when its frames leave by a radio."""

    ground: RadioGround

    def __init__(self, sim: SimulatedVehicle, car: VehicleOnAir) -> None:
        self._sim, self._car = sim, car

    async def warp(self, seconds: float) -> None:
        self._sim.warp(seconds)
        await self._car.flush()
        await self._car.advertise()

    async def set_body(self, **changes: object) -> None:
        await self._sim.set_body(**changes)
        await self._car.flush()

    async def open_pairing(self) -> str:
        code = await self._sim.open_pairing()
        await self._car.flush()
        return code

    async def remove_key(self, key_id: str) -> None:
        await self._sim.remove_key(key_id)
        await self._car.flush()

    async def reboot(self) -> None:
        """Links end with the power, and the brain begins anew from its flash."""
        await self.ground.drop()
        await self._sim.reboot()
        await self._car.reboot(self._sim.brain)


def factory(sim: SimulatedVehicle) -> Rig:
    """A rig for that vehicle, which leaves the factory trusting it."""
    rig = in_memory(sim.vehicle, sim.unix)
    key = rig.office.key
    sim.trust(Issuer(key.issuer, key.kid, key.public_key), rig.owner_thumbprint)
    return rig


def board_ground(target: str, rig: Rig, patience: float) -> RadioGround:
    """For a board: over an HCI controller of our own, the system's adapter, or at that address or under that name."""
    key = rig.vehicle.advertising_key
    if HCI.fullmatch(target):
        host = BumbleHost(target)
        scanner, client = bumble_backends(host)
        return RadioGround(key, scanner, client, release=host.close, patience=patience)
    if target == "dbus":
        if "DBUS_SYSTEM_BUS_ADDRESS" not in os.environ:
            raise BadInput(
                "dbus means bleak's BlueZ backend on a private bus, and DBUS_SYSTEM_BUS_ADDRESS does not name one: "
                "keygw sim bluez starts one, and prints its address",
                code="no_private_bus",
            )
        return RadioGround(key, patience=patience)
    if target in ("bluez", "system"):
        return RadioGround(key, patience=patience)
    strange = ":" in target and not _ADDRESS.fullmatch(target)
    if strange or not target or len(target) > 64 or not target.isprintable() or "/" in target:
        raise BadInput(
            f"{target[:40]!r} is no target: virtual, dbus, bluez, usb:0, serial:..., tcp-client:..., an address or a "
            "name",
            code="unknown_target",
        )
    return RadioGround(key, place=target, patience=patience)


@contextlib.contextmanager
def only_kit(vehicle_id: str) -> Iterator[None]:
    """``BadInput`` board_in_use if another kit on this machine is at that vehicle."""
    folder = Path(tempfile.gettempdir()) / f"keygw-conformance-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
    lock = InstanceLock(folder / vehicle_id)
    try:
        lock.__enter__()
    except StoreError as error:
        if error.code != "store_in_use":
            raise
        raise BadInput(
            f"another kit is testing {vehicle_id}: wait until it has ended, or end it", code="board_in_use"
        ) from error
    try:
        yield
    finally:
        lock.__exit__(None, None, None)
