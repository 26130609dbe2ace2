"""Draw the session's state table into its specification: ``python tools/draw_states.py`` (``--check`` only compares).

The table in ``keygw.session.states`` is the source; the Mermaid picture in ``protocols/key_session/README.md`` follows.
Exit 1 when ``--check`` finds another picture than the table's.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

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


def drawn(text: str) -> str:
    """``text`` with the picture of today. ``ValueError`` if the marks are not there."""
    before, mark, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise ValueError(f"{DOCUMENT.name} has no place for the picture")
    return f"{before}{BEGIN}```mermaid\n{picture()}\n```\n{END}{after}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Draw the session's state table into its specification.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the picture is out of date")
    check = parser.parse_args(arguments).check
    text = DOCUMENT.read_text(encoding="utf-8")
    wanted = drawn(text)
    if check and text != wanted:
        sys.stderr.write("the picture is not the table's; run: python tools/draw_states.py\n")
        return 1
    if not check:
        DOCUMENT.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
