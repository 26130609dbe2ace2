"""Rules of tracking, the air."""

from __future__ import annotations

import pytest

from attack_mutants.register import always, frees
from keygw_sim.vehicle.gatt import GattPeripheral


@frees("track-car-by-its-id", "in common")
def the_id_stays(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("keygw_sim.vehicle.brain.rotating_id", always(b"stable"))


@frees("air-flood", "breach: the owner cannot lock")
def nobody_makes_room(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(GattPeripheral, "_make_room", lambda self: len(self._centrals) < self._max_connections)
