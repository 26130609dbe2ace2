"""The head unit's wires into a simulated car."""

from __future__ import annotations

from collections.abc import Callable

from keygw_sim.head_unit.head_unit import Around, KnownKey
from keygw_sim.vehicle.brain import Brain


class BrainCar:
    """A ``Brain`` as the ``Car`` of a head unit; ``brain()``, for a reboot makes another."""

    def __init__(self, brain: Callable[[], Brain]) -> None:
        self._brain = brain

    @property
    def moving(self) -> bool:
        return self._brain().body.speed > 0

    def open_pairing(self) -> int:
        return self._brain().open_pairing()

    def remove_key(self, key_id: str) -> None:
        self._brain().remove_key(key_id)

    def known_keys(self) -> list[KnownKey]:
        memory = self._brain().memory
        return [KnownKey(key_id, each.depth == 0, each.index in memory.removed) for key_id, each in memory.keys.items()]

    def around(self) -> list[Around]:
        return [Around(claims.key_id, claims.role.label, zone.label) for claims, zone in self._brain().around()]
