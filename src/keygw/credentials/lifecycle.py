"""Life of a digital key: one table, state x event -> state, and nothing beside it.

A repeated request is a success that changes nothing; what would bring an ended key back is refused.
``REVOKING`` does not become ``EXPIRED`` by time: a vehicle without a trusted clock may still accept an expired owner
key, so only its acknowledgement of a list that revokes the key (or was issued after the key ended) closes the case, or
its receipt that says that the key was removed in the car.

What is stored is ``KeyState``; ``STORED`` says how the other states of the table are kept. Two things are outside the
table, because they are not about one key alone: a key is never more than its parent (``shown_state``), and a suspended
key may have several reasons (``Hold``), of which RESUME and FIND lift one each; it stays suspended until none is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntFlag, StrEnum

from keygw.credentials.actors import kind_of
from keygw.model.digital_key import KeyStage, KeyState
from keygw.model.errors import Conflict, Forbidden


class KeyEvent(StrEnum):
    REQUEST = "request"
    """A device has claimed an invitation."""
    ISSUE = "issue"
    DECLINE = "decline"
    """It was declined or taken back, came too late, or its parent ended."""
    MEET = "meet"
    """The vehicle has signed a receipt that names the key."""
    DUE = "due"
    """A third of the token's life, or less, is left."""
    RENEW = "renew"
    """A new token was signed."""
    SUSPEND = "suspend"
    RESUME = "resume"
    LOSE = "lose"
    """Its device was reported lost."""
    FIND = "find"
    """Its device has proven that it is back."""
    REVOKE = "revoke"
    GIVE_BACK = "give_back"
    """Its own holder ends it."""
    END_EPOCH = "end_epoch"
    """Every key of its vehicle ends."""
    REMOVE = "remove"
    """Somebody in the car has removed it, says the vehicle's receipt: there it is dead already."""
    ACKNOWLEDGE = "acknowledge"
    """The vehicle has confirmed the list that revokes the key."""
    EXPIRE = "expire"
    """The key was seen past its end."""


class Hold(IntFlag):
    """Why a key is suspended."""

    ASKED = 1
    LOST = 2


NO_HOLD = Hold(0)


@dataclass(frozen=True, slots=True)
class Refused:
    """The event is not possible in this state; ``code`` is that of the ``Conflict``."""

    code: str


@dataclass(frozen=True, slots=True)
class Cause:
    """Of an event: the kinds of actors that may cause it, and its name where it is told and in the audit trail."""

    actors: frozenset[str]
    told: str


_S, _E = KeyStage, KeyEvent


def _by(*kinds: str) -> frozenset[str]:
    return frozenset({*kinds, "system"})


CAUSES: Mapping[KeyEvent, Cause] = {
    _E.REQUEST: Cause(_by("device", "app", "operator"), "invitation.claimed"),
    _E.ISSUE: Cause(_by("app", "operator", "device"), "key.issued"),
    _E.DECLINE: Cause(_by("device", "link", "app", "operator"), "invitation.declined"),
    _E.MEET: Cause(frozenset({"vehicle"}), "key.met"),
    _E.DUE: Cause(frozenset({"system"}), ""),
    _E.RENEW: Cause(_by("app", "operator", "device"), "key.renewed"),
    _E.SUSPEND: Cause(_by("app", "operator"), "key.suspended"),
    _E.RESUME: Cause(_by("app", "operator"), "key.resumed"),
    _E.LOSE: Cause(_by("app", "operator"), "key.suspended"),
    _E.FIND: Cause(_by("app", "operator"), "key.resumed"),
    _E.REVOKE: Cause(_by("app", "operator"), "key.revoking"),
    _E.GIVE_BACK: Cause(_by("app", "device"), "key.revoking"),
    _E.END_EPOCH: Cause(_by("app", "operator"), "key.revoking"),
    _E.REMOVE: Cause(frozenset({"vehicle"}), "key.revoked"),
    _E.ACKNOWLEDGE: Cause(frozenset({"vehicle"}), "key.revoked"),
    _E.EXPIRE: Cause(frozenset({"system"}), "key.expired"),
}
"""Who may cause an event at all. Which app, which device: that is for ``bridge.access`` and for proofs. DUE is no more
than the clock: nothing is written."""

_REVOKED = Refused("key_revoked")
_EXPIRED = Refused("key_expired")
_NO_KEY = Refused("key_not_issued")


def _ended(state: KeyStage, refused: Refused) -> dict[KeyEvent, KeyStage | Refused]:
    """An end that nothing leads out of: what is passive stays so, what would use the key again is refused."""
    stays: dict[KeyEvent, KeyStage | Refused] = dict.fromkeys(_E, state)
    return stays | {_E.SUSPEND: refused, _E.RESUME: refused, _E.RENEW: refused}


def _living(state: KeyStage) -> dict[KeyEvent, KeyStage | Refused]:
    """What all states have in common in which the key may be used."""
    stays: dict[KeyEvent, KeyStage | Refused] = dict.fromkeys(_E, state)
    return stays | {
        _E.SUSPEND: _S.SUSPENDED,
        _E.LOSE: _S.SUSPENDED,
        _E.REVOKE: _S.REVOKING,
        _E.GIVE_BACK: _S.REVOKING,
        _E.END_EPOCH: _S.REVOKING,
        _E.REMOVE: _S.REVOKED,
        _E.EXPIRE: _S.EXPIRED,
    }


