"""The car's fast keys: in RAM alone, so that a reboot ends them all; counted, and dead with the key they belong to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from keygw.session.fast import MAX_SECONDS, MAX_USES, FastKey
from keygw.token.claims import KeyClaims

MAX_KEYS = 64
KEPT_EACH = 2
"""The old one stays until the new one has been used: the device may never have seen the RESULT that made it."""


@dataclass(slots=True)
class _Entry:
    key: FastKey
    claims: KeyClaims
    dies_at: float
    uses: int = 0


class FastKeyring:
    """``now``: the car's monotonic seconds, so that no clock set back revives a key."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._entries: list[_Entry] = []

    def alive(self, awake: Callable[[KeyClaims], bool]) -> list[FastKey]:
        """Those that may still be used, at most 64. Those whose claims are not ``awake`` are kept and left out."""
        now = self._now()
        self._entries = [entry for entry in self._entries if now < entry.dies_at and entry.uses < MAX_USES]
        return [entry.key for entry in self._entries if awake(entry.claims)]

    def add(self, key: FastKey, claims: KeyClaims, at: int) -> None:
        """Keep what a full handshake left, for 7 days or the token's rest (``at``: vehicle time).

        The oldest of this digital key, then of all, makes room.
        """
        mine = [entry for entry in self._entries if entry.key.key_id == key.key_id]
        if len(mine) >= KEPT_EACH:
            self._entries.remove(mine[0])
        elif len(self._entries) >= MAX_KEYS:
            self._entries.pop(0)
        self._entries.append(_Entry(key, claims, self._now() + min(MAX_SECONDS, claims.expires_at - at)))

    def use(self, key: FastKey) -> KeyClaims:
        """Count one use, and let the older ones of the same digital key go. Returns the claims it acts under."""
        entry = next(entry for entry in self._entries if entry.key is key)
        entry.uses += 1
        at = self._entries.index(entry)
        self._entries = [other for n, other in enumerate(self._entries) if n >= at or other.key.key_id != key.key_id]
        return entry.claims

    def drop(self, key: FastKey) -> None:
        """End that one."""
        self._entries = [entry for entry in self._entries if entry.key is not key]

    def keep_only(self, good: Callable[[KeyClaims], bool]) -> None:
        """Drop every key whose claims are not good (any more): suspended, revoked, ended."""
        self._entries = [entry for entry in self._entries if good(entry.claims)]
