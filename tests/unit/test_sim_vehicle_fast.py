"""Fast keys in the car: what they open, what they leave behind, and when they die. Each case meets a real ``Brain``."""

from __future__ import annotations

from pathlib import Path

import pytest

from keygw.model.command import Action, Outcome
from keygw.model.entitlement import Entitlement
from keygw.model.signal import SignalId
from keygw.session.events import Ended, FastRefused, Read, ReceiptsGiven, Responded
from keygw.session.fast import MAX_SECONDS, MAX_USES, FastKey
from keygw.session.states import State
from keygw.token.receipt import verify_chain, verify_receipt
from keygw_sim.garage import Garage
from keygw_sim.rehearsal import ISSUED_AT, LIFETIME
from keygw_sim.vehicle.fast_keys import MAX_KEYS, FastKeyring

LONG = ISSUED_AT + 30 * 86_400


@pytest.fixture
def garage(tmp_path: Path) -> Garage:
    return Garage(tmp_path / "flash")


def leaves(garage: Garage, who: str = "owner", **changes: object) -> FastKey:
    """A full handshake, and the fast key that it leaves with the device."""
    visit = garage.visit(who, **changes)  # type: ignore[arg-type]  # claims only
    assert visit.prove().outcome is Outcome.DONE
    key = visit.session.fast_key
    assert key is not None
    visit.leave()
    return key


def refused(garage: Garage, key: FastKey, who: str = "owner") -> bool:
    """Whether the car does not know that key (any more); it has done nothing then."""
    before, visit = garage.stored().receipt_sequence, garage.visit(who)
    try:
        visit.hurry(key, Action.UNLOCK, number=10_000 + visit.conn)
    except LookupError:
        assert visit.last(FastRefused) == FastRefused()
        assert garage.stored().receipt_sequence == before
        return True
    finally:
        visit.leave()
    return False


@pytest.mark.parametrize("max_frame", [20, 512])
def test_an_unlock_in_one_round_trip_leaves_its_receipt(garage: Garage, max_frame: int) -> None:
    key = leaves(garage)
    visit = garage.visit("owner", max_frame=max_frame)
    result = visit.hurry(key, Action.UNLOCK, number=5)
    assert (result.outcome, result.receipt, result.list_sequence) == (Outcome.DONE, 1, 0)
    assert garage.brain.body.locked is False
    visit.command(Action.LOCK, 6)
    assert visit.last(Responded).response.outcome is Outcome.DONE
    visit.session.ask_receipts(0)
    visit.carry()
    receipts = [
        verify_receipt(signed, garage.vehicle.public_key) for signed in visit.last(ReceiptsGiven).receipts.signed
    ]
    verify_chain(receipts)
    assert [(r.number, r.key_id, r.outcome) for r in receipts] == [(5, key.key_id, 0), (6, key.key_id, 0)]
    assert receipts[0].session == receipts[1].session


@pytest.mark.parametrize("action", [Action.UNLOCK, Action.LOCK, Action.OPEN_TRUNK])
def test_lock_unlock_and_trunk(garage: Garage, action: Action) -> None:
    assert garage.visit().hurry(leaves(garage), action).outcome.ok


@pytest.mark.parametrize("action", [Action.START_ENGINE, Action.FLASH_LIGHTS])
def test_everything_else_takes_the_full_handshake(garage: Garage, action: Action) -> None:
    key = leaves(garage)
    visit = garage.visit()
    assert visit.hurry(key, action, number=7).outcome is Outcome.FULL_HANDSHAKE_REQUIRED
    visit.command(action, 8)
    assert visit.last(Responded).response.outcome is Outcome.FULL_HANDSHAKE_REQUIRED
    assert garage.brain.body.engine_running is False
    visit.leave()
    # The number is not spent on that: the device asks again, as it was told to.
    assert garage.visit().prove(action, number=7).outcome is Outcome.DONE
    assert garage.receipts()[0].outcome is Outcome.FULL_HANDSHAKE_REQUIRED


