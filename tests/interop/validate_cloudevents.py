"""``cloudevents`` takes every event of the stream for a CloudEvent 1.0, and writes the same again."""

from __future__ import annotations

import json

from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from httpx_sse import connect_sse
from scene import VEHICLE, client, command, held

with client() as http, client() as asking, connect_sse(http, "GET", "/v1/events") as source:
    events = (event for event in source.iter_sse() if event.data)
    cases, kinds, ids = 0, set(), set()
    for action in ("unlock", "lock", "open_trunk"):
        told = command(asking, action)
        for event in events:
            read = JSONFormat().read(CloudEvent, event.data)
            assert read.get_type() == event.event
            assert read.get_id() not in ids, "source and id name one event"
            ids.add(read.get_id())
            assert read.get_specversion() == "1.0"
            assert VEHICLE in event.data
            written = json.loads(JSONFormat().write(read))
            ours = json.loads(event.data)
            assert written["data"] == ours["data"]
            assert written.keys() == ours.keys(), (written.keys(), ours.keys())
            cases += 1
            kinds.add(event.event)
            data = read.get_data()
            assert isinstance(data, dict)
            if event.event == "keygw.command.updated" and data["id"] == told["id"] and data["settled"]:
                break
    assert {"keygw.command.updated", "keygw.signal.changed", "keygw.key.used"} <= kinds, kinds
    held("cloudevents", cases)
