"""No command to a car without a proof by the caller's key, and no use for a token that somebody has copied."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from keygw.bridge.apps import ProofRequired, require_proof
from keygw.bridge.records import App
from keygw.bridge.scopes import GRANTABLE, Scope
from keygw.client.bound import BoundAuth
from keygw.crypto.signer import LocalSigner
from keygw.token.dpop import thumbprint_of

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

KEY = LocalSigner.from_secret(21)
JKT = thumbprint_of(KEY.public_key)
UNLOCK = {"action": "unlock"}


def problem(response: httpx.Response, code: str, status: int = 401) -> httpx.Response:
    assert (response.status_code, response.json()["code"]) == (status, code), response.text
    return response


async def owned(world: World, **more: Any) -> tuple[App, str, str]:
    """An app with the owner key: it, its token, and where it commands the car."""
    app, token = await world.bridge.apps.register("x", sorted(GRANTABLE), **more)
    await world.store.bridge.claim_vehicle(world.vehicle.id, app.id)
    await world.give_key(app)
    return app, token, f"/v1/vehicles/{world.vehicle.id}/commands"


def proven(world: World, token: str, method: str, path: str, **changes: Any) -> dict[str, str]:
    auth = BoundAuth(world.services.public_url, changes.get("key", KEY), clock=world.clock)
    auth.nonce = world.bridge.oauth.proofs.nonce
    proof = auth.proof(method, auth.url + path, changes.get("of", token))
    return {"Authorization": f"DPoP {token}", "DPoP": proof, "Idempotency-Key": changes.get("once", "k")}


async def test_a_bearer_token_commands_no_car(client: httpx.AsyncClient, world: World) -> None:
    app, token, path = await owned(world)
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "k"}
    refused = problem(await client.post(path, json=UNLOCK, headers=headers), "dpop_required")
    assert refused.headers["WWW-Authenticate"].startswith('DPoP realm="keygw", error="')
    assert refused.headers["DPoP-Nonce"] == world.bridge.oauth.proofs.nonce, "so that the next try need not ask for it"
    assert "dpop_jkt" in refused.json()["detail"], "the next step"
    assert await world.store.bridge.command_by_idempotency_key(app.id, "k") is None
    assert (await client.get(f"/v1/vehicles/{world.vehicle.id}", headers=headers)).status_code == 200, "it reads"
    with pytest.raises(ProofRequired):
        await world.bridge.commands.create(app, world.vehicle.id, action="unlock", idempotency_key="k")


async def test_an_operator_needs_none_who_could_register_a_machine_and_no_other(world: World) -> None:
    operator = await world.bridge.apps.authenticate("kgw_operator-for-tests")
    require_proof(operator)
    with pytest.raises(ProofRequired):
        require_proof(replace(operator, scopes=operator.scopes - {Scope.APP_MANAGE}))
    app, _, _ = await owned(world)
    with pytest.raises(ProofRequired):
        require_proof(replace(app, scopes=app.scopes | {Scope.APP_MANAGE}))


async def test_one_that_an_operator_has_registered_as_a_machine_does(client: httpx.AsyncClient, world: World) -> None:
    _, token, path = await owned(world, machine=True)
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "k"}
    assert (await client.post(path, json=UNLOCK, headers=headers)).status_code == 202


async def test_a_token_that_is_bound_to_a_key(client: httpx.AsyncClient, world: World) -> None:
    _, token, path = await owned(world, thumbprint=JKT)
    assert (await client.post(path, json=UNLOCK, headers=proven(world, token, "POST", path))).status_code == 202
    own = await client.get("/v1/apps/self", headers=proven(world, token, "GET", "/v1/apps/self"))
    assert (own.json()["dpop_jkt"], own.json()["machine"]) == (JKT, False)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"key": LocalSigner.from_secret(22)}, "invalid_dpop_proof"),
        ({"of": "kgw_another"}, "invalid_dpop_proof"),
        ({"method": "PUT"}, "invalid_dpop_proof"),
        ({"path": "/v1/apps/self"}, "invalid_dpop_proof"),
    ],
)
async def test_a_stolen_token_is_of_no_use(
    client: httpx.AsyncClient, world: World, changes: dict[str, Any], code: str
) -> None:
    _, token, path = await owned(world, thumbprint=JKT)
    method, at = changes.pop("method", "POST"), changes.pop("path", path)
    headers = proven(world, token, method, at, **changes)
    problem(await client.post(path, json=UNLOCK, headers=headers), code)
    bearer = {"Authorization": f"Bearer {token}", "Idempotency-Key": "k"}
    problem(await client.post(path, json=UNLOCK, headers=bearer), "dpop_required")
    problem(await client.get("/v1/apps/self", headers=bearer), "dpop_required")


async def test_a_proof_counts_once(client: httpx.AsyncClient, world: World) -> None:
    _, token, path = await owned(world, thumbprint=JKT)
    headers = proven(world, token, "POST", path)
    assert (await client.post(path, json=UNLOCK, headers=headers)).status_code == 202
    problem(await client.post(path, json=UNLOCK, headers=headers), "invalid_dpop_proof")


async def test_a_proof_makes_no_bound_token_of_a_bearer_token(client: httpx.AsyncClient, world: World) -> None:
    """Else whoever stole it would add a key of their own."""
    _, token, path = await owned(world)
    problem(await client.post(path, json=UNLOCK, headers=proven(world, token, "POST", path)), "token_malformed")


async def test_how_an_operator_says_it(client: httpx.AsyncClient, operator: dict[str, str]) -> None:
    wish = {"name": "x", "scopes": ["key.read"]}
    for more, told in (({}, (False, None)), ({"machine": True}, (True, None)), ({"dpop_jkt": JKT}, (False, JKT))):
        made = (await client.post("/v1/apps", json={**wish, **more}, headers=operator)).json()["app"]
        assert (made["machine"], made["dpop_jkt"]) == told
    for bad in ({"dpop_jkt": JKT, "machine": True}, {"dpop_jkt": JKT[:-1]}, {"dpop_jkt": ""}, {"machine": "yes"}):
        assert (await client.post("/v1/apps", json={**wish, **bad}, headers=operator)).status_code == 422, bad
