"""Which DPoP proofs count: those with a nonce of ours, once each (RFC 9449, sections 8, 9 and 11.1).

A nonce is the number of a time slot and its MAC, the same for everybody: it says when a proof was made by our own
clock, and nothing has to be kept for it. What has to be remembered is which proofs were seen while their nonce counts.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from keygw.bridge.oauth.errors import ProofRefused
from keygw.bridge.oauth.records import OauthStore
from keygw.crypto.kdf import constant_time_equal, hmac256, sha256
from keygw.model.base64url import decode_base64url, encode_base64url
from keygw.model.errors import Conflict, TokenError
from keygw.token.dpop import Proof, open_proof

SLOT_SECONDS = 300
"""A nonce counts in its own slot and the next."""
MOST_SEEN = 200_000
"""Proofs of one slot. Whoever sends more is asked to wait, for a proof that is not remembered could be sent again."""
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_PURPOSE = b"keygw dpop nonce 1"
_SLOT = struct.Struct(">I")


class Proofs:
    """``key``: 32 bytes, the same for all gateways on one database.

    ``sole``: no other gateway is on this database, so that what this process remembers is all there is. ``key`` is then
    fresh at each start, and what was signed before it counts no more. Otherwise proofs that change something are
    remembered in the database.
    """

    def __init__(self, store: OauthStore, key: bytes, clock: Callable[[], float], *, sole: bool) -> None:
        self._store = store
        self._key = key
        self._clock = clock
        self._sole = sole
        self._slot = 0
        self._seen: set[bytes] = set()
        self._seen_before: set[bytes] = set()

    @property
    def nonce(self) -> str:
        """The one to use now."""
        return self._nonce(int(self._clock()) // SLOT_SECONDS)

    async def check(self, text: str | None, method: str, url: str, access_token: str | None = None) -> Proof:
        """A proof for this request that was not seen before. ``ProofRefused`` otherwise; ``Conflict`` busy."""
        if text is None:
            raise ProofRefused("send a DPoP header: a proof made for this request (RFC 9449)", nonce=self.nonce)
        now = self._clock()
        try:
            proof = open_proof(text, method, url, now=now, access_token=access_token)
        except TokenError as error:
            raise ProofRefused(str(error), nonce=self.nonce) from error
        if proof.nonce is None or not self._ours(proof.nonce, int(now) // SLOT_SECONDS):
            raise ProofRefused(
                "make the proof again, with the nonce of this answer", nonce=self.nonce, code="use_dpop_nonce"
            )
        if not await self._first(proof, int(now), lasting=method not in SAFE):
            raise ProofRefused("this proof was used before: make one for each request", nonce=self.nonce)
        return proof

    def renewed(self, proof: Proof) -> str | None:
        """The nonce to tell with the answer, if the one that was used grows old (section 8.2)."""
        return None if proof.nonce == self.nonce else self.nonce

    def _ours(self, nonce: str, slot: int) -> bool:
        try:
            said = decode_base64url(nonce)
        except ValueError:
            return False
        return any(constant_time_equal(said, decode_base64url(self._nonce(each))) for each in (slot, slot - 1))

    def _nonce(self, slot: int) -> str:
        number = _SLOT.pack(slot)
        return encode_base64url(number + hmac256(self._key, _PURPOSE + number)[:16])

    async def _first(self, proof: Proof, now: int, *, lasting: bool) -> bool:
        """No step between looking and remembering: two that come at once are told apart."""
        digest = sha256(f"{proof.thumbprint} {proof.jti}".encode())[:16]
        slot = now // SLOT_SECONDS
        if slot != self._slot:
            self._seen_before = self._seen if slot == self._slot + 1 else set()
            self._seen, self._slot = set(), slot
        if digest in self._seen or digest in self._seen_before:
            return False
        if len(self._seen) >= MOST_SEEN:
            raise Conflict("too many requests in these minutes: wait for the next", code="busy", retryable=True)
        self._seen.add(digest)
        if self._sole or not lasting:
            return True
        return await self._store.see_proof(digest, now + 2 * SLOT_SECONDS, now)
