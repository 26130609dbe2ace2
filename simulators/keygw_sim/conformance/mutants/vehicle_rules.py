"""More vehicles with one defect each: in what they decide and remember."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from keygw.model.command import Action, Outcome
from keygw.model.digital_key import Role
from keygw.session.states import State
from keygw.session.vehicle import VehicleSession
from keygw.token import grant
from keygw.token.envelope import GRANT
from keygw.token.receipt import sign_receipt
from keygw.wire.messages import MessageType, TimeState
from keygw_sim.conformance.mutants.plant import Bed, always
from keygw_sim.conformance.mutants.vehicles import VEHICLES, breaks, session_of
from keygw_sim.vehicle import chain, keeper, rules, trust
from keygw_sim.vehicle.brain import Brain
from keygw_sim.vehicle.fast_keys import FastKeyring
from keygw_sim.vehicle.flash import Memory
from keygw_sim.vehicle.keeper import Keeper
from keygw_sim.vehicle.pairing import PairingDesk
from keygw_sim.vehicle.timekeeper import Timekeeper

__all__ = ["VEHICLES"]

# -- commands and receipts ---------------------------------------------------------------------------------------


@breaks("KS-402")
def no_answer_is_remembered(bed: Bed) -> None:
    bed.set(Memory, "answer_to", always(None))


@breaks("KS-403")
def only_eight_answers_are_remembered(bed: Bed) -> None:
    real = Memory.remember

    def remember(self: Memory, key_id: str, answer: Any) -> None:
        real(self, key_id, answer)
        self.answers[key_id] = self.answers[key_id][-8:]

    bed.set(Memory, "remember", remember)


@breaks("KS-405")
def a_number_serves_any_action(bed: Bed) -> None:
    real = Memory.answer_to

    def answer_to(self: Memory, key_id: str, number: int) -> Any:
        found = real(self, key_id, number)
        return None if found is None else _Same(found)

    bed.set(Memory, "answer_to", answer_to)


class _Same:
    """An answer to whatever was asked."""

    def __init__(self, answer: Any) -> None:
        self.number, self.outcome, self.receipt = answer.number, answer.outcome, answer.receipt
        self.action = _Any()


class _Any:
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = object.__hash__


@breaks("KS-407")
def every_key_may_everything(bed: Bed) -> None:
    bed.set(rules, "judge_action", lambda action, allowed, *rest: rules_of(action))


def rules_of(action: Action) -> Outcome:
    """Known or not, and no more."""
    return Outcome.UNKNOWN_ACTION if action.required is None else Outcome.DONE


@breaks("KS-414")
def everybody_reads_everything(bed: Bed) -> None:
    bed.set(Keeper, "_readable", lambda self, claims: self.memory.receipts)


@breaks("KS-416")
def anybody_frees_the_log(bed: Bed) -> None:
    def forget(self: Keeper, claims: Any, sequence: int) -> None:
        with self._durably() as draft:
            draft.receipts = [receipt for receipt in draft.receipts if receipt.sequence > sequence]

    bed.set(Keeper, "forget_receipts", forget)


@breaks("KS-418")
def events_go_to_everybody(bed: Bed) -> None:
    bed.set(Keeper, "may_read_status", always(True))


@breaks("KT-202")
def receipts_hang_on_nothing(bed: Bed) -> None:
    bed.set(keeper, "sign_receipt", lambda **said: sign_receipt(**{**said, "previous": bytes(32)}))


@breaks("KS-420")
def every_role_may_come_in(bed: Bed) -> None:
    real = rules._judge_enrolment

    def judge(claims: Any, *rest: Any) -> Outcome:
        return Outcome.DONE if int(claims.role) > 3 else real(claims, *rest)

    bed.set(rules, "_judge_enrolment", judge)


@breaks("KS-421")
def owners_need_not_pair(bed: Bed) -> None:
    real = rules._judge_enrolment

    def judge(claims: Any, *rest: Any) -> Outcome:
        return Outcome.DONE if int(claims.role) == 1 else real(claims, *rest)

    bed.set(rules, "_judge_enrolment", judge)


# -- lists, chains, issuer keys, time ------------------------------------------------------------------------------


@breaks("KS-503")
def any_list_will_do(bed: Bed) -> None:
    real = Keeper.accept_list

    def accept(self: Keeper, signed: bytes) -> bytes:
        self.memory.list_sequence = 0
        return real(self, signed)

    bed.set(Keeper, "accept_list", accept)


@breaks("KS-505")
def lists_are_kept_and_not_read(bed: Bed) -> None:
    bed.set(rules, "_judge_list", always(Outcome.DONE))


@breaks("KS-506")
def sessions_outlive_the_list(bed: Bed) -> None:
    bed.set(Brain, "_end_concerned", always(None))


@breaks("KS-508")
def tokens_never_end(bed: Bed) -> None:
    real = rules.judge_key
    bed.set(rules, "judge_key", lambda claims, *rest: real(replace(claims, expires_at=2**37), *rest))


@breaks("KS-510")
def no_list_is_too_old(bed: Bed) -> None:
    bed.set(rules, "list_too_old", always(False))


@breaks("KS-520")
def the_issuers_word_is_enough(bed: Bed) -> None:
    bed.set(rules, "_judge_chain", always(Outcome.DONE))


@breaks("KS-523")
def chains_are_taken_unasked(bed: Bed) -> None:
    def on_brought(self: VehicleSession, message_type: MessageType, plaintext: bytes) -> Any:
        self._wants_chain = True
        return VehicleSession._on_brought(self, message_type, plaintext)

    session_of(bed, _on_brought=on_brought)


@breaks("KT-401")
def grants_are_not_verified(bed: Bed) -> None:
    bed.set(chain, "verify_grant", lambda signed, *_: grant._grant(GRANT.open(signed).payload))


@breaks("KT-403")
def grants_may_be_wider(bed: Bed) -> None:
    bed.set(chain, "check_grant", always(None))


@breaks("KS-525")
def rights_are_the_tokens_alone(bed: Bed) -> None:
    bed.set(chain, "rights", lambda claims, memory: claims.entitlements)
    bed.set(chain, "check_within", always(None))
    bed.set(chain, "check_grant", always(None))


@breaks("KS-526")
def a_list_lifts_a_removal(bed: Bed) -> None:
    real = Keeper.accept_list

    def accept(self: Keeper, signed: bytes) -> bytes:
        self.memory.removed.clear()
        return real(self, signed)

    bed.set(Keeper, "accept_list", accept)


@breaks("KS-602")
def any_issuer_key_brings_another(bed: Bed) -> None:
    bed.set(trust, "newest", lambda memory, issuer: memory.issuers[0])


@breaks("KS-606")
def issuer_keys_never_end(bed: Bed) -> None:
    bed.set(trust, "_ended", always(False))
    bed.set(trust, "check_made", always(None))


@breaks("KS-702")
def a_proof_counts_for_ever(bed: Bed) -> None:
    bed.set(Timekeeper, "refusal", always(None))


@breaks("KS-705")
def the_list_of_a_proof_is_not_asked_for(bed: Bed) -> None:
    real = Timekeeper.moment
    bed.set(Timekeeper, "moment", lambda self, floor, sequence: real(self, floor, 2**32))


@breaks("KS-706")
def nobody_needs_the_time(bed: Bed) -> None:
    everything = frozenset(Action), frozenset(Action)
    bed.set(rules, "WHAT_TIME_ALLOWS", dict.fromkeys(TimeState, everything))


@breaks("KS-708")
def the_floor_is_forgotten(bed: Bed) -> None:
    real = Timekeeper.moment
    bed.set(Timekeeper, "moment", lambda self, floor, sequence: real(self, 0, sequence))


# -- the fast path -----------------------------------------------------------------------------------------------


@breaks("KS-904")
def a_hello_serves_many(bed: Bed) -> None:
    def on_fast(self: VehicleSession, asked: Any, now: float) -> Any:
        own = self._ephemeral
        events = VehicleSession._on_fast(self, asked, now)
        if not events:
            self._ephemeral, self.state = own, State.GREETED
        return events

    session_of(bed, _on_fast=on_fast)


@breaks("KS-907")
def the_fast_path_may_everything(bed: Bed) -> None:
    bed.set(keeper, "FAST_ACTIONS", frozenset(Action))


@breaks("KS-908")
def fast_keys_outlive_the_list(bed: Bed) -> None:
    bed.set(FastKeyring, "keep_only", always(None))
    bed.set(rules, "_judge_list", always(Outcome.DONE))


@breaks("KS-909")
def a_resumed_key_gets_its_pair_back(bed: Bed) -> None:
    bed.set(FastKeyring, "keep_only", always(None))


# -- pairing -----------------------------------------------------------------------------------------------------


@breaks("OP-101")
def pair_ask_is_answered_without_a_code(bed: Bed) -> None:
    bed.set(PairingDesk, "salt", lambda self: bytes(16))


@breaks("OP-106")
def tries_are_not_counted(bed: Bed) -> None:
    real = PairingDesk.count

    def count(self: PairingDesk, salt: bytes) -> Any:
        record = real(self, salt)
        with self._durably() as draft:
            draft.pairing = replace(draft.pairing, tries=0)
        return record

    bed.set(PairingDesk, "count", count)


@breaks("OP-110")
def a_code_lives_for_ever(bed: Bed) -> None:
    bed.set(PairingDesk, "shown", property(lambda self: bool(self._memory().pairing.record)))


@breaks("OP-111")
def anybody_opens_pairing_mode(bed: Bed) -> None:
    bed.set(PairingDesk, "_allowed", property(always(True)))


@breaks("OP-112")
def an_entitlement_makes_an_owner(bed: Bed) -> None:
    class Anybody:
        OWNER = Role.FRIEND

    bed.set(keeper, "Role", Anybody)
