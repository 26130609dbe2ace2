"""The one family of errors, each of which answers two questions (law 8).

``may_have_happened``: could the vehicle have acted although we report an error?
``retryable``: may the caller repeat the same request unchanged?
"""

from __future__ import annotations


class KeygwError(Exception):
    """Base of every error that keygw raises on purpose.

    ``code`` is stable and machine-readable (``snake_case``); ``str(error)`` is a sentence for people that
    names the next step. Neither ever holds a secret.
    """

    code: str = "internal"
    may_have_happened: bool = False
    retryable: bool = False

    def __init__(
        self,
        message: str = "",
        *,
        code: str | None = None,
        may_have_happened: bool | None = None,
        retryable: bool | None = None,
    ) -> None:
        super().__init__(message or type(self).__doc__ or self.code)
        if code is not None:
            self.code = code
        if may_have_happened is not None:
            self.may_have_happened = may_have_happened
        if retryable is not None:
            self.retryable = retryable


class BadInput(KeygwError):
    """What was asked is malformed or names something that cannot be."""

    code = "bad_input"


class NotFound(KeygwError):
    """There is no such thing, or the caller may not know of it."""

    code = "not_found"


class Conflict(KeygwError):
    """The thing is not in a state that allows this."""

    code = "conflict"


class Forbidden(KeygwError):
    """The caller is known, and may not do this."""

    code = "forbidden"


class StoreError(KeygwError):
    """The data directory or database cannot be used."""

    code = "store_unavailable"


class SignerError(StoreError):
    """The key that must sign cannot be used: its HSM is away, slow, locked, or holds another key."""

    code = "signer_unavailable"


class LinkError(KeygwError):
    """The link to the vehicle failed. ``code``: out_of_range, link_lost, link_timeout, radio_unavailable."""

    code = "link_lost"
    retryable = True


class ProtocolError(KeygwError):
    """The peer broke the protocol. Before authentication the reason never leaves this process."""

    code = "protocol_violation"


class TokenError(KeygwError):
    """A key token (or another issuer-signed object) was refused. ``code`` says why."""

    code = "token_invalid"
