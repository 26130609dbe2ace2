"""Which issuer keys a verifier trusts, and for whom each of them speaks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from keygw.crypto.errors import CryptoError
from keygw.crypto.signer import check_public_key, thumbprint
from keygw.model.errors import TokenError

KID_BYTES = 8


def kid_of(public_key: bytes) -> bytes:
    """The kid keygw gives its own keys: the first 8 bytes of the thumbprint. Verifiers do not rely on that."""
    return thumbprint(public_key)[:KID_BYTES]


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """One key that may sign for ``issuer``. ``ValueError`` for a kid that is not 8 bytes or a key off the curve."""

    issuer: str
    kid: bytes
    public_key: bytes

    def __post_init__(self) -> None:
        if len(self.kid) != KID_BYTES:
            raise ValueError(f"a kid has {KID_BYTES} bytes")
        try:
            check_public_key(self.public_key)
        except CryptoError as error:
            raise ValueError("the issuer's public key is not a point of P-256") from error

    @classmethod
    def of(cls, issuer: str, public_key: bytes) -> IssuerKey:
        """With keygw's own kid."""
        return cls(issuer, kid_of(public_key), public_key)


class TrustedIssuers:
    """The trust of one verifier; it never changes. Several keys of one issuer may be trusted at once (rotation).

    ``ValueError`` if a kid occurs twice or one key would speak for two issuers: the CWT, the list and the receipt name
    their issuer by kid alone.
    """

    __slots__ = ("_keys",)

    def __init__(self, keys: Iterable[IssuerKey]) -> None:
        self._keys: dict[bytes, IssuerKey] = {}
        speaks_for: dict[bytes, str] = {}
        for key in keys:
            if key.kid in self._keys or speaks_for.get(key.public_key, key.issuer) != key.issuer:
                raise ValueError("a kid is unique and a key speaks for one issuer")
            self._keys[key.kid] = key
            speaks_for[key.public_key] = key.issuer

    @property
    def keys(self) -> tuple[IssuerKey, ...]:
        return tuple(self._keys.values())

    def find(self, kid: bytes) -> IssuerKey:
        """The key of that kid; ``TokenError`` unknown_issuer if it is not trusted."""
        try:
            return self._keys[kid]
        except KeyError:
            raise TokenError("signed by a key that is not trusted here", code="unknown_issuer") from None

    def __repr__(self) -> str:
        return f"TrustedIssuers({', '.join(f'{key.issuer} {key.kid.hex()}' for key in self._keys.values())})"
