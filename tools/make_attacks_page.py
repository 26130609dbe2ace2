"""Writes the tables of ``docs/explanation/attacks.md`` from the attacks themselves."""

from __future__ import annotations

import sys
from pathlib import Path

from keygw_sim.attacker.page import tables

PAGE = Path(__file__).resolve().parent.parent / "docs/explanation/attacks.md"
START, END = "<!-- attacks: written by tools/make_attacks_page.py -->\n", "<!-- attacks end -->"


def main() -> int:
    head, rest = PAGE.read_text("utf-8").split(START)
    _, tail = rest.split(END)
    PAGE.write_text(f"{head}{START}\n{tables()}\n{END}{tail}", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
