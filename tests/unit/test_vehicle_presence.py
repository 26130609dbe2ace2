"""Near, leaving, gone: without flicker, and each change told once."""

from __future__ import annotations

from random import Random

import pytest

from keygw.vehicle.presence import GONE_S, LEAVING_DBM, MOST, NEAR_DBM, SILENT_S, Nearness, Presence

CAR = "veh_a"


class Watched(Presence):
    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        super().__init__(lambda vehicle_id, nearness: self.told.append((vehicle_id, nearness.value)))

    @property
    def changes(self) -> list[str]:
        return [nearness for _, nearness in self.told]


@pytest.fixture
def presence() -> Watched:
    return Watched()


def test_who_is_heard_well_is_near_and_who_falls_silent_leaves_and_is_gone(presence: Watched) -> None:
    presence.heard(CAR, -60.0, 0.0)
    presence.tick(SILENT_S - 0.1)
    assert presence.changes == ["near"]
    presence.tick(SILENT_S)
    presence.tick(GONE_S - 0.1)
    assert presence.changes == ["near", "leaving"]
    presence.tick(GONE_S)
    assert presence.changes == ["near", "leaving", "gone"]
    assert presence.of(CAR) is Nearness.GONE
    presence.heard(CAR, -60.0, GONE_S + 1)
    assert presence.of(CAR) is Nearness.NEAR


def test_between_the_two_levels_nothing_changes(presence: Watched) -> None:
    between = (NEAR_DBM + LEAVING_DBM) / 2
    for second in range(30):
        presence.heard(CAR, between, float(second))
    assert presence.changes == [], "not near enough to come"
    for second in range(30, 60):
        presence.heard(CAR, NEAR_DBM + 5, float(second))
    for second in range(60, 120):
        presence.heard(CAR, between, float(second))
    assert presence.changes == ["near"], "nor far enough to leave"
    for second in range(120, 150):
        presence.heard(CAR, LEAVING_DBM - 5, float(second))
    assert presence.changes == ["near", "leaving"]


def test_single_levels_that_jump_do_not_make_it_flicker(presence: Watched, rng: Random) -> None:
    for tenth in range(600):
        presence.heard(CAR, -72.0 + rng.gauss(0, 5), tenth / 10)
        presence.tick(tenth / 10)
    assert presence.changes == ["near"]


def test_a_link_is_nearness_itself(presence: Watched) -> None:
    presence.linked(CAR, True, 0.0)
    presence.heard(CAR, -100.0, 1.0)
    presence.tick(1000.0)
    assert presence.changes == ["near"]
    presence.linked(CAR, False, 1000.0)
    presence.tick(1000.0 + GONE_S)
    assert presence.changes[-1] == "gone"


def test_a_level_that_nobody_measures_is_near(presence: Watched) -> None:
    presence.heard(CAR, None, 0.0)
    assert presence.changes == ["near"]


def test_no_more_are_remembered_than_there_is_room_for(presence: Watched) -> None:
    for number in range(MOST + 1):
        presence.heard(f"veh_{number}", -60.0, float(number) / 1000)
    assert presence.told[-2:] == [("veh_0", "gone"), (f"veh_{MOST}", "near")]
    presence.tick(MOST)
    assert not presence._known


def test_changes_alternate_however_it_is_heard(presence: Watched, rng: Random) -> None:
    now = 0.0
    for _ in range(3000):
        now += rng.choice((0.1, 1.0, SILENT_S, GONE_S))
        step = rng.randrange(4)
        if step < 2:
            presence.heard(CAR, rng.choice((None, -60.0, -84.0, -95.0)), now)
        elif step == 2:
            presence.linked(CAR, rng.random() < 0.3, now)
        else:
            presence.tick(now)
    pairs = set(zip(presence.changes, presence.changes[1:], strict=False))
    assert pairs <= {("near", "leaving"), ("leaving", "near"), ("leaving", "gone"), ("near", "gone"), ("gone", "near")}
    assert len(presence.changes) > 100
