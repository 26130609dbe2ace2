"""What every ``WebhookStore`` must do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from keygw.bridge.people_ports import Note
from keygw.bridge.webhook_ports import (
    MOST_ATTEMPTS,
    Attempt,
    Delivery,
    DeliveryKind,
    DeliveryState,
    DisabledReason,
    Failure,
    Hold,
    Progress,
    Webhook,
)
from keygw.credentials.audit_ports import AuditFilter
from keygw.credentials.once import Once, Replayed
from keygw.credentials.outbox_ports import OutboxEvent, Told
from keygw.model.audit import AuditEntry
from keygw.model.errors import StoreError
from keygw.store.group import Transaction
from keygw.store.outbox_store import OutboxOf
from keygw.store.store import Store, open_store

if TYPE_CHECKING:
    from tests.contracts.conftest import OpenStore

SECRET, FORMER = bytes(range(32)), bytes(range(32, 64))
WEBHOOK = Webhook("whk_1", "app_a", "default", "https://example.com/a?b", SECRET, 1000, 1000, "Größe", ("keygw.key.*",))
EVENT = OutboxEvent("webhook.disabled", None, {"webhook_id": "whk_1"}, 1000)
KEEP = 3


def quiet(_: Told) -> None:
    """Nobody listens."""


def noted(action: str = "webhook.created") -> Note:
    return Note(AuditEntry(1000, "app:app_a", action, "default", data={"webhook_id": "whk_1"}))


def sent(name: str, state: DeliveryState = DeliveryState.DELIVERED, **more: Any) -> Delivery:
    attempt = Attempt(1000.5, 0.25, 200, None)
    made = Delivery(f"dlv_{name}", "whk_1", DeliveryKind.EVENT, f"{name}.1000", "keygw.key.used", 1000.5, **more)
    return made.tried(attempt, state)


@pytest.fixture
async def store(opened: OpenStore, tmp_path: Path) -> AsyncIterator[Store]:
    async with await opened(tmp_path) as store:
        await store.bridge.join("gwy_1")
        yield store


async def tell(store: Store, count: int = 1) -> None:
    async def work(tx: Transaction) -> None:
        for _ in range(count):
            OutboxOf(tx).tell(OutboxEvent("key.used", None, {}, 1000), quiet)

    await store.database.write(work)


async def added(store: Store, **changes: Any) -> Webhook:
    made = await store.bridge.add_webhook(replace(WEBHOOK, **changes), 9, noted())
    assert made is not None
    return made


async def actions(store: Store) -> list[str]:
    return [each.entry.action for each in await store.credentials.audit_entries(0, 99, AuditFilter())]


async def test_it_is_kept_as_it_was_given_and_begins_with_what_comes(store: Store) -> None:
    assert (await added(store)).position == 0
    await tell(store, 3)
    made = await added(store, id="whk_2", created_at=1001, former=FORMER, former_until=2000, tenant_id=None)
    assert made == replace(
        WEBHOOK, id="whk_2", created_at=1001, former=FORMER, former_until=2000, tenant_id=None, position=3
    )
    assert await store.bridge.webhook("whk_2") == made
    assert await store.bridge.webhook("whk_3") is None
    await added(store, id="whk_3", app_id="app_b", created_at=1002)
    assert [each.id for each in await store.bridge.webhooks()] == ["whk_1", "whk_2", "whk_3"]
    assert [each.id for each in await store.bridge.webhooks(app_id="app_a")] == ["whk_1", "whk_2"]
    assert [each.id for each in await store.bridge.webhooks(tenant_id="default")] == ["whk_1", "whk_3"]
    assert await actions(store) == ["webhook.created"] * 3


async def test_an_app_has_so_many(store: Store) -> None:
    await added(store)
    assert await store.bridge.add_webhook(replace(WEBHOOK, id="whk_2"), 1, noted()) is None
    assert await store.bridge.add_webhook(replace(WEBHOOK, id="whk_3", app_id="app_b"), 1, noted()) is not None
    assert await actions(store) == ["webhook.created"] * 2


async def test_one_request_makes_one(store: Store) -> None:
    once = Once("app_a", "key", b"\x01" * 32, 201, lambda: None)
    await store.bridge.add_webhook(WEBHOOK, 9, noted(), once)
    with pytest.raises(Replayed) as again:
        await store.bridge.add_webhook(replace(WEBHOOK, id="whk_2"), 9, noted(), once)
    assert again.value.resource == "whk_1"
    assert [each.id for each in await store.bridge.webhooks()] == ["whk_1"]


async def test_no_secret_lies_there_in_clear_and_none_opens_as_anothers(store: Store) -> None:
    await added(store, former=FORMER, former_until=2000)
    await added(store, id="whk_2")
    rows = await store.database.fetch("SELECT secret, former FROM webhooks WHERE id = 'whk_1'")
    for sealed, clear in zip(rows[0], (SECRET, FORMER), strict=True):
        assert clear not in bytes(sealed)
        assert clear[:8] not in bytes(sealed)
    sealed = bytes(rows[0][0])

    async def swap(tx: Transaction) -> None:
        await tx.fetch("UPDATE webhooks SET secret = ? WHERE id = 'whk_2'", (sealed,))

    await store.database.write(swap)
    with pytest.raises(StoreError) as caught:
        await store.bridge.webhook("whk_2")
    assert caught.value.code == "vault_damaged"


async def test_a_vault_key_that_is_lost_is_not_made_anew(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await added(store)
    (tmp_path / "vault.key").unlink()
    with pytest.raises(StoreError) as caught:
        await open_store(tmp_path)
    assert caught.value.code == "key_file_missing"


async def test_changes_come_one_after_the_other(store: Store) -> None:
    was = await added(store)
    await tell(store, 2)

    def change(found: Webhook) -> Webhook:
        return replace(found, url="https://example.org/", secret=FORMER, former=SECRET, former_until=2000, events=())

    made = await store.bridge.change_webhook("whk_1", change, noted("webhook.changed"))
    assert made == replace(change(was), revision=2)
    assert await store.bridge.webhook("whk_1") == made
    made = await store.bridge.change_webhook("whk_1", lambda each: each, noted("webhook.changed"), skip_missed=True)
    assert made is not None
    assert (made.revision, made.position) == (3, 2)
    assert await store.bridge.change_webhook("whk_9", change, noted("webhook.changed")) is None
    assert await actions(store) == ["webhook.created", "webhook.changed", "webhook.changed"]


async def test_what_is_removed_takes_its_log_along(store: Store) -> None:
    await added(store)
    assert await store.bridge.add_delivery(sent("1"), KEEP)
    assert await store.bridge.remove_webhook("whk_1", noted("webhook.deleted"))
    assert not await store.bridge.remove_webhook("whk_1", noted("webhook.deleted"))
    assert not await store.bridge.add_delivery(sent("2"), KEEP)
    assert await store.database.fetch("SELECT * FROM webhook_deliveries") == []
    assert await actions(store) == ["webhook.created", "webhook.deleted"]


async def test_it_ends_with_its_app(store: Store) -> None:
    await added(store)
    await added(store, id="whk_2", app_id="app_b")
    await store.bridge.revoke_app("app_a")
    assert [each.id for each in await store.bridge.webhooks()] == ["whk_2"]


async def test_one_gateway_delivers_and_the_next_takes_over(store: Store) -> None:
    bridge = store.bridge
    await added(store)
    await added(store, id="whk_2", reason=DisabledReason.GONE)
    assert await bridge.hold_webhooks("gwy_1") == [Hold("whk_1", "gwy_1", 1)]
    await bridge.join("gwy_2")
    assert await bridge.hold_webhooks("gwy_2") == []
    await bridge.bury("gwy_1", 0, "gwy_2")
    assert await bridge.hold_webhooks("gwy_1") == [], "it is dead"
    assert await bridge.hold_webhooks("gwy_2") == [Hold("whk_1", "gwy_2", 2)]
    assert await bridge.hold_webhooks("gwy_2") == [Hold("whk_1", "gwy_2", 2)]
    await bridge.let_webhooks_go("gwy_2")
    await bridge.join("gwy_3")
    assert await bridge.hold_webhooks("gwy_3") == [Hold("whk_1", "gwy_3", 3)]


async def test_who_lost_it_writes_nothing(store: Store) -> None:
    bridge = store.bridge
    await added(store)
    [first] = await bridge.hold_webhooks("gwy_1")
    await bridge.join("gwy_2")
    await bridge.let_webhooks_go("gwy_1")
    [second] = await bridge.hold_webhooks("gwy_2")
    assert not await bridge.progress(first, 1, Progress(7), sent("1"), KEEP, quiet)
    await bridge.pass_over({first: 9})
    assert await bridge.deliveries("whk_1", 9) == []
    await bridge.pass_over({second: 5})
    await bridge.pass_over({second: 4})
    found = await bridge.webhook("whk_1")
    assert found is not None
    assert found.position == 5, "never back"


async def test_progress(store: Store) -> None:
    bridge, told = store.bridge, list[Told]()
    await added(store)
    [hold] = await bridge.hold_webhooks("gwy_1")
    pending = sent("1", DeliveryState.PENDING, body="{}")
    failed = Progress(0, 1, 1000.5, 1005.25)
    assert await bridge.progress(hold, 1, failed, pending, KEEP, told.append)
    assert await bridge.webhook("whk_1") == replace(WEBHOOK, failures=1, failing_since=1000.5, next_at=1005.25)
    found = await bridge.pending_delivery("whk_1")
    assert found is not None
    assert found == replace(pending, number=found.number)
    over = found.tried(Attempt(1005.25, 15.0, None, Failure.TIMED_OUT), DeliveryState.DELIVERED)
    assert await bridge.progress(hold, 1, Progress(4), over, KEEP, told.append)
    assert await bridge.webhook("whk_1") == replace(WEBHOOK, position=4)
    assert await bridge.pending_delivery("whk_1") is None
    assert await bridge.delivery("whk_1", "dlv_1") == over
    assert await bridge.delivery("whk_2", "dlv_1") is None
    ended = Progress(
        4, 2, 1000.5, None, DisabledReason.GAVE_UP, noted("webhook.disabled"), replace(EVENT, type="webhook.disabled")
    )
    assert await bridge.progress(hold, 1, ended, sent("2", DeliveryState.FAILED), KEEP, told.append)
    found_webhook = await bridge.webhook("whk_1")
    assert found_webhook is not None
    assert (found_webhook.reason, found_webhook.failures) == (DisabledReason.GAVE_UP, 2)
    assert [each.event for each in told] == [EVENT]
    assert (await actions(store))[-1] == "webhook.disabled"
    assert await bridge.hold_webhooks("gwy_1") == []


async def test_what_was_changed_meanwhile_is_not_blamed_for_what_was_before(store: Store) -> None:
    bridge, told = store.bridge, list[Told]()
    await added(store)
    [hold] = await bridge.hold_webhooks("gwy_1")
    await bridge.change_webhook("whk_1", lambda each: replace(each, url="https://b.example/"), noted("webhook.changed"))
    ended = Progress(2, 9, 1000.0, 5000.0, DisabledReason.GONE, noted("webhook.disabled"), EVENT)
    assert await bridge.progress(hold, 1, ended, sent("1"), KEEP, told.append)
    found = await bridge.webhook("whk_1")
    assert found == replace(WEBHOOK, url="https://b.example/", revision=2, position=2)
    assert told == []
    assert await actions(store) == ["webhook.created", "webhook.changed"]
    assert len(await bridge.deliveries("whk_1", 9)) == 1


async def test_skipping_ends_what_waits(store: Store) -> None:
    bridge = store.bridge
    await added(store)
    [hold] = await bridge.hold_webhooks("gwy_1")
    await bridge.progress(hold, 1, Progress(0, 1, 1000.0, 1005.0), sent("1", DeliveryState.PENDING), KEEP, quiet)
    await bridge.change_webhook("whk_1", Webhook.tried_anew, noted("webhook.changed"), skip_missed=True)
    [found] = await bridge.deliveries("whk_1", 9)
    assert (found.state, found.next_at) == (DeliveryState.SKIPPED, None)


async def test_the_log_is_read_in_pages_and_bounded(store: Store) -> None:
    bridge = store.bridge
    await added(store)
    await added(store, id="whk_2")
    for name in ("1", "2", "3"):
        await bridge.add_delivery(sent(name), KEEP)
        await bridge.add_delivery(replace(sent(f"x{name}"), webhook_id="whk_2"), KEEP)
    await bridge.add_delivery(sent("4"), KEEP)
    first = await bridge.deliveries("whk_1", 2)
    assert [each.id for each in first] == ["dlv_4", "dlv_3"]
    rest = await bridge.deliveries("whk_1", 2, before=first[-1].number)
    assert [each.id for each in rest] == ["dlv_2"], "the oldest has gone"
    assert len(await bridge.deliveries("whk_2", 9)) == 3


def test_a_delivery_keeps_its_newest_attempts() -> None:
    made = Delivery("dlv_1", "whk_1", DeliveryKind.EVENT, "1.1", "keygw.key.used", 0.0)
    for at in range(MOST_ATTEMPTS + 5):
        made = made.tried(Attempt(float(at), 0.0, 500, Failure.STATUS), DeliveryState.PENDING)
    assert (made.tries, len(made.attempts), made.attempts[0].at) == (MOST_ATTEMPTS + 5, MOST_ATTEMPTS, 5.0)
