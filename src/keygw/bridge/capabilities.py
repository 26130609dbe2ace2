"""What an app can do with a vehicle now, thing by thing, with the reason where it cannot.

``forbidden`` is so until somebody gives the app more; ``unavailable`` passes; ``unsupported`` is not there at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from keygw.bridge.access import Access, View, begun
from keygw.bridge.foresight import Live, foreseen
from keygw.bridge.ports import Authorize
from keygw.bridge.scopes import COMMAND_SCOPES, SIGNAL_SCOPES, Scope
from keygw.model.command import Action, Command
from keygw.model.digital_key import DigitalKey
from keygw.model.errors import Forbidden
from keygw.model.signal import SignalId

NEEDS_PHONE = frozenset({Action.PASSIVE_UNLOCK})
"""Asks for somebody who has come to the doors, which a device that the gateway hosts never has."""
_PASSING = {"key_suspended", "key_not_yet_valid"}


class Standing(StrEnum):
    SUPPORTED = "supported"
    UNSUPPORTED = "unsupported"
    FORBIDDEN = "forbidden"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Capability:
    """``id``: ``command.unlock``, or the path of a signal. ``until``: Unix seconds at which this ends by itself."""

    id: str
    standing: Standing
    reason: str | None = None
    until: float | None = None
    required_scope: Scope | None = None


class Capabilities:
    """``heard``: whether a vehicle has ever told a signal; ``live``: what it tells now."""

    def __init__(
        self,
        access: Access,
        authorize: Authorize,
        heard: Callable[[str, SignalId], bool],
        live: Callable[[str], Live],
    ) -> None:
        self._access = access
        self._authorize = authorize
        self._heard = heard
        self._live = live

    def of(self, view: View, now: float) -> list[Capability]:
        """Commands first, then signals, each in the order of its registry."""
        live = self._live(view.vehicle.id)
        commands = [self._command(view, action, live, now) for action in COMMAND_SCOPES]
        return commands + [self._signal(view, signal, now) for signal in SIGNAL_SCOPES]

    def _command(self, view: View, action: Action, live: Live, now: float) -> Capability:
        name, scope = f"command.{action.label}", COMMAND_SCOPES[action]
        if action in NEEDS_PHONE:
            return Capability(name, Standing.UNSUPPORTED, "needs_phone")
        if scope not in view.app.scopes:
            return Capability(name, Standing.FORBIDDEN, "insufficient_scope", required_scope=scope)
        try:
            key = self._access.own_key(view, None, action.required)
            # The policy is asked with a command that nobody sends: it alone says what a key may do now.
            self._authorize(key, Command("", 0, view.vehicle.id, key.id, action, now, now), begun(key, now))
        except Forbidden as refusal:
            return self._refused(name, refusal, view, now)
        hindrance = foreseen(action, live)
        if hindrance is not None and not hindrance.ok:
            return Capability(name, Standing.UNAVAILABLE, hindrance.label)
        return Capability(name, Standing.SUPPORTED, until=float(key.expires_at))

    def _refused(self, name: str, refusal: Forbidden, view: View, now: float) -> Capability:
        if refusal.code not in _PASSING:
            return Capability(name, Standing.FORBIDDEN, refusal.code)
        until = _begins(view.own, now) if refusal.code == "key_not_yet_valid" else None
        return Capability(name, Standing.UNAVAILABLE, refusal.code, until)

    def _signal(self, view: View, signal: SignalId, now: float) -> Capability:
        scopes = SIGNAL_SCOPES[signal]
        if view.app.scopes.isdisjoint(scopes):
            wanted = sorted(scopes)[-1]
            return Capability(signal.path, Standing.FORBIDDEN, "insufficient_scope", required_scope=wanted)
        if not view.may_read(signal, now):
            return Capability(signal.path, Standing.FORBIDDEN, "no_key")
        if not self._heard(view.vehicle.id, signal):
            return Capability(signal.path, Standing.UNAVAILABLE, "not_heard")
        return Capability(signal.path, Standing.SUPPORTED)


def _begins(own: tuple[DigitalKey, ...], now: float) -> float | None:
    return min((float(key.not_before) for key in own if key.not_before > now), default=None)
