"""``httpx-sse`` reads the event stream, and comes back with Last-Event-ID without a gap or a repetition."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
from httpx_sse import EventSource, ServerSentEvent, connect_sse
from scene import client, command, held

SETTLED = '"settled":true'


def read(http: httpx.Client, last_id: str) -> Iterator[ServerSentEvent]:
    with connect_sse(http, "GET", "/v1/events", headers={"Last-Event-ID": last_id}) as source:
        source.response.raise_for_status()
        yield from telling(source)


def telling(source: EventSource) -> Iterator[ServerSentEvent]:
    """Without what sets the pause before coming back, and is no event (HTML Living Standard, section 9.2.6)."""
    return (event for event in source.iter_sse() if event.data)


def until_settled(events: Iterator[ServerSentEvent]) -> list[ServerSentEvent]:
    heard = []
    for event in events:
        heard.append(event)
        if event.event == "keygw.command.updated" and SETTLED in event.data.replace(" ", ""):
            return heard
    raise AssertionError("the stream has ended")


with client() as http, client() as asking:
    # Whoever comes for the first time hears from now on; so this stream is opened before, and read behind.
    whole: list[ServerSentEvent] = []
    with connect_sse(http, "GET", "/v1/events") as source:
        events = telling(source)
        for action in ("unlock", "lock", "unlock"):
            command(asking, action)
            whole += until_settled(events)
    assert len({event.id for event in whole}) == len(whole), "an id came twice"
    cases = len(whole)
    for place in range(len(whole) - 1):
        again = read(http, whole[place].id)
        for expected, event in zip(whole[place + 1 :], again, strict=False):
            same = (event.id, event.event, event.data) == (expected.id, expected.event, expected.data)
            assert same, f"behind {whole[place].id}: {event.id} {event.data}, not {expected.id} {expected.data}"
            cases += 1
    assert cases == len(whole) + len(whole) * (len(whole) - 1) // 2, "a stream that came back has ended too early"
    held("httpx-sse", cases)