TRANSITIONS: Mapping[KeyStage, Mapping[KeyEvent, KeyStage | Refused]] = {
    # There is no key yet to do anything with.
    _S.REQUESTED: dict.fromkeys(_E, _NO_KEY)
    | {_E.REQUEST: _S.REQUESTED, _E.ISSUE: _S.ISSUED, _E.DECLINE: _S.DECLINED, _E.EXPIRE: _S.DECLINED},
    _S.DECLINED: dict.fromkeys(_E, _NO_KEY) | {_E.DECLINE: _S.DECLINED, _E.EXPIRE: _S.DECLINED},
    _S.ISSUED: _living(_S.ISSUED) | {_E.MEET: _S.ACTIVE},
    _S.ACTIVE: _living(_S.ACTIVE) | {_E.DUE: _S.RENEWING},
    _S.RENEWING: _living(_S.RENEWING) | {_E.RENEW: _S.ACTIVE},
    _S.SUSPENDED: _living(_S.SUSPENDED)
    | {_E.RESUME: _S.ACTIVE, _E.FIND: _S.ACTIVE, _E.RENEW: Refused("key_suspended")},
    _S.REVOKING: _ended(_S.REVOKING, _REVOKED) | {_E.ACKNOWLEDGE: _S.REVOKED, _E.REMOVE: _S.REVOKED},
    _S.REVOKED: _ended(_S.REVOKED, _REVOKED),
    _S.EXPIRED: _ended(_S.EXPIRED, _EXPIRED),
}
BIRTHS: Mapping[KeyEvent, KeyStage] = {_E.REQUEST: _S.REQUESTED, _E.ISSUE: _S.ISSUED}
"""How a life begins: an owner's key, and one that a hosted parent shares, is issued at once."""

STORED: Mapping[KeyStage, KeyState] = {
    _S.ISSUED: KeyState.ACTIVE,
    _S.ACTIVE: KeyState.ACTIVE,
    _S.RENEWING: KeyState.ACTIVE,
    _S.SUSPENDED: KeyState.SUSPENDED,
    _S.REVOKING: KeyState.REVOKING,
    _S.REVOKED: KeyState.REVOKED,
    _S.EXPIRED: KeyState.EXPIRED,
}
"""Whether a vehicle has met the key is a column of its own, and whether a token is due is for the clock to say: both
may be true of a suspended key too. So the state of a resumed key is ISSUED, ACTIVE or RENEWING by ``stage``."""

REVOKED_STATES = frozenset({KeyState.REVOKING, KeyState.REVOKED})
ENDINGS = frozenset({_E.REVOKE, _E.GIVE_BACK, _E.END_EPOCH, _E.REMOVE})
"""Events that end everything shared from the key as well."""
HOLDS = {_E.SUSPEND: Hold.ASKED, _E.RESUME: Hold.ASKED, _E.LOSE: Hold.LOST, _E.FIND: Hold.LOST}

_SENTENCES = {
    "key_revoked": "the key has been revoked, which is final: issue or share a new one",
    "key_expired": "the key has expired, which is final: issue or share a new one",
    "key_suspended": "the key is suspended: resume it first",
    "key_not_issued": "no key has been issued yet",
}
_CODES = {
    KeyState.SUSPENDED: "key_suspended",
    KeyState.REVOKING: "key_revoked",
    KeyState.REVOKED: "key_revoked",
    KeyState.EXPIRED: "key_expired",
}


def next_state(state: KeyState, event: KeyEvent) -> KeyState:
    """The stored state after ``event``; ``Conflict`` (key_revoked, key_expired, ...) where the table refuses."""
    target = TRANSITIONS[KeyStage(state.value)][event]
    if isinstance(target, Refused):
        raise Conflict(_SENTENCES[target.code], code=target.code)
    return STORED[target]


def next_hold(state: KeyState, hold: Hold, event: KeyEvent) -> tuple[KeyState, Hold]:
    """State and reasons after SUSPEND, RESUME, LOSE or FIND. ``Conflict`` as ``next_state``."""
    target = next_state(state, event)
    if target not in (KeyState.ACTIVE, KeyState.SUSPENDED):
        return target, hold
    left = hold | HOLDS[event] if event in (KeyEvent.SUSPEND, KeyEvent.LOSE) else hold & ~HOLDS[event]
    return KeyState.SUSPENDED if left else KeyState.ACTIVE, left


def check_actor(event: KeyEvent, actor: str) -> None:
    """``Forbidden`` wrong_actor if nobody of that kind ever causes the event."""
    if kind_of(actor) not in CAUSES[event].actors:
        raise Forbidden(f"this is not for a {kind_of(actor)} to do", code="wrong_actor")


def shown_state(own: KeyState, above: Sequence[KeyState], expires_at: int, now: float) -> KeyState:
    """What the outside sees: the stored state, bounded by time (Unix seconds) and by the states of its ancestors."""
    if own in REVOKED_STATES:
        return own
    if now >= expires_at or own is KeyState.EXPIRED or KeyState.EXPIRED in above:
        return KeyState.EXPIRED
    if REVOKED_STATES.intersection(above):
        return KeyState.REVOKING
    return KeyState.SUSPENDED if own is KeyState.SUSPENDED or KeyState.SUSPENDED in above else own


def stage(shown: KeyState, met: bool, renew_from: int | None, now: float) -> KeyStage:
    """How far the life of a key is that is shown in that state. ``renew_from``: of its token, Unix seconds."""
    if shown is not KeyState.ACTIVE:
        return KeyStage(shown.value)
    if not met:
        return KeyStage.ISSUED
    return KeyStage.RENEWING if renew_from is not None and now >= renew_from else KeyStage.ACTIVE


def refusal(state: KeyState) -> tuple[str, str] | None:
    """``(code, sentence)`` why a key in this state cannot be used; ``None`` for an active one."""
    code = _CODES.get(state)
    return (code, _SENTENCES[code]) if code else None
