"""What can be asked of a simulated car from outside the air: one model each, for stdin, HTTP, the CLI and scenarios."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from keygw.model.errors import BadInput

Which = Literal["driver", "passenger", "rear_driver", "rear_passenger"]
Value = bool | int | float


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Status(_Order):
    """How the car stands: its body, list, receipts, and what it knows of the time."""

    do: Literal["status"] = "status"


class Set(_Order):
    """Change parts of the body by name, whatever its rules say."""

    do: Literal["set"] = "set"
    body: dict[str, Value] = Field(min_length=1, max_length=100)


class Door(_Order):
    """Open or close a door by hand."""

    do: Literal["door"] = "door"
    door: Which = "driver"
    open: bool


class Window(_Order):
    """Move a window: 0 is closed, 100 open."""

    do: Literal["window"] = "window"
    window: Which = "driver"
    percent: int = Field(ge=0, le=100)


class Trunk(_Order):
    """Open or close the trunk by hand."""

    do: Literal["trunk"] = "trunk"
    open: bool


class Bonnet(_Order):
    """Open or close the bonnet."""

    do: Literal["bonnet"] = "bonnet"
    open: bool


class Port(_Order):
    """Open or close the flap of the charge port."""

    do: Literal["port"] = "port"
    open: bool


class Cable(_Order):
    """Plug the charging cable in, or out."""

    do: Literal["cable"] = "cable"
    plugged: bool


class Charge(_Order):
    """Begin or end charging."""

    do: Literal["charge"] = "charge"
    on: bool


class Drive(_Order):
    """Drive away. ``kmh``: above 0; ``heading``: clockwise from north, as it was if left out."""

    do: Literal["drive"] = "drive"
    kmh: float = Field(default=30.0, gt=0, le=300)
    heading: float | None = Field(default=None, ge=0, le=360)


class Park(_Order):
    """Stop, and switch the car off."""

    do: Literal["park"] = "park"


class Battery(_Order):
    """Fill or drain the traction battery."""

    do: Literal["battery"] = "battery"
    percent: float = Field(ge=0, le=100)


class Sleep(_Order):
    """Let its actuators sleep."""

    do: Literal["sleep"] = "sleep"


class Wake(_Order):
    """Begin to wake it."""

    do: Literal["wake"] = "wake"


class Warp(_Order):
    """Let the body's own time run that many times as fast; 0 stops it."""

    do: Literal["warp"] = "warp"
    factor: float = Field(ge=0, le=10_000)


class Reboot(_Order):
    """Take its power for a moment: connections and fast keys are gone, and so is what it knew of the time."""

    do: Literal["reboot"] = "reboot"


class LoseFlash(_Order):
    """Lose everything on flash but who it is and whom it trusts: owners, keys, list, receipts, body."""

    do: Literal["lose_flash"] = "lose_flash"


class Pair(_Order):
    """Press "pair" in the car: it shows a code."""

    do: Literal["pair"] = "pair"


class Keys(_Order):
    """The digital keys that the car knows."""

    do: Literal["keys"] = "keys"


class RemoveKey(_Order):
    """Remove a digital key in the car."""

    do: Literal["remove_key"] = "remove_key"
    key: str = Field(max_length=64)


Order = Annotated[
    Status | Set | Door | Window | Trunk | Bonnet | Port | Cable | Charge | Drive | Park | Battery | Sleep | Wake
    | Warp | Reboot | LoseFlash | Pair | Keys | RemoveKey,
    Field(discriminator="do"),
]  # fmt: skip

ORDERS: TypeAdapter[Order] = TypeAdapter(Order)


def read_order(data: Any) -> Order:
    """``BadInput`` bad_order, which says what is wrong with which field."""
    try:
        return ORDERS.validate_python(data)
    except ValidationError as error:
        raise BadInput(f"not an order: {explain(error)}", code="bad_order") from error


def explain(error: ValidationError) -> str:
    """The first thing that is wrong, without the value: it may be long."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(step) for step in first["loc"][1:])
    return f"{where}: {first['msg']}" if where else str(first["msg"])
