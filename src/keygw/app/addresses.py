"""Addresses that people write: of a gateway, of a listener, of a proxy."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Is that this very machine? ``localhost`` is, by RFC 6761, section 6.3."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def gateway_url(text: str) -> str:
    """``http(s)://host[:port][/path]`` without a slash at its end; ``ValueError`` for anything else."""
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or not text.isascii() or any(letter <= " " for letter in text):
        raise ValueError(f"{text[:80]!r} is not the address of a gateway; write it like http://127.0.0.1:8765")
    parts = urlsplit(text)
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("an address holds no user, query or fragment")
    return text.rstrip("/")


def host_and_port(text: str) -> tuple[str, int]:
    """``127.0.0.1:9464`` or ``[::1]:9464``; ``ValueError`` for anything else."""
    host, _, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        host = ""
    if not host or not (port.isascii() and port.isdecimal()) or int(port) > 65535:
        raise ValueError(f"{text[:80]!r} is not an address and a port; write it like 127.0.0.1:9464")
    return host, int(port)
