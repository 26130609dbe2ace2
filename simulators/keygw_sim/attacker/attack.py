"""What an attack is, the book of all of them, and how one is run and judged."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from keygw.model.errors import KeygwError
from keygw_sim.attacker.scene import Breach, Scene

Story = Callable[[Scene], Awaitable[str]]

CHAPTERS = (
    "replay", "middle", "relay", "ranging", "frames", "floods", "fast", "tokens", "issuer_keys", "lists", "removals",
    "clocks", "sessions", "sharing", "invitations", "pairing", "tracking", "lost_phone", "on_air", "between", "gatt",
)  # fmt: skip
"""The modules that hold the stories, in the order in which they are told."""


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack and its stated outcome.

    ``expected``: the code that the attacker gets, or one word for what it is left with. ``recorded``: what remains of
    it in the car's log, receipts and flash and in the service's events (``Scene.recorded``). ``stopped``: ``False``
    where the attacker gets what it wants, within the limits that ``remains`` states.
    """

    name: str
    group: str
    what: str
    protects: str
    expected: str
    recorded: tuple[str, ...]
    remains: str
    stopped: bool
    story: Story


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one attack. ``detail``: what was measured on the way, if anything."""

    attack: Attack
    got: str
    recorded: tuple[str, ...]
    detail: str = ""

    @property
    def held(self) -> bool:
        """Whether it came as stated, in outcome and record."""
        return self.got == self.attack.expected and self.recorded == self.attack.recorded

    @property
    def word(self) -> str:
        """``held``, ``as stated`` for an attack that is known to succeed, or ``BROKEN``."""
        if not self.held:
            return "BROKEN"
        return "held" if self.attack.stopped else "as stated"


_book: dict[str, Attack] = {}


def attack(
    name: str,
    what: str,
    *,
    protects: str,
    expected: str,
    recorded: tuple[str, ...] = (),
    remains: str = "",
    stopped: bool = True,
) -> Callable[[Story], Story]:
    """Enter a story into the book, under the name of its module as its group."""

    def enter(story: Story) -> Story:
        if name in _book:
            raise ValueError(f"there are two attacks called {name}")
        group = _group(story.__module__.rpartition(".")[2])
        _book[name] = Attack(name, group, what, protects, expected, recorded, remains, stopped, story)
        return story

    return enter


def book() -> dict[str, Attack]:
    """Every attack by name, chapter by chapter."""
    for chapter in CHAPTERS:
        importlib.import_module(f"keygw_sim.attacker.{chapter}")
    order = [_group(chapter) for chapter in CHAPTERS]
    return dict(sorted(_book.items(), key=lambda entry: order.index(entry[1].group)))


def _group(chapter: str) -> str:
    return chapter.replace("_", " ")


async def carry_out(one: Attack, folder: Path, trace: Path | None = None) -> Verdict:
    """Run it in that empty folder. A car that opens although the attack is to be stopped is a breach in any case.

    ``trace``: a folder for captures, named after the attack.
    """
    async with Scene(folder, None if trace is None else trace / one.name) as scene:
        try:
            got = await one.story(scene)
            if one.stopped:
                scene.intact()
        except Breach as breach:
            got = f"breach: {breach}"
        except KeygwError as error:
            got = f"unforeseen: {error.code}"
        return Verdict(one, got, scene.recorded(), scene.detail)
