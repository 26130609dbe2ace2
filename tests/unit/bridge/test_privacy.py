"""A person's data: all of it told, all of it that names anybody removed, and the audit trail whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from keygw.credentials.audit_ports import AuditFilter
from keygw.model.digital_key import KeyState
from keygw.model.entitlement import PROFILES
from keygw.model.signal import SignalId

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

Auth = Callable[[str], dict[str, str]]
NAMES = ("Ada Lovelace", "Ada's phone", "Byron's guest key", "Ada's pairing", "Blue van of Ada", "my own words")


class Ada:
    """An owner who has done a bit of everything; ``names`` are hers."""

    def __init__(self, world: World, client: httpx.AsyncClient, auth: Auth) -> None:
        self.world, self.client, self.auth = world, client, auth
        self.headers: dict[str, str] = {}
        self.person = self.app = self.key = self.friend = ""

    async def live(self) -> Ada:
        world = self.world
        app, token = await world.app(name="Ada's phone")
        self.app, self.headers = app.id, self.auth(token)
        await world.store.bridge.claim_vehicle(world.vehicle.id, app.id)
        self.key = (await world.give_key(app)).id
        await world.store.database.write(
            lambda tx: tx.fetch("UPDATE vehicles SET name = 'Blue van of Ada' WHERE id = ?", (world.vehicle.id,))
        )
        self.person = (await self.ask("POST", "/v1/people", {"name": "Ada Lovelace"}))["id"]
        wish = {"profile": "access", "lifetime_seconds": 600, "label": "Byron's guest key"}
        await self.ask("POST", f"/v1/keys/{self.key}/invitations", wish)
        other, _ = await world.app(name="somebody else's app")
        friend = await world.give_friend_key(other, await world.credentials.key(self.key), PROFILES["access"])
        self.friend = friend.id
        await self.ask("POST", "/v1/pairings", {"code": "00000000", "name": "Ada's pairing"})
        once = {"Idempotency-Key": "my-own-words", "Prefer": "wait=5"}
        done = await self.ask("POST", f"/v1/vehicles/{world.vehicle.id}/commands", {"action": "unlock"}, once)
        assert done["state"] == "confirmed"
        return self

    async def ask(self, method: str, path: str, body: Any = None, more: dict[str, str] | None = None) -> dict[str, Any]:
        answer = await self.client.request(method, path, json=body, headers={**self.headers, **(more or {})})
        assert answer.is_success, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def rows(self) -> str:
        """Every row of every table, as text."""
        database = self.world.store.database
        tables = await database.fetch("SELECT name FROM sqlite_master WHERE type = 'table'")
        return "\n".join([str([tuple(row) for row in await database.fetch(f"SELECT * FROM {t[0]}")]) for t in tables])  # noqa: S608


@pytest.fixture
async def ada(world: World, client: httpx.AsyncClient, auth: Auth) -> Ada:
    return await Ada(world, client, auth).live()


async def actions(world: World) -> list[str]:
    found = await world.store.credentials.audit_entries(0, 1000, AuditFilter())
    return [each.entry.action for each in found]


async def test_all_that_is_kept_is_told(ada: Ada, operator: dict[str, str]) -> None:
    told = await ada.ask("GET", f"/v1/people/{ada.person}:export")
    assert (told["person"]["id"], told["person"]["name"], told["cut"]) == (ada.person, "Ada Lovelace", [])
    kept = told["kept"]
    assert [each["id"] for each in kept["apps"]] == [ada.app]
    assert [each["id"] for each in kept["keys"]] == [ada.key]
    assert (kept["keys"][0]["role"], kept["keys"][0]["state"]) == ("owner", "active")
    assert [each["id"] for each in kept["shared_keys"]] == [ada.friend]
    assert [each["label"] for each in kept["invitations"]] == ["Byron's guest key"]
    assert [each["name"] for each in kept["pairings"]] == ["Ada's pairing"]
    assert [each["name"] for each in kept["vehicles"]] == ["Blue van of Ada"]
    assert [(each["action"], each["state"]) for each in kept["commands"]] == [("unlock", "confirmed")]
    assert [(each["action"], each["outcome"]) for each in kept["receipts"]] == [("unlock", "done")]
    assert {"key.issued", "device.registered", "receipt.recorded"} <= {each["action"] for each in kept["audit"]}
    assert [each["action"] for each in kept["account"]] == ["person.added", "person.exported"]
    again = await ada.client.get(f"/v1/people/{ada.person}:export", headers=operator)
    assert again.status_code == 200
    assert (await actions(ada.world)).count("person.exported") == 2
    for word in NAMES[:5]:
        assert word in again.text


async def test_erasure_ends_the_keys_first_and_leaves_no_name(ada: Ada, operator: dict[str, str]) -> None:
    before = await ada.rows()
    assert all(name in before for name in NAMES[:5])
    assert "my-own-words" in before
    ada.world.car.present = False
    done = await ada.ask("POST", f"/v1/people/{ada.person}:erase")
    assert (done["person"]["state"], done["person"]["name"]) == ("erased", "erased")
    assert done["unheard_key_ids"] == [ada.key], "the car has not heard of it, and that is said"
    for key_id in (ada.key, ada.friend):
        assert (await ada.world.credentials.key(key_id)).state is KeyState.REVOKING
    after = await ada.rows()
    outbox = str(await ada.world.store.database.fetch("SELECT data FROM outbox"))
    left = [name for name in (*NAMES, "my-own-words") if name in after.replace(outbox, "")]
    assert left == []
    assert "somebody else's app" in after, "others keep their names"
    assert (await ada.client.get("/v1/apps/self", headers=ada.headers)).json()["code"] == "token_revoked"
    seen = await actions(ada.world)
    assert seen.index("key.revoking") < seen.index("person.erased")


async def test_the_audit_trail_stays_whole_and_the_same_again_changes_nothing(
    ada: Ada, operator: dict[str, str]
) -> None:
    path = f"/v1/people/{ada.person}:erase"
    first = await ada.client.post(path, headers=operator)
    before = await actions(ada.world)
    again = await ada.client.post(path, headers=operator)
    assert first.status_code == again.status_code == 200
    assert again.json()["person"] == first.json()["person"]
    assert await actions(ada.world) == before
    checked = await ada.client.post("/v1/audit:verify", headers=operator)
    assert checked.json()["intact"] is True, checked.text
    told = (await ada.client.get(f"/v1/people/{ada.person}:export", headers=operator)).json()
    assert [each["id"] for each in told["kept"]["keys"]] == [ada.key], "that there were keys is kept, with no name"
    assert {each["name"] for each in told["kept"]["apps"]} == {"erased"}
    assert told["kept"]["commands"] == []


async def test_an_account_that_was_closed_before_is_erased_with_its_apps(ada: Ada, operator: dict[str, str]) -> None:
    """Closing unbinds the apps; what they left behind is still the person's."""
    await ada.ask("POST", f"/v1/keys/{ada.key}:revoke")
    async with asyncio.timeout(5):
        while (await ada.world.credentials.key(ada.key)).state is not KeyState.REVOKED:  # noqa: ASYNC110 - the store tells nobody
            await asyncio.sleep(0.002)
    await ada.ask("POST", f"/v1/people/{ada.person}:close")
    refused = await ada.client.post(f"/v1/people/{ada.person}:erase", headers=ada.headers)
    assert refused.json()["code"] == "unknown_person", "it acts for nobody any more"
    assert (await ada.client.post(f"/v1/people/{ada.person}:erase", headers=operator)).status_code == 200
    assert "Ada's phone" not in await ada.rows()


