"""Callers with a wrong clock, and with borrowed headers: over real sockets, and fast."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from keygw.client.bound import BoundAuth
from keygw.model.times import rfc3339
from keygw.token.dpop import SECONDS

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

REFUSED = 20


async def _as_if(client: httpx.AsyncClient, world: World, auth: BoundAuth, wrong: float) -> httpx.Response:
    """A request of an app whose clock is wrong by so many seconds."""
    held = auth.held
    phone = BoundAuth(auth.url, auth._signer, held, clock=lambda: world.clock() + wrong)
    phone.nonce = world.bridge.oauth.proofs.nonce
    proof = phone.proof("GET", f"{auth.url}/v1/keys", held.access_token)
    return await client.get("/v1/keys", headers={"Authorization": f"DPoP {held.access_token}", "DPoP": proof})


@pytest.mark.parametrize("wrong", [-SECONDS, -60, 60, SECONDS])
async def test_a_phone_whose_clock_is_minutes_off_is_served(
    client: httpx.AsyncClient, world: World, wrong: float
) -> None:
    auth = await world.granted("key.read")
    assert (await _as_if(client, world, auth, wrong)).status_code == 200


@pytest.mark.parametrize(
    ("wrong", "why"),
    [(-SECONDS - 1, "too old"), (-86_400, "too old"), (SECONDS + 1, "set the clock"), (3e8, "set the clock")],
)
async def test_a_phone_whose_clock_is_worse_hears_so(
    client: httpx.AsyncClient, world: World, wrong: float, why: str
) -> None:
    """And by the answer's ``Date`` it can tell how wrong it is."""
    auth = await world.granted("key.read")
    answer = await _as_if(client, world, auth, wrong)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_dpop_proof")
    assert why in answer.json()["detail"]
    assert (await _as_if(client, world, auth, 0)).status_code == 200, "and with a better clock it gets in"


@pytest.mark.parametrize(
    ("wrong", "code"), [(-3600, "expires_in_past"), (-11, "expires_in_past"), (2 * 86_400, "expires_too_late")]
)
async def test_an_expiry_by_a_wrong_clock_moves_no_car(
    client: httpx.AsyncClient, world: World, wrong: float, code: str
) -> None:
    """``expires_at`` is a point in time: by a clock that is behind it has passed, and nothing is queued for it."""
    _, token, key = await world.owner()
    world.car.up(key.id)
    order = {"action": "lock", "expires_at": rfc3339(world.clock() + wrong + 10)}
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "k"}
    answer = await client.post(f"/v1/vehicles/{world.vehicle.id}/commands", json=order, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert (world.car.acted, world.car.attempts) == ([], 0)


@pytest.mark.parametrize(
    "name", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP", "CF-Connecting-IP", "X-Client-IP"]
)
async def test_another_address_in_a_header_lifts_no_limit(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("keygw.bridge.oauth.clients.MOST_UNUSED", 2)
    statuses = []
    for number in range(2 + REFUSED):
        address = f"203.0.113.{number}"
        told = {name: f"for={address}" if name == "Forwarded" else address}
        answer = await client.post("/oauth2/register", json={"client_name": "x"}, headers=told)
        statuses.append(answer.status_code)
    assert statuses == [201] * 2 + [429] * REFUSED
