"""Every route states what it asks, every role gets what its scopes say and nothing else, and nothing is forgotten."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute, APIWebSocketRoute

from keygw.api import permissions, routes
from keygw.api.auth import current_app
from keygw.bridge.roles import ROLES, OperatorRole, scopes_of
from keygw.bridge.scopes import OPERATORS, PLATFORM, Scope

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

Auth = Callable[[str], dict[str, str]]

MAY: dict[str, set[str]] = {
    "support": {"keys.suspend", "keys.resume", "ownership.lost", "ownership.found"},
    "auditor": {"audit.verify"},
    "issuer": {"issuer_keys.prepare", "issuer_keys.activate", "issuer_keys.retire"},
}
"""Said a second time, by hand: all that these roles may send by a method that changes something."""
OWN = {"operators.rotate"}
"""Of everybody: a new token for oneself."""
READS = {"status.batch", "commands.check", "oauth.introspect", "passkeys.challenge", "passkeys.verify"}
"""Sent by a method that changes something, for they have a body, and change nothing."""


def every_route() -> Iterator[APIRoute]:
    for module in pkgutil.iter_modules(routes.__path__):
        found = importlib.import_module(f"{routes.__name__}.{module.name}")
        for router in vars(found).values():
            if isinstance(router, APIRouter):
                yield from (route for route in router.routes if isinstance(route, APIRoute))


def methods(route: APIRoute) -> set[str]:
    assert route.methods
    return route.methods


ROUTES = {permissions.name_of(route): route for route in every_route()}
ASKING = sorted(name for name, each in permissions.PERMISSIONS.items() if not each.public)


def test_every_route_has_a_permission_and_every_permission_a_route() -> None:
    assert set(ROUTES) == set(permissions.PERMISSIONS)


def test_every_websocket_has_a_permission_and_every_such_permission_a_websocket() -> None:
    found = set()
    for module in pkgutil.iter_modules(routes.__path__):
        router = importlib.import_module(f"{routes.__name__}.{module.name}").router
        found |= {f"{module.name}.{each.name}" for each in router.routes if isinstance(each, APIWebSocketRoute)}
    assert found == set(permissions.STREAMS)


def test_a_route_without_one_keeps_the_application_from_starting() -> None:
    router = APIRouter()

    @router.get("/v1/forgotten")
    async def forgotten() -> None: ...

    with pytest.raises(KeyError, match=r"test_permissions\.forgotten"):
        permissions.state([router])


def test_a_public_route_asks_for_no_token_and_every_other_does() -> None:
    for name, route in ROUTES.items():
        asks = {each.call for each in route.dependant.dependencies}
        assert (current_app in asks) == (not permissions.PERMISSIONS[name].public), name


def test_the_roles_nest_as_they_are_meant_to() -> None:
    assert ROLES[OperatorRole.ADMIN] == frozenset(Scope)
    assert scopes_of(OperatorRole.ADMIN, platform=False) == frozenset(Scope) - PLATFORM
    assert scopes_of(OperatorRole.ISSUER, platform=False) == frozenset()
    for role in (OperatorRole.FLEET, OperatorRole.SUPPORT):
        assert not ROLES[role] & {Scope.OPERATOR_MANAGE, Scope.AUDIT_READ, *PLATFORM}
    changing = {scope for scope in Scope if not scope.value.endswith((".read", ".verify"))}
    assert not ROLES[OperatorRole.AUDITOR] & changing
    assert ROLES[OperatorRole.SUPPORT] & changing == {Scope.KEY_HOLD}


@pytest.mark.parametrize("role", MAY)
def test_a_role_changes_what_it_is_there_for_and_nothing_else(role: str) -> None:
    scopes = scopes_of(OperatorRole(role), platform=True)
    changes = {
        name
        for name in ASKING
        if "GET" not in methods(ROUTES[name])
        and name not in READS
        and (not permissions.PERMISSIONS[name].operators or scopes & set(permissions.PERMISSIONS[name].operators))
    }
    assert changes == MAY[role] | OWN


@pytest.mark.parametrize("role", [role.value for role in OperatorRole])
@pytest.mark.parametrize("whole", [True, False], ids=["gateway", "tenant"])
async def test_each_role_at_each_route(
    client: httpx.AsyncClient, operator: dict[str, str], auth: Auth, role: str, whole: bool
) -> None:
    """By the real server: who lacks the scope hears 403 before anything else, whatever he asks for."""
    wish: dict[str, Any] = {"name": role, "role": role, **({} if whole else {"tenant_id": "default"})}
    made = await client.post("/v1/operators", json=wish, headers=operator)
    if role == "issuer" and not whole:
        assert made.json()["code"] == "role_of_the_platform"
        return
    token, scopes = auth(made.json()["token"]), scopes_of(OperatorRole(role), platform=whole)
    for name in ASKING:
        if name in ("events.events", "audit.export", "vehicles.discover"):
            continue  # answers that take their time
        route, wanted = ROUTES[name], permissions.PERMISSIONS[name].operators
        path = re.sub(r"\{[a-z_]+\}", "absent", route.path)
        for method in methods(route):
            answer = await client.request(method, path, headers=token)
            refused = answer.status_code == 403 and answer.json()["code"] == "insufficient_scope"
            allowed = not wanted or bool(scopes & set(wanted)) or name in OWN
            if name in OWN and Scope.OPERATOR_MANAGE not in scopes:
                continue  # another's token, which "absent" is, takes more
            assert refused is not allowed, (name, method, answer.text)


async def test_apps_get_nowhere_that_is_for_operators(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, token = await world.app()
    for name in ASKING:
        permission = permissions.PERMISSIONS[name]
        if permission.apps is not None:
            assert not set(permission.apps) & OPERATORS, name
            continue
        for method in methods(ROUTES[name]):
            path = re.sub(r"\{[a-z_]+\}", "absent", ROUTES[name].path)
            answer = await client.request(method, path, headers=auth(token))
            assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope"), name
