"""What webhooks tell: everything that is recorded (ADR 19). Links and signals are not: they are states, to be read."""

from __future__ import annotations

from collections.abc import Sequence

from keygw.model.errors import BadInput

RECORDED: frozenset[str] = frozenset(
    f"keygw.{kind}.{step}"
    for kind, steps in {
        "card": "action",
        "command": "updated",
        "device": "lost found",
        "invitation": "created claimed accepted declined cancelled expired locked ended refused",
        "key": "issued shared suspended resumed renewed revoking revoked met expired used refused pairing",
        "security": "alert",
        "session": "opened negotiated suspended resumed closed answered voice",
        "transfer": "offered accepted cancelled expired",
        "vehicle": "epoch_ended",
        "webhook": "disabled",
    }.items()
    for step in steps.split()
)
PING = "keygw.webhook.ping"
DISABLED = "keygw.webhook.disabled"
MOST = 50


def check_events(wanted: Sequence[str]) -> tuple[str, ...]:
    """Full types, or a kind of them: ``keygw.key.*``; none: all. ``BadInput`` unknown_event_type."""
    known = RECORDED | {f"{each.rpartition('.')[0]}.*" for each in RECORDED}
    for each in wanted:
        if each not in known:
            raise BadInput(
                f"{each[:60]!r} is never told to a webhook; write keygw.key.revoked, or keygw.key.* for a kind",
                code="unknown_event_type",
            )
    return tuple(dict.fromkeys(wanted))
