"""The demo's ladder: who speaks, what happened, how long it took, how many bytes it cost."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.text import Text

NAME_WIDTH = 35


class StepFailed(Exception):
    """What the story promises did not hold."""


@dataclass(slots=True)
class Step:
    """One rung. Fill ``detail`` and the measures while it runs."""

    name: str
    who: str
    ok: bool = False
    ms: float = 0.0
    round_trips: int = 0
    air_bytes: int = 0
    says: str = ""
    detail: dict[str, Any] = field(default_factory=dict)

    def measured(self, data: dict[str, Any], *, ms: str | None = None) -> None:
        """Take over what a command reported of itself; ``ms`` names the entry that is this step's time."""
        self.round_trips = data.get("round_trips") or 0
        self.air_bytes = data.get("air_bytes") or 0
        if ms is not None and data.get(ms) is not None:
            self.ms = data[ms]

    def hold(self, holds: bool, otherwise: str) -> None:
        """``StepFailed`` unless it holds."""
        if not holds:
            raise StepFailed(otherwise)

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "ok": self.ok,
            "ms": round(self.ms, 1),
            "round_trips": self.round_trips,
            "air_bytes": self.air_bytes,
            "detail": self.detail,
        }


class Ladder:
    """Collects the steps and tells them as they happen. With ``as_json`` it is silent until ``finish``.

    Without a terminal, with ``NO_COLOR`` or with ``plain`` no escape sequence is printed, not even for bold.
    """

    def __init__(self, as_json: bool, link: str, *, plain: bool = False) -> None:
        self.steps: list[Step] = []
        self.failure: str | None = None
        self._json = as_json
        self._link = link
        self._started = time.monotonic()
        plain = plain or bool(os.environ.get("NO_COLOR")) or not sys.stdout.isatty()
        self._console = Console(
            # NO_COLOR alone would leave Rich its bold and dim; without a colour system there is nothing but the text.
            color_system=None if plain else "auto",
            force_terminal=False if plain else None,
            highlight=False,
            soft_wrap=True,
            file=sys.stdout,
        )

    @contextmanager
    def step(self, name: str, who: str) -> Iterator[Step]:
        """Run one step; its own ``ms`` wins over the stop-watch if it set one."""
        step = Step(name, who)
        started = time.monotonic()
        self.steps.append(step)
        try:
            yield step
            step.ok = True
        except asyncio.CancelledError:
            step.detail.setdefault("error", "stopped")
            raise
        except BaseException as error:
            step.detail.setdefault("error", str(error) or type(error).__name__)
            raise
        finally:
            step.ms = step.ms or (time.monotonic() - started) * 1000
            self._tell(step)

    def say(self, text: str) -> None:
        """A line between the steps, for people only."""
        if not self._json:
            self._console.print(text)

    def finish(self) -> int:
        """Print the end; the exit code."""
        ok = self.failure is None and bool(self.steps) and all(step.ok for step in self.steps)
        total = time.monotonic() - self._started
        if self._json:
            report: dict[str, Any] = {
                "ok": ok,
                "link": self._link,
                "seconds": round(total, 2),
                "steps": [step.to_json() for step in self.steps],
            }
            if self.failure is not None:
                report["error"] = self.failure
            print(json.dumps(report))
        else:
            self._console.print()
            if ok:
                self._console.print(Text(f"All {len(self.steps)} steps held in {total:.1f} s.", style="bold green"))
            else:
                self._console.print(Text(f"Not held: {self.failure or 'see above'}", style="bold red"))
        return 0 if ok else 1

    def _tell(self, step: Step) -> None:
        if self._json:
            return
        line = Text()
        line.append(" ok " if step.ok else "FAIL", style="green" if step.ok else "bold red")
        line.append(f" {step.name:<{NAME_WIDTH}}", style="bold")
        line.append(f"{step.who:<18}", style="cyan")
        line.append(f"{step.ms:7.0f} ms")
        line.append(f"{step.round_trips:3d} rt" if step.round_trips else "      ")
        line.append(f"{step.air_bytes:6d} B" if step.air_bytes else "        ")
        said = step.says if step.ok else step.detail.get("error", "")
        line.append(f"  {said}", style="dim" if step.ok else "red")
        self._console.print(line)
