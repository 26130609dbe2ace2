"""What the routes need; made by the composition root."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from keygw.api.age import DEPRECATED, Clients, Deprecated
from keygw.api.outer import Network
from keygw.api.streams.fanout import Fanout
from keygw.api.watcher import Unwatched, Watcher
from keygw.bridge.bridge import Bridge
from keygw.bridge.ports import IssuerInfo
from keygw.credentials.values import Limits
from keygw.events.hub import Hub


async def _nothing() -> Mapping[str, str]:
    """A gateway that stands on nothing is ready."""
    return {}


@dataclass(frozen=True, slots=True)
class Services:
    """``clock``: Unix seconds. ``heartbeat``: seconds of silence after which an event stream says that it lives.

    ``public_url``: where phones find this gateway, without a slash at its end. ``proxies``: whose ``X-Forwarded-*`` is
    believed; ``host_from_proxy``: also about where that is, because nobody has said it. ``ready``: each thing that the
    gateway stands on -> can it be used now; quick, and never an error. ``clients``: which are too old. ``deprecated``:
    by module and function of the route.
    """

    bridge: Bridge
    hub: Hub
    issuer: IssuerInfo
    clock: Callable[[], float]
    version: str
    limits: Limits = field(default_factory=Limits)
    attestation_formats: tuple[str, ...] = ()
    public_url: str = "http://127.0.0.1"
    proxies: tuple[Network, ...] = ()
    host_from_proxy: bool = False
    watcher: Watcher = field(default_factory=Unwatched)
    ready: Callable[[], Awaitable[Mapping[str, str]]] = field(default=_nothing)
    heartbeat: float = 15.0
    max_body: int = 64 * 1024
    clients: Clients = field(default_factory=Clients)
    deprecated: Mapping[str, Deprecated] = field(default_factory=lambda: DEPRECATED)
    fanout: Fanout = field(default_factory=Fanout)
    trace_id: Callable[[], str] = field(default=lambda: secrets.token_hex(8))
