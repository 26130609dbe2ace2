"""The invitation grant: the link of a key lets its phone in as far as that key, and nobody else any further."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from keygw.bridge.oauth.guests import GUESTS
from keygw.client.bound import BoundAuth
from keygw.crypto.signer import LocalSigner
from keygw.model.base64url import decode_base64url, encode_base64url
from keygw.token.possession import InvitationAct, sign_possession

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.bridge.conftest import World

    Auth = Callable[[str], dict[str, str]]

TOKEN = "/oauth2/token"
INVITATION = "urn:keygw:params:oauth:grant-type:invitation"
SCOPES = "vehicle.read command.unlock key.read key.share key.manage"


async def registered(client: httpx.AsyncClient, scopes: str = SCOPES) -> str:
    made = await client.post("/oauth2/register", json={"client_name": "Friend's phone", "scope": scopes})
    return str(made.json()["client_id"])


async def offered(client: httpx.AsyncClient, world: World, auth: Auth) -> tuple[dict[str, str], str, str]:
    """The owner's headers, and the id and secret of a link."""
    _, token, owner = await world.owner()
    wish = {"profile": "access", "lifetime_seconds": 86_400, "label": "Friend"}
    made = (await client.post(f"/v1/keys/{owner.id}/invitations", json=wish, headers=auth(token))).json()
    return auth(token), made["id"], made["link"].partition("#")[2]


async def enter(
    client: httpx.AsyncClient, bound: BoundAuth, client_id: str, invitation_id: str, secret: str, **more: str
) -> httpx.Response:
    form = {"grant_type": INVITATION, "client_id": client_id, "invitation_id": invitation_id, "secret": secret}
    sent = await client.post(TOKEN, data=form | more, headers={"DPoP": bound.proof("POST", bound.url + TOKEN)})
    bound.nonce = sent.headers.get("DPoP-Nonce", bound.nonce)
    return sent


@pytest.fixture
def phone(world: World) -> BoundAuth:
    bound = BoundAuth(world.services.public_url, LocalSigner.from_secret(12), clock=world.clock)
    bound.nonce = world.bridge.oauth.proofs.nonce
    return bound


async def as_guest(
    client: httpx.AsyncClient, phone: BoundAuth, told: dict[str, Any], method: str, path: str, **more: Any
) -> httpx.Response:
    token = told["access_token"]
    headers = {"Authorization": f"DPoP {token}", "DPoP": phone.proof(method, phone.url + path, token)}
    return await client.request(method, path, headers=headers, **more)


async def test_a_link_lets_its_phone_in_as_far_as_the_key_that_it_claims(
    client: httpx.AsyncClient, world: World, auth: Auth, phone: BoundAuth
) -> None:
    owner, invitation_id, secret = await offered(client, world, auth)
    answer = await enter(client, phone, await registered(client), invitation_id, secret)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["scope"] == "command.unlock key.read vehicle.read", "whoever holds a link neither shares nor manages"
    assert (await as_guest(client, phone, told, "GET", "/v1/keys")).json() == {"keys": []}
    assert (await as_guest(client, phone, told, "GET", "/v1/vehicles")).json() == {"vehicles": []}

    device = LocalSigner.from_secret(13)
    proof = sign_possession(InvitationAct.CLAIM, invitation_id, decode_base64url(secret), device)
    body = {
        "secret": secret,
        "public_key": encode_base64url(device.public_key),
        "proof": encode_base64url(proof),
    }
    got = await as_guest(client, phone, told, "POST", f"/v1/invitations/{invitation_id}:claim", json=body)
    assert got.status_code == 200, got.text
    key_id = got.json()["key"]["id"]
    seen = (await as_guest(client, phone, told, "GET", "/v1/keys")).json()["keys"]
    assert [key["id"] for key in seen] == [key_id], "its own, and not the owner's"
    assert (await as_guest(client, phone, told, "GET", f"/v1/keys/{key_id}/token")).status_code == 200

    grant = (await as_guest(client, phone, told, "GET", "/v1/grants")).json()["grants"][0]
    assert (grant["kind"], grant["key_ids"]) == ("invitation", [])
    await client.post(f"/v1/keys/{key_id}:revoke", headers=owner)
    refused = await as_guest(client, phone, told, "POST", f"/v1/keys/{key_id}:share", json={})
    assert refused.status_code == 403


async def test_no_link_no_tokens(client: httpx.AsyncClient, world: World, auth: Auth, phone: BoundAuth) -> None:
    owner, invitation_id, secret = await offered(client, world, auth)
    client_id = await registered(client)
    wrong = encode_base64url(bytes(32))
    for changed, error in (
        ({"secret": wrong}, "invalid_grant"),
        ({"invitation_id": "inv_aaaaaaaaaaaaaaaa"}, "invalid_grant"),
        ({"invitation_id": "inv_"}, "invalid_grant"),
        ({"secret": "!"}, "invalid_request"),
        ({"secret": ""}, "invalid_request"),
        ({"scope": "key.manage"}, "invalid_scope"),
    ):
        answer = await enter(client, phone, client_id, **({"invitation_id": invitation_id, "secret": secret} | changed))
        assert (answer.status_code, answer.json().get("error")) == (400, error), changed
    await client.post(f"/v1/invitations/{invitation_id}:cancel", headers=owner)
    answer = await enter(client, phone, client_id, invitation_id, secret)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


async def test_an_installation_has_one_grant_however_many_links_it_brings(
    client: httpx.AsyncClient, world: World, auth: Auth, phone: BoundAuth
) -> None:
    _, invitation_id, secret = await offered(client, world, auth)
    client_id = await registered(client)
    first = (await enter(client, phone, client_id, invitation_id, secret)).json()
    again = (await enter(client, phone, client_id, invitation_id, secret)).json()
    assert first["grant_id"] == again["grant_id"]
    thief = BoundAuth(phone.url, LocalSigner.from_secret(14), clock=world.clock)
    thief.nonce = phone.nonce
    other = (await enter(client, thief, client_id, invitation_id, secret)).json()
    assert other["grant_id"] != first["grant_id"], "another key is another phone"


async def test_a_link_of_another_tenant_is_none(
    client: httpx.AsyncClient, world: World, auth: Auth, phone: BoundAuth, operator: dict[str, str]
) -> None:
    _, invitation_id, secret = await offered(client, world, auth)
    tenant = (await client.post("/v1/tenants", json={"name": "Other"}, headers=operator)).json()["id"]
    wish = {"name": "Hand", "role": "admin", "tenant_id": tenant}
    hand = (await client.post("/v1/operators", json=wish, headers=operator)).json()["token"]
    made = await client.post("/oauth2/register", json={"client_name": "Elsewhere", "scope": SCOPES}, headers=auth(hand))
    answer = await enter(client, phone, made.json()["client_id"], invitation_id, secret)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_what_a_link_never_gives() -> None:
    assert not {"key.manage", "key.share", "head_unit.show", "vehicle.manage"} & {scope.value for scope in GUESTS}
