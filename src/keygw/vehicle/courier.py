"""Carries what must travel on any contact: issuer key, list and time proof to the car, the car's receipts home."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from keygw.model.command import Outcome
from keygw.model.errors import Conflict, KeygwError, LinkError, ProtocolError, StoreError, TokenError
from keygw.model.receipt import Receipt
from keygw.vehicle.car import Car
from keygw.vehicle.conversation import Conversation
from keygw.vehicle.ports import Books, IssuerKeyBooks
from keygw.wire.messages import MAX_STATEMENTS, ErrorCode, TimeState

MAX_BATCHES = 256
"""More than a car keeps; one that claims still more is not telling the truth."""
MOST_CURES = 4
"""A proof and a list, and a proof once more where the nonce had grown old."""


MOST_TURNS = 4
"""Of statements carried in one contact: 16 at a time, and once more where the vehicle has forgotten some."""
ASK_AGAIN_SECONDS = 3600.0
"""A vehicle that ends the session over an issuer key, of an old release say, is left in peace with it for this long."""


class Courier:
    """``issuer_keys``: ``None`` for an issuer whose key never changes."""

    def __init__(
        self,
        books: Books,
        on_receipt: Callable[[str, Receipt], None],
        clock: Callable[[], float],
        issuer_keys: IssuerKeyBooks | None = None,
    ) -> None:
        self._books = books
        self._issuer_keys = issuer_keys
        self._clock = clock
        self._on_receipt = on_receipt

    async def collect(self, car: Car, conversation: Conversation, newest: int) -> list[Receipt]:
        """Fetch, verify and store the receipts up to ``newest`` that are not stored yet; returns them."""
        after = await self._books.last_receipt_sequence(car.vehicle_id)
        collected: list[Receipt] = []
        for _ in range(MAX_BATCHES):
            if after >= newest:
                return collected
            batch = await conversation.receipts(after)
            for signed in batch.signed:
                receipt = await self._record(car, signed)
                collected.append(receipt)
                after = max(after, receipt.sequence)
            if batch.signed:
                await conversation.receipts_stored(after)
            if not batch.more:
                return collected
        raise ProtocolError("the vehicle has more receipts than it can have")

    async def bring_home(self, car: Car, conversation: Conversation) -> None:
        """Fetch what the vehicle had signed when the session opened: a key may have been removed in it.

        ``LinkError`` for a link that is lost. A vehicle whose receipts do not fit is told of by the books, and must get
        its list all the same.
        """
        told = conversation.result
        if told is not None:
            with contextlib.suppress(Conflict, ProtocolError):
                await self.collect(car, conversation, told.receipt)

    async def deliver(self, car: Car, conversation: Conversation) -> bool:
        """Bring the vehicle the current list unless it has acknowledged it; whether one was carried."""
        await self.introduce(car, conversation)  # the list may be signed by the new key
        current = await self._books.current_list(car.vehicle_id)
        if current.acknowledged_sequence >= current.sequence and not _behind(car, current.sequence):
            return False
        if _ahead(car, current.acknowledged_sequence):
            # A list that it never signed for here. After a restored backup it may be another one than ours of that
            # number, and a newer one of ours would bring back to life what that one bars.
            await self._books.recover_list(car.vehicle_id, await conversation.fetch_list())
            current = await self._books.current_list(car.vehicle_id)
        ack = await conversation.push_list(current.signed)
        await self._books.acknowledge_list(car.vehicle_id, ack)
        if (await self._books.current_list(car.vehicle_id)).acknowledged_sequence < current.sequence:
            raise ProtocolError("the vehicle acknowledged another list than the one it was given")
        car.list_known(current.sequence)
        return True

    def may_introduce(self, conversation: Conversation) -> bool:
        """Whether it was not looked up yet, in this conversation, if the vehicle has an issuer key to learn."""
        live = conversation.authenticated or conversation.waiting
        return self._issuer_keys is not None and live and not conversation.issuer_keys_asked

    async def introduce(self, car: Car, conversation: Conversation) -> bool:
        """Bring the vehicle the issuer keys that it has not acknowledged; whether any were carried.

        ``LinkError`` and ``Conflict`` as of link and books. A vehicle that ends the session over it (one that was made
        before there was this message takes it for a breach) or does not learn is told of, and asked again in an hour.
        """
        if self._issuer_keys is None or not self.may_introduce(conversation):
            return False
        conversation.issuer_keys_asked = True
        since = car.issuer_keys_refused_at
        if since is not None and 0 <= self._clock() - since < ASK_AGAIN_SECONDS:
            return False
        carried = False
        for _ in range(MOST_TURNS):
            pending = await self._issuer_keys.issuer_statements(car.vehicle_id)
            if not pending:
                return carried
            try:
                ack = await conversation.bring_issuer_keys(pending[:MAX_STATEMENTS])
            except LinkError:
                if conversation.ended_by is ErrorCode.REFUSED:
                    await self._not_learnt(car, "issuer_key_refused")
                raise
            carried = True
            try:
                await self._issuer_keys.acknowledge_issuer_key(car.vehicle_id, ack)
            except Conflict:
                await self._not_learnt(car, "issuer_key_foreign")  # somebody has told it of a key that is none of ours
                raise
        await self._not_learnt(car, "issuer_key_refused")
        return carried

    async def _not_learnt(self, car: Car, reason: str) -> None:
        car.issuer_keys_refused_at = self._clock()
        await self._alert(car, reason)

    async def _alert(self, car: Car, reason: str) -> None:
        """Books that cannot write now must not keep the vehicle from what it is to be brought."""
        with contextlib.suppress(StoreError):
            await self._books.alert(car.vehicle_id, reason)

    async def reconcile(self, car: Car, conversation: Conversation) -> None:
        """A vehicle that has an older list than it once signed for has lost its memory: tell, and bring it anew.

        One that has a newer list than we ever signed shows that we have lost ours (a restored backup): take its list
        (the books tell), and bring the next; or somebody has signed one in our place. ``LinkError`` and the rest leave
        it to the next contact, which will find the same.
        """
        current = await self._books.current_list(car.vehicle_id)
        if _ahead(car, current.sequence):
            with contextlib.suppress(KeygwError):
                listed = await conversation.fetch_list()
                try:
                    await self._books.recover_list(car.vehicle_id, listed)
                except TokenError:
                    await self._alert(car, "list_forgotten")
                    raise
                await self.deliver(car, conversation)
            return
        if not _behind(car, current.acknowledged_sequence):
            return
        await self._alert(car, "list_rolled_back")
        with contextlib.suppress(KeygwError):
            await self.deliver(car, conversation)

    async def cure(self, car: Car, conversation: Conversation, verdict: Outcome) -> Outcome:
        """Bring the vehicle what its verdict asks for, as far as we have it; returns the verdict then.

        ``KeygwError`` from link, car and books.
        """
        for _ in range(MOST_CURES):
            if verdict is Outcome.TIME_PROOF_REQUIRED and conversation.result is not None:
                verdict = await self._prove_time(car, conversation)
            elif verdict is Outcome.LIST_REQUIRED and conversation.waiting:
                told = await conversation.verdict_after(self.deliver(car, conversation))
                if told is None:
                    break
                verdict = told.outcome
            elif verdict is Outcome.CHAIN_REQUIRED and conversation.waiting and conversation.result is not None:
                asked = conversation.result
                told = await conversation.with_chain(asked)
                if told is asked:
                    break  # there is none to bring
                verdict = told.outcome
            elif verdict is Outcome.LIST_REQUIRED and await self.deliver(car, conversation):
                return Outcome.DONE  # the key was good all the while; it was the command that needed the list
            else:
                break
        return verdict

    async def keep_time(self, car: Car, conversation: Conversation) -> None:
        """Bring a vehicle that wants one a time proof. What fails here is left to the next contact."""
        with contextlib.suppress(KeygwError):
            await self.introduce(car, conversation)
        if wants_time(conversation):
            with contextlib.suppress(KeygwError):
                await self._prove_time(car, conversation)

    async def _prove_time(self, car: Car, conversation: Conversation) -> Outcome:
        await self.introduce(car, conversation)  # the proof may be signed by the new key
        told = conversation.result
        if told is None:
            raise ProtocolError("a session of the fast path has no nonce for a time proof")
        proof = await self._books.time_proof(car.vehicle_id, told.time_nonce)
        return (await conversation.prove_time(proof)).outcome

    async def _record(self, car: Car, signed: bytes) -> Receipt:
        try:
            receipt = await self._books.record_receipt(car.vehicle_id, signed)
        except TokenError as error:
            raise ProtocolError("the vehicle gave a receipt that does not verify") from error
        self._on_receipt(car.vehicle_id, receipt)
        return receipt


def _ahead(car: Car, sequence: int) -> bool:
    """Whether the vehicle has said in this session that it has a newer list."""
    told = car.status.list_sequence
    return car.status.up and told is not None and told > sequence


def wants_time(conversation: Conversation) -> bool:
    """Whether the vehicle has said in this session, at the last, that it would take a time proof."""
    told = conversation.result
    return conversation.authenticated and told is not None and told.time is not TimeState.TRUSTED


def _behind(car: Car, sequence: int) -> bool:
    """Whether the vehicle has said in this session that it has an older list."""
    told = car.status.list_sequence
    return car.status.up and told is not None and told < sequence
