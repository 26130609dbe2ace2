"""Challenges that are good once, for one purpose, for five minutes. Nothing is kept for one until it is used.

A challenge is its end, randomness, and a MAC over both and what it is for. So nobody fills a table by asking, and only
those that were answered well have to be remembered, until their end (``OauthStore.see_proof``).
"""

from __future__ import annotations

import struct

from keygw.bridge.oauth.records import OauthStore
from keygw.bridge.ports import Clock
from keygw.crypto.kdf import constant_time_equal, hmac256, sha256
from keygw.model.errors import Conflict
from keygw.model.ids import Random

SECONDS = 300
_HEAD = struct.Struct(">Q16s")
_MAC_BYTES = 16


class Challenges:
    """``key``: 32 bytes, the same for all gateways on one database."""

    def __init__(self, store: OauthStore, key: bytes, clock: Clock, random: Random) -> None:
        self._store = store
        self._key = key
        self._clock = clock
        self._random = random

    def make(self, purpose: str) -> bytes:
        """40 bytes."""
        head = _HEAD.pack(int(self._clock()) + SECONDS, self._random(16))
        return head + self._mac(head, purpose)

    def check(self, challenge: bytes, purpose: str) -> None:
        """One of ours, for that purpose, and not over; ``Conflict`` challenge_unknown. Before the answer is judged."""
        head, mac = challenge[: _HEAD.size], challenge[_HEAD.size :]
        if len(head) != _HEAD.size or not constant_time_equal(mac, self._mac(head, purpose)):
            raise Conflict("this answers no challenge of ours for this: ask for another", code="challenge_unknown")
        if self._clock() >= _HEAD.unpack(head)[0]:
            raise Conflict("the challenge is over: ask for another", code="challenge_unknown")

    async def use(self, challenge: bytes) -> None:
        """It was answered well, and counts no more; ``Conflict`` challenge_unknown if it was before."""
        until = _HEAD.unpack(challenge[: _HEAD.size])[0]
        if not await self._store.see_proof(sha256(challenge)[:16], until, int(self._clock())):
            raise Conflict("the challenge was answered before: ask for another", code="challenge_unknown")

    def _mac(self, head: bytes, purpose: str) -> bytes:
        return hmac256(self._key, b"keygw challenge 1\x00" + head + purpose.encode())[:_MAC_BYTES]
