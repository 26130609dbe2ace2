"""What a validator is told of the gateway, and how it says what it has found. Nothing of keygw is imported here."""

from __future__ import annotations

import json
import os
import uuid
from importlib.metadata import version
from typing import Any

import httpx

URL = os.environ["KEYGW_INTEROP_URL"]
TOKEN = os.environ["KEYGW_INTEROP_TOKEN"]
VEHICLE = os.environ["KEYGW_INTEROP_VEHICLE"]
FOLDER = os.environ["KEYGW_INTEROP_FOLDER"]
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


def client() -> httpx.Client:
    return httpx.Client(base_url=URL, headers=HEADERS, timeout=20, trust_env=False)


def command(http: httpx.Client, action: str) -> dict[str, Any]:
    """Ask the car for something, and wait for its end."""
    headers = {"Idempotency-Key": uuid.uuid4().hex, "Prefer": "wait=10"}
    made = http.post(f"/v1/vehicles/{VEHICLE}/commands", json={"action": action}, headers=headers)
    assert made.status_code == 201, made.text
    told: dict[str, Any] = made.json()
    assert told["state"] == "confirmed", told
    return told


def held(package: str, cases: int) -> None:
    """The last word of a validator that has found nothing wrong."""
    assert cases > 0, "it has looked at nothing"
    print(json.dumps({"validator": f"{package} {version(package)}", "cases": cases}))
