"""The kept inputs: a file of hexadecimal lines for each target, so that one input more is one line of a diff."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import Any

from keygw_fuzz.target import Target, check

FOLDER = Path(__file__).resolve().parents[1] / "corpus"
KEPT_BYTES = 3000
"""Of one target, before they become hexadecimal; most need far less, and all together stay under 300 kB."""


def kept(name: str) -> list[bytes]:
    """What is kept for a target, with every crash that was saved beside it."""
    return [data for path in _files(name) for data in read(path)]


def read(path: Path) -> list[bytes]:
    """The inputs of one file; lines that begin with # are remarks."""
    lines = path.read_text("ascii").splitlines()
    return [bytes.fromhex(line.removeprefix("=")) for line in lines if not line.startswith("#")]


def keep(name: str, inputs: Iterable[bytes]) -> int:
    """Keep these, or where there is no room for all, evenly spread ones from short to long. Returns how many."""
    every = sorted(set(inputs), key=lambda data: (len(data), data))
    stride = 1
    while (size := sum(len(data) + 1 for data in every[::stride])) > KEPT_BYTES and size > len(every[0]) + 1:
        stride += 1
    chosen = every[::stride]
    FOLDER.mkdir(exist_ok=True)
    # "=" keeps the empty input a line of its own.
    (FOLDER / f"{name}.hex").write_text("".join(f"={data.hex()}\n" for data in chosen), "ascii")
    return len(chosen)


def least(target: Target, inputs: Iterable[bytes]) -> list[bytes]:
    """Those that each reach a step between two lines of keygw that no shorter one has reached."""
    reached: set[tuple[str, int, int]] = set()
    chosen = []
    for data in sorted(set(inputs), key=lambda data: (len(data), data)):
        steps = _steps(target, data)
        if not steps <= reached:
            reached |= steps
            chosen.append(data)
    return chosen


def _steps(target: Target, data: bytes) -> set[tuple[str, int, int]]:
    found: set[tuple[str, int, int]] = set()

    def enter(frame: FrameType, event: str, argument: object) -> Callable[..., Any] | None:
        file, last = frame.f_code.co_filename, 0
        if "keygw" not in file or "keygw_fuzz" in file:
            return None

        def step(frame: FrameType, event: str, argument: object) -> Callable[..., Any]:
            nonlocal last
            found.add((file, last, frame.f_lineno))
            last = frame.f_lineno
            return step

        return step

    sys.settrace(enter)
    try:
        check(target, data)
    finally:
        sys.settrace(None)
    return found


def save_crash(name: str, kind: str, data: bytes, why: str) -> Path:
    """Keep an input that broke its target, where the suite replays it from now on."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.{kind}.hex"
    path.write_text(f"# {why}\n={data.hex()}\n".encode("ascii", "replace").decode(), "ascii")
    return path


def _files(name: str) -> list[Path]:
    crashes = [*FOLDER.glob(f"{name}.crash-*.hex"), *FOLDER.glob(f"{name}.timeout-*.hex")]
    own = FOLDER / f"{name}.hex"
    return ([own] if own.exists() else []) + sorted([*crashes, *FOLDER.glob(f"{name}.oom-*.hex")])
