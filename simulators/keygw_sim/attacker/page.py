"""The table of attacks for ``docs/explanation/attacks.md``; ``tools/make_attacks_page.py`` writes it there."""

from __future__ import annotations

from itertools import groupby

from keygw_sim.attacker.attack import Attack, book

TITLES = {
    "replay": "Replay",
    "middle": "In the middle: reflection, splicing, misbinding, downgrade",
    "relay": "Relay",
    "ranging": "Distance",
    "frames": "Bad frames and bad points",
    "floods": "Floods",
    "fast": "The fast path",
    "tokens": "Key tokens",
    "issuer keys": "Issuer keys",
    "lists": "Revocation lists and acknowledgements",
    "removals": "Keys removed in the car",
    "clocks": "Time",
    "sessions": "Held-open sessions and lost answers",
    "sharing": "Friends",
    "invitations": "Invitations and grants that are handed in",
    "pairing": "Pairing",
    "tracking": "Tracking and probing",
    "lost phone": "A lost phone",
    "on air": "On the air",
    "between": "Between two radios",
    "gatt": "Bad ATT",
}


def tables() -> str:
    """One Markdown table for each group, in the order of the book."""
    parts = []
    for group, attacks in groupby(book().values(), key=lambda one: one.group):
        rows = "\n".join(_row(one) for one in attacks)
        head = "| attack | what the attacker does | what protects | outcome | recorded | what remains |"
        parts.append(f"### {TITLES[group]}\n\n{head}\n| --- | --- | --- | --- | --- | --- |\n{rows}\n")
    return "\n".join(parts)


def _row(one: Attack) -> str:
    recorded = "<br>".join(one.recorded) or "nothing"
    outcome = one.expected if one.stopped else f"**{one.expected}**, not stopped"
    cells = (f"`{one.name}`", one.what, one.protects, outcome, recorded, one.remains)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
