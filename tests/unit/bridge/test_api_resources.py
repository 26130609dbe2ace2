"""Vehicles, keys, status and the gateway itself over real HTTP."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from keygw.crypto.signer import LocalSigner, thumbprint
from keygw.model.base64url import encode_base64url
from keygw.model.ids import new_id
from keygw.model.revocation import ListAck
from keygw.model.signal import SignalId
from keygw.token.jwt import decode_jwt
from keygw.token.receipt import verify_receipt
from keygw.token.revocation import list_hash, sign_ack
from keygw.token.time_proof import verify_time_proof
from keygw.token.trust import IssuerKey, TrustedIssuers

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

Auth = Callable[[str], dict[str, str]]


def raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


def new_vehicle(world: World, **changes: Any) -> dict[str, Any]:
    return {
        "id": new_id("veh", world.random),
        "name": "Red van",
        "public_key": encode_base64url(LocalSigner.generate().public_key),
        "advertising_key": encode_base64url(bytes(range(16))),
        **changes,
    }


async def test_the_gateway_says_what_it_is(client: httpx.AsyncClient, world: World) -> None:
    assert (await client.get("/health")).json() == {
        "status": "ok",
        "version": "1.2.3",
        "time": "2027-01-15T08:00:00.000Z",
    }
    known = (await client.get("/.well-known/keygw")).json()
    assert known["issuer"] == {
        "issuer": world.issuer.issuer,
        "kid": encode_base64url(world.issuer.kid),
        "public_key": encode_base64url(world.issuer.public_key),
    }
    assert "unlock" in known["actions"]
    assert "app.manage" not in known["scopes"]
    for name in ("stream", "viss"):
        where = known["endpoints"].pop(name)
        assert (await client.get(where, timeout=2)).json()["code"] == "no_route", "a WebSocket, and nothing else"
    for path in known["endpoints"].values():
        assert (await client.get(path, timeout=2)).status_code in (200, 401, 405)


async def test_from_nothing_to_an_unlocked_car(
    client: httpx.AsyncClient, world: World, operator: dict[str, str], auth: Auth
) -> None:
    scopes = ["vehicle.manage", "vehicle.read", "key.manage", "key.read", "command.unlock"]
    made = await client.post("/v1/apps", json={"name": "Demo", "scopes": scopes}, headers=operator)
    assert made.status_code == 201
    assert made.json()["app"]["scopes"] == sorted(scopes)
    headers = auth(made.json()["token"])
    assert (await client.get("/v1/apps/self", headers=headers)).json() == made.json()["app"]

    vehicle = new_vehicle(world)
    registered = await client.post("/v1/vehicles", json=vehicle, headers=headers)
    assert registered.status_code == 201
    root = registered.json()["issuer"]
    assert root["issuer"] == world.issuer.issuer
    assert root.pop("sequence") == 0
    assert (await client.post("/v1/vehicles", json=vehicle, headers=headers)).status_code == 201

    issued = await client.post(
        "/v1/keys", json={"vehicle_id": vehicle["id"], "role": "owner", "label": "My phone"}, headers=headers
    )
    key = issued.json()
    assert issued.status_code == 201
    assert (key["role"], key["state"], key["depth"], key["parent_id"]) == ("owner", "active", 0, None)
    device = await world.credentials.device(key["device_id"])
    assert key["provisioning"] == {
        "v": 1,
        "vehicle_id": vehicle["id"],
        "issuer": root,
        "owner_thumbprint": encode_base64url(thumbprint(device.public_key)),
    }
    world.car.vehicle_id, world.car.signer = vehicle["id"], world.car.signer
    del key["provisioning"]
    assert (await client.get("/v1/keys", headers=headers)).json() == {"keys": [key]}
    assert (await client.get(f"/v1/keys/{key['id']}", headers=headers)).json() == key


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "veh_short"},
        {"id": "key_mfrggzdfmztwq2lk"},
        {"public_key": "AAAA"},
        {"public_key": encode_base64url(b"\x04" + bytes(32))},
        {"public_key": encode_base64url(b"\x02" + b"\xff" * 32)},
        {"advertising_key": encode_base64url(bytes(15))},
        {"advertising_key": encode_base64url(bytes(16))[:-1] + "B"},
        {"advertising_key": "!" * 22},
        {"name": ""},
        {"name": "a\x00b"},
        {"colour": "red"},
    ],
)
async def test_a_vehicle_that_cannot_be(client: httpx.AsyncClient, world: World, auth: Auth, changes: Any) -> None:
    _, token = await world.app()
    response = await client.post("/v1/vehicles", json=new_vehicle(world, **changes), headers=auth(token))
    assert response.status_code == 422


async def test_another_apps_vehicle(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, mine, _ = await world.owner()
    _, theirs = await world.app()
    vehicle = new_vehicle(world, id=world.vehicle.id)
    assert code(await client.post("/v1/vehicles", json=vehicle, headers=auth(theirs))) == (409, "vehicle_taken")
    assert code(await client.post("/v1/vehicles", json=vehicle, headers=auth(mine))) == (409, "vehicle_exists")
    url = f"/v1/vehicles/{world.vehicle.id}"
    for path in (url, f"{url}/link", f"{url}/signals", f"{url}/receipts", f"/v1/events?vehicle={world.vehicle.id}"):
        assert code(await client.get(path, headers=auth(theirs))) == (404, "unknown_vehicle")
    for verb in ("connect", "sync"):
        assert code(await client.post(f"{url}/link:{verb}", headers=auth(theirs))) == (404, "unknown_vehicle")
    assert code(await client.delete(f"{url}/link", headers=auth(theirs))) == (404, "unknown_vehicle")
    assert (await client.get("/v1/vehicles", headers=auth(theirs))).json() == {"vehicles": []}
    shown = (await client.get(url, headers=auth(mine))).json()
    assert shown == {
        "id": world.vehicle.id,
        "name": "Blue van",
        "public_key": encode_base64url(world.vehicle.public_key),
        "tenant_id": "default",
    }


async def test_links(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, token, key = await world.owner()
    headers, url = auth(token), f"/v1/vehicles/{world.vehicle.id}/link"
    assert (await client.get(url, headers=headers)).json()["state"] == "disconnected"
    up = (await client.post(f"{url}:connect", headers=headers)).json()
    assert (up["state"], up["key_id"]) == ("authenticated", key.id)
    assert (await client.get(url, headers=headers)).json() == up
    assert (await client.delete(url, headers=headers)).status_code == 204
    assert (await client.get(url, headers=headers)).json()["state"] == "disconnected"
    world.car.present = False
    response = await client.post(f"{url}:connect", json={"timeout_seconds": 0.5}, headers=headers)
    assert code(response) == (504, "out_of_range")
    assert response.json()["retryable"] is True
    foreign = await client.post(f"{url}:connect", json={"key_id": "key_mfrggzdfmztwq2lk"}, headers=headers)
    assert code(foreign) == (404, "unknown_key")


async def test_discovery_names_only_what_is_ones_own(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, token, _ = await world.owner()
    _, stranger = await world.app()
    mine = (await client.get("/v1/discovery?seconds=0.1", headers=auth(token))).json()["vehicles"]
    theirs = (await client.get("/v1/discovery?seconds=0.1", headers=auth(stranger))).json()["vehicles"]
    assert [(each["vehicle_id"], each["name"]) for each in mine] == [(world.vehicle.id, "Blue van"), (None, None)]
    assert [each["vehicle_id"] for each in theirs] == [None, None]
    assert (await client.get("/v1/discovery?seconds=60", headers=auth(token))).status_code == 422


async def test_share_suspend_resume_revoke(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, token, top = await world.owner()
    headers, phone = auth(token), LocalSigner.generate()
    body = {
        "public_key": encode_base64url(phone.public_key),
        "profile": "access",
        "lifetime_seconds": 3600,
        "label": "Friend",
    }
    shared = await client.post(f"/v1/keys/{top.id}:share", json=body, headers=headers)
    key = shared.json()
    assert shared.status_code == 201
    assert (key["role"], key["parent_id"], key["label"]) == ("friend", top.id, "Friend")
    assert key["entitlements"] == ["status.read", "door.lock", "door.unlock"]
    assert key["expires_at"] == "2027-01-15T09:00:00.000Z"
    assert key["list"] == {"current": 1, "acknowledged": 0}, "the first list goes out with the first friend key"
    await world.acknowledged(1)

    held = (await client.get(f"/v1/keys/{key['id']}/token", headers=headers)).json()
    trusted = TrustedIssuers([IssuerKey(world.issuer.issuer, world.issuer.kid, world.issuer.public_key)])
    claims = decode_jwt(held["jwt"], trusted, vehicle_id=world.vehicle.id)
    assert (claims.key_id, claims.device_key) == (key["id"], phone.public_key)
    assert raw(held["vehicle"]["advertising_key"]) == world.vehicle.advertising_key
    assert raw(held["cwt"]) == (await world.credentials.key_token(key["id"])).cwt
    newest = await world.credentials.current_list(world.vehicle.id)
    assert held["revocation_list"] == {
        "vehicle_id": world.vehicle.id,
        "sequence": 1,
        "signed": encode_base64url(newest.signed),
        "acknowledged": newest.acknowledged_sequence,
    }

    url = f"/v1/keys/{key['id']}"
    world.car.present = False
    suspended = (await client.post(f"{url}:suspend", headers=headers)).json()
    assert (suspended["state"], suspended["list"]) == ("suspended", {"current": 2, "acknowledged": 1})
    assert (await client.post(f"{url}:resume", headers=headers)).json()["state"] == "active"
    revoking = (await client.post(f"{url}:revoke", headers=headers)).json()
    assert (revoking["state"], revoking["list"]["current"]) == ("revoking", 4)
    world.car.present = True
    assert (await client.post(f"/v1/vehicles/{world.vehicle.id}/link:sync", headers=headers)).status_code == 200
    await world.heard("keygw.key.revoked", key_id=key["id"])
    revoked = (await client.get(url, headers=headers)).json()
    assert (revoked["state"], revoked["list"]) == ("revoked", {"current": 4, "acknowledged": 4})
    assert code(await client.post(f"{url}:resume", headers=headers)) == (409, "key_revoked")


async def test_a_phone_gets_a_time_proof_for_its_vehicle(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, token, _ = await world.owner("key.read")
    url, trusted = f"/v1/vehicles/{world.vehicle.id}/time-proofs", [world.issuer.kid, world.issuer.public_key]
    given = await client.post(url, json={"nonce": encode_base64url(b"nonce..8")}, headers=auth(token))
    assert given.status_code == 200
    issuers = TrustedIssuers([IssuerKey(world.issuer.issuer, *trusted)])
    proof = verify_time_proof(raw(given.json()["proof"]), issuers, world.vehicle.id)
    assert (proof.nonce, proof.time, proof.list_sequence) == (b"nonce..8", int(world.clock()), 0)
    for nonce in (encode_base64url(bytes(7)), encode_base64url(bytes(9)), "!", 8, None):
        assert code(await client.post(url, json={"nonce": nonce}, headers=auth(token))) == (422, "validation")
    _, stranger = await world.app()
    asked = await client.post(url, json={"nonce": encode_base64url(bytes(8))}, headers=auth(stranger))
    assert code(asked) == (404, "unknown_vehicle")


async def test_a_revocation_reaches_the_car_without_further_calls(
    client: httpx.AsyncClient, world: World, auth: Auth
) -> None:
    _, token, top = await world.owner()
    response = await client.post(f"/v1/keys/{top.id}:revoke", headers=auth(token))
    assert response.json()["state"] == "revoking"
    await world.heard("keygw.key.revoked", key_id=top.id)


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"profile": "emperor"}, (422, "unknown_profile")),
        ({"profile": None, "entitlements": ["door.fly"]}, (422, "unknown_entitlement")),
        ({"profile": None}, (422, "validation")),
        ({"entitlements": ["door.lock"]}, (422, "validation")),
        ({"lifetime_seconds": None}, (422, "validation")),
        ({"expires_at": "2027-01-15T09:00:00Z"}, (422, "validation")),
        ({"lifetime_seconds": 0}, (422, "validation")),
        ({"lifetime_seconds": 86_400 * 366}, (403, "outlives_parent")),
        ({"expires_at": "2020-01-15T09:00:00Z", "lifetime_seconds": None}, (422, "bad_lifetime")),
        ({"public_key": "nonsense"}, (422, "validation")),
        ({"label": "x" * 81}, (422, "validation")),
        ({"profile": "access", "extra": 1}, (422, "validation")),
    ],
)
async def test_sharing_that_cannot_be(
    client: httpx.AsyncClient, world: World, auth: Auth, changes: Any, wanted: tuple[int, str]
) -> None:
    _, token, top = await world.owner()
    body = {
        "public_key": encode_base64url(LocalSigner.generate().public_key),
        "profile": "access",
        "lifetime_seconds": 60,
    }
    response = await client.post(f"/v1/keys/{top.id}:share", json={**body, **changes}, headers=auth(token))
    assert code(response) == wanted


async def test_a_friend_cannot_share_what_it_does_not_hold(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, _, top = await world.owner()
    app, token = await world.app()
    key = await world.give_friend_key(app, top, top.entitlements & ~(1 << 3))
    body = {
        "public_key": encode_base64url(LocalSigner.generate().public_key),
        "entitlements": ["trunk.open"],
        "lifetime_seconds": 60,
    }
    response = await client.post(f"/v1/keys/{key.id}:share", json=body, headers=auth(token))
    assert code(response) == (403, "wider_than_parent")


@pytest.mark.parametrize("key", ["key_mfrggzdfmztwq2lk", "nonsense", "veh_mfrggzdfmztwq2lk"])
async def test_an_unknown_key(client: httpx.AsyncClient, world: World, auth: Auth, key: str) -> None:
    _, token, _ = await world.owner()
    for path in (f"/v1/keys/{key}", f"/v1/keys/{key}/token", f"/v1/keys/{key}/receipts"):
        assert code(await client.get(path, headers=auth(token))) == (404, "unknown_key")
    for verb in ("suspend", "resume", "revoke"):
        assert code(await client.post(f"/v1/keys/{key}:{verb}", headers=auth(token))) == (404, "unknown_key")


async def test_receipts_are_the_vehicles_own_words(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    app, token, top = await world.owner()
    second, other = await world.app()
    theirs = await world.give_friend_key(second, top, top.entitlements)
    for number, who in enumerate((app, second, app)):
        record, _ = await world.bridge.commands.create(
            who, world.vehicle.id, action="unlock", idempotency_key=f"k{number}"
        )
        await world.settled(record)
    url = f"/v1/vehicles/{world.vehicle.id}/receipts"
    every = (await client.get(url, headers=auth(token))).json()["receipts"]
    assert [each["sequence"] for each in every] == [1, 2, 3]
    assert verify_receipt(raw(every[0]["signed"]), world.vehicle.public_key).key_id == top.id
    assert [each["sequence"] for each in (await client.get(url, headers=auth(other))).json()["receipts"]] == [2]
    page = (await client.get(url, params={"after": 1, "limit": 1}, headers=auth(token))).json()["receipts"]
    assert [each["sequence"] for each in page] == [2]
    of_key = (await client.get(f"/v1/keys/{theirs.id}/receipts", headers=auth(token))).json()["receipts"]
    assert [each["key_id"] for each in of_key] == [theirs.id]
    assert (await client.get(url, params={"limit": 501}, headers=auth(token))).status_code == 422


async def test_signals(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, token, key = await world.owner("status.security.read")
    world.car.up(key.id)
    world.car.report(SignalId.CENTRAL_LOCK, True)
    lock, trunk, speed = (each.path for each in (SignalId.CENTRAL_LOCK, SignalId.TRUNK_OPEN, SignalId.SPEED))
    url = f"/v1/vehicles/{world.vehicle.id}/signals"
    answer = (await client.get(url, params={"paths": f"{lock},{trunk}, {speed},Vehicle.X"}, headers=auth(token))).json()
    first, *rest = answer["signals"]
    assert (first["value"], first["quality"], first["unit"]) == (True, "live", None)
    assert rest == [
        {"path": trunk, "quality": "unknown"},
        {"path": speed, "error": "forbidden", "required_scope": "status.energy.read"},
        {"path": "Vehicle.X", "error": "unsupported"},
    ]
    everything = (await client.get(url, headers=auth(token))).json()["signals"]
    assert speed not in {each["path"] for each in everything}
    many = ",".join(["Vehicle.X"] * 101)
    assert code(await client.get(url, params={"paths": many}, headers=auth(token))) == (422, "too_many_paths")


async def test_a_phones_acknowledgement_ends_a_revocation(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, token, top = await world.owner()
    _, blind = await world.app("vehicle.read")
    headers, path = auth(token), f"/v1/vehicles/{world.vehicle.id}"
    world.car.present = False
    empty = await client.get(f"{path}/revocation-list", headers=headers)
    assert empty.json() == {"vehicle_id": world.vehicle.id, "sequence": 0, "signed": None, "acknowledged": 0}
    await client.post(f"/v1/keys/{top.id}:revoke", headers=headers)
    newest = (await client.get(f"{path}/revocation-list", headers=headers)).json()
    assert (newest["sequence"], newest["acknowledged"]) == (1, 0)

    def signed(sequence: int, digest: bytes, signer: LocalSigner = world.car.signer) -> dict[str, str]:
        return {"ack": encode_base64url(sign_ack(ListAck(world.vehicle.id, sequence, digest, 1), signer))}

    async def hand_in(body: dict[str, str], as_app: str = token) -> httpx.Response:
        return await client.post(f"{path}/revocation-acks", json=body, headers=auth(as_app))

    digest = list_hash(raw(newest["signed"]))
    assert code(await hand_in(signed(1, digest, LocalSigner.generate()))) == (422, "token_signature")
    assert code(await hand_in(signed(1, bytes(32)))) == (422, "ack_mismatch")
    assert code(await hand_in(signed(2, digest))) == (409, "ack_unknown_list")
    assert code(await hand_in({"ack": encode_base64url(raw(newest["signed"]))})) == (422, "wrong_type")
    assert code(await hand_in({"ack": "AAAA"})) == (422, "validation")
    assert code(await hand_in(signed(1, digest), blind)) == (403, "insufficient_scope")
    assert (await client.get(f"{path}/revocation-list", headers=auth(blind))).status_code == 403
    assert (await world.credentials.key(top.id)).state == "revoking"
    for _ in range(2):
        assert (await hand_in(signed(1, digest))).json()["acknowledged"] == 1
    assert (await world.credentials.key(top.id)).state == "revoked"
    await world.heard("keygw.key.revoked", key_id=top.id)
