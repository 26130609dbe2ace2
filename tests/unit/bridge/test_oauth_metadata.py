"""What the authorization server says of itself, and what it never says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World


async def test_the_metadata_names_what_is_there(client: httpx.AsyncClient, world: World) -> None:
    told = (await client.get("/.well-known/oauth-authorization-server")).json()
    assert told["issuer"] == world.services.public_url
    for name, where in told.items():
        if name.endswith(("_endpoint", "_uri")):
            answer = await client.request("OPTIONS", where.removeprefix(world.services.public_url))
            assert answer.status_code == 405, f"{name} is no address here"


async def test_no_secret_of_a_grant_is_in_a_repr(world: World) -> None:
    auth = await world.granted("key.read")
    grant = await world.store.bridge.grant(auth.held.grant_id)
    app = await world.store.bridge.app(auth.held.grant_id)
    text = f"{auth.held!r} {auth!r} {grant!r} {app!r}"
    assert auth.held.refresh_token not in text
    assert auth.held.access_token not in text
    assert "refresh_hash" not in text
