"""Write the table of requirements into each page of ``protocols/``: ``python tools/make_requirements.py``.

``--check`` compares instead.
``simulators/keygw_sim/conformance/requirements.toml`` is the source; the tables of key_session, key_token and
owner_pairing follow.
"""

from __future__ import annotations

import sys
from pathlib import Path

from kept import between, keep

from keygw_sim.conformance.registry import PAGES, Requirement, requirements

PROTOCOLS = Path(__file__).resolve().parent.parent / "protocols"
BEGIN, END = "<!-- requirements: written by tools/make_requirements.py -->\n", "<!-- end of requirements -->\n"


def table(page: str) -> str:
    """The rows of one page, sorted by number."""
    mine = sorted((each for each in requirements().values() if each.page == page), key=_place)
    rows = [f"| {each.id} | {each.role.value} | {each.says} | {_air(each)} |\n" for each in mine]
    return "| number | who | requirement | on the air |\n| --- | --- | --- | --- |\n" + "".join(rows)


def documents() -> dict[Path, str]:
    """Every page with the table of today."""
    pages = {page: PROTOCOLS / page / "README.md" for page in PAGES.values()}
    return {path: between(path, BEGIN, END, table(page)) for page, path in pages.items()}


def _air(each: Requirement) -> str:
    return f"no: {each.hidden}" if each.hidden else "tried"


def _place(each: Requirement) -> tuple[str, int]:
    return each.id[:2], int(each.id[3:])


if __name__ == "__main__":
    sys.exit(keep(documents(), "make_requirements"))
