"""Where webhooks may go: public addresses, over https. Whoever may name a URL could else make the gateway knock at
doors that only the gateway reaches (server-side request forgery).

Two looks, and both are needed. ``parse_target`` takes a URL apart when it is named, by one strict grammar, so that no
two readers see two hosts in it. ``check_addresses`` judges what the name stands for, at each delivery; the connection
then goes to an address that was judged, and to no other.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from keygw.model.errors import BadInput

MOST_LETTERS = 500
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_PATH = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*"
_QUERY = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*"
# RFC 3986 without user, fragment and relative forms. Nothing is mended: what browsers would still take is refused.
_URL = re.compile(
    rf"(?P<scheme>[Hh][Tt][Tt][Pp][Ss]?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(?P<port>[0-9]{{1,5}}))?"
    rf"(?P<path>/{_PATH})?(?P<query>\?{_QUERY})?",
    re.ASCII,
)
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)

_WEB_PORTS = frozenset({80, 443})
_FIRST_FREE_PORT = 1024
"""Below live other protocols (mail, files, directories), to which a request may be a command."""

# IANA's registry of special-purpose addresses (RFC 6890), all of it: what is public is what is left over.
_NOT_PUBLIC_4 = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private (RFC 1918)
            "100.64.0.0/10",  # shared, behind a carrier's NAT (RFC 6598); a cloud has its metadata here
            "127.0.0.0/8",  # loopback
            "168.63.129.16/32",  # a cloud's host agent, at a public address
            "169.254.0.0/16",  # link-local (RFC 3927); most clouds have their metadata here
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # IETF protocol assignments (RFC 6890)
            "192.0.2.0/24",  # documentation (RFC 5737)
            "192.31.196.0/24",  # AS112 (RFC 7535)
            "192.52.193.0/24",  # AMT (RFC 7450)
            "192.88.99.0/24",  # 6to4 relays (RFC 7526)
            "192.168.0.0/16",  # private
            "192.175.48.0/24",  # AS112 (RFC 7534)
            "198.18.0.0/15",  # benchmarks (RFC 2544)
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
        ),
    )
)
_GLOBAL_6 = ipaddress.IPv6Network("2000::/3")
"""All that has been given out as public. Outside: unspecified, loopback, IPv4-mapped, NAT64 (64:ff9b::/96 and
64:ff9b:1::/48), discard-only, unique local (a cloud has its metadata there), link-local, multicast."""
_NOT_PUBLIC_6 = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "2001::/23",  # IETF protocol assignments, Teredo among them: an IPv4 address inside
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4: an IPv4 address inside
            "2620:4f:8000::/48",  # AS112
            "3fff::/20",  # documentation (RFC 9637)
        ),
    )
)


class TargetRefused(BadInput):
    """No webhook goes there. Codes: webhook_url_refused (it is not such a URL), webhook_address_refused."""

    code = "webhook_url_refused"


@dataclass(frozen=True, slots=True)
class Target:
    """``host``: as TLS verifies it: a name in small letters, or an address without brackets. ``place``: path and query.
    ``address``: where the URL names one itself."""

    scheme: str
    host: str
    port: int
    place: str
    address: Address | None

    @property
    def authority(self) -> str:
        """The ``Host`` header (RFC 9110, section 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _port_of(self.scheme) else f"{host}:{self.port}"


def parse_target(url: str, *, loopback: bool = False) -> Target:
    """``loopback``: this very machine is allowed, over plain http too: for tests. ``TargetRefused``."""
    match = _URL.fullmatch(url) if len(url) <= MOST_LETTERS else None
    if match is None:
        raise TargetRefused(
            f"write it like https://example.com/hooks: at most {MOST_LETTERS} letters, no user, no fragment, no space; "
            "what is not ASCII in its percent form"
        )
    scheme, host = match["scheme"].lower(), match["host"].lower()
    if scheme == "http" and not loopback:
        raise TargetRefused("events are sent over https alone")
    port = int(match["port"]) if match["port"] is not None else _port_of(scheme)
    if not (port in _WEB_PORTS or _FIRST_FREE_PORT <= port <= 65535):
        raise TargetRefused(f"name no port, or one from {_FIRST_FREE_PORT} to 65535")
    address = _literal(host)
    if address is not None:
        host = str(address)
        check_addresses(scheme, [host], loopback=loopback)
    else:
        _check_name(host, loopback=loopback)
    return Target(scheme, host, port, (match["path"] or "/") + (match["query"] or ""), address)


def check_addresses(scheme: str, addresses: Sequence[str], *, loopback: bool = False) -> list[Address]:
    """What a name stands for, as the resolver says it. One address that is not public refuses them all: who points a
    name there means no good, or does not know what he does. ``TargetRefused`` webhook_address_refused."""
    found = []
    for text in addresses:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            raise _refused() from None
        local = loopback and _is_loopback(address)
        if not (local or (scheme == "https" and is_public(address))):
            raise _refused()
        found.append(address)
    if not found:
        raise _refused()
    return found


def is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    if address.scope_id is not None or address not in _GLOBAL_6:
        return False
    return not any(address in network for network in _NOT_PUBLIC_6)


def _is_loopback(address: Address) -> bool:
    """Not by way of an IPv4-mapped address: that would be a second spelling to keep in mind everywhere."""
    return address.is_loopback and getattr(address, "ipv4_mapped", None) is None


def _literal(host: str) -> Address | None:
    """The address that the URL names; ``None``: it is a name. ``TargetRefused`` for what some readers take for an
    address and others do not: 2130706433, 0x7f.1, 0177.0.0.1, 127.1 (WHATWG URL, "ends in a number")."""
    try:
        if host.startswith("["):
            return ipaddress.IPv6Address(host[1:-1])
        if _NUMBER.fullmatch(host.removesuffix(".").rpartition(".")[2]):
            return ipaddress.IPv4Address(host)
    except ValueError:
        raise TargetRefused("write an address in its usual form, or better: a name") from None
    return None


def _check_name(host: str, *, loopback: bool) -> None:
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise TargetRefused("the host is not a name of the DNS; international ones begin with xn--")
    if labels[-1] == "localhost":
        if not loopback:
            raise _refused()
    elif len(labels) == 1:
        raise TargetRefused("name the host in full, with its domain")


def _port_of(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def _refused() -> TargetRefused:
    return TargetRefused("no webhook goes to an address that is not public", code="webhook_address_refused")
