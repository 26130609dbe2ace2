"""Where an attack takes place: one car, its people, perhaps a second car and the credential service, and the record."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from keygw.credentials.service import CredentialService
from keygw.credentials.values import Issuer
from keygw.crypto.signer import Signer, thumbprint
from keygw.model.command import Action, Outcome
from keygw.model.digital_key import DigitalKey, Role
from keygw.model.entitlement import PROFILES
from keygw.model.errors import KeygwError
from keygw.session.device import KeyInHand
from keygw.session.events import Ended, OwnerTokenAnswered
from keygw.store.store import open_store
from keygw.token.grant import Grant, sign_grant
from keygw.token.receipt import verify_receipt
from keygw.wire.frame import MAX_FRAME
from keygw.wire.messages import Result
from keygw_sim.attacker.taping import Tape
from keygw_sim.garage import Garage
from keygw_sim.pairing_rehearsal import PairingVisit
from keygw_sim.rehearsal import CarSide, Visit

_OWNER: dict[str, object] = {"role": Role.OWNER, "depth": 0, "parent_id": None, "entitlements": PROFILES["owner"]}
NOTHING = "nothing"
"""What an attacker got that was not even answered."""
_ROUTINE = frozenset({"command", "presented", "pairing_code"})
"""Lines of the car's log that say nothing which a receipt, or the next line, does not say as well."""

_GOODBYE = "session_ended session_over"
"""Somebody has hung up as one should."""


class Breach(Exception):
    """The attacker has got what it must not get."""


class Scene:
    """``async with Scene(folder) as scene``; ``strike`` ends the set-up: what comes after is the attack's record."""

    def __init__(self, folder: Path, trace: Path | None = None) -> None:
        self.folder = folder
        self.trace = trace
        """Captures are kept under this name, each with its own ending; ``None``: none are kept."""
        self.garage = Garage(folder / "car")
        self.detail = ""
        self.events: list[tuple[str, dict[str, Any]]] = []
        """What the credential service told, if the story has one."""
        self._cars = [self.garage]
        self._stack = contextlib.AsyncExitStack()
        self._conn = 1000
        self._record: tuple[str, ...] | None = None
        self._tape(self.garage)
        self.strike()

    async def __aenter__(self) -> Scene:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def next_conn(self) -> int:
        """A connection for the attacker."""
        self._conn += 1
        return self._conn

    def second_car(self) -> Garage:
        """Another car of the same owner, with the same friends, which trusts the same issuer."""
        car = Garage(self.folder / f"car {len(self._cars) + 1}", beside=self.garage)
        self._cars.append(car)
        self._tape(car)
        return car

    def _tape(self, car: Garage) -> None:
        if self.trace is not None:
            ending = ".btsnoop" if car is self.garage else f".car-{len(self._cars)}.btsnoop"
            tape = Tape(self.trace.with_name(self.trace.name + ending), lambda: car.time)
            car.watch(tape.watch)
            self._stack.callback(tape.close)

    def bring(
        self,
        hand: KeyInHand,
        signer: Signer,
        *,
        clock: Callable[[], float] | None = None,
        meets: CarSide | None = None,
    ) -> Visit:
        """The attacker's own device: that key token, that private key, whether they belong together or not."""
        garage = self.garage
        clock = clock or (lambda: garage.monotonic)
        return Visit(meets or garage.brain, hand, signer, garage.random, clock, conn=self.next_conn())

    def unowned(self) -> Garage:
        """The first car as it leaves the factory: it trusts the issuer, and nobody owns it."""
        self.garage.brain.memory.owners.clear()
        return self.garage

    def show_code(self) -> str:
        """Somebody in the car opens pairing mode; the code that appears. ``Conflict`` if the car will not."""
        self.garage.brain.open_pairing()
        return str(next(data["code"] for what, data in reversed(self.garage.log) if what == "pairing_code"))

    def pairing(self, code: str, who: str, *, token: bytes | None = b"", meets: CarSide | None = None) -> PairingVisit:
        """A device that wants to pair, linked. ``token``: what it brings; empty: an owner token for it, from the
        issuer; ``None``: it stops with the ticket."""
        garage = self.garage
        bring = None if token is None else (lambda _: token or garage.office.hand(garage.claims(who, **_OWNER)).token)
        return PairingVisit(
            meets or garage.brain, code, garage.signers[who], garage.random, lambda: garage.monotonic,
            token=bring, conn=self.next_conn(),
        )  # fmt: skip

    async def service(self) -> CredentialService:
        """The real credential service on a store of its own; its clock is the first car's."""
        store = await self._stack.enter_async_context(await open_store(self.folder / "service"))
        office = self.garage.office
        return CredentialService(
            store=store.credentials,
            vault=store.vault,
            issuer=Issuer(office.key.issuer, office.kid, office.signer),
            clock=lambda: self.garage.time,
            random=self.garage.random,
            notify=lambda name, data, _id: self.events.append((name, data)),
        )

    async def share(self, service: CredentialService, owner: DigitalKey, who: str, seconds: int) -> DigitalKey:
        """A friend key from that service for the phone of ``who``, on the grant of the owner's phone."""
        garage, rights = self.garage, PROFILES["access"]
        device, now = garage.signers[who].public_key, int(garage.time)
        grant = Grant(garage.vehicle.id, owner.id, thumbprint(device), rights, now, now, now + seconds, 1, 2)
        signed = sign_grant(grant, garage.signers["owner"])
        return await service.share_granted(owner.id, device_public_key=device, grant=signed)

    async def enter(self, context: contextlib.AbstractAsyncContextManager[Any]) -> Any:
        """Enter a context that ends with the scene."""
        return await self._stack.enter_async_context(context)

    def finally_(self, end: Callable[[], Awaitable[None]]) -> None:
        """Await this when the scene is over."""
        self._stack.push_async_callback(end)

    # -- the record --------------------------------------------------------------------------------------------

    def strike(self) -> None:
        """The set-up is over."""
        self._logged = [len(car.log) for car in self._cars]
        self._receipts = [car.brain.memory.receipt_sequence for car in self._cars]
        self._told = len(self.events)

    def recorded(self) -> tuple[str, ...]:
        """What the cars and the service have kept or told since ``strike``, repetitions counted.

        ``log: ...`` a line of the car's log, ``receipt: outcome`` a signed receipt on its flash, ``event: ...`` an
        event or alert of the service.
        """
        if self._record is not None:
            return self._record
        found: list[str] = []
        for at, car in enumerate(self._cars):
            logged = self._logged[at] if at < len(self._logged) else 0
            since = self._receipts[at] if at < len(self._receipts) else 0
            lines = [_line(what, data) for what, data in car.log[logged:] if what not in _ROUTINE]
            found += [f"log: {line}" for line in lines if line != _GOODBYE]
            for kept in car.brain.memory.receipts:
                if kept.sequence > since:
                    outcome = verify_receipt(kept.signed, car.vehicle.public_key).outcome
                    found.append(f"receipt: {Outcome(outcome).label}")
        for name, data in self.events[self._told :]:
            found.append(f"event: {name} {data.get('reason') or ''}".rstrip())
        return tuple(line if times == 1 else f"{line} x{times}" for line, times in Counter(found).items())

    def record_ends(self) -> None:
        """What comes after this is not of the attack."""
        self._record = self.recorded()

    def intact(self) -> None:
        """``Breach`` if a car is open, or its engine runs."""
        for car in self._cars:
            body = car.brain.body
            if not body.locked or body.trunk_open or body.engine_running:
                raise Breach("the car is open" if not body.engine_running else "the engine runs")

    @staticmethod
    def must(holds: bool, otherwise: str) -> None:
        """``Breach`` unless it holds."""
        if not holds:
            raise Breach(otherwise)

    def owner_uses_the_car(self, car: Garage | None = None) -> None:
        """Unlock and lock: the car serves its owner. ``Breach`` if it does not."""
        for action in (Action.UNLOCK, Action.LOCK):
            self.must((car or self.garage).tries("owner", action) is Outcome.DONE, "the owner is locked out")


