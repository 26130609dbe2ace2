"""What a friend key shall be, as bodies of several routes say it."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from keygw.api.fields import Body, Time, Word
from keygw.api.words import EntitlementName
from keygw.credentials.profiles import Profiles
from keygw.model.entitlement import Entitlement

YEAR = 366 * 86400


def _one(*names: str) -> Any:
    """JSON Schema: exactly one of these is there and not null."""
    return {"oneOf": [{"required": [name], "properties": {name: {"not": {"type": "null"}}}} for name in names]}


SAYS_ONCE = [_one("profile", "entitlements"), _one("expires_at", "lifetime_seconds")]
"""What ``Rights.check`` checks, for the document."""


class Rights(Body):
    """Exactly one of ``profile`` and ``entitlements``, exactly one of ``expires_at`` and ``lifetime_seconds``."""

    profile: Word | None = None
    entitlements: Annotated[list[EntitlementName], Field(min_length=1, max_length=32)] | None = None
    expires_at: Time | None = None
    lifetime_seconds: Annotated[int, Field(ge=1, le=YEAR)] | None = None

    @model_validator(mode="after")
    def _checked(self) -> Self:
        self.check()
        return self

    def check(self) -> None:
        """``ValueError`` unless it says each thing once."""
        if (self.profile is None) == (self.entitlements is None):
            raise ValueError("give either profile or entitlements")
        if (self.expires_at is None) == (self.lifetime_seconds is None):
            raise ValueError("give either expires_at or lifetime_seconds")

    def rights(self, profiles: Profiles) -> Entitlement:
        """``BadInput`` unknown_profile or unknown_entitlement."""
        if self.profile is None:
            return Entitlement.from_names(self.entitlements or ())
        return profiles.named(self.profile).entitlements

    def end(self, now: float) -> int:
        """When a key that is made now ends, Unix seconds."""
        return int(self.expires_at if self.expires_at is not None else now + (self.lifetime_seconds or 0))
