"""Draw the life of a digital key into its page: ``python tools/draw_key_life.py`` (``--check`` only compares).

The table in ``keygw.credentials.lifecycle`` is the source; the Mermaid picture and the two tables in
``docs/explanation/life-of-a-key.md`` follow. Exit 1 when ``--check`` finds others than the table's.
"""

from __future__ import annotations

import sys
from pathlib import Path

from kept import between, keep

from keygw.credentials.lifecycle import BIRTHS, CAUSES, STORED, TRANSITIONS, KeyEvent, Refused
from keygw.model.digital_key import KeyStage

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "explanation" / "life-of-a-key.md"
BEGIN, END = "<!-- life: drawn by tools/draw_key_life.py -->\n", "<!-- end of life -->\n"
ENDS = (KeyStage.REVOKED, KeyStage.EXPIRED, KeyStage.DECLINED)


def picture() -> str:
    """The table as a Mermaid state diagram; what changes nothing, and what is refused, is left to the second table."""
    lines = ["stateDiagram-v2"]
    lines += [f"    [*] --> {target.name} : {event}" for event, target in BIRTHS.items()]
    for state, row in TRANSITIONS.items():
        edges: dict[KeyStage, list[str]] = {}
        for event, target in row.items():
            if not isinstance(target, Refused) and target is not state:
                edges.setdefault(target, []).append(event.value)
        lines += [f"    {state.name} --> {target.name} : {', '.join(names)}" for target, names in edges.items()]
    lines += [f"    {state.name} --> [*]" for state in ENDS]
    return "\n".join(lines)


def causes() -> str:
    """Event, who may cause it, and the name under which it is told and recorded."""
    lines = ["| event | who may cause it | told, and in the audit trail |", "| --- | --- | --- |"]
    for event in KeyEvent:
        cause = CAUSES[event]
        told = f"`{cause.told}`" if cause.told else "-"
        lines.append(f"| `{event}` | {', '.join(sorted(cause.actors))} | {told} |")
    return "\n".join(lines)


def table() -> str:
    """Every state and every event. A code in brackets is a refusal; a dot changes nothing."""
    states = list(KeyStage)
    lines = ["| event | " + " | ".join(states) + " |", "| --- |" + " --- |" * len(states)]
    for event in KeyEvent:
        cells = [_cell(state, TRANSITIONS[state][event]) for state in states]
        lines.append(f"| `{event}` | " + " | ".join(cells) + " |")
    kept = [f"`{STORED[state]}`" if state in STORED else "its invitation" for state in states]
    lines.append("| *stored as* | " + " | ".join(kept) + " |")
    return "\n".join(lines)


def _cell(state: KeyStage, target: KeyStage | Refused) -> str:
    if isinstance(target, Refused):
        return f"({target.code})"
    return "." if target is state else target.value


def documents() -> dict[Path, str]:
    """The page with the pictures of today."""
    content = f"```mermaid\n{picture()}\n```\n\n{causes()}\n\n{table()}\n"
    return {DOCUMENT: between(DOCUMENT, BEGIN, END, content)}


if __name__ == "__main__":
    sys.exit(keep(documents(), "draw_key_life"))
