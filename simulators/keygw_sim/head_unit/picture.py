"""The head unit's screen as text, of a fixed width."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from keygw_sim.head_unit.head_unit import HeadUnit

WIDTH = 60


def picture(unit: HeadUnit) -> str:
    """What somebody in the car sees now. Every line has ``WIDTH`` characters and its frame."""
    view = unit.view()
    rows = ["+" + "-" * (WIDTH + 2) + "+"]
    for part in (_codes(view), _prompts(view), _cards(view), _around(view), _notices(view)):
        lines = list(part)
        if lines:
            rows += [*(f"| {line:<{WIDTH}} |" for line in lines), "+" + "-" * (WIDTH + 2) + "+"]
    if len(rows) == 1:
        rows += [f"| {'':<{WIDTH}} |", rows[0]]
    return "\n".join(rows) + "\n"


def _codes(view: dict[str, object]) -> Iterator[str]:
    for code in _rows(view, "codes"):
        digits = str(code["digits"])
        yield from _wrapped("Code for a phone:" if code["app"] is None else f"Code for {code['app']}:")
        yield f"    {digits[:4]} {digits[4:]}   ({code['seconds']} s)"


def _prompts(view: dict[str, object]) -> Iterator[str]:
    for prompt in _rows(view, "prompts"):
        yield from _wrapped(f"? {prompt['text']}")
        yield f"    [{prompt['number']} yes]  [{prompt['number']} no]   ({prompt['seconds']} s)"


def _cards(view: dict[str, object]) -> Iterator[str]:
    for card in _rows(view, "cards"):
        yield from _wrapped(f"{card['title']}  ({card['app_name']}, {card['template']})")
        for line in _list(card["lines"]):
            yield from _wrapped(f"  {line}")
        buttons = [button for button in _list(card["buttons"]) if isinstance(button, dict)]
        if buttons:
            yield from _wrapped("  " + "  ".join(f"[{button['label']}]" for button in buttons))


def _around(view: dict[str, object]) -> Iterator[str]:
    for who in _rows(view, "around"):
        place = {"inside": "in the car", "near": "at the doors"}.get(str(who["zone"]), "linked")
        yield from _wrapped(f"{who['role']} {place}: {who['key']}")


def _notices(view: dict[str, object]) -> Iterator[str]:
    for notice in _list(view["notices"])[-3:]:
        yield from _wrapped(f"- {notice}")


def _rows(view: dict[str, object], name: str) -> list[dict[str, object]]:
    return [row for row in _list(view[name]) if isinstance(row, dict)]


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="    ", drop_whitespace=False) or [""]
