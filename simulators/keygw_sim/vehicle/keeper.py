"""What the car decides and remembers: keys, commands, receipts, the revocation list. It knows nothing of sessions.

Everything that changes is drafted, written to flash, and only then true: what could not be stored has not happened, is
not answered and is not acknowledged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from keygw.crypto.signer import thumbprint
from keygw.model.command import Action, Outcome
from keygw.model.digital_key import Role
from keygw.model.entitlement import Entitlement
from keygw.model.errors import BadInput, ProtocolError, StoreError, TokenError
from keygw.model.ids import Random
from keygw.model.receipt import NO_SESSION
from keygw.model.revocation import ListAck, RevocationList
from keygw.session.fast import FAST_ACTIONS
from keygw.session.identity import token_kid
from keygw.token.claims import KeyClaims
from keygw.token.cwt import decode_cwt
from keygw.token.envelope import REVOCATION_LIST, TIME_PROOF
from keygw.token.issuer_key import open_statement, sign_issuer_key_ack
from keygw.token.policy import check_vehicle
from keygw.token.receipt import receipt_hash, sign_receipt
from keygw.token.revocation import list_hash, read_list, sign_ack, verify_list
from keygw.token.time_proof import verify_time_proof
from keygw.token.trust import TrustedIssuers
from keygw.wire.messages import Chain, Cmd, Receipts
from keygw_sim.vehicle import chain, provisioning, removal, rules, trust
from keygw_sim.vehicle.body import Body
from keygw_sim.vehicle.flash import COUNTS, RECEIPTS_KEPT, Answer, EnrolledKey, Flash, Issuer, Memory, StoredReceipt
from keygw_sim.vehicle.pairing import PairingDesk
from keygw_sim.vehicle.proximity import Nearness
from keygw_sim.vehicle.timekeeper import Moment, Nonce, Timekeeper

REFUSED_KEY_RECEIPTS = 64
"""A key that is refused as such leaves no more receipts once this many of its own are kept."""
RECEIPTS_A_BATCH = 12
"""Signed receipts of about 180 bytes: a batch stays well inside one 4 KiB message."""

_UNDECIDED = (Outcome.CHAIN_REQUIRED, Outcome.TIME_PROOF_REQUIRED, Outcome.LIST_REQUIRED)
"""The same number comes again behind what was asked for: one receipt, of what is decided then."""

Log = Callable[[str, dict[str, object]], None]


class Keeper:
    """``monotonic``: seconds since the start. ``OSError`` from any method that writes: then nothing has changed."""

    def __init__(self, memory: Memory, flash: Flash, random: Random, monotonic: Callable[[], float], log: Log) -> None:
        self.memory = memory
        self.body = body_on_flash(memory)
        self._flash = flash
        self._random = random
        self._log = log
        self._time = Timekeeper(monotonic)
        self._list: RevocationList | None = None
        self.pairing = PairingDesk(lambda: self.memory, self._durably, random, monotonic, log)
        with self._durably() as draft:
            draft.boot_epoch += 1
            draft.pairing = draft.pairing.after_reboot()
        if memory.list_signed:
            self._list = read_list(memory.list_signed)  # it was verified when it came; its key may have ended since

    @property
    def time(self) -> Moment:
        """What the car knows of the time now."""
        return self._time.moment(self.memory.time_floor, self.memory.list_sequence)

    def time_nonce(self) -> Nonce:
        """A fresh one, for one time proof of one session."""
        return self._time.nonce(self._random)

    def take_time_proof(self, signed: bytes, nonce: Nonce | None) -> None:
        """Believe it if it is for that nonce, in time. ``ProtocolError`` for one that does not verify."""
        try:
            proof = verify_time_proof(signed, self._issuers(), self.memory.vehicle_id)
        except TokenError as error:
            raise ProtocolError("the time proof does not verify", code=error.code) from error
        signer = self._signer(TIME_PROOF.open(signed).kid)
        refusal = self._time.refusal(proof, nonce)
        if not trust.tells_time(self.memory, signer):
            refusal = "former_issuer_key"
        if refusal is not None:
            self._log("time_proof_refused", {"reason": refusal})
            return
        with self._durably() as draft:
            draft.time_floor = max(draft.time_floor, proof.time)
        self._time.accept(proof, signer.kid)
        self._log("time_proven", {"time": self.time.state.label})
        if self.time.withheld:
            self._log("list_withheld", {"has": self.memory.list_sequence, "needs": proof.list_sequence})

    # -- keys --------------------------------------------------------------------------------------------------

    def verify(self, token: bytes) -> KeyClaims:
        """The claims of a key token for this vehicle and vehicle key; ``TokenError`` otherwise."""
        claims = decode_cwt(token, self._issuers(), vehicle_id=self.memory.vehicle_id)
        check_vehicle(claims, self.memory.vehicle_id, thumbprint(self.memory.signer.public_key))
        trust.check_made(self._signer(claims.kid), claims.issued_at)
        return claims

    def judge(self, claims: KeyClaims) -> Outcome:
        """``DONE`` if the key is good here and now."""
        return rules.judge_key(claims, self.memory, self._list, self.time)

    def may_read_status(self, claims: KeyClaims) -> bool:
        return self.judge(claims) is Outcome.DONE and bool(Entitlement.STATUS_READ & chain.rights(claims, self.memory))

    def kept_token(self, kid: bytes) -> bytes | None:
        """The key token that a device names instead of sending it."""
        return next((token for index, token in self.memory.tokens.items() if token_kid(index) == kid), None)

    def admit(self, claims: KeyClaims, token: bytes) -> Outcome:
        """The verdict on a key that proves itself. A good one is remembered for its children.

        The owner token of the ticketed device makes it an owner's, whichever road it came by. An older token never
        replaces a newer. What the floor has ended makes room, but what was answered to it stays while a renewed token
        may ask again (``chain.forget``). ``token``: the one that says so.
        """
        verdict = self.judge(claims)
        pairs = verdict is Outcome.NOT_ENROLLED and self.pairing.awaits(claims)
        if verdict is not Outcome.DONE and not pairs:
            return verdict
        with self._durably() as draft:
            if pairs:
                self.pairing.take_owner(draft)
            draft.time_floor = max(draft.time_floor, claims.issued_at)  # the issuer signed that it was then already
            for key_id in [key_id for key_id, entry in draft.keys.items() if draft.time_floor >= entry.expires_at]:
                del draft.keys[key_id]
            living = {entry.index for entry in draft.keys.values()}
            draft.tokens = {index: kept for index, kept in draft.tokens.items() if index in living}
            chain.forget(draft)
            known = draft.keys.get(claims.key_id)
            if known is None or known.issued_at <= claims.issued_at:
                draft.keys[claims.key_id] = EnrolledKey.of(claims)
                draft.tokens[claims.index] = token
        if pairs:
            self._log("owner_paired", {"key": claims.key_id, "owners": len(self.memory.owners)})
        return Outcome.DONE

    def bring_chain(self, claims: KeyClaims, token: bytes, brought: Chain) -> Outcome:
        """The verdict on a shared key once its device has brought the chain. What holds is remembered for good."""
        try:
            links = chain.verify(claims, brought, self.verify, self.memory.owners)
        except TokenError as error:
            self._log("chain_refused", {"key": claims.key_id, "code": error.code, "why": str(error)})
            return Outcome.CHAIN_REFUSED
        if not all(trust.decides(self._signer(parent.kid), self.time) for _, _, parent in links):
            return rules.wanted(self.time)  # and nothing of it is kept
        after = self.memory.draft()
        chain.keep(after, links)
        verdict = rules.judge_key(claims, after, self._list, self.time)
        if verdict is Outcome.CHAIN_REQUIRED:  # a parent has a newer token here, which covers less
            self._log("chain_refused", {"key": claims.key_id, "code": "grant_outlived"})
            return Outcome.CHAIN_REFUSED
        if verdict is not Outcome.DONE and not verdict.curable:
            return verdict
        with self._durably() as draft:
            chain.keep(draft, links)
        return self.admit(claims, token)

    # -- commands ----------------------------------------------------------------------------------------------

    def execute(
        self, claims: KeyClaims, near: Nearness, command: Cmd, session_hash: bytes, *, fast: bool = False
    ) -> Answer:
        """Judge, act, and have the receipt on flash before anything is said. A retry gets its old answer.

        ``fast``: it came by the fast path, or in a session that the fast path opened.
        """
        verdict = self.judge(claims)
        if verdict is not Outcome.DONE:
            return self._refuse(claims, command, verdict, session_hash)
        known = self.memory.answer_to(claims.key_id, command.number)
        if known is not None:
            same = known.action == command.action
            return known if same else replace(known, outcome=int(Outcome.NUMBER_REUSED), receipt=0)
        # The body moves once the receipt is on flash; a power cut in between is made up for at the next start.
        body = replace(self.body)
        outcome = rules.judge_action(command.action, chain.rights(claims, self.memory), near)
        pairing = command.action is Action.ALLOW_PAIRING
        if outcome is Outcome.DONE and pairing and claims.role is not Role.OWNER:
            outcome = Outcome.NOT_ENTITLED  # an entitlement can be shared; being an owner cannot
        if outcome is Outcome.DONE and fast and command.action not in FAST_ACTIONS:
            return self._refuse(claims, command, Outcome.FULL_HANDSHAKE_REQUIRED, session_hash)
        verdict = rules.judge_time(claims, command.action, self.time)
        if outcome is Outcome.DONE and verdict is not Outcome.DONE:
            return self._refuse(claims, command, verdict, session_hash)
        if outcome is Outcome.DONE and rules.list_too_old(command.action, claims, self._list, self.time.at):
            return self._refuse(claims, command, Outcome.LIST_STALE, session_hash)
        if outcome is Outcome.DONE and not pairing:
            outcome = body.apply(_DONE_AS.get(command.action, command.action))
        with self._durably() as draft:
            sequence = self._write_receipt(draft, claims.key_id, command, outcome, body, session_hash)
            answer = Answer(command.number, int(outcome), sequence, int(command.action))
            draft.remember(claims.key_id, answer)
            draft.body = body.to_json()
            if outcome is Outcome.DONE and pairing:
                self.pairing.allow(draft)
        self.body = body
        self._log("command", {"key": claims.key_id, "action": command.action.label, "outcome": outcome.label})
        return answer

    def _refuse(self, claims: KeyClaims, command: Cmd, verdict: Outcome, session_hash: bytes) -> Answer:
        """The verdict on the key itself, or on how it came. It is not remembered for the number: a key that is
        resumed, a device that takes the full handshake, or brings a proof or a fresh list, may ask again.

        Where only a proof, a list or the chain is missing nothing has been decided, and there is no receipt: the next
        one is the command's.
        """
        sequence = 0
        told = sum(receipt.key_id == claims.key_id for receipt in self.memory.receipts)
        if verdict not in _UNDECIDED and told < REFUSED_KEY_RECEIPTS:
            with self._durably() as draft:
                sequence = self._write_receipt(draft, claims.key_id, command, verdict, self.body, session_hash)
        self._log("command", {"key": claims.key_id, "action": command.action.label, "outcome": verdict.label})
        return Answer(command.number, int(verdict), sequence, int(command.action))

    def _write_receipt(
        self, draft: Memory, key_id: str, command: Cmd, outcome: Outcome, after: Body, session_hash: bytes
    ) -> int:
        sequence = draft.receipt_sequence + 1
        if sequence >= COUNTS:
            raise ProtocolError("the receipts are used up")  # what leaves no receipt does not happen
        signed = sign_receipt(
            vehicle_id=draft.vehicle_id,
            sequence=sequence,
            number=command.number,
            key_id=key_id,
            action=command.action,
            outcome=outcome,
            before=_observed(self.body, command.action),
            after=_observed(after, command.action),
            boot_epoch=draft.boot_epoch,
            session=session_hash,
            previous=draft.receipt_hash,
            at=self.time.stamp,
            signer=draft.signer,
        )
        draft.receipt_sequence, draft.receipt_hash = sequence, receipt_hash(signed)
        draft.receipts.append(StoredReceipt(sequence, key_id, signed, outcome.ok))
        if len(draft.receipts) > RECEIPTS_KEPT:
            # Refusals go first, or a friend could push out the evidence of what was done. What the issuer must hear
            # of goes last, and there is less of that than room.
            kept = removal.kept_receipts(draft, self._list)
            older = [(receipt.ok, n) for n, receipt in enumerate(draft.receipts[:-1]) if receipt.sequence not in kept]
            del draft.receipts[min(older)[1]]
        return sequence

    def remove_key(self, key_id: str) -> None:
        """Somebody in the car removes a key: it is barred, and a receipt says so, in one write. Again changes nothing.

        ``Conflict``: the codes of ``removal.bar``.
        """
        if any(removed.key_id == key_id for removed in self.memory.removed.values()):
            return
        with self._durably() as draft:
            removal.bar(draft, key_id, self._list, draft.receipt_sequence + 1)
            command = Cmd(0, Action.REMOVE_KEY)
            self._write_receipt(draft, key_id, command, Outcome.DONE, self.body, NO_SESSION)
        self._log("key_removed", {"key": key_id})

    def lock_by_itself(self) -> Outcome:
        """Nobody is near any more. No key has asked for it, so there is no receipt; subscribers hear of it."""
        body = replace(self.body)
        outcome = body.apply(Action.LOCK)
        if outcome is Outcome.DONE:
            self._keep_body(body)
        return outcome

    def set_body(self, changes: dict[str, object]) -> dict[str, object]:
        """What hands, weather and driving do to the body. ``KeyError`` for an unknown part, ``ValueError`` for a value
        that it cannot have."""
        body = replace(self.body)
        body.put(changes)
        self._keep_body(body)
        return self.memory.body

    def pass_time(self, seconds: float, write: bool) -> frozenset[str]:
        """Let the body's own time pass; the parts that are another now. On flash only if ``write``, or at the next
        thing that is: after a power cut it may have driven some metres less."""
        body = replace(self.body)
        changed = body.advance(seconds)
        if changed and write:
            self._keep_body(body)
        self.body = body if changed else self.body
        return changed

    def keep_body(self) -> None:
        """Have it on flash as it is now, if it is not."""
        if body_on_flash(self.memory) != self.body:
            self._keep_body(self.body)

    def _keep_body(self, body: Body) -> None:
        with self._durably() as draft:
            draft.body = body.to_json()
        self.body = body

    # -- receipts ----------------------------------------------------------------------------------------------

    def newest_receipt(self, claims: KeyClaims) -> int:
        """The sequence of the newest receipt this key may read, 0 if there is none."""
        readable = self._readable(claims)
        return readable[-1].sequence if readable else 0

    def receipts(self, claims: KeyClaims, after: int) -> tuple[Receipts, int]:
        """The next batch after that sequence, and the sequence of its last."""
        wanted = [receipt for receipt in self._readable(claims) if receipt.sequence > after]
        batch = wanted[:RECEIPTS_A_BATCH]
        more = len(wanted) > len(batch)
        return Receipts(tuple(receipt.signed for receipt in batch), more), batch[-1].sequence if batch else after

    def forget_receipts(self, claims: KeyClaims, sequence: int) -> None:
        """Only an owner's device may free the log; the newest stays, so that the count is never a riddle, and so do
        removals that no list tells of yet."""
        if claims.role is not Role.OWNER or self.judge(claims) is not Outcome.DONE:
            return
        with self._durably() as draft:
            kept = {draft.receipt_sequence, *removal.kept_receipts(draft, self._list)}
            draft.receipts = [r for r in draft.receipts if r.sequence > sequence or r.sequence in kept]

    def _readable(self, claims: KeyClaims) -> list[StoredReceipt]:
        """An owner reads every receipt, anybody else only those of its own key, and of removals."""
        if claims.role is Role.OWNER:
            return self.memory.receipts
        told = removal.told(self.memory)
        return [
            receipt for receipt in self.memory.receipts if receipt.key_id == claims.key_id or receipt.sequence in told
        ]

    # -- the revocation list -----------------------------------------------------------------------------------

    def accept_list(self, signed: bytes) -> bytes:
        """Store a newer list; the signed acknowledgement of the list in force.

        ``ProtocolError`` for one that does not verify. An older or equal one changes nothing, nor does one by a former
        issuer key while the time is not known: who stole that key could lift any revocation.
        """
        try:
            offered = verify_list(signed, self._issuers(), self.memory.vehicle_id)
            signer = self._signer(REVOCATION_LIST.open(signed).kid)
            trust.check_made(signer, offered.issued_at)
        except TokenError as error:
            raise ProtocolError("the list does not verify", code=error.code) from error
        if not trust.decides(signer, self.time):
            self._log("list_passed_over", {"sequence": offered.sequence})
        elif offered.sequence > self.memory.list_sequence:
            with self._durably() as draft:
                draft.list_sequence, draft.list_signed = offered.sequence, signed
                draft.time_floor = max(draft.time_floor, offered.issued_at)
                if offered.min_epoch > (self._list.min_epoch if self._list is not None else 0):
                    _end_epoch(draft, offered.min_epoch)
            self._list = offered
            self._log("list_accepted", {"sequence": offered.sequence})
        if self._list is None:
            raise ProtocolError("there is no list in force to acknowledge")
        memory = self.memory
        ack = ListAck(memory.vehicle_id, self._list.sequence, list_hash(memory.list_signed), memory.boot_epoch)
        return sign_ack(ack, memory.signer)

    # -- trust and flash ---------------------------------------------------------------------------------------

    def take_provisioning(self) -> None:
        """Take a waiting provisioning file; without one write nothing. One that cannot be taken is told and stays."""
        if not provisioning.waits(self._flash.folder):
            return
        try:
            with self._durably() as draft:
                came_of_it = provisioning.take(self._flash.folder, draft)
                if came_of_it is None:
                    return
            provisioning.taken(self._flash.folder)
            self._log(came_of_it, {"vehicle": self.memory.vehicle_id})
        except (BadInput, OSError) as error:
            self._log("provisioning_refused", {"why": str(error)})

    def learn_issuer_key(self, brought: tuple[bytes, ...]) -> bytes:
        """Take in what the newest issuer key has signed; the signed acknowledgement of the newest there is then.

        ``ProtocolError`` for a statement that claims to be signed by that key and does not hold: nothing is kept.
        """
        try:
            statements = [open_statement(signed) for signed in brought]
            draft = self.memory.draft()
            learnt = trust.learn(draft, statements)
        except TokenError as error:
            raise ProtocolError("the statement of a new issuer key does not hold", code=error.code) from error
        if learnt:
            self._keep(draft)
        ack = trust.told(self.memory, statements[0].statement.issuer)
        self._log("issuer_key_learnt" if learnt else "issuer_key_passed_over", {"sequence": ack.sequence})
        self.retire_issuer_keys()
        return sign_issuer_key_ack(ack, self.memory.signer)

    def retire_issuer_keys(self) -> None:
        """Let the issuer keys go whose overlap is over, for good: after a reboot the time may not be known."""
        ended = trust.ended(self.memory, self.time)
        if ended:
            with self._durably() as draft:
                draft.issuers = [key for key in draft.issuers if key not in ended]
        for key in ended:
            self._time.forget(key.kid)
            self._log("issuer_key_ended", {"sequence": key.sequence})

    def _issuers(self) -> TrustedIssuers:
        return trust.trusted(self.memory, self.time)

    def _signer(self, kid: bytes) -> Issuer:
        """The key of that kid. ``TokenError`` unknown_issuer if it is not trusted here, or has ended."""
        found = trust.find(self.memory, kid, self.time)
        if found is None:
            raise TokenError("signed by a key that is not trusted here", code="unknown_issuer")
        return found

    @contextmanager
    def _durably(self) -> Iterator[Memory]:
        """A draft of the memory, which becomes the memory once it is on flash. ``OSError``: it does not."""
        draft = self.memory.draft()
        yield draft
        self._keep(draft)

    def _keep(self, draft: Memory) -> None:
        self._flash.save(draft)
        self.memory = draft


def _end_epoch(draft: Memory, epoch: int) -> None:
    """The car belongs to nobody but to whom it has met in the new epoch, and nobody's permission to pair is left."""
    met = {thumbprint(key.device_key) for key in draft.keys.values() if key.epoch >= epoch and key.device_key}
    draft.owners = [owner for owner in draft.owners if owner in met]
    removal.end_epoch(draft, epoch)
    draft.pairing = replace(draft.pairing, approved=False, allowed_until=0)


def body_on_flash(memory: Memory) -> Body:
    """``StoreError`` flash_damaged."""
    try:
        return Body.from_json(memory.body)
    except ValueError as error:
        raise StoreError(f"the car's body on flash is damaged: {error}", code="flash_damaged") from error


_DONE_AS = {Action.PASSIVE_UNLOCK: Action.UNLOCK}
"""What the body knows by another name."""


def _observed(body: Body, action: Action) -> bool | None:
    """The actuator that a receipt reports before and after: the central lock or the trunk."""
    if action in (Action.LOCK, Action.UNLOCK, Action.PASSIVE_UNLOCK):
        return body.locked
    return body.trunk_open if action is Action.OPEN_TRUNK else None
