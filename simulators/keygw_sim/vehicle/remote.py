"""Reaches simulated cars that run in another process, through their control API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keygw.cli.exits import Exit
from keygw.cli.failure import Failure
from keygw_sim.remote import Remote


class Cars:
    """The cars that run in ``folder``. ``Failure`` no_cars when none do."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._remote = Remote(
            folder,
            Failure(
                Exit.ENVIRONMENT,
                "no_cars",
                f"no simulated car runs in {folder}",
                f"start one: keygw sim vehicle --state {folder}; or name its folder: --state DIR",
            ),
        )

    def all(self) -> list[dict[str, Any]]:
        cars: list[dict[str, Any]] = self._remote.ask("GET", "/cars")["cars"]
        return cars

    def ask(self, which: str | None, order: dict[str, Any]) -> dict[str, Any]:
        """``which``: number, name or id; ``None`` where there is but one car."""
        if which is None:
            cars = self.all()
            if len(cars) != 1:
                raise Failure(
                    Exit.USAGE, "which_car", f"there are {len(cars)} cars in {self._folder}", "say --car NUMBER"
                )
            which = "1"
        return self._remote.ask("POST", f"/cars/{which}", order)

    def events(self) -> Iterator[dict[str, Any]]:
        """What has happened, and happens from now on, until the cars are switched off."""
        return self._remote.events()
