"""Deliveries over real sockets to a receiver on loopback: in order, signed, once and again."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from keygw.bridge.webhook_deliverer import Deliverer
from keygw.bridge.webhook_hands import MOST as HAND_MOST
from keygw.bridge.webhook_hands import SECONDS as HAND_SECONDS
from keygw.bridge.webhook_lane import Office
from keygw.bridge.webhook_mail import Mail
from keygw.bridge.webhook_ports import Delivery, Post, Webhook
from keygw.bridge.webhook_schedule import FIRST_SECONDS, GIVE_UP_SECONDS, LEAST_TRIES, LONGEST_SECONDS
from keygw.bridge.webhook_tail import Tail
from keygw.bridge.webhooks import Wishes
from keygw.credentials.audit_ports import AuditFilter
from keygw.model.entitlement import PROFILES
from keygw.model.errors import Conflict
from keygw.outbound.resolver import Resolver
from keygw.outbound.sender import Sender
from receiver import Receiver, Taken, answering, receiving

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

    from keygw.model.digital_key import DigitalKey

Auth = Callable[[str], dict[str, str]]


@pytest.fixture
def post() -> Post:
    return Sender(loopback=True)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


async def kept(world: World, webhook_id: str) -> Webhook:
    found = await world.store.bridge.webhook(webhook_id)
    assert found is not None
    return found


async def log(world: World, webhook_id: str) -> list[Delivery]:
    """Oldest first."""
    return list(reversed(await world.store.bridge.deliveries(webhook_id, 1000)))


async def until(true: Callable[[], Any]) -> None:
    """Until that, awaited, holds: the database tells nobody."""
    async with asyncio.timeout(10):
        while not await true():  # noqa: ASYNC110 - as said
            await asyncio.sleep(0.005)


def told(taken: Taken) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(taken.body)
    return data


def kinds(taken: list[Taken]) -> list[str]:
    return [told(each)["type"].removeprefix("keygw.") for each in taken]


def signed_by(taken: Taken, secret: bytes) -> bool:
    """As a receiver finds out, without our code."""
    content = f"{taken.headers['webhook-id']}.{taken.headers['webhook-timestamp']}.".encode() + taken.body
    expected = "v1," + base64.b64encode(hmac.digest(secret, content, hashlib.sha256)).decode()
    return expected in taken.headers["webhook-signature"].split(" ")


async def toggle(world: World, key: DigitalKey, times: int = 1) -> None:
    """Two recorded events each."""
    for _ in range(times):
        await world.credentials.suspend(key.id)
        await world.credentials.resume(key.id)


async def test_what_happens_arrives_in_order_signed_and_as_the_stream_tells_it(
    world: World, receiver: Receiver
) -> None:
    app, _, key = await world.owner()
    made = await world.bridge.webhooks.create(app, receiver.url)
    record, _ = await world.bridge.commands.create(app, world.vehicle.id, action="unlock", idempotency_key="k")
    await world.settled(record)
    friend = await world.give_friend_key(app, key, PROFILES["access"])
    await world.credentials.suspend(friend.id)
    await receiver.until(lambda: kinds(receiver.taken)[-1:] == ["key.suspended"])
    told_there = await world.store.bridge.outbox(made.webhook.position, 1000)
    assert [told(each)["id"] for each in receiver.taken] == [each.event_id for each in told_there]
    assert {"key.met", "key.used", "command.updated", "key.shared", "key.suspended"} == set(kinds(receiver.taken))
    for taken, there in zip(receiver.taken, told_there, strict=True):
        assert signed_by(taken, made.secret)
        assert taken.headers["webhook-id"] == f"msg_{there.event_id.replace('.', '_')}"
        assert taken.headers["webhook-timestamp"] == str(int(world.clock()))
        assert taken.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
        event = told(taken)
        assert event["data"] == there.event.data
        assert event["specversion"] == "1.0"
        assert event["subject"] == world.vehicle.id
    await until(lambda: _at(world, made.webhook.id, told_there[-1].id))
    assert [(each.state, each.tries) for each in await log(world, made.webhook.id)] == [("delivered", 1)] * len(
        told_there
    )


async def _at(world: World, webhook_id: str, position: int) -> bool:
    return (await kept(world, webhook_id)).position == position


async def test_an_app_is_told_what_it_may_see_and_wants(world: World, receiver: Receiver) -> None:
    app, _, key = await world.owner()
    stranger, _ = await world.app()
    without, _ = await world.app("webhook.manage")
    await world.store.bridge.claim_vehicle(world.vehicle.id, without.id)
    async with receiving() as one, receiving() as other, receiving() as third:
        await world.bridge.webhooks.create(stranger, other.url)
        await world.bridge.webhooks.create(without, third.url)
        await world.bridge.webhooks.create(app, one.url, events=["keygw.key.resumed"])
        await world.bridge.webhooks.create(app, receiver.url, events=["keygw.key.*"])
        await toggle(world, key, 3)
        assert kinds(await one.count(3)) == ["key.resumed"] * 3
        assert kinds(await receiver.count(6)) == ["key.suspended", "key.resumed"] * 3
        await asyncio.sleep(0.05)
        assert (other.connections, third.connections) == (0, 0)


async def test_an_operator_is_told_of_its_tenant(world: World, receiver: Receiver) -> None:
    _, _, key = await world.owner()
    operator, _ = await world.bridge.operators.add(world.bridge.apps._bootstrap, "A", "fleet", tenant_id="default")
    other = await world.bridge.tenants.add(world.bridge.apps._bootstrap, "B")
    foreign, _ = await world.bridge.operators.add(world.bridge.apps._bootstrap, "B", "fleet", tenant_id=other.id)
    async with receiving() as elsewhere:
        await world.bridge.webhooks.create(operator.caller, receiver.url)
        await world.bridge.webhooks.create(foreign.caller, elsewhere.url)
        await toggle(world, key)
        assert kinds(await receiver.count(2)) == ["key.suspended", "key.resumed"]
        await asyncio.sleep(0.05)
        assert elsewhere.connections == 0


async def test_a_receiver_that_hangs_keeps_no_other_waiting(world: World, receiver: Receiver) -> None:
    app, _, key = await world.owner()
    async with receiving() as slow:
        slow.hold.clear()
        await world.bridge.webhooks.create(app, slow.url)
        await world.bridge.webhooks.create(app, receiver.url)
        await toggle(world, key, 5)
        assert len(await receiver.count(10)) == 10
        assert len(slow.taken) == 1, "one at a time"
        slow.hold.set()
        assert kinds(await slow.count(10)) == ["key.suspended", "key.resumed"] * 5


async def test_a_new_secret_signs_beside_the_former(world: World, receiver: Receiver) -> None:
    app, _, key = await world.owner()
    first = await world.bridge.webhooks.create(app, receiver.url)
    second = await world.bridge.webhooks.rotate(app, first.webhook.id, 60)
    await toggle(world, key)
    for taken in await receiver.count(2):
        assert len(taken.headers["webhook-signature"].split(" ")) == 2
        assert signed_by(taken, first.secret)
        assert signed_by(taken, second.secret)
    world.clock.now += 61
    await toggle(world, key)
    last = (await receiver.count(4))[3]
    assert signed_by(last, second.secret)
    assert not signed_by(last, first.secret)


async def test_what_is_changed_counts_at_once(world: World, receiver: Receiver) -> None:
    app, _, key = await world.owner()
    async with receiving() as other:
        made = await world.bridge.webhooks.create(app, receiver.url)
        await toggle(world, key)
        await receiver.count(2)
        await world.bridge.webhooks.change(app, made.webhook.id, Wishes(url=other.url, events=["keygw.key.suspended"]))
        await toggle(world, key)
        assert kinds(await other.count(1)) == ["key.suspended"]
        await world.bridge.webhooks.change(app, made.webhook.id, Wishes(enabled=False))
        await toggle(world, key)
        await asyncio.sleep(0.03)
        assert len(other.taken) == 1
        await world.bridge.webhooks.change(app, made.webhook.id, Wishes(enabled=True))
        assert kinds(await other.count(2)) == ["key.suspended"] * 2, "it goes on where it was"
        await world.bridge.webhooks.remove(app, made.webhook.id)
        await toggle(world, key)
        await asyncio.sleep(0.03)
        assert (len(other.taken), len(receiver.taken)) == (2, 2)


async def test_gone_disables_it_at_once_and_says_so(
    world: World, receiver: Receiver, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    app, _, key = await world.owner()
    receiver.always = answering(410)
    made = await world.bridge.webhooks.create(app, f"{receiver.url}/secret-path")
    await toggle(world, key, 2)
    event = await world.heard("keygw.webhook.disabled", webhook_id=made.webhook.id)
    assert (event.audience, event.data["reason"]) == (app.id, "gone")
    found = await kept(world, made.webhook.id)
    assert (found.enabled, found.reason, found.position) == (False, "gone", made.webhook.position)
    assert len(receiver.taken) == 1
    [delivery] = await log(world, made.webhook.id)
    assert (delivery.state, delivery.attempts[0].status) == ("failed", 410)
    trail = await world.store.credentials.audit_entries(0, 999, AuditFilter(action="webhook.disabled"))
    assert [(each.entry.actor, each.entry.data["reason"]) for each in trail] == [("system", "gone")]
    said = caplog.text + capsys.readouterr().out
    assert "webhook_disabled" in said
    assert "secret-path" not in said, "an address may be a secret"
    receiver.always = answering(200)
    await world.bridge.webhooks.change(app, made.webhook.id, Wishes(enabled=True))
    assert kinds(await receiver.count(6)) == ["key.suspended", "key.suspended", "key.resumed", "key.suspended",
                                              "key.resumed", "webhook.disabled"]  # fmt: skip


async def test_it_ends_when_its_app_may_nothing_any_more(world: World, receiver: Receiver) -> None:
    app, _, key = await world.owner()
    made = await world.bridge.webhooks.create(app, receiver.url)
    await toggle(world, key)
    await receiver.count(2)
    assert app.expires_at is not None
    world.clock.now = app.expires_at + 1
    await world.give_key((await world.app())[0])
    event = await world.heard("keygw.webhook.disabled", webhook_id=made.webhook.id)
    assert event.data["reason"] == "app_ended"
    assert len(receiver.taken) == 2


# -- on a virtual clock, with a deliverer of the test's own ----------------------------------------------------------


class Street:
    """Deliverers that share the world's database; pauses of lanes pass at once, and the clock shows them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.pauses: list[float] = []
        self.outcomes: list[str] = []

    async def _pause(self, wake: asyncio.Event, seconds: float | None) -> None:
        if seconds is None:
            await wake.wait()
            return
        self.pauses.append(seconds)
        self.world.clock.now += seconds
        await asyncio.sleep(0)

    @asynccontextmanager
    async def deliverer(
        self, gateway_id: str | None = None, post: Post | None = None, seconds: float = 0.02
    ) -> AsyncIterator[Deliverer]:
        world = self.world
        way = post or Sender(loopback=True, resolver=Resolver(lambda host, port: ["127.0.0.1"]))
        mail = Mail(way, world.clock, lambda outcome, took: self.outcomes.append(outcome))
        office = Office(
            world.store.bridge, world.bridge.apps, world.bridge.access, world.feed, mail, Tail(), world.feed.on_event,
            world.clock, world.random, self._pause,
        )  # fmt: skip
        made = Deliverer(office, lambda: gateway_id or world.bridge.leases.gateway_id, seconds)
        made.start()
        try:
            yield made
        finally:
            await made.stop()
            world.feed.on_recorded.remove(made._hear)


