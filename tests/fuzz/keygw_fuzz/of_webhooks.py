"""Targets for what owners of webhooks write, and what receivers answer."""

from __future__ import annotations

from urllib.parse import urlsplit

from keygw.bridge.webhook_schedule import parse_retry_after
from keygw.bridge.webhook_targets import Target as Endpoint
from keygw.bridge.webhook_targets import TargetRefused, is_public, parse_target
from keygw_fuzz.target import Broken, Target

URLS = (
    b"https://example.com/hooks?a=b%20c",
    b"https://93.184.215.14:8443/",
    b"https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/",
    b"http://127.0.0.1:8080/",
    b"https://user@10.0.0.1/#x",
    b"https://2130706433/",
    b"https://[::ffff:127.0.0.1]/",
)
NOW = 1_800_000_000.0


def _target(data: bytes) -> Endpoint:
    """What is taken another reader must understand alike, and no address in it may be anything but public."""
    url = data.decode("latin-1")
    target = parse_target(url)
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if target.address is None:
        if (host, parts.port or 443, parts.username) != (target.host, target.port, None):
            raise Broken("two readers see two hosts")
    elif not is_public(target.address):
        raise Broken("an address that is not public was taken")
    return target


def _retry_after(data: bytes) -> float | None:
    wish = parse_retry_after(data.decode("latin-1"), NOW)
    if wish is not None and not 0 <= wish < 1e12:
        raise Broken("a pause that is none")
    return wish


TARGETS = (
    Target("bridge.webhook_targets.parse_target", _target, (TargetRefused,), lambda: URLS),
    Target(
        "bridge.webhook_schedule.parse_retry_after",
        _retry_after,
        (),
        lambda: [b"120", b"Fri, 15 Jan 2027 08:00:05 GMT"],
    ),
)
