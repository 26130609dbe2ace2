"""Clients that issue, share, suspend, resume and revoke without pause, each on a vehicle of its own."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

import httpx

from keygw.crypto.signer import LocalSigner
from keygw.model.base64url import encode_base64url
from keygw.model.ids import new_id
from keygw_chaos.gateway import GatewayProcess
from keygw_chaos.ledger import Asked, KnownKey, Ledger

MOST_KEYS = 60
"""On one vehicle; then the client takes a new one, so that its questions stay small."""
SCOPES = ("vehicle.read", "vehicle.manage", "key.read", "key.manage", "key.share")
UNAVAILABLE = frozenset({429, 503, 507})


class Surprise(Exception):
    """An answer that no fault explains."""


@dataclass
class Client:
    """``unavailable``: answers that said: not now. ``lifetime``: of what is shared, in seconds."""

    token: str
    random: random.Random
    lifetime: int = 86_400
    ledger: Ledger | None = None
    unavailable: int = 0
    retired: list[Ledger] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)

    async def run(self, gateway: GatewayProcess, stop: asyncio.Event) -> None:
        """Ask until ``stop``, or until the gateway is gone."""
        async with gateway.client(self.token) as http:
            while not stop.is_set():
                try:
                    await self._step(http)
                except httpx.TransportError:
                    return
                except Surprise as error:
                    self.surprises.append(str(error))
                    return

    async def settle(self, gateway: GatewayProcess) -> list[str]:
        """Compare with what the gateway shows now; answers what is wrong."""
        surprises, self.surprises = self.surprises, []
        if self.ledger is None or surprises:
            return surprises
        async with gateway.client(self.token) as http:
            answer = await http.get("/v1/keys", params={"vehicle_id": self.ledger.vehicle})
        if answer.status_code == 404:
            return [f"vehicle {self.ledger.vehicle} is lost"]
        answer.raise_for_status()
        found = {key["id"]: (key["state"], key["parent_id"]) for key in answer.json()["keys"]}
        return self.ledger.settle(found)

    @property
    def acknowledged(self) -> int:
        return sum(each.acknowledged for each in (*self.retired, *([self.ledger] if self.ledger else [])))

    async def _step(self, http: httpx.AsyncClient) -> None:
        if self.ledger is None or len(self.ledger.keys) >= MOST_KEYS:
            await self._new_vehicle(http)
            return
        self.ledger.asked = self._choose(self.ledger.keys)
        answer = await self._ask(http, self.ledger.asked)
        if answer.is_success:
            created = answer.status_code == 201
            self.ledger.answered(answer.json()["id"] if created else "")
        elif answer.status_code in UNAVAILABLE:
            self.unavailable += 1
            if not answer.json().get("may_have_happened"):
                self.ledger.refused()
            else:
                raise httpx.ReadError("nobody knows")
            await asyncio.sleep(0.02)
        else:
            raise Surprise(f"{self.ledger.asked}: {answer.status_code} {answer.text[:300]}")

    def _choose(self, keys: dict[str, KnownKey]) -> Asked:
        """A request that must succeed."""
        good = [name for name, key in keys.items() if not key.revoked]
        owners = [name for name in good if keys[name].parent is None]
        friends = [name for name in good if keys[name].parent is not None]
        verb = self.random.choice(("issue", "share", "share", "suspend", "resume", "revoke"))
        if verb == "issue" or not owners or not friends:
            return Asked("share", self.random.choice(owners)) if owners and verb != "issue" else Asked("issue")
        if verb == "share":
            return Asked("share", self.random.choice(owners))
        # An app cannot lift the suspension of its own keys, and needs one owner key to go on.
        return Asked(verb, self.random.choice(good if verb == "revoke" and len(owners) > 1 else friends))

    async def _ask(self, http: httpx.AsyncClient, asked: Asked) -> httpx.Response:
        assert self.ledger is not None
        if asked.verb == "issue":
            return await http.post("/v1/keys", json={"vehicle_id": self.ledger.vehicle, "role": "owner"})
        if asked.verb == "share":
            body: dict[str, Any] = {"public_key": _public_key(), "profile": "access", "lifetime_seconds": self.lifetime}
            return await http.post(f"/v1/keys/{asked.key}:share", json=body)
        return await http.post(f"/v1/keys/{asked.key}:{asked.verb}")

    async def _new_vehicle(self, http: httpx.AsyncClient) -> None:
        name = new_id("veh", self.random.randbytes)
        body = {
            "id": name,
            "name": "Car",
            "public_key": _public_key(),
            "advertising_key": encode_base64url(self.random.randbytes(16)),
        }
        answer = await http.post("/v1/vehicles", json=body)
        if answer.status_code in UNAVAILABLE:
            self.unavailable += 1
            await asyncio.sleep(0.02)
            return
        if answer.status_code != 201:
            raise Surprise(f"vehicle: {answer.status_code} {answer.text[:300]}")
        if self.ledger is not None:
            self.retired.append(self.ledger)
        self.ledger = Ledger(name)


def _public_key() -> str:
    return encode_base64url(LocalSigner.generate().public_key)
