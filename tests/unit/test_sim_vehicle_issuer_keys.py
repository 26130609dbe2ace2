"""A car learns new issuer keys: who may bring one, what it takes from a former key, and what a former key cannot do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from keygw.model.base64url import encode_base64url
from keygw.model.command import Action, Outcome
from keygw.model.errors import StoreError
from keygw.session.events import Answered, Ended, ListAcknowledged
from keygw.session.states import State
from keygw.token.issuer_key import NO_STATEMENT, IssuerKeyAck, open_statement, verify_issuer_key_ack
from keygw.token.revocation import verify_ack
from keygw.wire.messages import ErrorCode, MessageType, encode_statements
from keygw_sim.chance import chance, new_signer
from keygw_sim.garage import Garage
from keygw_sim.rehearsal import ISSUED_AT, Office, twin
from keygw_sim.vehicle.flash import FORMAT, Flash
from keygw_sim.vehicle.trust import MAX_KEYS

DAY, WEEK = 86_400, 7 * 86_400
LONG: dict[str, Any] = {"expires_at": ISSUED_AT + 90 * DAY}
AGAIN: dict[str, Any] = {**LONG, "issued_at": ISSUED_AT + 60}
"""Claims of a token that was signed anew, hence by the newest key of the office."""


@pytest.fixture
def garage(tmp_path: Path) -> Garage:
    """A car that knows the time, and its owner with a token of the first issuer key."""
    garage = Garage(tmp_path / "flash")
    garage.tries("owner", Action.LOCK, **LONG)
    return garage


def rotate(garage: Garage, **changes: Any) -> bytes:
    return garage.office.rotate(chance("rotation", str(garage.office.sequence)), int(garage.time), **changes)


def bring(garage: Garage, *signed: bytes, **claims: Any) -> IssuerKeyAck:
    """The owner's device carries them; what the car signs then."""
    visit = garage.visit("owner", **{**LONG, **claims})
    visit.prove()
    try:
        return verify_issuer_key_ack(visit.bring_issuer_keys(*signed), garage.vehicle.public_key)
    finally:
        visit.leave()


def refused(garage: Garage, *signed: bytes) -> str:
    """The code with which the car ends the session, and nothing has changed."""
    before = garage.stored().issuers
    visit = garage.visit("owner", **LONG)
    visit.prove()
    with pytest.raises(LookupError):
        visit.bring_issuer_keys(*signed)
    assert visit.last(Ended).code is ErrorCode.REFUSED
    visit.leave()
    assert garage.stored().issuers == before
    return str(garage.log[-1][1]["code"])


def knock(garage: Garage, **claims: Any) -> str:
    """What becomes of the owner's UNLOCK with such a token."""
    visit = garage.visit("owner", **claims)
    try:
        return visit.prove(Action.UNLOCK, number=int(garage.random(3).hex(), 16)).outcome.label
    except LookupError:
        return visit.last(Ended).code.label  # type: ignore[union-attr]  # the car ended it, and so it has a code
    finally:
        visit.leave()


def forget_time(garage: Garage) -> None:
    garage.reboot()
    assert not garage.brain.time.known


# -- the straight road -------------------------------------------------------------------------------------------------


def test_a_token_of_the_new_key_opens_once_the_car_has_learnt_it_and_both_do_meanwhile(garage: Garage) -> None:
    signed = rotate(garage)
    assert knock(garage, **AGAIN) == "refused"
    ack = bring(garage, signed)
    head = garage.brain.memory.issuers[-1]
    assert (ack.sequence, ack.kid, ack.statement_hash) == (1, garage.office.kid, open_statement(signed).digest)
    assert (head.kid, head.sequence) == (garage.office.kid, 1)
    assert knock(garage, **AGAIN) == "done"
    assert knock(garage, **LONG) == "already_in_state"


