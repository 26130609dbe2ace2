"""``python -m keygw_chaos.wrong_clock FILE serve ...``: keygw with a wall clock that is wrong by what FILE says.

The file holds one little-endian double, the seconds to add; whoever runs the process writes another one into it, at any
moment. Only ``time.time`` is wrong, as it is where somebody sets the clock of a machine: what is counted in seconds
(``time.monotonic``, the event loop) goes on. keygw itself has no such switch.
"""

from __future__ import annotations

import os
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

_SECONDS = struct.Struct("<d")


def set_offset(file: Path, seconds: float) -> None:
    """In one write, so that nobody reads half of it."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.pwrite(descriptor, _SECONDS.pack(seconds), 0)
    finally:
        os.close(descriptor)


def wrong_by(file: Path, right: Callable[[], float]) -> Callable[[], float]:
    descriptor = os.open(file, os.O_RDONLY)

    def wrong() -> float:
        (seconds,) = _SECONDS.unpack(os.pread(descriptor, _SECONDS.size, 0))
        return right() + float(seconds)

    return wrong


if __name__ == "__main__":
    time.time = wrong_by(Path(sys.argv[1]), time.time)
    from keygw.cli.main import main  # after that: it hands the clock on

    sys.exit(main(sys.argv[2:]))
