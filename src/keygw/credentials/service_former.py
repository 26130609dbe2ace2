"""Keys as a vehicle can check them that has not heard of the issuer's newest key."""

from __future__ import annotations

from dataclasses import dataclass, field

from keygw.credentials.service_base import ServiceBase
from keygw.credentials.values import ChainLink


@dataclass(frozen=True, slots=True)
class FormerToken:
    """A key's CWT of before a change of the issuer's key, and what it stands on, of before as well."""

    cwt: bytes = field(repr=False)
    chain: tuple[ChainLink, ...] = ()


class FormerTokens(ServiceBase):
    async def former_token(self, key_id: str) -> FormerToken | None:
        """``None`` once the vehicle has the newest key, or where there never was another token."""
        cwt = await self._store.former_token(key_id)
        if cwt is None:
            return None
        links: list[ChainLink] = []
        key, token = (await self._record(self._store, key_id)).key, await self._store.key_token(key_id)
        while key.parent_id is not None and token is not None and token.grant is not None:
            grant, token = token.grant, await self._store.key_token(key.parent_id)
            former = await self._store.former_token(key.parent_id)
            if token is not None:
                links.append(ChainLink(grant, former or token.cwt))
            key = (await self._record(self._store, key.parent_id)).key
        return FormerToken(cwt, tuple(links))
