"""The power that may go at any save to a car's flash memory."""

from __future__ import annotations

from collections.abc import Callable

from keygw_sim.vehicle.flash import Memory, MemoryFlash


class PowerCut(OSError):
    """The power went during a save."""


class FragileFlash(MemoryFlash):
    """``on_saved``: told what is stored now; from then on it has happened, whatever becomes of the car."""

    def __init__(self, on_saved: Callable[[Memory], None], on_cut: Callable[[], None]) -> None:
        super().__init__()
        self.fuse: int | None = None
        """So many more saves; then the power goes."""
        self.stored = True
        """Whether that last save is stored before the power goes."""
        self._on_saved = on_saved
        self._on_cut = on_cut

    def load(self) -> Memory | None:
        """The very entries that were saved, for the world knows by them what is new; and its own signer, which signs
        repeatably."""
        return None if self.kept is None else self.kept.draft()

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
        super().save(memory)
        self._on_saved(memory)
