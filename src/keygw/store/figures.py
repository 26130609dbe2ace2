"""Counts for whoever watches the gateway. They may be large, so they are taken in small pages, with room in between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable

from keygw.store.group import Fetch

PAGE = 2000
"""Rows at a time: about 2 ms of the reader, whose other callers wait no longer for it."""


class Figures:
    """``fetch``: of committed state. ``pause``: awaited between two pages."""

    def __init__(self, fetch: Fetch, pause: Callable[[], Awaitable[None]], page: int = PAGE) -> None:
        self._fetch = fetch
        self._pause = pause
        self._page = page

    async def keys_by_state(self) -> dict[str, int]:
        """Every digital key, by its state. Not of one moment: a key that changes meanwhile counts where it was read."""
        found: Counter[str] = Counter()
        last = ""
        while True:
            rows = await self._fetch(
                "SELECT state, count(*), max(id) FROM "
                "(SELECT id, state FROM digital_keys WHERE id > ? ORDER BY id LIMIT ?) AS page GROUP BY state",
                (last, self._page),
            )
            for state, number, _ in rows:
                found[state] += number
            if sum(row[1] for row in rows) < self._page:
                return dict(found)
            last = max(row[2] for row in rows)
            await self._pause()

    async def webhooks_by_state(self) -> dict[str, int]:
        """Enabled, failing (enabled, and the last attempt brought nothing), disabled. There are few, so in one go."""
        rows = await self._fetch(
            "SELECT CASE WHEN reason IS NOT NULL THEN 'disabled' WHEN failures > 0 THEN 'failing' ELSE 'enabled' END "
            "AS state, count(*) FROM webhooks GROUP BY 1"
        )
        return {"enabled": 0, "failing": 0, "disabled": 0} | {row[0]: row[1] for row in rows}

    async def lists_waiting(self, before: int) -> tuple[int, int]:
        """Vehicles that have not acknowledged their newest list; and those whose list was signed before that time."""
        waiting = overdue = 0
        last = ""
        while True:
            rows = await self._fetch(
                "SELECT count(*), max(page.id), "
                "sum(CASE WHEN page.list_sequence > page.acknowledged_sequence THEN 1 ELSE 0 END), "
                "sum(CASE WHEN page.list_sequence > page.acknowledged_sequence AND r.issued_at < ? THEN 1 ELSE 0 END) "
                "FROM (SELECT id, list_sequence, acknowledged_sequence FROM vehicles WHERE id > ? ORDER BY id LIMIT ?) "
                "AS page LEFT JOIN revocation_lists r ON r.vehicle_id = page.id AND r.sequence = page.list_sequence",
                (before, last, self._page),
            )
            number, last, more, late = rows[0]
            waiting += more or 0
            overdue += late or 0
            if number < self._page:
                return waiting, overdue
            await self._pause()
