"""Logs on stderr: one line a record, for people or as JSON, with the id of the request, and never with a secret.

Nothing here is meant to log a secret in the first place; ``redact`` is the second lock, for what a library prints and
for what a caller puts where it does not belong.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog
from structlog.typing import Processor

from keygw.app.settings import Settings
from keygw.app.watch import load_tracing
from keygw.bridge.fault import describe

GONE = "[redacted]"
_NAMES = re.compile(
    r"(?:^|_)(?:token|secret|passphrase|password|passwd|pin|authorization|cookie|credential|private_key)$",
    re.IGNORECASE,
)
"""Of fields whose value is never shown, whatever it is."""
_PLAIN = frozenset({"request_id", "trace_id"})
"""Of fields that the guard has looked at already, and that may be as long as a secret."""
_SHAPES = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), GONE),
    (re.compile(r"\bkgw_[A-Za-z0-9_\-]+"), f"kgw_{GONE}"),
    (re.compile(r"\b(bearer|basic|dpop|digest)([\s:=]+|%20)[^\s,;\"']+", re.IGNORECASE), rf"\1 {GONE}"),
    (re.compile(r"\beyJ[A-Za-z0-9_\-]+\.[A-Za-z0-9_.\-]+"), GONE),
    (re.compile(r"(?<![A-Za-z0-9_\-])(?=[A-Za-z_\-]*[0-9])[A-Za-z0-9_\-]{40,}={0,2}"), GONE),
    (re.compile(r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{32,}(?![0-9A-Za-z])"), GONE),
)
"""What secrets of ours look like: keys, bearer tokens, key tokens, and long runs of base64url or hexadecimal."""

EventDict = MutableMapping[str, Any]


def log_to_stderr(settings: Settings) -> None:
    """From now on, for our own records and for those of every library."""
    number = logging.getLevelNamesMapping()[settings.log_level.upper()]
    renderer: Processor = (
        structlog.processors.JSONRenderer(serializer=_one_line, default=repr)
        if settings.log_format == "json"
        else structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"])
    )
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        no_traceback,
        redact,
    ]
    if settings.otel_endpoint is not None:
        shared.append(load_tracing().trace_ids)  # behind the redaction: a trace id looks like a key
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            # The exception has become words above; the formatter would print it once more, and whole.
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            keep_exc_info=False,
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    # Bumble prints tracebacks for every ordinary loss of a link; we map those losses to errors of our own.
    logging.getLogger("bumble").setLevel(logging.CRITICAL)
    # aiosqlite's debug lines hold the parameters of every statement, key tokens among them.
    logging.getLogger("aiosqlite").setLevel(logging.WARNING)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        processors=[*shared, renderer],
    )


def no_traceback(_logger: object, _name: str, event: EventDict) -> EventDict:
    """An exception as its class and its place: its text, and the values around it, may hold secrets."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event.update(describe(error))
    event.pop("stack_info", None)
    return event


def redact(_logger: object, _name: str, event: EventDict) -> EventDict:
    """Take out what has the name or the shape of a secret."""
    for name, value in event.items():
        if name not in _PLAIN:
            event[name] = GONE if _NAMES.search(name) else clean(value)
    return event


def clean(value: Any, depth: int = 4) -> Any:
    """The value without secrets; bytes are shown by their number alone."""
    if isinstance(value, str):
        for shape, word in _SHAPES:
            value = shape.sub(word, value)
        return value
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    if depth and isinstance(value, dict):
        return {
            clean(str(name)): GONE if _NAMES.search(str(name)) else clean(each, depth - 1)
            for name, each in value.items()
        }
    if depth and isinstance(value, list | tuple | set | frozenset):
        return [clean(each, depth - 1) for each in value]
    return clean(str(value))


_BREAKS = str.maketrans({code: f"\\u{code:04x}" for code in (0x7F, *range(0x80, 0xA0), 0x2028, 0x2029)})
"""What ends a line for some readers, though not in JSON; and controls that terminals obey."""


def _one_line(record: object, default: Callable[[Any], Any]) -> str:
    """As JSON that is one line to everybody: what a caller has sent must not look like a record of its own."""
    return json.dumps(record, default=default, ensure_ascii=False).translate(_BREAKS)
