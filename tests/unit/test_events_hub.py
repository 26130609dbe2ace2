"""The hub: nobody waits for a slow consumer, and nobody misses a thing without being told."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from keygw.events.event import GAP, Event, recorded_event
from keygw.events.hub import Hub
from keygw.events.subscription import Subscription
from keygw.model.times import rfc3339


def make(**limits: int) -> Hub:
    return Hub("b1", lambda: 1_800_000_000.25, **limits)


def everything(_: Event) -> bool:
    return True


def say(hub: Hub, number: int, coalesce: str | None = None) -> Event:
    return hub.publish("keygw.test", "veh_x", {"n": number}, coalesce=coalesce)


async def drain(stream: Subscription) -> list[Event]:
    found = []
    while (event := await stream.next(0)) is not None:
        found.append(event)
    return found


def numbers(events: list[Event]) -> list[Any]:
    return [event.data.get("n", event.type) for event in events]


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (1_800_000_000.25, "2027-01-15T08:00:00.250Z"),
        (253402300799, "9999-12-31T23:59:59.000Z"),
        (253402300800, "9999-12-31T23:59:59.000Z"),
        (2**40, "9999-12-31T23:59:59.000Z"),
        (float("inf"), "9999-12-31T23:59:59.000Z"),
        (float("nan"), "1970-01-01T00:00:00.000Z"),
        (-1.0, "1970-01-01T00:00:00.000Z"),
    ],
)
def test_every_time_can_be_told(seconds: float, told: str) -> None:
    assert rfc3339(seconds) == told


def test_an_event_is_a_cloudevent() -> None:
    event = say(make(), 7)
    assert event.id == "0.0-b1-1"
    assert json.loads(event.json) == {
        "specversion": "1.0",
        "id": "b1-1",
        "source": "urn:keygw:gateway",
        "type": "keygw.test",
        "subject": "veh_x",
        "time": "2027-01-15T08:00:00.250Z",
        "datacontenttype": "application/json",
        "sequence": "1",
        "data": {"n": 7},
    }


async def test_everybody_gets_what_it_wants_in_order() -> None:
    hub = make()
    all_of_it = hub.subscribe(everything)
    even = hub.subscribe(lambda event: event.data["n"] % 2 == 0)
    for number in range(6):
        say(hub, number)
    assert numbers(await drain(all_of_it)) == [0, 1, 2, 3, 4, 5]
    assert numbers(await drain(even)) == [0, 2, 4]


async def test_a_waiting_consumer_is_woken() -> None:
    hub = make()
    stream = hub.subscribe(everything)
    waiting = asyncio.create_task(stream.next())
    await asyncio.sleep(0)
    say(hub, 1)
    event = await waiting
    assert event is not None
    assert event.data == {"n": 1}


async def test_the_latest_value_replaces_the_waiting_one() -> None:
    hub = make()
    stream = hub.subscribe(everything)
    for number in range(1000):
        say(hub, number, coalesce="speed")
    say(hub, -1)
    say(hub, 2000, coalesce="speed")
    assert numbers(await drain(stream)) == [-1, 2000]


async def test_when_full_a_replaceable_event_gives_way_and_a_gap_tells() -> None:
    hub = make(queue=3)
    stream = hub.subscribe(everything)
    say(hub, 1, coalesce="a")
    for number in (2, 3, 4):
        say(hub, number)
    say(hub, 5, coalesce="b")
    events = await drain(stream)
    assert numbers(events) == [GAP, 2, 3, 4]
    assert events[0].data == {"reason": "coalesced", "from": 1, "to": 5}
    assert not stream.closed


async def test_a_consumer_too_slow_for_what_must_not_be_dropped_is_let_go_with_a_gap() -> None:
    hub = make(queue=3)
    slow, quick = hub.subscribe(everything), hub.subscribe(everything)
    seen: list[Event] = []
    for number in range(1, 6):
        say(hub, number)
        seen += await drain(quick)
    assert numbers(seen) == [1, 2, 3, 4, 5]
    last = await slow.next()
    assert last is not None
    assert (last.type, last.id, last.data) == (GAP, "", {"reason": "slow_consumer", "from": 1, "to": 4})
    with pytest.raises(StopAsyncIteration):
        await slow.next()
    assert hub.consumers == 1
    assert numbers(await drain(hub.subscribe(everything, after="0.0-b1-0"))) == [1, 2, 3, 4, 5]


async def test_resumption_gives_exactly_what_was_missed() -> None:
    hub = make()
    for number in range(1, 6):
        say(hub, number)
    stream = hub.subscribe(everything, after="0.0-b1-3")
    say(hub, 6)
    assert numbers(await drain(stream)) == [4, 5, 6]
    assert numbers(await drain(hub.subscribe(everything, after="0.0-b1-6"))) == []


@pytest.mark.parametrize(
    "after", ["7.5-b0-3", "7.5-b1-99", "7.5-b1-", "7.5-b1-x", "7.5-b1--1", "7.5-b1-١", "7.5-b1-" + "9" * 40, "7.5"]
)
async def test_where_its_memory_does_not_reach_it_says_from_where_on_the_books_must_tell(after: str) -> None:
    hub = make()
    say(hub, 1)
    hub.publish("keygw.test", "veh_x", {"n": 2}, position="9.1800000000")
    stream = hub.subscribe(everything, after=after)
    assert (stream.missed, stream.through) == ("7.5", "9.1800000000")
    say(hub, 3)
    assert numbers(await drain(stream)) == [3], "what the books tell is not told twice"


async def test_an_id_older_than_the_ring_is_for_the_books_too() -> None:
    hub = make(ring=3)
    for number in range(1, 11):
        say(hub, number)
    assert hub.subscribe(everything, after="0.0-b1-4").missed == "0.0"
    stream = hub.subscribe(everything, after="0.0-b1-7")
    assert stream.missed is None
    assert numbers(await drain(stream)) == [8, 9, 10]


def test_a_recorded_event_is_the_same_in_every_run() -> None:
    first, again = make(), Hub("b2", lambda: 1_900_000_000.0)
    told = first.publish("keygw.test", "veh_x", {"n": 1}, position="42.1800000000")
    say(first, 2)
    twin = again.publish("keygw.test", "veh_x", {"n": 1}, position="42.1800000000")
    book = recorded_event("42.1800000000", "keygw.test", "veh_x", {"n": 1})
    assert (told.id, twin.id, book.id) == ("42.1800000000-b1-1", "42.1800000000-b2-1", "42.1800000000")
    same = [{**json.loads(each.json), "sequence": None} for each in (told, twin, book)]
    assert same[0] == same[1] == same[2]
    assert (same[0]["id"], same[0]["time"]) == ("42.1800000000", "2027-01-15T08:00:00.000Z")
    assert say(first, 3).id == "42.1800000000-b1-3", "from there on the books go on"


async def test_what_was_missed_is_not_counted_against_the_queue() -> None:
    hub = make(queue=2)
    for number in range(50):
        say(hub, number)
    stream = hub.subscribe(everything, after="0.0-b1-0")
    say(hub, 50)
    assert numbers(await drain(stream)) == list(range(51))


async def test_closing_the_hub_ends_every_stream_after_what_was_queued() -> None:
    hub = make()
    stream = hub.subscribe(everything)
    say(hub, 1)
    hub.close()
    assert [event.data["n"] async for event in stream] == [1]
    assert [event async for event in hub.subscribe(everything)] == []
    assert hub.consumers == 0


async def test_leaving_the_context_unsubscribes() -> None:
    hub = make()
    with hub.subscribe(everything):
        assert hub.consumers == 1
    assert hub.consumers == 0
