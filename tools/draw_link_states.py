"""Draw the table of a link's life into its page: ``python tools/draw_link_states.py`` (``--check`` only compares).

The table in ``keygw.ble.states`` is the source. Exit 1 when ``--check`` finds another picture than the table's.
"""

from __future__ import annotations

import sys
from pathlib import Path

from kept import between, keep

from keygw.ble.states import TRANSITIONS, Stage

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "explanation" / "the-air.md"
BEGIN, END = "<!-- link: drawn by tools/draw_link_states.py -->\n", "<!-- end of link -->\n"


def picture() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {Stage.SEARCHING.name}"]
    for stage, steps in TRANSITIONS.items():
        lines += [f"    {stage.name} --> {target.name} : {step.value}" for step, target in steps.items()]
    return "\n".join([*lines, f"    {Stage.CLOSED.name} --> [*]"])


def documents() -> dict[Path, str]:
    """The page with the picture of today."""
    return {DOCUMENT: between(DOCUMENT, BEGIN, END, f"```mermaid\n{picture()}\n```\n")}


if __name__ == "__main__":
    sys.exit(keep(documents(), "draw_link_states"))
