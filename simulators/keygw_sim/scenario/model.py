"""What stands in a scenario file. Its JSON schema, ``scenario.schema.json``, is made from these models."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from keygw_sim.vehicle.orders import Order, Value

Name = Annotated[str, Field(min_length=1, max_length=40)]
Asked = Literal["unlock", "lock", "open_trunk", "flash_lights", "start_engine", "passive_unlock"]
Metres = Annotated[float, Field(ge=-10_000, le=10_000)]
Profile = Literal["driver", "access", "valet", "delivery", "service"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class CarSetUp(_Model):
    """A car, fresh from the workshop; ``body``: how it stands at the beginning. With ``anchors`` it measures how near a
    phone is; it opens by itself to who comes near, and is driven from inside alone."""

    name: Name
    anchors: bool = False
    body: dict[str, Value] = Field(default_factory=dict, max_length=100)


class Owner(_Model):
    """A phone with an owner key of one car."""

    name: Name
    owns: Name


class Friend(_Model):
    """A phone with a key that another phone has shared."""

    name: Name
    friend_of: Name
    profile: Profile = "access"


class PhoneStep(_Model):
    """A phone asks its car for something. ``expect``: the outcome, such as ``done`` or ``key_revoked``."""

    phone: Name
    asks: Asked
    expect: str = Field(default="done", max_length=40)


class WalkStep(_Model):
    """A phone is carried to a place: metres ahead of the middle of its car, and to the left of it. In the beginning it
    is an arm's length from the driver's door. ``expect``: where the car then finds it, ``far``, ``near`` or ``inside``;
    ``unmeasured`` without anchors; ``out_of_range`` and the like where they do not meet."""

    phone: Name
    walks_to: tuple[Metres, Metres] = Field(strict=False)
    expect: str | None = Field(default=None, max_length=40)


class FlightStep(_Model):
    """All radios of a phone are switched off, or on again."""

    phone: Name
    flight: bool


class CarStep(_Model):
    """Hands do something to a car. ``expect``: ``ok``, or the code of what refuses it."""

    car: Name
    does: Order
    expect: str = Field(default="ok", max_length=40)


class WaitStep(_Model):
    """So many seconds of the car's own time pass: it drives, charges, wakes."""

    car: Name
    lets_pass: float = Field(gt=0, le=1_000_000)


class ShowStep(_Model):
    """The car's body must stand like this; a number is met within a hundredth of it."""

    car: Name
    shows: dict[str, Value] = Field(min_length=1, max_length=100)


class RevokeStep(_Model):
    """The key of a phone is revoked; ``carried_by`` takes the list to the car when it next comes there."""

    revoke: Name
    carried_by: Name


# In the places of pydantic's errors a kind stands in angle brackets: no field is called so.
_KINDS = {
    "asks": PhoneStep,
    "walks_to": WalkStep,
    "flight": FlightStep,
    "does": CarStep,
    "lets_pass": WaitStep,
    "shows": ShowStep,
    "revoke": RevokeStep,
}


def _kind_of_step(step: Any) -> str | None:
    if not isinstance(step, dict):
        return next((f"<{name}>" for name, kind in _KINDS.items() if isinstance(step, kind)), None)
    return next((f"<{name}>" for name in _KINDS if name in step), None)


def _kind_of_phone(phone: Any) -> str:
    friend = "friend_of" in phone if isinstance(phone, dict) else isinstance(phone, Friend)
    return "<friend_of>" if friend else "<owns>"


Step = Annotated[
    Annotated[PhoneStep, Tag("<asks>")]
    | Annotated[WalkStep, Tag("<walks_to>")]
    | Annotated[FlightStep, Tag("<flight>")]
    | Annotated[CarStep, Tag("<does>")]
    | Annotated[WaitStep, Tag("<lets_pass>")]
    | Annotated[ShowStep, Tag("<shows>")]
    | Annotated[RevokeStep, Tag("<revoke>")],
    Discriminator(
        _kind_of_step,
        custom_error_type="step",
        custom_error_message=f"a step has one of {', '.join(_KINDS)}",
    ),
]
PhoneSetUp = Annotated[
    Annotated[Owner, Tag("<owns>")] | Annotated[Friend, Tag("<friend_of>")], Discriminator(_kind_of_phone)
]


class Scenario(_Model):
    """One file."""

    title: str = Field(min_length=1, max_length=100)
    cars: tuple[CarSetUp, ...] = Field(min_length=1, max_length=16, strict=False)
    phones: tuple[PhoneSetUp, ...] = Field(default=(), max_length=16, strict=False)
    steps: tuple[Step, ...] = Field(min_length=1, max_length=500, strict=False)
