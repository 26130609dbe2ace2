"""The messages of ``keygw.v1``, as types: what is read is held to them, and the AsyncAPI document is made of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from keygw.api.problems import ApiError
from keygw.api.strict import parse

T = TypeVar("T")
SUBPROTOCOL = "keygw.v1"
VERSION = 1
CAPABILITIES = ("ack",)
MOST_VEHICLES = 64
MOST_PATHS = 64

_Vehicle = Annotated[str, Field(max_length=40)]
_Token = Annotated[str, Field(min_length=1, max_length=8192)]
_Type = Annotated[str, Field(max_length=64)]
_Vehicles = Annotated[list[_Vehicle], Field(min_length=1, max_length=MOST_VEHICLES)]
_Seq = Annotated[int, Field(ge=0, le=2**53)]


class Heard(BaseModel):
    """What a client sends: nothing but what is declared."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Hello(Heard):
    """The first message, within ten seconds."""

    type: Literal["hello"]
    version: int = Field(description="1")
    capabilities: list[Annotated[str, Field(max_length=32)]] = Field(
        default=[], max_length=16, description="`ack`: at most 256 events are under way that were not acknowledged"
    )
    resume: Annotated[str, Field(max_length=80)] | None = Field(
        default=None, description="The last `resume` of an earlier stream, or the id of an event of `GET /v1/events`"
    )
    token: _Token | None = Field(
        default=None, repr=False, description="The token, if it was not in the Authorization header"
    )
    proof: _Token | None = Field(
        default=None,
        repr=False,
        description="With a token that is bound to a key: the DPoP proof, for GET on the address of the stream",
    )


class EventFilter(Heard):
    types: list[_Type] | None = Field(default=None, max_length=32, description="Only events of these types")


class Subscribe(Heard):
    """Answered by a snapshot of each vehicle, or by an error. One more for the same vehicle replaces the first."""

    type: Literal["subscribe"]
    id: int | None = Field(default=None, description="Named again in an error")
    vehicles: _Vehicles
    paths: list[Annotated[str, Field(max_length=200)]] | None = Field(
        default=None, max_length=MOST_PATHS, description="Signals, or branches of them; all where there are none"
    )
    filter: EventFilter = EventFilter()


class Unsubscribe(Heard):
    type: Literal["unsubscribe"]
    vehicles: _Vehicles


class Ack(Heard):
    """All events of this vehicle up to that number have been dealt with."""

    type: Literal["ack"]
    vehicle: _Vehicle
    seq: _Seq


class Token(Heard):
    """A new token of the same app, before the old one ends."""

    type: Literal["token"]
    token: _Token = Field(repr=False)


FromClient = Annotated[Hello | Subscribe | Unsubscribe | Ack | Token, Field(discriminator="type")]
_READER: TypeAdapter[FromClient] = TypeAdapter(FromClient)


class Granted(BaseModel):
    capabilities: list[str]
    scopes: list[str]


class Welcome(BaseModel):
    type: Literal["welcome"]
    version: int
    session: str = Field(description="The name of this stream in the gateway's log")
    run: str = Field(description="The run of the gateway: in another one `seq` counts anew")
    granted: Granted
    seq: int = Field(description="How many events this run has told by now, of all vehicles")
    ping: float = Field(description="Seconds between two pings of the WebSocket protocol")


class Snapshot(BaseModel):
    """How a vehicle is: every delta with a higher `seq` comes after it."""

    type: Literal["snapshot"]
    vehicle: str
    seq: int
    resume: str
    reason: Literal["subscribed", "gap", "permission_changed"]
    reachable: bool
    signals: list[dict[str, Any]] = Field(description="As `GET /v1/vehicles/{id}/signals` shows them")


class Event(BaseModel):
    """The same bytes for every stream. Numbers are missing where other events were not for this one."""

    type: Literal["event"]
    vehicle: str | None
    seq: int | None = Field(description="Of the vehicle, in this run; null: told from the books")
    resume: str
    event: dict[str, Any] = Field(description="A CloudEvents 1.0 object")


class Gap(BaseModel):
    """Signals were dropped for a slow reader; a snapshot follows. With a reason: what had happened before is gone."""

    type: Literal["gap"]
    vehicle: str | None
    from_: int = Field(alias="from")
    to: int
    reason: Literal["coalesced", "too_old", "unknown_id"]


class Unsubscribed(BaseModel):
    """The app has nothing to do with this vehicle any more."""

    type: Literal["unsubscribed"]
    vehicle: str
    reason: Literal["asked", "unknown_vehicle"]


class Refreshed(BaseModel):
    type: Literal["refreshed"]
    granted: Granted
    expires_at: str | None


class Error(BaseModel):
    """That message had no effect; the stream goes on."""

    type: Literal["error"]
    id: int | None
    code: str
    detail: str


Told = Welcome | Snapshot | Event | Gap | Unsubscribed | Refreshed | Error


class BadMessage(Exception):
    """What came is no message of this protocol; ``str`` says why, and nothing of what it held."""


def read(text: str) -> FromClient:
    """``BadMessage``."""
    return read_as(_READER, text)


def read_as(shape: TypeAdapter[T], text: str) -> T:
    """A message of that shape. ``BadMessage``."""
    try:
        return shape.validate_python(parse(text.encode("utf-8", "surrogatepass")))
    except ApiError:
        raise BadMessage("not JSON") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])[:40]
        raise BadMessage(f"{place}: {first['type']}") from None
