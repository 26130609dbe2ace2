"""Draw the session's state table into its specification: ``python tools/draw_states.py`` (``--check`` only compares).

The table in ``keygw.session.states`` is the source; the Mermaid picture in ``protocols/key_session/README.md`` follows.
Exit 1 when ``--check`` finds another picture than the table's.
"""

from __future__ import annotations

import sys
from pathlib import Path

from kept import between, keep

from keygw.session.states import TRANSITIONS, Side, State

DOCUMENT = Path(__file__).resolve().parent.parent / "protocols" / "key_session" / "README.md"
BEGIN, END = "<!-- states: drawn by tools/draw_states.py -->\n", "<!-- end of states -->\n"
ARROW = {Side.DEVICE: "D>V", Side.VEHICLE: "V>D"}


def picture() -> str:
    """The table as a Mermaid state diagram; loops of one state share a line each direction."""
    lines = ["stateDiagram-v2", "    [*] --> SILENT"]
    for state, steps in TRANSITIONS.items():
        for side in (Side.VEHICLE, Side.DEVICE):
            edges: dict[State, list[str]] = {}
            for (who, message), target in steps.items():
                if who is side:
                    edges.setdefault(target, []).append(message.name)
            for target, names in edges.items():
                lines.append(f"    {state.name} --> {target.name} : {ARROW[side]} {', '.join(names)}")
        if state is not State.CLOSED:
            lines.append(f"    {state.name} --> CLOSED : ERROR, breach or time")
    return "\n".join([*lines, "    CLOSED --> [*]"])


def documents() -> dict[Path, str]:
    """The page with the picture of today."""
    return {DOCUMENT: between(DOCUMENT, BEGIN, END, f"```mermaid\n{picture()}\n```\n")}


if __name__ == "__main__":
    sys.exit(keep(documents(), "draw_states"))
