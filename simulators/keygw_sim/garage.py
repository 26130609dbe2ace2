"""A car, everybody with a key to it, and time that stands still: what the car itself decides, met without a link."""

from __future__ import annotations

from collections.abc import Callable
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
from keygw.wire.messages import Chain, LinkKind, Result
from keygw_sim.chance import chance, new_signer
from keygw_sim.ranging.space import Anchors, Space
from keygw_sim.rehearsal import ISSUED_AT, CarSide, Office, Visit
from keygw_sim.vehicle.brain import Brain
from keygw_sim.vehicle.flash import Flash, Issuer, Memory
from keygw_sim.vehicle.runner import new_vehicle

STARTED = 100.0
"""What the car's seconds show in the beginning."""


class Garage:
    """One car, its office, an owner, a friend, and the friend's friend.

    The car leaves the workshop with the time known, unless it is not to be ``trusted``. A reboot forgets it: ``trust``.
    ``beside``: another garage, whose people and office this car has as well.
    """

    def __init__(self, folder: Path, beside: Garage | None = None, *, trusted: bool = True) -> None:
        self.random = chance("garage", "all" if beside is None else "beside")
        self.monotonic = STARTED
        """Seconds since the car's start, the only clock it has; it stands still until moved, and ``time`` with it."""
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
        self.space = Space()
        """Where phones stand; the car is in the middle of it."""
        self._anchors: Anchors | None = None
        self._watch: Callable[[Brain], None] | None = None
        self.shown: dict[str, KeyClaims] = {}
        """The claims that each came with last."""
        self._conn = 0
        self._hands: dict[KeyClaims, KeyInHand] = {}
        self.brain = self._start(memory)
        if trusted:
            self._leave_workshop()

    @property
    def time(self) -> float:
        """The true time, Unix seconds; set it ahead and the car's seconds pass as well. ``ValueError`` for back."""
        return ISSUED_AT + 60 + self.monotonic - STARTED

    @time.setter
    def time(self, to: float) -> None:
        if to < self.time:
            raise ValueError("time does not go back")
        self.monotonic += to - self.time

    def _start(self, memory: Memory) -> Brain:
        return Brain(
            memory,
            Flash(self.folder),
            self.random,
            lambda: self.monotonic,
            lambda what, data: self.log.append((what, data)),
            self._anchors,
        )

    def _leave_workshop(self) -> None:
        """A mechanic with an owner's key brings a time proof; then nothing of that key is left in the car."""
        mechanic = new_signer(chance("garage", "mechanic"))
        memory = self.brain.memory
        memory.owners.append(thumbprint(mechanic.public_key))
        hand = self.office.hand(self.office.claims(self.vehicle, mechanic.public_key))
        visit = Visit(self.brain, hand, mechanic, self.random, lambda: self.monotonic)
        self.bring_time(visit, visit.prove())
        visit.leave()
        memory = self.brain.memory
        memory.owners.pop()
        memory.keys.clear()
        Flash(self.folder).save(memory)
        self.log.clear()

    def fit_anchors(self) -> Garage:
        """The workshop builds ranging anchors in; the car starts anew, with the time known."""
        self._anchors = Anchors(self.space)
        self.reboot()
        self._leave_workshop()
        return self

    def reboot(self) -> None:
        """Power off and on: all that is left is what was on the flash."""
        self.brain = self._start(self.stored())
        if self._watch is not None:
            self._watch(self.brain)

    def watch(self, watch: Callable[[Brain], None]) -> None:
        """Let somebody look at this car's brain, and at that of every later start, before it does anything."""
        self._watch = watch
        watch(self.brain)

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

    def trust(self, **changes: object) -> Result:
        """The owner brings a time proof. The changes are to the proof."""
        visit = self.visit("owner")
        result = self.bring_time(visit, visit.prove(), **changes)
        visit.leave()
        return result

    def bring_time(self, visit: Visit, result: Result, **changes: object) -> Result:
        """A time proof for the nonce of that RESULT, in that session; the RESULT that answers it."""
        newest = self.brain.memory.list_sequence
        return visit.prove_time(self.office.prove_time(self.vehicle, result.time_nonce, self.time, newest, **changes))

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
