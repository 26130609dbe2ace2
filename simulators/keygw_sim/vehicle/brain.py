"""The car's brain: sessions with devices, the rules, the flash. Sans-IO but for the flash; any link can carry it.

For every connection: ``connected``, ``subscribed``, ``frame``..., ``disconnected``; after each call (and each ``tick``)
drain ``outgoing`` for every connection in ``dirty``, and drop the connections in ``finished``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from keygw.crypto.kdf import sha256
from keygw.crypto.signer import thumbprint
from keygw.model.command import Action, Outcome
from keygw.model.digital_key import Role
from keygw.model.entitlement import Entitlement
from keygw.model.errors import BadInput, ProtocolError, TokenError
from keygw.model.ids import Random
from keygw.model.revocation import ListAck, RevocationList
from keygw.model.signal import SignalId
from keygw.session.events import (
    Commanded,
    Ended,
    Event,
    ListPushed,
    Presented,
    ReceiptsStored,
    ReceiptsWanted,
    SignatureNeeded,
)
from keygw.session.identity import rotating_id
from keygw.session.states import State
from keygw.session.vehicle import VehicleSession
from keygw.token.claims import THUMBPRINT_BYTES, KeyClaims
from keygw.token.cwt import decode_cwt
from keygw.token.receipt import sign_receipt
from keygw.token.revocation import sign_ack, verify_list
from keygw.token.trust import IssuerKey, TrustedIssuers
from keygw.wire.messages import TIME_NONCE_BYTES, Cmd, LinkKind, Reading, Receipts, Res, Result, encode_info
from keygw_sim.vehicle import provisioning, rules
from keygw_sim.vehicle.body import Body
from keygw_sim.vehicle.flash import RECEIPTS_KEPT, Answer, EnrolledKey, Flash, Memory, StoredReceipt

REFUSED_KEY_RECEIPTS = 64
"""A key that is refused as such leaves no more receipts once this many of its own are kept."""
RECEIPTS_A_BATCH = 12
"""Signed receipts of about 180 bytes: a batch stays well inside one 4 KiB message."""


@dataclass(slots=True)
class _Guest:
    """One connection: its session and, once authenticated, who it is."""

    session: VehicleSession
    info: bytes
    claims: KeyClaims | None = None
    session_hash: bytes = b""
    link: LinkKind = LinkKind.RELAYED
    subscribed: bool = False


class Brain:
    """One vehicle. ``clock``: its own idea of Unix time; ``monotonic``: seconds for the session's timers."""

    def __init__(
        self,
        memory: Memory,
        flash: Flash,
        random: Random,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        log: Callable[[str, dict[str, object]], None] | None = None,
    ) -> None:
        self.memory = memory
        self.body = Body(**memory.body)
        self.dirty: set[int] = set()
        self._flash = flash
        self._random = random
        self._clock = clock
        self._monotonic = monotonic
        self._log = log or (lambda what, data: None)
        self._guests: dict[int, _Guest] = {}
        self._list: RevocationList | None = None
        memory.boot_epoch += 1
        flash.save(memory)
        self._load_list()
        self.rotate()

    def rotate(self) -> None:
        """Advertise under a new rotating id from now on."""
        self.rotating_id = rotating_id(self.memory.advertising_key, self._random(3))

    # -- the connection's life ---------------------------------------------------------------------------------

    def connected(self, conn: int) -> None:
        """A central has linked. A waiting provisioning file is taken first."""
        self._take_provisioning()
        info = encode_info(self.rotating_id)
        memory = self.memory
        session = VehicleSession(
            memory.vehicle_id, memory.signer.public_key, self._verify, info, self._random, self._monotonic()
        )
        self._guests[conn] = _Guest(session, info)
        self.rotate()

    def info(self, conn: int) -> bytes:
        """The INFO characteristic for that connection; it does not change while it lasts."""
        guest = self._guests.get(conn)
        return b"" if guest is None else guest.info

    def subscribed(self, conn: int) -> None:
        """The central listens: the vehicle may speak."""
        guest = self._guests.get(conn)
        if guest is not None and guest.session.state is State.SILENT:
            guest.session.greet(self.memory.boot_epoch)
            self.dirty.add(conn)

    def frame(self, conn: int, frame: bytes) -> None:
        guest = self._guests.get(conn)
        if guest is None:
            return
        self.dirty.add(conn)
        try:
            for event in guest.session.receive(frame, self._monotonic()):
                self._on_event(conn, guest, event)
        except ProtocolError as error:
            guest.session.fail()
            self._log("refused", {"code": error.code, "why": str(error)})

    def disconnected(self, conn: int) -> None:
        self._guests.pop(conn, None)
        self.dirty.discard(conn)

    def tick(self) -> None:
        """Let the sessions' timers run."""
        now = self._monotonic()
        for conn, guest in self._guests.items():
            if guest.session.tick(now):
                self.dirty.add(conn)
        self._end_concerned()

    def outgoing(self, conn: int, max_frame: int) -> Iterator[bytes]:
        """The frames that wait for that connection."""
        self.dirty.discard(conn)
        guest = self._guests.get(conn)
        if guest is not None:
            yield from guest.session.frames(max_frame)

    @property
    def finished(self) -> list[int]:
        """Connections whose session is over: drop them once their frames are out."""
        return [conn for conn, guest in self._guests.items() if guest.session.state is State.CLOSED]

    def set_body(self, changes: dict[str, object]) -> dict[str, object]:
        """What hands, weather and driving do to the body; subscribers hear of it. ``KeyError`` for an unknown part."""
        for name, value in changes.items():
            if name not in Body.__slots__:
                raise KeyError(name)
            setattr(self.body, name, type(getattr(self.body, name))(value))
        self.memory.body = _body_of(self.body)
        self._flash.save(self.memory)
        self._tell_all()
        return self.memory.body

    @property
    def now(self) -> int:
        """Vehicle time: the clock, but never before what the issuer has signed (a clock set back revives nothing)."""
        return max(int(self._clock()), self.memory.time_floor)

    # -- what sessions lead to ---------------------------------------------------------------------------------

    def _on_event(self, conn: int, guest: _Guest, event: Event) -> None:
        match event:
            case SignatureNeeded(message):
                guest.session.sign(self.memory.signer.sign(message))
            case Presented():
                self._on_presented(conn, guest, event)
            case Commanded(command):
                answer = self._command(guest, command)
                guest.session.respond(Res(command.number, Outcome(answer.outcome), answer.receipt))
                self._tell_all()
            case ReceiptsWanted(after):
                guest.session.give_receipts(self._receipts(guest, after))
            case ReceiptsStored(sequence):
                self._forget_receipts(guest, sequence)
            case ListPushed(signed):
                self._on_list(guest, signed)
            case Ended(_, reason):
                self._log("session_ended", {"reason": reason})

    def _on_presented(self, conn: int, guest: _Guest, presented: Presented) -> None:
        claims = presented.claims
        guest.claims, guest.session_hash, guest.link = claims, presented.session_hash, presented.link
        verdict = rules.judge_key(claims, self.memory, self._list, self.now)
        good = verdict is Outcome.DONE
        if good:
            self._enrol(claims)
        number, outcome = None, verdict
        if presented.command is not None:
            number = presented.command.number
            outcome = Outcome(self._command(guest, presented.command).outcome)
        guest.subscribed = good and presented.subscribe and Entitlement.STATUS_READ in claims.entitlements
        guest.session.answer(
            Result(
                outcome,
                number,
                self._newest_receipt(guest),
                self.memory.list_sequence,
                self._random(TIME_NONCE_BYTES),
            ),
            keep_open=good,
        )
        self._log("presented", {"key": claims.key_id, "outcome": outcome.label})
        if guest.subscribed:
            self._tell(conn, guest, list(self.body.readings()))
        self._tell_all(but=conn)

    def _enrol(self, claims: KeyClaims) -> None:
        """Remember the key for its children; what has ended makes room."""
        memory, now = self.memory, self.now
        for key_id in [key_id for key_id, entry in memory.keys.items() if now >= entry.expires_at]:
            del memory.keys[key_id]
            memory.answers.pop(key_id, None)
        memory.keys[claims.key_id] = EnrolledKey(
            claims.index,
            int(claims.entitlements),
            claims.expires_at,
            claims.parent_id,
            claims.epoch,
            claims.issued_at,
        )
        memory.time_floor = max(memory.time_floor, claims.issued_at)  # the issuer signed that it was then already
        self._flash.save(memory)

    def _command(self, guest: _Guest, command: Cmd) -> Answer:
        """Judge, act, and put the receipt in flash; only then may the answer leave. A retry gets its old answer."""
        claims = guest.claims
        if claims is None:
            raise ProtocolError("a command from nobody")
        verdict = rules.judge_key(claims, self.memory, self._list, self.now)
        if verdict is not Outcome.DONE:
            return self._refuse_key(guest, claims, command, verdict)
        known = self.memory.answer_to(claims.key_id, command.number)
        if known is not None:
            return known if known.action == command.action else replace(known, outcome=Outcome.NUMBER_REUSED, receipt=0)
        before = self._observed(command.action)
        outcome = rules.judge_action(command.action, rules.rights(claims, self.memory), guest.link)
        if outcome is Outcome.DONE:
            outcome = self.body.apply(command.action)
            self.memory.body = _body_of(self.body)
        sequence = self._write_receipt(guest, claims, command, outcome, before)
        answer = Answer(command.number, int(outcome), sequence, int(command.action))
        self.memory.remember(claims.key_id, answer)
        self._flash.save(self.memory)
        self._log("command", {"key": claims.key_id, "action": command.action.label, "outcome": outcome.label})
        return answer

    def _refuse_key(self, guest: _Guest, claims: KeyClaims, command: Cmd, verdict: Outcome) -> Answer:
        """The verdict on the key itself. It is not remembered for the number: a key that is resumed may ask again.

        A barred key leaves only so many receipts, or it could push those of others out of the log.
        """
        sequence = 0
        if sum(receipt.key_id == claims.key_id for receipt in self.memory.receipts) < REFUSED_KEY_RECEIPTS:
            before = self._observed(command.action)
            sequence = self._write_receipt(guest, claims, command, verdict, before)
            self._flash.save(self.memory)
        self._log("command", {"key": claims.key_id, "action": command.action.label, "outcome": verdict.label})
        return Answer(command.number, int(verdict), sequence, int(command.action))

    def _write_receipt(
        self, guest: _Guest, claims: KeyClaims, command: Cmd, outcome: Outcome, before: bool | None
    ) -> int:
        memory = self.memory
        sequence = memory.receipt_sequence + 1
        signed = sign_receipt(
            vehicle_id=memory.vehicle_id,
            sequence=sequence,
            number=command.number,
            key_id=claims.key_id,
            action=command.action,
            outcome=outcome,
            before=before,
            after=self._observed(command.action),
            boot_epoch=memory.boot_epoch,
            session=guest.session_hash,
            previous=memory.receipt_hash,
            at=self.now,
            signer=memory.signer,
        )
        memory.receipt_sequence, memory.receipt_hash = sequence, sha256(signed)
        memory.receipts.append(StoredReceipt(sequence, claims.key_id, signed))
        del memory.receipts[:-RECEIPTS_KEPT]
        return sequence

    def _observed(self, action: Action) -> bool | None:
        """The actuator that a receipt reports before and after: the central lock or the trunk."""
        if action in (Action.LOCK, Action.UNLOCK):
            return self.body.locked
        return self.body.trunk_open if action is Action.OPEN_TRUNK else None

    # -- receipts ----------------------------------------------------------------------------------------------

    def _readable(self, guest: _Guest) -> list[StoredReceipt]:
        """An owner reads every receipt, anybody else only those of its own key."""
        claims = guest.claims
        if claims is None:
            return []
        if claims.role is Role.OWNER:
            return self.memory.receipts
        return [receipt for receipt in self.memory.receipts if receipt.key_id == claims.key_id]

    def _newest_receipt(self, guest: _Guest) -> int:
        readable = self._readable(guest)
        return readable[-1].sequence if readable else 0

    def _receipts(self, guest: _Guest, after: int) -> Receipts:
        wanted = [receipt.signed for receipt in self._readable(guest) if receipt.sequence > after]
        return Receipts(tuple(wanted[:RECEIPTS_A_BATCH]), more=len(wanted) > RECEIPTS_A_BATCH)

    def _forget_receipts(self, guest: _Guest, sequence: int) -> None:
        """Only an owner's device may free the log; the newest stays, so that the count is never a riddle."""
        if guest.claims is not None and guest.claims.role is Role.OWNER:
            newest = self.memory.receipt_sequence
            self.memory.receipts = [r for r in self.memory.receipts if r.sequence > sequence or r.sequence == newest]
            self._flash.save(self.memory)

    # -- the revocation list -----------------------------------------------------------------------------------

    def _on_list(self, guest: _Guest, signed: bytes) -> None:
        """Accept a newer list, store it, acknowledge what is stored. An older or foreign one changes nothing."""
        memory = self.memory
        try:
            offered = verify_list(signed, self._issuers(), memory.vehicle_id)
        except TokenError as error:
            raise ProtocolError("the list does not verify", code=error.code) from error
        if offered.sequence > memory.list_sequence:
            memory.list_sequence, memory.list_signed = offered.sequence, signed
            memory.time_floor = max(memory.time_floor, offered.issued_at)
            self._flash.save(memory)
            self._list = offered
            self._log("list_accepted", {"sequence": offered.sequence})
        if memory.list_sequence:
            ack = ListAck(memory.vehicle_id, memory.list_sequence, sha256(memory.list_signed), memory.boot_epoch)
            guest.session.acknowledge_list(sign_ack(ack, memory.signer))
        self._end_concerned()

    def _end_concerned(self) -> None:
        """End the sessions of keys that a list bars or whose time is over; a moving car waits until it stands."""
        if self.body.speed > 0:
            return
        for conn, guest in self._guests.items():
            if guest.claims is None or guest.session.state is not State.OPEN:
                continue
            if rules.judge_key(guest.claims, self.memory, self._list, self.now) is not Outcome.DONE:
                guest.session.end()
                self.dirty.add(conn)

    def _load_list(self) -> None:
        if self.memory.list_signed:
            self._list = verify_list(self.memory.list_signed, self._issuers(), self.memory.vehicle_id)

    # -- trust and telling -------------------------------------------------------------------------------------

    def _issuers(self) -> TrustedIssuers:
        return TrustedIssuers(IssuerKey(i.issuer, i.kid, i.public_key) for i in self.memory.issuers)

    def _verify(self, token: bytes) -> KeyClaims:
        claims = decode_cwt(token, self._issuers(), vehicle_id=self.memory.vehicle_id)
        if claims.vehicle_thumbprint != thumbprint(self.memory.signer.public_key)[:THUMBPRINT_BYTES]:
            raise TokenError("the token is for another vehicle key", code="wrong_audience")
        return claims

    def _take_provisioning(self) -> None:
        try:
            if provisioning.take(self._flash.folder, self.memory):
                self._flash.save(self.memory)
                provisioning.taken(self._flash.folder)
                self._log("provisioned", {"vehicle": self.memory.vehicle_id})
        except BadInput as error:
            self._log("provisioning_refused", {"why": str(error)})

    def _tell_all(self, but: int | None = None) -> None:
        """Send what changed to everyone who subscribed."""
        for conn, guest in self._guests.items():
            if conn != but and guest.subscribed and guest.session.state is State.OPEN:
                self._tell(conn, guest, list(self.body.readings()))

    def _tell(self, conn: int, guest: _Guest, signals: list[SignalId]) -> None:
        values = self.body.readings()
        guest.session.tell([Reading(signal, values[signal], self.now) for signal in signals])
        self.dirty.add(conn)


def _body_of(body: Body) -> dict[str, object]:
    return {name: getattr(body, name) for name in Body.__slots__}
