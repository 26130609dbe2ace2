"""The door to ``AuthorizedCommand``: each policy has its code, and no policy is a refusal."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keygw.credentials.policy import all_of, authorize, right_key
from keygw.model.command import Action, Command
from keygw.model.digital_key import DigitalKey, KeyState, Role
from keygw.model.entitlement import Entitlement
from keygw.model.errors import Forbidden

KEY = DigitalKey(
    id="key_a",
    vehicle_id="veh_a",
    device_id="dev_a",
    role=Role.FRIEND,
    entitlements=Entitlement.DOOR_UNLOCK,
    index=0,
    not_before=100,
    expires_at=200,
    issued_at=100,
)
COMMAND = Command("cmd_a", 1, "veh_a", "key_a", Action.UNLOCK, created_at=150, expires_at=154)


def test_what_is_allowed_goes_through_unchanged() -> None:
    authorized = authorize(KEY, COMMAND, 150)
    assert authorized.command is COMMAND
    assert authorized.device_id == "dev_a"


@pytest.mark.parametrize(
    ("key", "command", "now", "code"),
    [
        (replace(KEY, state=KeyState.REVOKING), COMMAND, 150, "key_revoked"),
        (replace(KEY, state=KeyState.REVOKED), COMMAND, 150, "key_revoked"),
        (replace(KEY, state=KeyState.SUSPENDED), COMMAND, 150, "key_suspended"),
        (replace(KEY, state=KeyState.EXPIRED), COMMAND, 150, "key_expired"),
        (KEY, COMMAND, 200, "key_expired"),
        (KEY, COMMAND, 99.9, "key_not_yet_valid"),
        (KEY, replace(COMMAND, action=Action.LOCK), 150, "not_entitled"),
        (KEY, replace(COMMAND, action=Action(77)), 150, "unknown_action"),
        (KEY, replace(COMMAND, vehicle_id="veh_b"), 150, "wrong_vehicle"),
        (KEY, replace(COMMAND, key_id="key_b"), 150, "wrong_key"),
    ],
)
def test_what_is_refused_says_why(key: DigitalKey, command: Command, now: float, code: str) -> None:
    with pytest.raises(Forbidden) as caught:
        authorize(key, command, now)
    assert caught.value.code == code


def test_an_empty_policy_refuses() -> None:
    with pytest.raises(Forbidden) as caught:
        authorize(KEY, COMMAND, 150, all_of())
    assert caught.value.code == "no_policy"


def test_a_policy_is_what_was_put_into_it() -> None:
    suspended = replace(KEY, state=KeyState.SUSPENDED)
    assert authorize(suspended, COMMAND, 150, all_of(right_key)).command is COMMAND
