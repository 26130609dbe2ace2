"""A car's flash memory without a disk, and the power that may go at any save."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from keygw_sim.vehicle.flash import Flash, Memory

NOWHERE = Path("/nonexistent")


class PowerCut(OSError):
    """The power went during a save."""


class MemoryFlash(Flash):
    """Keeps what was saved last. What is saved never changes afterwards: the car makes a draft for every change.

    ``on_saved``: told what is stored now; from then on it has happened, whatever becomes of the car.
    """

    def __init__(self, on_saved: Callable[[Memory], None], on_cut: Callable[[], None]) -> None:
        super().__init__(NOWHERE)
        self.fuse: int | None = None
        """So many more saves; then the power goes."""
        self.stored = True
        """Whether that last save is stored before the power goes."""
        self._on_saved = on_saved
        self._on_cut = on_cut
        self._kept: Memory | None = None

    def load(self) -> Memory | None:
        return None if self._kept is None else self._kept.draft()

    def save(self, memory: Memory) -> None:
        if self.fuse is not None:
            self.fuse -= 1
            if self.fuse < 0:
                self.fuse = None
                if self.stored:
                    self._keep(memory)
                self._on_cut()
                raise PowerCut("the power is gone")
        self._keep(memory)

    def _keep(self, memory: Memory) -> None:
        self._kept = memory
        self._on_saved(memory)
