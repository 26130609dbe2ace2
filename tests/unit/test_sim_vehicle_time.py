"""Vehicle time: what the car knows of it, who may tell it, and what each state allows to whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from keygw.crypto.signer import thumbprint
from keygw.model.command import COMMANDS, Action, Outcome
from keygw.session.events import Answered, Ended, FastRefused, ListAcknowledged, Read, ReceiptsGiven, Responded
from keygw.session.fast import MAX_SECONDS
from keygw.session.states import State
from keygw.wire.messages import Result, TimeState
from keygw_sim.chance import chance
from keygw_sim.garage import Garage
from keygw_sim.rehearsal import ISSUED_AT, LIFETIME, Office, Visit
from keygw_sim.vehicle.flash import Flash
from keygw_sim.vehicle.rules import WHAT_TIME_ALLOWS
from keygw_sim.vehicle.timekeeper import DUE_SECONDS, NONCE_SECONDS, TRUST_SECONDS, Moment

LONG = ISSUED_AT + 30 * 86_400


@pytest.fixture
def garage(tmp_path: Path) -> Garage:
    """A car that knows its owner and a friend, and has lost its power since."""
    made = Garage(tmp_path).enrol("owner", "friend")
    made.reboot()
    made.log.clear()
    return made


def friend(garage: Garage, action: Action | None = Action.UNLOCK, **changes: object) -> tuple[Visit, Result]:
    visit = garage.visit("friend", subscribe=True, **changes)  # type: ignore[arg-type]  # claims only
    return visit, visit.prove(action, number=70)


def said(visit: Visit, action: Action, number: int) -> Outcome:
    visit.command(action, number)
    return visit.last(Responded).response.outcome


# -- the three states ----------------------------------------------------------------------------------------------


def test_a_car_that_has_never_seen_an_issuers_word_knows_nothing(tmp_path: Path) -> None:
    garage = Garage(tmp_path, trusted=False)
    assert garage.brain.time == Moment(TimeState.UNKNOWN, 0)
    visit = garage.visit("stranger")
    assert (visit.prove().outcome, visit.last(Answered).result.time) == (Outcome.NOT_ENROLLED, TimeState.UNKNOWN)
    assert garage.visit("owner").prove(Action.UNLOCK).outcome is Outcome.DONE
    assert garage.brain.time == Moment(TimeState.FLOOR, ISSUED_AT), "the owner's token says when it was issued"


def test_trust_is_the_proof_and_the_seconds_since_and_ends_after_seven_days(garage: Garage) -> None:
    assert garage.brain.time == Moment(TimeState.FLOOR, ISSUED_AT + 60)
    garage.time += 1000
    assert garage.brain.time == Moment(TimeState.FLOOR, ISSUED_AT + 60), "seconds alone tell no time"
    told = garage.trust()
    assert told.time is TimeState.TRUSTED
    start = ISSUED_AT + 1060
    for passed, state in ((0, TimeState.TRUSTED), (DUE_SECONDS - 1, TimeState.TRUSTED), (DUE_SECONDS, TimeState.DUE),
                          (TRUST_SECONDS - 1, TimeState.DUE)):  # fmt: skip
        garage.time = start + passed
        assert garage.brain.time == Moment(state, start + passed)
    garage.time = start + TRUST_SECONDS
    assert garage.brain.time == Moment(TimeState.FLOOR, start)


def test_the_table_names_every_state_and_widens_with_knowledge() -> None:
    assert WHAT_TIME_ALLOWS.keys() == set(TimeState)
    assert all(shared <= owners for owners, shared in WHAT_TIME_ALLOWS.values())
    known = [state for state in TimeState if Moment(state, 0).known]
    assert known == [TimeState.TRUSTED, TimeState.DUE]
    for state, (owners, shared) in WHAT_TIME_ALLOWS.items():
        assert owners >= {Action.UNLOCK, Action.LOCK, Action.OPEN_TRUNK, Action.START_ENGINE}, "never locked out"
        assert (Action.ALLOW_PAIRING in owners, bool(shared)) == (state in known, state in known)


@pytest.mark.parametrize("action", [action for action in COMMANDS if action is not Action.PASSIVE_UNLOCK])
def test_after_a_reboot_an_owner_does_all_but_let_another_owner_in(garage: Garage, action: Action) -> None:
    garage.brain.set_body({"locked": action is not Action.LOCK})
    visit = garage.visit("owner")
    outcome = visit.prove(action, number=5).outcome
    assert outcome is (Outcome.TIME_PROOF_REQUIRED if action is Action.ALLOW_PAIRING else Outcome.DONE)
    if action is Action.ALLOW_PAIRING:
        assert garage.bring_time(visit, visit.last(Answered).result).outcome is Outcome.DONE
        assert said(visit, action, 5) is Outcome.DONE


def test_receipts_and_events_name_no_time_that_the_car_does_not_know(garage: Garage) -> None:
    visit = garage.visit("owner", subscribe=True)
    result = visit.prove(Action.UNLOCK)
    assert {reading.at for reading in visit.last(Read).readings} == {0}
    garage.bring_time(visit, result)
    visit.command(Action.LOCK, 2)
    assert {reading.at for reading in visit.last(Read).readings} == {int(garage.time)}
    assert [receipt.at for receipt in garage.receipts()] == [0, garage.time]


# -- a friend without the time -------------------------------------------------------------------------------------


def test_after_a_reboot_a_friend_waits_for_a_proof_and_then_opens(garage: Garage) -> None:
    visit, result = friend(garage)
    assert (result.outcome, result.time, result.receipt) == (Outcome.TIME_PROOF_REQUIRED, TimeState.FLOOR, 0)
    assert (visit.session.waiting, visit.session.state) == (True, State.OPEN)
    assert said(visit, Action.UNLOCK, 71) is Outcome.TIME_PROOF_REQUIRED
    assert not [event for event in visit.heard if isinstance(event, Read)]
    assert garage.brain.body.locked is True
    answer = garage.bring_time(visit, result)
    assert (answer.outcome, answer.number, answer.time) == (Outcome.DONE, None, TimeState.TRUSTED)
    assert answer.time_nonce != result.time_nonce
    assert said(visit, Action.UNLOCK, 70) is Outcome.DONE, "with the number it had"
    assert visit.last(Read).readings
    assert garage.brain.body.locked is False


def test_a_friend_may_be_the_first_who_meets_a_car_without_the_time(tmp_path: Path) -> None:
    """It brings the chain, which is kept, and then the proof; the command is decided once."""
    garage = Garage(tmp_path, trusted=False)
    visit, result = friend(garage)
    assert (result.outcome, result.receipt) == (Outcome.TIME_PROOF_REQUIRED, 0)
    assert garage.key("friend") in garage.stored().grants
    assert garage.bring_time(visit, result).outcome is Outcome.DONE
    assert said(visit, Action.UNLOCK, 70) is Outcome.DONE
    assert garage.brain.memory.receipt_sequence == 1


def test_what_was_refused_for_want_of_time_leaves_no_receipt_and_is_done_once(garage: Garage) -> None:
    visit, result = friend(garage)
    assert said(visit, Action.UNLOCK, 70) is Outcome.TIME_PROOF_REQUIRED
    assert visit.last(Responded).response.receipt == 0
    garage.bring_time(visit, result)
    assert said(visit, Action.UNLOCK, 70) is Outcome.DONE
    garage.brain.set_body({"locked": True})
    assert said(visit, Action.UNLOCK, 70) is Outcome.DONE, "a retry is answered"
    assert garage.brain.body.locked is True, "and not repeated"
    visit.session.ask_receipts(0)
    visit.carry()
    assert len(visit.last(ReceiptsGiven).receipts.signed) == 1


def test_a_proof_that_an_owner_brings_frees_the_friend_who_waits(garage: Garage) -> None:
    visit, _ = friend(garage)
    garage.trust()
    visit.carry()
    assert visit.last(Answered).result.outcome is Outcome.DONE
    assert said(visit, Action.UNLOCK, 70) is Outcome.DONE


def test_trust_that_runs_out_ends_a_friends_session_and_not_an_owners(garage: Garage) -> None:
    garage.trust()
    garage.time += TRUST_SECONDS - 10
    owner = garage.visit("owner", expires_at=LONG)
    owner.prove()
    visit, result = friend(garage, None, expires_at=LONG)
    assert (result.outcome, result.time) == (Outcome.DONE, TimeState.DUE)
    garage.time += 10
    assert said(visit, Action.UNLOCK, 71) is Outcome.TIME_PROOF_REQUIRED
    garage.brain.tick()
    assert garage.brain.finished == [visit.conn]
    assert said(owner, Action.UNLOCK, 1) is Outcome.DONE


@pytest.mark.parametrize("who", ["owner", "friend"])
def test_a_key_that_has_not_begun_waits_until_the_car_knows_better(garage: Garage, who: str) -> None:
    garage.time = ISSUED_AT + 500
    visit = garage.visit(who, not_before=ISSUED_AT + 400)
    result = visit.prove()
    assert result.outcome is Outcome.TIME_PROOF_REQUIRED
    assert garage.bring_time(visit, result).outcome is Outcome.DONE
    assert garage.tries(who, not_before=ISSUED_AT + 600) is Outcome.KEY_NOT_YET_VALID


def test_what_no_proof_could_turn_is_said_at_once(garage: Garage) -> None:
    assert garage.tries("friend", expires_at=ISSUED_AT + 60) is Outcome.KEY_EXPIRED, "the floor is past it"
    assert garage.tries("stranger") is Outcome.NOT_ENROLLED
    garage.bring(1, revoked=(2,))
    assert garage.tries("friend") is Outcome.KEY_REVOKED


def test_a_token_issued_after_the_proof_is_not_too_young(garage: Garage) -> None:
    """The proof may have been a minute on its way, and the car is as late."""
    garage.trust(time=ISSUED_AT + 60)
    assert garage.tries("friend", issued_at=ISSUED_AT + 100, not_before=ISSUED_AT + 100) is Outcome.DONE


# -- proofs that do not count --------------------------------------------------------------------------------------


def refused(garage: Garage, reason: str) -> None:
    assert garage.brain.time.state is TimeState.FLOOR
    assert [data["reason"] for what, data in garage.log if what == "time_proof_refused"] == [reason]


def test_a_proof_counts_for_sixty_seconds(garage: Garage) -> None:
    visit, result = friend(garage)
    garage.monotonic += NONCE_SECONDS + 1
    answer = garage.bring_time(visit, result)
    assert (answer.outcome, answer.time) == (Outcome.TIME_PROOF_REQUIRED, TimeState.FLOOR)
    refused(garage, "late")
    garage.monotonic += NONCE_SECONDS - 1
    assert garage.bring_time(visit, answer).outcome is Outcome.DONE, "the answer brought a fresh nonce"


def test_a_proof_is_spent_with_its_nonce(garage: Garage) -> None:
    visit, result = friend(garage)
    signed = garage.office.prove_time(garage.vehicle, result.time_nonce, garage.time)
    assert visit.prove_time(signed).time is TimeState.TRUSTED
    garage.reboot()
    garage.log.clear()
    later = garage.visit("owner")
    later.prove()
    assert later.prove_time(signed).time is TimeState.FLOOR
    refused(garage, "nonce")


def test_a_wrong_proof_spends_the_nonce_as_well(garage: Garage) -> None:
    visit, result = friend(garage)
    assert garage.bring_time(visit, result, nonce=bytes(8)).time is TimeState.FLOOR
    assert garage.bring_time(visit, result).time is TimeState.FLOOR
    assert [data["reason"] for what, data in garage.log if what == "time_proof_refused"] == ["nonce"] * 2


def test_a_proof_for_another_session_does_not_count(garage: Garage) -> None:
    _, mine = friend(garage)
    owner = garage.visit("owner")
    owner.prove()
    assert garage.bring_time(owner, mine).time is TimeState.FLOOR
    refused(garage, "nonce")


@pytest.mark.parametrize("spoil", ["vehicle", "issuer", "typ", "bytes"])
def test_a_proof_that_does_not_verify_is_a_breach(garage: Garage, spoil: str) -> None:
    visit, result = friend(garage)
    office = Office(chance("forger", "office")) if spoil == "issuer" else garage.office
    changes: dict[str, object] = {"vehicle_id": "veh_" + "b" * 16} if spoil == "vehicle" else {}
    signed = office.prove_time(garage.vehicle, result.time_nonce, garage.time, 0, **changes)
    if spoil == "typ":
        signed = garage.office.sign_list(garage.vehicle, 1)
    visit.session.prove_time(signed[:-1] if spoil == "bytes" else signed)
    visit.carry()
    assert isinstance(visit.heard[-1], Ended)
    assert garage.brain.time.state is TimeState.FLOOR
    codes = {"vehicle": "wrong_audience", "issuer": "unknown_issuer", "typ": "wrong_type", "bytes": "token_malformed"}
    assert garage.log[-1][1]["code"] == codes[spoil]


def test_a_proof_has_no_place_in_a_session_of_the_fast_path(garage: Garage) -> None:
    visit = garage.visit("owner")
    visit.prove()
    key = visit.session.fast_key
    assert key is not None
    visit.leave()
    quick = garage.visit("owner")
    quick.hurry(key, Action.UNLOCK)
    for frame in (b"\xc1\x42" + bytes(40),):
        garage.brain.frame(quick.conn, frame)
    assert garage.brain.finished == [quick.conn]


def test_what_cannot_be_written_is_not_believed(garage: Garage, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError("the flash is worn out")

    visit, result = friend(garage)
    monkeypatch.setattr(Flash, "save", broken)
    with pytest.raises(LookupError):
        garage.bring_time(visit, result)
    assert garage.brain.time.state is TimeState.FLOOR
    assert garage.log[-1][0] == "flash_failed"


# -- no going back -------------------------------------------------------------------------------------------------


def test_an_older_proof_does_not_turn_time_back(garage: Garage) -> None:
    garage.trust(time=ISSUED_AT + 3000)
    garage.trust(time=ISSUED_AT + 10)
    assert garage.brain.time == Moment(TimeState.TRUSTED, ISSUED_AT + 3000)
    assert garage.stored().time_floor == ISSUED_AT + 3000


@pytest.mark.parametrize("after", ["trust", "reboot"])
def test_what_a_proof_has_ended_stays_ended(garage: Garage, after: str) -> None:
    garage.trust(time=ISSUED_AT + LIFETIME)
    if after == "reboot":
        garage.reboot()
    assert garage.tries("friend") is Outcome.KEY_EXPIRED
    assert garage.tries("owner") is Outcome.KEY_EXPIRED
    assert garage.tries("owner", expires_at=LONG) is Outcome.DONE


def test_only_what_the_floor_has_ended_is_forgotten_so_nothing_is_done_twice(tmp_path: Path) -> None:
    """The time was known to be past the key's end, then the power went: by the floor alone the key lives again."""
    garage = Garage(tmp_path)
    second = garage.signers["stranger"].public_key
    garage.brain.memory.owners.append(thumbprint(second))
    visit = garage.visit("owner", expires_at=ISSUED_AT + 500)
    assert visit.prove(Action.UNLOCK, number=9).outcome is Outcome.DONE
    garage.time = ISSUED_AT + 1000
    assert garage.visit("stranger").prove().outcome is Outcome.DONE
    garage.reboot()
    garage.brain.set_body({"locked": True})
    again = garage.visit("owner", expires_at=ISSUED_AT + 500)
    assert again.prove(Action.UNLOCK, number=9).outcome is Outcome.DONE, "what it was answered then"
    assert garage.brain.body.locked is True
    stranger = garage.visit("stranger")
    assert garage.bring_time(stranger, stranger.prove(), time=ISSUED_AT + 500).outcome is Outcome.DONE
    assert garage.stored().keys.keys() == {garage.key("stranger")}, "the floor has ended it: there is room again"
    assert garage.key("owner") in garage.stored().answers, "a renewed token may still ask"


