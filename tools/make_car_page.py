"""Writes ``docs/reference/simulated-car.md`` from the simulated car's tables; ``--check`` compares instead."""

from __future__ import annotations

import sys
from pathlib import Path

from generated import keep

from keygw_sim.vehicle.body_page import page

TARGET = Path(__file__).resolve().parent.parent / "docs/reference/simulated-car.md"

if __name__ == "__main__":
    sys.exit(keep(TARGET, page, __doc__, "make_car_page.py"))
