"""The table of the digital key's life: complete, and true to its promises."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from keygw.credentials.actors import KINDS
from keygw.credentials.invitation import TRANSITIONS as INVITATIONS
from keygw.credentials.invitation import InvitationEvent, InvitationState, key_stage
from keygw.credentials.lifecycle import (
    BIRTHS,
    CAUSES,
    ENDINGS,
    STORED,
    TRANSITIONS,
    Hold,
    KeyEvent,
    Refused,
    check_actor,
    next_hold,
    next_state,
    refusal,
    shown_state,
    stage,
)
from keygw.model.digital_key import KeyStage, KeyState
from keygw.model.errors import Conflict, Forbidden

ENDED = (KeyStage.REVOKING, KeyStage.REVOKED, KeyStage.EXPIRED)
REPOSITORY = Path(__file__).resolve().parents[3]


def test_every_state_answers_every_event() -> None:
    assert set(TRANSITIONS) == set(KeyStage)
    assert all(set(row) == set(KeyEvent) for row in TRANSITIONS.values())
    assert set(CAUSES) == set(KeyEvent)


def test_every_state_can_be_reached() -> None:
    reached = set(BIRTHS.values())
    while (
        new := {target for state in reached for target in TRANSITIONS[state].values() if isinstance(target, KeyStage)}
        - reached
    ):
        reached |= new
    assert reached == set(KeyStage)


def test_five_states_are_stored_under_their_own_names() -> None:
    assert {STORED[KeyStage(state.value)] for state in KeyState} == set(KeyState)
    assert set(KeyStage) - set(STORED) == {KeyStage.REQUESTED, KeyStage.DECLINED}
    usable = {state for state, kept in STORED.items() if kept is KeyState.ACTIVE}
    assert usable == {KeyStage.ISSUED, KeyStage.ACTIVE, KeyStage.RENEWING}


@pytest.mark.parametrize("event", KeyEvent)
def test_what_is_stored_alike_is_treated_alike(event: KeyEvent) -> None:
    """Or the store, which knows ISSUED and RENEWING only as ACTIVE, would be wrong about them."""
    told = {STORED.get(target) if isinstance(target, KeyStage) else target for target in (
        TRANSITIONS[state][event] for state, kept in STORED.items() if kept is KeyState.ACTIVE
    )}  # fmt: skip
    assert len(told) == 1


@pytest.mark.parametrize("state", ENDED)
@pytest.mark.parametrize("event", KeyEvent)
def test_an_ended_key_never_opens_again(state: KeyStage, event: KeyEvent) -> None:
    target = TRANSITIONS[state][event]
    assert isinstance(target, Refused) or target in ENDED


@pytest.mark.parametrize("state", KeyStage)
def test_revoked_only_by_the_car(state: KeyStage) -> None:
    ways = [event for event, target in TRANSITIONS[state].items() if target is KeyStage.REVOKED]
    if state is KeyStage.REVOKED:
        assert KeyEvent.RESUME not in ways
    else:
        confirmed = [KeyEvent.ACKNOWLEDGE] if state is KeyStage.REVOKING else []
        living = state in STORED and state is not KeyStage.EXPIRED
        assert sorted(ways) == sorted([*confirmed, KeyEvent.REMOVE] if living else [])
    assert {CAUSES[event].actors for event in (KeyEvent.ACKNOWLEDGE, KeyEvent.REMOVE)} == {frozenset({"vehicle"})}


@pytest.mark.parametrize("event", sorted(ENDINGS))
@pytest.mark.parametrize("state", [state for state in KeyStage if state in STORED])
def test_ending_a_key_is_never_refused(state: KeyStage, event: KeyEvent) -> None:
    assert TRANSITIONS[state][event] in ENDED


@pytest.mark.parametrize(
    ("state", "event", "target"),
    [
        (KeyState.SUSPENDED, KeyEvent.SUSPEND, KeyState.SUSPENDED),
        (KeyState.ACTIVE, KeyEvent.RESUME, KeyState.ACTIVE),
        (KeyState.REVOKING, KeyEvent.REVOKE, KeyState.REVOKING),
        (KeyState.REVOKED, KeyEvent.REVOKE, KeyState.REVOKED),
        (KeyState.EXPIRED, KeyEvent.REVOKE, KeyState.EXPIRED),
        (KeyState.REVOKING, KeyEvent.EXPIRE, KeyState.REVOKING),
        (KeyState.ACTIVE, KeyEvent.MEET, KeyState.ACTIVE),
        (KeyState.SUSPENDED, KeyEvent.MEET, KeyState.SUSPENDED),
        (KeyState.REVOKED, KeyEvent.LOSE, KeyState.REVOKED),
        (KeyState.EXPIRED, KeyEvent.END_EPOCH, KeyState.EXPIRED),
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
        (KeyState.SUSPENDED, KeyEvent.RENEW, "key_suspended"),
    ],
)
def test_refusals_have_codes(state: KeyState, event: KeyEvent, code: str) -> None:
    with pytest.raises(Conflict) as caught:
        next_state(state, event)
    assert caught.value.code == code


def test_a_suspended_key_comes_back_when_no_reason_is_left() -> None:
    state, hold = next_hold(KeyState.ACTIVE, Hold(0), KeyEvent.SUSPEND)
    state, hold = next_hold(state, hold, KeyEvent.LOSE)
    assert (state, hold) == (KeyState.SUSPENDED, Hold.ASKED | Hold.LOST)
    assert next_hold(state, hold, KeyEvent.FIND) == (KeyState.SUSPENDED, Hold.ASKED)
    assert next_hold(state, hold, KeyEvent.RESUME) == (KeyState.SUSPENDED, Hold.LOST)
    assert next_hold(KeyState.SUSPENDED, Hold.ASKED, KeyEvent.RESUME) == (KeyState.ACTIVE, Hold(0))
    assert next_hold(KeyState.REVOKING, Hold.LOST, KeyEvent.FIND) == (KeyState.REVOKING, Hold.LOST)


@pytest.mark.parametrize("event", KeyEvent)
def test_nobody_causes_what_is_not_theirs(event: KeyEvent) -> None:
    assert CAUSES[event].actors <= KINDS
    for kind in KINDS:
        if kind in CAUSES[event].actors:
            check_actor(event, kind)
        else:
            with pytest.raises(Forbidden) as caught:
                check_actor(event, f"{kind}:x")
            assert caught.value.code == "wrong_actor"


@pytest.mark.parametrize("state", InvitationState)
@pytest.mark.parametrize("event", InvitationEvent)
def test_an_invitation_moves_its_key_as_the_table_says(state: InvitationState, event: InvitationEvent) -> None:
    target = INVITATIONS[state][event]
    if isinstance(target, Refused):
        return
    before, after = key_stage(state), key_stage(target)
    if before is None:
        assert after in {None, KeyStage.DECLINED, *BIRTHS.values()}
    elif after is not before:
        assert after in TRANSITIONS[before].values()


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


@pytest.mark.parametrize(
    ("shown", "met", "renew_from", "said"),
    [
        (KeyState.ACTIVE, False, 5, KeyStage.ISSUED),
        (KeyState.ACTIVE, True, 5, KeyStage.RENEWING),
        (KeyState.ACTIVE, True, 9, KeyStage.ACTIVE),
        (KeyState.ACTIVE, True, None, KeyStage.ACTIVE),
        (KeyState.SUSPENDED, True, 5, KeyStage.SUSPENDED),
        (KeyState.REVOKING, False, 5, KeyStage.REVOKING),
    ],
)
def test_how_far_a_life_is(shown: KeyState, met: bool, renew_from: int | None, said: KeyStage) -> None:
    assert stage(shown, met, renew_from, 8) is said


def test_only_an_active_key_has_no_refusal() -> None:
    assert [state for state in KeyState if refusal(state) is None] == [KeyState.ACTIVE]


def test_the_picture_is_the_tables() -> None:
    """Redraw it with ``python tools/draw_key_life.py``."""
    command = [sys.executable, "tools/draw_key_life.py", "--check"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
