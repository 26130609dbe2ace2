"""Reads a scenario file. What is wrong with it is told with its line and field."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from keygw.model.command import Outcome
from keygw.model.errors import BadInput
from keygw.wire.ranging import Zone
from keygw_sim.scenario.model import Friend, Owner, PhoneStep, RevokeStep, Scenario, WalkStep
from keygw_sim.vehicle.body import Body

MAX_BYTES = 64 * 1024
MAX_DEPTH = 12
Path_ = tuple[str | int, ...]
APART = ("out_of_range", "radio_unavailable")
"""What comes where a phone and its car do not meet."""
OUTCOMES = (*(each.label for each in Outcome), *APART)
PLACES = (*(each.label for each in Zone), *OUTCOMES)


def read(file: Path) -> Scenario:
    """``BadInput`` bad_scenario: ``FILE:LINE: FIELD: what``."""
    try:
        with file.open("rb") as opened:
            raw = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror}", code="bad_scenario") from error
    return parse(raw, str(file))


def parse(raw: bytes, name: str) -> Scenario:
    """As ``read``, of bytes."""
    if len(raw) > MAX_BYTES:
        raise BadInput(f"{name}: a scenario has at most {MAX_BYTES} bytes", code="bad_scenario")
    try:
        _check_shape(raw, name)
        node = yaml.compose(raw, yaml.SafeLoader)
        if node is None:
            raise _wrong(name, 0, "", "the file is empty")
        _check_keys(node, name)
        data = yaml.safe_load(raw)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _wrong(name, mark.line if mark else 0, "", str(error.problem or error.context)) from error
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise _wrong(name, 0, "", f"this is no YAML in UTF-8: {str(error).splitlines()[0][:80]}") from error
    try:
        scenario = Scenario.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        line, field = _find(node, tuple(first["loc"]))
        raise _wrong(name, line, field, first["msg"]) from error
    for loc, what in _references(scenario):
        line, field = _find(node, loc)
        raise _wrong(name, line, field, what)
    return scenario


def _wrong(name: str, line: int, field: str, what: str) -> BadInput:
    return BadInput(f"{name}:{line + 1}: {field + ': ' if field else ''}{what}", code="bad_scenario")


def _check_shape(raw: bytes, name: str) -> None:
    """No alias, and no depth that no scenario has; looked at before anything is built of it."""
    depth = 0
    for event in yaml.parse(raw, yaml.SafeLoader):
        line = event.start_mark.line if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent):
            raise _wrong(name, line, "", "an alias (*) is not for scenarios")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise _wrong(name, line, "", "this is nested too deeply")


def _check_keys(node: yaml.Node, name: str) -> None:
    """No key twice."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _wrong(name, key.start_mark.line, "", "a field's name is text")
            if key.value in seen:
                raise _wrong(name, key.start_mark.line, key.value[:40], "this is there twice")
            seen.add(key.value)
            _check_keys(value, name)
    elif isinstance(node, yaml.SequenceNode):
        for each in node.value:
            _check_keys(each, name)


def _find(node: yaml.Node, loc: Path_) -> tuple[int, str]:
    """The line of what ``loc`` leads to, or of the last thing on the way that is there; and its name.

    On the way pydantic also names which of several kinds it took a thing for: in angle brackets (``model``), and the
    order behind ``does``.
    """
    field, line, before = "", node.start_mark.line, None
    for step in loc:
        before, is_kind = step, str(step).startswith("<") or before == "does"
        if is_kind:
            continue
        if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            field, line = f"{field}[{step}]", node.start_mark.line
            continue
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == str(step)), None)
            if found is not None:
                line, node = found[0].start_mark.line, found[1]
        field = f"{field}.{step}" if field else str(step)
    return line, field


def _references(scenario: Scenario) -> Iterator[tuple[Path_, str]]:
    """Where a name, a part or an outcome stands that is not there."""
    cars = [car.name for car in scenario.cars]
    phones = [phone.name for phone in scenario.phones]
    for room, names in (("cars", cars), ("phones", phones)):
        for n, each in enumerate(names):
            if each in names[:n]:
                yield (room, n, "name"), f"there is a second {each!r}"
    for n, car in enumerate(scenario.cars):
        yield from _parts(("cars", n, "body"), dict(car.body))
    for n, phone in enumerate(scenario.phones):
        if isinstance(phone, Owner) and phone.owns not in cars:
            yield ("phones", n, "owns"), _unknown("car", phone.owns, cars)
        if isinstance(phone, Friend) and phone.friend_of not in phones[:n]:
            yield ("phones", n, "friend_of"), _unknown("phone above it", phone.friend_of, phones[:n])
    for n, step in enumerate(scenario.steps):
        for field, names in (("car", cars), ("phone", phones), ("revoke", phones), ("carried_by", phones)):
            named = getattr(step, field, None)
            if named is not None and named not in names:
                yield ("steps", n, field), _unknown("car" if field == "car" else "phone", named, names)
        if isinstance(step, PhoneStep) and step.expect not in OUTCOMES:
            yield ("steps", n, "expect"), f"{step.expect!r} is no outcome; known: {', '.join(OUTCOMES)}"
        if isinstance(step, WalkStep) and step.expect is not None and step.expect not in PLACES:
            yield ("steps", n, "expect"), f"{step.expect!r} is no place; known: {', '.join(PLACES)}"
        yield from _parts(("steps", n, "shows"), dict(getattr(step, "shows", {})))
    yield from _revocations(scenario)


def _revocations(scenario: Scenario) -> Iterator[tuple[Path_, str]]:
    """Each once, and carried by another phone that comes to the same car. Every name is known by now."""
    car_of: dict[str, str] = {}
    for phone in scenario.phones:
        car_of[phone.name] = phone.owns if isinstance(phone, Owner) else car_of[phone.friend_of]
    revoked: set[str] = set()
    for n, step in enumerate(scenario.steps):
        if not isinstance(step, RevokeStep):
            continue
        if step.revoke == step.carried_by:
            yield ("steps", n, "carried_by"), "a phone does not carry the news of its own end"
        if step.revoke in revoked:
            yield ("steps", n, "revoke"), f"{step.revoke!r} is revoked already"
        if car_of[step.carried_by] != (car := car_of[step.revoke]):
            yield ("steps", n, "carried_by"), f"{step.carried_by!r} never comes to {car!r}, which must hear of it"
        revoked.add(step.revoke)


def _parts(loc: Path_, parts: dict[str, Any]) -> Iterator[tuple[Path_, str]]:
    for name, value in parts.items():
        try:
            Body().put({name: value})
        except KeyError:
            yield (*loc, name), "a car has no such part; docs/reference/simulated-car.md lists them"
        except ValueError as error:
            yield (*loc, name), str(error)


def _unknown(kind: str, name: str, known: list[str]) -> str:
    return f"there is no {kind} {name!r}; known: {', '.join(known) or 'none'}"