@pytest.mark.parametrize("who", ["owner", "friend"])
def test_a_renewed_token_does_not_do_again_what_the_old_one_was_answered(tmp_path: Path, who: str) -> None:
    """The answer is lost on the air, the token ends, and the device asks again with the renewed one."""
    garage = Garage(tmp_path)
    until = ISSUED_AT + 5 * LIFETIME
    long: dict[str, Any] = {"expires_at": ISSUED_AT + 9 * LIFETIME}
    owner, friend = garage.claims("owner", **long), garage.claims("friend")
    link = garage.office.link(owner, garage.signers["owner"], friend, expires_at=until)
    assert garage.visit(who, chain=(link,)).prove(Action.UNLOCK, number=9).outcome is Outcome.DONE
    garage.brain.set_body({"locked": True})
    garage.time = ISSUED_AT + 2 * LIFETIME
    later = int(garage.time)
    renewed: dict[str, Any] = {"issued_at": later, "not_before": ISSUED_AT, "expires_at": later + LIFETIME}
    visit = garage.visit("owner", **{**renewed, **long})
    assert garage.bring_time(visit, visit.prove()).outcome is Outcome.DONE
    again = garage.visit(who, chain=(), **(renewed if who == "friend" else {**renewed, **long}))
    assert again.prove(Action.UNLOCK, number=9).outcome is Outcome.DONE, "what it was answered then"
    assert garage.brain.body.locked is True, "it was done twice"
    garage.time = until
    visit = garage.visit("owner", **{**long, "issued_at": until})
    assert garage.bring_time(visit, visit.prove()).outcome is Outcome.DONE
    assert (garage.key(who) in garage.stored().answers) is (who == "owner"), "no token is good past its grant"


