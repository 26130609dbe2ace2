"""What is counted in a database, on each of them: keys, lists, and the groups that were committed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from keygw.bridge.people_ports import Note
from keygw.bridge.webhook_ports import DisabledReason, Webhook
from keygw.model.audit import AuditEntry
from keygw.store.figures import Figures
from keygw.store.group import Transaction
from keygw.store.store import Store

OpenStore = Callable[[Path], Awaitable[Store]]


async def test_an_empty_database_has_none(opened: OpenStore, tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        figures = Figures(store.database.fetch, _never)
        assert await figures.keys_by_state() == {}
        assert await figures.lists_waiting(0) == (0, 0)
        assert await figures.webhooks_by_state() == {"enabled": 0, "failing": 0, "disabled": 0}


async def test_webhooks_are_counted_by_how_they_stand(opened: OpenStore, tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        for number, reason, failures in ((1, None, 0), (2, None, 3), (3, None, 1), (4, DisabledReason.GONE, 1)):
            webhook = Webhook(
                f"whk_{number}", "app_a", "default", "https://example.com/", bytes(32), 1, 1,
                reason=reason, failures=failures,
            )  # fmt: skip
            await store.bridge.add_webhook(webhook, 9, Note(AuditEntry(1, "system", "webhook.created")))
        figures = Figures(store.database.fetch, _never)
        assert await figures.webhooks_by_state() == {"enabled": 1, "failing": 2, "disabled": 1}


async def test_vehicles_are_counted_page_by_page(opened: OpenStore, tmp_path: Path) -> None:
    pages = [0]

    async def pause() -> None:
        pages[0] += 1

    async def work(tx: Transaction) -> None:
        for number in range(7):
            await tx.fetch(
                "INSERT INTO vehicles (id, name, public_key, advertising_key, epoch, list_sequence, "
                "acknowledged_sequence) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (f"veh_{number}", "", bytes([number]) * 33, bytes(16), 0, 1 if number < 5 else 0, int(number == 0)),
            )
            if number < 5:
                await tx.fetch(
                    "INSERT INTO revocation_lists (vehicle_id, sequence, issued_at, signed) VALUES (?, 1, ?, ?)",
                    (f"veh_{number}", 100 * number, b""),
                )

    async with await opened(tmp_path) as store:
        groups: list[int] = []
        store.database.watch(lambda works, seconds: groups.append(works))
        await store.database.write(work)
        assert groups == [1]
        assert await Figures(store.database.fetch, pause, 2).lists_waiting(250) == (4, 2)
        assert pages == [3]


async def _never() -> None:
    raise AssertionError("there is no second page")
