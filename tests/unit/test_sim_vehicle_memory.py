"""What the car keeps and obeys: revocation lists, time, receipts, a provisioning file; on flash before it is told."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest

from keygw.crypto.signer import LocalSigner, thumbprint
from keygw.model.command import Action, Outcome
from keygw.model.errors import StoreError, TokenError
from keygw.session.events import Answered, Ended, ListAcknowledged, Responded, SignatureNeeded
from keygw.session.states import State
from keygw.token.receipt import verify_chain
from keygw.token.revocation import list_hash, verify_ack
from keygw.wire.messages import Cmd, ErrorCode, LinkKind, Res, TimeState
from keygw_sim.chance import chance
from keygw_sim.garage import Garage
from keygw_sim.rehearsal import ISSUED_AT, LIFETIME, Office, twin
from keygw_sim.vehicle.flash import ANSWERS_KEPT, RECEIPTS_KEPT, EnrolledKey, Flash
from keygw_sim.vehicle.keeper import REFUSED_KEY_RECEIPTS
from keygw_sim.vehicle.runner import load_vehicle
from keygw_sim.vehicle.timekeeper import Moment


@pytest.fixture
def garage(tmp_path: Path) -> Garage:
    return Garage(tmp_path / "flash")


# -- the revocation list -------------------------------------------------------------------------------------------


def test_a_list_is_on_the_flash_before_it_is_acknowledged(garage: Garage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The acknowledgement is signed when a reader of the flash already finds the list."""
    found: list[tuple[int, bytes]] = []
    sign = LocalSigner.sign

    def watch(signer: LocalSigner, message: bytes) -> bytes:
        if b"dkra" in message:
            found.append((garage.stored().list_sequence, garage.stored().list_signed))
        return sign(signer, message)

    monkeypatch.setattr(LocalSigner, "sign", watch)
    signed = garage.office.sign_list(garage.vehicle, 4, revoked=(2,))
    visit = garage.visit()
    visit.prove()
    garage.push(visit, signed)
    assert found == [(4, signed)]
    ack = verify_ack(visit.last(ListAcknowledged).signed, garage.vehicle.public_key)
    assert (ack.vehicle_id, ack.sequence, ack.list_hash) == (garage.vehicle.id, 4, list_hash(signed))
    assert ack.boot_epoch == garage.brain.memory.boot_epoch


def test_a_flash_that_fails_lets_no_acknowledgement_out(garage: Garage, monkeypatch: pytest.MonkeyPatch) -> None:
    visit = garage.visit()
    visit.prove()

    def full(*_: object) -> None:
        raise OSError("no space left")

    again = garage.visit("friend")
    again.prove()
    signed = garage.office.sign_list(garage.vehicle, 1, revoked=(2,))
    with monkeypatch.context() as patch:
        patch.setattr(Flash, "save", full)
        garage.push(visit, signed)
        garage.push(again, signed)
    assert not any(isinstance(event, ListAcknowledged) for event in (*visit.heard, *again.heard))
    assert garage.tries("friend") is Outcome.DONE, "what is not stored is not in force, and is not acknowledged"
    assert verify_ack(garage.bring(1, revoked=(2,)), garage.vehicle.public_key).sequence == 1
    assert garage.tries("friend") is Outcome.KEY_REVOKED, "what is acknowledged is in force"


def test_an_older_list_changes_nothing_and_the_newer_is_acknowledged(garage: Garage) -> None:
    garage.enrol("owner", "friend")
    newer = garage.bring(5, revoked=(2,))
    older = garage.bring(4)
    same = garage.bring(5)
    acks = [verify_ack(ack, garage.vehicle.public_key) for ack in (newer, older, same)]
    assert acks[0] == acks[1] == acks[2]
    assert garage.tries("friend") is Outcome.KEY_REVOKED
    assert garage.stored().list_sequence == 5


def refused_list(garage: Garage, signed: bytes) -> None:
    visit = garage.visit()
    visit.prove()
    garage.push(visit, signed)
    assert visit.session.state is State.CLOSED
    assert not any(isinstance(event, ListAcknowledged) for event in visit.heard)
    assert garage.stored().list_sequence == 0


