"""Clients register themselves (RFC 7591): a name, and the most that they will ask for.

One registration is one installation. There is no client secret, because a phone app keeps none: what identifies a
client later is the key to which its tokens are bound.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from keygw.bridge.oauth.errors import OauthError
from keygw.bridge.oauth.records import Client, OauthStore
from keygw.bridge.ports import Clock
from keygw.bridge.scopes import GRANTABLE, Scope
from keygw.model.errors import BadInput, Conflict
from keygw.model.ids import Random, id_bytes, new_id

UNUSED_SECONDS = 3600
MOST_UNUSED = 1000
"""Registrations of a tenant that have no grant yet. Anybody may register, so this is what bounds the table."""
NEVER = frozenset({Scope.VEHICLE_MANAGE})
"""To make vehicles known is for whoever provisions them, and no person's to grant."""
OFFERED = GRANTABLE - NEVER


MOST_REDIRECTS = 8
_REDIRECT = re.compile(
    r"(?:https://[A-Za-z0-9.\-]{1,253}(?::[0-9]{1,5})?(?:/[\x21\x24-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7e]*)?"
    r"|http://(?:127\.0\.0\.1|\[::1\]|localhost)(?::[0-9]{1,5})?(?:/[\x21\x24-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7e]*)?"
    r"|[a-z][a-z0-9+\-]*(?:\.[a-z0-9+\-]+)+:/[\x21\x24-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7e]*)",
    re.ASCII,
)
"""https; http on this machine alone; or a scheme of the app's own, a domain name backwards (RFC 8252, section 7). No
fragment (RFC 6749, section 3.1.2), and nothing that a page or a header would read as its own."""


class Clients:
    def __init__(self, store: OauthStore, clock: Clock, random: Random) -> None:
        self._store = store
        self._clock = clock
        self._random = random

    async def register(
        self, name: str, scopes: Sequence[str], tenant_id: str, redirect_uris: Sequence[str] = ()
    ) -> Client:
        """``OauthError`` invalid_client_metadata, invalid_redirect_uri; ``Conflict`` too_many_clients."""
        now = int(self._clock())
        wanted = parse_scope(" ".join(scopes), code="invalid_client_metadata")
        names = tuple(sorted(wanted))
        uris = tuple(dict.fromkeys(redirect_uris))
        if len(uris) > MOST_REDIRECTS or not all(len(each) <= 512 and _REDIRECT.fullmatch(each) for each in uris):
            raise OauthError(
                f"at most {MOST_REDIRECTS} redirect_uris: https, http on this machine, or a scheme with a dot in it; "
                "none with a fragment",
                code="invalid_redirect_uri",
            )
        client = Client(new_id("cli", self._random), tenant_id, name, names, now, redirect_uris=uris)
        if not await self._store.add_client(client, MOST_UNUSED, now - UNUSED_SECONDS):
            raise Conflict("too many new clients: try again within the hour", code="too_many_clients", retryable=True)
        return client

    async def known(self, client_id: str | None) -> Client:
        """``OauthError`` invalid_client."""
        try:
            id_bytes(client_id or "", "cli")
        except BadInput:
            found = None
        else:
            found = await self._store.client(client_id or "")
        if found is None:
            raise OauthError(
                "there is no such client here: register first (POST /oauth2/register)", code="invalid_client"
            )
        return found


def parse_scope(
    text: str | None, *, within: Sequence[str] | None = None, code: str = "invalid_scope"
) -> frozenset[Scope]:
    """Scopes of a space-separated list. ``within``: of these alone, and all of them if nothing is asked for by name."""
    names = (text or "").split() or list(within or ())
    allowed = OFFERED if within is None else OFFERED & {Scope(each) for each in within}
    wanted: set[Scope] = set()
    for name in names:
        if name not in allowed:
            known = ", ".join(sorted(allowed))
            raise OauthError(f"{name[:40]!r} is not a scope that can be asked for here; these can: {known}", code=code)
        wanted.add(Scope(name))
    if not wanted:
        raise OauthError("name at least one scope", code=code)
    return frozenset(wanted)
