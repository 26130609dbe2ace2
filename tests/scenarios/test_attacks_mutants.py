"""Take one rule away, and the attack that it is there for succeeds: an attack that cannot succeed shows nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from keygw.credentials.service_lists import ListService
from keygw.crypto import agreement
from keygw.crypto.errors import CryptoError
from keygw.crypto.signer import thumbprint
from keygw.model.command import Action, Outcome
from keygw.model.digital_key import KeyState, Role
from keygw.model.errors import ProtocolError
from keygw.model.ids import ID_BYTES, format_id
from keygw.model.receipt import Receipt
from keygw.session import channel, fast
from keygw.session.core import Session
from keygw.session.edhoc.party import Party
from keygw.session.events import RangeAsked
from keygw.session.ranging import RangingSecret
from keygw.session.vehicle import VehicleSession
from keygw.token.cwt import decode_cwt
from keygw.token.envelope import Envelope
from keygw.token.issuer_key import SignedStatement
from keygw.token.revocation import verify_list
from keygw.token.ticket import PairingTicket, sign_ticket
from keygw.token.time_proof import verify_time_proof
from keygw.wire import frame
from keygw.wire.messages import TimeState
from keygw.wire.ranging import Range, Zone
from keygw_sim.attacker.attack import book, carry_out
from keygw_sim.ranging.geometry import Point
from keygw_sim.ranging.space import Anchors
from keygw_sim.vehicle import chain, keeper, provisioning, proximity, removal, rules, trust
from keygw_sim.vehicle.brain import Brain
from keygw_sim.vehicle.fast_keys import FastKeyring
from keygw_sim.vehicle.flash import Issuer, Memory, PairingMemory
from keygw_sim.vehicle.gatt import GattPeripheral
from keygw_sim.vehicle.keeper import Keeper
from keygw_sim.vehicle.pairing import PairingDesk
from keygw_sim.vehicle.timekeeper import Timekeeper

CAR, ENGINE = "breach: the car is open", "breach: the engine runs"
Mutant = Callable[[pytest.MonkeyPatch], None]
MUTANTS: list[Any] = []
"""The attack, the rule that is taken away, and how that begins which the attacker gets then."""


def frees(attack: str, gets: str | tuple[str, ...]) -> Callable[[Mutant], Mutant]:
    def enter(mutant: Mutant) -> Mutant:
        MUTANTS.append(pytest.param(attack, mutant, gets, id=f"{attack}-{mutant.__name__}"))
        return mutant

    return enter


def always(value: object) -> Callable[..., Any]:
    return lambda *args, **kwargs: value


# -- the session -----------------------------------------------------------------------------------------------------


@frees("replay-in-session", "device: protocol_violation")
def nothing_is_counted(patch: pytest.MonkeyPatch) -> None:
    real = channel._Direction.next

    def stand_still(self: Any, message_type: int) -> tuple[bytes, bytes]:
        made = real(self, message_type)
        self._counter = 0
        return made

    patch.setattr(channel._Direction, "next", stand_still)


@frees("splice-hello", CAR)
@frees("downgrade-info", CAR)
@frees("downgrade-boot-epoch", CAR)
@frees("between-swaps-hello", CAR)
@frees("between-changes-info", CAR)
def hello_is_not_bound(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Session, "_hello_hash", property(always(bytes(32))))


@frees("token-stolen", CAR)
@frees("misbind-token", CAR)
@frees("middle-own-keys", "breach: the device has shown its key token")
@frees("relay-to-another-car", "breach: the device has shown its token")
@frees("air-stolen-token", CAR)
@frees("token-named-by-its-number", CAR)
def signatures_of_the_handshake_are_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Party, "_check_signature", always(None))


@frees("middle-holds-back", CAR)
def nobody_is_superseded(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Brain, "_supersede", always(None))


@frees("relay-holds-the-proof", "result")
def a_handshake_may_take_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("keygw.session.vehicle.HANDSHAKE_SECONDS", 1e9)


@frees("held-open-for-ever", "done")
def a_session_lives_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("keygw.session.vehicle.SESSION_SECONDS", 1e9)


@frees("low-order-point-to-the-car", "message_2")
@frees("fast-low-order", "fast_result")
def an_all_zero_secret_will_do(patch: pytest.MonkeyPatch) -> None:
    real = agreement.EphemeralKey.agree

    def agree(self: agreement.EphemeralKey, peer: bytes) -> bytes:
        try:
            return real(self, peer)
        except CryptoError:
            return bytes(32)

    patch.setattr(agreement.EphemeralKey, "agree", agree)


@frees("fragment-bomb", "breach: it has taken in")
def messages_have_no_end(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(frame, "BEFORE_AUTHENTICATION", 1 << 20)


@frees("flood-hellos", "hello")
def asking_buys_time(patch: pytest.MonkeyPatch) -> None:
    real = Session.receive

    def receive(self: Session, data: bytes, now: float) -> Any:
        self._deadline = now + 120
        return real(self, data, now)

    patch.setattr(Session, "receive", receive)


@frees("probe-refusals", "5 answers")
def the_reason_is_told(patch: pytest.MonkeyPatch) -> None:
    real = Session.receive

    def receive(self: Session, data: bytes, now: float) -> Any:
        try:
            return real(self, data, now)
        except ProtocolError as error:
            self._outbox[-1] = b"\x7f" + error.code.encode()[:1]
            raise

    patch.setattr(Session, "receive", receive)


@frees("gatt-fuzz", "breach: afterwards the owner gets")
def every_attribute_takes_a_write(patch: pytest.MonkeyPatch) -> None:
    real = GattPeripheral._configure

    def configure(self: GattPeripheral, device: Any) -> None:
        real(self, device)
        for attribute in device.gatt_server.attributes:
            vars(attribute).pop("write_value", None)

    patch.setattr(GattPeripheral, "_configure", configure)


# -- what a key may -------------------------------------------------------------------------------------------------


@frees("token-expired", CAR)
@frees("token-not-yet-valid", CAR)
@frees("token-revoked", CAR)
@frees("token-suspended", CAR)
@frees("token-of-a-stranger", CAR)
@frees("share-too-deep", CAR)
@frees("grant-outlives-its-parent", CAR)
@frees("held-open-past-its-end", CAR)
@frees("list-rolled-back", CAR)
@frees("held-open-after-revocation", CAR)
@frees("lost-phone-after-the-list", CAR)
@frees("fast-after-revocation", CAR)
@frees("friend-key-by-the-issuer-alone", CAR)
def every_key_is_good(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rules, "judge_key", always(Outcome.DONE))
    rights_are_not_cut(patch)  # a key that was never asked for its chain has none


@frees("friend-key-by-the-issuer-alone", CAR)
def whose_signature_a_grant_has_is_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    real = Envelope.verify

    def verify(self: Envelope, public_key: bytes) -> None:
        if self.kid:
            real(self, public_key)

    patch.setattr(Envelope, "verify", verify)


@frees("friend-key-by-the-issuer-alone", CAR)
def a_grant_says_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(chain, "check_grant", always(None))
    patch.setattr(chain, "check_within", always(None))


@frees("friend-key-by-the-issuer-alone", CAR)
def an_owner_is_whoever_the_issuer_says(patch: pytest.MonkeyPatch) -> None:
    class Anybody(bytes):
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = bytes.__hash__

    patch.setattr(chain, "thumbprint", lambda public_key: Anybody(thumbprint(public_key)))


@frees("friend-asks-for-more", ENGINE)
@frees("relay-drive", ENGINE)
@frees("relay-passive-entry", CAR)
@frees("friend-with-a-wider-key", ENGINE)
def every_key_may_everything(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rules, "judge_action", always(Outcome.DONE))
    patch.setattr(rules, "list_too_old", always(False))


@frees("range-stale", CAR)
@frees("range-replayed-sts", CAR)
@frees("range-relay", CAR)
@frees("range-relay-drive", ENGINE)
@frees("range-other-session", CAR)
def who_says_so_is_near(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rules, "_near_enough", always(True))


@frees("range-left-inside", CAR)
def inside_is_as_good_as_near(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rules, "_near_enough", lambda action, near: near.zone in (Zone.NEAR, Zone.INSIDE))


@frees("range-replayed-sts", "breach: what was recorded is heard again")
@frees("range-other-session", "breach: the friend's phone answers for the owner's")
def every_round_has_one_key(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RangingSecret, "key", always(bytes(16)))


@frees("range-early-commit", (CAR, "done"))
@frees("range-ghost-peak", (CAR, "done"))
def pulses_are_not_counted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(proximity, "MIN_QUALITY", 0)


@frees("range-turned-phase", CAR)
def phase_alone_is_believed(patch: pytest.MonkeyPatch) -> None:
    def by_phase(self: Anchors, anchor: Point, key: bytes) -> tuple[float, int] | None:
        tones = [tone for sender in self._space.senders for tone in sender.tones(anchor, key)]
        return (tones[0].by_phase, 100) if tones else None

    patch.setattr(Anchors, "_by_sounding", by_phase)


@frees("range-reused-round", "nothing")
def rounds_may_come_again(patch: pytest.MonkeyPatch) -> None:
    real = VehicleSession._on_range

    def take(self: VehicleSession, asked: Range) -> RangeAsked:
        self._round = 0
        return real(self, asked)

    patch.setattr(VehicleSession, "_on_range", take)


@frees("range-own-word", "device: protocol_violation")
def the_device_says_where_it_is(patch: pytest.MonkeyPatch) -> None:
    real = VehicleSession._on_range
    patch.setattr(VehicleSession, "_on_range", lambda self, asked: real(self, replace(asked, finding=None)))


@frees("range-stale", CAR)
def evidence_lasts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(proximity, "FRESH_SECONDS", 60.0)


@frees("range-stays-near", CAR)
def who_is_near_may_always(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(proximity.Proximity, "locked", always(None))
    patch.setattr(proximity.Proximity, "opened", always(None))


@frees("list-withheld-to-drive", ENGINE)
def no_list_is_too_old(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rules, "list_too_old", always(False))


@frees("friend-with-a-wider-key", ENGINE)
@frees("friend-widened-by-an-older-token", "breach")
def rights_are_not_cut(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(chain, "rights", lambda claims, memory: claims.entitlements)
    patch.setattr(rules, "list_too_old", always(False))


@frees("token-in-the-issuers-name", CAR)
@frees("issuer-key-forged", CAR)
@frees("list-forged", "list 9 in force")
@frees("ack-forged", "breach: the service says revoked")
def signatures_of_objects_are_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Envelope, "verify", always(None))


@frees("token-of-another-car", CAR)
def tokens_are_for_every_car(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Keeper, "verify", lambda self, token: decode_cwt(token, self._issuers()))


@frees("power-cut-by-a-friend", CAR)
@frees("time-proof-replayed", CAR)
@frees("list-withheld-from-a-proof", CAR)
def nobody_needs_the_time(patch: pytest.MonkeyPatch) -> None:
    everything = frozenset(Action), frozenset(Action)
    patch.setattr(rules, "WHAT_TIME_ALLOWS", dict.fromkeys(TimeState, everything))


@frees("time-proof-replayed", CAR)
def a_time_proof_counts_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Timekeeper, "refusal", always(None))


@frees("time-proof-of-another-car", CAR)
def time_proofs_are_for_every_car(patch: pytest.MonkeyPatch) -> None:
    def verify(signed: bytes, issuers: Any, vehicle_id: str) -> Any:
        at = signed.index(b"\x84\x4a") + 2  # an array of 4 that begins with a vehicle id, whosever it is
        return verify_time_proof(signed, issuers, format_id("veh", signed[at : at + ID_BYTES]))

    patch.setattr(keeper, "verify_time_proof", verify)


@frees("list-withheld-from-a-proof", CAR)
def the_list_of_a_time_proof_is_not_asked_for(patch: pytest.MonkeyPatch) -> None:
    real = Timekeeper.moment
    patch.setattr(Timekeeper, "moment", lambda self, floor, sequence: real(self, floor, 2**32))


@frees("power-cut-after-the-issuers-word", CAR)
def the_floor_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    real = Timekeeper.moment
    patch.setattr(Timekeeper, "moment", lambda self, floor, sequence: real(self, 0, sequence))


# -- issuer keys -----------------------------------------------------------------------------------------------------


@frees("issuer-key-forked", CAR)
@frees("issuer-key-replayed", "key 1 is the newest")
def any_key_that_the_car_has_brings_another(patch: pytest.MonkeyPatch) -> None:
    def learn(draft: Memory, brought: Sequence[SignedStatement]) -> bool:
        for signed in brought:
            if any(key.kid == signed.kid for key in draft.issuers):
                said = signed.statement
                others = [key for key in draft.issuers if key.kid != said.kid]
                draft.issuers = [*others, Issuer(said.issuer, said.kid, said.public_key, said.sequence)]
        return True

    patch.setattr(trust, "learn", learn)
    patch.setattr(trust, "newest", lambda memory, issuer: memory.issuers[-1])


@frees("issuer-key-by-a-retired-key", CAR)
@frees("former-key-after-its-overlap", CAR)
def no_key_ever_ends(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(trust, "_ended", always(False))


@frees("former-key-after-its-overlap", CAR)
def an_end_is_not_written_down(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(trust, "ended", always([]))
    patch.setattr(trust, "decides", always(True))


@frees("former-key-after-a-power-cut", CAR)
@frees("former-key-lifts-a-revocation", "list 99 in force")
def a_former_key_is_believed_without_the_time(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(trust, "decides", always(True))


@frees("former-key-turns-back-time", CAR)
def a_former_key_tells_the_time(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(trust, "tells_time", always(True))


# -- lists -----------------------------------------------------------------------------------------------------------


@frees("list-rolled-back", "breach: the older list is in force again")
def any_list_will_do(patch: pytest.MonkeyPatch) -> None:
    real = Keeper.accept_list

    def accept(self: Keeper, signed: bytes) -> Any:
        self.memory.list_sequence = 0
        return real(self, signed)

    patch.setattr(Keeper, "accept_list", accept)


@frees("list-of-another-car", "list 9 in force")
def lists_are_for_every_car(patch: pytest.MonkeyPatch) -> None:
    def verify(signed: bytes, issuers: Any, vehicle_id: str) -> Any:
        at = signed.index(b"\x88\x4a") + 2  # an array of 8 that begins with a vehicle id, whosever it is
        named = format_id("veh", signed[at : at + ID_BYTES])
        return replace(verify_list(signed, issuers, named), vehicle_id=vehicle_id)

    patch.setattr(keeper, "verify_list", verify)


@frees("ack-of-another-list", "breach: the service says revoked")
def the_hash_of_the_list_is_not_compared(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("keygw.credentials.revocation.constant_time_equal", always(True))


@frees("held-open-deaf", "key_revoked")
def sessions_are_not_ended(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Brain, "_end_concerned", always(None))


# -- keys removed in the car -------------------------------------------------------------------------------------


@frees("removal-sent-by-a-device", "breach: a receipt says")
def any_receipt_of_that_action_removes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Receipt, "removes_key", property(lambda self: self.action is Action.REMOVE_KEY))


@frees("removed-key-brought-back", CAR)
def a_list_lifts_what_was_removed(patch: pytest.MonkeyPatch) -> None:
    real = Keeper.accept_list

    def accept(self: Keeper, signed: bytes) -> Any:
        self.memory.removed.clear()
        return real(self, signed)

    patch.setattr(Keeper, "accept_list", accept)


@frees("removed-key-brought-back", CAR)
def a_removal_is_not_written_down(patch: pytest.MonkeyPatch) -> None:
    real = Memory.to_json
    patch.setattr(Memory, "to_json", lambda self: real(self) | {"removed": []})


@frees("removal-of-the-last-owner", "breach: it was accepted")
def the_last_owner_may_go(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(removal, "_disown", lambda memory, entry: memory.owners.clear())


@frees("removal-forged", "breach: the owner's key has ended")
def receipts_are_taken_from_anybody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Envelope, "verify", always(None))


@frees("removal-by-another-car", "breach: the owner's key has ended")
def a_car_speaks_for_every_key(patch: pytest.MonkeyPatch) -> None:
    async def removed(self: Any, tx: Any, receipt: Receipt) -> None:
        record = await tx.key(receipt.key_id)
        await tx.set_key_state(record.key, KeyState.REVOKED)

    patch.setattr(ListService, "_removed", removed)


# -- answers, receipts -----------------------------------------------------------------------------------------------


@frees("lost-result-retried", "breach: it was done twice")
@frees("fast-answer-lost", "breach: it was done twice")
@frees("number-reused", CAR)
def no_answer_is_remembered(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Memory, "answer_to", always(None))


@frees("friend-reads-the-log", "other people's receipts")
def everybody_reads_everything(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Keeper, "_readable", lambda self, claims: self.memory.receipts)


# -- the fast path ---------------------------------------------------------------------------------------------------


@frees("fast-for-ever", CAR)
@frees("fast-after-the-token", CAR)
def fast_keys_live_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(FastKeyring, "alive", lambda self, awake: [entry.key for entry in self._entries])
    patch.setattr(FastKeyring, "drop", always(None))


@frees("fast-drive", "breach")
def the_fast_path_may_everything(patch: pytest.MonkeyPatch) -> None:
    class All:
        def __contains__(self, action: object) -> bool:
            return True

    patch.setattr(keeper, "FAST_ACTIONS", All())


@frees("fast-tracks-phones", "in common")
def the_tag_leaves_g_d_out(patch: pytest.MonkeyPatch) -> None:
    real = fast.FastKey.tag
    patch.setattr(fast.FastKey, "tag", lambda self, greeting, ephemeral: real(self, greeting, b""))


# -- pairing ---------------------------------------------------------------------------------------------------------


@frees("code-guessed", "breach: the thief is an owner")
@frees("code-guessed-in-parallel", "8 of 8 answered")
def tries_are_not_counted(patch: pytest.MonkeyPatch) -> None:
    real = PairingDesk.count

    def count(self: PairingDesk, salt: bytes) -> Any:
        record = real(self, salt)
        with self._durably() as draft:
            draft.pairing = replace(draft.pairing, tries=0)
        return record

    patch.setattr(PairingDesk, "count", count)


@frees("thief-in-an-unlocked-car", "breach: it was accepted")
def anybody_opens_pairing_mode(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(PairingDesk, "_allowed", property(always(True)))


@frees("thief-with-an-old-permission", "breach: it was accepted")
def permissions_outlive_the_power(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(PairingMemory, "after_reboot", lambda self: self)


@frees("friend-becomes-owner", "breach: it was accepted")
def an_entitlement_makes_an_owner(patch: pytest.MonkeyPatch) -> None:
    class Anybody:
        OWNER = Role.FRIEND

    patch.setattr(keeper, "Role", Anybody)


@frees("pairing-hijacked", "breach: the thief is an owner")
def a_code_serves_twice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(PairingDesk, "shown", property(always(True)))
    patch.setattr(PairingDesk, "ticket", _ticket_again)


def _ticket_again(self: PairingDesk, salt: bytes, enrolled: Any) -> bytes:
    memory = self._memory()
    device = thumbprint(enrolled.device_key)
    with self._durably() as draft:
        draft.pairing = replace(draft.pairing, ticketed=device, approved=True)
    return sign_ticket(PairingTicket(memory.vehicle_id, device, enrolled.transcript, 1), memory.signer)


@frees("thief-with-the-factorys-file", CAR)
def the_file_is_believed(patch: pytest.MonkeyPatch) -> None:
    real = provisioning.take

    def take(folder: Path, memory: Memory) -> bool:
        kept, memory.pairing = memory.pairing, replace(memory.pairing, counter=0)
        taken = real(folder, memory)
        memory.pairing = replace(kept)
        return taken

    patch.setattr(provisioning, "take", take)


@frees("ticket-stolen", "an owner key")
def tickets_are_for_everybody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("keygw.credentials.pairing.check_ticket", always(None))


# -- tracking, the air -----------------------------------------------------------------------------------------------


@frees("track-car-by-its-id", "in common")
def the_id_stays(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("keygw_sim.vehicle.brain.rotating_id", always(b"stable"))


@frees("air-flood", "breach: the owner cannot lock")
def nobody_makes_room(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(GattPeripheral, "_make_room", lambda self: len(self._centrals) < self._max_connections)


@pytest.mark.parametrize(("attack", "mutant", "gets"), MUTANTS)
async def test_without_the_rule_the_attack_succeeds(
    attack: str, mutant: Mutant, gets: str | tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant(monkeypatch)
    verdict = await carry_out(book()[attack], tmp_path)
    assert not verdict.held
    assert verdict.got.startswith(gets)
    assert verdict.word == "BROKEN"
