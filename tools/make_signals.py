"""Writes the tables of signals in ``protocols/key_session`` and the HTTP reference from the registry of the program.

With ``--check`` it compares instead.
"""

from __future__ import annotations

import sys
from pathlib import Path

from generated import keep

from keygw.bridge.scopes import SIGNAL_SCOPES
from keygw.model.signal import LEAVES

ROOT = Path(__file__).resolve().parent.parent
REGISTRY = ROOT / "protocols/key_session/README.md"
REFERENCE = ROOT / "docs/reference/http-api.md"
START, END = "<!-- signals: written by tools/make_signals.py -->\n", "<!-- signals end -->"


def registry() -> str:
    rows = (
        f"| {int(signal)} | `{leaf.path}` | {leaf.datatype} | {leaf.unit or ''} |" for signal, leaf in LEAVES.items()
    )
    return "\n".join(("| signal | path | type | unit |", "| --- | --- | --- | --- |", *rows))


def reference() -> str:
    rows = []
    for signal, leaf in LEAVES.items():
        scopes = ", ".join(
            f"`{scope}`" for scope in sorted(SIGNAL_SCOPES[signal], key=lambda s: (s[:6] != "status", s))
        )
        rows.append(f"| `{leaf.path}` | {leaf.unit or ''} | {scopes} |")
    return "\n".join(("| path | unit | scopes |", "| --- | --- | --- |", *rows))


def page(target: Path, table: str) -> str:
    head, rest = target.read_text("utf-8").split(START)
    _, tail = rest.split(END)
    return f"{head}{START}\n{table}\n\n{END}{tail}"


def main() -> int:
    done = [
        keep(target, lambda: page(target, table()), __doc__, "make_signals.py")  # noqa: B023 - called at once
        for target, table in ((REGISTRY, registry), (REFERENCE, reference))
    ]
    return max(done)


if __name__ == "__main__":
    sys.exit(main())
