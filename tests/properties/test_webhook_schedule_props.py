"""When deliveries are tried again, lived through on a virtual clock."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keygw.bridge.webhook_schedule import (
    FIRST_SECONDS,
    GIVE_UP_SECONDS,
    JITTER,
    LEAST_TRIES,
    LONGEST_SECONDS,
    next_try,
    parse_retry_after,
)

BEGAN = 1_800_000_000.0
CHANCE = st.floats(0, 1)
WISHES = st.one_of(st.none(), st.floats(0, 1e10))
TOOK = st.floats(0, 15)


def lived(data: st.DataObject, wishes: st.SearchStrategy[float | None]) -> tuple[list[float], list[float]]:
    """The times of all tries of a delivery that never succeeds, and the pauses that were taken between them."""
    now, tries, pauses, failing_since = BEGAN, [BEGAN], list[float](), 0.0
    while True:
        now += data.draw(TOOK)
        failing_since = failing_since or now
        wish = data.draw(wishes)
        then = next_try(len(tries), failing_since, now, chance=data.draw(CHANCE), retry_after=wish)
        if then is None:
            return tries, pauses
        assert then >= now
        if wish is not None and now < failing_since + GIVE_UP_SECONDS:
            assert then >= min(now + min(wish, LONGEST_SECONDS), failing_since + GIVE_UP_SECONDS)
        pauses.append(then - now)
        now = then
        tries.append(now)


@given(st.data())
def test_it_is_tried_for_three_days_ever_more_seldom(data: st.DataObject) -> None:
    tries, pauses = lived(data, st.none())
    assert GIVE_UP_SECONDS - 1 <= tries[-1] - tries[0] <= GIVE_UP_SECONDS + LONGEST_SECONDS
    assert 15 <= len(tries) <= 30
    assert pauses[0] <= FIRST_SECONDS
    assert max(pauses) <= LONGEST_SECONDS
    growing = pauses[:7]
    assert growing == sorted(growing), "jitter never turns the order round"


@given(st.data())
def test_a_receiver_may_ask_for_longer_pauses_within_bounds(data: st.DataObject) -> None:
    tries, _ = lived(data, WISHES)
    assert GIVE_UP_SECONDS - 1 <= tries[-1] - tries[0] <= GIVE_UP_SECONDS + LONGEST_SECONDS
    assert LEAST_TRIES <= len(tries) <= 30


@given(failures=st.integers(1, 10**6), chance=CHANCE, wish=WISHES, late=st.floats(-1e9, 1e9))
@example(failures=1, chance=0.0, wish=None, late=-1e9)
def test_a_clock_that_was_set_neither_hurries_nor_stops_it(
    failures: int, chance: float, wish: float | None, late: float
) -> None:
    now = BEGAN + late
    then = next_try(failures, BEGAN, now, chance=chance, retry_after=wish)
    if then is None:
        assert failures >= LEAST_TRIES
        assert now >= BEGAN + GIVE_UP_SECONDS
    else:
        assert now < then <= now + LONGEST_SECONDS
        assert failures < LEAST_TRIES or now < BEGAN + GIVE_UP_SECONDS


def test_who_was_away_for_days_tries_again() -> None:
    assert next_try(2, BEGAN, BEGAN + 30 * 86_400, chance=0.5) is not None


@given(CHANCE, CHANCE)
def test_endpoints_that_failed_together_come_back_apart(one: float, other: float) -> None:
    first, second = (next_try(9, BEGAN, BEGAN, chance=chance) or 0.0 for chance in (one, other))
    assert abs(abs(first - second) - LONGEST_SECONDS * JITTER * abs(one - other)) < 0.01


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 120 ", 120.0),
        ("9999999999", 9_999_999_999.0),
        ("Fri, 15 Jan 2027 08:00:05 GMT", 5.0),
        ("Fri, 15 Jan 2027 07:59:00 GMT", 0.0),
        ("Fri, 15 Jan 2027 08:00:05 -0000", 5.0),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("1e9", None),
        ("99999999999", None),
        ("soon", None),
        ("\u0661\u0662", None),
        ("Fri, 99 Jan 2027 08:00:05 GMT", None),
        ("Fri, 15 Jan 2027 08:00:05 GMT" + " " * 10 + "x" * 10**6, None),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    assert parse_retry_after(text, BEGAN) == seconds


@given(st.text(max_size=60), st.floats(0, 1e10))
def test_any_retry_after_is_a_pause_or_nothing(text: str, now: float) -> None:
    wish = parse_retry_after(text, now)
    assert wish is None or wish >= 0
