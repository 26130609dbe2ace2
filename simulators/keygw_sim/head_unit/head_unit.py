"""The head unit of one car. Sans-IO: it is told, it is pressed, it is looked at."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from keygw.model.errors import Conflict, KeygwError
from keygw.model.label import one_line
from keygw_sim.head_unit.cards import MAX_NAME, Cards, Pressed
from keygw_sim.head_unit.prompts import ON_THE_ROAD, Ask, Prompt, Prompts

MAX_NOTICES = 8


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A digital key that the car knows. ``owner``: it stands on nobody else's."""

    key_id: str
    owner: bool
    removed: bool


@dataclass(frozen=True, slots=True)
class Around:
    """A device with an open session. ``zone``: where the car has measured it, ``unmeasured`` if it has not."""

    key_id: str
    role: str
    zone: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What has happened: a code with its values, for screens in any language, and a text."""

    code: str
    text: str
    values: dict[str, object]


class Car(Protocol):
    """What the head unit asks of its car."""

    @property
    def moving(self) -> bool: ...

    def open_pairing(self) -> int:
        """Show a code (``HeadUnit.hear`` gets it); the seconds it lives. ``Conflict`` in_motion, owner_exists."""

    def remove_key(self, key_id: str) -> None:
        """``Conflict`` in_motion, unknown_key, last_owner, too_many_removed."""

    def known_keys(self) -> Sequence[KnownKey]: ...

    def around(self) -> Sequence[Around]: ...


@dataclass(frozen=True, slots=True)
class Code:
    """A code to be read from the screen. ``app``: who gets in with it; ``None``: a phone, as an owner's."""

    digits: str = field(repr=False)
    expires_at: float
    app: str | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """Where to go, from the app of that name. Degrees, WGS 84."""

    name: str
    latitude: float
    longitude: float
    app: str

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "latitude": self.latitude, "longitude": self.longitude, "app": self.app}