class Alone:
    """Overrides ``post``: the world's own bridge delivers nothing."""

    @pytest.fixture
    def post(self) -> Post | None:
        return None

    @pytest.fixture
    def street(self, world: World) -> Street:
        world.bridge.webhooks._loopback = True
        return Street(world)


class TestTriedAgain(Alone):
    async def test_until_it_is_taken_and_nothing_overtakes(
        self, world: World, street: Street, receiver: Receiver
    ) -> None:
        app, _, key = await world.owner()
        made = await world.bridge.webhooks.create(app, receiver.url)
        receiver.answers = [answering(500), answering(404), answering(302, "Location: /x"), b"", answering(204)]
        began = world.clock()
        await toggle(world, key)
        async with street.deliverer():
            taken = await receiver.count(6)
            await until(lambda: _at(world, made.webhook.id, made.webhook.position + 2))
        assert kinds(taken) == ["key.suspended"] * 5 + ["key.resumed"]
        assert len({each.headers["webhook-id"] for each in taken[:5]}) == 1
        stamps = [int(each.headers["webhook-timestamp"]) for each in taken]
        assert stamps[0] == int(began)
        assert stamps == sorted(stamps)
        assert stamps[4] > stamps[0] + 5 + 20 * 0.7
        assert all(signed_by(each, made.secret) for each in taken)
        first, second = await log(world, made.webhook.id)
        assert [(each.status, each.failure) for each in first.attempts] == [
            (500, "status"), (404, "status"), (302, "redirected"), (None, "connection_lost"), (204, None),
        ]  # fmt: skip
        assert (first.state, first.tries, first.next_at, second.tries) == ("delivered", 5, None, 1)
        found = await kept(world, made.webhook.id)
        assert (found.failures, found.failing_since, found.next_at) == (0, None, None)
        assert street.outcomes == ["status", "status", "redirected", "connection_lost", "delivered", "delivered"]

    async def test_for_three_days_then_it_is_disabled_and_goes_on_when_it_is_enabled(
        self, world: World, street: Street, receiver: Receiver
    ) -> None:
        app, _, key = await world.owner()
        made = await world.bridge.webhooks.create(app, receiver.url)
        receiver.always = answering(503)
        began = world.clock()
        await toggle(world, key)
        async with street.deliverer():
            event = await world.heard("keygw.webhook.disabled", webhook_id=made.webhook.id)
            assert event.data["reason"] == "gave_up"
            assert GIVE_UP_SECONDS <= world.clock() - began <= GIVE_UP_SECONDS + 60
            assert LEAST_TRIES <= len(receiver.taken) <= 30
            assert set(kinds(receiver.taken)) == {"key.suspended"}
            [delivery] = await log(world, made.webhook.id)
            assert (delivery.state, delivery.tries) == ("failed", len(receiver.taken))
            receiver.always, tried = answering(200), len(receiver.taken)
            world.clock.now -= GIVE_UP_SECONDS  # so that the app's token is good for the rest
            await world.bridge.webhooks.change(app, made.webhook.id, Wishes(enabled=True))
            await receiver.count(tried + 3)
        assert kinds(receiver.taken[tried:]) == ["key.suspended", "key.resumed", "webhook.disabled"]

    async def test_a_receiver_that_asks_for_a_pause_gets_it_within_bounds(
        self, world: World, street: Street, receiver: Receiver
    ) -> None:
        app, _, key = await world.owner()
        await world.bridge.webhooks.create(app, receiver.url)
        receiver.answers = [answering(429, f"Retry-After: {each}") for each in ("120", "999999999", "0", "soon")]
        await toggle(world, key)
        async with street.deliverer():
            await receiver.count(6)
        assert street.pauses[0] == pytest.approx(120, abs=1)
        assert street.pauses[1] == LONGEST_SECONDS
        assert FIRST_SECONDS < street.pauses[2] < FIRST_SECONDS * 17
        assert street.pauses[3] < FIRST_SECONDS * 65

    async def test_how_far_it_is_outlives_the_gateway(self, world: World, street: Street, receiver: Receiver) -> None:
        """Cut off in the middle of a delivery: it comes again, under the same id, and nothing else twice."""
        app, _, key = await world.owner()
        made = await world.bridge.webhooks.create(app, receiver.url)
        async with street.deliverer():
            await toggle(world, key)
            await receiver.count(2)
            await until(lambda: _at(world, made.webhook.id, made.webhook.position + 2))
            receiver.hold.clear()
            await toggle(world, key)
            await receiver.count(3)
        receiver.hold.set()
        async with street.deliverer():
            await receiver.count(5)
        ids = [each.headers["webhook-id"] for each in receiver.taken]
        assert ids[2] == ids[3]
        assert len(set(ids)) == 4
        assert kinds(receiver.taken[3:]) == ["key.suspended", "key.resumed"]

    async def test_a_pause_outlives_the_gateway_too(self, world: World, street: Street, receiver: Receiver) -> None:
        app, _, key = await world.owner()
        made = await world.bridge.webhooks.create(app, receiver.url)
        receiver.answers = [answering(500, "Retry-After: 3000")]
        await toggle(world, key)

        async def forever(wake: asyncio.Event, seconds: float | None) -> None:
            await asyncio.Event().wait()

        street._pause = forever  # type: ignore[method-assign]  # the gateway dies in the middle of it
        async with street.deliverer():
            await until(lambda: _failed(world, made.webhook.id))
        after = Street(world)
        async with after.deliverer():
            await receiver.count(3)
            await until(lambda: _at(world, made.webhook.id, made.webhook.position + 2))
        assert after.pauses[0] == pytest.approx(3000, abs=1)
        first, _ = await log(world, made.webhook.id)
        assert first.tries == 2, "one delivery, tried by two gateways"

    async def test_what_was_forgotten_is_told_as_a_gap(self, world: World, street: Street, receiver: Receiver) -> None:
        app, _, key = await world.owner()
        made = await world.bridge.webhooks.create(app, receiver.url)
        await toggle(world, key, 3)
        _, newest = await world.store.bridge.outbox_bounds()
        await world.store.credentials.write(lambda tx: tx.drop_outbox(0, 2))
        async with street.deliverer():
            taken = await receiver.count(3)
        gap = told(taken[0])
        assert gap["type"] == "keygw.gap"
        assert gap["data"] == {"reason": "too_old", "from": made.webhook.position + 1, "to": newest - 2}
        assert kinds(taken[1:]) == ["key.suspended", "key.resumed"]
        assert signed_by(taken[0], made.secret)

    async def test_a_quiet_webhook_is_told_of_no_gap(self, world: World, street: Street, receiver: Receiver) -> None:
        """What was passed over is written down before the books forget it."""
        app, _, key = await world.owner()
        made = await world.bridge.webhooks.create(app, receiver.url, events=["keygw.key.renewed"])
        async with street.deliverer():
            await toggle(world, key, 3)
            await asyncio.sleep(0.03)
        _, newest = await world.store.bridge.outbox_bounds()
        assert (await kept(world, made.webhook.id)).position == newest
        assert receiver.connections == 0

    async def test_what_an_app_may_see_no_more_is_withheld(
        self, world: World, street: Street, receiver: Receiver
    ) -> None:
        app, _, key = await world.owner()
        made = await world.bridge.webhooks.create(app, receiver.url, events=["keygw.key.*"])
        receiver.answers = [answering(500)]
        await toggle(world, key)

        async def narrowed(wake: asyncio.Event, seconds: float | None) -> None:
            if seconds is None:
                await wake.wait()
                return
            world.clock.now += seconds
            await world.bridge.webhooks.change(app, made.webhook.id, Wishes(events=["keygw.key.resumed"]))

        street._pause = narrowed  # type: ignore[method-assign]  # a change in the middle of a pause
        async with street.deliverer():
            taken = await receiver.count(2)
            await until(lambda: _at(world, made.webhook.id, made.webhook.position + 2))
        assert kinds(taken) == ["key.suspended", "key.resumed"]
        assert [each.state for each in await log(world, made.webhook.id)] == ["withheld", "delivered"]

    async def test_what_was_missed_can_be_skipped(self, world: World, street: Street, receiver: Receiver) -> None:
        app, _, key = await world.owner()
        made = await world.bridge.webhooks.create(app, receiver.url)
        receiver.always = answering(410)
        await toggle(world, key, 2)
        async with street.deliverer() as deliverer:
            world.bridge.webhooks.on_change = deliverer.changed
            await world.heard("keygw.webhook.disabled", webhook_id=made.webhook.id)
            receiver.always = answering(200)
            await world.bridge.webhooks.change(app, made.webhook.id, Wishes(enabled=True, skip_missed=True))
            await world.credentials.suspend(key.id)
            assert kinds(await receiver.count(2)) == ["key.suspended"] * 2
            await asyncio.sleep(0.03)
        first, second = (told(each)["id"] for each in receiver.taken)
        assert int(second.partition(".")[0]) >= int(first.partition(".")[0]) + 5


