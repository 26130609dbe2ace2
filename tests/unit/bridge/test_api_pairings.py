"""Pairing through the whole gateway: HTTP, credential service and store, and a real car's brain on a link in memory."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from keygw.bridge.pairing_ports import Pairing
from keygw.crypto.signer import thumbprint
from keygw.model.command import Outcome
from keygw.session.identity import recognises
from keygw.vehicle.pairing import PairingTask
from keygw_sim.chance import chance
from keygw_sim.memory_air import MemoryAir
from keygw_sim.vehicle.brain import Brain
from keygw_sim.vehicle.flash import Flash, Issuer
from keygw_sim.vehicle.runner import new_vehicle

Auth = Callable[[str], dict[str, str]]
WRONG = {"code": "00000000", "name": "Blue van"}


class Car:
    """A car that trusts this gateway's issuer and has no owner."""

    def __init__(self, world: Any, folder: Path) -> None:
        memory = new_vehicle("Car", chance("bridge", "car"))
        memory.issuers.append(Issuer(world.issuer.issuer, world.issuer.kid, world.issuer.public_key))
        self.code = ""
        self.brain = Brain(memory, Flash(folder), os.urandom, lambda: 0.0, self._log)

    def _log(self, what: str, data: dict[str, object]) -> None:
        if what == "pairing_code":
            self.code = str(data["code"])

    def show(self) -> dict[str, str]:
        self.brain.open_pairing()
        return {"code": self.code, "name": "Blue van"}


@pytest.fixture
async def car(world: Any, tmp_path: Path) -> AsyncIterator[Car]:
    made = Car(world, tmp_path / "flash")
    world.car.air = MemoryAir(made.brain)
    yield made
    await world.car.air.close()


async def ended(client: httpx.AsyncClient, world: Any, headers: dict[str, str], body: dict[str, str]) -> dict[str, Any]:
    """Start a pairing and read it when it is settled."""
    made = await client.post("/v1/pairings", json=body, headers=headers)
    assert made.status_code == 202, made.text
    assert made.json()["state"] == "searching"
    await world.bridge.pairings.wait(made.json()["id"])
    shown: dict[str, Any] = (await client.get(f"/v1/pairings/{made.json()['id']}", headers=headers)).json()
    return shown


async def test_a_code_makes_the_app_an_owner(client: httpx.AsyncClient, world: Any, auth: Auth, car: Car) -> None:
    _, token = await world.app("key.manage", "key.read", "vehicle.read")
    paired = await ended(client, world, auth(token), car.show())
    assert (paired["state"], paired["reason"]) == ("done", None)
    key = (await client.get(f"/v1/keys/{paired['key_id']}", headers=auth(token))).json()
    assert (key["role"], key["vehicle_id"], key["state"]) == ("owner", car.brain.memory.vehicle_id, "active")
    shown = (await client.get(f"/v1/vehicles/{paired['vehicle_id']}", headers=auth(token))).json()
    assert shown["name"] == "Blue van"
    device = await world.credentials.device(key["device_id"])
    assert car.brain.memory.owners == [thumbprint(device.public_key)]
    known = await world.credentials.vehicle(paired["vehicle_id"])
    assert recognises(known.advertising_key, car.brain.rotating_id)
    event = await world.heard("keygw.key.pairing", state="done", key_id=paired["key_id"])
    assert event.subject == paired["vehicle_id"]
    kept = [told.event for told in await world.store.credentials.outbox(0, 100) if told.event.type == "key.pairing"]
    assert [told.data["state"] for told in kept] == ["enrolled", "done"], "so that no crash keeps it from being told"


async def test_a_paired_car_gets_no_owner_key_without_pairing(
    client: httpx.AsyncClient, world: Any, auth: Auth, car: Car
) -> None:
    _, token = await world.app()
    paired = await ended(client, world, auth(token), car.show())
    body = {"vehicle_id": paired["vehicle_id"], "role": "owner"}
    refused = await client.post("/v1/keys", json=body, headers=auth(token))
    assert (refused.status_code, refused.json()["code"]) == (403, "pairing_required")


async def test_five_wrong_codes_lock_the_app_out_for_ten_minutes(
    client: httpx.AsyncClient, world: Any, auth: Auth, car: Car
) -> None:
    _, token = await world.app()
    _, other = await world.app(name="other")
    right = car.show()
    wrong = {**right, "code": f"{(int(right['code']) + 1) % 10**8:08d}"}
    for _ in range(5):
        failed = await ended(client, world, auth(token), wrong)
        assert (failed["state"], failed["reason"], failed["key_id"]) == ("failed", "pairing_code_wrong", None)
    refused = await client.post("/v1/pairings", json=right, headers=auth(token))
    assert (refused.status_code, refused.json()["code"]) == (429, "pairing_locked")
    assert refused.headers["retry-after"] == "600"
    # The car has closed its pairing mode by itself, for everybody.
    failed = await ended(client, world, auth(other), right)
    assert failed["reason"] == "no_code_shown"
    world.clock.now += 600
    assert (await ended(client, world, auth(token), car.show()))["state"] == "done"


async def test_each_attempt_does_not_leave_a_device_behind(
    client: httpx.AsyncClient, world: Any, auth: Auth, car: Car
) -> None:
    _, token = await world.app()
    for _ in range(3):
        await ended(client, world, auth(token), WRONG)
    paired = await ended(client, world, auth(token), car.show())
    held = await world.credentials.keys(paired["vehicle_id"])
    assert [key.id for key in held] == [paired["key_id"]]
    assert not world.bridge.pairings._devices


