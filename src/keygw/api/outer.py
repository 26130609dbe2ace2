"""How a request looks from outside: its real client, and the address it was sent to, behind whatever proxies we trust.

``X-Forwarded-For``, ``-Proto`` and ``-Host`` are what everybody can write. They count only when the peer of the
connection is a trusted proxy, and of a list only what our own proxies have added, from the right.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection
from starlette.types import Scope

if TYPE_CHECKING:
    from keygw.api.services import Services

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.\-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII)
_MOST_HOPS = 32


def outer_base(request: HTTPConnection) -> str:
    """Where phones find this gateway, without a slash at its end: what was set, else what a trusted proxy says, else
    where it listens. Never the ``Host`` header, which a caller chooses."""
    found: str = request.scope.get("state", {}).get("outer") or request.app.state.services.public_url
    return found


def look_outside(scope: Scope, services: Services) -> None:
    """Put the real client and scheme into the scope, where a trusted proxy names them."""
    peer = _address((scope.get("client") or ("",))[0])
    if peer is None or not _within(peer, services.proxies):
        return
    told: dict[bytes, str] = {}
    for name, value in scope["headers"]:
        if name.startswith(b"x-forwarded-"):
            text = value.decode("latin-1")
            told[name] = f"{told[name]},{text}" if name in told else text
    client = _client(told.get(b"x-forwarded-for", ""), peer, services.proxies)
    scope["client"] = (str(client), 0)
    proto = _last(told.get(b"x-forwarded-proto", "")).lower()
    if proto in ("http", "https"):
        scope["scheme"] = proto
    host = _last(told.get(b"x-forwarded-host", ""))
    if services.host_from_proxy and _HOST.fullmatch(host):
        scope["state"]["outer"] = f"{scope['scheme']}://{host}"


def _client(forwarded: str, peer: Address, proxies: tuple[Network, ...]) -> Address:
    """The nearest address that is not a proxy of ours. What cannot be read ends the search."""
    client = peer
    for part in reversed(forwarded.split(",")[-_MOST_HOPS:]):
        found = _address(_bare(part.strip()))
        if found is None:
            break
        client = found
        if not _within(found, proxies):
            break
    return client


def _bare(text: str) -> str:
    """Without the port that some proxies add."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


@lru_cache(maxsize=1024)
def _address(text: str) -> Address | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def _within(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks if network.version == address.version)


def _last(value: str) -> str:
    return value.rpartition(",")[2].strip()
