"""Carries one authorized command to one car and says truthfully what became of it.

``confirmed`` needs the vehicle's receipt and, where there is one, the signal. What was lost after it may have reached
the car is ``unknown``, never ``failed``; the car's receipts settle it later. A command is sent at most once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from keygw.model.command import AuthorizedCommand, Command, CommandState, Outcome
from keygw.model.errors import Conflict, KeygwError, LinkError, ProtocolError, StoreError
from keygw.model.receipt import Receipt
from keygw.vehicle.car import Car, Meter, reason_of
from keygw.vehicle.conversation import Conversation, Reply, Road
from keygw.vehicle.courier import Courier
from keygw.vehicle.expectation import contradicts
from keygw.vehicle.values import CommandResult, Measures
from keygw.wire.messages import Cmd

OnState = Callable[[CommandState, str | None], Awaitable[None]]
MARGIN_SECONDS = 0.25
"""Kept back from a command's life when reaching for the car, so that its end is told within that life."""

MOST_ASKED_AGAIN = 2
"""Once when the car knows the time, and once when it has the list that the time proof asks for."""
_CURED = frozenset({Outcome.TIME_PROOF_REQUIRED, Outcome.LIST_REQUIRED, Outcome.CHAIN_REQUIRED})


class Dispatcher:
    """Runs inside the car's lock: the caller takes it."""

    def __init__(self, courier: Courier, clock: Callable[[], float], ticks: Callable[[], float]) -> None:
        self._courier = courier
        self._clock = clock
        self._ticks = ticks

    async def run(self, car: Car, authorized: AuthorizedCommand, on_state: OnState) -> CommandResult:
        """Reach the car, send, wait, collect the receipt. Errors of car and link become part of the result."""
        command = authorized.command
        meter = Meter(car.ticks)
        leave_by = self._ticks() + command.expires_at - self._clock()
        if self._clock() >= command.expires_at:
            return CommandResult(CommandState.EXPIRED, "command_expired")
        try:
            conversation = await self._reach(car, command, meter)
        except KeygwError as error:
            return CommandResult(CommandState.FAILED, reason_of(error), measures=meter.read(None))
        await on_state(CommandState.SENT, None)
        car.expect(command.action)
        conversation.leave_by = leave_by
        if conversation.authenticated and self._ticks() > leave_by:  # writing it down took longer than it may live
            return CommandResult(CommandState.EXPIRED, "command_expired", measures=meter.read(conversation))
        asked, token, sent = Cmd(command.number, command.action), conversation.session.token, False
        # Both are lost with whatever fails: then the token travels again, in a full handshake.
        fast, kept = car.fast_keys.pop(token, None), car.kept.pop(command.key_id, None) == token
        try:
            while True:
                try:
                    reply = await conversation.ask(asked, fast, kept=kept)
                    break
                except LinkError:
                    if not ((kept and conversation.refused) or car.may_take_another(conversation)):
                        raise
                # It has forgotten the token, or learnt a new issuer key, or has yet to learn it; or somebody says so in
                # its place: the same number on a new link, by value, or with the token of the other issuer key.
                sent, fast, kept = sent or conversation.proof_sent, None, False
                await car.leave()
                conversation = await self._reach(car, command, meter)
                conversation.leave_by = leave_by
            reply = await self._cured(car, conversation, asked, reply)
        except KeygwError as error:
            sent = sent or conversation.proof_sent
            state = CommandState.UNKNOWN if sent else CommandState.FAILED
            if not sent and error.code == "command_expired":
                state = CommandState.EXPIRED
            measures = meter.read(conversation)
            await car.leave()
            return CommandResult(state, reason_of(error), measures=measures)
        except asyncio.CancelledError:
            await asyncio.shield(car.leave())  # an answer that nobody waits for must not meet the next question
            raise
        if reply.road is not Road.SESSION:
            meter.handshake_ms = conversation.handshake_ms
        if conversation.authenticated:
            if reply.road is not Road.FULL and fast is not None:
                car.fast_keys[token] = fast
            if kept:
                car.kept[command.key_id] = token
        car.answered(conversation, reply)
        measures = meter.read(conversation, reply.road)
        await on_state(CommandState.ACKNOWLEDGED, None)
        return await self._conclude(car, conversation, command, reply.outcome, reply.receipt, measures)

    async def _reach(self, car: Car, command: Command, meter: Meter) -> Conversation:
        left = command.expires_at - self._clock() - MARGIN_SECONDS
        return await car.reach(command.key_id, left, meter, command.action)

    async def _cured(self, car: Car, conversation: Conversation, asked: Cmd, reply: Reply) -> Reply:
        """A car that first wants to know the time, a newer list, or what the key stands on, gets that and is asked
        again.

        With the same number, in the same session: what it has answered that way it has not done.
        """
        for _ in range(MOST_ASKED_AGAIN):
            if reply.outcome not in _CURED:
                break
            conversation.proof_sent = conversation.in_doubt  # it has answered that it did nothing with this one
            if reply.list_sequence is not None:
                car.list_known(reply.list_sequence)
                reply = replace(reply, list_sequence=None)  # the cure may bring a newer one
            try:
                verdict = await self._courier.cure(car, conversation, reply.outcome)
            except StoreError:
                break
            if verdict is not Outcome.DONE:
                return replace(reply, outcome=verdict)
            conversation.check_time()
            conversation.proof_sent = True
            response = await conversation.command(asked)
            reply = replace(reply, outcome=response.outcome, receipt=response.receipt)
        return reply

    async def _conclude(
        self,
        car: Car,
        conversation: Conversation,
        command: Command,
        outcome: Outcome,
        receipt_sequence: int,
        measures: Measures,
    ) -> CommandResult:
        receipt = None
        if conversation.authenticated:
            try:
                receipts = await self._courier.collect(car, conversation, receipt_sequence)
            except (LinkError, ProtocolError, Conflict) as error:
                # A late answer must not meet the next question, nor a car that tells two stories the next command.
                await car.leave()
                if outcome.ok:
                    return CommandResult(CommandState.UNKNOWN, reason_of(error), outcome, None, measures)
            except BaseException:
                await asyncio.shield(car.leave())
                raise
            else:
                receipt = _receipt_of(command, receipts)
                await self._courier.reconcile(car, conversation)
        elif conversation.waiting:
            await car.leave()
        if receipt is not None and receipt.outcome != outcome:
            return CommandResult(CommandState.UNKNOWN, "receipt_disagrees", outcome, receipt, measures)
        if not outcome.ok:
            return CommandResult(CommandState.FAILED, outcome.label, outcome, receipt, measures)
        if receipt is None:
            return CommandResult(CommandState.UNKNOWN, "receipt_missing", outcome, receipt, measures)
        if contradicts(command.action, car.readings):
            return CommandResult(CommandState.UNKNOWN, "signal_disagrees", outcome, receipt, measures)
        return CommandResult(CommandState.CONFIRMED, _success(outcome), outcome, receipt, measures)


def _success(outcome: Outcome) -> str | None:
    return outcome.label if outcome is Outcome.ALREADY_IN_STATE else None


def _receipt_of(command: Command, receipts: list[Receipt]) -> Receipt | None:
    wanted = (command.number, command.key_id, command.action)
    return next((r for r in reversed(receipts) if (r.number, r.key_id, r.action) == wanted), None)
