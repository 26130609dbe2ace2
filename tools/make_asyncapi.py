"""Writes ``protocols/bridge_api/asyncapi.yaml`` from the messages of the streams; with ``--check`` compares instead."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from generated import keep
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from keygw import __version__
from keygw.api.streams import frames
from keygw.api.streams import messages as said
from keygw.api.streams.stream import CODES

TARGET = Path(__file__).resolve().parent.parent / "protocols/bridge_api/asyncapi.yaml"
DESCRIPTION = """\
Everything about the vehicles that a client names, as it happens. The client offers the subprotocol `keygw.v1`, shows
its token in the Authorization header or in `hello` (never in the URL), and subscribes. Each vehicle has a snapshot
first; events with a higher `seq` are what changed since. `resume` of the last message is for coming back: what lasts
and happened meanwhile is told before the snapshot.

A close code names the class, the reason begins with a word:
"""
HEARD: tuple[type[BaseModel], ...] = get_args(get_args(said.FromClient)[0])
TOLD: tuple[type[BaseModel], ...] = get_args(said.Told)
FRAMES = (frames.Open, frames.Opened)


def document() -> str:
    """The document as text."""
    _, schemas = models_json_schema(
        [
            *((each, "validation") for each in HEARD),
            *((each, "serialization") for each in TOLD),
            (frames.Open, "validation"),
            (frames.Opened, "serialization"),
        ],
        ref_template="#/components/schemas/{model}",
    )
    codes = sorted((code, word) for word, code in CODES.items())
    closes = "\n".join(f"- {code} `{word}`" for code, word in codes)
    names = [each.__name__ for each in (*HEARD, *TOLD)]
    messages = {each.__name__: _message(each.__name__) for each in (*HEARD, *TOLD, *FRAMES)}
    messages["Frame"] = {
        "name": "Frame",
        "contentType": "application/octet-stream",
        "description": "One frame of `protocols/key_session`, 1 to `max_frame` bytes, in a binary message",
        "payload": {"type": "string", "format": "binary", "minLength": 1, "maxLength": 512},
    }
    channel, lent = "#/channels/stream", "#/channels/frames"
    whole: dict[str, Any] = {
        "asyncapi": "3.0.0",
        "info": {"title": "keygw streams", "version": __version__, "description": f"{DESCRIPTION}{closes}\n"},
        "defaultContentType": "application/json",
        "channels": {
            "stream": {
                "address": "/v1/stream",
                "description": "WebSocket, subprotocol `keygw.v1`; one JSON object in each text message",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
                "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
            },
            "session": {
                "address": "/v1/sessions/{session_id}/stream",
                "description": "The same of an active app session's vehicle alone; it ends with the session",
                "parameters": {"session_id": {"description": "As `POST /v1/sessions` answers it"}},
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
                "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
            },
            "frames": {
                "address": "/v1/vehicles/{vehicle_id}/frames",
                "description": "WebSocket, subprotocol `keygw.frames.v1`; `Open` and `Opened` as text, then frames",
                "parameters": {"vehicle_id": {"description": "As `GET /v1/vehicles` names it"}},
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in ("Open", "Opened", "Frame")},
                "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
            },
        },
        "operations": {
            "hear": _operation("receive", channel, [each.__name__ for each in HEARD], "What a client sends"),
            "tell": _operation("send", channel, [each.__name__ for each in TOLD], "What the gateway sends"),
            "borrow": _operation("receive", lent, ("Open", "Frame"), "What a phone sends that borrows the link"),
            "lend": _operation("send", lent, ("Opened", "Frame"), "What it is sent"),
        },
        "components": {
            "messages": dict(sorted(messages.items())),
            "schemas": schemas["$defs"],
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }
    return yaml.safe_dump(whole, sort_keys=False, allow_unicode=True, width=120)


def _message(name: str) -> dict[str, Any]:
    return {"name": name, "payload": {"$ref": f"#/components/schemas/{name}"}}


def _operation(action: str, channel: str, messages: Sequence[str], summary: str) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": channel},
        "summary": summary,
        "messages": [{"$ref": f"{channel}/messages/{each}"} for each in messages],
    }


if __name__ == "__main__":
    sys.exit(keep(TARGET, document, __doc__, Path(__file__).name))
