"""Invitations over real HTTP: a link, a phone without any token, an owner who hears of everything."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest

from keygw.crypto.signer import LocalSigner, thumbprint
from keygw.model.digital_key import DigitalKey
from keygw.model.entitlement import PROFILES, Entitlement
from keygw.token.grant import Grant, sign_grant
from keygw.token.possession import InvitationAct, sign_possession

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

Auth = Callable[[str], dict[str, str]]
WISH = {"profile": "access", "lifetime_seconds": 2_592_000, "label": "Friend"}


def text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def raw(data: str) -> bytes:
    return base64.urlsafe_b64decode(data + "==")


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


class Phone:
    """What a friend's phone does with a link."""

    def __init__(self, client: httpx.AsyncClient, link: str, signer: LocalSigner | None = None) -> None:
        parts = urlsplit(link)
        self.client = client
        self.id = parts.path.rpartition("/")[2]
        self.secret = parts.fragment
        self.signer = signer or LocalSigner.generate()

    def body(self, act: InvitationAct = InvitationAct.CLAIM) -> dict[str, str]:
        proof = sign_possession(act, self.id, raw(self.secret), self.signer)
        return {"secret": self.secret, "public_key": text(self.signer.public_key), "proof": text(proof)}

    async def claim(self, headers: dict[str, str] | None = None, **more: str) -> httpx.Response:
        body = self.body() | more
        return await self.client.post(f"/v1/invitations/{self.id}:claim", json=body, headers=headers)

    async def view(self) -> httpx.Response:
        return await self.client.post(f"/v1/invitations/{self.id}:view", json={"secret": self.secret})

    async def decline(self) -> httpx.Response:
        return await self.client.post(f"/v1/invitations/{self.id}:decline", json=self.body(InvitationAct.DECLINE))


async def invite(
    client: httpx.AsyncClient, headers: dict[str, str], key_id: str, **more: Any
) -> tuple[Phone, dict[str, Any]]:
    made = await client.post(f"/v1/keys/{key_id}/invitations", json=WISH | more, headers=headers)
    assert made.status_code == 201, made.text
    return Phone(client, made.json()["link"]), made.json()


def heard(token: dict[str, Any]) -> dict[str, Any]:
    """Without what the vehicle has acknowledged: the gateway visits it meanwhile."""
    assert token["revocation_list"].pop("acknowledged") in (0, 1)
    assert token["revocation_list"]["sequence"] == 1, "a list is there for the phone to carry"
    return token


