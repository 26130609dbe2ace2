"""The registry of signals against VSS v6.0 itself, and against what a body tells."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from keygw.model.entitlement import REGISTRY, Entitlement
from keygw.model.signal import LEAVES, PATHS, UNITS, Leaf, SignalId, SignalValue
from keygw_sim.vehicle.body import Body
from keygw_sim.vehicle.body_signals import SIGNALS

OVERLAY = "Vehicle.Private.KeyGW."
OWNERS_ONLY = {SignalId.PAIRING_OPEN, SignalId.OWNER_DEVICES}
WHOLE = {
    "uint8": (0, 2**8),
    "uint16": (0, 2**16),
    "uint32": (0, 2**32),
    "int8": (-128, 128),
    "int16": (-(2**15), 2**15),
}


@pytest.fixture(scope="module")
def catalogue() -> dict[str, list[str]]:
    """Of COVESA VSS v6.0: path -> kind, datatype, unit, least, most, allowed values."""
    beside = (above / "shared/data/vss_v6_leaves.tsv" for above in Path(__file__).resolve().parents[3:])
    found = next((file for file in beside if file.is_file()), None)
    if found is None:
        pytest.skip("the table of VSS v6.0 leaves is not beside this repository")
    with found.open(newline="", encoding="utf-8") as file:
        return {path: rest for path, *rest in csv.reader(file, delimiter="\t")}


def test_every_leaf_is_one_of_vss_with_its_type_and_unit(catalogue: dict[str, list[str]]) -> None:
    there = {path: Leaf(path, rest[1], rest[2] or None) for path, rest in catalogue.items()}
    outside = {leaf.path for leaf in LEAVES.values() if not leaf.path.startswith(OVERLAY)}
    assert len(outside) >= 90
    assert {leaf.path: leaf for leaf in LEAVES.values() if leaf.path in outside} == {p: there.get(p) for p in outside}


def test_every_value_of_a_body_is_one_that_vss_allows(catalogue: dict[str, list[str]]) -> None:
    for body in (Body(), busy()):
        for signal, value in body.readings().items():
            _, _, _, least, most, allowed = [*catalogue.get(signal.path, [""] * 6), "", ""][:6]
            if allowed:
                assert value in allowed.split("|"), signal
            if least:
                assert float(value) >= float(least), signal
            if most:
                assert float(value) <= float(most), signal


def busy() -> Body:
    """One that does a bit of everything."""
    body = Body()
    body.put({"engine_running": True, "speed": 299.0, "reverse": True, "braking": True, "driver_seated": True})
    body.put(
        {"cable_connected": True, "charging": True, "charge_port_open": True, "driver_window": 100, "heading": 360}
    )
    return body


@pytest.mark.parametrize("signal", SIGNALS)
def test_a_value_is_of_the_type_of_its_leaf(signal: SignalId) -> None:
    for body in (Body(), busy()):
        _check(LEAVES[signal].datatype, SIGNALS[signal](body))


def _check(datatype: str, value: SignalValue) -> None:
    if datatype in WHOLE:
        least, beyond = WHOLE[datatype]
        assert type(value) is int
        assert least <= value < beyond
    else:
        assert type(value) is {"boolean": bool, "string": str, "float": float, "double": float}[datatype]


def test_numbers_and_paths_stand_for_one_thing_each() -> None:
    assert set(LEAVES) == set(SignalId) == set(PATHS)
    assert len(set(PATHS.values())) == len(PATHS)
    assert set(UNITS) == {signal for signal, leaf in LEAVES.items() if leaf.unit}
    assert not {int(signal) for signal in SignalId} & {12, 13, 14, 15}, "those are free, and were promised to others"
    assert [int(signal) for signal in SignalId][:11] == list(range(1, 12)), "what is on the air stays what it is"


def test_a_body_tells_all_but_what_concerns_keys() -> None:
    assert set(SIGNALS) == set(SignalId) - OWNERS_ONLY
    assert set(REGISTRY[0].signals) == set(SIGNALS)
    assert REGISTRY[0].entitlement is Entitlement.STATUS_READ
