"""Looks at cars, books and channels, and tells the model what it sees."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Any

import structlog

from keygw.credentials.audit_check import PAGE, AuditCheck
from keygw.crypto.aead import GcmKey
from keygw.model.command import Action, Outcome
from keygw.model.digital_key import KeyState
from keygw.session import channel
from keygw.token.revocation import read_list
from keygw_sim.vehicle.flash import Answer
from keygw_sim.world.car import SimulatedCar
from keygw_sim.world.gateway import Gateway
from keygw_sim.world.model import Invariant, Model, Shown


class Watch:
    """``now``: the true time, Unix seconds."""

    def __init__(self, model: Model, cars: Sequence[SimulatedCar], gateway: Gateway, now: Callable[[], float]) -> None:
        self._model = model
        self._cars = cars
        self._gateway = gateway
        self._now = now
        self._lists: dict[str, bytes] = {}
        self._seen = -1
        self._audit: AuditCheck | None = None
        self._audited = 0

    def on_done(self, car: SimulatedCar, key_id: str, answer: Answer, sequence: int) -> None:
        """What the car has just written to its flash that it did, or refused to do."""
        if Outcome(answer.outcome).ok:
            action, known = Action(answer.action), car.brain.time.known
            self._model.executed(Shown(car.name, key_id, answer.number, action, sequence, known, self._now()))

    async def look(self) -> None:
        """After a step. The gateway's books are read if they have been written to since."""
        for car in self._cars:
            self._look_at(car)
        if self._gateway.alive and self._gateway.writes != self._seen:
            self._seen = self._gateway.writes
            await self._look_at_books()

    def _look_at(self, car: SimulatedCar) -> None:
        memory, model = car.memory, self._model
        model.counted(f"{car.name}'s list", memory.list_sequence)
        model.counted(f"{car.name}'s receipts", memory.receipt_sequence)
        model.counted(f"{car.name}'s boots", memory.boot_epoch)
        model.counted(f"{car.name}'s floor", memory.time_floor)
        if memory.list_signed and self._lists.get(car.name) != memory.list_signed:
            self._lists[car.name] = memory.list_signed
            said = read_list(memory.list_signed)
            model.listed(car.name, said.sequence, said.issued_at, frozenset(said.revoked), frozenset(said.suspended))

    async def _look_at_books(self) -> None:
        books, model = self._gateway.credentials, self._model
        names = {car.vehicle.id: car.name for car in self._cars}
        states: dict[str, KeyState] = {}
        for record in await books.vehicles():
            name = names[record.vehicle.id]
            model.counted(f"the books' list of {name}", record.list_sequence)
            model.counted(f"the books' acknowledged list of {name}", record.acknowledged_sequence)
            model.counted(f"the books' receipts of {name}", record.receipts_through)
            model.counted(f"the books' next index of {name}", record.next_index)
            states |= {each.key.id: each.key.state for each in await books.keys(record.vehicle.id)}
        model.counted("the books' newest time", await books.last_issued_at())
        model.stored(states)
        await self._look_at_trail()

    async def _look_at_trail(self) -> None:
        """Each entry once, as it is added; ``look_back`` at the end looks at all of them again."""
        books = self._gateway.credentials
        self._audit = self._audit or AuditCheck(self._gateway.keyring.ever)
        while rows := await books.audit_rows(self._audited, PAGE):
            for row in rows:
                self._audit.entry(row.sequence, row.encoded, row.hash)
            self._audited = rows[-1].sequence
        sequence, _ = await books.audit_head()
        self._model.counted("the audit trail", sequence)
        for finding in self._audit.findings:
            self._model.broken(Invariant.AUDIT, f"{finding.code} at {finding.sequence}")
        self._audit.findings.clear()

    async def look_back(self) -> None:
        """The whole trail, against its checkpoints and the one kept outside."""
        report = await self._gateway.service.trail.check()
        for finding in report.findings:
            self._model.broken(Invariant.AUDIT, f"{finding.code} at {finding.sequence}")


@contextmanager
def watching_nonces(model: Model) -> Iterator[None]:
    """Every key of every channel made in here is one that remembers what it was used for."""
    sealed: set[tuple[bytes, bytes]] = set()
    opened: set[tuple[bytes, bytes]] = set()
    plain: type[GcmKey] = vars(channel)["GcmKey"]

    class Remembering(plain):  # type: ignore[misc,valid-type]  # the class as it is found, whoever has put it there
        __slots__ = ("_raw",)

        def __init__(self, key: bytes) -> None:
            super().__init__(key)
            self._raw = key

        def seal(self, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
            if (self._raw, nonce) in sealed:
                model.broken(Invariant.NONCE, "a channel has sealed two messages under one nonce")
            sealed.add((self._raw, nonce))
            return bytes(super().seal(nonce, plaintext, aad))

        def open(self, nonce: bytes, ciphertext: bytes, aad: bytes) -> bytes:
            out = bytes(super().open(nonce, ciphertext, aad))
            if (self._raw, nonce) in opened:
                model.broken(Invariant.NONCE, "a channel has accepted two messages under one nonce")
            opened.add((self._raw, nonce))
            return out

    vars(channel)["GcmKey"] = Remembering
    try:
        yield
    finally:
        vars(channel)["GcmKey"] = plain


@contextmanager
def hearing_errors(tell: Callable[[str], None]) -> Iterator[None]:
    """What a room logs as an error it did not foresee. Everything else it logs is not shown."""

    def hear(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        tell(" ".join(f"{name}={value}" for name, value in sorted(event.items())))
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(
        processors=[hear], wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        cache_logger_on_first_use=False,
    )  # fmt: skip
    try:
        yield
    finally:
        structlog.configure(**before)