# -- a list that is held back --------------------------------------------------------------------------------------


def test_a_withheld_list_shows_and_keeps_friends_out_until_it_comes(garage: Garage) -> None:
    visit, result = friend(garage)
    answer = garage.bring_time(visit, result, list_sequence=3)
    assert (answer.outcome, answer.time, answer.list_sequence) == (Outcome.LIST_REQUIRED, TimeState.FLOOR, 0)
    assert ("list_withheld", {"has": 0, "needs": 3}) in garage.log
    assert said(visit, Action.UNLOCK, 70) is Outcome.LIST_REQUIRED
    garage.push(visit, garage.office.sign_list(garage.vehicle, 2))
    assert said(visit, Action.UNLOCK, 70) is Outcome.LIST_REQUIRED, "an older one is not it"
    garage.push(visit, garage.office.sign_list(garage.vehicle, 3, suspended=(9,)))
    assert visit.last(ListAcknowledged).signed
    turned = visit.last(Answered).result
    assert (turned.outcome, turned.time, turned.list_sequence) == (Outcome.DONE, TimeState.TRUSTED, 3)
    assert said(visit, Action.UNLOCK, 70) is Outcome.DONE


def test_the_list_that_was_withheld_may_be_about_the_courier(garage: Garage) -> None:
    visit, result = friend(garage)
    garage.bring_time(visit, result, list_sequence=1)
    garage.push(visit, garage.office.sign_list(garage.vehicle, 1, revoked=(2,)))
    assert visit.last(Answered).result.outcome is Outcome.KEY_REVOKED
    assert visit.session.state is State.CLOSED


