"""What the document says of each operation's body, and every body that is wrong in one thing."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, NamedTuple

from api_cases import Json

# -- what is in the document ------------------------------------------------------------------------------------------


class Operation(NamedTuple):
    """One operation of the document. ``body``: the schema of its JSON; empty where it takes none."""

    id: str
    method: str
    path: str
    parameters: list[Json]
    body: Json
    secured: bool
    alone: bool
    """For operators alone."""

    def named(self, place: str) -> list[str]:
        return [each["name"] for each in self.parameters if each["in"] == place]


def operations(document: Json) -> list[Operation]:
    return [
        Operation(
            each["operationId"],
            method.upper(),
            path,
            each.get("parameters", []),
            each.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {}),
            "security" in each,
            "operators" in each["x-keygw-permission"] and "apps" not in each["x-keygw-permission"],
        )
        for path, item in document["paths"].items()
        for method, each in item.items()
    ]


# -- one thing wrong ------------------------------------------------------------------------------------------------


class Bad(NamedTuple):
    """``body``: the good one, bent at ``at`` (as ``errors[].at`` says it, without ``body.``)."""

    at: str
    why: str
    body: Any


KINDS: dict[str, Any] = {
    "null": None,
    "boolean": True,
    "integer": 7,
    "number": 7.5,
    "string": "text",
    "array": [],
    "object": {},
}
FOREIGN = ("surprise", "tenant_id", "state", "app_id", "created_at", "operator", "__proto__")
"""Fields that bodies do not have: what the service decides, and nonsense."""


def bad(document: Json, schema: Json, body: Json) -> Iterator[Bad]:
    """Each is the good body but for one place."""
    for kind in ("boolean", "integer", "string", "array"):
        yield Bad("", kind, KINDS[kind])
    yield from _bent(document, schema, body, body, ())


def _bent(document: Json, schema: Json, whole: Json, part: Json, path: tuple[str | int, ...]) -> Iterator[Bad]:
    """At every field of the object that stands at ``path``."""
    _, described = _plain(document, schema)

    def put(name: str, why: str, value: Any, *, gone: bool = False) -> Bad:
        changed: Any = copy.deepcopy(whole)
        inside = changed
        for step in path:
            inside = inside[step]
        if gone:
            del inside[name]
        else:
            inside[name] = value
        return Bad(".".join(str(step) for step in (*path, name)), why, changed)

    assert described["additionalProperties"] is False, f"{described['title']} takes fields that it does not name"
    for name in (*FOREIGN, "id", "role"):
        if name not in described["properties"]:
            yield put(name, "unknown", "x")
    for name in described.get("required", ()):
        yield put(name, "missing", None, gone=True)
    for name, field_schema in described["properties"].items():
        for why, value in _wrong(document, field_schema, part.get(name)):
            yield put(name, why, value)
        _, inner = _plain(document, field_schema)
        if inner.get("type") == "object":
            sample = copy.deepcopy(inner["examples"][0])
            yield from _bent(document, inner, put(name, "", sample).body, sample, (*path, name))
        elif inner.get("type") == "array" and isinstance(part.get(name), list):
            _, item = _plain(document, inner["items"])
            if item.get("type") == "object":
                yield from _bent(document, item, whole, part[name][0], (*path, name, 0))


def _wrong(document: Json, schema: Json, now: Any) -> Iterator[tuple[str, Any]]:
    """Values that the schema of a field refuses."""
    kinds, plain = _plain(document, schema)
    for kind, value in KINDS.items():
        if kind not in kinds and not (kind == "integer" and "number" in kinds):
            yield kind, value
    if "string" in kinds:
        yield "huge", "x" * 60_000
        if "maxLength" in plain:
            yield "too long", str(now or "x") + "A" * plain["maxLength"]
        if plain.get("minLength"):
            yield "too short", ""
        if "pattern" in plain or "enum" in plain or "const" in plain or plain.get("format") == "date-time":
            yield "not of the form", "\n" * plain.get("minLength", 8)
    if "integer" in kinds or "number" in kinds:
        yield "huge", 10**400
        yield "as text", str(now or 1)
        for why, bound, step in (("too small", "minimum", -1), ("too large", "maximum", 1)):
            if bound in plain:
                yield why, plain[bound] + step
    if "array" in kinds:
        if "maxItems" in plain:
            yield "too many", (now or ["x"]) * (plain["maxItems"] + 1)
        if plain.get("minItems"):
            yield "too few", []
        item_kinds, item = _plain(document, plain["items"])
        yield "of another kind", [7 if "integer" not in item_kinds else "x"]
        if "enum" in item and now:
            yield "no such word", ["nonsense"]


def _plain(document: Json, schema: Json) -> tuple[set[str], Json]:
    """The JSON types that it takes, and the schema without references and the null beside it."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        found = [_plain(document, each) for each in schema["anyOf"]]
        others = [plain for kinds, plain in found if kinds != {"null"}]
        assert len(others) == 1, "a field of several types: say here how to bend it"
        return set().union(*(kinds for kinds, _ in found)), others[0]
    return {schema["type"]}, schema
