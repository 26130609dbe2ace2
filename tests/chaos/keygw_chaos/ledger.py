"""What one client was promised, and whether a gateway that came back keeps it.

The client asks one thing at a time. What was answered must hold after every fault; the one request that was on its way
may have happened or not, and nothing else may be there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

ALIVE, SUSPENDED, REVOKED = "alive", "suspended", "revoked"
SHOWN = {"suspended": SUSPENDED, "revoking": REVOKED, "revoked": REVOKED}
"""How the states of the API are told apart here; every other one is alive."""


@dataclass(frozen=True)
class KnownKey:
    parent: str | None = None
    suspended: bool = False
    revoked: bool = False


@dataclass(frozen=True)
class Asked:
    """A request on its way. ``verb``: issue, share (of ``key``), suspend, resume, revoke (``key``)."""

    verb: str
    key: str = ""


@dataclass
class Ledger:
    vehicle: str
    keys: dict[str, KnownKey] = field(default_factory=dict)
    asked: Asked | None = None
    acknowledged: int = 0

    def answered(self, new_key: str = "") -> None:
        """The request on its way has been acknowledged."""
        assert self.asked is not None
        self.keys = self._after(self.asked, new_key)
        self.asked = None
        self.acknowledged += 1

    def refused(self) -> None:
        """It has been refused: it must not have happened."""
        self.asked = None

    def settle(self, found: Mapping[str, tuple[str, str | None]]) -> list[str]:
        """What is wrong with what a gateway shows: ``{key id: (state, parent id)}``. Learns what became of the request
        on its way."""
        strangers = found.keys() - self.keys.keys()
        stories = [self.keys]
        if self.asked is not None:
            grows = self.asked.verb in ("issue", "share")
            if not grows:
                stories.append(self._after(self.asked, ""))
            elif len(strangers) == 1:
                stories = [self._after(self.asked, next(iter(strangers)))]
        self.asked = None
        faults: list[str] = []
        for story in stories:
            faults = _differences(story, found)
            if not faults:
                self.keys = story
                return []
        return [f"{self.vehicle}: {fault}" for fault in faults]

    def _after(self, asked: Asked, new_key: str) -> dict[str, KnownKey]:
        keys = dict(self.keys)
        if asked.verb == "issue":
            keys[new_key] = KnownKey()
        elif asked.verb == "share":
            keys[new_key] = KnownKey(parent=asked.key)
        elif asked.verb == "revoke":
            for name, key in self.keys.items():
                if asked.key in (name, key.parent):
                    keys[name] = replace(key, revoked=True)
        else:
            keys[asked.key] = replace(keys[asked.key], suspended=asked.verb == "suspend")
        return keys


def shown(keys: Mapping[str, KnownKey], name: str) -> str:
    key = keys[name]
    line = [key] if key.parent is None else [key, keys[key.parent]]
    if any(each.revoked for each in line):
        return REVOKED
    return SUSPENDED if any(each.suspended for each in line) else ALIVE


def _differences(keys: Mapping[str, KnownKey], found: Mapping[str, tuple[str, str | None]]) -> list[str]:
    faults = [f"key {name} is lost" for name in keys.keys() - found.keys()]
    faults += [f"key {name} was never asked for" for name in found.keys() - keys.keys()]
    for name in keys.keys() & found.keys():
        state, parent = found[name]
        wanted = shown(keys, name)
        if SHOWN.get(state, ALIVE) != wanted or parent != keys[name].parent:
            faults.append(f"key {name} is {state} of {parent}, promised {wanted} of {keys[name].parent}")
    return faults