async def test_from_a_link_to_a_key_without_a_token(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, token, owner = await world.owner()
    phone, made = await invite(client, auth(token), owner.id, activation_code=True)
    assert made["link"].startswith(f"http://127.0.0.1/i/{made['id']}#")
    assert len(raw(phone.secret)) == 32
    assert (made["state"], made["needs_activation_code"], made["key_id"]) == ("open", True, None)
    offer = (await phone.view()).json()
    assert (offer["vehicle_name"], offer["entitlements"]) == ("Blue van", list(PROFILES["access"].names))
    assert (offer["tries_left"], offer["key_lifetime_seconds"]) == (5, 2_592_000)
    assert "vehicle_id" not in offer
    assert code(await phone.claim()) == (403, "activation_code_required")
    claimed = await phone.claim(activation_code=made["activation_code"])
    assert claimed.status_code == 200, claimed.text
    got = claimed.json()
    key = (await client.get(f"/v1/keys/{got['key']['id']}", headers=auth(token))).json()
    assert (key["parent_id"], key["label"], key["state"]) == (owner.id, "Friend", "active")
    shown = (await client.get(f"/v1/keys/{key['id']}/token", headers=auth(token))).json()
    assert heard(got["token"]) == heard(shown), "what an app gets with its token"
    assert len(shown["chain"]) == 1
    assert shown["expires_at"] < key["expires_at"], "72 hours of thirty days"
    assert got["token"]["revocation_list"]["vehicle_id"] == world.vehicle.id
    mine = (await client.get(f"/v1/invitations/{made['id']}", headers=auth(token))).json()
    assert (mine["state"], mine["key_id"], mine["public_key"]) == (
        "accepted", key["id"], text(phone.signer.public_key),
    )  # fmt: skip
    event = await world.heard("keygw.invitation.accepted", invitation_id=made["id"])
    assert event.subject == world.vehicle.id


async def test_a_phone_asks_again_for_its_newest_token_and_list(
    client: httpx.AsyncClient, world: World, auth: Auth
) -> None:
    """The silent renewal of a phone that has no token: the claim once more, weeks later."""
    _, token, owner = await world.owner()
    phone, _ = await invite(client, auth(token), owner.id)
    first = (await phone.claim()).json()
    other, _ = await invite(client, auth(token), owner.id)
    await world.credentials.suspend((await other.claim()).json()["key"]["id"])
    world.clock.now += 10 * 86_400
    again = (await phone.claim()).json()
    assert again["key"]["id"] == first["key"]["id"]
    assert again["token"]["cwt"] != first["token"]["cwt"]
    assert again["token"]["expires_at"] > first["token"]["expires_at"]
    newest = await world.credentials.current_list(world.vehicle.id)
    assert again["token"]["revocation_list"]["sequence"] == newest.sequence > 0
    assert raw(again["token"]["revocation_list"]["signed"]) == newest.signed


async def test_a_forwarded_link_is_of_no_use_and_the_owner_hears_of_it(
    client: httpx.AsyncClient, world: World, auth: Auth
) -> None:
    _, token, owner = await world.owner()
    phone, made = await invite(client, auth(token), owner.id)
    accepted = (await phone.claim()).json()
    thief = Phone(client, made["link"])
    assert code(await thief.claim()) == (409, "invitation_taken")
    assert code(await thief.decline()) == (409, "invitation_accepted")
    await world.heard("keygw.invitation.refused", invitation_id=made["id"], reason="other_device")
    shown = (await client.get(f"/v1/invitations/{made['id']}", headers=auth(token))).json()
    assert (shown["other_claims"], shown["key_id"]) == (1, accepted["key"]["id"])
    assert (await phone.claim()).json()["key"]["id"] == accepted["key"]["id"]


async def test_many_phones_at_once(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, token, owner = await world.owner()
    _, made = await invite(client, auth(token), owner.id)
    answers = await asyncio.gather(*(Phone(client, made["link"]).claim() for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 5
    assert len(await world.credentials.keys(world.vehicle.id)) == 2


async def test_wrong_codes_end_it(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, token, owner = await world.owner()
    phone, made = await invite(client, auth(token), owner.id, activation_code=True)
    wrong = f"{(int(made['activation_code']) + 1) % 10**6:06d}"
    answers = [code(await phone.claim(activation_code=wrong)) for _ in range(5)]
    assert answers == [(403, "activation_code_wrong")] * 4 + [(409, "invitation_locked")]
    assert code(await phone.claim(activation_code=made["activation_code"])) == (409, "invitation_locked")
    assert (await phone.view()).json()["tries_left"] == 0


async def test_wrong_secrets_are_all_alike_and_bounded(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, token, owner = await world.owner()
    phone, made = await invite(client, auth(token), owner.id)
    wrong = Phone(client, made["link"].partition("#")[0] + "#" + text(bytes(32)))
    nowhere = Phone(client, made["link"].replace(made["id"], "inv_aaaaaaaaaaaaaaaa"))
    first = (await wrong.claim()).json()
    second = (await nowhere.claim()).json()
    for each in (first, second):
        each.pop("trace_id")
        each.pop("instance")
    assert first == second
    assert first["code"] == "unknown_invitation"
    for _ in range(58):
        assert code(await wrong.view()) == (404, "unknown_invitation")
    limited = await wrong.view()
    assert code(limited) == (429, "too_many_guesses")
    assert limited.headers["retry-after"] == "60"
    assert (await phone.claim()).status_code == 200


async def test_no_answer_repeats_a_secret(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, token, owner = await world.owner()
    phone, made = await invite(client, auth(token), owner.id, activation_code=True)
    path = f"/v1/invitations/{phone.id}"
    answers = [
        await phone.view(),
        await phone.claim(),
        await phone.claim(activation_code=f"{made['activation_code']}0"),
        await client.post(f"{path}:claim", json=phone.body() | {"secret": phone.secret + "A"}),
        await client.post(f"{path}:view", json={"secret": phone.secret[:-4]}),
        await client.post(f"{path}:view", params={"secret": phone.secret}),
        await client.get(path, headers=auth(token)),
        await client.get("/v1/invitations", headers=auth(token)),
        await client.post(f"{path}:cancel", headers=auth(token)),
    ]
    assert {answer.status_code for answer in answers} == {200, 403, 422}
    for answer in answers:
        assert phone.secret not in answer.text
        assert phone.secret[:-4] not in answer.text
        assert made["activation_code"] not in answer.text


async def test_the_page_behind_a_link_is_the_same_for_all_and_runs_nothing(client: httpx.AsyncClient) -> None:
    one, two = await client.get("/i/inv_aaaaaaaaaaaaaaaa"), await client.get("/i/whatever")
    assert one.status_code == 200
    assert one.content == two.content
    assert "<script" not in one.text
    assert "src=" not in one.text
    assert "href=" not in one.text
    assert one.headers["content-security-policy"].startswith("default-src 'none'")
    assert one.headers["referrer-policy"] == "no-referrer"


async def test_who_may_see_and_cancel(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    app, token, owner = await world.owner()
    _, stranger = await world.app(name="stranger")
    other, co_owner = await world.app("key.read", "key.share", "key.manage", name="co-owner")
    await world.give_key(other)
    reader, read_only = await world.app("key.read", name="reader")
    await world.give_key(reader)
    _, made = await invite(client, auth(token), owner.id)
    path = f"/v1/invitations/{made['id']}"
    for method, suffix in (("GET", ""), ("POST", ":cancel")):
        refused = await client.request(method, path + suffix, headers=auth(stranger))
        assert code(refused) == (404, "unknown_invitation")
    assert (await client.get("/v1/invitations", headers=auth(stranger))).json() == {"invitations": []}
    assert code(await client.get(f"/v1/keys/{owner.id}/invitations", headers=auth(stranger))) == (404, "unknown_key")
    for query in (f"/v1/keys/{owner.id}/invitations", f"/v1/invitations?vehicle_id={world.vehicle.id}"):
        (listed,) = (await client.get(query, headers=auth(read_only))).json()["invitations"]
        assert listed["id"] == made["id"]
        assert "link" not in listed
    assert code(await client.post(f"{path}:cancel", headers=auth(read_only))) == (403, "insufficient_scope")
    cancelled = await client.post(f"{path}:cancel", headers=auth(co_owner))
    assert cancelled.json()["state"] == "cancelled"
    assert (await client.post(f"{path}:cancel", headers=auth(token))).json()["state"] == "cancelled"
    refused = await client.post(f"/v1/keys/{owner.id}/invitations", json=WISH, headers=auth(co_owner))
    assert code(refused) == (403, "not_key_holder")
    assert app.id not in cancelled.text


async def test_what_has_been_claimed_is_revoked(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, token, owner = await world.owner()
    phone, made = await invite(client, auth(token), owner.id)
    await phone.claim()
    refused = await client.post(f"/v1/invitations/{made['id']}:cancel", headers=auth(token))
    assert code(refused) == (409, "invitation_accepted")
    assert "revoke" in refused.json()["detail"]


async def test_it_takes_the_scope_and_the_right(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, token, owner = await world.owner("key.read", "vehicle.read")
    refused = await client.post(f"/v1/keys/{owner.id}/invitations", json=WISH, headers=auth(token))
    assert (refused.status_code, refused.json()["required_scope"]) == (403, "key.share")


@pytest.mark.parametrize(
    "wish",
    [
        {"profile": None},
        {"lifetime_seconds": None},
        {"entitlements": ["door.lock"]},
        {"open_seconds": 0},
        {"open_seconds": 604_801},
        {"activation_code": "yes"},
        {"label": "a\nb"},
        {"secret": "x"},
    ],
)
async def test_what_an_offer_may_not_be(
    client: httpx.AsyncClient, world: World, auth: Auth, wish: dict[str, Any]
) -> None:
    _, token, owner = await world.owner()
    body = {name: value for name, value in (WISH | wish).items() if value is not None}
    refused = await client.post(f"/v1/keys/{owner.id}/invitations", json=body, headers=auth(token))
    assert code(refused) == (422, "validation")


# --- keys that a phone holds


async def phone_held(world: World, parent: DigitalKey, app_id: str | None = None) -> tuple[LocalSigner, DigitalKey]:
    """A key in a phone that may share it on."""
    signer = LocalSigner.generate()
    invited = await world.credentials.invitations.create(
        parent.id,
        app_id="app_test",
        entitlements=PROFILES["access"] | Entitlement.KEY_SHARE,
        key_lifetime=20 * 86_400,
    )
    proof = sign_possession(InvitationAct.CLAIM, invited.invitation.id, invited.secret, signer)
    claimed = await world.credentials.invitations.claim(
        invited.invitation.id, invited.secret, signer.public_key, proof, app_id=app_id
    )
    return signer, await world.credentials.key(claimed.key_id or "")


def grant_for(world: World, parent: DigitalKey, signer: LocalSigner, public_key: bytes, days: int = 10) -> str:
    at = int(world.clock())
    said = Grant(
        vehicle_id=parent.vehicle_id,
        parent_id=parent.id,
        device=thumbprint(public_key),
        entitlements=Entitlement.DOOR_LOCK,
        issued_at=at,
        not_before=at,
        expires_at=at + days * 86_400,
        depth=2,
        max_depth=2,
    )
    return text(sign_grant(said, signer))


async def test_the_phone_that_holds_the_parent_grants(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    """The friend of a friend: the first friend's own app asks, its phone signs."""
    _, _, owner = await world.owner()
    app, token = await world.app("key.read", "key.share", name="friend's app")
    signer, parent = await phone_held(world, owner, app.id)
    phone, made = await _offer(client, auth(token), parent.id)
    waiting = (await phone.claim()).json()
    assert (waiting["invitation"]["state"], waiting["key"], waiting["token"]) == ("claimed", None, None)
    event = await world.heard("keygw.invitation.claimed", invitation_id=made["id"])
    assert event.data["parent_id"] == parent.id
    mine = (await client.get(f"/v1/invitations/{made['id']}", headers=auth(token))).json()
    grant = grant_for(world, parent, signer, raw(mine["public_key"]))
    path = f"/v1/invitations/{made['id']}:grant"
    forged = grant_for(world, parent, LocalSigner.generate(), raw(mine["public_key"]))
    assert code(await client.post(path, json={"grant": forged}, headers=auth(token))) == (403, "token_signature")
    assert code(await client.post(path, json={"grant": "AAAA"}, headers=auth(token))) == (422, "token_malformed")
    accepted = await client.post(path, json={"grant": grant}, headers=auth(token))
    assert accepted.json()["state"] == "accepted", accepted.text
    got = (await phone.claim()).json()
    assert (got["key"]["depth"], got["key"]["entitlements"]) == (2, ["door.lock"])
    assert [len(raw(link["grant"])) > 100 for link in got["token"]["chain"]] == [True, True]


async def _offer(client: httpx.AsyncClient, headers: dict[str, str], key_id: str) -> tuple[Phone, dict[str, Any]]:
    wish = {"entitlements": ["door.lock"], "lifetime_seconds": 864_000}
    made = await client.post(f"/v1/keys/{key_id}/invitations", json=wish, headers=headers)
    assert made.status_code == 201, made.text
    return Phone(client, made.json()["link"]), made.json()


async def test_a_grant_is_enough_to_share(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    """Even for an app that has never heard of the parent: only the device that holds it could have signed."""
    _, token, owner = await world.owner()
    signer, parent = await phone_held(world, owner)
    _, foreign = await world.app("key.share", name="any app")
    friend = LocalSigner.generate().public_key
    body = {"public_key": text(friend), "grant": grant_for(world, parent, signer, friend), "label": "Deep"}
    path = f"/v1/keys/{parent.id}:share"
    forged = body | {"grant": grant_for(world, parent, LocalSigner.generate(), friend)}
    assert code(await client.post(path, json=forged, headers=auth(foreign))) == (404, "unknown_key")
    assert code(await client.post(path, json=forged, headers=auth(token))) == (403, "token_signature")
    made = await client.post(path, json=body, headers=auth(foreign))
    assert made.status_code == 201, made.text
    assert (made.json()["parent_id"], made.json()["depth"]) == (parent.id, 2)
    again = await client.post(path, json=body, headers=auth(foreign))
    assert again.json()["id"] == made.json()["id"]
    plain = {"public_key": text(friend), "profile": "access", "lifetime_seconds": 3600}
    assert code(await client.post(path, json=plain, headers=auth(token))) == (409, "grant_required")
    both = await client.post(path, json=plain | {"grant": body["grant"]}, headers=auth(token))
    assert code(both) == (422, "validation")


async def test_the_friends_app_sees_its_phones_key_but_the_gateway_cannot_act_with_it(
    client: httpx.AsyncClient, world: World, auth: Auth
) -> None:
    _, token, owner = await world.owner()
    _, friend = await world.app(name="friend's app")
    phone, _ = await invite(client, auth(token), owner.id)
    got = (await phone.claim()).json()
    path = f"/v1/keys/{got['key']['id']}"
    assert code(await client.get(path, headers=auth(friend))) == (404, "unknown_key")
    assert (await client.get(path, headers=auth(token))).status_code == 200
    assert (await phone.claim(headers=auth(friend))).status_code == 200
    assert (await client.get(path, headers=auth(friend))).json()["state"] == "active"
    assert (await client.get(f"{path}/token", headers=auth(friend))).status_code == 200
    headers = {**auth(friend), "Idempotency-Key": "one"}
    sent = await client.post(f"/v1/vehicles/{world.vehicle.id}/commands", json={"action": "lock"}, headers=headers)
    assert code(sent) == (403, "not_hosted")
    bad = await phone.claim(headers={"Authorization": "Bearer kgw_nonsense"})
    assert code(bad) == (401, "token_unknown")


async def test_a_token_is_signed_anew_on_request(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, token, owner = await world.owner()
    phone, _ = await invite(client, auth(token), owner.id)
    got = (await phone.claim()).json()
    path = f"/v1/keys/{got['key']['id']}:renew"
    assert heard((await client.post(path, headers=auth(token))).json()) == heard(got["token"])
    world.clock.now += 3600
    renewed = (await client.post(path, headers=auth(token))).json()
    assert renewed["expires_at"] > got["token"]["expires_at"]
    await world.credentials.suspend(got["key"]["id"])
    assert code(await client.post(path, headers=auth(token))) == (409, "key_suspended")


async def test_the_address_of_links_is_the_operators_to_say(
    world: World, auth: Auth, serve: Callable[..., Any]
) -> None:
    _, token, owner = await world.owner()
    async with serve(replace(world.services, public_url="https://keys.example/car")) as client:
        headers = auth(token) | {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
        made = await client.post(f"/v1/keys/{owner.id}/invitations", json=WISH, headers=headers)
    assert made.json()["link"].startswith(f"https://keys.example/car/i/{made.json()['id']}#")
