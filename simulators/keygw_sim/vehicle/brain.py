"""The car's brain: sessions with devices over any link. Sans-IO; what it decides and remembers is the ``Keeper``'s.

For every connection: ``connected``, ``subscribed``, ``frame``..., ``disconnected``; after each call (and each ``tick``)
drain ``outgoing`` for every connection in ``dirty``, and drop the connections in ``finished``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from keygw.model.command import Action, Outcome
from keygw.model.digital_key import Role
from keygw.model.errors import Conflict, ProtocolError, TokenError
from keygw.model.ids import Random
from keygw.model.signal import SignalId, SignalValue
from keygw.session.events import (
    ChainBrought,
    Commanded,
    Ended,
    Enrolled,
    Event,
    IssuerKeysBrought,
    ListPushed,
    ListWanted,
    OwnerTokenBrought,
    PairingAsked,
    PairingTried,
    Presented,
    PresentedFast,
    RangeAsked,
    ReceiptsStored,
    ReceiptsWanted,
    SignatureNeeded,
    TimeProofBrought,
)
from keygw.session.fast import FastKey
from keygw.session.identity import rotating_id
from keygw.session.keylog import KeyLogLine
from keygw.session.states import State
from keygw.session.vehicle import VehicleSession
from keygw.token.claims import KeyClaims
from keygw.wire.messages import Cmd, FastResult, LinkKind, Reading, Receipts, Res, Result, encode_info
from keygw.wire.pairing import Credential
from keygw.wire.ranging import NOTHING_FOUND, Zone
from keygw_sim.vehicle.body import Body
from keygw_sim.vehicle.drift import Drift
from keygw_sim.vehicle.fast_keys import FastKeyring
from keygw_sim.vehicle.flash import Answer, Flash, Memory
from keygw_sim.vehicle.keeper import Keeper, Log
from keygw_sim.vehicle.pairing import CODE_SECONDS
from keygw_sim.vehicle.proximity import Evidence, Proximity, Ranger
from keygw_sim.vehicle.timekeeper import Moment, Nonce

READINGS_AN_EVENT = 48
"""About 600 bytes. EVENT takes 64; what a body tells at first goes in three."""
ROTATION_SECONDS = 900.0
"""A rotating id is advertised for this long at most; every connection also brings a new one."""


@dataclass(slots=True)
class _Guest:
    """One connection: its session and, once authenticated, who it is."""

    session: VehicleSession
    info: bytes
    claims: KeyClaims | None = None
    token: bytes = field(default=b"", repr=False)
    session_hash: bytes = b""
    link: LinkKind = LinkKind.RELAYED
    subscribed: bool = False
    wants_events: bool = False
    fast: bool = False
    told: dict[SignalId, SignalValue] = field(default_factory=dict)
    given: int = 0
    """The newest receipt that went out in this session: no more than that can be stored elsewhere."""
    salt: bytes = b""
    """Of the pairing code that it was offered."""
    device_key: bytes = b""
    """The one that it enrolled."""
    nonce: Nonce | None = None
    """Of the last RESULT. The next one has another, so it serves once."""
    answered: Outcome = Outcome.DONE
    """What the last RESULT said."""
    evidence: Evidence | None = None
    """Of the last ranging round in this session."""


class Brain:
    """One vehicle. ``monotonic``: seconds since its start, sleep included; the only clock it has.

    ``ranger``: its ranging anchors, if it has any.
    """

    def __init__(
        self,
        memory: Memory,
        flash: Flash,
        random: Random,
        monotonic: Callable[[], float],
        log: Log | None = None,
        ranger: Ranger | None = None,
    ) -> None:
        self.dirty: set[int] = set()
        self.key_log: KeyLogLine | None = None
        """Where sessions of a test rig write their keys; off in every other car."""
        self._random = random
        self._monotonic = monotonic
        self._log = log or (lambda what, data: None)
        self._guests: dict[int, _Guest] = {}
        self._proven_at: dict[str, float] = {}
        self._fast_keys = FastKeyring(monotonic)
        self._keeper = Keeper(memory, flash, random, monotonic, self._log)
        self._proximity = Proximity(ranger, monotonic, self._log)
        self._drift = Drift(self._keeper, monotonic, self._log)
        self._seen: tuple[Body, dict[SignalId, SignalValue]] | None = None
        self.rotate()

    @property
    def memory(self) -> Memory:
        """What is on flash."""
        return self._keeper.memory

    @property
    def body(self) -> Body:
        return self._keeper.body

    @property
    def time(self) -> Moment:
        """Vehicle time, and how well it is known."""
        return self._keeper.time

    def rotate(self) -> None:
        """Advertise under a new rotating id from now on."""
        self.rotating_id = rotating_id(self.memory.advertising_key, self._random(3))
        self._rotated_at = self._monotonic()

    # -- the connection's life ---------------------------------------------------------------------------------

    def connected(self, conn: int) -> None:
        """A central has linked. A waiting provisioning file is taken first."""
        self._keeper.take_provisioning()
        memory = self.memory
        info = encode_info(self.rotating_id)
        session = VehicleSession(
            memory.vehicle_id,
            memory.signer.public_key,
            self._keeper.verify,
            info,
            self._random,
            self._monotonic(),
            self._usable_fast_keys,
            self._keeper.kept_token,
        )
        session.key_log = self.key_log
        self._guests[conn] = _Guest(session, info)
        self.rotate()

    def info(self, conn: int) -> bytes:
        """The INFO characteristic for that connection; it does not change while it lasts."""
        guest = self._guests.get(conn)
        return b"" if guest is None else guest.info

    def authenticated(self, conn: int) -> bool:
        """Whether somebody has proven a key on that connection, and may still use it."""
        guest = self._guests.get(conn)
        return guest is not None and guest.session.talking

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
        except OSError as error:
            # Not on flash, so it has not happened; and what has not happened is neither answered nor acknowledged.
            guest.session.fail()
            self._log("flash_failed", {"why": error.strerror or str(error)})

    def disconnected(self, conn: int) -> None:
        self._guests.pop(conn, None)
        self.dirty.discard(conn)

    @property
    def warp(self) -> float:
        """How many seconds pass for the body (driving, charging, falling asleep) in one of the session's, 0 to 10000.

        Vehicle time, sessions, codes and everything that a key hangs on keep to ``monotonic``.
        """
        return self._drift.warp

    @warp.setter
    def warp(self, factor: float) -> None:
        self._drift.set_warp(factor)

    def stir(self) -> None:
        """Begin to wake the body, as whoever asks it for something does."""
        self._keeper.set_body({})
        self._tell_all()

    def let_pass(self, seconds: float) -> None:
        """Let that much time pass for the body at once, and for nothing else."""
        self._keeper.pass_time(seconds, write=True)
        self._tell_all()

    def rest(self) -> None:
        """Have the body on flash as it is: the car is about to lose its power."""
        self._keeper.keep_body()

    def tick(self) -> None:
        """Let time pass: sessions end, the body goes on with what it does, and the rotating id changes."""
        now = self._monotonic()
        for conn, guest in self._guests.items():
            if guest.session.tick(now):
                self.dirty.add(conn)
        self._retire_issuer_keys()
        self._end_concerned()
        self._proximity.tick()
        self._lock_behind()
        moved = self._drift.tick()
        if self._keeper.pairing.tick() or moved:
            self._tell_all()
        if now - self._rotated_at >= ROTATION_SECONDS:
            self.rotate()

    def _retire_issuer_keys(self) -> None:
        try:
            self._keeper.retire_issuer_keys()
        except OSError as error:  # it is refused all the same; the next tick writes it down
            self._log("flash_failed", {"why": error.strerror or str(error)})

    def open_pairing(self) -> int:
        """Somebody in the car opens pairing mode: the log shows the code. Returns the seconds it lives.

        ``Conflict`` in_motion, or owner_exists until an owner has allowed it (``Action.ALLOW_PAIRING``).
        """
        if self.body.speed > 0:
            raise Conflict("not while the car moves", code="in_motion")
        self._log("pairing_code", {"code": self._keeper.pairing.begin(), "expires_in": CODE_SECONDS})
        self._tell_all()
        return CODE_SECONDS

    def remove_key(self, key_id: str) -> None:
        """Somebody at the head unit removes a key that the car knows: its sessions and fast keys end with it.

        ``Conflict`` in_motion, unknown_key, last_owner, too_many_removed. Who may do so at all is for the car's maker:
        it must take no less than pairing does.
        """
        if self.body.speed > 0:
            raise Conflict("not while the car moves", code="in_motion")
        self._keeper.remove_key(key_id)
        self._hold_all_to_it()

    def around(self) -> list[tuple[KeyClaims, Zone]]:
        """Who has an open session, and where the car has measured them within the last second."""
        return [
            (guest.claims, self._proximity.nearness(guest.claims.key_id, guest.link, guest.evidence).zone)
            for guest in self._guests.values()
            if guest.claims is not None and guest.session.talking
        ]

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
        body = self._keeper.set_body(changes)
        self._tell_all()
        return body

    # -- what sessions lead to ---------------------------------------------------------------------------------

    def _on_event(self, conn: int, guest: _Guest, event: Event) -> None:
        match event:
            case SignatureNeeded(message):
                guest.session.sign(self.memory.signer.sign(message))
            case Presented():
                self._on_presented(conn, guest, event)
            case PresentedFast():
                self._on_presented_fast(conn, guest, event)
            case Commanded(command):
                answer = self._execute(guest, command)
                guest.session.respond(Res(command.number, Outcome(answer.outcome), answer.receipt))
                self._tell_all()
            case ReceiptsWanted(after):
                receipts, last = Receipts((), more=False), 0
                if not guest.session.waiting:
                    receipts, last = self._keeper.receipts(_known(guest), after)
                guest.given = max(guest.given, last)
                guest.session.give_receipts(receipts)
            case ReceiptsStored(sequence):
                self._keeper.forget_receipts(_known(guest), min(sequence, guest.given))
            case ChainBrought(chain):
                claims = _known(guest)
                verdict = self._keeper.bring_chain(claims, guest.token, chain)
                self._answer(guest, claims, verdict, verdict, None)
                self._tell_all()
            case ListPushed(signed):
                self._on_list(guest, signed)
            case ListWanted():
                guest.session.give_list(self.memory.list_signed)
            case IssuerKeysBrought(brought):
                guest.session.acknowledge_issuer_key(self._keeper.learn_issuer_key(brought))
                self._hold_all_to_it()
            case RangeAsked():
                self._on_range(guest, event)
            case TimeProofBrought(signed):
                self._on_time_proof(guest, signed)
            case PairingAsked() | PairingTried() | Enrolled() | OwnerTokenBrought():
                self._on_pairing(guest, event)
            case Ended(_, reason):
                self._log("session_ended", {"reason": reason})

    def _on_pairing(self, guest: _Guest, event: PairingAsked | PairingTried | Enrolled | OwnerTokenBrought) -> None:
        match event:
            case PairingAsked():
                guest.salt = self._keeper.pairing.salt()
                guest.session.offer(guest.salt)
            case PairingTried():
                guest.session.prove(self._keeper.pairing.count(guest.salt))
            case Enrolled():
                self._on_enrolled(guest, event)
            case OwnerTokenBrought(token):
                self._on_owner_token(guest, token)

    def _on_presented(self, conn: int, guest: _Guest, presented: Presented) -> None:
        claims = presented.claims
        self._supersede(conn, guest, claims.key_id)
        guest.claims, guest.session_hash, guest.link = claims, presented.session_hash, presented.link
        guest.token = presented.token
        verdict = self._keeper.admit(claims, presented.token)
        number, outcome = None, verdict
        if presented.command is not None:
            number = presented.command.number
            outcome = Outcome(self._execute(guest, presented.command).outcome)
        guest.wants_events = presented.subscribe
        self._answer(guest, claims, verdict, outcome, number)
        self._log("presented", {"key": claims.key_id, "outcome": outcome.label})
        self._tell_all()

    def _judge_anew(self) -> None:
        """Tell the devices that wait when the verdict on their key has turned."""
        for conn, guest in self._guests.items():
            if guest.session.waiting and guest.claims is not None:
                verdict = self._keeper.admit(guest.claims, guest.token)
                if verdict is not guest.answered:
                    self._answer(guest, guest.claims, verdict, verdict, None)
                    self.dirty.add(conn)
        self._tell_all()

    def _answer(self, guest: _Guest, claims: KeyClaims, verdict: Outcome, outcome: Outcome, number: int | None) -> None:
        """RESULT. ``verdict`` on the key: it decides whether the session is open, waits, or is over."""
        good, before = verdict is Outcome.DONE, guest.session.talking
        newest = self._keeper.newest_receipt(claims)
        guest.nonce, guest.answered = self._keeper.time_nonce(), outcome
        result = Result(
            outcome, number, newest, self.memory.list_sequence, guest.nonce.value, self._keeper.time.state
        )  # fmt: skip
        guest.session.answer(result, keep_open=good or verdict.curable)
        guest.subscribed = good and guest.wants_events
        if good and not before and guest.session.fast_key is not None:
            self._fast_keys.add(guest.session.fast_key, claims, self.time.at)

    def _on_list(self, guest: _Guest, signed: bytes) -> None:
        guest.session.acknowledge_list(self._keeper.accept_list(signed))
        self._hold_all_to_it()

    def _hold_all_to_it(self) -> None:
        """A list or an issuer key has come, or a key was removed: fast keys, those who wait, and open sessions are
        judged by it at once."""
        self._fast_keys.keep_only(lambda claims: self._keeper.judge(claims) in (Outcome.DONE, *_SLEEPING))
        self._judge_anew()
        self._end_concerned()

    def _on_range(self, guest: _Guest, asked: RangeAsked) -> None:
        """Only of a device that is let in, and by a link of its own: a relayed one is somewhere else."""
        guest.evidence, finding = None, NOTHING_FOUND
        if guest.session.talking and guest.link is LinkKind.DIRECT:
            key_id = _known(guest).key_id
            guest.evidence, finding = self._proximity.measure(key_id, asked.method, asked.key)
        guest.session.answer_range(finding)
        self._lock_behind()

    def _lock_behind(self) -> None:
        """Lock when the last who was near has left; a door that is open, or a running engine, keeps it waiting."""
        if not self._proximity.leaving or self.body.engine_running or self.body.speed > 0:
            return
        try:
            outcome = self._keeper.lock_by_itself()
        except OSError as error:  # the next tick tries again
            self._log("flash_failed", {"why": error.strerror or str(error)})
            return
        if outcome.ok:
            self._proximity.locked()
        if outcome is Outcome.DONE:
            self._log("locked_behind", {})
            self._tell_all()

    def _on_time_proof(self, guest: _Guest, signed: bytes) -> None:
        """Whatever it is worth, it is answered with the verdict on the key anew, and with another nonce.

        Others that waited for it are told as well. One that shows a list to be withheld ends what it ought to end.
        """
        self._keeper.take_time_proof(signed, guest.nonce)
        claims = _known(guest)
        verdict = self._keeper.admit(claims, guest.token)
        self._answer(guest, claims, verdict, verdict, None)
        self._judge_anew()
        self._end_concerned()

    def _usable_fast_keys(self) -> list[FastKey]:
        """Without those that wait for a time proof: FAST_RESULT has no nonce, so they must take the full handshake."""
        return self._fast_keys.alive(lambda claims: self._keeper.judge(claims) not in _SLEEPING)

    def _on_presented_fast(self, conn: int, guest: _Guest, presented: PresentedFast) -> None:
        """Authorised exactly like a CMD, with the claims of the handshake that left the fast key."""
        claims = self._fast_keys.use(presented.key)
        self._supersede(conn, guest, claims.key_id)
        guest.claims, guest.session_hash, guest.link = claims, presented.session_hash, presented.link
        guest.fast, guest.subscribed = True, presented.subscribe
        answer = self._execute(guest, presented.command)
        newest = self._keeper.newest_receipt(claims)
        guest.session.answer_fast(FastResult(Outcome(answer.outcome), newest, self.memory.list_sequence))
        if self._keeper.judge(claims) is not Outcome.DONE:
            guest.session.end()
            self._fast_keys.drop(presented.key)
        self._tell_all()

    def _supersede(self, conn: int, guest: _Guest, key_id: str) -> None:
        """A key that proves itself ends its other sessions, and whatever it began before.

        Else a command held back on its way could still be delivered after the device has learnt, in a later session,
        that it was never executed.
        """
        if guest.session.greeted_at < self._proven_at.get(key_id, float("-inf")):
            raise ProtocolError("the key has proven itself on another link since this HELLO")
        self._proven_at[key_id] = self._monotonic()
        for other, rival in self._guests.items():
            if other != conn and rival.claims is not None and rival.claims.key_id == key_id:
                rival.session.end()
                self.dirty.add(other)

    def _on_enrolled(self, guest: _Guest, enrolled: Enrolled) -> None:
        ticket = self._keeper.pairing.ticket(guest.salt, enrolled)
        guest.device_key = enrolled.device_key
        memory = self.memory
        guest.session.give_ticket(
            Credential(ticket, memory.vehicle_id, memory.signer.public_key, memory.advertising_key)
        )
        self._tell_all()

    def _on_owner_token(self, guest: _Guest, token: bytes) -> None:
        """Only a token for the device key that this very guest enrolled, be another one an owner's already or not."""
        try:
            claims = self._keeper.verify(token)
        except TokenError as error:
            raise ProtocolError("the owner token does not verify", code=error.code) from error
        verdict = Outcome.NOT_ENROLLED
        if claims.device_key == guest.device_key and claims.role is Role.OWNER:
            verdict = self._keeper.admit(claims, token)
        guest.session.accept_owner(verdict)
        self._log("owner_token", {"key": claims.key_id, "outcome": verdict.label})
        self._tell_all()

    def _execute(self, guest: _Guest, command: Cmd) -> Answer:
        claims = _known(guest)
        near = self._proximity.nearness(claims.key_id, guest.link, guest.evidence)
        answer = self._keeper.execute(claims, near, command, guest.session_hash, fast=guest.fast)
        if Outcome(answer.outcome).ok and command.action is Action.PASSIVE_UNLOCK:
            self._proximity.opened(claims.key_id)
        if Outcome(answer.outcome).ok and command.action is Action.LOCK:
            self._proximity.locked()
        return answer

    def _end_concerned(self) -> None:
        """End the sessions of keys that a list bars or whose time is over; a moving car waits until it stands."""
        if self.body.speed > 0:
            return
        for conn, guest in self._guests.items():
            if guest.claims is None or not (guest.session.talking or guest.session.waiting):
                continue
            verdict = self._keeper.judge(guest.claims)
            if verdict is not Outcome.DONE and not (guest.session.waiting and verdict.curable):
                guest.session.end()
                self.dirty.add(conn)

    def _tell_all(self) -> None:
        """Send what is new to everyone who subscribed and may read the status."""
        for conn, guest in self._guests.items():
            if not guest.subscribed or not guest.session.talking:
                continue
            values = self._readings(guest)
            news = [signal for signal, value in values.items() if guest.told.get(signal) != value]
            if news and self._keeper.may_read_status(_known(guest)):
                guest.told = values
                for batch in _batches(news, READINGS_AN_EVENT):
                    guest.session.tell([Reading(signal, values[signal], self.time.stamp) for signal in batch])
                self.dirty.add(conn)

    def _readings(self, guest: _Guest) -> dict[SignalId, SignalValue]:
        """What that guest may hear of: only owners hear of pairing mode, and how many of them there are."""
        if self._seen is None or self._seen[0] is not self.body:
            self._seen = (self.body, self.body.readings())
        values = self._seen[1].copy()
        if guest.claims is not None and guest.claims.role is Role.OWNER:
            values[SignalId.PAIRING_OPEN] = self._keeper.pairing.open
            values[SignalId.OWNER_DEVICES] = len(self.memory.owners)
        return values


_SLEEPING = (Outcome.TIME_PROOF_REQUIRED, Outcome.LIST_REQUIRED)
"""Verdicts under which a fast key is not used, and not lost either: they come and go with the car's time."""


def _known(guest: _Guest) -> KeyClaims:
    if guest.claims is None:
        raise ProtocolError("nobody has proven a key on this connection")
    return guest.claims


def _batches(signals: list[SignalId], most: int) -> Iterator[list[SignalId]]:
    for start in range(0, len(signals), most):
        yield signals[start : start + most]
