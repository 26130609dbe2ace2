"""Writes ``protocols/bridge_api/asyncapi.yaml`` from the messages of the streams; with ``--check`` compares instead."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, get_args

import yaml
from generated import keep
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from keygw import __version__
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
HEARD: tuple[type[BaseModel], ...] = get_args(get_args(said.Heard)[0])
TOLD: tuple[type[BaseModel], ...] = get_args(said.Told)


def document() -> str:
    """The document as text."""
    _, schemas = models_json_schema(
        [*((each, "validation") for each in HEARD), *((each, "serialization") for each in TOLD)],
        ref_template="#/components/schemas/{model}",
    )
    codes = sorted((code, word) for word, code in CODES.items())
    closes = "\n".join(f"- {code} `{word}`" for code, word in codes)
    names = [each.__name__ for each in (*HEARD, *TOLD)]
    channel = "#/channels/stream"
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
            }
        },
        "operations": {
            "hear": _operation("receive", channel, HEARD, "What a client sends"),
            "tell": _operation("send", channel, TOLD, "What the gateway sends"),
        },
        "components": {
            "messages": {
                name: {"name": name, "payload": {"$ref": f"#/components/schemas/{name}"}} for name in sorted(names)
            },
            "schemas": schemas["$defs"],
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }
    return yaml.safe_dump(whole, sort_keys=False, allow_unicode=True, width=120)


def _operation(action: str, channel: str, messages: tuple[type[BaseModel], ...], summary: str) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": channel},
        "summary": summary,
        "messages": [{"$ref": f"{channel}/messages/{each.__name__}"} for each in messages],
    }


if __name__ == "__main__":
    sys.exit(keep(TARGET, document, __doc__, Path(__file__).name))
