"""How the authorization server says no: the words of RFC 6749 section 5.2, RFC 7591, RFC 8628 and RFC 9449."""

from __future__ import annotations

from keygw.bridge.apps import Unauthenticated
from keygw.model.errors import KeygwError


class OauthError(KeygwError):
    """A request to the authorization server that is refused. ``code``: the ``error`` of the answer."""

    code = "invalid_request"


class ProofRefused(OauthError):
    """invalid_dpop_proof or use_dpop_nonce (RFC 9449 sections 5 and 8). ``nonce``: the one to use from now on."""

    code = "invalid_dpop_proof"

    def __init__(self, message: str, *, nonce: str, code: str | None = None) -> None:
        super().__init__(message, code=code, retryable=code == "use_dpop_nonce")
        self.nonce = nonce


class BoundTokenRefused(Unauthenticated):
    """A token that is bound to a key did not come as it must (RFC 9449 section 7.1, RFC 9470).

    Codes: use_dpop_nonce, invalid_dpop_proof, token_malformed, token_expired, token_revoked,
    insufficient_user_authentication. ``nonce``: the one to use from now on, if it changed.
    """

    code = "token_malformed"
    dpop = True

    def __init__(
        self, message: str, *, code: str | None = None, nonce: str | None = None, max_age: int | None = None
    ) -> None:
        super().__init__(message, code=code, retryable=code == "use_dpop_nonce")
        self.nonce = nonce
        self.max_age = max_age
