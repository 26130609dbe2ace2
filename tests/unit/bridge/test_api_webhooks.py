"""Webhooks over HTTP: whose they are, what may be named, and the secret that is shown once."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from keygw.bridge.webhook_events import RECORDED
from keygw.bridge.webhooks import MOST
from keygw.credentials.audit_ports import AuditFilter

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

Auth = Callable[[str], dict[str, str]]
URL = "https://example.com/hooks"


@pytest.fixture
async def headers(world: World, auth: Auth) -> dict[str, str]:
    """Of an app that may nothing but this."""
    return auth((await world.app("webhook.manage"))[1])


async def made(client: httpx.AsyncClient, headers: dict[str, str], **more: Any) -> dict[str, Any]:
    answer = await client.post("/v1/webhooks", json={"url": URL, **more}, headers=headers)
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_made_read_changed_and_deleted(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    told = await made(client, headers, label="Ours", events=["keygw.key.*", "keygw.command.updated"])
    webhook = told["webhook"]
    assert webhook["url"] == URL
    assert webhook["enabled"] is True
    assert webhook["events"] == ["keygw.key.*", "keygw.command.updated"]
    path = f"/v1/webhooks/{webhook['id']}"
    assert (await client.get(path, headers=headers)).json() == webhook
    assert (await client.get("/v1/webhooks", headers=headers)).json() == {"webhooks": [webhook]}
    changed = await client.patch(path, json={"url": "https://example.org/", "enabled": False}, headers=headers)
    assert changed.json() == webhook | {"url": "https://example.org/", "enabled": False, "reason": "by_request"}
    assert (await client.patch(path, json={"enabled": True}, headers=headers)).json()["reason"] is None
    assert (await client.patch(path, json={"events": [], "label": ""}, headers=headers)).json()["events"] == []
    assert (await client.get(f"{path}/deliveries", headers=headers)).json() == {"deliveries": []}
    assert (await client.delete(path, headers=headers)).status_code == 204
    for method, where in (("GET", path), ("DELETE", path), ("GET", f"{path}/deliveries"), ("POST", f"{path}:rotate")):
        gone = await client.request(method, where, headers=headers)
        assert (gone.status_code, gone.json()["code"]) == (404, "unknown_webhook")


async def test_the_secret_is_shown_once(world: World, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    once = {**headers, "Idempotency-Key": "k"}
    told = await made(client, once)
    secret = told["secret"]
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    again = await client.post("/v1/webhooks", json={"url": URL}, headers=once)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json() == {"webhook": told["webhook"], "secret": None}
    path = f"/v1/webhooks/{told['webhook']['id']}"
    for where in (path, "/v1/webhooks", f"{path}/deliveries"):
        assert "whsec_" not in (await client.get(where, headers=headers)).text
    kept = await world.store.bridge.webhook(told["webhook"]["id"])
    assert kept is not None
    clear = base64.b64decode(secret.removeprefix("whsec_"))
    assert kept.secret == clear
    assert repr(clear) not in repr(kept)
    files = b"".join(path.read_bytes() for path in world.store.directory.iterdir() if path.is_file())
    assert clear not in files
    assert secret.encode() not in files


async def test_a_new_secret_and_the_former_for_a_while(
    world: World, client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    told = await made(client, headers)
    webhook_id = told["webhook"]["id"]
    rotated = (await client.post(f"/v1/webhooks/{webhook_id}:rotate", headers=headers)).json()
    assert rotated["secret"] != told["secret"]
    assert rotated["webhook"]["former_secret_until"] is not None
    kept = await world.store.bridge.webhook(webhook_id)
    assert kept is not None
    shown = [f"whsec_{base64.b64encode(each).decode()}" for each in kept.secrets(world.clock())]
    assert shown == [rotated["secret"], told["secret"]]
    assert len(kept.secrets(world.clock() + 86_400)) == 1
    at_once = await client.post(f"/v1/webhooks/{webhook_id}:rotate", json={"overlap_seconds": 0}, headers=headers)
    assert at_once.status_code == 200
    kept = await world.store.bridge.webhook(webhook_id)
    assert kept is not None
    assert len(kept.secrets(world.clock())) == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"url": "http://example.com/"}, "webhook_url_refused"),
        ({"url": "https://user:pw@example.com/"}, "webhook_url_refused"),
        ({"url": "https://2130706433/"}, "webhook_url_refused"),
        ({"url": "https://127.0.0.1/"}, "webhook_address_refused"),
        ({"url": "https://localhost/"}, "webhook_address_refused"),
        ({"url": "https://169.254.169.254/latest/meta-data"}, "webhook_address_refused"),
        ({"url": "https://[::ffff:127.0.0.1]/"}, "webhook_address_refused"),
        ({"url": URL, "events": ["keygw.key.revokd"]}, "unknown_event_type"),
        ({"url": URL, "events": ["keygw.signal.changed"]}, "unknown_event_type"),
        ({"url": URL, "events": ["*"]}, "unknown_event_type"),
    ],
)
async def test_what_is_refused_is_refused_when_it_is_changed_too(
    client: httpx.AsyncClient, headers: dict[str, str], body: dict[str, Any], code: str
) -> None:
    refused = await client.post("/v1/webhooks", json=body, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (422, code)
    told = await made(client, headers)
    path = f"/v1/webhooks/{told['webhook']['id']}"
    refused = await client.patch(path, json=body, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert (await client.get(path, headers=headers)).json() == told["webhook"]


async def test_an_app_has_so_many(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    for _ in range(MOST):
        await made(client, headers)
    refused = await client.post("/v1/webhooks", json={"url": URL}, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_webhooks")


async def test_whose_they_are(
    world: World, client: httpx.AsyncClient, headers: dict[str, str], operator: dict[str, str], auth: Auth
) -> None:
    webhook = (await made(client, headers))["webhook"]
    other = auth((await world.app("webhook.manage"))[1])
    without = auth((await world.app("key.read"))[1])
    path = f"/v1/webhooks/{webhook['id']}"
    assert (await client.get(path, headers=other)).json()["code"] == "unknown_webhook"
    assert (await client.get("/v1/webhooks", headers=other)).json() == {"webhooks": []}
    for method, where in (("GET", "/v1/webhooks"), ("GET", path), ("DELETE", path), ("POST", f"{path}:rotate")):
        refused = await client.request(method, where, headers=without)
        assert (refused.status_code, refused.json()["required_scope"]) == (403, "webhook.manage")
    mine = (await made(client, operator))["webhook"]
    seen = (await client.get("/v1/webhooks", headers=operator)).json()["webhooks"]
    assert {each["id"] for each in seen} == {webhook["id"], mine["id"]}
    wish = {"name": "A", "role": "support", "tenant_id": "default"}
    support = auth((await client.post("/v1/operators", json=wish, headers=operator)).json()["token"])
    seen = (await client.get("/v1/webhooks", headers=support)).json()["webhooks"]
    assert [each["id"] for each in seen] == [webhook["id"]], "not those of the whole gateway's operators"
    refused = await client.patch(path, json={"enabled": False}, headers=support)
    assert refused.status_code == 403
    assert (await client.patch(path, json={"enabled": False}, headers=operator)).status_code == 200


async def test_it_ends_with_its_app(
    world: World, client: httpx.AsyncClient, operator: dict[str, str], auth: Auth
) -> None:
    app, token = await world.app("webhook.manage")
    await made(client, auth(token))
    await client.delete(f"/v1/apps/{app.id}", headers=operator)
    assert (await client.get("/v1/webhooks", headers=operator)).json() == {"webhooks": []}


async def test_the_trail_names_each_change_and_no_address(
    world: World, client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    webhook = (await made(client, headers))["webhook"]
    path = f"/v1/webhooks/{webhook['id']}"
    await client.post(f"{path}:rotate", headers=headers)
    await client.patch(path, json={"label": "x"}, headers=headers)
    await client.delete(path, headers=headers)
    found = [each.entry for each in await world.store.credentials.audit_entries(0, 99, AuditFilter())]
    mine = [each for each in found if each.action.startswith("webhook.")]
    assert [each.action for each in mine] == [
        "webhook.created", "webhook.secret_rotated", "webhook.changed", "webhook.deleted",
    ]  # fmt: skip
    data = {"webhook_id": webhook["id"], "app_id": webhook["app_id"]}
    assert all(each.data == data and each.tenant_id == "default" for each in mine)


def test_what_can_be_named_is_what_is_recorded(repository: Any) -> None:
    """The table of events, but for those that only a stream tells."""
    page = (repository / "docs/reference/http-api.md").read_text("utf-8")
    table = page.split("\n## Events\n")[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `keygw.")]
    told = {word for cell in cells for word in cell.split("`") if word.startswith("keygw.")}
    states = (
        "keygw.signal.",
        "keygw.permission.",
        "keygw.capability.",
        "keygw.vehicle.reach",
        "keygw.vehicle.unreach",
        "keygw.vehicle.presence",
    )
    assert {word for word in told if not word.startswith(states)} - {"keygw.gap", "keygw.webhook.ping"} == RECORDED
