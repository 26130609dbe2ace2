"""The signed status lists, as anybody may fetch them.

What stands in a page is in the database, with a version for each page; every gateway process derives its copy from
there. A copy is the packed bytes in memory: a change costs the row that says so and two bits here, never a look at the
other keys. The signed form is made when somebody asks and kept until the page changes or the form grows old.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from keygw.credentials.status_places import PAGE_SIZE
from keygw.credentials.status_ports import StatusPage, StatusReads
from keygw.credentials.values import Issuer, IssuerKeys
from keygw.crypto.kdf import sha256
from keygw.model.errors import NotFound
from keygw.token.status_list import StatusArray, sign_status_list

TTL = 300
"""Seconds that a reader may keep a list. Whoever wants to know sooner asks sooner, with the ETag."""
LIFETIME = 3600
"""Seconds until a list expires: so long can somebody who keeps the new ones away show an old one."""
RENEW_AFTER = 900
"""Seconds after which a list is signed anew although nothing has changed."""
PAUSE = 1.0
"""Seconds that a signed list stands, however many ask and whatever has changed: bounds what strangers make us do."""


@dataclass(frozen=True, slots=True)
class PublishedList:
    """``etag``: of these very bytes (two processes sign differently), without its quotes."""

    text: str = field(repr=False)
    etag: str
    version: int
    issued_at: float


class _Copy:
    """A page in memory: the bytes of some version, and what was signed last."""

    __slots__ = ("asked_at", "kid", "lock", "published", "statuses", "version")

    def __init__(self, size: int) -> None:
        self.statuses = StatusArray(size)
        self.version = 0
        self.published: PublishedList | None = None
        self.asked_at = 0.0
        self.kid = b""
        self.lock = asyncio.Lock()


class StatusLists:
    """``clock``: Unix seconds."""

    def __init__(
        self, store: StatusReads, issuer: IssuerKeys, clock: Callable[[], float], page_size: int = PAGE_SIZE
    ) -> None:
        self._store = store
        self._issuer = issuer
        self._clock = clock
        self._page_size = page_size
        self._copies: dict[int, _Copy] = {}

    async def uris(self) -> list[str]:
        """Of every list, the oldest first."""
        return [page.uri for page in await self._store.status_pages()]

    async def published(self, number: int) -> PublishedList:
        """The list of that page, no more than ``PAUSE`` behind what is committed. ``NotFound`` unknown_status_list."""
        copy = self._copies.get(number)
        if copy is None:
            await self._page(number)  # so that nothing is kept for numbers that strangers make up
            copy = self._copies.setdefault(number, _Copy(self._page_size))
        async with copy.lock:
            now = self._clock()
            if copy.published is None or not 0 <= now - copy.asked_at < PAUSE:
                page = await self._page(number)
                copy.published = await self._refreshed(copy, page, now)
                copy.asked_at = now
            return copy.published

    async def _page(self, number: int) -> StatusPage:
        page = await self._store.status_page(number)
        if page is None:
            raise NotFound("there is no such status list", code="unknown_status_list")
        return page

    async def _refreshed(self, copy: _Copy, page: StatusPage, now: float) -> PublishedList:
        if page.version > copy.version:
            for index, status, version in await self._store.status_changes(page.number, copy.version):
                copy.statuses[index] = status
                # A commit between the two questions brings all of a later version at once, or nothing of it.
                copy.version = version
        known, issuer = copy.published, self._issuer.current
        fresh = known is not None and copy.kid == issuer.kid and 0 <= now - known.issued_at < RENEW_AFTER
        if known is not None and fresh and known.version == copy.version:
            return known
        text = await asyncio.to_thread(self._signed, copy.statuses, page, issuer, int(now))
        copy.kid = issuer.kid
        return PublishedList(text, sha256(text.encode("ascii"))[:16].hex(), copy.version, now)

    def _signed(self, statuses: StatusArray, page: StatusPage, issuer: Issuer, now: int) -> str:
        """Milliseconds of compressing, and a signer that may be a network away: not for the event loop."""
        return sign_status_list(
            statuses,
            page.uri,
            issuer.signer,
            issuer.kid,
            issued_at=now,
            expires_at=now + LIFETIME,
            ttl=TTL,
            aggregation_uri=page.base,
        )
