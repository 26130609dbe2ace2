"""The requirements: ``requirements.toml``, and nothing that is not in it.

``quote`` is the sentence (or the part of one) of the page that the requirement is; a test finds it there, and finds
every sentence of the pages that asks for something among the quotes or in ``requirements.toml`` under ``aside``.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files

PAGES = {"KS": "key_session", "KT": "key_token", "OP": "owner_pairing"}


class Role(StrEnum):
    VEHICLE = "vehicle"
    DEVICE = "device"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Requirement:
    """``hidden``: why it does not show on the air; empty if it does. ``seen``: how it shows there, in a few words."""

    id: str
    role: Role
    says: str
    quote: str
    seen: str = ""
    hidden: str = ""

    @property
    def page(self) -> str:
        return PAGES[self.id[:2]]

    def of(self, role: Role) -> bool:
        """Whether it asks something of that side."""
        return self.role in (role, Role.BOTH)


@dataclass(frozen=True, slots=True)
class Aside:
    """A sentence of a page that sounds like a requirement, and is none of a vehicle or device: ``why``."""

    page: str
    quote: str
    why: str


@cache
def requirements() -> dict[str, Requirement]:
    """By number, in the order of the file."""
    return {each["id"]: _requirement(**each) for each in _content()["requirement"]}


def _requirement(role: str, **texts: str) -> Requirement:
    return Requirement(role=Role(role), **texts)


@cache
def asides() -> tuple[Aside, ...]:
    return tuple(Aside(**each) for each in _content().get("aside", []))


@cache
def _content() -> dict[str, list[dict[str, str]]]:
    text = files("keygw_sim.conformance").joinpath("requirements.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