async def test_an_app_that_acts_for_another_by_now_is_left_alone(ada: Ada, operator: dict[str, str]) -> None:
    await ada.ask("GET", "/v1/apps/self")
    assert (await ada.client.delete(f"/v1/people/{ada.person}/apps/{ada.app}", headers=operator)).status_code == 204
    await ada.ask("POST", "/v1/people", {"name": "Bea"})
    assert (await ada.client.post(f"/v1/people/{ada.person}:erase", headers=operator)).status_code == 200
    assert (await ada.ask("GET", "/v1/apps/self"))["name"] == "Ada's phone"
    assert (await ada.world.credentials.key(ada.key)).state in (KeyState.REVOKING, KeyState.REVOKED), (
        "it was bound to Ada"
    )


async def test_what_was_let_in_and_its_sessions_are_told_and_erased(ada: Ada, operator: dict[str, str]) -> None:
    world = ada.world
    home = await world.store.bridge.app(ada.app)
    assert home is not None
    auth = await world.granted_by(home, await world.credentials.key(ada.key), "key.read", "session.connect")
    await world.bridge.sessions.open(home, world.vehicle.id, [])
    kept = (await ada.ask("GET", f"/v1/people/{ada.person}:export"))["kept"]
    assert [(each["name"], each["id"]) for each in kept["clients"]] == [("client", auth.held.client_id)]
    assert [each["app_id"] for each in kept["grants"]] == [auth.held.grant_id]
    assert [each["state"] for each in kept["sessions"]] == ["active"]
    assert (await ada.client.post(f"/v1/people/{ada.person}:erase", headers=operator)).status_code == 200
    kept = (await ada.client.get(f"/v1/people/{ada.person}:export", headers=operator)).json()["kept"]
    assert [each["name"] for each in kept["clients"]] == ["erased"]
    assert kept["sessions"] == []


async def test_a_place_is_in_no_export(ada: Ada) -> None:
    ada.world.car.report(SignalId.LATITUDE, 52.516275)
    answer = await ada.client.get(f"/v1/people/{ada.person}:export", headers=ada.headers)
    assert "52.516275" not in answer.text


@pytest.mark.parametrize("what", ["export", "erase"])
async def test_nobody_else_may(ada: Ada, auth: Auth, what: str) -> None:
    method, path = {"export": "GET", "erase": "POST"}[what], f"/v1/people/{ada.person}:{what}"
    _, stranger = await ada.world.app()
    _, poor = await ada.world.app("key.read", "vehicle.read")
    assert (await ada.client.request(method, path, headers=auth(stranger))).json()["code"] == "unknown_person"
    assert (await ada.client.request(method, path, headers=auth(poor))).json()["code"] == "insufficient_scope"
    assert (await ada.client.request(method, path)).json()["code"] == "token_missing"
