"""Commands over real HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from keygw.bridge.executor import Timing
from keygw.model.command import Outcome
from keygw.model.times import rfc3339

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

Auth = Callable[[str], dict[str, str]]


class Phone:
    """An app that owns the car, at its HTTP end."""

    def __init__(self, world: World, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
        self.url = f"/v1/vehicles/{world.vehicle.id}/commands"
        self.client = client
        self.headers = headers

    async def post(self, body: Any, key: str | None = "k1", **headers: str) -> httpx.Response:
        idempotency = {} if key is None else {"Idempotency-Key": key}
        return await self.client.post(self.url, json=body, headers={**self.headers, **idempotency, **headers})


@pytest.fixture
async def phone(world: World, client: httpx.AsyncClient, auth: Auth) -> Phone:
    _, token, _ = await world.owner()
    return Phone(world, client, auth(token))


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


async def test_two_idempotency_keys_are_none(phone: Phone, world: World) -> None:
    headers = [*phone.headers.items(), ("Idempotency-Key", "a"), ("idempotency-key", "b")]
    response = await phone.client.post(phone.url, json={"action": "unlock"}, headers=headers)
    assert code(response) == (400, "idempotency_key_required")
    assert world.car.attempts == 0


async def test_unlock_and_wait(phone: Phone, world: World) -> None:
    response = await phone.post({"action": "unlock"}, Prefer="wait=10")
    body = response.json()
    assert response.status_code == 201
    assert response.headers["preference-applied"] == "wait=10"
    assert response.headers["location"] == f"{phone.url}/{body['id']}"
    assert (body["state"], body["settled"], body["reason"]) == ("confirmed", True, None)
    assert (body["may_have_happened"], body["retryable"]) == (True, False)
    assert body["receipt"]["outcome"] == "done"
    assert body["measures"]["round_trips"] == 2
    assert [step["state"] for step in body["timeline"]] == ["accepted", "sent", "acknowledged", "confirmed"]
    again = await phone.client.get(response.headers["location"], headers=phone.headers)
    assert again.json() == body
    assert not world.car.locked


async def test_without_waiting_it_is_accepted_and_on_its_way(phone: Phone, world: World) -> None:
    response = await phone.post({"action": "unlock"})
    assert response.status_code == 202
    assert response.json()["state"] in ("accepted", "queued")
    assert "preference-applied" not in response.headers
    await world.heard("keygw.command.updated", id=response.json()["id"], state="confirmed")


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        ("wait=5", "wait=5"),
        ("respond-async, wait=7", "wait=7"),
        ("WAIT=9; x=y", "wait=9"),
        ("wait=600", "wait=30"),
        ("wait=-1", None),
        ("wait=soon", None),
        ("return=minimal", None),
    ],
)
async def test_preferences(phone: Phone, prefer: str, applied: str | None) -> None:
    response = await phone.post({"action": "unlock"}, Prefer=prefer)
    assert response.headers.get("preference-applied") == applied
    assert response.status_code == (202 if applied is None else 201)


async def test_waiting_is_bounded(phone: Phone, world: World) -> None:
    go = world.car.hold("connect")
    response = await phone.post({"action": "unlock"}, Prefer="wait=0")
    assert (response.status_code, response.json()["state"]) == (202, "accepted")
    go.set()


@pytest.mark.parametrize("key", [None, "", "a b", "x" * 256])
async def test_an_idempotency_key_is_required(phone: Phone, key: str | None) -> None:
    assert code(await phone.post({"action": "unlock"}, key)) == (400, "idempotency_key_required")


async def test_the_same_request_is_the_same_command(phone: Phone, world: World) -> None:
    first = await phone.post({"action": "unlock"}, Prefer="wait=10")
    again = await phone.post({"action": "unlock"})
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    assert len(world.car.acted) == 1


async def test_the_same_key_with_another_body_is_refused(phone: Phone) -> None:
    await phone.post({"action": "unlock"})
    assert code(await phone.post({"action": "lock"})) == (422, "idempotency_mismatch")


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"action": "explode"}, (422, "unknown_action")),
        ({"action": "UNLOCK"}, (422, "unknown_action")),
        ({"action": "unknown_7"}, (422, "unknown_action")),
        ({"action": 1}, (422, "validation")),
        ({}, (422, "validation")),
        ({"action": "unlock", "force": True}, (422, "validation")),
        ({"action": "lock", "expires_at": "tomorrow"}, (422, "validation")),
        ({"action": "lock", "expires_at": "2027-01-15T08:00:00"}, (422, "validation")),
        ({"action": "lock", "expires_at": "2027-02-30T08:00:00Z"}, (422, "validation")),
        ({"action": "lock", "expires_at": 1_800_000_100}, (422, "validation")),
        ({"action": "lock", "expires_at": "2020-01-01T00:00:00Z"}, (422, "expires_in_past")),
        ({"action": "lock", "expires_at": "2999-01-01T00:00:00Z"}, (422, "expires_too_late")),
        ({"action": "lock", "key_id": "key_mfrggzdfmztwq2lk"}, (404, "unknown_key")),
    ],
)
async def test_wishes_that_cannot_be(phone: Phone, body: Any, wanted: tuple[int, str]) -> None:
    assert code(await phone.post(body)) == wanted


@pytest.mark.parametrize("vehicle", ["veh_mfrggzdfmztwq2lk", "car", "key_mfrggzdfmztwq2lk", "%00", "🚗"])
async def test_an_unknown_vehicle(phone: Phone, vehicle: str) -> None:
    phone.url = f"/v1/vehicles/{vehicle}/commands"
    assert code(await phone.post({"action": "unlock"})) == (404, "unknown_vehicle")


async def test_an_unlock_is_capped_and_an_expiry_may_have_an_offset(phone: Phone, world: World) -> None:
    later = rfc3339(world.clock() + 7200).replace("Z", "+00:00")
    body = (await phone.post({"action": "unlock", "expires_at": later})).json()
    assert body["expires_at"] == rfc3339(world.clock() + 4)


@pytest.mark.parametrize("change", ["suspend", "revoke"])
async def test_a_key_that_was_taken_away(phone: Phone, world: World, change: str) -> None:
    world.car.present = False
    key = (await world.credentials.keys(vehicle_id=world.vehicle.id))[0]
    await getattr(world.credentials, change)(key.id)
    reason = {"suspend": "key_suspended", "revoke": "key_revoked"}[change]
    assert code(await phone.post({"action": "unlock"})) == (403, reason)
    assert world.car.attempts == 0


async def test_an_expired_key(phone: Phone, world: World, client: httpx.AsyncClient, auth: Auth) -> None:
    key = (await world.credentials.keys(vehicle_id=world.vehicle.id))[0]
    app, token = await world.app()
    friend = await world.give_friend_key(app, key, key.entitlements)
    world.clock.now = friend.expires_at
    theirs = Phone(world, client, auth(token))
    assert code(await theirs.post({"action": "unlock"})) == (403, "key_expired")


async def test_an_absent_vehicle_is_a_clear_answer(phone: Phone, world: World) -> None:
    world.car.present = False
    response = await phone.post({"action": "unlock"}, Prefer="wait=10")
    body = response.json()
    assert (response.status_code, body["state"], body["reason"]) == (201, "failed", "out_of_range")
    assert (body["may_have_happened"], body["retryable"]) == (False, True)


async def test_a_refusal_of_the_car_is_its_own_word(phone: Phone, world: World) -> None:
    world.car.outcome = Outcome.DOOR_OPEN
    body = (await phone.post({"action": "lock"}, Prefer="wait=10")).json()
    assert (body["state"], body["reason"], body["receipt"]["ok"]) == ("failed", "door_open", False)


async def test_a_cut_link_is_unknown_and_then_settled(phone: Phone, world: World) -> None:
    world.car.cut = True
    body = (await phone.post({"action": "unlock"}, Prefer="wait=10")).json()
    assert body["state"] == "confirmed"
    assert [step["state"] for step in body["timeline"]] == ["accepted", "sent", "unknown", "confirmed"]


async def test_too_many_at_once(phone: Phone, world: World) -> None:
    go = world.car.hold("sent")
    for number in range(4):
        assert (await phone.post({"action": "lock"}, f"k{number}")).status_code == 202
    response = await phone.post({"action": "lock"}, "k4")
    assert code(response) == (429, "busy")
    assert response.json()["retryable"] is True
    assert response.headers["retry-after"] == "1"
    go.set()


async def test_cancel(phone: Phone, world: World) -> None:
    world.car.hold("connect")
    made = (await phone.post({"action": "unlock"})).json()
    url = f"{phone.url}/{made['id']}:cancel"
    response = await phone.client.post(url, headers=phone.headers)
    assert (response.status_code, response.json()["state"]) == (200, "cancelled")
    world.car._holds.clear()
    done = (await phone.post({"action": "unlock"}, "k2", Prefer="wait=10")).json()
    late = await phone.client.post(f"{phone.url}/{done['id']}:cancel", headers=phone.headers)
    assert code(late) == (409, "already_settled")
    assert code(await phone.client.post(f"{phone.url}/cmd_none:cancel", headers=phone.headers)) == (
        404,
        "unknown_command",
    )


async def test_cancel_after_sending_says_that_it_may_happen(phone: Phone, world: World) -> None:
    go = world.car.hold("sent")
    made = (await phone.post({"action": "unlock"})).json()
    await world.car.at["sent"].wait()
    response = await phone.client.post(f"{phone.url}/{made['id']}:cancel", headers=phone.headers)
    assert code(response) == (409, "already_sent")
    assert response.json()["may_have_happened"] is True
    go.set()


async def test_a_command_of_another_app_is_not_there(
    phone: Phone, world: World, client: httpx.AsyncClient, auth: Auth
) -> None:
    made = (await phone.post({"action": "unlock"}, Prefer="wait=10")).json()
    app, token = await world.app()
    await world.give_key(app)
    response = await client.get(f"{phone.url}/{made['id']}", headers=auth(token))
    assert code(response) == (404, "unknown_command")


@pytest.mark.parametrize("timing", [Timing(answer=0.02)])
async def test_no_answer_is_unknown_until_a_receipt_tells(phone: Phone, world: World) -> None:
    go = world.car.hold("sent")
    made = (await phone.post({"action": "unlock"})).json()
    await world.heard("keygw.command.updated", id=made["id"], state="unknown")
    body = (await phone.client.get(f"{phone.url}/{made['id']}", headers=phone.headers)).json()
    assert body["may_have_happened"] or body["reason"] == "not_executed"
    go.set()
