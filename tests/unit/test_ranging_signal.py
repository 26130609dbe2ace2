"""The simulated UWB round: time of flight, whose pulses they are, and what is made of echoes and of guesses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygw.wire.ranging import RangingMethod
from keygw_sim.chance import chance
from keygw_sim.ranging.geometry import METRES_PER_NS, ORIGIN, Path, Point
from keygw_sim.ranging.signal import BACK_TAPS, PULSES, TAP_NS, Arrival, Edge, leading_edge, pulses_of
from keygw_sim.ranging.space import DOORS, SOUNDING_ERROR, UWB_ERROR, Anchors, Space, Tone, Transponder, round_trip

UWB, SOUNDING = RangingMethod.UWB, RangingMethod.CHANNEL_SOUNDING
KEY, OTHER = bytes(16), bytes(15) + b"\x01"
SEEDS = range(40)


def guess(seed: object) -> int:
    return int.from_bytes(chance(str(seed), "guess")(PULSES // 8), "big")


@given(st.floats(0, 59))
def test_the_time_of_flight_is_the_distance_to_half_a_tap(metres: float) -> None:
    edge = leading_edge(KEY, [Arrival(round_trip(metres), pulses_of(KEY))])
    assert edge is not None
    assert abs(edge.ns * METRES_PER_NS / 2 - metres) <= TAP_NS * METRES_PER_NS / 4 + 1e-9
    assert edge.quality == 100


def test_nobody_answers_with_another_key() -> None:
    assert leading_edge(KEY, []) is None
    assert leading_edge(KEY, [Arrival(10.0, pulses_of(OTHER))]) is None
    assert [seed for seed in SEEDS if leading_edge(KEY, [Arrival(10.0, guess(seed))]) is not None] == []


def test_the_direct_path_counts_before_a_stronger_echo() -> None:
    direct = Arrival(20 * TAP_NS, pulses_of(KEY), 0.6)
    echo = Arrival(31 * TAP_NS, pulses_of(KEY), 1.0)
    edge = leading_edge(KEY, [echo, direct])
    assert edge is not None
    assert edge.ns == 20 * TAP_NS
    assert edge.quality < 60, "drowned: the car would rather have none"
    weak = Arrival(31 * TAP_NS, pulses_of(KEY), 0.5)
    assert leading_edge(KEY, [weak, direct]) == Edge(20 * TAP_NS, 100)


def test_a_repeater_only_adds() -> None:
    """Whatever it delays and however loud it is, the edge is not before the honest path."""
    for late in (0.0, 1.0, 7.0, 500.0):
        for power in (0.5, 1.0, 20.0):
            heard = [Arrival(100.0, pulses_of(KEY)), Arrival(100.0 + late, pulses_of(KEY), power)]
            edge = leading_edge(KEY, heard)
            assert edge is not None
            assert edge.ns >= 100.0 - TAP_NS / 2


def test_a_ghost_is_seen_and_its_pulses_are_wrong() -> None:
    honest, ghosts, best = 40 * TAP_NS * 2, 0, 0
    for seed in SEEDS:
        loud = Arrival(honest - BACK_TAPS * TAP_NS / 2, guess(seed), 6.0)
        edge = leading_edge(KEY, [Arrival(honest, pulses_of(KEY)), loud])
        assert edge is not None
        ghosts += edge.ns < honest - TAP_NS
        best = max(best, edge.quality)
    assert ghosts > len(SEEDS) // 2, "the attack works on the edge alone, or it would show nothing"
    assert best < 70


# -- anchors ---------------------------------------------------------------------------------------------------------


class Elsewhere:
    """Somebody for whom one anchor measures another place than all the others."""

    def __init__(self, phone: Transponder, anchor: Point, metres: float) -> None:
        self._phone, self._anchor, self._metres = phone, anchor, metres

    def arrivals(self, anchor: Point) -> list[Arrival]:
        pulses = self._phone.pulses()
        return [Arrival(round_trip(self._metres), pulses)] if pulses is not None and anchor == self._anchor else []

    def tones(self, anchor: Point, key: bytes) -> list[Tone]:
        return []


def standing(at: Point) -> tuple[Space, Transponder]:
    space, phone = Space(), Transponder(at)
    space.add(phone)
    return space, phone


@pytest.mark.parametrize(("method", "error"), [(UWB, UWB_ERROR), (SOUNDING, SOUNDING_ERROR)])
@pytest.mark.parametrize("at", [Point(0.5, 1.9), Point(-7.0, 3.0), Point(0.3, 0.4), Point(20.0, -20.0)])
def test_the_bound_is_never_less_than_the_distance(method: RangingMethod, error: float, at: Point) -> None:
    space, phone = standing(at)
    phone.arm(method, KEY)
    measured = Anchors(space).measure(method, KEY)
    assert measured is not None
    assert 0 <= measured.outer - min(at.to(door) for door in DOORS) <= 2 * error
    assert 0 <= measured.cabin - at.to(ORIGIN) <= 2 * error


def test_a_phone_answers_the_round_that_it_is_armed_for() -> None:
    space, phone = standing(Point(0.5, 1.9))
    anchors = Anchors(space)
    for method in (UWB, SOUNDING):
        assert anchors.measure(method, KEY) is None
        phone.arm(method, KEY)
        assert anchors.measure(method, OTHER) is None
        assert anchors.measure(method, KEY) is not None
        phone.on = False
        assert anchors.measure(method, KEY) is None
        phone.on = True
        phone.disarm()
        assert anchors.measure(method, KEY) is None
    phone.arm(UWB, KEY)
    assert anchors.measure(SOUNDING, KEY) is None
    assert anchors.measure(RangingMethod(9), KEY) is None
    assert Anchors(space, methods=[SOUNDING]).measure(UWB, KEY) is None
    phone.at = Point(80.0, 0.0)
    assert anchors.measure(UWB, KEY) is None


def test_one_anchor_that_is_told_another_place_spoils_the_round() -> None:
    space, phone = standing(Point(30.0, 0.0))
    phone.arm(UWB, KEY)
    honest = Anchors(space).measure(UWB, KEY)
    assert honest is not None
    assert honest.quality == 100
    space.add(Elsewhere(phone, DOORS[0], 20.0))
    spoilt = Anchors(space).measure(UWB, KEY)
    assert spoilt is not None
    assert spoilt.quality == 0


# -- paths -----------------------------------------------------------------------------------------------------------


def test_a_path_is_straight_between_its_stops_and_still_at_its_ends() -> None:
    path = Path([(10, Point(0, 0)), (20, Point(10, 0)), (30, Point(10, 5))])
    assert [path.at(now) for now in (0, 10, 15, 20, 28, 99)] == [
        Point(0, 0), Point(0, 0), Point(5, 0), Point(10, 0), Point(10, 4), Point(10, 5),
    ]  # fmt: skip
    assert path.ends == 30


@pytest.mark.parametrize(
    "stops", [[], [(1.0, ORIGIN), (1.0, ORIGIN)], [(2.0, ORIGIN), (1.0, ORIGIN)], [(float("nan"), ORIGIN)]]
)
def test_a_path_that_is_none(stops: list[tuple[float, Point]]) -> None:
    with pytest.raises(ValueError, match="path"):
        Path(stops)


def test_a_place_is_somewhere() -> None:
    with pytest.raises(ValueError, match="finite"):
        Point(float("inf"), 0)
