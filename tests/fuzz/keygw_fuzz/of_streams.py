"""Targets for what clients send over WebSocket."""

from __future__ import annotations

import json
from typing import Any

from keygw.api.streams import frames, messages
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

TARGETS = (
    Target("api.streams.frames", _read_open, (messages.BadMessage,), lambda: [json.dumps(OPEN).encode()]),
    Target("api.streams.message", _read, (messages.BadMessage,), lambda: [json.dumps(each).encode() for each in SAID]),
)
