"""What a story of faults has found."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Report:
    """``faults``: how often the thing that was to be survived was done; ``lost``: promises that did not hold."""

    name: str
    faults: int = 0
    acknowledged: int = 0
    unavailable: int = 0
    wrong: list[str] = field(default_factory=list)
    skipped: str = ""

    @property
    def lost(self) -> int:
        return len(self.wrong)

    def line(self) -> str:
        if self.skipped:
            return f"{self.name:32} skipped: {self.skipped}"
        told = f"{self.name:32} faults {self.faults:4}   acknowledged {self.acknowledged:7}   lost {self.lost}"
        return told + (f"   refused meanwhile {self.unavailable}" if self.unavailable else "")

    def json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "faults": self.faults,
            "acknowledged": self.acknowledged,
            "refused_meanwhile": self.unavailable,
            "lost": self.lost,
            "wrong": self.wrong[:20],
            "skipped": self.skipped or None,
        }
