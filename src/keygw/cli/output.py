"""What a person or a program gets to see. Results go to stdout; errors and remarks go to stderr.

With ``--json`` stdout holds exactly one JSON document (one a line for streams) and nothing else; an error is one JSON
object on stderr, and stdout stays empty. Tables are drawn for a terminal and are tab-separated everywhere else.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from keygw.cli.failure import Failure

# What arrives over the air or the network must not steer the terminal: C0, DEL, C1, and the bidirectional overrides.
_MARKS = (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_CONTROL = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), *_MARKS), "\N{REPLACEMENT CHARACTER}")


def clean(value: object) -> str:
    """Text that is safe to print in one line."""
    return str(value).translate(_CONTROL)


def say(text: str = "") -> None:
    """A line of the result."""
    print(text, flush=True)


def remark(text: str) -> None:
    """A line that is not the result: progress, advice."""
    print(text, file=sys.stderr, flush=True)


def document(value: Any) -> None:
    """The one JSON document of ``--json``."""
    print(json.dumps(value, indent=2 if fancy(sys.stdout) else None, ensure_ascii=False), flush=True)


def line(value: Any) -> None:
    """One document of a stream."""
    print(json.dumps(value, ensure_ascii=False, separators=(",", ":")), flush=True)


def raw(data: bytes) -> None:
    """A piece of a result that is a file as it is."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def error(failure: Failure, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(failure.to_json(), ensure_ascii=False), file=sys.stderr, flush=True)
        return
    remark(f"keygw: {clean(failure.detail)} [{clean(failure.code)}]")
    if failure.next_step:
        remark(f"  next: {clean(failure.next_step)}")


def fancy(stream: TextIO) -> bool:
    """Is somebody looking at a terminal?"""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """Rows with their headings. ``empty`` (what to do about it) is said on stderr when there are none."""
    found = [[clean("-" if cell in (None, "") else cell) for cell in row] for row in rows]
    if not found:
        remark(empty)
        return
    if not fancy(sys.stdout):
        for row in ([name.upper() for name in columns], *found):
            say("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        drawn.add_column(name.upper(), overflow="fold")
    for row in found:
        drawn.add_row(*(Text(cell) for cell in row))
    Console().print(drawn)  # obeys NO_COLOR by itself


def facts(pairs: Iterable[tuple[str, object]]) -> None:
    """One thing, a line for each of its properties."""
    shown = [(name, clean("-" if value in (None, "") else value)) for name, value in pairs]
    if not fancy(sys.stdout):
        for name, value in shown:
            say(f"{name}\t{value}")
        return
    width = max(len(name) for name, _ in shown)
    for name, value in shown:
        say(f"{name:<{width}}  {value}")