def test_the_former_key_is_refused_after_the_overlap_and_forgotten_for_good(garage: Garage) -> None:
    bring(garage, rotate(garage))
    garage.time += 6 * DAY
    visit = garage.visit("owner", **LONG)
    garage.bring_time(visit, visit.prove())
    visit.leave()
    garage.time += DAY - 1
    assert knock(garage, **LONG) == "done"
    garage.time += 1
    assert knock(garage, **LONG) == "refused"
    garage.brain.tick()
    assert [key.sequence for key in garage.stored().issuers] == [1]
    forget_time(garage)
    assert knock(garage, **LONG) == "refused", "a car that has lost the time does not take it back"
    assert knock(garage, **AGAIN) == "already_in_state"


def test_an_open_session_and_a_fast_key_end_with_the_key_that_signed_their_token(garage: Garage) -> None:
    visit = garage.visit("owner", **LONG)
    visit.prove()
    fast = visit.session.fast_key
    assert fast is not None
    visit.bring_issuer_keys(rotate(garage, retire_at=int(garage.time)))
    assert visit.last(Ended).code is ErrorCode.SESSION_OVER
    visit.leave()
    hurried = garage.visit("owner", **LONG)
    with pytest.raises(LookupError):
        hurried.hurry(fast, Action.UNLOCK)
    assert garage.brain.body.locked


def test_an_emergency_takes_no_clock(tmp_path: Path) -> None:
    garage = Garage(tmp_path / "flash", trusted=False)
    garage.tries("owner", Action.LOCK, **LONG)
    assert not garage.brain.time.known
    now = int(garage.time)
    ack = bring(garage, rotate(garage, issued_at=now, not_before=now, retire_at=now))
    assert ack.sequence == 1
    assert knock(garage, **LONG) == "refused"
    assert [key.sequence for key in garage.stored().issuers] == [1]


def test_a_statement_by_the_newest_key_about_itself_ends_the_former_one_sooner(garage: Garage) -> None:
    bring(garage, rotate(garage))
    now = int(garage.time)
    sooner = garage.office.state(garage.office.key.public_key, now, sequence=2, retire_at=now)
    assert bring(garage, sooner, **AGAIN).sequence == 2
    assert [(key.sequence, key.retire_at) for key in garage.stored().issuers] == [(2, 0)]
    assert (knock(garage, **LONG), knock(garage, **AGAIN)) == ("refused", "done")


def test_an_end_is_never_put_off(garage: Garage) -> None:
    bring(garage, rotate(garage))
    end = garage.brain.memory.issuers[0].retire_at
    bring(garage, garage.office.state(garage.office.key.public_key, end - 1, sequence=2), **AGAIN)
    assert garage.brain.memory.issuers[0].retire_at == end


def test_a_car_that_was_away_for_two_rotations_takes_the_chain_at_once(garage: Garage) -> None:
    chain = [rotate(garage), rotate(garage)]
    ack = bring(garage, *chain)
    assert (ack.sequence, ack.kid) == (2, garage.office.kid)
    assert knock(garage, **AGAIN) == "done"
    assert [key.sequence for key in garage.stored().issuers] == [0, 1, 2]


def test_more_than_it_keeps_ends_the_oldest(garage: Garage) -> None:
    ack = bring(garage, *(rotate(garage) for _ in range(4)))
    assert ack.sequence == 4
    assert [key.sequence for key in garage.stored().issuers] == [2, 3, 4]
    assert len(garage.stored().issuers) == MAX_KEYS
    assert knock(garage, **LONG) == "refused"


def test_the_fast_path_and_the_waiting_room_carry_it_too(garage: Garage) -> None:
    visit = garage.visit("owner", **LONG)
    visit.prove()
    fast = visit.session.fast_key
    assert fast is not None
    visit.leave()
    hurried = garage.visit("owner", **LONG)
    hurried.hurry(fast, Action.UNLOCK, 77)
    assert hurried.session.state is State.QUICK
    verify_issuer_key_ack(hurried.bring_issuer_keys(rotate(garage)), garage.vehicle.public_key)
    hurried.leave()
    forget_time(garage)
    waiting = garage.visit("owner", **LONG)
    waiting.prove()
    assert waiting.session.waiting
    ack = verify_issuer_key_ack(waiting.bring_issuer_keys(rotate(garage)), garage.vehicle.public_key)
    assert ack.sequence == 2


