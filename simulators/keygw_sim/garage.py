"""A car, everybody with a key to it, and clocks that stand still: what the car itself decides, met without a link."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from keygw.crypto.signer import LocalSigner, thumbprint
from keygw.model.command import Action, Outcome
from keygw.model.digital_key import Role
from keygw.model.entitlement import PROFILES, Entitlement
from keygw.model.receipt import Receipt
from keygw.model.vehicle import Vehicle
from keygw.session.device import KeyInHand
from keygw.session.events import ListAcknowledged, ReceiptsGiven
from keygw.token.claims import KeyClaims
from keygw.token.receipt import verify_receipt
from keygw.wire.messages import Chain, LinkKind
from keygw_sim.chance import chance, new_signer
from keygw_sim.rehearsal import ISSUED_AT, CarSide, Office, Visit
from keygw_sim.vehicle.brain import Brain
from keygw_sim.vehicle.flash import Flash, Issuer, Memory
from keygw_sim.vehicle.runner import new_vehicle


class Garage:
    """One car, its office, an owner, a friend, and the friend's friend. Both clocks stand still until moved.

    ``beside``: another garage, whose people and office this car has as well.
    """

    def __init__(self, folder: Path, beside: Garage | None = None) -> None:
        self.random = chance("garage", "all" if beside is None else "beside")
        self.time = float(ISSUED_AT + 60)
        self.monotonic = 100.0
        self.office: Office = Office(self.random) if beside is None else beside.office
        self.folder = folder
        self.log: list[tuple[str, dict[str, object]]] = []
        people = ("owner", "friend", "grandchild", "stranger")
        self.signers: dict[str, LocalSigner] = (
            {who: new_signer(self.random) for who in people} if beside is None else dict(beside.signers)
        )
        memory = new_vehicle("Car", self.random)
        memory.issuers.append(Issuer(self.office.key.issuer, self.office.kid, self.office.key.public_key))
        memory.owners.append(thumbprint(self.signers["owner"].public_key))
        self.vehicle = Vehicle(memory.vehicle_id, "Car", memory.signer.public_key, memory.advertising_key)
        self.shown: dict[str, KeyClaims] = {}
        """The claims that each came with last."""
        self._conn = 0
        self._hands: dict[KeyClaims, KeyInHand] = {}
        self.brain = self._start(memory)

    def _start(self, memory: Memory) -> Brain:
        return Brain(
            memory,
            Flash(self.folder),
            self.random,
            lambda: self.time,
            lambda: self.monotonic,
            lambda what, data: self.log.append((what, data)),
        )

    def reboot(self) -> None:
        """Power off and on: all that is left is what was on the flash."""
        self.brain = self._start(self.stored())

    def stored(self) -> Memory:
        """What the flash holds now. ``LookupError`` before the first save."""
        memory = Flash(self.folder).load()
        if memory is None:
            raise LookupError("the flash is empty")
        return memory

    def key(self, who: str) -> str:
        """The key id of ``who``: owner, friend, grandchild or stranger."""
        return self.claims(who).key_id

    def claims(self, who: str, **changes: object) -> KeyClaims:
        """An owner's (index 1), the friend's (2, child of it) or the grandchild's (3), with the changes."""
        made = self.office.claims(self.vehicle, self.signers[who].public_key)
        if who == "friend":
            made = replace(made, role=Role.FRIEND, depth=1, parent_id=self.key("owner"), index=2,
                           entitlements=PROFILES["access"] | Entitlement.KEY_SHARE)  # fmt: skip
        if who == "grandchild":
            made = replace(made, role=Role.FRIEND, depth=2, parent_id=self.key("friend"), index=3,
                           entitlements=PROFILES["access"])  # fmt: skip
        return replace(made, **changes)  # type: ignore[arg-type]  # the test names the field

    def visit(
        self,
        who: str = "owner",
        *,
        subscribe: bool = False,
        max_frame: int = 512,
        link: LinkKind = LinkKind.DIRECT,
        meets: CarSide | None = None,
        chain: Chain | None = None,
        **changes: object,
    ) -> Visit:
        """A new connection of that device, HELLO heard; the changes are to its claims.

        ``meets``: who answers, if it is not the car itself. ``chain``: what it brings if the car asks; by default what
        the devices above it have really signed.
        """
        self._conn += 1
        claims = self.claims(who, **changes)
        self.shown[who] = claims
        links = self.chain(claims) if chain is None else chain
        if claims not in self._hands:  # a device shows the token that it has: signed anew, it would be another one
            self._hands[claims] = self.office.hand(claims)
        hand = replace(self._hands[claims], chain=links)
        return Visit(
            meets or self.brain, hand, self.signers[who], self.random, lambda: self.monotonic,
            conn=self._conn, subscribe=subscribe, max_frame=max_frame, link=link,
        )  # fmt: skip

    def chain(self, claims: KeyClaims) -> Chain:
        """Grants for exactly those claims, signed by the devices above, with the tokens that those showed last."""
        links: Chain = ()
        while (who := next((name for name in self.signers if self.key(name) == claims.parent_id), None)) is not None:
            parent = self.shown.get(who, self.claims(who))
            links = (*links, self.office.link(parent, self.signers[who], claims))
            claims = parent
        return links[:2]

    def tries(self, who: str, action: Action = Action.UNLOCK, **changes: object) -> Outcome:
        """Meet, prove, command, leave."""
        visit = self.visit(who, **changes)  # type: ignore[arg-type]  # claims only
        outcome = visit.prove(action, number=self._conn).outcome
        visit.leave()
        return outcome

    def enrol(self, *who: str) -> Garage:
        """Let each open a session once, so that the car knows the keys."""
        for one in who:
            visit = self.visit(one)
            if (outcome := visit.prove().outcome) is not Outcome.DONE:
                raise ValueError(f"the car refuses the {one}: {outcome.label}")
            visit.leave()
        return self

    def push(self, visit: Visit, signed: bytes) -> None:
        """Carry those bytes as a revocation list in that session."""
        visit.session.push_list(signed)
        visit.carry()

    def bring(self, sequence: int, **changes: object) -> bytes:
        """The owner carries a list to the car; returns the acknowledgement."""
        visit = self.visit("owner")
        visit.prove()
        self.push(visit, self.office.sign_list(self.vehicle, sequence, **changes))
        visit.leave()
        return visit.last(ListAcknowledged).signed

    def receipts(self, who: str = "owner", after: int = 0) -> list[Receipt]:
        """Every receipt that device may read, verified."""
        visit = self.visit(who)
        visit.prove()
        found: list[Receipt] = []
        while True:
            visit.session.ask_receipts(after)
            visit.carry()
            batch = visit.last(ReceiptsGiven).receipts
            found += [verify_receipt(signed, self.vehicle.public_key) for signed in batch.signed]
            if not batch.more:
                visit.leave()
                return found
            after = found[-1].sequence