def test_a_turned_signature_changes_nothing_in_the_acknowledgement(garage: Garage) -> None:
    """Else the service would not know its own list again, and the key would stay ``revoking``."""
    signed = garage.office.sign_list(garage.vehicle, 4)
    visit = garage.visit()
    visit.prove()
    garage.push(visit, twin(signed))
    ack = verify_ack(visit.last(ListAcknowledged).signed, garage.vehicle.public_key)
    assert ack.list_hash == list_hash(signed)


def test_a_list_of_another_car_is_refused(garage: Garage) -> None:
    refused_list(garage, garage.office.sign_list(garage.vehicle, 1, vehicle_id="veh_" + "b" * 16))


def test_a_forged_list_is_refused(garage: Garage) -> None:
    refused_list(garage, Office(chance("forger", "office")).sign_list(garage.vehicle, 1))


def test_a_changed_list_and_a_token_in_its_place_are_refused(garage: Garage) -> None:
    signed = garage.office.sign_list(garage.vehicle, 1)
    refused_list(garage, signed[:-1] + bytes((signed[-1] ^ 1,)))
    refused_list(garage, garage.office.hand(garage.claims("owner")).token)
    refused_list(garage, b"")


def test_a_withheld_list_shows_in_result(garage: Garage) -> None:
    """The car tells every device which list it has; the one who knows of a newer sees that it was withheld."""
    garage.bring(3)
    visit = garage.visit()
    assert visit.prove().list_sequence == 3


def test_a_friend_may_carry_the_list_that_ends_it(garage: Garage) -> None:
    garage.enrol("owner")
    visit = garage.visit("friend")
    visit.prove()
    garage.push(visit, garage.office.sign_list(garage.vehicle, 1, revoked=(2,)))
    # The acknowledgement leaves first, then the session ends.
    assert [type(event) for event in visit.heard[-2:]] == [ListAcknowledged, Ended]
    assert visit.last(Ended).code is ErrorCode.SESSION_OVER


def test_a_new_list_ends_the_sessions_it_concerns_and_no_other(garage: Garage) -> None:
    garage.enrol("owner")
    friend, owner = garage.visit("friend"), garage.visit("owner")
    friend.prove()
    owner.prove()
    garage.push(owner, garage.office.sign_list(garage.vehicle, 1, suspended=(2,)))
    friend.carry()
    assert friend.session.state is State.CLOSED
    assert owner.session.state is State.OPEN
    assert garage.brain.finished == [friend.conn]


def test_a_moving_car_ends_no_session_but_obeys_the_list(garage: Garage) -> None:
    garage.enrol("owner")
    friend, owner = garage.visit("friend"), garage.visit("owner")
    friend.prove()
    owner.prove()
    garage.brain.set_body({"speed": 50.0})
    garage.push(owner, garage.office.sign_list(garage.vehicle, 1, revoked=(2,)))
    friend.carry()
    assert friend.session.state is State.OPEN
    friend.command(Action.FLASH_LIGHTS, 9)
    assert friend.last(Responded).response.outcome is Outcome.KEY_REVOKED
    garage.brain.set_body({"speed": 0.0})
    friend.command(Action.UNLOCK, 10)
    assert friend.last(Responded).response.outcome is Outcome.KEY_REVOKED


# -- time ----------------------------------------------------------------------------------------------------------


def test_time_lost_does_not_revive_an_expired_key(garage: Garage) -> None:
    garage.enrol("owner", "friend")
    end = ISSUED_AT + LIFETIME
    garage.time = end + 10
    assert garage.tries("friend") is Outcome.KEY_EXPIRED
    visit = garage.visit("owner", expires_at=end + LIFETIME)
    visit.prove()
    garage.push(visit, garage.office.sign_list(garage.vehicle, 1, issued_at=end + 5, next_update=end + 6))
    assert garage.brain.time == Moment(TimeState.TRUSTED, end + 10)
    assert garage.tries("friend") is Outcome.KEY_EXPIRED
    garage.reboot()
    assert garage.brain.time == Moment(TimeState.FLOOR, end + 5)
    assert garage.tries("friend") is Outcome.KEY_EXPIRED
    assert garage.tries("owner", expires_at=end + LIFETIME) is Outcome.DONE


