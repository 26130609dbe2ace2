"""A car's file that was damaged in one place: told at the start, never another kind of error, never half believed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from keygw.model.errors import StoreError
from keygw_sim.garage import Garage
from keygw_sim.vehicle.flash import Flash

Damage = Callable[[dict[str, Any]], object]


@pytest.fixture
def garage(tmp_path: Path) -> Garage:
    return Garage(tmp_path).enrol("owner", "friend")


def damaged(garage: Garage, damage: Damage) -> Flash:
    path = garage.folder / "vehicle.json"
    document = json.loads(path.read_text())
    damage(document)
    path.write_text(json.dumps(document))
    return Flash(garage.folder)


def test_what_is_whole_is_loaded_as_it_was_saved(garage: Garage) -> None:
    memory = damaged(garage, lambda document: None).load()
    assert memory is not None
    assert memory.to_json() == garage.brain.memory.to_json()


@pytest.mark.parametrize(
    "damage",
    [
        lambda document: document.update(keys=[]),  # was an AttributeError (found by fuzzing)
        lambda document: document.update(vehicle_key=5),
        lambda document: document.update(answers="x"),
        lambda document: document.update(boot_epoch=None),  # was believed, and ended the start with a TypeError
        lambda document: document.update(boot_epoch=True),
        lambda document: document.update(time_floor="1800000000"),
        lambda document: document.update(receipt_sequence=-1),
        lambda document: document.update(list_sequence=1.5),
        lambda document: document.update(vehicle_id="veh_x"),
        lambda document: document.update(name=None),
        lambda document: document.update(body=[]),
        lambda document: document["pairing"].__setitem__(3, None),
        lambda document: next(iter(document["keys"].values())).__setitem__(2, "soon"),
        lambda document: next(iter(document["keys"].values())).append(0),
    ],
)
def test_damage_in_one_place_is_told(garage: Garage, damage: Damage) -> None:
    with pytest.raises(StoreError) as caught:
        damaged(garage, damage).load()
    assert caught.value.code == "flash_damaged"
