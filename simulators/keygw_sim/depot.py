"""A fleet with its books in memory, a road and one car: the gateway's side of a car without a gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from keygw.crypto.signer import thumbprint
from keygw.model.command import Action, AuthorizedCommand, Command, CommandState
from keygw.model.digital_key import Role
from keygw.model.entitlement import PROFILES
from keygw.model.errors import Conflict, Forbidden, NotFound, StoreError, TokenError
from keygw.model.ids import new_id
from keygw.model.receipt import Receipt
from keygw.model.signal import Signal
from keygw.model.vehicle import Vehicle
from keygw.token.claims import KeyClaims
from keygw.token.cwt import decode_cwt
from keygw.token.issuer_key import NO_STATEMENT, open_statement, verify_issuer_key_ack
from keygw.token.receipt import verify_receipt
from keygw.token.revocation import list_hash, verify_ack, verify_list
from keygw.vehicle.fleet import Fleet
from keygw.vehicle.ports import HeldKey
from keygw.vehicle.values import CommandResult, LinkStatus
from keygw.wire.messages import Chain
from keygw_sim.chance import chance, new_signer
from keygw_sim.rehearsal import ISSUED_AT, Office
from keygw_sim.road import Road
from keygw_sim.vehicle.brain import Brain
from keygw_sim.vehicle.flash import Flash, Issuer
from keygw_sim.vehicle.runner import new_vehicle

NOW = float(ISSUED_AT + 60)


class Ledger:
    """``Books`` in memory, with real verification."""

    def __init__(self, vehicle: Vehicle, office: Office, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.proofs = 0
        """How many time proofs were asked for."""
        self.known = vehicle
        self.office = office
        self.keys: dict[str, HeldKey] = {}
        self.couriers: list[str] = []
        self.receipts: dict[int, Receipt] = {}
        self.sequence = 1
        self.acknowledged_sequence = 0
        self.signed = office.sign_list(vehicle, 1)
        self.known_lists = {self.signed}
        self.alerts: list[str] = []
        self.full = False
        self.statements: list[bytes] = []
        """Of each issuer key after the first."""
        self.learnt = 0
        """The sequence of the issuer key that the car has acknowledged."""

    def rotate(self, at: float, **changes: Any) -> None:
        """Take a new issuer key (``Office.rotate``): tokens and list are signed anew, the former token stays at hand
        until the car has learnt it.
        """
        self.statements.append(
            self.office.rotate(chance("fleet", f"issuer {self.office.sequence}"), int(at), **changes)
        )
        for key_id, held in self.keys.items():
            claims = replace(decode_cwt(held.hand.token, self.office.trust), issued_at=int(at))
            new = self.office.hand(claims, held.hand.chain)
            self.keys[key_id] = replace(held, hand=new, former=held.former or held.hand)
        self.publish(issued_at=int(at), next_update=int(at) + 7 * 86_400)

    async def issuer_statements(self, vehicle_id: str) -> Sequence[bytes]:
        return self.statements[self.learnt :]

    async def acknowledge_issuer_key(self, vehicle_id: str, ack: bytes) -> object:
        found = verify_issuer_key_ack(ack, self.known.public_key)
        ours = [NO_STATEMENT, *(open_statement(signed).digest for signed in self.statements)]
        if found.sequence >= len(ours) or ours[found.sequence] != found.statement_hash:
            raise Conflict("the vehicle has learnt an issuer key that is not ours", code="ack_mismatch")
        self.learnt = found.sequence
        if self.learnt == len(self.statements):
            self.keys = {key_id: replace(held, former=None) for key_id, held in self.keys.items()}
        return found

    def publish(self, **changes: object) -> None:
        self.sequence += 1
        self.signed = self.office.sign_list(self.known, self.sequence, **changes)
        self.known_lists.add(self.signed)

    async def vehicle(self, vehicle_id: str) -> Vehicle:
        if vehicle_id != self.known.id:
            raise NotFound("no such vehicle")
        return self.known

    async def vehicles(self) -> Sequence[Vehicle]:
        return [self.known]

    async def held_key(self, key_id: str) -> HeldKey:
        if key_id not in self.keys:
            raise Forbidden("a phone holds it")
        return self.keys[key_id]

    async def courier_keys(self, vehicle_id: str) -> Sequence[str]:
        return self.couriers

    async def current_list(self, vehicle_id: str) -> Ledger:
        return self

    async def acknowledge_list(self, vehicle_id: str, ack: bytes) -> object:
        found = verify_ack(ack, self.known.public_key)
        if found.list_hash != list_hash(self.signed):
            raise TokenError("the acknowledgement is for another list")
        await asyncio.sleep(0)
        self.acknowledged_sequence = found.sequence
        return found

    async def recover_list(self, vehicle_id: str, signed: bytes) -> None:
        if signed in self.known_lists:
            return
        self.known_lists.add(signed)
        found = verify_list(signed, self.office.trust, vehicle_id)
        self.sequence = max(self.sequence, found.sequence)
        self.publish(revoked=found.revoked, suspended=found.suspended)

        self.alerts.append("list_forgotten")

    async def alert(self, vehicle_id: str, reason: str) -> None:
        self.alerts.append(reason)

    async def time_proof(self, vehicle_id: str, nonce: bytes) -> bytes:
        self.proofs += 1
        return self.office.prove_time(self.known, nonce, self.clock(), self.sequence)

    async def record_receipt(self, vehicle_id: str, signed: bytes) -> Receipt:
        if self.full:
            raise StoreError("the disk is full")
        receipt = verify_receipt(signed, self.known.public_key)
        self.receipts[receipt.sequence] = receipt
        return receipt

    async def last_receipt_sequence(self, vehicle_id: str) -> int:
        return max(self.receipts, default=0)


class World:
    """A fleet, its books, a road and a car."""

    def __init__(self, folder: Path, authorize: Callable[[Command], AuthorizedCommand]) -> None:
        """``authorize``: what the credential service's policy does in a gateway."""
        self._authorize = authorize
        random = chance("fleet", "all")
        self.random = random
        self.office = Office(random)
        memory = new_vehicle("Car", random)
        memory.issuers.append(Issuer(self.office.key.issuer, self.office.kid, self.office.key.public_key))
        self.car = Vehicle(memory.vehicle_id, "Car", memory.signer.public_key, memory.advertising_key)
        self.now = NOW
        self.monotonic = 0.0
        self.flash = Flash(folder)
        self.brain = Brain(memory, self.flash, random, lambda: self.monotonic)
        self.road = Road(self.brain)
        self.books = Ledger(self.car, self.office, lambda: self.now)
        self.owner = self.hold("owner")
        self.brain.memory.owners.append(thumbprint(self.books.keys[self.owner].hand.device_key))
        self.signals: list[Signal] = []
        self.links: list[LinkStatus] = []
        self.settled: list[Receipt] = []
        self.states: list[CommandState] = []
        self._number = 0
        self.fleet = Fleet(
            self.road,
            self.books,
            random,
            lambda: self.now,
            on_signal=lambda vehicle_id, signals: self.signals.extend(signals),
            on_link=lambda vehicle_id, status: self.links.append(status),
            on_receipt=lambda vehicle_id, receipt: self.settled.append(receipt),
            issuer_keys=self.books,
        )

    @property
    def alerts(self) -> list[str]:
        """What the books were told of, or have told, by reason."""
        return self.books.alerts

    def reboot(self) -> None:
        """The car loses its power, and what it had in RAM."""
        memory = self.flash.load()
        if memory is None:
            raise LookupError("the flash is empty")
        self.brain = self.road.brain = Brain(memory, self.flash, self.random, lambda: self.monotonic)

    def hold(self, who: str, **changes: object) -> str:
        """A hosted key; its id. One with a parent comes with the grant of the parent's device."""
        signer = new_signer(chance("fleet", who))
        claims: KeyClaims = replace(self.office.claims(self.car, signer.public_key), **changes)  # type: ignore[arg-type]  # the test names the field
        chain: Chain = ()
        if claims.parent_id is not None:
            parent = self.books.keys[claims.parent_id]
            said = decode_cwt(parent.hand.token, self.office.trust)
            chain = (self.office.link(said, parent.signer, claims), *parent.hand.chain)
        self.books.keys[claims.key_id] = HeldKey(self.office.hand(claims, chain), signer)
        return claims.key_id

    def friend(self, **changes: object) -> str:
        base = {
            "role": Role.FRIEND,
            "depth": 1,
            "parent_id": self.owner,
            "index": 2,
            "entitlements": PROFILES["access"],
        }
        return self.hold("friend", **{**base, **changes})

    def command(self, action: Action, key_id: str | None = None, lives: float = 5.0) -> AuthorizedCommand:
        self._number += 1
        made = Command(
            new_id("cmd", self.random),
            self._number,
            self.car.id,
            key_id or self.owner,
            action,
            self.now,
            self.now + lives,
        )
        return self._authorize(made)

    async def execute(self, action: Action, key_id: str | None = None, lives: float = 5.0) -> CommandResult:
        self.states.clear()
        return await self.fleet.execute(self.command(action, key_id, lives), self.on_state)

    async def on_state(self, state: CommandState, reason: str | None) -> None:
        self.states.append(state)

    async def eventually(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(2):
            while not holds():  # noqa: ASYNC110 - the car has no event to wait for
                await asyncio.sleep(0.001)
