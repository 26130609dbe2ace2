"""A record of a trace as text: one line for what it is, and its fields below."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from keygw.cli.output import clean

if TYPE_CHECKING:
    from keygw.session.trace import Field, Record

_COLOURS = {"ok": "32", "part": "2", "sealed": "36", "refused": "33", "breach": "1;31"}
_ARROWS = {"device": "D>V", "vehicle": "V>D", None: "   "}
MAX_VALUE = 96
"""Of a field's value on a line; --json has all of it."""


class Teller:
    """``colour``: with escape sequences. ``brief``: without fields."""

    def __init__(self, *, colour: bool, brief: bool) -> None:
        self._colour, self._brief = colour, brief

    def text(self, record: Record) -> str:
        lines = [self._head(record)]
        if not self._brief:
            fields = record.message.fields if record.message is not None else record.fields
            lines += [f"    {_field(each, record.reveal)}" for each in fields]
        return "\n".join(lines)

    def _head(self, record: Record) -> str:
        when = datetime.fromtimestamp(record.at, UTC).strftime("%H:%M:%S.%f") if record.at > 0 else "-"
        verdict = record.verdict
        word = verdict.word.value
        what, place = record.kind, ""
        if record.frame is not None:
            number = record.frame["sequence"]
            what = f"frame {number}{' first' if record.frame['first'] else ''}{' last' if record.frame['last'] else ''}"
        if record.message is not None:
            what = f"{record.message.name} {record.message.size} bytes in {record.message.frames}"
            place = record.message.spec
        told = [word if not verdict.code or verdict.code == word else f"{word} {verdict.code}"]
        if verdict.at is not None and word == "breach":
            told[0] += f" at {verdict.at}"
        if verdict.detail:
            told.append(clean(verdict.detail))
        if verdict.spec or place:
            told.append(f"[{(verdict.spec or place).removeprefix('protocols/').replace('/README.md', '')}]")
        state = f"  {record.state}" if record.state is not None and record.message is not None else ""
        head = f"{record.number:>5}  {when}  {record.link:<6}  {_ARROWS[record.by]}  {what}{state}  "
        return head + self._paint("  ".join(told), word)

    def _paint(self, text: str, word: str) -> str:
        return f"\x1b[{_COLOURS[word]}m{text}\x1b[0m" if self._colour else text


def _field(each: Field, reveal: bool) -> str:
    value = each.shown(reveal)
    text = clean(
        {True: "true", False: "false", None: "none"}.get(value, value) if isinstance(value, bool | None) else value
    )
    if len(text) > MAX_VALUE:
        text = f"{text[:MAX_VALUE]}... ({each.size} bytes)"
    return f"{each.at:>4}  {each.name:<14}  {text}"
