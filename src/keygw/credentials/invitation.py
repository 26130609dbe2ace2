"""Life of an invitation: a link that becomes a friend key of the first device that claims it.

One table, state x event -> state, and nothing beside it (law 6). An invitation that has come to an end stays there: a
repeated request is a success that changes nothing, and what would bring it back is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from keygw.credentials.lifecycle import Refused
from keygw.model.entitlement import Entitlement
from keygw.model.errors import Conflict

MOST_TRIES = 5
"""Wrong activation codes that an invitation bears; the fifth ends it."""


class InvitationState(StrEnum):
    OPEN = "open"
    """Nobody has claimed it."""
    CLAIMED = "claimed"
    """Bound to one device; the phone that holds the parent key owes a grant for it."""
    ACCEPTED = "accepted"
    """The key has been issued."""
    DECLINED = "declined"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    LOCKED = "locked"
    """Too many wrong activation codes."""
    ENDED = "ended"
    """The parent key was suspended, revoked or is over."""

    @property
    def settled(self) -> bool:
        return self not in (InvitationState.OPEN, InvitationState.CLAIMED)


class InvitationEvent(StrEnum):
    CLAIM = "claim"
    """A device that knows the secret (and the activation code) binds the invitation to itself."""
    ACCEPT = "accept"
    """The key is issued within a grant."""
    DECLINE = "decline"
    CANCEL = "cancel"
    EXPIRE = "expire"
    LOCK = "lock"
    PARENT_END = "parent_end"


_S, _E = InvitationState, InvitationEvent
_NOT_CLAIMED = Refused("invitation_not_claimed")
_ISSUED = Refused("invitation_accepted")


def _settled(state: InvitationState, refused: Refused) -> dict[InvitationEvent, InvitationState | Refused]:
    """An end that nothing leads out of: what is passive stays so, what is active is refused."""
    return dict.fromkeys(_E, state) | {_E.CLAIM: refused, _E.ACCEPT: refused}


TRANSITIONS: Mapping[InvitationState, Mapping[InvitationEvent, InvitationState | Refused]] = {
    _S.OPEN: {
        _E.CLAIM: _S.CLAIMED,
        _E.ACCEPT: _NOT_CLAIMED,
        _E.DECLINE: _S.DECLINED,
        _E.CANCEL: _S.CANCELLED,
        _E.EXPIRE: _S.EXPIRED,
        _E.LOCK: _S.LOCKED,
        _E.PARENT_END: _S.ENDED,
    },
    _S.CLAIMED: {
        _E.CLAIM: _S.CLAIMED,
        _E.ACCEPT: _S.ACCEPTED,
        _E.DECLINE: _S.DECLINED,
        _E.CANCEL: _S.CANCELLED,
        _E.EXPIRE: _S.EXPIRED,
        _E.LOCK: _S.CLAIMED,
        _E.PARENT_END: _S.ENDED,
    },
    # Its key lives on by the rules of keys: to take it back is to revoke that key.
    _S.ACCEPTED: dict.fromkeys(_E, _S.ACCEPTED) | {_E.DECLINE: _ISSUED, _E.CANCEL: _ISSUED},
    _S.DECLINED: _settled(_S.DECLINED, Refused("invitation_declined")),
    _S.CANCELLED: _settled(_S.CANCELLED, Refused("invitation_cancelled")),
    _S.EXPIRED: _settled(_S.EXPIRED, Refused("invitation_expired")),
    _S.LOCKED: _settled(_S.LOCKED, Refused("invitation_locked")),
    _S.ENDED: _settled(_S.ENDED, Refused("invitation_ended")),
}
"""CLAIM where the state is CLAIMED or ACCEPTED means the same device again; another one never gets as far as this."""

_SENTENCES = {
    "invitation_not_claimed": "nobody has claimed the invitation yet",
    "invitation_accepted": "the key has been issued already: to take it back, revoke that key",
    "invitation_declined": "the invitation was declined: ask for a new one",
    "invitation_cancelled": "the invitation was taken back",
    "invitation_expired": "the invitation's time is over: ask for a new one",
    "invitation_locked": "too many wrong activation codes: ask for a new invitation",
    "invitation_ended": "the key it was made with has ended or is suspended",
}


@dataclass(frozen=True, slots=True)
class Invitation:
    """One invitation. Times: whole Unix seconds. Of secret and activation code only hashes are kept.

    ``key_expires_at`` or ``key_lifetime`` (seconds from the issue on): one of them says when the friend key ends.
    ``secret_hash``: SHA-256; ``code_hash``: HMAC-SHA-256 under the secret, ``None`` without an activation code (so a
    stolen database does not give six digits away). ``app_id``: who made it. ``device_key``: of the device it is bound
    to. ``wrong_codes`` and ``other_claims`` (by another device than that) count up to ``MOST_TRIES``. ``version``
    counts the writes of the row.
    """

    id: str
    vehicle_id: str
    parent_id: str
    app_id: str
    entitlements: Entitlement
    created_at: int
    expires_at: int
    secret_hash: bytes = field(repr=False)
    code_hash: bytes | None = field(default=None, repr=False)
    key_expires_at: int | None = None
    key_lifetime: int | None = None
    label: str = ""
    profile: str = ""
    state: InvitationState = InvitationState.OPEN
    device_key: bytes | None = None
    key_id: str | None = None
    wrong_codes: int = 0
    other_claims: int = 0
    version: int = 1

    @property
    def bound(self) -> bool:
        """A device has claimed it, and nothing else came of it than a key."""
        return self.state in (InvitationState.CLAIMED, InvitationState.ACCEPTED)

    def bound_to(self, device_key: bytes) -> bool:
        return self.bound and self.device_key == device_key

    def key_end(self, now: float) -> int:
        """When a key that is issued now ends; its parent may end sooner."""
        return self.key_expires_at if self.key_expires_at is not None else int(now) + (self.key_lifetime or 0)


def next_invitation_state(state: InvitationState, event: InvitationEvent) -> InvitationState:
    """The state after ``event``; ``Conflict`` (``invitation_...``) where the table refuses."""
    target = TRANSITIONS[state][event]
    if isinstance(target, Refused):
        raise Conflict(_SENTENCES[target.code], code=target.code)
    return target
