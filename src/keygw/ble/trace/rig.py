"""The key log as a file: for its owner alone, written and read line by line."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from keygw.model.errors import BadInput, KeygwError
from keygw.session.trace import KeyLog

MAX_KEY_LOG_BYTES = 64 << 20
WARNING = (
    "WARNING: session keys are written to {path}. Who reads that file reads every conversation of this run. "
    "For test rigs only."
)


class KeyLogNotWritable(KeygwError):
    """The key log cannot be written."""

    code = "key_log_not_writable"


class KeyLogUnreadable(BadInput):
    """The key log cannot be read, or others can read it too."""

    code = "key_log_unreadable"


class KeyLogFile:
    """Takes lines (``Session.key_log``) and appends them to the file. Made with mode 0600; one that others can read is
    refused, and so is a link. ``KeyLogNotWritable``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
        try:
            self._handle = os.open(path, flags, 0o600)
        except OSError as error:
            raise KeyLogNotWritable(f"the key log {path} cannot be written: {error.strerror}") from error
        if _others_too(self._handle):
            os.close(self._handle)
            raise KeyLogNotWritable(f"the key log {path} can be read by others: chmod 600 it, or name a new file")

    def __call__(self, line: str) -> None:
        os.write(self._handle, line.encode("ascii") + b"\n")  # one call, so that a line is whole for who reads on

    def close(self) -> None:
        os.close(self._handle)

    def __repr__(self) -> str:
        return f"KeyLogFile({self._path})"


class KeyLogReader:
    """A key log that may still be written: ``refresh`` reads on. ``KeyLogUnreadable``, ``MalformedKeyLog``."""

    def __init__(self, path: Path) -> None:
        self.keys = KeyLog()
        self._read = 0
        self._rest = b""
        try:
            self._file = path.open("rb", buffering=0)
        except OSError as error:
            raise KeyLogUnreadable(f"the key log {path} cannot be read: {error.strerror}") from error
        if not stat.S_ISREG(os.fstat(self._file.fileno()).st_mode) or _others_too(self._file.fileno()):
            self._file.close()
            raise KeyLogUnreadable(f"the key log {path} is not a file of its owner's alone: chmod 600 it")
        self.refresh()

    def refresh(self) -> None:
        data = self._file.read(MAX_KEY_LOG_BYTES - self._read + 1)
        if not data:
            return
        self._read += len(data)
        if self._read > MAX_KEY_LOG_BYTES:
            raise KeyLogUnreadable(f"a key log has at most {MAX_KEY_LOG_BYTES >> 20} MiB")
        whole, _, self._rest = (self._rest + data).rpartition(b"\n")
        self.keys.feed(whole.decode("ascii", "replace"))

    def close(self) -> None:
        self._file.close()


def _others_too(handle: int) -> bool:
    return os.name == "posix" and bool(os.fstat(handle).st_mode & 0o077)
