"""The one state table that both roles obey (law 6).

A conversation is one walk through ``TRANSITIONS``, seen from both ends: sending and receiving are the same step. The
picture in ``protocols/key_session`` is drawn from this table.
"""

from __future__ import annotations

from enum import Enum

from keygw.model.errors import ProtocolError
from keygw.wire.messages import MessageType as M


class Side(Enum):
    __hash__ = object.__hash__  # members are single; Enum's own hashes the name, in Python, at every step

    DEVICE = "device"
    VEHICLE = "vehicle"

    @property
    def other(self) -> Side:
        return Side.VEHICLE if self is Side.DEVICE else Side.DEVICE


class State(Enum):
    __hash__ = object.__hash__

    SILENT = "silent"
    """Linked; the vehicle owes a HELLO."""
    GREETED = "greeted"
    ASKED = "asked"
    """message_1 is out; the vehicle must prove itself."""
    PROVEN = "proven"
    """The vehicle has proven itself; the device must."""
    SHOWN = "shown"
    """The device has shown its key token; the vehicle decides."""
    HURRIED = "hurried"
    """FAST is out; the vehicle owes a FAST_RESULT."""
    QUICK = "quick"
    """Open by the fast path, or refused by it: then only HELLO_REQ leads on."""
    OPEN = "open"
    PAIRING = "pairing"
    """The device wants to become an owner's; the vehicle decides whether a code is shown."""
    OFFERED = "offered"
    SHARED = "shared"
    """The device has staked a guess; the vehicle counts it before it answers."""
    CONFIRMED = "confirmed"
    """The vehicle has proven that it knows the code's record; the device must prove the code, and name its key."""
    ENROLLED = "enrolled"
    TICKETED = "ticketed"
    """The vehicle has signed for the device key; the issuer's token is due."""
    DELIVERED = "delivered"
    PAIRED = "paired"
    """Over: the vehicle has said what became of the token."""
    CLOSED = "closed"


PAIRING_STATES = (
    State.PAIRING, State.OFFERED, State.SHARED, State.CONFIRMED, State.ENROLLED, State.TICKETED, State.DELIVERED,
    State.PAIRED,
)  # fmt: skip
"""The road that branches off at GREETED and never meets the other one again."""
TALKING = frozenset({State.QUICK, State.OPEN})
"""Authenticated, with a channel (or, in QUICK, refused one)."""

D, V = Side.DEVICE, Side.VEHICLE

_TALK = (
    (D, M.CMD),
    (V, M.RES),
    (V, M.EVENT),
    (D, M.RECEIPT_GET),
    (V, M.RECEIPT),
    (D, M.RECEIPT_ACK),
    (D, M.RL_PUSH),
    (V, M.RL_ACK),
    (D, M.RL_GET),
    (V, M.RL_GIVE),
    (D, M.ISSUER_KEY),
    (V, M.ISSUER_KEY_ACK),
)

TRANSITIONS: dict[State, dict[tuple[Side, M], State]] = {
    State.SILENT: {(V, M.HELLO): State.GREETED},
    State.GREETED: {
        (D, M.HELLO_REQ): State.SILENT,
        (D, M.MESSAGE_1): State.ASKED,
        (D, M.FAST): State.HURRIED,
        (D, M.PAIR_ASK): State.PAIRING,
    },
    State.HURRIED: {(V, M.FAST_RESULT): State.QUICK},
    State.ASKED: {(V, M.MESSAGE_2): State.PROVEN},
    State.PROVEN: {(D, M.MESSAGE_3): State.SHOWN},
    State.SHOWN: {(V, M.RESULT): State.OPEN},
    State.QUICK: {**dict.fromkeys(_TALK, State.QUICK), (D, M.HELLO_REQ): State.SILENT},
    State.OPEN: dict.fromkeys(
        (*_TALK, (D, M.TIME_PROOF), (D, M.CRED_PUT), (D, M.RANGE), (V, M.RANGE), (V, M.RESULT)), State.OPEN
    ),
    State.PAIRING: {(V, M.PAIR_OFFER): State.OFFERED},
    State.OFFERED: {(D, M.PAIR_SHARE): State.SHARED},
    State.SHARED: {(V, M.PAIR_PROOF): State.CONFIRMED},
    State.CONFIRMED: {(D, M.ENROL): State.ENROLLED},
    State.ENROLLED: {(V, M.PAIR_TICKET): State.TICKETED},
    State.TICKETED: {(D, M.OWNER_TOKEN): State.DELIVERED},
    State.DELIVERED: {(V, M.OWNER_TOKEN): State.PAIRED},
    State.PAIRED: {},
    State.CLOSED: {},
}
"""``TRANSITIONS[state][who, message]`` is the next state. ERROR, by either side, leads from every state to CLOSED."""


def advance(state: State, who: Side, message: M) -> State:
    """The state after ``who`` sent ``message``; ``ProtocolError`` if that is not its turn."""
    if message is M.ERROR and state is not State.CLOSED:
        return State.CLOSED
    try:
        return TRANSITIONS[state][who, message]
    except KeyError:
        raise ProtocolError(f"{message.name} from the {who.value} has no place in state {state.value}") from None