def test_only_an_accepted_list_moves_the_floor(garage: Garage) -> None:
    garage.bring(5, issued_at=ISSUED_AT + 70)
    floor = garage.brain.memory.time_floor
    garage.bring(4, issued_at=ISSUED_AT + 10**6, next_update=ISSUED_AT + 10**7)
    assert garage.brain.memory.time_floor == floor == ISSUED_AT + 70


def test_session_timers_count_the_cars_own_seconds(garage: Garage) -> None:
    visit = garage.visit()
    garage.bring_time(visit, visit.prove(), time=ISSUED_AT + 1000)
    assert garage.brain.time.at == ISSUED_AT + 1000
    garage.brain.tick()
    assert garage.brain.finished == []
    garage.monotonic += 600
    garage.brain.tick()
    assert garage.brain.finished == [visit.conn]
    assert garage.brain.dirty == {visit.conn}


# -- what survives -------------------------------------------------------------------------------------------------


def test_a_reboot_keeps_list_keys_receipts_body_and_identity(garage: Garage) -> None:
    garage.enrol("owner", "friend")
    garage.tries("owner")
    garage.bring(2, revoked=(2,))
    before = garage.stored()
    garage.reboot()
    after = garage.brain.memory
    assert after.to_json() == {
        **before.to_json(),
        "boot_epoch": before.boot_epoch + 1,
        "vehicle_key": after.to_json()["vehicle_key"],
    }
    assert after.signer.public_key == before.signer.public_key
    assert after.list_sequence == 2
    assert set(after.keys) == {garage.key("owner"), garage.key("friend")}
    assert after.keys[garage.key("friend")] == EnrolledKey.of(garage.claims("friend"))
    assert after.grants.keys() == {garage.key("friend")}
    assert after.grants == before.grants
    assert garage.brain.body.locked is False
    assert garage.tries("friend") is Outcome.KEY_REVOKED
    assert verify_ack(garage.bring(1), garage.vehicle.public_key).sequence == 2, "no rollback by reboot"


def test_the_chain_of_receipts_goes_on_across_a_reboot(garage: Garage) -> None:
    garage.enrol("owner")
    garage.tries("owner")
    garage.tries("friend", Action.OPEN_TRUNK)
    garage.reboot()
    garage.tries("owner", Action.LOCK)
    receipts = garage.receipts()
    assert [receipt.sequence for receipt in receipts] == [1, 2, 3]
    verify_chain(receipts)
    assert [receipt.boot_epoch for receipt in receipts] == [1, 1, 2]
    with pytest.raises(TokenError):
        verify_chain([receipts[0], receipts[2]])


@pytest.mark.parametrize("reboot", [False, True])
def test_a_retry_of_the_same_number_happens_once(garage: Garage, reboot: bool) -> None:
    visit = garage.visit()
    first = visit.prove(Action.UNLOCK, number=9)
    visit.command(Action.LOCK, 10)
    visit.leave()
    if reboot:
        garage.reboot()
    again = garage.visit()
    assert again.prove(Action.UNLOCK, number=9) == replace(again.last(Answered).result, outcome=first.outcome, number=9)
    again.command(Action.UNLOCK, 9)
    assert again.last(Responded).response == Res(9, Outcome.DONE, 1)
    assert garage.brain.body.locked is True, "the unlock of number 9 was before the lock of number 10"
    assert [receipt.number for receipt in garage.receipts()] == [9, 10]


def test_numbers_are_each_keys_own(garage: Garage) -> None:
    garage.enrol("owner")
    one, other = garage.visit("owner"), garage.visit("friend")
    assert one.prove(Action.UNLOCK, number=9).outcome is Outcome.DONE
    assert other.prove(Action.LOCK, number=9).outcome is Outcome.DONE
    assert garage.brain.body.locked is True


