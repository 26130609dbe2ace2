"""What goes wrong between a program and the gateway: it cannot be reached, it is another, or it says no."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class KeygwClientError(Exception):
    """All that this package raises. ``retryable``: the same may be asked again. ``may_have_happened``: it may have been
    done all the same."""

    def __init__(self, text: str, *, retryable: bool = False, may_have_happened: bool = False) -> None:
        super().__init__(text)
        self.retryable = retryable
        self.may_have_happened = may_have_happened


class Unreachable(KeygwClientError):
    """No answer came."""


class Stranger(KeygwClientError):
    """What answers there is no gateway, or one whose answer this release does not understand."""


class OauthRefused(KeygwClientError):
    """The authorization server says no (RFC 6749, section 5.2). ``error``: its word, such as ``invalid_grant``."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(f"{description} [{error}]")
        self.error = error


class Problem(KeygwClientError):
    """The gateway's refusal (RFC 9457). ``code`` is stable; ``status`` the HTTP one; ``retry_after`` seconds, if it
    says so; ``required_scope`` what the token lacks; ``errors`` which fields of the request are wrong.
    """

    def __init__(self, status: int, told: Mapping[str, Any]) -> None:
        self.status = status
        self.code = str(told["code"])
        self.detail = str(told["detail"])
        self.retry_after: float | None = told.get("retry_after")
        self.required_scope: str | None = told.get("required_scope")
        self.trace_id: str | None = told.get("trace_id")
        self.errors: list[dict[str, str]] = list(told.get("errors") or ())
        fields = "".join(f"; {each.get('at')}: {each.get('message')}" for each in self.errors)
        super().__init__(
            f"{self.detail}{fields} [{self.code}]",
            retryable=bool(told.get("retryable")),
            may_have_happened=bool(told.get("may_have_happened")),
        )
