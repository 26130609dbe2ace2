"""The kit through bleak's BlueZ backend; ``make test-bluez`` on real BlueZ. The board is at the radio's other end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bluez_place import PATIENCE, REAL, bluez_place
from keygw.model.errors import LinkError
from keygw.model.vehicle import Vehicle
from keygw_sim.conformance import kit, radio, rig, targets
from keygw_sim.conformance.verdict import Word
from keygw_sim.radio.virtual import VirtualRadio
from keygw_sim.vehicle.flash import Issuer
from keygw_sim.vehicle.runner import VehicleOnAir, load_vehicle

pytestmark = pytest.mark.usefixtures("dbus")
FIND_S = 3.0
SYSTEM = "bluez" if REAL else "dbus"


@pytest.fixture
async def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    """Of the rig for a vehicle that is on the air."""
    monkeypatch.setattr(radio, "FIND_S", FIND_S * PATIENCE)
    brain = load_vehicle(tmp_path / "board", "Board")
    memory = brain.memory
    made = rig.prepare(
        tmp_path / "rig", Vehicle(memory.vehicle_id, "Board", memory.signer.public_key, memory.advertising_key)
    )
    key = made.office.key
    memory.issuers.append(Issuer(key.issuer, key.kid, key.public_key))
    memory.owners.append(made.owner_thumbprint)
    async with AsyncExitStack() as stack:
        air = await stack.enter_async_context(VirtualRadio())
        await stack.enter_async_context(bluez_place(air, monkeypatch))
        car = VehicleOnAir(brain, (await air.add_controller(tcp=False)).open)
        await car.start()
        stack.push_async_callback(car.stop)
        yield tmp_path / "rig"


async def conforms(target: str, folder: Path, *only: str) -> str:
    """No requirement fails; the name under which the board advertises then."""
    async with targets.stand(target, folder) as stand:
        report = await kit.run(stand, target, only)
        heard = await stand.ground.hear(FIND_S * PATIENCE)
    assert [f"{each.requirement.id}: {each.why}" for each in report.verdicts if each.word is not Word.PASS] == []
    assert report.ok
    return heard[-1].name or ""


@pytest.mark.parametrize("number", ["KS-401", "KS-107", "KS-901", "KS-203", "KS-201", "KS-103"])
async def test_a_board_is_tested_through_bluez(number: str, folder: Path) -> None:
    await conforms(SYSTEM, folder, number)


async def test_a_board_is_met_by_its_name_and_by_its_address(folder: Path) -> None:
    async with targets.stand("bluez", folder) as stand:
        heard = (await stand.ground.hear(FIND_S * PATIENCE))[-1]
    assert heard.name is not None
    await conforms(heard.name, folder, "KS-402")
    async with targets.stand("bluez", folder) as stand:
        address = (await stand.ground.hear(FIND_S * PATIENCE))[-1].address
    await conforms(address, folder, "KS-204")


async def test_nobody_is_at_another_address(folder: Path) -> None:
    async with targets.stand("AA:BB:CC:DD:EE:FF", folder) as stand:
        with pytest.raises(LinkError, match="was not heard"):
            await stand.ground.connect()
