"""Field types that several bodies share."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

from keygw.model.base64url import encode_base64url

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


class Body(BaseModel):
    """A request body: exact types, nothing extra."""

    model_config = ConfigDict(strict=True, extra="forbid")


def _binary(least: int, most: int | None = None) -> Any:
    most = most or least
    size = f"{least}" if most == least else f"{least} to {most}"

    def decode(text: object) -> bytes:
        if not isinstance(text, str):
            raise ValueError("must be a string of base64url")
        try:
            data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            raise ValueError("is not base64url") from None
        if not least <= len(data) <= most or encode_base64url(data) != text.rstrip("="):
            raise ValueError(f"must be {size} bytes in canonical base64url")
        return data

    letters = [str(-(-bound * 4 // 3)) for bound in dict.fromkeys((least, most))]
    pattern = f"^[A-Za-z0-9_-]{{{','.join(letters)}}}={'?' if most == least else '{0,2}'}$"
    schema = {"type": "string", "pattern": pattern, "description": f"base64url, {size} bytes"}
    return Annotated[bytes, BeforeValidator(decode), WithJsonSchema(schema)]


def parse_time(text: object) -> float:
    """RFC 3339 with an offset -> Unix seconds."""
    if not isinstance(text, str) or not _RFC3339.fullmatch(text):
        raise ValueError("must be an RFC 3339 time with an offset, such as 2026-01-31T12:00:00Z")
    try:
        return datetime.fromisoformat(text.upper()).timestamp()
    except (ValueError, OverflowError):
        raise ValueError("is not a time that exists") from None


PublicKey = _binary(33)
"""P-256, SEC1 compressed."""
AdvertisingKey = _binary(16)
SignedObject = _binary(64, 4095)
"""A COSE_Sign1."""
TimeNonce = _binary(8)
Signed = _binary(1, 512)
"""A short one: a grant, or a proof of possession."""
Evidence = _binary(1, 3072)
"""What a platform says of a device key."""
Secret = _binary(32)
"""What stands behind the ``#`` of an invitation's link."""
Time = Annotated[float, BeforeValidator(parse_time), WithJsonSchema({"type": "string", "format": "date-time"})]
Name = Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]
Label = Annotated[str, StringConstraints(max_length=80, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
Word = Annotated[str, StringConstraints(min_length=1, max_length=40)]
Id = Annotated[str, StringConstraints(min_length=1, max_length=40), Field(examples=["key_mfrggzdfmztwq2lk"])]
