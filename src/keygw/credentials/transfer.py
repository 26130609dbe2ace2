"""Handing a vehicle over: offered by who owns it, taken by who knows the secret, and then every old key ends.

One table, state x event -> state, and nothing beside it (law 6). Nothing happens to the vehicle before it is accepted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from keygw.credentials.lifecycle import Refused
from keygw.model.errors import Conflict


class TransferState(StrEnum):
    OFFERED = "offered"
    ACCEPTED = "accepted"
    """The epoch has ended; the vehicle waits for its new owner's pairing."""
    CANCELLED = "cancelled"
    EXPIRED = "expired"


EVENTS = {
    TransferState.OFFERED: "transfer.offered",
    TransferState.ACCEPTED: "transfer.accepted",
    TransferState.CANCELLED: "transfer.cancelled",
    TransferState.EXPIRED: "transfer.expired",
}


class TransferEvent(StrEnum):
    ACCEPT = "accept"
    CANCEL = "cancel"
    EXPIRE = "expire"


_S, _E = TransferState, TransferEvent
_CANCELLED, _EXPIRED = Refused("transfer_cancelled"), Refused("transfer_expired")

TRANSITIONS: Mapping[TransferState, Mapping[TransferEvent, TransferState | Refused]] = {
    _S.OFFERED: {_E.ACCEPT: _S.ACCEPTED, _E.CANCEL: _S.CANCELLED, _E.EXPIRE: _S.EXPIRED},
    # ACCEPT here means the same app again; another one never gets as far as this.
    _S.ACCEPTED: {_E.ACCEPT: _S.ACCEPTED, _E.CANCEL: Refused("transfer_accepted"), _E.EXPIRE: _S.ACCEPTED},
    _S.CANCELLED: {_E.ACCEPT: _CANCELLED, _E.CANCEL: _S.CANCELLED, _E.EXPIRE: _S.CANCELLED},
    _S.EXPIRED: {_E.ACCEPT: _EXPIRED, _E.CANCEL: _S.EXPIRED, _E.EXPIRE: _S.EXPIRED},
}

_SENTENCES = {
    "transfer_accepted": "the vehicle has its new owner already",
    "transfer_cancelled": "the offer was taken back",
    "transfer_expired": "the offer's time is over: ask for a new one",
}


@dataclass(frozen=True, slots=True)
class Transfer:
    """One offer. Times: whole Unix seconds. Of its secret only the SHA-256 is kept.

    ``offered_by``: the actor. ``app_id``: who accepted it. ``version`` counts the writes of the row.
    """

    id: str
    vehicle_id: str
    offered_by: str
    created_at: int
    expires_at: int
    secret_hash: bytes = field(repr=False)
    state: TransferState = TransferState.OFFERED
    app_id: str | None = None
    version: int = 1


def next_transfer_state(state: TransferState, event: TransferEvent) -> TransferState:
    """The state after ``event``; ``Conflict`` (``transfer_...``) where the table refuses."""
    target = TRANSITIONS[state][event]
    if isinstance(target, Refused):
        raise Conflict(_SENTENCES[target.code], code=target.code)
    return target
