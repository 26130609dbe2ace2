"""Many simulated cars in one process, each with a radio controller and a flash folder of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path

from keygw.ble.bumble_host import HciOpener
from keygw.model.errors import BadInput, NotFound
from keygw_sim.vehicle.car import Car, Told
from keygw_sim.vehicle.gatt import INTERVAL_MS

MOST_CARS = 200
"""The radio numbers its controllers in one byte, and some are for who connects."""
START_AT_ONCE = 8
STOP_SECONDS = 10.0
QUIET_FROM = 10
"""So many cars advertise as often as one does; more of them share that, or a scan would hear nothing but collisions."""


class Yard:
    """``async with Yard(cars)``: they are all on the air, or none is. Leaving it switches all of them off."""

    def __init__(self, cars: Sequence[Car]) -> None:
        self.cars = tuple(cars)
        self._started: list[Car] = []

    async def __aenter__(self) -> Yard:
        places = asyncio.Semaphore(START_AT_ONCE)

        async def start(car: Car) -> None:
            async with places:
                await car.start()
                self._started.append(car)

        try:
            async with asyncio.TaskGroup() as group:
                for car in self.cars:
                    group.create_task(start(car))
        except BaseExceptionGroup as broken:
            await self.close()
            raise broken.exceptions[0] from None
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Switch all of them off, each within ten seconds."""
        cars, self._started = self._started, []

        async def stop(car: Car) -> None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await car.stop()

        await asyncio.gather(*(stop(car) for car in cars))

    def find(self, which: str | None) -> Car:
        """By id, by name, or by number from 1; ``None`` where there is but one. ``NotFound`` no_such_car, ``BadInput``
        which_car."""
        if which is None:
            if len(self.cars) == 1:
                return self.cars[0]
            raise BadInput(f"there are {len(self.cars)} cars: say which, by number, name or id", code="which_car")
        named = [car for car in self.cars if which in (car.id, car.name)]
        if not named and which.isascii() and which.isdigit() and 1 <= int(which[:9]) <= len(self.cars):
            named = [self.cars[int(which) - 1]]
        if len(named) != 1:
            raise NotFound(f"there is no car {which[:40]!r} here", code="no_such_car")
        return named[0]

    async def wait_lost(self) -> None:
        """Return when the radio of any of them has died."""
        waits = [asyncio.ensure_future(car.wait_lost()) for car in self.cars]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


def make_cars(
    folder: Path, name: str, openers: Sequence[HciOpener], *, seed: str | None = None, told: Told | None = None
) -> list[Car]:
    """``NAME 1``, ``NAME 2``... in ``folder/car-001``, ``folder/car-002``..."""
    interval = INTERVAL_MS * max(1.0, len(openers) / QUIET_FROM)
    return [
        Car(
            folder / f"car-{number:03}",
            opener,
            f"{name} {number}",
            seed=None if seed is None else f"{seed} {number}",
            told=told,
            interval_ms=interval,
        )
        for number, opener in enumerate(openers, 1)
    ]