def test_a_verdict_on_the_key_is_not_remembered_for_the_number(garage: Garage) -> None:
    garage.enrol("owner", "friend")
    garage.bring(1, suspended=(2,))
    visit = garage.visit("friend")
    assert visit.prove(Action.UNLOCK, number=9).outcome is Outcome.KEY_SUSPENDED
    garage.bring(2)
    visit = garage.visit("friend")
    assert visit.prove(Action.UNLOCK, number=9).outcome is Outcome.DONE
    garage.bring(3, suspended=(2,))
    retry = garage.visit("friend").prove(Action.UNLOCK, number=9)
    assert retry.outcome is Outcome.KEY_SUSPENDED, "nor is an old answer given to a key that is barred now"


def test_a_number_with_another_action_is_refused(garage: Garage) -> None:
    visit = garage.visit()
    assert visit.prove(Action.UNLOCK, number=9).outcome is Outcome.DONE
    visit.command(Action.LOCK, 9)
    assert visit.last(Responded).response.outcome is Outcome.NUMBER_REUSED
    assert garage.brain.body.locked is False


def test_a_barred_key_cannot_push_others_out_of_the_receipt_log(garage: Garage) -> None:
    garage.enrol("owner", "friend")
    garage.tries("owner")
    garage.bring(1, revoked=(2,))
    for number in range(REFUSED_KEY_RECEIPTS + 10):
        assert garage.visit("friend").prove(Action.UNLOCK, number=100 + number).outcome is Outcome.KEY_REVOKED
    kept = [receipt.key_id for receipt in garage.brain.memory.receipts]
    assert len(kept) <= REFUSED_KEY_RECEIPTS + 2


@pytest.mark.parametrize("kind", [LinkKind.DIRECT, LinkKind.RELAYED, LinkKind.HOSTED])
def test_there_is_no_passive_entry_without_ranging_evidence(garage: Garage, kind: LinkKind) -> None:
    """A fast relay makes plain BLE look near, so not even a direct link is evidence; an explicit tap is an UNLOCK."""
    visit = garage.visit(link=kind)
    assert visit.prove(Action.PASSIVE_UNLOCK, number=9).outcome is Outcome.PROXIMITY_REQUIRED
    assert garage.brain.body.locked is True
    assert garage.receipts()[-1].outcome is Outcome.PROXIMITY_REQUIRED


@pytest.mark.parametrize("kind", [LinkKind.RELAYED, LinkKind.HOSTED])
def test_a_device_that_is_not_near_cannot_drive(garage: Garage, kind: LinkKind) -> None:
    visit = garage.visit(link=kind)
    assert visit.prove(Action.START_ENGINE, number=9).outcome is Outcome.PROXIMITY_REQUIRED
    assert garage.visit().prove(Action.START_ENGINE, number=10).outcome is Outcome.DONE


def test_when_a_moving_car_stops_the_sessions_of_barred_keys_end(garage: Garage) -> None:
    garage.enrol("owner", "friend")
    visit = garage.visit("friend")
    visit.prove()
    garage.brain.set_body({"speed": 30.0})
    garage.bring(1, revoked=(2,))
    assert visit.conn not in garage.brain.finished
    garage.brain.set_body({"speed": 0.0})
    garage.brain.tick()
    assert visit.conn in garage.brain.finished


