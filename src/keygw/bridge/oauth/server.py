"""The authorization server, put together."""

from __future__ import annotations

from keygw.bridge.access import Access
from keygw.bridge.apps import Apps
from keygw.bridge.errands import Errands
from keygw.bridge.keys import Keys
from keygw.bridge.notes import Notes
from keygw.bridge.oauth.arrivals import Arrivals
from keygw.bridge.oauth.clients import Clients
from keygw.bridge.oauth.consents import Consents
from keygw.bridge.oauth.grants import Grants
from keygw.bridge.oauth.guests import Guests
from keygw.bridge.oauth.proofs import Proofs
from keygw.bridge.pairings import Pairings
from keygw.bridge.ports import BridgeStore, Clock, Credentials, IssuerBook
from keygw.model.ids import Random

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
        self.clients = Clients(store, clock, random)
        self.proofs = Proofs(store, nonce_key or random(NONCE_KEY_BYTES), clock, sole=nonce_key is None)
        self.grants = Grants(
            store, store, apps, keys, access, credentials, errands, issuer, self.proofs, notes, clock, random
        )
        self.consents = Consents(store, store, store, self.grants, credentials, clock, random)
        self.guests = Guests(store, self.grants, credentials, notes, clock, random)
        self.arrivals = Arrivals(store, store, pairings, self.grants, notes, clock, random)