async def test_one_at_a_time_and_only_ones_own(client: httpx.AsyncClient, world: Any, auth: Auth, car: Car) -> None:
    world.car.patience = 60
    _, token = await world.app()
    _, other = await world.app(name="other")
    made = (await client.post("/v1/pairings", json=WRONG, headers=auth(token))).json()
    again = await client.post("/v1/pairings", json=WRONG, headers=auth(token))
    assert (again.status_code, again.json()["code"]) == (409, "pairing_under_way")
    path = f"/v1/pairings/{made['id']}"
    for method in ("GET", "DELETE"):
        hidden = await client.request(method, path, headers=auth(other))
        assert (hidden.status_code, hidden.json()["code"]) == (404, "unknown_pairing")
    assert (await client.delete(path, headers=auth(token))).status_code == 204
    assert (await client.get(path, headers=auth(token))).status_code == 404
    assert (await client.post("/v1/pairings", json=WRONG, headers=auth(token))).status_code == 202


async def test_a_gateway_that_stops_says_that_it_was_interrupted(
    client: httpx.AsyncClient, world: Any, auth: Auth, car: Car
) -> None:
    world.car.patience = 60
    _, token = await world.app()
    made = (await client.post("/v1/pairings", json=WRONG, headers=auth(token))).json()
    await asyncio.sleep(0)  # it has begun
    await world.bridge.pairings.stop()
    shown = (await client.get(f"/v1/pairings/{made['id']}", headers=auth(token))).json()
    assert (shown["state"], shown["reason"]) == ("failed", "interrupted")


async def test_one_that_a_crash_left_under_way_is_over_at_the_next_start(
    client: httpx.AsyncClient, world: Any, auth: Auth, car: Car
) -> None:
    app, token = await world.app()
    left = Pairing("par_left", app.id, app.tenant_id, "Blue van", int(world.clock()), int(world.clock()) + 120)
    assert await world.store.bridge.add_pairing(left, 100)
    await (await world.rebuild()).start()
    shown = (await client.get("/v1/pairings/par_left", headers=auth(token))).json()
    assert (shown["state"], shown["reason"]) == ("failed", "interrupted")
    assert (await client.post("/v1/pairings", json=WRONG, headers=auth(token))).status_code == 202


async def test_who_takes_back_what_is_staked_has_guessed_all_the_same(
    client: httpx.AsyncClient, world: Any, auth: Auth, car: Car, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, token = await world.app()
    staked, stay = asyncio.Event(), asyncio.Event()

    async def pair(task: PairingTask, seconds: float) -> Outcome:
        await task.proving()
        staked.set()
        await stay.wait()
        return Outcome.DONE

    monkeypatch.setattr(world.car, "pair", pair)
    for tries in range(5):
        staked.clear()
        made = (await client.post("/v1/pairings", json=WRONG, headers=auth(token))).json()
        await staked.wait()
        assert (await client.delete(f"/v1/pairings/{made['id']}", headers=auth(token))).status_code == 204
        assert (await world.store.bridge.guesses(app.id)).wrong == tries + 1
    refused = await client.post("/v1/pairings", json=WRONG, headers=auth(token))
    assert (refused.status_code, refused.json()["code"]) == (429, "pairing_locked")


async def test_what_the_car_signed_cannot_be_cancelled(
    client: httpx.AsyncClient, world: Any, auth: Auth, car: Car, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, token = await world.app()
    reached, go = asyncio.Event(), asyncio.Event()
    issue = world.credentials.pair_owner

    async def slow(*args: Any, **more: Any) -> Any:
        reached.set()
        await go.wait()
        return await issue(*args, **more)

    monkeypatch.setattr(world.credentials, "pair_owner", slow)
    made = (await client.post("/v1/pairings", json=car.show(), headers=auth(token))).json()
    await reached.wait()
    path = f"/v1/pairings/{made['id']}"
    assert (await client.get(path, headers=auth(token))).json()["state"] == "enrolled"
    refused = await client.delete(path, headers=auth(token))
    assert (refused.status_code, refused.json()["code"]) == (409, "already_enrolled")
    go.set()
    await world.bridge.pairings.wait(made["id"])
    assert (await client.get(path, headers=auth(token))).json()["state"] == "done"
    assert (await client.delete(path, headers=auth(token))).status_code == 204


async def test_a_vehicle_that_claims_anothers_name_is_refused(
    client: httpx.AsyncClient, world: Any, auth: Auth, car: Car
) -> None:
    """A thief's car with an id that this gateway knows under other keys: no key is issued."""
    car.brain.memory.vehicle_id = world.vehicle.id
    _, token = await world.app()
    failed = await ended(client, world, auth(token), car.show())
    assert (failed["state"], failed["reason"], failed["key_id"]) == ("failed", "vehicle_exists", None)
    assert await world.credentials.keys(world.vehicle.id) == []


@pytest.mark.parametrize("code", ["", "1234567", "123456789", "1234567a", "١٢٣٤٥٦٧٨", 12345678])
async def test_a_code_has_eight_digits(client: httpx.AsyncClient, world: Any, auth: Auth, code: object) -> None:
    _, token = await world.app()
    refused = await client.post("/v1/pairings", json={"code": code, "name": "x"}, headers=auth(token))
    assert (refused.status_code, refused.json()["code"]) == (422, "validation")


async def test_it_takes_the_scope(client: httpx.AsyncClient, world: Any, auth: Auth) -> None:
    _, token = await world.app("key.read")
    refused = await client.post("/v1/pairings", json=WRONG, headers=auth(token))
    assert (refused.status_code, refused.json()["required_scope"]) == (403, "key.manage")