async def _failed(world: World, webhook_id: str) -> bool:
    return (await kept(world, webhook_id)).failures == 1


class TestSeveralGateways(Alone):
    async def test_one_delivers_and_another_takes_over(self, world: World, street: Street, receiver: Receiver) -> None:
        app, _, key = await world.owner()
        store = world.store.bridge
        for name in ("gwy_a", "gwy_b"):
            await store.join(name)
        await world.bridge.webhooks.create(app, receiver.url)
        async with street.deliverer("gwy_a") as first, street.deliverer("gwy_b") as second:
            await toggle(world, key, 5)
            assert kinds(await receiver.count(10)) == ["key.suspended", "key.resumed"] * 5
            assert len(first._lanes) + len(second._lanes) == 1
            dead, heir = ("gwy_a", "gwy_b") if first._lanes else ("gwy_b", "gwy_a")
            receiver.hold.clear()
            await world.credentials.suspend(key.id)
            await receiver.count(11)
            await store.bury(dead, 0, heir)  # it is slow, and taken for dead, and does not know it yet
            receiver.hold.set()
            await world.credentials.resume(key.id)
            await receiver.until(lambda: kinds(receiver.taken)[-1] == "key.resumed" and len(receiver.taken) >= 12)
            await asyncio.sleep(0.05)
        last = [each.headers["webhook-id"] for each in receiver.taken[10:]]
        assert len(set(last)) == 2
        assert last[-1] != last[0]
        assert kinds(receiver.taken[10:])[-1] == "key.resumed"


