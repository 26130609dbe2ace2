"""Worlds that once failed, kept as files: what was mended must stay so. The suite lives through each of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from keygw.model.errors import BadInput
from keygw_sim.world.steps import Cast, Step, read_steps

FORMAT = 1
MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Case:
    """``why``: what it has broken, in words."""

    seed: str
    cast: Cast
    steps: tuple[Step, ...]
    why: str = ""

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        head = {"v": FORMAT, "seed": self.seed, "cars": self.cast.cars, "friends": self.cast.friends, "why": self.why}
        lines = ",\n".join(f"  {json.dumps(step.to_json())}" for step in self.steps)
        path.write_text(f'{json.dumps(head)[:-1]}, "steps": [\n{lines}\n]}}\n')

    @classmethod
    def read(cls, path: Path) -> Case:
        """``BadInput`` if there is no such file, or it holds no case."""
        try:
            if path.stat().st_size > MOST_BYTES:
                raise ValueError("too large")
            data = json.loads(path.read_text())
            if data["v"] != FORMAT:
                raise ValueError("of another release")
            cars, friends = data["cars"], data["friends"]
            if type(cars) is not int or type(friends) is not int or not (0 < cars <= 50 and 0 < friends <= 200):
                raise ValueError("a cast of another size")
            return cls(str(data["seed"]), Cast(cars, friends), tuple(read_steps(data["steps"])), str(data["why"]))
        except OSError as error:
            raise BadInput(f"{path} cannot be read: {error.strerror}", code="bad_case") from error
        except (BadInput, ValueError, KeyError, TypeError, RecursionError) as error:
            raise BadInput(f"{path} is no case of a world: {error}", code="bad_case") from error
