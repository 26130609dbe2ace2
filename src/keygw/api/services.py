"""What the routes need; made by the composition root."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from keygw.bridge.bridge import Bridge
from keygw.bridge.ports import IssuerInfo
from keygw.events.hub import Hub


@dataclass(frozen=True, slots=True)
class Services:
    """``clock``: Unix seconds. ``heartbeat``: seconds of silence after which an event stream says that it lives.

    ``public_url``: where phones find this gateway, without a slash at its end; links of invitations begin with it.
    """

    bridge: Bridge
    hub: Hub
    issuer: IssuerInfo
    clock: Callable[[], float]
    version: str
    public_url: str = "http://127.0.0.1"
    heartbeat: float = 15.0
    max_body: int = 64 * 1024
    trace_id: Callable[[], str] = field(default=lambda: secrets.token_hex(8))
