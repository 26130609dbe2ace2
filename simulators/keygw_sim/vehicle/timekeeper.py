"""What the car knows of the time: its own seconds since the start, a floor on flash, and the issuer's last time proof.

There is no clock to trust in a car, so none is asked. Trust is in RAM: a reboot ends it. What each state allows is in
``keygw_sim.vehicle.rules``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from keygw.model.ids import Random
from keygw.token.time_proof import NONCE_BYTES, TimeProof
from keygw.wire.messages import TimeState

TRUST_SECONDS = 7 * 86_400
"""At 200 ppm, worse than a tuning-fork crystal in a car, the count is off by two minutes then."""
DUE_SECONDS = 86_400
"""From then on a new proof is welcome, so that a car in use never loses its time and soon hears of a newer list."""
NONCE_SECONDS = 60
"""A proof may be this old when it comes; so much, and the drift, the car may be late."""


@dataclass(frozen=True, slots=True)
class Moment:
    """``at``, Unix seconds: where the time is known, the time; else the floor, which is the earliest that it can be.

    ``withheld``: a proof has shown that there is a newer revocation list than the car has. The time is then not known.
    """

    state: TimeState
    at: int
    withheld: bool = False

    @property
    def known(self) -> bool:
        return self.state in (TimeState.TRUSTED, TimeState.DUE)

    @property
    def stamp(self) -> int:
        """For receipts and events: 0 where the time is not known."""
        return self.at if self.known else 0


@dataclass(frozen=True, slots=True)
class Nonce:
    """One that was given out in a RESULT, at that many seconds since the start."""

    value: bytes
    given_at: float


class Timekeeper:
    """``monotonic``: seconds since the start, sleep included."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._proof: TimeProof | None = None
        self._told_by = b""
        self._proven_at = 0.0

    def moment(self, floor: int, list_sequence: int) -> Moment:
        """Now. ``floor``: the latest time that the issuer has signed; ``list_sequence``: of the list in force."""
        age = self._monotonic() - self._proven_at
        if self._proof is not None and age < TRUST_SECONDS:
            if list_sequence >= self._proof.list_sequence:
                state = TimeState.TRUSTED if age < DUE_SECONDS else TimeState.DUE
                return Moment(state, max(self._proof.time + int(age), floor))
            return Moment(TimeState.FLOOR, floor, withheld=True)
        return Moment(TimeState.FLOOR if floor else TimeState.UNKNOWN, floor)

    def nonce(self, random: Random) -> Nonce:
        """A fresh one to give out."""
        return Nonce(random(NONCE_BYTES), self._monotonic())

    def refusal(self, proof: TimeProof, nonce: Nonce | None) -> str | None:
        """Why that verified proof does not count, if so. ``nonce``: the one unspent of that very session."""
        if nonce is None or proof.nonce != nonce.value:
            return "nonce"
        return "late" if self._monotonic() - nonce.given_at >= NONCE_SECONDS else None

    def accept(self, proof: TimeProof, kid: bytes) -> None:
        """From now on this one counts; the floor has been raised to its time. ``kid``: of the key that signed it."""
        self._proof, self._proven_at, self._told_by = proof, self._monotonic(), kid

    def forget(self, kid: bytes) -> None:
        """What that issuer key told counts no more: it has ended."""
        if kid == self._told_by:
            self._proof = None
