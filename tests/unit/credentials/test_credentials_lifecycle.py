"""The table of the digital key's life: complete, and true to its promises."""

from __future__ import annotations

import pytest

from keygw.credentials.lifecycle import TRANSITIONS, KeyEvent, Refused, next_state, refusal, shown_state
from keygw.model.digital_key import KeyState
from keygw.model.errors import Conflict

ENDED = (KeyState.REVOKING, KeyState.REVOKED, KeyState.EXPIRED)


def test_every_state_answers_every_event() -> None:
    assert set(TRANSITIONS) == set(KeyState)
    assert all(set(row) == set(KeyEvent) for row in TRANSITIONS.values())


@pytest.mark.parametrize("state", ENDED)
@pytest.mark.parametrize("event", KeyEvent)
def test_an_ended_key_never_opens_again(state: KeyState, event: KeyEvent) -> None:
    target = TRANSITIONS[state][event]
    assert isinstance(target, Refused) or target in ENDED


@pytest.mark.parametrize("state", KeyState)
def test_revoked_only_by_the_car(state: KeyState) -> None:
    ways = [event for event, target in TRANSITIONS[state].items() if target is KeyState.REVOKED]
    if state is KeyState.REVOKED:
        assert KeyEvent.RESUME not in ways
    else:
        assert ways == ([KeyEvent.ACKNOWLEDGE] if state is KeyState.REVOKING else [])


@pytest.mark.parametrize(
    ("state", "event", "target"),
    [
        (KeyState.SUSPENDED, KeyEvent.SUSPEND, KeyState.SUSPENDED),
        (KeyState.ACTIVE, KeyEvent.RESUME, KeyState.ACTIVE),
        (KeyState.REVOKING, KeyEvent.REVOKE, KeyState.REVOKING),
        (KeyState.REVOKED, KeyEvent.REVOKE, KeyState.REVOKED),
        (KeyState.EXPIRED, KeyEvent.REVOKE, KeyState.EXPIRED),
        (KeyState.REVOKING, KeyEvent.EXPIRE, KeyState.REVOKING),
    ],
)
def test_again_is_no_change(state: KeyState, event: KeyEvent, target: KeyState) -> None:
    assert next_state(state, event) is target


@pytest.mark.parametrize(
    ("state", "event", "code"),
    [
        (KeyState.REVOKED, KeyEvent.RESUME, "key_revoked"),
        (KeyState.REVOKING, KeyEvent.SUSPEND, "key_revoked"),
        (KeyState.EXPIRED, KeyEvent.RESUME, "key_expired"),
        (KeyState.EXPIRED, KeyEvent.SUSPEND, "key_expired"),
    ],
)
def test_refusals_have_codes(state: KeyState, event: KeyEvent, code: str) -> None:
    with pytest.raises(Conflict) as caught:
        next_state(state, event)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("own", "above", "now", "shown"),
    [
        (KeyState.ACTIVE, (), 9, KeyState.ACTIVE),
        (KeyState.ACTIVE, (), 10, KeyState.EXPIRED),
        (KeyState.ACTIVE, (KeyState.SUSPENDED,), 9, KeyState.SUSPENDED),
        (KeyState.ACTIVE, (KeyState.ACTIVE, KeyState.SUSPENDED), 9, KeyState.SUSPENDED),
        (KeyState.SUSPENDED, (KeyState.SUSPENDED,), 10, KeyState.EXPIRED),
        (KeyState.ACTIVE, (KeyState.EXPIRED,), 9, KeyState.EXPIRED),
        (KeyState.ACTIVE, (KeyState.REVOKED,), 9, KeyState.REVOKING),
        (KeyState.EXPIRED, (KeyState.REVOKED,), 9, KeyState.EXPIRED),
        (KeyState.REVOKING, (), 10, KeyState.REVOKING),
        (KeyState.REVOKED, (KeyState.ACTIVE,), 10, KeyState.REVOKED),
    ],
)
def test_what_is_shown(own: KeyState, above: tuple[KeyState, ...], now: float, shown: KeyState) -> None:
    assert shown_state(own, above, 10, now) is shown


def test_only_an_active_key_has_no_refusal() -> None:
    assert [state for state in KeyState if refusal(state) is None] == [KeyState.ACTIVE]
