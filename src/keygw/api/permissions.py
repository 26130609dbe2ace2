"""What each route asks of its caller: one table, and nothing gets through that is not in it.

The table is looked at before anything else is: who may not ask at all learns nothing of what there is. Whose things a
caller may reach is another question, which the bridge answers (``bridge.access``); it asks for the scopes once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute

from keygw.bridge.access import require
from keygw.bridge.records import App
from keygw.bridge.scopes import COMMAND_SCOPES, Scope

_ANY: tuple[Scope, ...] = ()


@dataclass(frozen=True, slots=True)
class Permission:
    """Any one of the scopes will do; none named: any token. ``apps`` is ``None`` where apps have no business.

    ``public``: no token is needed, and the scopes say nothing. ``seen``: a person must have been seen to be there a
    moment ago, where the token says when that was.
    """

    apps: tuple[Scope, ...] | None = None
    operators: tuple[Scope, ...] = _ANY
    public: bool = False
    seen: bool = False

    def wanted(self, caller: App) -> tuple[Scope, ...]:
        """The scopes of which this caller needs one."""
        if caller.operator:
            return self.operators
        return self.operators or (Scope.OPERATOR_MANAGE,) if self.apps is None else self.apps

    def check(self, caller: App) -> None:
        """``ScopeRequired`` insufficient_scope."""
        wanted = self.wanted(caller)
        if wanted and not self.public:
            require(caller, *wanted)

    def shown(self) -> dict[str, Any]:
        """For the OpenAPI document; an empty list: any token. Without ``apps`` it is for operators alone."""
        if self.public:
            return {"public": True}
        told = {"operators": [scope.value for scope in self.operators]}
        if self.apps is not None:
            told["apps"] = [scope.value for scope in self.apps]
        return told | ({"seen": True} if self.seen else {})


def _both(*scopes: Scope) -> Permission:
    return Permission(scopes, scopes)


def _split(*apps: Scope, operators: Scope) -> Permission:
    """An app is kept to its own things; an operator reaches all of its tenant's, and so needs another scope."""
    return Permission(apps, (operators,))


def _seen(permission: Permission) -> Permission:
    return replace(permission, seen=True)


def _operators(*scopes: Scope) -> Permission:
    return Permission(None, scopes)


_PUBLIC = Permission(public=True)
_KEYS = (Scope.KEY_READ, Scope.KEY_SHARE, Scope.KEY_MANAGE)
_COMMANDS = tuple(dict.fromkeys(COMMAND_SCOPES.values()))
_STATUS = (Scope.STATUS_SECURITY_READ, Scope.STATUS_ENERGY_READ, Scope.STATUS_LOCATION_READ)

