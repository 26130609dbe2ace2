"""What happens in a world, as plain data: a list of steps that a seed gives, a file keeps, and anybody can shorten.

A step names its actors by number, and means nothing where they are not there: any part of a list is a list.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from keygw.model.errors import BadInput


class Kind(StrEnum):
    APP = "app"
    """The owner of car ``who`` unlocks it from an app, through the gateway, ``times`` times."""
    PHONE = "phone"
    """Friend ``who`` unlocks with the phone, ``times`` times."""
    THIEF = "thief"
    """Thief ``who`` tries the phone of a friend, ``times`` times."""
    SHARE = "share"
    """The owner gives friend ``who`` a key, for ``amount`` seconds."""
    FETCH = "fetch"
    """Friend ``who``'s phone fetches token and list from the gateway, and hands in what cars have signed."""
    SUSPEND = "suspend"
    RESUME = "resume"
    REVOKE = "revoke"
    """The owner does that to the key of friend ``who``."""
    REMOVE = "remove"
    """Somebody in the car removes the key of friend ``who``."""
    ROTATE = "rotate"
    """The operator gives the issuer a new key. The former counts for ``amount`` seconds more; 0: as long as it must."""
    STEAL = "steal"
    """A thief has the phone of friend ``who`` from now on, and that friend a new one without a key."""
    WAIT = "wait"
    """``amount`` seconds pass."""
    AWAY = "away"
    """Car ``who`` is out of the gateway's reach (``times`` 0: out of everybody's), for ``amount`` seconds."""
    REBOOT = "reboot"
    """Car ``who``."""
    POWER = "power"
    """The power of car ``who`` goes at its save number ``times`` from now; ``amount`` 1: that one is stored."""
    CRASH = "crash"
    """The gateway dies at its moment number ``times`` from now: a statement, or before or after a commit."""
    WEATHER = "weather"
    """The adversary does to every link what ``times`` says (a set of bits over the kinds), at the rate ``amount``."""
    CLEAR = "clear"
    REPLAY = "replay"
    """The adversary plays what it has once heard to car ``who``."""


@dataclass(frozen=True, slots=True)
class Step:
    """``alone``: the next step waits until this one is over; else it goes on beside."""

    kind: Kind
    who: int = 0
    times: int = 1
    amount: float = 0.0
    alone: bool = True

    def to_json(self) -> list[Any]:
        return [self.kind.value, self.who, self.times, self.amount, self.alone]

    @classmethod
    def from_json(cls, data: Any) -> Step:
        """``BadInput`` if it is no step."""
        try:
            kind, who, times, amount, alone = data
            step = cls(Kind(kind), who, times, amount, alone)
        except (TypeError, ValueError) as error:
            raise BadInput(f"{str(data)[:60]} is no step of a world", code="bad_step") from error
        numbers = type(who) is int and type(times) is int and type(amount) in (int, float)
        if not numbers or type(alone) is not bool or who < 0 or times < 0 or not 0 <= amount < 1e9:
            raise BadInput(f"{str(data)[:60]} is no step of a world", code="bad_step")
        return step


@dataclass(frozen=True, slots=True)
class Cast:
    """How many there are."""

    cars: int = 2
    friends: int = 5


_WEIGHTS: dict[Kind, int] = {
    Kind.APP: 20, Kind.PHONE: 60, Kind.THIEF: 3, Kind.SHARE: 12, Kind.FETCH: 5, Kind.SUSPEND: 2, Kind.RESUME: 3,
    Kind.REVOKE: 2, Kind.REMOVE: 1, Kind.ROTATE: 1, Kind.STEAL: 1, Kind.WAIT: 9, Kind.AWAY: 4, Kind.REBOOT: 3,
    Kind.POWER: 3, Kind.CRASH: 5, Kind.WEATHER: 5, Kind.CLEAR: 6, Kind.REPLAY: 3,
}  # fmt: skip
HOUR, DAY = 3600.0, 86_400.0


def plan(seed: str, count: int, cast: Cast, unlocks: int = 12) -> list[Step]:
    """``count`` steps. ``unlocks``: how many times a phone tries at most in one of them; an app a third of that."""
    chance = random.Random(f"{seed} steps")
    kinds, weights = zip(*_WEIGHTS.items(), strict=True)
    opening = [Step(Kind.SHARE, who=friend, amount=5 * DAY) for friend in range(cast.friends - 1)]
    return opening + [_step(kind, chance, cast, unlocks) for kind in chance.choices(kinds, weights, k=count)]


def soak(seed: str, commands: int, cast: Cast) -> list[Step]:
    """So many commands from apps, over links to which everything is done: each kind alone, then all of them."""
    chance = random.Random(f"{seed} soak")
    found: list[Step] = []
    while commands > 0:
        # A long burst for each, at a rate at which about every other command meets with a fault.
        for bits in (*(1 << bit for bit in range(6)), 63):
            found.append(Step(Kind.WEATHER, times=bits, amount=0.03 if bits != 63 else 0.01))
            for car in range(cast.cars):
                times = min(commands, chance.randint(4, 8))
                commands -= times
                if times:
                    found.append(Step(Kind.APP, car, times, alone=car == cast.cars - 1))
        found.append(Step(Kind.CLEAR))
    return found


def _step(kind: Kind, chance: random.Random, cast: Cast, unlocks: int) -> Step:
    car, friend, alone = chance.randrange(cast.cars), chance.randrange(cast.friends), chance.random() < 0.7
    match kind:
        case Kind.APP:
            return Step(kind, car, chance.randint(1, max(1, unlocks // 3)), alone=alone)
        case Kind.PHONE | Kind.THIEF:
            return Step(kind, friend, chance.randint(1, unlocks), alone=alone)
        case Kind.SHARE:
            return Step(kind, friend, amount=chance.choice((0.2, 3, 10, 30)) * DAY, alone=alone)
        case Kind.WAIT:
            return Step(kind, amount=round(chance.choice((5, 60, 600, HOUR, 8 * HOUR, 2 * DAY)) * chance.random(), 1))
        case Kind.AWAY:
            return Step(kind, car, chance.randint(0, 1), round(chance.choice((20.0, 300.0, HOUR)) * chance.random(), 1))
        case Kind.REBOOT | Kind.REPLAY:
            return Step(kind, car, alone=alone)
        case Kind.POWER:
            return Step(kind, car, chance.randint(0, 6), float(chance.randint(0, 1)))
        case Kind.CRASH:
            return Step(kind, times=chance.randint(0, 60))
        case Kind.WEATHER:
            return Step(kind, times=chance.randint(1, 63), amount=round(chance.choice((0.005, 0.02, 0.1)), 4))
        case Kind.CLEAR:
            return Step(kind)
        case Kind.ROTATE:
            return Step(kind, alone=alone)
    return Step(kind, friend, alone=alone)


def read_steps(data: Sequence[Any]) -> list[Step]:
    return [Step.from_json(each) for each in data]