# -- what brings nothing -----------------------------------------------------------------------------------------------


def test_the_same_and_older_statements_change_nothing_and_are_acknowledged_alike(garage: Garage) -> None:
    first, second = rotate(garage), rotate(garage)
    newest = bring(garage, first, second)
    stored = garage.stored().issuers
    for again in ((first,), (second,), (first, second), (twin(second),)):
        assert bring(garage, *again, **AGAIN) == newest
    assert garage.stored().issuers == stored
    garage.reboot()
    assert bring(garage, first, **AGAIN).statement_hash == newest.statement_hash


def test_one_too_far_ahead_is_passed_over_and_the_answer_says_where_the_car_is(garage: Garage) -> None:
    _, second = rotate(garage), rotate(garage)
    ack = bring(garage, second)
    assert (ack.sequence, ack.statement_hash) == (0, NO_STATEMENT)
    assert ack.kid == garage.brain.memory.issuers[0].kid


def test_a_former_key_brings_no_other_and_the_first_of_two_forks_stays(garage: Garage) -> None:
    """Whoever has stolen the old key signs as it did when it was the newest."""
    thief = Office(chance("rotation", "thief"))
    thief.signer, thief.key, thief.kid = garage.office.signer, garage.office.key, garage.office.kid
    true = rotate(garage)
    bring(garage, true)
    his = new_signer(chance("rotation", "his")).public_key
    for sequence in (1, 2, 9):
        fork = thief.state(his, int(garage.time), sequence=sequence)
        assert bring(garage, fork, **AGAIN).statement_hash == open_statement(true).digest
    assert garage.brain.memory.issuers[-1].kid == garage.office.kid


def test_what_claims_to_be_of_the_newest_key_and_does_not_hold_ends_the_session(garage: Garage) -> None:
    office, forger = garage.office, Office(chance("rotation", "forger"))
    other = new_signer(chance("rotation", "other")).public_key
    forger.kid, forger.key = office.kid, office.key
    assert refused(garage, forger.state(other)) == "token_signature"
    assert refused(garage, office.state(other, issuer="https://elsewhere.example")) == "unknown_issuer"
    assert refused(garage, Office(chance("rotation", "x"), "https://elsewhere.example").state(other)) == (
        "unknown_issuer"
    )
    assert refused(garage, b"\x84" * 100) == "token_malformed"
    assert refused(garage, office.sign_list(garage.vehicle, 1)) == "wrong_type"


def test_nothing_of_a_message_is_kept_if_a_part_of_it_does_not_hold(garage: Garage) -> None:
    good = rotate(garage)
    forged = garage.office.state(new_signer(chance("rotation", "o")).public_key)[:-64] + bytes(64)
    assert refused(garage, good, forged) == "token_signature"
    assert len(garage.brain.memory.issuers) == 1


def test_a_key_that_the_car_knows_does_not_follow_once_more(garage: Garage) -> None:
    first = garage.office.key.public_key
    bring(garage, rotate(garage))
    before = garage.stored().issuers
    visit = garage.visit("owner", **AGAIN)
    visit.prove()
    with pytest.raises(LookupError):
        visit.bring_issuer_keys(garage.office.state(first, int(garage.time)))
    assert garage.log[-1][1]["code"] == "issuer_key_refused"
    assert garage.stored().issuers == before


def test_it_is_heard_only_in_a_session_and_only_in_its_form(garage: Garage) -> None:
    brain, signed = garage.brain, rotate(garage)
    brain.connected(9)
    brain.subscribed(9)
    list(brain.outgoing(9, 512))
    brain.frame(9, b"\xc0" + bytes((MessageType.ISSUER_KEY,)) + signed)
    assert [frame[1:] for frame in brain.outgoing(9, 512)] == [b"\x7f\x01"]
    for body in (b"", b"\x80", b"\x81" + signed, b"\xa0", b"\x81\x01"):
        visit = garage.visit("owner", **LONG)
        visit.prove()
        visit.session._send_sealed(MessageType.ISSUER_KEY, body)
        visit.carry()
        assert visit.last(Ended).code is ErrorCode.REFUSED
        visit.leave()
    with pytest.raises(ValueError, match="16"):
        encode_statements([signed] * 17)
    assert len(garage.brain.memory.issuers) == 1


