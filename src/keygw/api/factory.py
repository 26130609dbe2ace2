"""The application: routes, guard, problems, and the document that describes them."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.routing import APIRoute

from keygw.api import document, forms, permissions, problems
from keygw.api.guard import Guard
from keygw.api.routes import (
    apps,
    audit,
    authorize,
    cards,
    commands,
    consents,
    devices,
    docs,
    events,
    frames,
    grants,
    health,
    invitations,
    issuer_keys,
    keys,
    limits,
    link,
    meta,
    oauth,
    offers,
    operators,
    ownership,
    pages,
    pairings,
    passkeys,
    people,
    policy,
    sessions,
    status,
    status_lists,
    stream,
    tenants,
    vehicles,
    viss,
    webhooks,
)
from keygw.api.services import Services
from keygw.bridge.oauth.errors import OauthError

DESCRIPTION = """
From a phone app to an unlocked car, and to a key that is provably dead.

Every error is an RFC 9457 problem document that answers two questions: `may_have_happened` (could the vehicle
have acted all the same?) and `retryable` (may I send this again unchanged?). Commands end as `confirmed` only on the
vehicle's own signed receipt. Times are RFC 3339 in UTC; binary values are base64url without padding.
"""


def _operation_id(route: APIRoute) -> str:
    """Such as ``issuer_keys_retire``: what generators of clients make function names of."""
    return f"{route.tags[0] if route.tags else 'api'}_{route.name}".replace(" ", "_")


def create_api(services: Services) -> FastAPI:
    """The ASGI application. It starts and stops nothing: the composition root runs the services around it."""
    app = FastAPI(
        title="keygw bridge API",
        version=services.version,
        summary="Digital keys and vehicle commands for phone apps",
        description=DESCRIPTION,
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
    )
    app.state.services = services
    # In the order of what is asked most: each of them is tried in turn.
    first = (commands, keys, vehicles, status, health, meta, apps, audit, pairings, ownership, invitations, devices)
    granting = (oauth, authorize, grants, consents, passkeys, sessions, cards, offers, webhooks)
    rest = (policy, status_lists, operators, tenants, limits, people, events, stream, frames, docs, link, pages)
    routers = [*(each.router for each in (*first, *granting, *rest, issuer_keys, viss)), issuer_keys.public]
    permissions.state(routers)
    for router in routers:
        app.include_router(router)
    app.state.routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    problems.install(app)
    app.exception_handler(OauthError)(forms.refused)
    document.install(app)
    app.add_middleware(Guard, services=services)
    return app
