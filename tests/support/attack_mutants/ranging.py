"""Rules of ranging."""

from __future__ import annotations

from dataclasses import replace

import pytest

from attack_mutants.register import CAR, ENGINE, always, frees
from keygw.session.events import RangeAsked
from keygw.session.ranging import RangingSecret
from keygw.session.vehicle import VehicleSession
from keygw.wire.ranging import Range, Zone
from keygw_sim.ranging.geometry import Point
from keygw_sim.ranging.space import Anchors
from keygw_sim.vehicle import proximity, rules


@frees("range-stale", CAR)
@frees("range-replayed-sts", CAR)
@frees("range-relay", CAR)
@frees("range-relay-drive", ENGINE)
@frees("range-other-session", CAR)
def who_says_so_is_near(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rules, "_near_enough", always(True))


@frees("range-left-inside", CAR)
def inside_is_as_good_as_near(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rules, "_near_enough", lambda action, near: near.zone in (Zone.NEAR, Zone.INSIDE))


@frees("range-replayed-sts", "breach: what was recorded is heard again")
@frees("range-other-session", "breach: the friend's phone answers for the owner's")
def every_round_has_one_key(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RangingSecret, "key", always(bytes(16)))


@frees("range-early-commit", (CAR, "done"))
@frees("range-ghost-peak", (CAR, "done"))
def pulses_are_not_counted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(proximity, "MIN_QUALITY", 0)


@frees("range-turned-phase", CAR)
def phase_alone_is_believed(patch: pytest.MonkeyPatch) -> None:
    def by_phase(self: Anchors, anchor: Point, key: bytes) -> tuple[float, int] | None:
        tones = [tone for sender in self._space.senders for tone in sender.tones(anchor, key)]
        return (tones[0].by_phase, 100) if tones else None

    patch.setattr(Anchors, "_by_sounding", by_phase)


@frees("range-reused-round", "nothing")
def rounds_may_come_again(patch: pytest.MonkeyPatch) -> None:
    real = VehicleSession._on_range

    def take(self: VehicleSession, asked: Range) -> RangeAsked:
        self._round = 0
        return real(self, asked)

    patch.setattr(VehicleSession, "_on_range", take)


@frees("range-own-word", "device: protocol_violation")
def the_device_says_where_it_is(patch: pytest.MonkeyPatch) -> None:
    real = VehicleSession._on_range
    patch.setattr(VehicleSession, "_on_range", lambda self, asked: real(self, replace(asked, finding=None)))


@frees("range-stale", CAR)
def evidence_lasts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(proximity, "FRESH_SECONDS", 60.0)


@frees("range-stays-near", CAR)
def who_is_near_may_always(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(proximity.Proximity, "locked", always(None))
    patch.setattr(proximity.Proximity, "opened", always(None))
