"""Check of the gateway itself: does it answer, is it ours, and do its clock and release agree with us?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from keygw import __version__
from keygw.cli.diagnosis import Check, fail, ok, warn

TIMEOUT_S = 2.0
SKEW_S = 60.0
_NAME = "gateway"


def gateway(url: str, *, local: bool) -> tuple[Check, bool]:
    """The check, and whether a gateway runs there. A gateway that is not started is no fault."""
    import httpx

    try:
        with httpx.Client(timeout=TIMEOUT_S, trust_env=not local) as http:
            response = http.get(f"{url}/health")
            answer: Any = response.json() if response.is_success else None
    except httpx.HTTPError:
        return warn(_NAME, f"none at {url}", "start one with: keygw serve"), False
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or answer.get("status") != "ok" or "version" not in answer:
        return fail(_NAME, f"what answers at {url} is no keygw gateway", "look at --url, or choose another port"), False
    return _agrees(url, answer), True


def _agrees(url: str, answer: dict[str, Any]) -> Check:
    version = str(answer["version"])
    try:
        skew = (datetime.fromisoformat(str(answer["time"])) - datetime.now(UTC)).total_seconds()
    except (KeyError, ValueError, TypeError):
        skew = 0.0
    if abs(skew) > SKEW_S:
        return warn(_NAME, f"{url} is {skew:+.0f} s off this clock", "set both clocks; keys and commands end by them")
    if version != __version__:
        return warn(_NAME, f"{url} is release {version}, this is {__version__}", "restart the gateway, or update keygw")
    return ok(_NAME, f"{url} answers, release {version}")