PERMISSIONS: Mapping[str, Permission] = MappingProxyType(
    {
        "apps.register": _operators(Scope.APP_MANAGE),
        "apps.list_all": _operators(Scope.APP_READ),
        "apps.own": Permission(_ANY),
        "apps.get": _operators(Scope.APP_READ),
        "apps.revoke": _operators(Scope.APP_MANAGE),
        "audit.entries": _operators(Scope.AUDIT_READ),
        "audit.export": _operators(Scope.AUDIT_VERIFY),
        "audit.verify": _operators(Scope.AUDIT_VERIFY),
        "commands.create": _both(*_COMMANDS),
        "commands.check": _both(*_COMMANDS),
        "commands.get": _split(operators=Scope.COMMAND_READ),
        "commands.cancel": _split(operators=Scope.VEHICLE_MANAGE),
        "consents.get": _both(Scope.KEY_MANAGE),
        "consents.approve": _both(Scope.KEY_MANAGE),
        "consents.deny": _both(Scope.KEY_MANAGE),
        "devices.challenge": _split(*_KEYS, operators=Scope.DEVICE_MANAGE),
        "devices.register": _split(*_KEYS, operators=Scope.DEVICE_MANAGE),
        "devices.list_all": _split(*_KEYS, operators=Scope.KEY_READ),
        "devices.get": _split(*_KEYS, operators=Scope.KEY_READ),
        "devices.remove": _split(*_KEYS, operators=Scope.DEVICE_MANAGE),
        "docs.page": _PUBLIC,
        "docs.init": _PUBLIC,
        "docs.style": _PUBLIC,
        "docs.bundle": _PUBLIC,
        "events.events": Permission(_ANY),
        "grants.list_all": Permission(_ANY, (Scope.APP_READ,)),
        "grants.get": Permission(_ANY, (Scope.APP_READ,)),
        "grants.end": Permission(_ANY, (Scope.APP_MANAGE,)),
        "passkeys.options": _seen(_both(Scope.KEY_MANAGE)),
        "passkeys.add": _seen(_both(Scope.KEY_MANAGE)),
        "passkeys.challenge": _split(operators=Scope.KEY_MANAGE),
        "passkeys.verify": _split(operators=Scope.KEY_MANAGE),
        "passkeys.list_all": _both(Scope.KEY_MANAGE),
        "passkeys.get": _both(Scope.KEY_MANAGE),
        "passkeys.remove": _seen(_both(Scope.KEY_MANAGE)),
        "health.healthz": _PUBLIC,
        "health.readyz": _PUBLIC,
        "invitations.create": _seen(_both(Scope.KEY_SHARE)),
        "invitations.of_key": _split(Scope.KEY_READ, Scope.KEY_SHARE, operators=Scope.KEY_READ),
        "invitations.list_all": _split(Scope.KEY_READ, Scope.KEY_SHARE, operators=Scope.KEY_READ),
        "invitations.get": _split(Scope.KEY_READ, Scope.KEY_SHARE, operators=Scope.KEY_READ),
        "invitations.cancel": _split(Scope.KEY_SHARE, Scope.KEY_MANAGE, operators=Scope.KEY_MANAGE),
        "invitations.grant": _seen(_both(Scope.KEY_SHARE)),
        "invitations.view": _PUBLIC,
        "invitations.claim": _PUBLIC,  # the secret of the link speaks; a token says whose the phone is
        "invitations.decline": _PUBLIC,
        "issuer_keys.every": _operators(Scope.ISSUER_READ),
        "issuer_keys.one": _operators(Scope.ISSUER_READ),
        "issuer_keys.prepare": _operators(Scope.ISSUER_MANAGE),
        "issuer_keys.activate": _operators(Scope.ISSUER_MANAGE),
        "issuer_keys.retire": _operators(Scope.ISSUER_MANAGE),
        "issuer_keys.jwks": _PUBLIC,
        "keys.issue": _split(Scope.KEY_MANAGE, operators=Scope.KEY_ISSUE),
        "keys.list_all": _both(Scope.KEY_READ),
        "keys.overdue": _both(Scope.KEY_READ),
        "keys.get": _both(Scope.KEY_READ),
        "keys.share": _seen(_both(Scope.KEY_SHARE)),
        "keys.suspend": _split(Scope.KEY_SHARE, Scope.KEY_MANAGE, operators=Scope.KEY_HOLD),
        "keys.resume": _split(Scope.KEY_SHARE, Scope.KEY_MANAGE, operators=Scope.KEY_HOLD),
        "keys.revoke": _split(Scope.KEY_SHARE, Scope.KEY_MANAGE, operators=Scope.KEY_MANAGE),
        "keys.give_back": _PUBLIC,  # with a token, by its holder; without one the device key speaks
        "keys.token": _split(Scope.KEY_READ, Scope.KEY_SHARE, operators=Scope.KEY_READ),
        "keys.renew": _split(Scope.KEY_READ, Scope.KEY_SHARE, operators=Scope.KEY_MANAGE),
        "keys.receipts": _both(Scope.KEY_READ),
        "limits.show": _operators(Scope.LIMITS_READ),
        "limits.change": _operators(Scope.LIMITS_MANAGE),
        "link.page": _PUBLIC,
        "link.device": _PUBLIC,
        "pages.home": _PUBLIC,
        "pages.slash": _PUBLIC,
        "pages.asset": _PUBLIC,
        "meta.health": _PUBLIC,
        "meta.well_known": _PUBLIC,
        "authorize.page": _PUBLIC,
        "authorize.allow": _PUBLIC,  # a passkey speaks
        "authorize.deny": _PUBLIC,
        "oauth.register": _PUBLIC,
        "oauth.token": _PUBLIC,
        "oauth.device_authorization": _PUBLIC,
        "oauth.revoke": _PUBLIC,
        "oauth.introspect": _operators(Scope.APP_READ),
        "oauth.metadata": _PUBLIC,
        "operators.add": _operators(Scope.OPERATOR_MANAGE),
        "operators.list_all": _operators(Scope.OPERATOR_READ),
        "operators.bootstrap": _operators(Scope.OPERATOR_READ),
        "operators.end_bootstrap": _operators(Scope.OPERATOR_MANAGE),
        "operators.get": _operators(Scope.OPERATOR_READ),
        "operators.rotate": _operators(),  # its own token; another's takes operator.manage
        "operators.revoke": _operators(Scope.OPERATOR_MANAGE),
        "ownership.end_epoch": _both(Scope.KEY_MANAGE),
        "ownership.offer": _both(Scope.KEY_MANAGE),
        "ownership.transfer": _split(Scope.KEY_MANAGE, operators=Scope.KEY_READ),
        "ownership.accept": _both(Scope.KEY_MANAGE),
        "ownership.cancel": _both(Scope.KEY_MANAGE),
        "ownership.loss": _split(Scope.KEY_READ, Scope.KEY_MANAGE, operators=Scope.KEY_READ),
        "ownership.lost": _split(Scope.KEY_MANAGE, operators=Scope.KEY_HOLD),
        "ownership.found": _split(Scope.KEY_MANAGE, operators=Scope.KEY_HOLD),
        "pairings.start": _both(Scope.KEY_MANAGE),
        "pairings.redeem": _seen(_both(Scope.KEY_MANAGE)),
        "pairings.get": _both(Scope.KEY_MANAGE),
        "pairings.cancel": _both(Scope.KEY_MANAGE),
        "people.add": _split(Scope.KEY_MANAGE, operators=Scope.PERSON_MANAGE),
        "people.list_all": _operators(Scope.PERSON_READ),
        "people.export": _split(Scope.KEY_MANAGE, operators=Scope.PERSON_MANAGE),
        "people.erase": _seen(_split(Scope.KEY_MANAGE, operators=Scope.PERSON_MANAGE)),
        "people.get": _split(Scope.KEY_READ, operators=Scope.PERSON_READ),
        "people.bind": _operators(Scope.PERSON_MANAGE),
        "people.unbind": _operators(Scope.PERSON_MANAGE),
        "people.close": _split(Scope.KEY_MANAGE, operators=Scope.PERSON_MANAGE),
        "policy.profiles": Permission(_ANY),
        "policy.entitlements": Permission(_ANY),
        "policy.limits": Permission(_ANY),
        "cards.put": _both(Scope.CARDS_WRITE),
        "cards.remove": _both(Scope.CARDS_WRITE),
        "cards.shown": _both(Scope.HEAD_UNIT_SHOW),
        "cards.press": _both(Scope.HEAD_UNIT_SHOW),
        "offers.send": _both(Scope.SESSION_CONNECT),
        "offers.get": _both(Scope.SESSION_CONNECT),
        "offers.shown": _both(Scope.HEAD_UNIT_SHOW),
        "offers.answer": _both(Scope.HEAD_UNIT_SHOW),
        "offers.say": _both(Scope.HEAD_UNIT_SHOW),
        "sessions.create": _both(Scope.SESSION_CONNECT),
        "sessions.list_all": _both(Scope.SESSION_CONNECT),
        "sessions.get": _both(Scope.SESSION_CONNECT),
        "sessions.negotiate": _both(Scope.SESSION_CONNECT),
        "sessions.close": _both(Scope.SESSION_CONNECT),
        "sessions.suspend": _both(Scope.SESSION_CONNECT),
        "sessions.resume": _both(Scope.SESSION_CONNECT),
        "status.signals": Permission(_ANY, _STATUS),  # an app is answered signal by signal
        "status.batch": Permission(_ANY, _STATUS),
        "status.capabilities": Permission(_ANY, _STATUS),
        "status.receipts": _both(Scope.KEY_READ),
        "status_lists.index": _PUBLIC,
        "status_lists.status_list": _PUBLIC,
        "tenants.add": _operators(Scope.TENANT_MANAGE),
        "tenants.list_all": _operators(Scope.TENANT_READ),
        "tenants.get": _operators(Scope.TENANT_READ),
        "vehicles.discover": _both(Scope.VEHICLE_READ),
        "vehicles.register": _both(Scope.VEHICLE_MANAGE),
        "vehicles.register_many": _both(Scope.VEHICLE_MANAGE),
        "vehicles.issue_batch": _operators(Scope.KEY_ISSUE),
        "vehicles.list_all": _both(Scope.VEHICLE_READ),
        "vehicles.get": _both(Scope.VEHICLE_READ),
        "vehicles.prove_time": _split(Scope.KEY_READ, Scope.KEY_SHARE, operators=Scope.KEY_MANAGE),
        "vehicles.link": _both(Scope.VEHICLE_READ),
        "vehicles.connect": _split(Scope.VEHICLE_READ, operators=Scope.VEHICLE_MANAGE),
        "vehicles.disconnect": _split(Scope.VEHICLE_READ, operators=Scope.VEHICLE_MANAGE),
        "vehicles.sync": _split(Scope.VEHICLE_READ, operators=Scope.VEHICLE_MANAGE),
        "vehicles.newest_list": _both(Scope.KEY_READ),
        "vehicles.acknowledge": _split(Scope.KEY_READ, operators=Scope.KEY_MANAGE),
        "webhooks.create": _both(Scope.WEBHOOK_MANAGE),
        "webhooks.list_all": _split(Scope.WEBHOOK_MANAGE, operators=Scope.APP_READ),
        "webhooks.get": _split(Scope.WEBHOOK_MANAGE, operators=Scope.APP_READ),
        "webhooks.change": _both(Scope.WEBHOOK_MANAGE),
        "webhooks.remove": _both(Scope.WEBHOOK_MANAGE),
        "webhooks.rotate": _both(Scope.WEBHOOK_MANAGE),
        "webhooks.ping": _both(Scope.WEBHOOK_MANAGE),
        "webhooks.redeliver": _both(Scope.WEBHOOK_MANAGE),
        "webhooks.deliveries": _split(Scope.WEBHOOK_MANAGE, operators=Scope.APP_READ),
    }
)
"""By module and function of the route."""

STREAMS: Mapping[str, Permission] = MappingProxyType(
    {
        "frames.frames": _both(Scope.VEHICLE_READ),  # and a phone that has a key of the vehicle (``bridge.relays``)
        "stream.stream": Permission(_ANY),
        "stream.session_stream": _both(Scope.SESSION_CONNECT),
        "viss.viss": Permission(_ANY, _STATUS),  # an app is answered signal by signal
        "viss.viss_of": Permission(_ANY, _STATUS),
    }
)
"""The same of the routes that are WebSockets. What is told there each event's own rule decides (``bridge.gate``)."""


def name_of(route: APIRoute) -> str:
    """``keys.suspend``: the name under which ``PERMISSIONS`` has it."""
    return f"{route.endpoint.__module__.rpartition('.')[2]}.{route.endpoint.__name__}"


def permission_of(route: APIRoute) -> Permission:
    return PERMISSIONS[name_of(route)]


def state(routers: Iterable[APIRouter]) -> None:
    """Write the permission of each route into its description; ``KeyError`` for a route that has none."""
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute):
                shown = {"x-keygw-permission": permission_of(route).shown()}
                route.openapi_extra = {**(route.openapi_extra or {}), **shown}
