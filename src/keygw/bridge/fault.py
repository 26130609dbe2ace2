"""What a log may say about a bug: which error, and where. Its text and the values around it may hold secrets."""

from __future__ import annotations

import traceback
from pathlib import PurePath


def describe(error: BaseException, depth: int = 6) -> dict[str, str]:
    """``{"error": "ValueError", "at": "lanes.py:81 _attempt > ..."}``: the innermost ``depth`` frames."""
    frames = traceback.extract_tb(error.__traceback__)[-depth:]
    places = (f"{PurePath(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)
    return {"error": type(error).__name__, "at": " > ".join(places)}
