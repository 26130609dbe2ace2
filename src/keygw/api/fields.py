"""Field types that several bodies share."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

from keygw.model.base64url import decode_base64url
from keygw.model.label import SIGN

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


class Body(BaseModel):
    """A request body: exact types, nothing extra."""

    model_config = ConfigDict(strict=True, extra="forbid")


def _binary(least: int, most: int | None = None, pattern: str | None = None) -> Any:
    """So many bytes. ``pattern``: what the document says of their letters, where it is more than the length."""
    most = most or least
    size = f"{least}" if most == least else f"{least} to {most}"

    def decode(text: object) -> bytes:
        if not isinstance(text, str):
            raise ValueError("must be a string of base64url")
        try:
            data = decode_base64url(text)
        except ValueError:
            raise ValueError("is not base64url without padding") from None
        if not least <= len(data) <= most:
            raise ValueError(f"must be {size} bytes in base64url")
        return data

    schema: dict[str, Any] = {
        "type": "string",
        "pattern": pattern or _canonical(least, most),
        "minLength": _letters(least),
        "maxLength": _letters(most),
        "description": f"base64url, {size} bytes",
    }
    return Annotated[bytes, BeforeValidator(decode), WithJsonSchema(schema)]


def _letters(size: int) -> int:
    return -(-size * 4 // 3)


def _canonical(least: int, most: int) -> str:
    """The pattern of what the encoder writes: the bits that the last letter has too many are zero."""
    ends = ("", "[A-Za-z0-9_-][AQgw]", "[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048]")
    if least == most:
        return f"^[A-Za-z0-9_-]{{{least // 3 * 4}}}{ends[least % 3]}$"
    return f"^(?:[A-Za-z0-9_-]{{4}})*(?:{ends[1]}|{ends[2]})?$"


def parse_time(text: object) -> float:
    """RFC 3339 with an offset -> Unix seconds."""
    if not isinstance(text, str) or not _RFC3339.fullmatch(text):
        raise ValueError("must be an RFC 3339 time with an offset, such as 2026-01-31T12:00:00Z")
    try:
        return datetime.fromisoformat(text.upper()).timestamp()
    except (ValueError, OverflowError):
        raise ValueError("is not a time that exists") from None


PublicKey = _binary(33, pattern="^A[g-z0-9_-][A-Za-z0-9_-]{42}$")
"""P-256, SEC1 compressed: the first byte is 2 or 3. Whether it is a point is for the service to say."""
AdvertisingKey = _binary(16)
SignedObject = _binary(64, 4095)
"""A COSE_Sign1."""
TimeNonce = _binary(8)
Signed = _binary(1, 512)
"""A short one: a grant, or a proof of possession."""
Evidence = _binary(1, 3072)
"""What a platform says of a device key."""
Enrol = _binary(48, 4095)
"""ENROL of a pairing, as it was sent."""
PasskeyPart = _binary(1, 4096)
"""Of the answer of an authenticator."""
PasskeyChallenge = _binary(40)
CredentialId = _binary(1, 1023)
Secret = _binary(32)
"""What stands behind the ``#`` of an invitation's link."""
Time = Annotated[float, BeforeValidator(parse_time), WithJsonSchema({"type": "string", "format": "date-time"})]
Name = Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=f"^{SIGN}+$")]
Label = Annotated[str, StringConstraints(max_length=80, pattern=f"^{SIGN}*$")]
Word = Annotated[str, StringConstraints(min_length=1, max_length=40)]
VehicleId = Annotated[
    str,
    StringConstraints(min_length=1, max_length=40),
    Field(examples=["veh_mfrggzdfmztwq2lk"], json_schema_extra={"pattern": "^veh_[a-z2-7]{16}$"}),
]
"""Of a vehicle that is to be made known; what it is otherwise is for the service to say."""
TenantId = Annotated[
    str,
    StringConstraints(min_length=1, max_length=40),
    Field(
        examples=["ten_mfrggzdfmztwq2lk"],
        description="Whose it is to be. The caller's own tenant unless an operator of the whole gateway says otherwise",
    ),
]
Id = Annotated[str, StringConstraints(min_length=1, max_length=40), Field(examples=["key_mfrggzdfmztwq2lk"])]