class HeadUnit:
    """``on_press`` gets every press on a card; ``clock`` counts seconds, as the car's."""

    def __init__(self, car: Car, clock: Callable[[], float], on_press: Callable[[Pressed], None]) -> None:
        self.cards = Cards()
        """The port of those who speak for apps."""
        self.told: deque[Notice] = deque(maxlen=MAX_NOTICES)
        """What has happened, the newest last."""
        self._prompts = Prompts(clock)
        self._car = car
        self._clock = clock
        self._on_press = on_press
        self.destination: Destination | None = None
        """What was taken last."""
        self.voice: deque[tuple[str, str]] = deque(maxlen=MAX_NOTICES)
        """Apps, and what was said to them; the newest last."""
        self._code: Code | None = None
        self._app_code: Code | None = None

    # -- what the car tells --------------------------------------------------------------------------------------

    def hear(self, what: str, data: dict[str, object]) -> None:
        """One line of the car's log. Lines that say nothing to people in the car are passed over."""
        match what, data:
            case "pairing_code", {"code": str(code), "expires_in": int(seconds)}:
                self._code = Code(code, self._clock() + seconds)
            case "pairing_closed", {"reason": reason}:
                self._code = None
                why = str(reason) if reason in _CLOSED else "ended"
                self._notice(f"pairing_{why}", _CLOSED.get(why, "Pairing has ended."))
            case "pairing_tried", {"left": left}:
                self._notice("pairing_tried", f"A phone has tried a code; {left} tries are left.", left=left)
            case "command", {"action": "allow_pairing", "outcome": "done"}:
                self._ask(Ask.NEW_OWNER, "An owner allows another owner. Show the code for a phone?", self._show_code)
            case "owner_paired", _:
                self._notice("owner_paired", "A phone is now an owner's.")
            case "key_removed", {"key": key}:
                self._notice("key_removed", f"Key {key} was removed.", key=key)
            case "locked_behind", _:
                self._notice("locked_behind", "Locked: the last phone has left.")

    # -- what people press ---------------------------------------------------------------------------------------

    def pair_phone(self) -> Prompt:
        """Somebody wants to pair a phone. ``Conflict`` in_motion, too_many_prompts."""
        self._must_stand()
        return self._prompts.ask(Ask.SHOW_CODE, "Show a code? Whoever types it becomes an owner.", self._show_code)

    def remove_key(self, key_id: str) -> Prompt:
        """Somebody wants to remove a key. ``Conflict`` in_motion, unknown_key, too_many_prompts."""
        self._must_stand()
        if not any(key.key_id == key_id and not key.removed for key in self._car.known_keys()):
            raise Conflict("the car knows no such key", code="unknown_key")

        def answer(yes: bool) -> None:
            if yes:
                self._car.remove_key(key_id)

        return self._prompts.ask(Ask.REMOVE_KEY, f"Remove key {key_id}? Its phone opens nothing then.", answer, key_id)

    def answer(self, number: int, yes: bool) -> Prompt:
        """Yes or no to a question. ``Conflict`` in_motion, and what the car has against it; ``NotFound``."""
        if yes and not any(each.number == number and each.ask in ON_THE_ROAD for each in self._prompts.open):
            self._must_stand()  # a no is always heard
        return self._prompts.answer(number, yes)

    def press(self, app: str, card: str, button: str) -> Pressed:
        """A button of a card. ``NotFound`` no_such_button."""
        pressed = self.cards.press(app, card, button, moving=self._car.moving)
        self._on_press(pressed)
        return pressed

    # -- what those who speak for apps ask ------------------------------------------------------------------------

    def offer_app_code(self, app: str, digits: str, seconds: float, answer: Callable[[bool], None]) -> Prompt:
        """An app waits for a code; people in the car decide whether it is shown. ``answer`` gets their word, once.

        ``Conflict`` in_motion, too_many_prompts, already_asked; ``ValueError`` for what cannot be shown.
        """
        if not one_line(app) or not 0 < len(app) <= MAX_NAME or not digits.isascii() or not digits.isdigit():
            raise ValueError("an app has a name of one line, and a code digits")
        self._must_stand()
        if any((prompt.ask, prompt.about) == (Ask.PAIR_APP, app) for prompt in self.prompts):
            raise Conflict("that app has asked already; wait for the answer", code="already_asked")
        ends = self._clock() + seconds

        def decided(yes: bool) -> None:
            if yes:
                self._app_code = Code(digits, ends, app)
            answer(yes)

        return self._prompts.ask(Ask.PAIR_APP, f"{app} wants to reach this car. Show its code?", decided, app)

    def offer_destination(self, to: Destination, answer: Callable[[bool], None]) -> Prompt:
        """An app has sent it; somebody in the car takes it or not. ``answer`` gets their word, once. ``Conflict``
        too_many_prompts; ``ValueError`` for what cannot be shown."""
        if not all(one_line(text) and 0 < len(text) <= MAX_NAME for text in (to.name, to.app)):
            raise ValueError("a destination and its app have names of one line")

        def decided(yes: bool) -> None:
            if yes:
                self.destination = to
            answer(yes)

        text = f"{to.app} sends a destination: {to.name}. Go there?"
        return self._prompts.ask(Ask.DESTINATION, text, decided, to.name)

    def close_app_code(self) -> None:
        """It was used, or has ended."""
        self._app_code = None

    # -- what is seen ----------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Let time pass."""
        self._prompts.tick()
        now = self._clock()
        self._code = None if self._code is not None and now >= self._code.expires_at else self._code
        self._app_code = None if self._app_code is not None and now >= self._app_code.expires_at else self._app_code

    @property
    def codes(self) -> tuple[Code, ...]:
        """Those on the screen; none while the car moves."""
        self.tick()
        return () if self._car.moving else tuple(code for code in (self._code, self._app_code) if code is not None)

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        self.tick()
        moving = self._car.moving
        return tuple(each for each in self._prompts.open if not moving or each.ask in ON_THE_ROAD)

    @property
    def notices(self) -> list[str]:
        """The texts of what has happened, the newest last."""
        return [notice.text for notice in self.told]

    def view(self) -> dict[str, Any]:
        """All that is seen, as JSON."""
        now = self._clock()
        return {
            "moving": self._car.moving,
            "codes": [
                {"digits": code.digits, "app": code.app, "seconds": max(0, int(code.expires_at - now))}
                for code in self.codes
            ],
            "prompts": [prompt.to_json(now) for prompt in self.prompts],
            "around": [{"key": who.key_id, "role": who.role, "zone": who.zone} for who in self._car.around()],
            "keys": [{"key": key.key_id, "owner": key.owner, "removed": key.removed} for key in self._car.known_keys()],
            "cards": [card.to_json() for card in self.cards.shown(moving=self._car.moving)],
            "destination": None if self.destination is None else self.destination.to_json(),
            "voice": [{"app": app, "text": text} for app, text in self.voice],
            "notices": self.notices,
            "told": [{"code": notice.code, "values": notice.values} for notice in self.told],
        }

    def _show_code(self, yes: bool) -> None:
        if yes:
            self._car.open_pairing()

    def _ask(self, ask: Ask, text: str, answer: Callable[[bool], None]) -> None:
        try:
            self._prompts.ask(ask, text, answer)
        except KeygwError:
            self._notice("too_many_prompts", "There are too many questions; another was dropped.")

    def _must_stand(self) -> None:
        if self._car.moving:
            raise Conflict("not while the car moves", code="in_motion")

    def _notice(self, code: str, text: str, **values: object) -> None:
        self.told.append(Notice(code, text, values))


_CLOSED = {
    "used": "A phone has used the code.",
    "expired": "The code has ended unused.",
    "too_many_tries": "Too many wrong codes; start again.",
}
