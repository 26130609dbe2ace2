"""Judge what `keygw demo --json` printed: python3 .ci/check_demo.py FILE. Needs only the standard library.

Steps may be added between these, but these stay, in this order, each with its figures.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

STEPS = [
    "gateway_up",
    "vehicle_advertising",
    "app_registered",
    "owner_key_issued",
    "ble_connected",
    "handshake",
    "unlock_confirmed",
    "status_event_received",
    "friend_key_shared",
    "friend_unlock_confirmed",
    "friend_trunk_refused",
    "friend_key_suspended",
    "friend_unlock_refused_suspended",
    "friend_key_resumed",
    "friend_unlock_confirmed_again",
    "friend_key_revoking",
    "vehicle_acknowledged_revocation",
    "friend_key_revoked",
    "friend_unlock_refused_revoked",
    "owner_lock_confirmed",
    "gateway_killed_and_restarted",
    "nothing_lost",
]

STEP_FIELDS = {"name", "ok", "ms", "round_trips", "air_bytes", "detail"}


def faults(text: str) -> list[str]:
    """What is wrong with this demo, one sentence each; nothing if it kept its contract."""
    try:
        story = json.loads(text)
    except ValueError as error:
        return [f"stdout is not one JSON document: {error}"]
    if not isinstance(story, dict):
        return ["stdout is not a JSON object"]
    found = [] if story.get("ok") is True else ["ok is not true"]
    if story.get("link") != "bleak/bumble":
        found.append(f"link is {story.get('link')!r}, not 'bleak/bumble'")
    steps = story.get("steps", [])
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        return [*found, "steps is not a list of objects"]
    for step in steps:
        if step.get("ok") is not True:
            found.append(f"step {step.get('name')} did not hold: {json.dumps(step.get('detail'))}")
        if missing := STEP_FIELDS - set(step):
            found.append(f"step {step.get('name')} lacks {', '.join(sorted(missing))}")
    known = [step.get("name") for step in steps if step.get("name") in STEPS]
    if known != STEPS:
        found.append(f"the steps are {known}, not {STEPS}")
    return found


def main(path: str) -> int:
    text = Path(path).read_text("utf-8")
    found = faults(text)
    for fault in found:
        print(f"demo: {fault}")
    if not found:
        total = sum(step["ms"] for step in json.loads(text)["steps"])
        print(f"demo: {len(STEPS)} steps held, in order, in {total / 1000:.1f} s")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