async def test_the_way_out_is_closed_to_what_is_not_public(world: World, auth: Auth, client: httpx.AsyncClient) -> None:
    """Named by a name, which nobody can judge before it is resolved."""
    _, token, key = await world.owner()
    async with receiving() as inside:
        resolver = Resolver(lambda host, port: ["10.0.0.1"])
        world.bridge._deliverer._office.mail._post = Sender(loopback=True, resolver=resolver)  # type: ignore[union-attr]
        made = await client.post(
            "/v1/webhooks", json={"url": f"https://inside.example:{inside.port}/"}, headers=auth(token)
        )
        webhook_id = made.json()["webhook"]["id"]
        await toggle(world, key)
        await until(lambda: _failed(world, webhook_id))
        answer = await client.get(f"/v1/webhooks/{webhook_id}/deliveries", headers=auth(token))
        [delivery] = answer.json()["deliveries"]
        assert delivery["attempts"][0] | {"at": "", "duration_ms": 0} == {
            "at": "", "duration_ms": 0, "status": None, "failure": "address_refused",
        }  # fmt: skip
        assert delivery["state"] == "pending"
        assert delivery["next_try_at"] is not None
        assert "10.0.0.1" not in answer.text
        assert inside.connections == 0


async def test_a_ping_says_whether_anybody_is_there(world: World, receiver: Receiver) -> None:
    app, _, _ = await world.owner()
    made = await world.bridge.webhooks.create(app, receiver.url, events=["keygw.key.revoked"])
    done = await world.bridge.webhook_hands.ping(app, made.webhook.id)
    assert (done.state, done.kind, done.tries) == ("delivered", "ping", 1)
    (taken,) = await receiver.count(1)
    assert signed_by(taken, made.secret)
    assert (told(taken)["type"], told(taken)["data"]) == ("keygw.webhook.ping", {"webhook_id": made.webhook.id})
    await world.bridge.webhooks.change(app, made.webhook.id, Wishes(enabled=False))
    receiver.answers.append(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n")
    failed = await world.bridge.webhook_hands.ping(app, made.webhook.id)
    assert (failed.state, failed.attempts[0].status) == ("failed", 500), "also of one that is disabled"
    assert [each.id for each in await log(world, made.webhook.id)] == [done.id, failed.id]
    assert (await kept(world, made.webhook.id)).failures == 0, "a ping is no reason to wait"


async def test_what_was_sent_is_sent_again_under_its_name(world: World, receiver: Receiver) -> None:
    app, _, key = await world.owner()
    friend = await world.give_friend_key(app, key, PROFILES["access"])
    made = await world.bridge.webhooks.create(app, receiver.url)
    await world.credentials.suspend(friend.id)
    (first,) = await receiver.count(1)
    await until(lambda: _logged(world, made.webhook.id, 1))
    (sent,) = await log(world, made.webhook.id)
    again = await world.bridge.webhook_hands.redeliver(app, made.webhook.id, sent.id)
    assert (again.state, again.kind, again.event_id) == ("delivered", "redelivery", sent.event_id)
    second = (await receiver.count(2))[1]
    assert (second.body, second.headers["webhook-id"]) == (first.body, first.headers["webhook-id"])
    for _ in range(HAND_MOST - 1):
        await world.bridge.webhook_hands.redeliver(app, made.webhook.id, again.id)
    with pytest.raises(Conflict, match="wait a moment"):
        await world.bridge.webhook_hands.redeliver(app, made.webhook.id, sent.id)
    world.clock.now += HAND_SECONDS
    await world.bridge.webhook_hands.redeliver(app, made.webhook.id, sent.id)


async def test_for_an_app_that_has_ended_nothing_is_sent_again(world: World, receiver: Receiver) -> None:
    app, _, key = await world.owner()
    made = await world.bridge.webhooks.create(app, receiver.url, events=["keygw.key.suspended"])
    await world.credentials.suspend(key.id)
    await receiver.count(1)
    await until(lambda: _logged(world, made.webhook.id, 1))
    (sent,) = await log(world, made.webhook.id)
    assert app.expires_at is not None
    world.clock.now = app.expires_at + 1
    with pytest.raises(Conflict) as refused:
        await world.bridge.webhook_hands.redeliver(app, made.webhook.id, sent.id)
    assert refused.value.code == "event_withheld"


async def _logged(world: World, webhook_id: str, number: int) -> bool:
    found = await log(world, webhook_id)
    return len(found) == number and found[-1].state == "delivered"