def test_it_is_authorised_like_any_command(garage: Garage) -> None:
    garage.enrol("owner")
    key = leaves(garage, "friend")
    visit = garage.visit("friend")
    assert visit.hurry(key, Action.OPEN_TRUNK, 1).outcome is Outcome.NOT_ENTITLED
    visit.command(Action.UNLOCK, 2)
    assert visit.last(Responded).response.outcome is Outcome.DONE
    visit.leave()
    assert garage.visit("friend").hurry(key, Action(200), 3).outcome is Outcome.UNKNOWN_ACTION
    garage.brain.set_body({"speed": 30.0})
    assert garage.visit("friend").hurry(key, Action.LOCK, 4).outcome is Outcome.IN_MOTION


def test_the_same_number_by_both_roads_is_done_once(garage: Garage) -> None:
    """The answer was lost, so the device asks again; whichever road it takes, nothing is done twice."""
    key = leaves(garage)
    first = garage.visit().hurry(key, Action.UNLOCK, number=5)
    garage.brain.set_body({"locked": True})
    again = garage.visit().prove(Action.UNLOCK, number=5)
    third = garage.visit().hurry(leaves(garage), Action.UNLOCK, number=5)
    assert first.outcome is again.outcome is third.outcome is Outcome.DONE
    assert first.receipt == again.receipt == third.receipt == garage.stored().receipt_sequence
    assert garage.brain.body.locked is True


def test_events_only_for_who_may_read_the_status(garage: Garage) -> None:
    garage.enrol("owner")
    keys = leaves(garage, "friend"), leaves(garage, "grandchild", parent_id=garage.key("owner"), depth=1,
                                            entitlements=Entitlement.DOOR_UNLOCK)  # fmt: skip
    reader = garage.visit("friend", subscribe=True)
    assert reader.hurry(keys[0], Action.UNLOCK).outcome is Outcome.DONE
    assert reader.told()[SignalId.CENTRAL_LOCK] is False
    blind = garage.visit("grandchild", subscribe=True)
    assert blind.hurry(keys[1], Action.UNLOCK).outcome is Outcome.ALREADY_IN_STATE
    silent = garage.visit("owner")
    silent.hurry(leaves(garage), Action.UNLOCK)
    garage.brain.set_body({"driver_door_open": True})
    for visit in (reader, blind, silent):
        visit.carry()
    assert reader.last(Read).readings[0].signal is SignalId.DOOR_ROW1_DRIVER_OPEN
    assert not any(isinstance(event, Read) for event in (*blind.heard, *silent.heard))


def test_a_friend_reads_only_its_own_receipts(garage: Garage) -> None:
    garage.tries("owner")
    visit = garage.visit("friend")
    visit.hurry(leaves(garage, "friend"), Action.LOCK)
    visit.session.ask_receipts(0)
    visit.carry()
    (signed,) = visit.last(ReceiptsGiven).receipts.signed
    assert verify_receipt(signed, garage.vehicle.public_key).key_id == garage.key("friend")


# -- how it dies ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("listed", [{"suspended": (1,)}, {"revoked": (1,)}, {"min_epoch": 1}])
def test_with_its_keys_parent(garage: Garage, listed: dict[str, object]) -> None:
    garage.enrol("owner")
    key = leaves(garage, "friend")
    garage.bring(1, **listed)
    assert refused(garage, key, "friend")


@pytest.mark.parametrize("listed", [{"suspended": (2,)}, {"revoked": (2,)}])
def test_with_its_key_at_once_and_for_good(garage: Garage, listed: dict[str, object]) -> None:
    garage.enrol("owner")
    key = leaves(garage, "friend")
    garage.bring(1, **listed)
    assert refused(garage, key, "friend")
    garage.bring(2)
    assert refused(garage, key, "friend"), "what was suspended once takes the full handshake again"
    assert garage.tries("friend") is Outcome.DONE


def test_a_list_of_others_leaves_it_alone(garage: Garage) -> None:
    garage.enrol("owner")
    key = leaves(garage, "friend")
    garage.bring(1, revoked=(3,))
    assert not refused(garage, key, "friend")