def test_the_command_is_on_the_flash_before_its_answer_leaves(garage: Garage, monkeypatch: pytest.MonkeyPatch) -> None:
    visit = garage.visit()
    visit.prove()

    def full(*_: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(Flash, "save", full)
        visit.command(Action.UNLOCK, 1)
    assert not any(isinstance(event, Responded) for event in visit.heard)
    assert garage.brain.body.locked is True, "what could not be recorded has not happened"
    assert garage.receipts() == []
    visit = garage.visit()
    assert visit.prove(Action.UNLOCK, number=1).outcome is Outcome.DONE, "and may be tried again"


# -- receipts ------------------------------------------------------------------------------------------------------


def test_a_friend_reads_only_its_own_receipts_and_an_owner_all(garage: Garage) -> None:
    garage.enrol("owner")
    garage.tries("owner")
    garage.tries("friend", Action.LOCK)
    garage.tries("owner")
    assert [receipt.sequence for receipt in garage.receipts("friend")] == [2]
    assert [receipt.sequence for receipt in garage.receipts("owner")] == [1, 2, 3]
    assert garage.visit("friend").prove().receipt == 2
    assert garage.visit("owner").prove().receipt == 3


def test_receipts_come_in_batches(garage: Garage) -> None:
    visit = garage.visit()
    visit.prove()
    for number in range(30):
        visit.command(Action.FLASH_LIGHTS, number)
    receipts = garage.receipts()
    assert [receipt.sequence for receipt in receipts] == list(range(1, 31))
    assert [receipt.sequence for receipt in garage.receipts(after=28)] == [29, 30]
    verify_chain(receipts)


def test_stored_receipts_are_forgotten_but_for_the_newest_and_a_friend_frees_nothing(garage: Garage) -> None:
    garage.enrol("owner", "friend")
    for _ in range(3):
        garage.tries("owner")
    friend = garage.visit("friend")
    friend.prove()
    friend.session.acknowledge_receipts(3)
    friend.carry()
    assert [receipt.sequence for receipt in garage.receipts()] == [1, 2, 3]
    owner = garage.visit()
    owner.prove()
    owner.session.acknowledge_receipts(2**32 - 1)
    owner.carry()
    assert [receipt.sequence for receipt in garage.receipts()] == [1, 2, 3], "nothing was given in that session"
    owner = garage.visit()
    owner.prove()
    owner.session.ask_receipts(0)
    owner.carry()
    owner.session.acknowledge_receipts(3)
    owner.carry()
    assert [receipt.sequence for receipt in garage.receipts()] == [3]
    assert garage.stored().receipt_sequence == 3


def test_what_is_kept_is_bounded(garage: Garage) -> None:
    visit = garage.visit()
    visit.prove()
    for number in range(ANSWERS_KEPT + 5):
        visit.command(Action.FLASH_LIGHTS, number)
    assert len(garage.brain.memory.answers[garage.key("owner")]) == ANSWERS_KEPT
    memory = garage.brain.memory
    memory.receipts[:] = (memory.receipts * 40)[:RECEIPTS_KEPT]
    visit.command(Action.FLASH_LIGHTS, 1000)
    assert len(garage.brain.memory.receipts) == RECEIPTS_KEPT


def test_refusals_make_room_before_the_evidence_of_what_was_done(garage: Garage) -> None:
    garage.enrol("owner", "friend")
    garage.tries("friend")
    memory = garage.brain.memory
    done = memory.receipts[0]
    memory.receipts[:] = [done, *(replace(done, ok=False) for _ in range(RECEIPTS_KEPT - 1))]
    assert garage.tries("friend", Action.OPEN_TRUNK) is Outcome.NOT_ENTITLED
    assert garage.brain.memory.receipts[0] is done
    assert len(garage.brain.memory.receipts) == RECEIPTS_KEPT


def test_the_rotating_id_changes_with_time_alone(garage: Garage) -> None:
    before = garage.brain.rotating_id
    garage.monotonic += 899
    garage.brain.tick()
    assert garage.brain.rotating_id == before
    garage.monotonic += 1
    garage.brain.tick()
    assert garage.brain.rotating_id != before


# -- commands held back on their way -------------------------------------------------------------------------------


def test_a_new_proof_of_a_key_ends_its_older_session_so_a_held_command_is_dead(garage: Garage) -> None:
    victim = garage.visit()
    victim.prove()
    victim.session.command(Cmd(7, Action.UNLOCK))
    held = list(victim.session.frames(512))
    garage.time += 1
    garage.monotonic += 1
    assert garage.visit().prove().outcome is Outcome.DONE
    for frame in held:
        garage.brain.frame(victim.conn, frame)
    assert garage.brain.body.locked is True
    assert victim.conn in garage.brain.finished


def test_a_held_proof_is_dead_once_its_key_has_proven_itself_elsewhere(garage: Garage) -> None:
    victim = garage.visit()
    victim.session.begin(garage.monotonic, Cmd(7, Action.UNLOCK))
    held: list[bytes] = []
    for frame in victim.session.frames(512):
        garage.brain.frame(victim.conn, frame)
    for frame in garage.brain.outgoing(victim.conn, 512):
        for event in victim.session.receive(frame, garage.monotonic):
            if isinstance(event, SignatureNeeded):
                victim.session.sign(garage.signers["owner"].sign(event.message))
                held = list(victim.session.frames(512))
    garage.monotonic += 1
    assert garage.visit().prove().outcome is Outcome.DONE
    for frame in held:
        garage.brain.frame(victim.conn, frame)
    assert held
    assert garage.brain.body.locked is True
    assert victim.conn in garage.brain.finished


@pytest.mark.parametrize("text", ["", "{", "null", "{}", '{"v": 1}', "[" * 100_000])
def test_a_damaged_flash_is_told_and_never_taken_for_a_fresh_car(garage: Garage, text: str) -> None:
    (garage.folder / "vehicle.json").write_text(text)
    with pytest.raises(StoreError) as caught:
        load_vehicle(garage.folder, "Car")
    assert caught.value.code == "flash_damaged"


# -- provisioning --------------------------------------------------------------------------------------------------


def provisioning(garage: Garage, **changes: object) -> dict[str, object]:
    def text(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    office = garage.office
    good: dict[str, object] = {
        "v": 1,
        "vehicle_id": garage.vehicle.id,
        "issuer": {"issuer": "https://new.example", "kid": text(b"12345678"), "public_key": text(b"\x02" + bytes(32))},
        "owner_thumbprint": text(thumbprint(garage.signers["stranger"].public_key)),
    }
    good["issuer"] = {
        "issuer": office.key.issuer, "kid": text(office.kid), "public_key": text(office.key.public_key)
    }  # fmt: skip
    return {**good, **changes}


def test_a_provisioning_file_enrols_an_owner_at_the_next_connection(garage: Garage) -> None:
    assert garage.tries("stranger") is Outcome.NOT_ENROLLED
    (garage.folder / "provisioning.json").write_text(json.dumps(provisioning(garage)))
    assert garage.tries("stranger") is Outcome.DONE
    assert [path.name for path in garage.folder.iterdir() if "prov" in path.name] == ["provisioning.taken.json"]
    garage.reboot()
    assert garage.tries("stranger", Action.LOCK) is Outcome.DONE


@pytest.mark.parametrize(
    "changes",
    [
        {"v": 2},
        {"vehicle_id": "veh_" + "b" * 16},
        {"owner_thumbprint": "AAAA"},
        {"owner_thumbprint": None},
        {"issuer": "nobody"},
        {"issuer": {"issuer": "x", "kid": "AAAA", "public_key": "AAAA"}},
        {"issuer": {"issuer": "x", "kid": "MTIzNDU2Nzg", "public_key": "AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB"}},
    ],
)
def test_a_provisioning_file_that_is_not_for_this_car_is_refused_and_harms_nothing(
    garage: Garage, changes: dict[str, object]
) -> None:
    (garage.folder / "provisioning.json").write_text(json.dumps(provisioning(garage, **changes)))
    assert garage.tries("owner") is Outcome.DONE
    assert garage.log[0][0] == "provisioning_refused"
    assert len(garage.brain.memory.issuers) == 1
    assert garage.tries("stranger") is Outcome.NOT_ENROLLED


def test_a_car_is_made_once_and_found_again(tmp_path: Path) -> None:
    first = load_vehicle(tmp_path, "Car", seed="7")
    again = load_vehicle(tmp_path, "Another name", seed="8")
    assert again.memory.vehicle_id == first.memory.vehicle_id
    assert (first.memory.boot_epoch, again.memory.boot_epoch) == (1, 2)
    file = tmp_path / "vehicle.json"
    assert file.stat().st_mode & 0o077 == 0
    assert "PRIVATE" not in repr(again.memory)