def test_it_is_on_flash_before_it_is_acknowledged(garage: Garage, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Flash, memory: object) -> None:
        raise OSError("no space")

    visit = garage.visit("owner", **LONG)
    visit.prove()
    monkeypatch.setattr(Flash, "save", full)
    with pytest.raises(LookupError):
        visit.bring_issuer_keys(rotate(garage))
    monkeypatch.undo()
    assert len(garage.brain.memory.issuers) == len(garage.stored().issuers) == 1


# -- what a former key may say -----------------------------------------------------------------------------------------


def former(garage: Garage) -> Office:
    """The office as it was: somebody has stolen its key."""
    old = Office(chance("rotation", "former"))
    old.signer, old.key, old.kid = garage.office.signer, garage.office.key, garage.office.kid
    return old


def test_without_the_time_a_token_of_a_former_key_waits_for_it(garage: Garage) -> None:
    """Also an owner's, which else needs no time: that the former key still counts is a matter of time alone."""
    bring(garage, rotate(garage))
    forget_time(garage)
    assert knock(garage, **LONG) == "time_proof_required"
    assert garage.brain.body.locked
    visit = garage.visit("owner", **LONG)
    result = visit.prove()
    assert garage.bring_time(visit, result).outcome is Outcome.DONE
    assert knock(garage, **AGAIN) == "done"


def test_without_the_time_a_list_of_a_former_key_is_passed_over(garage: Garage) -> None:
    stolen = former(garage)
    garage.bring(1, revoked=(9,))
    bring(garage, rotate(garage))
    visit = garage.visit("owner", **AGAIN)
    visit.prove()
    garage.push(visit, stolen.sign_list(garage.vehicle, 2))
    assert verify_ack(visit.last(ListAcknowledged).signed, garage.vehicle.public_key).sequence == 2
    forget_time(garage)
    visit = garage.visit("owner", **AGAIN)
    visit.prove()
    garage.push(visit, stolen.sign_list(garage.vehicle, 99))
    assert verify_ack(visit.last(ListAcknowledged).signed, garage.vehicle.public_key).sequence == 2
    assert visit.session.talking


def test_a_former_key_does_not_tell_the_time_of_its_own_end(garage: Garage) -> None:
    stolen = former(garage)
    bring(garage, rotate(garage))
    forget_time(garage)
    visit = garage.visit("owner", **LONG)
    result = visit.prove()
    again = visit.prove_time(stolen.prove_time(garage.vehicle, result.time_nonce, garage.time))
    assert (again.outcome, garage.brain.time.known) == (Outcome.TIME_PROOF_REQUIRED, False)
    assert ("time_proof_refused", {"reason": "former_issuer_key"}) in garage.log


def test_until_the_new_keys_time_begins_the_former_one_tells_it(garage: Garage) -> None:
    """Keys may be announced ahead; who signs then is still the one before."""
    stolen, begins = former(garage), int(garage.time) + DAY
    bring(garage, rotate(garage, not_before=begins, retire_at=begins + WEEK))
    visit = garage.visit("owner", **LONG)
    result = visit.prove()
    visit.prove_time(stolen.prove_time(garage.vehicle, result.time_nonce, garage.time))
    assert garage.brain.time.known
    assert knock(garage, **AGAIN) == "refused", "what it signs before its time does not count"
    assert knock(garage, **{**LONG, "issued_at": begins}) == "done"


def test_the_time_that_a_key_told_ends_with_it(garage: Garage) -> None:
    assert garage.brain.time.known
    bring(garage, rotate(garage, retire_at=int(garage.time)))
    assert not garage.brain.time.known


