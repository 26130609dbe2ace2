"""Whatever arrives, in whatever state of pairing: events or a ProtocolError, and nothing that nobody proved."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keygw.model.errors import ProtocolError
from keygw.session.events import Enrolled, OwnerTokenAnswered, OwnerTokenBrought, Ticketed
from keygw.session.states import PAIRING_STATES, Side, State
from keygw.wire import pairing as bodies
from keygw.wire.messages import MessageType
from keygw_sim.pairing_rehearsal import PairingStage

SENT = {  # by (vehicle, device) when the state is reached
    State.GREETED: (1, 0), State.PAIRING: (1, 1), State.OFFERED: (2, 1), State.SHARED: (2, 2),
    State.CONFIRMED: (3, 2), State.ENROLLED: (3, 3), State.TICKETED: (4, 3), State.DELIVERED: (4, 4),
    State.PAIRED: (5, 4),
}  # fmt: skip
TYPES = st.sampled_from([kind for kind in MessageType if 0x50 <= kind <= 0x56]) | st.integers(0, 255).map(MessageType)
BODIES = st.binary(max_size=400) | st.binary(min_size=64, max_size=64).map(lambda body: b"\x04" + body)
GAINS = (Enrolled, Ticketed, OwnerTokenBrought, OwnerTokenAnswered)


@pytest.mark.parametrize("state", [State.GREETED, *PAIRING_STATES])
@pytest.mark.parametrize("side", Side)
@settings(max_examples=25)
@given(kind=TYPES, body=BODIES)
def test_made_up_messages_gain_nothing(side: Side, state: State, kind: MessageType, body: bytes) -> None:
    stage = PairingStage().run(state)
    session = stage.device if side is Side.DEVICE else stage.car
    sent = SENT[state][0 if side is Side.DEVICE else 1]
    try:
        events = session.receive(bytes((0xC0 | sent, kind)) + body, stage.now)
    except ProtocolError:
        assert session.state is State.CLOSED
    else:
        assert not [event for event in events if isinstance(event, GAINS)]


@pytest.mark.parametrize("decode", [bodies.Enrol.decode, bodies.Credential.decode, bodies.decode_outcome])
@given(body=st.binary(max_size=300))
def test_a_decoder_gives_a_value_or_the_one_error(decode: object, body: bytes) -> None:
    assert callable(decode)
    try:
        value = decode(body)
    except ProtocolError:
        return
    encode = getattr(value, "encode", None)
    assert (encode() if encode else bodies.encode_outcome(value)) == body