def test_who_waits_is_told_of_every_turn_of_the_verdict(garage: Garage) -> None:
    visit, _ = friend(garage)
    garage.trust(list_sequence=1)
    visit.carry()
    assert visit.last(Answered).result.outcome is Outcome.LIST_REQUIRED
    garage.push(visit, garage.office.sign_list(garage.vehicle, 1, suspended=(2,)))
    assert visit.last(Answered).result.outcome is Outcome.KEY_SUSPENDED
    assert visit.session.waiting
    garage.bring(2)
    visit.carry()
    assert visit.last(Answered).result.outcome is Outcome.DONE


def test_a_proof_that_shows_a_withheld_list_ends_the_trust_there_was(garage: Garage) -> None:
    garage.trust()
    visit, _ = friend(garage, None)
    owner = garage.visit("owner")
    told = garage.bring_time(owner, owner.prove(), list_sequence=1)
    assert (told.outcome, told.time) == (Outcome.DONE, TimeState.FLOOR)
    assert garage.brain.finished == [visit.conn]
    assert garage.tries("friend") is Outcome.LIST_REQUIRED
    assert said(owner, Action.UNLOCK, 4) is Outcome.DONE
    assert said(owner, Action.ALLOW_PAIRING, 5) is Outcome.LIST_REQUIRED


