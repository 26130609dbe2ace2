"""Cards of apps on the head unit, within bounds; and the port by which they get there.

An app puts a card, in one of a few templates, with buttons; it replaces the card by putting it again, and takes it
back. What somebody presses goes to the one callable that the head unit was given, once for each press.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from keygw.model.errors import BadInput, Conflict, NotFound
from keygw.model.label import one_line

MAX_CARDS = 32
MAX_CARDS_OF_ONE = 8
MAX_BUTTONS = 4
MAX_LINES = 4
MAX_TITLE = 48
MAX_LINE = 96
MAX_LABEL = 20
MAX_NAME = 64
"""Characters of the names of apps, cards and buttons."""


class Template(StrEnum):
    STATUS = "status"
    MEDIA = "media"
    NAVIGATION = "navigation"
    CALL = "call"
    KEY = "key"


ON_THE_ROAD = frozenset({Template.MEDIA, Template.NAVIGATION, Template.CALL})
"""What a moving car shows; the others wait until it stands."""


@dataclass(frozen=True, slots=True)
class Button:
    """``name``: what the app knows it by; ``label``: what is written on it."""

    name: str
    label: str


@dataclass(frozen=True, slots=True)
class Card:
    """One card of one app; another with the same ``app`` and ``name`` takes its place."""

    app: str
    name: str
    template: Template
    title: str
    lines: tuple[str, ...] = ()
    buttons: tuple[Button, ...] = ()
    app_name: str = ""
    """For people; ``""``: ``app`` is one already."""

    @classmethod
    def from_json(cls, app: str, name: str, data: object) -> Card:
        """``BadInput`` bad_card names the field that is wrong."""
        if not isinstance(data, dict):
            raise _bad("a card is an object")
        if unknown := sorted(set(data) - {"template", "title", "lines", "buttons"}):
            raise _bad(f"a card has no field {unknown[0]!r}")
        if data.get("template") not in list(Template):
            raise _bad(f"template is one of {', '.join(Template)}")
        lines, buttons = data.get("lines", []), data.get("buttons", [])
        if not isinstance(lines, list) or len(lines) > MAX_LINES:
            raise _bad(f"lines is a list of at most {MAX_LINES} texts")
        if not isinstance(buttons, list) or len(buttons) > MAX_BUTTONS:
            raise _bad(f"buttons is a list of at most {MAX_BUTTONS}")
        made = tuple(_button(each) for each in buttons)
        if len({button.name for button in made}) < len(made):
            raise _bad("two buttons have one name")
        return cls(
            _text("app", app, MAX_NAME),
            _text("name", name, MAX_NAME),
            Template(data["template"]),
            _text("title", data.get("title"), MAX_TITLE),
            tuple(_text("a line", line, MAX_LINE, least=0) for line in lines),
            made,
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "app": self.app,
            "app_name": self.app_name or self.app,
            "name": self.name,
            "template": self.template.value,
            "title": self.title,
            "lines": list(self.lines),
            "buttons": [{"name": button.name, "label": button.label} for button in self.buttons],
        }


@dataclass(frozen=True, slots=True)
class Pressed:
    """Somebody has pressed a button of a card: for the app."""

    app: str
    card: str
    button: str


class CardPort(Protocol):
    """What whoever speaks for the apps may ask of a head unit."""

    def put(self, card: Card) -> None:
        """Show it, in the place of the one of that name. ``Conflict`` too_many_cards."""

    def remove(self, app: str, name: str) -> None:
        """Take it away; nothing happens if it is not there."""

    def remove_app(self, app: str) -> None:
        """The app has gone, and all its cards with it."""


class Cards:
    """Those that are there, the newest last. A ``CardPort``."""

    def __init__(self) -> None:
        self._cards: dict[tuple[str, str], Card] = {}

    def put(self, card: Card) -> None:
        place = (card.app, card.name)
        others = [key for key in self._cards if key != place]
        if len(others) >= MAX_CARDS or sum(app == card.app for app, _ in others) >= MAX_CARDS_OF_ONE:
            raise Conflict(
                f"no room for another card: an app has {MAX_CARDS_OF_ONE}, all together {MAX_CARDS}; remove one",
                code="too_many_cards",
            )
        self._cards.pop(place, None)
        self._cards[place] = card

    def remove(self, app: str, name: str) -> None:
        self._cards.pop((app, name), None)

    def remove_app(self, app: str) -> None:
        for key in [key for key in self._cards if key[0] == app]:
            del self._cards[key]

    def shown(self, *, moving: bool) -> tuple[Card, ...]:
        return tuple(card for card in self._cards.values() if not moving or card.template in ON_THE_ROAD)

    def press(self, app: str, name: str, button: str, *, moving: bool) -> Pressed:
        """``NotFound`` no_such_button for what is not shown."""
        for card in self.shown(moving=moving):
            if (card.app, card.name) == (app, name) and any(each.name == button for each in card.buttons):
                return Pressed(app, name, button)
        raise NotFound("no card that is shown has such a button", code="no_such_button")


def _button(data: object) -> Button:
    if not isinstance(data, dict) or set(data) != {"name", "label"}:
        raise _bad("a button has a name and a label")
    return Button(_text("a button's name", data["name"], MAX_NAME), _text("a button's label", data["label"], MAX_LABEL))


def _text(what: str, value: object, most: int, *, least: int = 1) -> str:
    if not isinstance(value, str) or not least <= len(value) <= most or not one_line(value):
        raise _bad(f"{what} is one line of {least} to {most} characters")
    return value


def _bad(why: str) -> BadInput:
    return BadInput(why, code="bad_card")
