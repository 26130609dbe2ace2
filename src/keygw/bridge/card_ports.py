"""Cards of app sessions, and where they are kept: as long as their session is not closed.

The contract suite is ``tests/contracts/test_card_store_contract.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from keygw.bridge.driving import Rules, Template
from keygw.credentials.outbox_ports import OutboxEvent, Told


@dataclass(frozen=True, slots=True)
class Button:
    """``name``: what the app knows it by; ``label``: what is written on it."""

    name: str
    label: str


@dataclass(frozen=True, slots=True)
class Card:
    """``name``: within the session; another of that name takes its place. ``app_name``: for people, where it was
    looked up."""

    session_id: str
    app_id: str
    name: str
    template: Template
    title: str
    lines: tuple[str, ...] = ()
    buttons: tuple[Button, ...] = ()
    app_name: str = field(default="", compare=False)

    def beyond(self, rules: Rules) -> str | None:
        """What these rules have against it, for people; ``None``: nothing."""
        if self.template not in rules.templates:
            return f"no {self.template} cards"
        if len(self.title) > rules.title:
            return f"a title of at most {rules.title} characters"
        if len(self.lines) > rules.lines or any(len(line) > rules.line for line in self.lines):
            return f"at most {rules.lines} lines of {rules.line} characters"
        return f"at most {rules.buttons} buttons" if len(self.buttons) > rules.buttons else None


class CardStore(Protocol):
    """Every write is durable when it returns. ``StoreError`` if the database cannot be used."""

    async def put_card(self, card: Card, most: int, now: int) -> bool | None:
        """In the place of the one of that name; the session was heard of ``now``. False, and nothing is written, if it
        has ``most`` others; ``None`` if it is not active."""

    async def drop_card(self, session_id: str, name: str) -> None: ...

    async def cards_on(self, vehicle_id: str, most: int) -> Sequence[Card]:
        """Those of its active sessions, the newest last; the oldest are left out beyond ``most``."""

    async def tell_of_card(self, card: Card, event: OutboxEvent, told: Callable[[Told], None]) -> bool:
        """The event, if that card is still there just as it was shown, and its session active."""
