"""What a trace says of one frame, as plain values. Names of keys are part of ``docs/reference/trace.md``."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from keygw.crypto.kdf import sha256

HASH_CHARACTERS = 8


class Word(StrEnum):
    """The verdict on one record, from good to bad."""

    OK = "ok"
    PART = "part"
    """A frame of a message that is not complete yet."""
    SEALED = "sealed"
    """In its place and of the right shape; its content was not opened."""
    REFUSED = "refused"
    """Well formed, and says no: ERROR, or an outcome that is no success."""
    BREACH = "breach"
    """Against the specification."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``code``: stable snake_case, for anything but OK and PART. ``at``: where, in bytes from the start of the frame
    (of a message of several frames: of the message). ``spec``: the section that says so."""

    word: Word
    code: str = ""
    detail: str = ""
    at: int | None = None
    spec: str = ""

    def to_json(self) -> dict[str, Any]:
        return {"word": self.word.value, "code": self.code, "detail": self.detail, "at": self.at, "spec": self.spec}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message. ``value``: a number, a text, a bool, ``None``, or hexadecimal digits for bytes.

    ``at``: bytes from the start of the message, its type byte included; what was sealed is where its ciphertext is.
    ``secret``: shown as its size and the beginning of its SHA-256, so that two of them can still be told apart.
    """

    name: str
    value: object
    at: int
    size: int
    secret: bool = False

    def shown(self, reveal: bool) -> object:
        if self.secret and not reveal:
            raw = self.value if isinstance(self.value, bytes) else str(self.value).encode()
            return f"redacted, {len(raw)} bytes, sha256 {sha256(raw).hex()[:HASH_CHARACTERS]}"
        return self.value.hex() if isinstance(self.value, bytes) else self.value

    def to_json(self, reveal: bool) -> dict[str, Any]:
        return {
            "name": self.name,
            "value": self.shown(reveal),
            "at": self.at,
            "bytes": self.size,
            "secret": self.secret,
        }


@dataclass(frozen=True, slots=True)
class Message:
    """A whole message: its type byte, size, the frames that it came in, and the section that describes it."""

    type: int
    name: str
    size: int
    frames: int
    spec: str
    opened: bool
    """Its sealed part was opened with a key log, or it has none."""
    fields: tuple[Field, ...] = ()

    def to_json(self, reveal: bool) -> dict[str, Any]:
        return {
            "type": self.type,
            "name": self.name,
            "bytes": self.size,
            "frames": self.frames,
            "spec": self.spec,
            "opened": self.opened,
            "fields": [each.to_json(reveal) for each in self.fields],
        }


@dataclass(frozen=True, slots=True)
class Record:
    """One frame, or one other thing that happened on a link.

    ``kind``: ``frame``, ``info`` (the characteristic was read), and what a capture adds (``connected``, ...). ``by``:
    ``device`` or ``vehicle``. ``state``: of the conversation afterwards; ``None`` where the watcher cannot know.
    ``number``, ``at`` (Unix seconds) and ``link`` are filled in by who watches several links.
    """

    kind: str
    verdict: Verdict
    by: str | None = None
    raw: bytes = b""
    frame: dict[str, Any] | None = None
    message: Message | None = None
    fields: tuple[Field, ...] = ()
    state: str | None = None
    number: int = 0
    at: float = 0.0
    link: str = ""
    reveal: bool = field(default=False, repr=False)

    def to_json(self) -> dict[str, Any]:
        return {
            "n": self.number,
            "at": self.at,
            "link": self.link,
            "kind": self.kind,
            "by": self.by,
            "raw": self.raw.hex(),
            "frame": self.frame,
            "message": None if self.message is None else self.message.to_json(self.reveal),
            "fields": [each.to_json(self.reveal) for each in self.fields],
            "state": self.state,
            "verdict": self.verdict.to_json(),
        }
