"""Rules of how a car learns issuer keys."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from attack_mutants.register import CAR, always, frees
from keygw.token.issuer_key import SignedStatement
from keygw_sim.vehicle import trust
from keygw_sim.vehicle.flash import Issuer, Memory


@frees("issuer-key-forked", CAR)
@frees("issuer-key-replayed", "key 1 is the newest")
def any_key_that_the_car_has_brings_another(patch: pytest.MonkeyPatch) -> None:
    def learn(draft: Memory, brought: Sequence[SignedStatement]) -> bool:
        for signed in brought:
            if any(key.kid == signed.kid for key in draft.issuers):
                said = signed.statement
                others = [key for key in draft.issuers if key.kid != said.kid]
                draft.issuers = [*others, Issuer(said.issuer, said.kid, said.public_key, said.sequence)]
        return True

    patch.setattr(trust, "learn", learn)
    patch.setattr(trust, "newest", lambda memory, issuer: memory.issuers[-1])


@frees("issuer-key-by-a-retired-key", CAR)
@frees("former-key-after-its-overlap", CAR)
def no_key_ever_ends(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(trust, "_ended", always(False))


@frees("former-key-after-its-overlap", CAR)
def an_end_is_not_written_down(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(trust, "ended", always([]))
    patch.setattr(trust, "decides", always(True))


@frees("former-key-after-a-power-cut", CAR)
@frees("former-key-lifts-a-revocation", "list 99 in force")
def a_former_key_is_believed_without_the_time(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(trust, "decides", always(True))


@frees("former-key-turns-back-time", CAR)
def a_former_key_tells_the_time(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(trust, "tells_time", always(True))
