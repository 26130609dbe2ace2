"""The document tells the truth, and the API keeps to it: what a run of schemathesis has found, each by itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from keygw.api import fields
from keygw.api.document import EVERYWHERE
from keygw.api.links import MADE
from keygw.crypto.signer import LocalSigner
from keygw.model.base64url import encode_base64url
from keygw.token.possession import sign_registration

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

Auth = Callable[[str], dict[str, str]]


@pytest.fixture
async def document(client: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get("/openapi.json")).json()
    return found


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for item in document["paths"].values() for each in item.values()]


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("OPTIONS", "/v1/keys/key_mfrggzdfmztwq2lk", "GET"),
        ("OPTIONS", "/v1/keys/key_mfrggzdfmztwq2lk:share", "POST"),
        ("OPTIONS", "/v1/apps/self", "GET"),
        ("OPTIONS", "/v1/apps/app_mfrggzdfmztwq2lk", "DELETE, GET"),
        ("PUT", "/v1/devices/challenges", "POST"),
        ("PUT", "/v1/devices/dev_mfrggzdfmztwq2lk", "DELETE, GET"),
    ],
)
async def test_allow_names_the_methods_of_the_route_that_is_meant(
    client: httpx.AsyncClient, method: str, path: str, allow: str
) -> None:
    response = await client.request(method, path)
    assert (response.status_code, response.headers["allow"]) == (405, allow)


async def test_what_the_doorway_may_answer_stands_at_every_operation(document: dict[str, Any]) -> None:
    for operation in operations(document):
        assert {str(status) for status in EVERYWHERE} <= operation["responses"].keys(), operation["operationId"]


async def test_names_of_operations_are_names(document: dict[str, Any]) -> None:
    assert all(re.fullmatch(r"[a-z_]+", each["operationId"]) for each in operations(document))


async def test_the_key_set_has_the_type_that_the_document_names(
    client: httpx.AsyncClient, document: dict[str, Any]
) -> None:
    response = await client.get("/.well-known/jwks.json")
    said = document["paths"]["/.well-known/jwks.json"]["get"]["responses"]["200"]["content"]
    assert list(said) == [response.headers["content-type"]]


async def test_every_id_that_a_path_takes_is_linked_to_what_makes_it(document: dict[str, Any]) -> None:
    """If this fails for a new route: give the operation that makes the thing a row in ``api.links.MADE``."""
    every = {each["operationId"]: each for each in operations(document)}
    assert MADE.keys() <= every.keys()
    linked = {
        found["operationId"]
        for each in every.values()
        for response in each["responses"].values()
        for found in response.get("links", {}).values()
    }
    ids = {name for made in MADE.values() for name in made}

    def known(source: str) -> set[str]:
        return {*MADE[source], *(each["name"] for each in every[source].get("parameters", ()) if each["in"] == "path")}

    for name, operation in every.items():
        taken = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"} - {"page"}
        assert taken <= ids, f"nothing makes all of {taken}, which {name} takes"
        together = len(taken & ids) > 1 and not any(taken <= known(source) for source in MADE)  # no one link can
        assert not taken or together or name in linked, f"no link leads to {name}, which takes {taken}"


async def test_the_places_that_links_name_are_there(
    client: httpx.AsyncClient, world: World, auth: Auth, document: dict[str, Any], operator: dict[str, str]
) -> None:
    """Of one that is made here; the run of schemathesis follows them all."""
    made = await client.post("/v1/apps", json={"name": "x", "scopes": ["key.read"]}, headers=operator)
    link = document["paths"]["/v1/apps"]["post"]["responses"]["201"]["links"]["apps_revoke"]
    assert link == {"operationId": "apps_revoke", "parameters": {"app_id": "$response.body#/app/id"}}
    assert (await client.delete(f"/v1/apps/{made.json()['app']['id']}", headers=operator)).status_code == 204


# Values

BINARY = {
    "public key": fields.PublicKey,
    "advertising key": fields.AdvertisingKey,
    "nonce": fields.TimeNonce,
    "secret": fields.Secret,
    "signed": fields.Signed,
    "signed object": fields.SignedObject,
}


@given(st.binary(max_size=100), st.text("AEQgw_-=+/ 048", max_size=3), st.integers(0, 3))
@pytest.mark.parametrize("name", BINARY)
def test_the_pattern_of_a_binary_value_says_what_is_read(name: str, data: bytes, more: str, less: int) -> None:
    adapter: TypeAdapter[bytes] = TypeAdapter(BINARY[name])
    schema = adapter.json_schema()
    text = encode_base64url(data)
    text = text[: len(text) - less] + more
    fits = re.search(schema["pattern"], text) and schema["minLength"] <= len(text) <= schema["maxLength"]
    try:
        raw = adapter.validate_python(text)
    except ValidationError:
        raw = None
    if raw is not None and name == "public key" and raw[0] not in (2, 3):
        raw = None  # that it is no point is for the service to say
    assert (raw is not None) == bool(fits)


@pytest.mark.parametrize("name", BINARY)
def test_as_much_as_is_allowed_is_read_and_no_byte_more(name: str) -> None:
    adapter: TypeAdapter[bytes] = TypeAdapter(BINARY[name])
    schema = adapter.json_schema()
    least, most = (schema[each] * 3 // 4 for each in ("minLength", "maxLength"))
    for size, good in ((least - 1, False), (least, True), (most, True), (most + 1, False)):
        text = encode_base64url(b"\x02" * size)
        assert bool(re.search(schema["pattern"], text)) or not good
        assert (schema["minLength"] <= len(text) <= schema["maxLength"]) == good
        if good:
            assert adapter.validate_python(text) == b"\x02" * size
        else:
            with pytest.raises(ValidationError):
                adapter.validate_python(text)


@pytest.mark.parametrize(
    ("number", "status"), [("60", 201), ("60.0", 201), ("6e1", 201), ("60.5", 422), ("-0.0", 422), ("1e400", 422)]
)
async def test_a_whole_number_may_be_written_with_a_point(
    client: httpx.AsyncClient, operator: dict[str, str], number: str, status: int
) -> None:
    body = f'{{"name": "x", "scopes": ["key.read"], "lifetime_seconds": {number}}}'
    headers = {**operator, "Content-Type": "application/json"}
    assert (await client.post("/v1/apps", content=body, headers=headers)).status_code == status


@pytest.mark.parametrize(
    ("label", "status"),
    [
        ("\u0645\u0641\u062a\u0627\u062d", 201),
        ("\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL}'s", 201),
        ("a\u00a0b", 201),
        ("abc\u202egnp.exe", 422),
        ("two\u2028lines", 422),
        ("a\x7fb", 422),
    ],
)
async def test_the_document_and_the_service_agree_on_what_a_label_is(
    client: httpx.AsyncClient, world: World, auth: Auth, document: dict[str, Any], label: str, status: int
) -> None:
    _, token, _ = await world.owner()
    body = {"vehicle_id": world.vehicle.id, "role": "owner", "label": label}
    assert (await client.post("/v1/keys", json=body, headers=auth(token))).status_code == status
    pattern = document["components"]["schemas"]["NewKey"]["properties"]["label"]["pattern"]
    assert bool(re.search(pattern, label)) == (status == 201)


async def test_a_key_that_is_no_point_gives_nothing_back(client: httpx.AsyncClient, world: World) -> None:
    """It was a bug's 500."""
    _, _, key = await world.owner()
    body = {"public_key": encode_base64url(b"\x02" + b"\xff" * 32), "proof": "AAAA"}
    for key_id in (key.id, "key_mfrggzdfmztwq2lk"):
        response = await client.post(f"/v1/keys/{key_id}:give-back", json=body)
        assert (response.status_code, response.json()["code"]) == (422, "bad_public_key")


async def test_a_removed_device_is_not_there_for_the_operator_either(
    client: httpx.AsyncClient, operator: dict[str, str]
) -> None:
    """Its row stays, for the keys that it may have had; without any it was visible, and could be reported lost."""
    phone = LocalSigner.generate()
    challenge = (await client.post("/v1/devices/challenges", headers=operator)).json()["challenge"]
    raw = TypeAdapter(fields.Secret).validate_python(challenge)
    proof = encode_base64url(sign_registration(raw, None, phone))
    body = {"public_key": encode_base64url(phone.public_key), "challenge": challenge, "proof": proof}
    device = (await client.post("/v1/devices", json=body, headers=operator)).json()["id"]
    assert (await client.delete(f"/v1/devices/{device}", headers=operator)).status_code == 204
    for method, path in (("GET", ""), ("GET", "/loss"), ("POST", ":lost"), ("POST", ":found"), ("DELETE", "")):
        response = await client.request(method, f"/v1/devices/{device}{path}", headers=operator)
        assert (response.status_code, response.json()["code"]) == (404, "unknown_device"), path
    listed = (await client.get("/v1/devices", headers=operator)).json()["devices"]
    assert device not in {each["id"] for each in listed}
