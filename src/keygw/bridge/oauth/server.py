"""The authorization server, put together."""

from __future__ import annotations

from keygw.bridge.access import Access
from keygw.bridge.apps import TOKEN_PREFIX, Apps
from keygw.bridge.errands import Errands
from keygw.bridge.keys import Keys
from keygw.bridge.notes import Notes
from keygw.bridge.oauth.arrivals import Arrivals
from keygw.bridge.oauth.challenges import Challenges
from keygw.bridge.oauth.clients import Clients
from keygw.bridge.oauth.codes import Codes
from keygw.bridge.oauth.consents import Consents
from keygw.bridge.oauth.errors import BoundTokenRefused, ProofRefused
from keygw.bridge.oauth.grants import Grants
from keygw.bridge.oauth.guests import Guests
from keygw.bridge.oauth.passkeys import Passkeys
from keygw.bridge.oauth.proofs import Proofs
from keygw.bridge.pairings import Pairings
from keygw.bridge.ports import BridgeStore, Clock, Credentials, IssuerBook
from keygw.bridge.records import App
from keygw.model.ids import Random
from keygw.token.dpop import Proof

NONCE_KEY_BYTES = 32


class AuthorizationServer:
    """``nonce_key``: the same for all gateways on one database; ``None``: a fresh one, where there is no other."""

    def __init__(
        self,
        store: BridgeStore,
        apps: Apps,
        keys: Keys,
        access: Access,
        pairings: Pairings,
        credentials: Credentials,
        errands: Errands,
        issuer: IssuerBook,
        notes: Notes,
        clock: Clock,
        random: Random,
        nonce_key: bytes | None,
    ) -> None:
        self._apps = apps
        self.clients = Clients(store, clock, random)
        key = nonce_key or random(NONCE_KEY_BYTES)
        self.proofs = Proofs(store, key, clock, sole=nonce_key is None)
        self.challenges = Challenges(store, key, clock, random)
        self.grants = Grants(
            store, store, apps, keys, access, credentials, errands, issuer, self.proofs, notes, clock, random
        )
        self.passkeys = Passkeys(store, store, self.challenges, self.grants, notes, clock, random)
        self.consents = Consents(store, store, store, self.grants, credentials, clock, random)
        self.guests = Guests(store, self.grants, credentials, notes, clock, random)
        self.codes = Codes(
            store, store, self.clients, self.passkeys, self.challenges, self.consents, self.grants, clock, random
        )
        self.arrivals = Arrivals(store, store, pairings, self.grants, notes, clock, random)

    async def opened(self, token: str, proof: str | None, method: str, url: str, base: str) -> tuple[App, Proof]:
        """Who calls with a token that is bound to a key: a grant, or an app that was registered with its key.
        ``BoundTokenRefused``, ``ProofRequired``; ``Conflict`` busy."""
        if not token.startswith(TOKEN_PREFIX):
            return await self.grants.open(token, proof, method, url, base)
        try:
            shown = await self.proofs.check(proof, method, url, token)
        except ProofRefused as error:
            raise BoundTokenRefused(str(error), code=error.code, nonce=error.nonce) from error
        return await self._apps.authenticate(token, shown.thumbprint), shown
