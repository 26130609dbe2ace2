"""May this key do this now? The only door to an ``AuthorizedCommand``.

Policies compose with ``all_of``; each raises ``Forbidden`` with a stable code, none returns a bool, and an empty
composition refuses (law 7). The vehicle asks the same questions again: this is the first fence, not the only one.
"""

from __future__ import annotations

from collections.abc import Callable

from keygw.credentials.lifecycle import refusal
from keygw.model.command import AuthorizedCommand, Command
from keygw.model.digital_key import DigitalKey, KeyState
from keygw.model.errors import Forbidden

Policy = Callable[[DigitalKey, Command, float], None]


def all_of(*policies: Policy) -> Policy:
    """Every one must let it through; with none given, nothing gets through."""

    def check(key: DigitalKey, command: Command, now: float) -> None:
        if not policies:
            raise Forbidden("no policy allows this", code="no_policy")
        for policy in policies:
            policy(key, command, now)

    return check


def right_key(key: DigitalKey, command: Command, now: float) -> None:
    """The command names this key (wrong_key) and this key's vehicle (wrong_vehicle)."""
    if command.key_id != key.id:
        raise Forbidden("the command names another key", code="wrong_key")
    if command.vehicle_id != key.vehicle_id:
        raise Forbidden("the key is for another vehicle", code="wrong_vehicle")


def key_active(key: DigitalKey, command: Command, now: float) -> None:
    """key_revoked, key_suspended, key_expired."""
    reason = refusal(KeyState.EXPIRED if key.state is KeyState.ACTIVE and key.expired(now) else key.state)
    if reason is not None:
        code, sentence = reason
        raise Forbidden(sentence, code=code)


def key_started(key: DigitalKey, command: Command, now: float) -> None:
    """key_not_yet_valid."""
    if now < key.not_before:
        raise Forbidden("the key is not valid yet", code="key_not_yet_valid")


def entitled(key: DigitalKey, command: Command, now: float) -> None:
    """unknown_action, not_entitled."""
    required = command.action.required
    if required is None:
        raise Forbidden(f"{command.action.label} is no action of this release", code="unknown_action")
    if required not in key.entitlements:
        raise Forbidden(f"the key does not hold {', '.join(required.names)}", code="not_entitled")


STANDARD: Policy = all_of(right_key, key_active, key_started, entitled)


def authorize(key: DigitalKey, command: Command, now: float, policy: Policy = STANDARD) -> AuthorizedCommand:
    """``key`` as the service shows it, ``now`` in Unix seconds. ``Forbidden`` says why not; nothing else is raised."""
    policy(key, command, now)
    return AuthorizedCommand(command, key.device_id)
