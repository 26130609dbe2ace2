"""Targets for what clients send over WebSocket, and say of themselves."""

from __future__ import annotations

import json
from typing import Any

from keygw.api import age
from keygw.api.streams import frames, messages, viss_messages
from keygw_fuzz.target import Target

SAID: tuple[dict[str, Any], ...] = (
    {"type": "hello", "version": 1, "capabilities": ["ack"], "resume": "7.1800000000-b1-9", "token": "kgw_x"},
    {"type": "subscribe", "id": 1, "vehicles": ["veh_x"], "paths": ["Vehicle"], "filter": {"types": ["keygw.gap"]}},
    {"type": "unsubscribe", "vehicles": ["veh_x"]},
    {"type": "ack", "vehicle": "veh_x", "seq": 3},
    {"type": "token", "token": "kgw_y"},
)


def _read(data: bytes) -> Any:
    """A text frame that is no UTF-8 ends the connection before it gets here."""
    return messages.read(data.decode("utf-8", "replace"))


def _read_open(data: bytes) -> Any:
    return frames.read(data.decode("utf-8", "replace"))


OPEN = {"type": "open", "version": 1, "token": "kgw_x", "avoid": ["00:11:22:33:44:55"]}

VISS: tuple[dict[str, Any], ...] = (
    {"action": "get", "path": "Vehicle", "requestId": "1",
     "filter": {"type": "paths", "parameter": ["*.IsOpen", "Speed"]}},
    {"action": "set", "path": "Vehicle.Speed", "value": "true", "requestId": "2", "authorization": "kgw_x"},
    {"action": "subscribe", "path": "Vehicle.Speed", "requestId": "3", "filter": {"variant": "timebased",
     "parameter": {"period": "500"}}},
    {"action": "subscribe", "path": "Vehicle/Speed", "requestId": "4", "filter": [
        {"type": "change", "parameter": {"logic-op": "gt", "diff": "-0.5"}},
        {"type": "range", "parameter": [{"boundary-op": "lte", "boundary": "9"},
                                        {"boundary-op": "gt", "boundary": "1"}]}]},
    {"action": "unsubscribe", "subscriptionId": "abc", "requestId": "5"},
)  # fmt: skip


def _read_viss(data: bytes) -> Any:
    request = viss_messages.read(data.decode("utf-8", "replace"))
    viss_messages.check(request)
    return request


def _client(data: bytes) -> age.Client:
    """A header is bytes of which each is a character (RFC 9110, section 5.5)."""
    return age.parse_client(data.decode("latin-1"))


TARGETS = (
    Target("api.age.client", _client, (ValueError,), lambda: [b"garage/2.1.0", b"garage/2.2-beta.1", b"x/1"]),
    Target(
        "api.streams.viss", _read_viss, (messages.BadMessage,), lambda: [json.dumps(each).encode() for each in VISS]
    ),
    Target("api.streams.frames", _read_open, (messages.BadMessage,), lambda: [json.dumps(OPEN).encode()]),
    Target("api.streams.message", _read, (messages.BadMessage,), lambda: [json.dumps(each).encode() for each in SAID]),
)
