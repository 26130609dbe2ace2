"""The row of an app: whoever calls with a token of its own, a grant of the authorization server too."""

from __future__ import annotations

from keygw.bridge.records import App
from keygw.bridge.scopes import Scope
from keygw.model.errors import Conflict
from keygw.store.group import Row, Transaction

SELECT_APP = (
    "SELECT id, name, scopes, created_at, token_hash, revoked, expires_at, tenant_id, person_id, home_id, machine, "
    "thumbprint FROM apps"
)


async def insert_app(tx: Transaction, app: App) -> None:
    """``Conflict`` app_exists if the id or the token hash is taken."""
    rows = await tx.fetch(
        "INSERT INTO apps (id, name, scopes, created_at, token_hash, expires_at, revoked, tenant_id, person_id, "
        "home_id, machine, thumbprint) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING id",
        (
            app.id,
            app.name,
            " ".join(sorted(app.scopes)),
            app.created_at,
            app.token_hash,
            app.expires_at,
            int(app.revoked),
            app.tenant_id,
            app.person_id,
            app.home_id,
            int(app.machine),
            app.thumbprint,
        ),
    )
    if not rows:
        raise Conflict("an app with this id or token is registered", code="app_exists")


def app_of(row: Row) -> App:
    app_id, name, scopes, created_at, token_hash, revoked, expires_at, tenant_id, *rest = row
    person_id, home_id, machine, thumbprint = rest
    return App(
        app_id,
        name,
        frozenset(map(Scope, scopes.split())),
        created_at,
        token_hash,
        bool(revoked),
        expires_at,
        tenant_id,
        person_id,
        home_id,
        machine=bool(machine),
        thumbprint=thumbprint,
    )