def test_an_open_quick_session_ends_with_its_key(garage: Garage) -> None:
    garage.enrol("owner")
    visit = garage.visit("friend")
    visit.hurry(leaves(garage, "friend"), Action.UNLOCK)
    garage.bring(1, revoked=(2,))
    visit.carry()
    assert isinstance(visit.heard[-1], Ended)
    assert visit.session.state is State.CLOSED


def test_after_a_hundred_uses(garage: Garage) -> None:
    key = leaves(garage)
    for _ in range(MAX_USES):
        assert not refused(garage, key)
    assert refused(garage, key)


def test_what_is_refused_is_no_use(garage: Garage) -> None:
    key = leaves(garage)
    stranger = FastKey(key.key_id, b"S" * 32, key.identifier)
    for _ in range(MAX_USES + 1):
        assert refused(garage, stranger)
    assert not refused(garage, key)


def test_after_seven_days(garage: Garage) -> None:
    key = leaves(garage, expires_at=LONG)
    garage.monotonic += MAX_SECONDS - 0.001
    assert not refused(garage, key)
    garage.monotonic += 0.001
    assert refused(garage, key)


def test_with_the_token(garage: Garage) -> None:
    key = leaves(garage)
    garage.monotonic += LIFETIME - 60
    assert refused(garage, key), "whatever the clock says"


def test_the_token_is_held_against_the_issuers_time_as_well(garage: Garage) -> None:
    key = leaves(garage)
    garage.trust(time=ISSUED_AT + LIFETIME)
    visit = garage.visit()
    assert visit.hurry(key, Action.UNLOCK).outcome is Outcome.KEY_EXPIRED
    assert garage.brain.body.locked is True
    assert visit.session.state is State.CLOSED
    assert refused(garage, key)


def test_with_a_reboot(garage: Garage) -> None:
    key = leaves(garage)
    garage.reboot()
    assert refused(garage, key)


def test_the_old_one_lives_until_the_new_one_is_used(garage: Garage) -> None:
    """The device may never have seen the RESULT that would have given it the new one."""
    old = leaves(garage)
    new = leaves(garage)
    assert not refused(garage, old)
    assert not refused(garage, new)
    assert refused(garage, old)
    assert not refused(garage, new)


def test_no_more_than_two_of_one_key(garage: Garage) -> None:
    first, second, third = (leaves(garage) for _ in range(3))
    assert refused(garage, first)
    assert not refused(garage, second)
    assert not refused(garage, third)


def test_no_more_than_64_in_all(garage: Garage) -> None:
    ring = FastKeyring(lambda: 0.0)
    claims = garage.claims("owner")
    keys = [FastKey(f"key_{n:016x}", bytes(32), n.to_bytes(32, "big")) for n in range(MAX_KEYS + 6)]
    for key in keys:
        ring.add(key, claims, ISSUED_AT)
    assert MAX_KEYS == 64
    assert ring.alive(lambda _: True) == keys[6:]


# -- one key, one place --------------------------------------------------------------------------------------------


def test_a_quick_session_ends_the_keys_other_sessions(garage: Garage) -> None:
    key = leaves(garage)
    before = garage.visit()
    before.prove()
    now = garage.visit()
    now.hurry(key, Action.UNLOCK)
    before.carry()
    assert before.session.state is State.CLOSED


def test_a_fast_held_back_is_refused_once_the_key_was_elsewhere(garage: Garage) -> None:
    """Else it could be delivered after the device has learnt that it was never executed."""
    key = leaves(garage)
    held = garage.visit()
    garage.monotonic += 1
    garage.visit().prove()
    with pytest.raises(LookupError):
        held.hurry(key, Action.UNLOCK)
    assert held.session.state is State.CLOSED
    assert garage.brain.body.locked is True


def test_it_falls_back_on_the_same_link(garage: Garage) -> None:
    key = leaves(garage)
    garage.reboot()
    visit = garage.visit()
    with pytest.raises(LookupError):
        visit.hurry(key, Action.UNLOCK, number=5)
    visit.session.request_hello()
    visit.carry()
    assert visit.prove(Action.UNLOCK, number=5).outcome is Outcome.DONE
    assert [receipt.number for receipt in garage.receipts()] == [5]
