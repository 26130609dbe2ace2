"""Receipts: the vehicle-signed record of one executed or refused command."""

from __future__ import annotations

from dataclasses import dataclass, field

from keygw.model.command import Action, Outcome

NO_SESSION = bytes(8)
"""``session`` of a receipt about what was done in the car: no device had a part in it."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a verified receipt says.

    ``sequence`` counts the receipts of the vehicle from 1; ``previous`` names the receipt before (32 zero bytes for the
    first), so a gap or a rewritten past shows. ``before``/``after``: the actuator of the action: central lock (true:
    locked) or trunk (true: open), ``None``: unknown, or an action without one. ``at``: vehicle time, Unix seconds.
    ``signed``: the COSE_Sign1 bytes it was read from.
    """

    vehicle_id: str
    sequence: int
    number: int
    key_id: str
    action: Action
    outcome: Outcome
    before: bool | None
    after: bool | None
    boot_epoch: int
    session: bytes
    previous: bytes
    at: int
    signed: bytes = field(repr=False)

    @property
    def removes_key(self) -> bool:
        """Whether it says that ``key_id`` was removed in the car, by no device: a refused command of that number, from
        whoever tries it, is none."""
        by_hand = self.number == 0 and self.session == NO_SESSION
        return by_hand and self.action is Action.REMOVE_KEY and self.outcome is Outcome.DONE