# -- the fast path -------------------------------------------------------------------------------------------------


def test_a_fast_key_sleeps_while_its_key_waits_for_the_time(garage: Garage) -> None:
    """FAST_RESULT has no nonce. The device hears noise, takes the full handshake, and brings a proof there."""
    garage.trust()
    visit, _ = friend(garage, None)
    key = visit.session.fast_key
    assert key is not None
    visit.leave()
    owner = garage.visit("owner")
    garage.bring_time(owner, owner.prove(), list_sequence=1)
    quick = garage.visit("friend")
    with pytest.raises(LookupError):
        quick.hurry(key, Action.UNLOCK, 8)
    assert isinstance(quick.heard[-1], FastRefused)
    assert garage.brain.body.locked is True
    garage.push(owner, garage.office.sign_list(garage.vehicle, 1))
    awake = garage.visit("friend")
    assert awake.hurry(key, Action.UNLOCK, 8).outcome is Outcome.DONE


def test_an_owners_fast_key_serves_without_the_time(garage: Garage) -> None:
    visit = garage.visit("owner")
    assert visit.prove().time is TimeState.FLOOR
    key = visit.session.fast_key
    assert key is not None
    visit.leave()
    assert garage.visit("owner").hurry(key, Action.UNLOCK).outcome is Outcome.DONE


def test_a_proof_does_not_lengthen_the_life_of_a_fast_key(garage: Garage) -> None:
    visit = garage.visit("owner", expires_at=LONG)
    result, born = visit.prove(), garage.monotonic
    key = visit.session.fast_key
    garage.monotonic += 500
    garage.bring_time(visit, result)
    visit.leave()
    assert key is not None
    garage.monotonic = born + MAX_SECONDS
    with pytest.raises(LookupError):
        garage.visit("owner", expires_at=LONG).hurry(key, Action.UNLOCK)
