"""Devices, profiles and limits over real HTTP."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from keygw.credentials.profiles import BUILT_IN, Profiles
from keygw.credentials.values import Limits
from keygw.crypto.signer import LocalSigner
from keygw.model.entitlement import REGISTRY, Entitlement
from keygw.token.possession import sign_registration

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

Auth = Callable[[str], dict[str, str]]


def text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


async def body(client: httpx.AsyncClient, headers: dict[str, str], signer: LocalSigner, **more: Any) -> dict[str, Any]:
    made = await client.post("/v1/devices/challenges", headers=headers)
    assert made.status_code == 201, made.text
    challenge = made.json()["challenge"]
    said = more.get("attestation")
    evidence = None if said is None else (said["format"], base64.urlsafe_b64decode(said["evidence"] + "=="))
    proof = sign_registration(base64.urlsafe_b64decode(challenge + "="), evidence, signer)
    return {"public_key": text(signer.public_key), "challenge": challenge, "proof": text(proof), **more}


async def test_a_phone_is_registered_seen_and_removed(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    app, token = await world.app("key.read")
    signer = LocalSigner.generate()
    made = await client.post(
        "/v1/devices", json=await body(client, auth(token), signer, label="Ada"), headers=auth(token)
    )
    assert made.status_code == 201, made.text
    said = made.json()
    assert (said["kind"], said["attestation"], said["app_id"]) == ("phone", "none", app.id)
    assert (said["public_key"], said["label"], said["model"]) == (text(signer.public_key), "Ada", None)
    assert (await client.get("/v1/devices", headers=auth(token))).json() == {"devices": [said]}
    assert (await client.get(f"/v1/devices/{said['id']}", headers=auth(token))).json() == said
    assert (await client.delete(f"/v1/devices/{said['id']}", headers=auth(token))).status_code == 204
    assert (await client.get("/v1/devices", headers=auth(token))).json() == {"devices": []}
    assert code(await client.get(f"/v1/devices/{said['id']}", headers=auth(token))) == (404, "unknown_device")


async def test_a_registration_whose_answer_was_lost_is_answered_again(
    client: httpx.AsyncClient, world: World, auth: Auth, operator: dict[str, str]
) -> None:
    """Its challenge is used up, so without the key the app would have to ask for another."""
    app, token = await world.app("key.read")
    wish, headers = await body(client, auth(token), LocalSigner.generate()), {**auth(token), "Idempotency-Key": "k"}
    first = await client.post("/v1/devices", json=wish, headers=headers)
    again = await client.post("/v1/devices", json=wish, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    assert code(await client.post("/v1/devices", json=wish, headers=auth(token))) == (409, "challenge_unknown")
    other = await body(client, auth(token), LocalSigner.generate())
    assert code(await client.post("/v1/devices", json=other, headers=headers)) == (422, "idempotency_mismatch")
    name = first.json()["id"]
    assert (await client.delete(f"/v1/devices/{name}", headers=auth(token))).status_code == 204
    found = (await client.get(f"/v1/audit?device_id={name}", headers=operator)).json()["entries"]
    told = [(each["actor"], each["action"], each["data"]) for each in found]
    assert told == [
        (f"app:{app.id}", "device.removed", {}),
        (f"app:{app.id}", "device.registered", {"kind": "phone", "attestation": "none"}),
    ]


async def test_what_another_app_has_is_not_there(
    client: httpx.AsyncClient, world: World, auth: Auth, operator: dict[str, str]
) -> None:
    _, token = await world.app()
    _, other = await world.app()
    signer = LocalSigner.generate()
    said = (await client.post("/v1/devices", json=await body(client, auth(token), signer), headers=auth(token))).json()
    for method in ("GET", "DELETE"):
        for name in (said["id"], "dev_aaaaaaaaaaaaaaaa", "nonsense"):
            answer = await client.request(method, f"/v1/devices/{name}", headers=auth(other))
            assert code(answer) == (404, "unknown_device")
    taken = await client.post("/v1/devices", json=await body(client, auth(other), signer), headers=auth(other))
    assert code(taken) == (409, "device_taken")
    foreign = await body(client, auth(token), LocalSigner.generate())
    assert code(await client.post("/v1/devices", json=foreign, headers=auth(other))) == (409, "challenge_unknown")
    seen = (await client.get("/v1/devices", headers=operator)).json()["devices"]
    assert said["id"] in {each["id"] for each in seen}


async def test_the_keys_of_a_registered_phone_become_visible(
    client: httpx.AsyncClient, world: World, auth: Auth
) -> None:
    _, token, owner = await world.owner()
    _, friend = await world.app("key.read")
    signer = LocalSigner.generate()
    wish = {"public_key": text(signer.public_key), "profile": "access", "lifetime_seconds": 3600}
    shared = await client.post(f"/v1/keys/{owner.id}:share", json=wish, headers=auth(token))
    assert (shared.status_code, shared.json()["profile"]) == (201, "access")
    assert (await client.get("/v1/keys", headers=auth(friend))).json() == {"keys": []}
    await client.post("/v1/devices", json=await body(client, auth(friend), signer), headers=auth(friend))
    seen = (await client.get("/v1/keys", headers=auth(friend))).json()["keys"]
    assert [each["id"] for each in seen] == [shared.json()["id"]]
    gone = await client.delete(f"/v1/devices/{shared.json()['device_id']}", headers=auth(friend))
    assert code(gone) == (409, "device_in_use")


@pytest.mark.parametrize(
    ("change", "status", "problem"),
    [
        ({"proof": text(bytes(100))}, 422, "bad_proof"),
        ({"challenge": text(bytes(32))}, 422, "bad_proof"),
        ({"challenge": text(bytes(31))}, 422, "validation"),
        ({"public_key": text(b"\x02" + b"\xff" * 32)}, 422, "bad_public_key"),
        ({"label": "x" * 81}, 422, "validation"),
        ({"kind": "hosted"}, 422, "validation"),
        ({"app_id": "app_aaaaaaaaaaaaaaaa"}, 422, "validation"),
        ({"attestation": {"format": "packed"}}, 422, "validation"),
        ({"attestation": {"format": "packed", "evidence": text(bytes(3073))}}, 422, "validation"),
        ({"attestation": {"format": "x" * 25, "evidence": "AA"}}, 422, "validation"),
        ({"attestation": {"format": "packed", "evidence": "AA"}}, 422, "bad_proof"),
    ],
)
async def test_what_is_no_registration(
    client: httpx.AsyncClient, world: World, auth: Auth, change: dict[str, Any], status: int, problem: str
) -> None:
    _, token = await world.app()
    wish = {**await body(client, auth(token), LocalSigner.generate()), **change}
    assert code(await client.post("/v1/devices", json=wish, headers=auth(token))) == (status, problem)


async def test_evidence_of_a_format_that_is_not_judged_is_refused(
    client: httpx.AsyncClient, world: World, auth: Auth
) -> None:
    _, token = await world.app()
    said = {"format": "android-key", "evidence": "AAAA"}
    wish = await body(client, auth(token), LocalSigner.generate(), attestation=said)
    assert code(await client.post("/v1/devices", json=wish, headers=auth(token))) == (422, "attestation_format")


@pytest.mark.parametrize("path", ["", "/challenges"])
async def test_devices_take_a_scope(client: httpx.AsyncClient, world: World, auth: Auth, path: str) -> None:
    _, token = await world.app("vehicle.read")
    method = "POST" if path else "GET"
    assert code(await client.request(method, f"/v1/devices{path}", headers=auth(token))) == (403, "insufficient_scope")


async def test_profiles_entitlements_and_limits_are_told(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, token = await world.app("vehicle.read")
    profiles = (await client.get("/v1/profiles", headers=auth(token))).json()["profiles"]
    assert [each["name"] for each in profiles] == [each.name for each in BUILT_IN]
    assert profiles[3] == {
        "name": "valet", "description": "park the vehicle", "roles": ["friend"], "longest_seconds": 604_800,
        "entitlements": ["status.read", "door.lock", "door.unlock", "engine.start"], "share_depth": 0,
        "attestation": "none", "hosted": True,
    }  # fmt: skip
    told = (await client.get("/v1/entitlements", headers=auth(token))).json()["entitlements"]
    assert [each["bit"] for each in told] == list(range(len(REGISTRY)))
    engine = told[8]
    assert (engine["name"], engine["actions"]) == ("engine.start", ["start_engine"])
    assert engine["signals"] == ["Vehicle.Powertrain.CombustionEngine.IsRunning"]
    limits = (await client.get("/v1/limits", headers=auth(token))).json()
    assert limits == {**Limits().shown(), "label_length": 80, "attestation_formats": []}
    for path in ("profiles", "entitlements", "limits"):
        assert code(await client.get(f"/v1/{path}")) == (401, "token_missing")


@pytest.mark.parametrize("road", [":share", "/invitations"])
async def test_a_profile_of_this_deployment_may_be_named(
    world: World, auth: Auth, serve: Callable[[Any], Any], road: str
) -> None:
    """The name stands for what the operator says, not for what comes along."""
    _, token, owner = await world.owner()
    rights = Entitlement.STATUS_READ | Entitlement.TRUNK_OPEN
    limits = Limits(profiles=Profiles([*BUILT_IN, replace(BUILT_IN[2], name="guest", entitlements=rights)]))
    async with serve(replace(world.services, limits=limits)) as client:
        wish: dict[str, Any] = {"profile": "guest", "lifetime_seconds": 3600}
        if road == ":share":
            wish["public_key"] = text(LocalSigner.generate().public_key)
        world.credentials._limits = limits
        world.credentials.invitations._limits = limits
        made = await client.post(f"/v1/keys/{owner.id}{road}", json=wish, headers=auth(token))
        assert (made.status_code, made.json()["profile"]) == (201, "guest"), made.text
        assert made.json()["entitlements"] == list(rights.names)
        wish["profile"] = "king"
        refused = await client.post(f"/v1/keys/{owner.id}{road}", json=wish, headers=auth(token))
        assert code(refused) == (422, "unknown_profile")
        wish = {**wish, "profile": "guest", "entitlements": ["trunk.open"]}
        both = await client.post(f"/v1/keys/{owner.id}{road}", json=wish, headers=auth(token))
        assert code(both) == (422, "validation")