def came_of(visit: Visit | PairingVisit, act: Callable[[], object]) -> str:
    """What a device gets for what it does: the outcome, the car's ERROR, or the code of its own refusal to go on."""
    try:
        answer = act()
    except KeygwError as error:
        say_why(visit)
        return f"device: {error.code}"
    except LookupError as error:
        if type(error) is not LookupError:
            raise  # an index or a key that is not there is our own mistake
        return ending_of(visit)
    if isinstance(visit, PairingVisit):
        answers = [event.outcome for event in visit.heard if isinstance(event, OwnerTokenAnswered)]
        return answers[-1].label if answers else ending_of(visit)
    return answer.outcome.label if isinstance(answer, Result) else ending_of(visit)


def say_why(visit: Visit | PairingVisit) -> None:
    """Let the other side have the ERROR of a device that gives up."""
    for frame in visit.session.frames(MAX_FRAME):
        visit.brain.frame(visit.conn, frame)


def ending_of(visit: Visit | PairingVisit) -> str:
    """The ERROR with which the car ended it, or ``NOTHING``."""
    endings = [event for event in visit.heard if isinstance(event, Ended)]
    return NOTHING if not endings or endings[-1].code is None else endings[-1].code.label


def code_of(act: Callable[[], object]) -> str:
    """The code of the error that it raises; ``Breach`` if it raises none."""
    try:
        act()
    except KeygwError as error:
        return error.code
    raise Breach("it was accepted")


def one_of(came: set[str]) -> str:
    """The one answer that all of them got; if there were several, all of them."""
    return ", ".join(sorted(came))


def _line(what: str, data: dict[str, object]) -> str:
    said = str(data.get("code") or data.get("outcome") or data.get("sequence") or data.get("reason") or "")
    return f"{what} {said.rpartition(': ')[2]}".rstrip()
