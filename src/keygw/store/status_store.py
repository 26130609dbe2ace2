"""Status lists: the parts of the credential service's port that are about them.

A page is never stored whole. Each key has a row with its status and the version of the page in which that last
changed, so the rows are the page and the log of its changes in one: who holds a page of some version asks for the later
ones, and whoever starts asks for all that ever changed, which are few. A key that was only issued costs nothing here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from keygw.credentials.status_ports import StatusPage, StatusPlace
from keygw.store.group import Fetch, Row, Transaction

_NEWEST = "status.newest_pages"
"""What the works of one group share (``Transaction.memo``)."""
_PAGE = "SELECT number, base, version, taken FROM status_pages"


async def _count_taken(fetch: Fetch, numbers: Sequence[int]) -> None:
    """``store.group.Ledger``: the number of the page, for each place that was given in it."""
    for number, count in Counter(numbers).items():
        await fetch("UPDATE status_pages SET taken = taken + ? WHERE number = ?", (count, number))


class SqlStatusReads:
    """``StatusReads`` over whatever answers a statement."""

    _fetch: Fetch

    async def status_pages(self) -> list[StatusPage]:
        return [_page(row) for row in await self._fetch(f"{_PAGE} ORDER BY number")]

    async def status_page(self, number: int) -> StatusPage | None:
        rows = await self._fetch(f"{_PAGE} WHERE number = ?", (number,))
        return _page(rows[0]) if rows else None

    async def status_changes(self, number: int, after: int) -> list[tuple[int, int, int]]:
        # `version > 0` is that of the partial index: no database infers it from the other condition.
        rows = await self._fetch(
            "SELECT place, status, version FROM status_places WHERE page = ? AND version > 0 AND version > ? "
            "ORDER BY version, place",
            (number, after),
        )
        return [(row[0], row[1], row[2]) for row in rows]

    async def status_place(self, key_id: str) -> tuple[StatusPage, StatusPlace] | None:
        rows = await self._fetch(
            "SELECT g.number, g.base, g.version, g.taken, p.place, p.status FROM status_places p "
            "JOIN status_pages g ON g.number = p.page WHERE p.key_id = ?",
            (key_id,),
        )
        return (_page(rows[0]), StatusPlace(rows[0][0], rows[0][4], rows[0][5])) if rows else None

    async def status_places(self, vehicle_id: str, at: int) -> dict[str, StatusPlace]:
        rows = await self._fetch(
            "SELECT k.id, p.page, p.place, p.status FROM digital_keys k JOIN status_places p ON p.key_id = k.id "
            "WHERE k.vehicle_id = ? AND k.expires_at > ?",
            (vehicle_id, at),
        )
        return {row[0]: StatusPlace(row[1], row[2], row[3]) for row in rows}


class SqlStatusWrites(SqlStatusReads):
    """``StatusWrites`` in an open transaction."""

    _transaction: Transaction

    async def take_status_page(self, base: str, most: int) -> StatusPage:
        # Asked once a group, and counted once at its end.
        pages: dict[str, StatusPage] = self._transaction.memo.setdefault(_NEWEST, {})
        page = pages.get(base)
        if page is None:
            rows = await self._fetch(f"{_PAGE} WHERE base = ? ORDER BY number DESC LIMIT 1", (base,))
            page = _page(rows[0]) if rows else None
        if page is None or page.taken >= most:
            rows = await self._fetch(
                "INSERT INTO status_pages (number, base, version, taken) "
                "SELECT coalesce(max(number), 0) + 1, ?, 0, 0 FROM status_pages WHERE true "
                "RETURNING number, base, version, taken",
                (base,),
            )
            page = _page(rows[0])
        self._transaction.append(_count_taken, page.number)
        taken = pages[base] = StatusPage(page.number, base, page.version, page.taken + 1)
        return taken

    async def take_status_place(self, page: int, index: int, key_id: str) -> bool:
        return bool(
            await self._fetch(
                "INSERT INTO status_places (page, place, key_id, status, version) VALUES (?, ?, ?, 0, 0) "
                "ON CONFLICT (page, place) DO NOTHING RETURNING place",
                (page, index, key_id),
            )
        )

    async def set_statuses(self, changes: Mapping[str, int]) -> None:
        versions: dict[int, int] = {}
        for key_id, status in changes.items():
            found = await self.status_place(key_id)
            if found is None or found[1].status == status:
                continue
            number = found[0].number
            if number not in versions:
                rows = await self._fetch(
                    "UPDATE status_pages SET version = version + 1 WHERE number = ? RETURNING version", (number,)
                )
                versions[number] = rows[0][0]
            await self._fetch(
                "UPDATE status_places SET status = ?, version = ? WHERE key_id = ?", (status, versions[number], key_id)
            )


def _page(row: Row) -> StatusPage:
    return StatusPage(row[0], row[1], row[2], row[3])
