"""Apps and their bearer tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keygw.bridge.apps import MAX_LIFETIME, Unauthenticated, token_hash
from keygw.bridge.scopes import Scope
from keygw.model.errors import BadInput, NotFound

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

OPERATOR_TOKEN = "kgw_operator-for-tests"


async def test_a_token_is_shown_once_and_only_its_hash_is_stored(world: World) -> None:
    app, token = await world.bridge.apps.register("My app", ["vehicle.read"])
    assert token.startswith("kgw_")
    assert len(token) == 4 + 43
    found = await world.bridge.apps.authenticate(token)
    assert (found.id, found.name, found.scopes) == (app.id, "My app", frozenset({Scope.VEHICLE_READ}))
    assert found.token_hash == token_hash(token)
    assert token not in repr(found)
    database = b"".join(path.read_bytes() for path in world.store.directory.iterdir() if "keygw.db" in path.name)
    assert app.id.encode() in database
    assert token.encode() not in database


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("", "token_malformed"),
        ("kgw", "token_malformed"),
        ("eyJhbGciOiJub25lIn0.e30.", "token_malformed"),
        ("kgw_" + "ä" * 43, "token_malformed"),
        ("kgw_" + "A" * 500, "token_malformed"),
        ("kgw_" + "A" * 43, "token_unknown"),
    ],
)
async def test_a_foreign_token_is_refused(world: World, token: str, code: str) -> None:
    with pytest.raises(Unauthenticated) as refused:
        await world.bridge.apps.authenticate(token)
    assert refused.value.code == code


async def test_a_token_ends_at_its_time(world: World) -> None:
    _, token = await world.bridge.apps.register("Short", ["vehicle.read"], 60)
    world.clock.now += 59
    await world.bridge.apps.authenticate(token)
    world.clock.now += 1
    with pytest.raises(Unauthenticated) as refused:
        await world.bridge.apps.authenticate(token)
    assert refused.value.code == "token_expired"


async def test_a_revoked_app_is_out_at_once(world: World) -> None:
    app, token = await world.app()
    await world.bridge.apps.revoke(app.id)
    with pytest.raises(Unauthenticated) as refused:
        await world.bridge.apps.authenticate(token)
    assert refused.value.code == "token_revoked"
    with pytest.raises(Unauthenticated):
        world.bridge.apps.check(app)  # the value that an open stream still holds
    with pytest.raises(NotFound):
        await world.bridge.apps.revoke("app_mfrggzdfmztwq2lk")


async def test_the_operator_has_every_scope(world: World) -> None:
    operator = await world.bridge.apps.authenticate(OPERATOR_TOKEN)
    assert operator.operator
    assert operator.scopes == frozenset(Scope)


@pytest.mark.parametrize(
    ("scopes", "code"),
    [([], "bad_input"), (["vehicle.fly"], "unknown_scope"), (["app.manage"], "scope_not_grantable")],
)
async def test_scopes_are_checked(world: World, scopes: list[str], code: str) -> None:
    with pytest.raises(BadInput) as refused:
        await world.bridge.apps.register("x", scopes)
    assert refused.value.code == code


@pytest.mark.parametrize("lifetime", [0, -1, MAX_LIFETIME + 1])
async def test_a_lifetime_has_bounds(world: World, lifetime: int) -> None:
    with pytest.raises(BadInput):
        await world.bridge.apps.register("x", ["vehicle.read"], lifetime)
