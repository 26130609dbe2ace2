"""What each action should make true: a command is confirmed only when the receipt and the signal say so."""

from __future__ import annotations

from keygw.model.command import Action
from keygw.model.signal import SignalId, SignalValue

EXPECTED: dict[Action, tuple[SignalId, SignalValue]] = {
    Action.UNLOCK: (SignalId.CENTRAL_LOCK, False),
    Action.LOCK: (SignalId.CENTRAL_LOCK, True),
    Action.OPEN_TRUNK: (SignalId.TRUNK_OPEN, True),
    Action.START_ENGINE: (SignalId.ENGINE_RUNNING, True),
}
"""``FLASH_LIGHTS`` is over before anyone could look, so its receipt stands alone."""


def contradicts(action: Action, readings: dict[SignalId, SignalValue]) -> bool:
    """Whether the signals heard in this session speak against ``action`` having been done."""
    expected = EXPECTED.get(action)
    return expected is not None and readings.get(expected[0], expected[1]) != expected[1]
