"""Life of a digital key: one table, state x event -> state, and nothing beside it.

A repeated request is a success that changes nothing; what would bring an ended key back is refused.
``REVOKING`` does not become ``EXPIRED`` by time: a vehicle without a trusted clock may still accept an expired owner
key, so only its acknowledgement of a list that revokes the key (or was issued after the key ended) closes the case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from keygw.model.digital_key import KeyState
from keygw.model.errors import Conflict


class KeyEvent(StrEnum):
    SUSPEND = "suspend"
    RESUME = "resume"
    REVOKE = "revoke"
    ACKNOWLEDGE = "acknowledge"
    """The vehicle has confirmed the list that revokes the key."""
    EXPIRE = "expire"
    """The key was seen past its end."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The event is not possible in this state; ``code`` is that of the ``Conflict``."""

    code: str


_REVOKED = Refused("key_revoked")
_EXPIRED = Refused("key_expired")

TRANSITIONS: dict[KeyState, dict[KeyEvent, KeyState | Refused]] = {
    KeyState.ACTIVE: {
        KeyEvent.SUSPEND: KeyState.SUSPENDED,
        KeyEvent.RESUME: KeyState.ACTIVE,
        KeyEvent.REVOKE: KeyState.REVOKING,
        KeyEvent.ACKNOWLEDGE: KeyState.ACTIVE,
        KeyEvent.EXPIRE: KeyState.EXPIRED,
    },
    KeyState.SUSPENDED: {
        KeyEvent.SUSPEND: KeyState.SUSPENDED,
        KeyEvent.RESUME: KeyState.ACTIVE,
        KeyEvent.REVOKE: KeyState.REVOKING,
        KeyEvent.ACKNOWLEDGE: KeyState.SUSPENDED,
        KeyEvent.EXPIRE: KeyState.EXPIRED,
    },
    KeyState.REVOKING: {
        KeyEvent.SUSPEND: _REVOKED,
        KeyEvent.RESUME: _REVOKED,
        KeyEvent.REVOKE: KeyState.REVOKING,
        KeyEvent.ACKNOWLEDGE: KeyState.REVOKED,
        KeyEvent.EXPIRE: KeyState.REVOKING,
    },
    KeyState.REVOKED: {
        KeyEvent.SUSPEND: _REVOKED,
        KeyEvent.RESUME: _REVOKED,
        KeyEvent.REVOKE: KeyState.REVOKED,
        KeyEvent.ACKNOWLEDGE: KeyState.REVOKED,
        KeyEvent.EXPIRE: KeyState.REVOKED,
    },
    KeyState.EXPIRED: {
        KeyEvent.SUSPEND: _EXPIRED,
        KeyEvent.RESUME: _EXPIRED,
        KeyEvent.REVOKE: KeyState.EXPIRED,
        KeyEvent.ACKNOWLEDGE: KeyState.EXPIRED,
        KeyEvent.EXPIRE: KeyState.EXPIRED,
    },
}

REVOKED_STATES = frozenset({KeyState.REVOKING, KeyState.REVOKED})

_SENTENCES = {
    "key_revoked": "the key has been revoked, which is final: issue or share a new one",
    "key_expired": "the key has expired, which is final: issue or share a new one",
    "key_suspended": "the key is suspended: resume it first",
}
_CODES = {
    KeyState.SUSPENDED: "key_suspended",
    KeyState.REVOKING: "key_revoked",
    KeyState.REVOKED: "key_revoked",
    KeyState.EXPIRED: "key_expired",
}


def next_state(state: KeyState, event: KeyEvent) -> KeyState:
    """The state after ``event``; ``Conflict`` (key_revoked, key_expired) where the table refuses."""
    target = TRANSITIONS[state][event]
    if isinstance(target, Refused):
        raise Conflict(_SENTENCES[target.code], code=target.code)
    return target


def shown_state(own: KeyState, above: Sequence[KeyState], expires_at: int, now: float) -> KeyState:
    """What the outside sees: the stored state, bounded by time (Unix seconds) and by the states of its ancestors."""
    if own in REVOKED_STATES:
        return own
    if now >= expires_at or own is KeyState.EXPIRED or KeyState.EXPIRED in above:
        return KeyState.EXPIRED
    if REVOKED_STATES.intersection(above):
        return KeyState.REVOKING
    return KeyState.SUSPENDED if own is KeyState.SUSPENDED or KeyState.SUSPENDED in above else own


def refusal(state: KeyState) -> tuple[str, str] | None:
    """``(code, sentence)`` why a key in this state cannot be used; ``None`` for an active one."""
    code = _CODES.get(state)
    return (code, _SENTENCES[code]) if code else None