def test_a_chain_with_a_parents_token_of_a_former_key_waits_for_the_time_and_is_not_kept(garage: Garage) -> None:
    parent = garage.claims("owner", **LONG)
    link = (garage.office.link(parent, garage.signers["owner"], garage.claims("friend", **LONG)),)
    bring(garage, rotate(garage))
    forget_time(garage)
    visit = garage.visit("friend", chain=link, **AGAIN)
    assert visit.prove().outcome is Outcome.TIME_PROOF_REQUIRED
    assert garage.brain.memory.grants == {}
    assert garage.bring_time(visit, visit.last(Answered).result).outcome is Outcome.CHAIN_REQUIRED
    assert visit.bring_chain().outcome is Outcome.DONE


def test_the_list_in_force_stays_when_the_key_that_signed_it_has_ended(garage: Garage) -> None:
    garage.bring(1, suspended=(2,))
    bring(garage, rotate(garage, retire_at=int(garage.time)))
    garage.reboot()
    assert garage.tries("friend", **AGAIN) is Outcome.KEY_SUSPENDED


# -- flash and provisioning --------------------------------------------------------------------------------------------


def test_flash_of_the_format_before_is_read_and_written_anew(garage: Garage) -> None:
    path = garage.folder / "vehicle.json"
    data = json.loads(path.read_text())
    data["v"], data["issuers"] = 1, [entry[:3] for entry in data["issuers"]]
    del data["removed"]
    path.write_text(json.dumps(data))
    before = garage.brain.memory.issuers
    garage.reboot()
    assert garage.brain.memory.issuers == before
    assert json.loads(path.read_text())["v"] == FORMAT
    assert bring(garage, rotate(garage)).sequence == 1


def test_what_was_learnt_survives_a_power_cut(garage: Garage) -> None:
    bring(garage, rotate(garage))
    before = garage.brain.memory.issuers
    garage.reboot()
    assert garage.brain.memory.issuers == before
    assert before[-1].statement


@pytest.mark.parametrize("entry", [["issuer"], ["i", "AA==", "AA==", "1"], ["i", "AA==", "AA==", 1, 1, -1, ""]])
def test_a_damaged_trust_store_is_told_at_the_start(garage: Garage, entry: list[object]) -> None:
    path = garage.folder / "vehicle.json"
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "issuers": [entry]}))
    with pytest.raises(StoreError) as damaged:
        Flash(garage.folder).load()
    assert damaged.value.code == "flash_damaged"


def provision(garage: Garage, office: Office, **more: object) -> None:
    issuer = {
        "issuer": office.key.issuer,
        "kid": encode_base64url(office.kid),
        "public_key": encode_base64url(office.key.public_key),
        **more,
    }
    file = {"v": 1, "vehicle_id": garage.vehicle.id, "issuer": issuer}
    (garage.folder / "provisioning.json").write_text(json.dumps(file))
    garage.brain.connected(99)
    garage.brain.disconnected(99)


def test_an_old_provisioning_file_brings_no_former_key_back(garage: Garage) -> None:
    old = former(garage)
    bring(garage, rotate(garage, retire_at=int(garage.time)))
    provision(garage, old)
    assert [key.sequence for key in garage.stored().issuers] == [1]


def test_a_new_car_is_told_which_key_it_starts_with(garage: Garage) -> None:
    for _ in range(3):
        rotate(garage)
    provision(garage, garage.office, sequence=3)
    assert knock(garage, **AGAIN) == "done"
    ack = bring(garage, rotate(garage), **AGAIN)
    assert (ack.sequence, ack.kid) == (4, garage.office.kid)


@pytest.mark.parametrize("sequence", [-1, 2**32, "3", 1.5, True, None])
def test_a_provisioning_file_with_another_sequence_is_refused(garage: Garage, sequence: object) -> None:
    rotate(garage)
    provision(garage, garage.office, sequence=sequence)
    assert len(garage.brain.memory.issuers) == 1
    assert garage.log[-1][0] == "provisioning_refused"
