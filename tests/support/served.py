"""``keygw serve`` as a process of its own, for tests of what stands in front of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def serving(data: Path) -> Iterator[dict[str, str]]:
    """On a free port, over a database of its own, without a radio; what it said when it was ready."""
    line = [sys.executable, "-m", "keygw", "serve", "--radio", "none", "--port", "0", "--json", "--data", str(data)]
    log = data.with_suffix(".log")  # a file takes what nobody reads; a pipe would fill, and the gateway stand still
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            [*line, "--follow-stdin"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert ready, log.read_text()
        yield json.loads(ready)
        process.stdin.close()
        assert process.wait(20) == 0
