"""What people call their vehicles and keys: one line, in any script, that shows itself as it is."""

from __future__ import annotations

import re

SIGN = r"[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]"
"""A regular expression, to Python, Rust and JSON Schema alike. Left out: controls, the separators of lines and
paragraphs, and what turns the direction of the text around it (UAX 9)."""

_LINE = re.compile(f"{SIGN}*")


def one_line(text: str) -> bool:
    return _LINE.fullmatch(text) is not None
