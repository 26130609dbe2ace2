"""The claims of a key token: one model, whichever form it travels in (``protocols/key_token``).

What is malformed on our side is a ``ValueError`` here; the decoders turn the same finding into a ``TokenError``,
because then it is the peer's fault.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from keygw.crypto.signer import device_id
from keygw.model.digital_key import Role
from keygw.model.entitlement import Entitlement
from keygw.model.errors import TokenError
from keygw.model.ids import format_id

MAX_DEPTH = 2
"""An owner key is 0, a friend key 1, a key shared by a friend 2 (KEY_PROTOCOL, sharing)."""
MAX_TIME = 253402300800
"""Exclusive bound of every time, Unix seconds: the end of the year 9999, so that RFC 3339 has a word for each."""
MAX_ISSUER = 60
"""Characters; with it no JWT is longer than 760, or 1170 with a status."""
MAX_URI = 255
"""Characters of the URI of a status list."""
THUMBPRINT_BYTES = 16
"""How much of the vehicle key's 32-byte thumbprint a token carries: second preimages stay out of reach."""

# 16 base32 letters are exactly 80 bits, so each id has one spelling and this expression is the whole check.
_VEHICLE_ID = re.compile(r"veh_[a-z2-7]{16}", re.ASCII)
_KEY_ID = re.compile(r"key_[a-z2-7]{16}", re.ASCII)
_ISSUER = re.compile(rf"[!#-\[\]-~]{{1,{MAX_ISSUER}}}", re.ASCII)
_URI = re.compile(rf"https?://[!#-\[\]-~]{{1,{MAX_URI - 8}}}", re.ASCII)

_DIGITS = str.maketrans("abcdefghijklmnopqrstuvwxyz234567", "0123456789abcdefghijklmnopqrstuv")


def malformed(what: str) -> TokenError:
    """The refusal of everything that is not shaped as the specification says."""
    return TokenError(f"not acceptable as it stands: {what}", code="token_malformed")


@dataclass(frozen=True, slots=True)
class StatusReference:
    """Where the status of a key token is published: its place in the status list of that URI.

    ``index``: u32; ``uri``: http or https, visible ASCII without quote and backslash, up to 255 characters; or
    ``ValueError``.
    """

    index: int
    uri: str

    def __post_init__(self) -> None:
        check_number("status list index", self.index, 2**32)
        check_status_uri(self.uri)


@dataclass(frozen=True, slots=True)
class KeyClaims:
    """What the issuer says about one digital key. ``ValueError`` if a field is out of its range.

    ``issuer``: 1 to 60 visible ASCII characters without quote and backslash. ``device_key``: P-256, SEC1 compressed,
    33 bytes (shape only; the decoders also check the curve). ``vehicle_thumbprint``: the first 16 bytes of the vehicle
    key's thumbprint. Times: whole Unix seconds, ``not_before < expires_at``. ``index``, ``epoch``: u16.
    ``status``: place in the public status list, in the JWT form alone. ``status_index`` (u32): the same number in both
    forms; keygw leaves it out. ``parent_id`` is there exactly when ``depth`` is not 0. ``max_depth``: the deepest key
    that may descend from this one.
    """

    issuer: str
    key_id: str
    device_key: bytes
    vehicle_id: str
    vehicle_thumbprint: bytes
    role: Role
    entitlements: Entitlement
    index: int
    issued_at: int
    not_before: int
    expires_at: int
    parent_id: str | None = None
    depth: int = 0
    max_depth: int = 0
    epoch: int = 0
    status_index: int | None = None
    user_verification: bool = False
    status: StatusReference | None = None
    kid: bytes = field(default=b"", compare=False, repr=False)
    """Of the issuer key that signed the token these were read from; no claim, and empty in what nobody signed yet."""

    @property
    def device_id(self) -> str:
        """``dev_...``, derived from the device key; the JWT's ``sub``. ``CryptoError`` if the key is off the curve."""
        return device_id(self.device_key)

    def __post_init__(self) -> None:
        check_issuer(self.issuer)
        _text("key id", self.key_id, _KEY_ID)
        _text("vehicle id", self.vehicle_id, _VEHICLE_ID)
        if self.parent_id is not None:
            _text("parent id", self.parent_id, _KEY_ID)
        if not isinstance(self.device_key, bytes) or len(self.device_key) != 33 or self.device_key[0] not in (2, 3):
            raise ValueError("the device key must be 33 bytes, SEC1 compressed")
        if not isinstance(self.vehicle_thumbprint, bytes) or len(self.vehicle_thumbprint) != THUMBPRINT_BYTES:
            raise ValueError(f"the vehicle thumbprint must be its first {THUMBPRINT_BYTES} bytes")
        check_number("role", self.role, 2**8)
        check_number("entitlements", self.entitlements, 2**32)
        check_number("index", self.index, 2**16)
        check_number("epoch", self.epoch, 2**16)
        check_number("depth", self.depth, MAX_DEPTH + 1)
        check_number("max_depth", self.max_depth, MAX_DEPTH + 1)
        for name, value in (("iat", self.issued_at), ("nbf", self.not_before), ("exp", self.expires_at)):
            check_number(name, value, MAX_TIME, least=1)
        if self.status_index is not None:
            check_number("status index", self.status_index, 2**32)
            if self.status is not None and self.status.index != self.status_index:
                raise ValueError("two different places in the status list")
        if not isinstance(self.user_verification, bool):
            raise ValueError("user verification must be true or false")
        if self.not_before >= self.expires_at:
            raise ValueError("nbf must be before exp")
        if (self.parent_id is None) != (self.depth == 0):
            raise ValueError("a key of depth 0 has no parent, any other has one")


def raw_ids(first: str, second: str, third: str) -> bytes:
    """The 30 bytes of three ids that ``KeyClaims`` let through: ``model.ids.id_bytes`` without its checks, and fast.

    Base32 is Python's own base 32 with other digits, and each id fills its 10 bytes exactly, so one conversion does.
    """
    return int((first[4:] + second[4:] + third[4:]).translate(_DIGITS), 32).to_bytes(30, "big")


text_id = lru_cache(maxsize=1024)(format_id)
"""A memo: a vehicle reads the same ids again and again."""


def check_number(name: str, value: object, limit: int, *, least: int = 0) -> int:
    """``value`` if it is a plain integer with ``least <= value < limit``; ``ValueError`` otherwise (a bool is none)."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < limit:
        raise ValueError(f"{name} must be an integer from {least} to {limit - 1}")
    return value


def check_status_uri(uri: object) -> str:
    """``uri`` if it can name a status list; ``ValueError`` otherwise."""
    _text("URI of the status list", uri, _URI)
    return str(uri)


def check_issuer(value: object) -> None:
    """``ValueError`` unless it is an issuer's name: 1 to 60 visible ASCII characters without quote and backslash."""
    _text("issuer", value, _ISSUER)


def _text(name: str, value: object, shape: re.Pattern[str]) -> None:
    if not isinstance(value, str) or not shape.fullmatch(value):
        raise ValueError(f"the {name} is not in its form")
