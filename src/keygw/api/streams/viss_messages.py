"""The messages of VISS version 2 over WebSocket (W3C, VISSv2 Transport, section 5), as far as they are spoken here."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from keygw.api.streams.messages import BadMessage, read_as

T = TypeVar("T")
SUBPROTOCOL = "VISSv2"
MOST_PATHS = 64
SHORTEST_MS, LONGEST_MS = 100, 86_400_000

_Path = Annotated[str, Field(min_length=1, max_length=200)]
_Id = Annotated[str, Field(min_length=1, max_length=64)]
_Number = Annotated[str, Field(pattern=r"^-?[0-9]{1,15}(\.[0-9]{1,15})?$")]


class _Said(BaseModel):
    """A client may send more than is known here: VISS grows."""

    model_config = ConfigDict(extra="ignore", strict=True)


class Period(_Said):
    period: Annotated[str, Field(pattern=r"^[0-9]{1,8}$")]


class Change(_Said):
    logic_op: Literal["eq", "ne", "gt", "gte", "lt", "lte"] = Field(alias="logic-op")
    diff: _Number


class Boundary(_Said):
    boundary_op: Literal["eq", "ne", "gt", "gte", "lt", "lte"] = Field(alias="boundary-op")
    boundary: _Number


_Paths = Annotated[list[_Path], Field(min_length=1, max_length=MOST_PATHS)]
_Bounds = Annotated[list[Boundary], Field(min_length=1, max_length=2)]


class Filter(_Said):
    """``type`` in the recommendation; later drafts call it ``variant``."""

    type: Literal["paths", "timebased", "change", "range", "static-metadata"]
    parameter: Any = None

    @model_validator(mode="before")
    @classmethod
    def _by_either_name(cls, given: Any) -> Any:
        if isinstance(given, dict) and "variant" in given and "type" not in given:
            return {**given, "type": given["variant"]}
        return given

    def paths(self) -> list[str]:
        """``BadMessage``, as all below."""
        return _parameter(_PATHS, [self.parameter] if isinstance(self.parameter, str) else self.parameter)

    def seconds(self) -> float:
        return min(max(int(_parameter(_PERIOD, self.parameter).period), SHORTEST_MS), LONGEST_MS) / 1000

    def change(self) -> Change:
        return _parameter(_CHANGE, self.parameter)

    def bounds(self) -> list[Boundary]:
        return _parameter(_BOUNDS, self.parameter if isinstance(self.parameter, list) else [self.parameter])


_PATHS: TypeAdapter[list[str]] = TypeAdapter(_Paths)
_PERIOD: TypeAdapter[Period] = TypeAdapter(Period)
_CHANGE: TypeAdapter[Change] = TypeAdapter(Change)
_BOUNDS: TypeAdapter[list[Boundary]] = TypeAdapter(_Bounds)


class _Request(_Said):
    request_id: _Id = Field(alias="requestId")
    authorization: Annotated[str, Field(min_length=1, max_length=8192)] | None = Field(default=None, repr=False)


class Get(_Request):
    action: Literal["get"]
    path: _Path
    filter: Filter | None = None


class Set(_Request):
    action: Literal["set"]
    path: _Path
    value: str | bool | int | float


class Subscribe(_Request):
    action: Literal["subscribe"]
    path: _Path
    filter: Filter | Annotated[list[Filter], Field(min_length=1, max_length=4)] | None = None

    @property
    def filters(self) -> list[Filter]:
        if self.filter is None:
            return []
        return self.filter if isinstance(self.filter, list) else [self.filter]


class Unsubscribe(_Request):
    action: Literal["unsubscribe"]
    subscription_id: _Id = Field(alias="subscriptionId")


Request = Annotated[Get | Set | Subscribe | Unsubscribe, Field(discriminator="action")]
_READER: TypeAdapter[Request] = TypeAdapter(Request)


def read(text: str) -> Request:
    """``BadMessage``."""
    return read_as(_READER, text)


def check(request: Request) -> None:
    """The parameters of its filters. ``BadMessage``."""
    for each in request.filters if isinstance(request, Subscribe) else ():
        look: dict[str, Callable[[], object]] = {
            "paths": each.paths,
            "timebased": each.seconds,
            "change": each.change,
            "range": each.bounds,
        }
        look.get(each.type, list)()


def _parameter(shape: TypeAdapter[T], given: Any) -> T:
    try:
        return shape.validate_python(given)
    except ValueError:
        raise BadMessage("that filter does not take such a parameter") from None


OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


def under(pattern: str, path: str) -> bool:
    """Whether a leaf is the pattern, or below it. ``*`` stands for one name, and at the end for any."""
    wanted, names = pattern.split("."), path.split(".")
    if len(wanted) > len(names):
        return False
    return all(each in ("*", name) for each, name in zip(wanted, names, strict=False))


def joined(path: str, below: Sequence[str]) -> list[str]:
    """The patterns of a ``paths`` filter are relative to the path of the request. Slashes part names, too."""
    whole = [f"{path}.{each}" for each in below] if below else [path]
    return [each.replace("/", ".") for each in whole]


def text_of(value: bool | int | float | str) -> str:
    """Every value travels as a string."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
