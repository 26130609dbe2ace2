"""The car itself refuses. What a gateway or a phone believes plays no part here: each case meets a real ``Brain``."""

from __future__ import annotations

from pathlib import Path

import pytest

from keygw.model.command import Action, Outcome
from keygw.model.digital_key import Role
from keygw.model.entitlement import PROFILES, Entitlement
from keygw.model.errors import ProtocolError
from keygw.model.signal import SignalId
from keygw.session.events import Answered, Ended, Read, Responded
from keygw.session.states import State
from keygw.token.receipt import verify_chain
from keygw.wire.messages import ErrorCode, Res, Result, TimeState
from keygw_sim.chance import chance
from keygw_sim.garage import Garage
from keygw_sim.rehearsal import ISSUED_AT, Office


@pytest.fixture
def garage(tmp_path: Path) -> Garage:
    return Garage(tmp_path / "flash")


# -- the straight road ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_frame", [20, 512])
def test_an_owner_unlocks_and_a_receipt_says_so(garage: Garage, max_frame: int) -> None:
    visit = garage.visit("owner", subscribe=True, max_frame=max_frame)
    result = visit.prove(Action.UNLOCK, number=77)
    assert result == Result(Outcome.DONE, 77, 1, 0, result.time_nonce, TimeState.TRUSTED)
    assert garage.brain.body.locked is False
    readings = visit.told()
    assert readings[SignalId.CENTRAL_LOCK] is False

    visit.command(Action.LOCK, 78)
    assert visit.last(Responded).response == Res(78, Outcome.DONE, 2)
    first, second = garage.receipts()
    assert (first.number, first.key_id, first.action, first.outcome) == (77, garage.key("owner"), Action.UNLOCK, 0)
    assert (first.before, first.after, second.before, second.after) == (True, False, False, True)
    assert first.session == visit.last(Answered).session_hash
    assert first.at == garage.time
    verify_chain([first, second])


def test_doing_it_again_is_already_in_state(garage: Garage) -> None:
    assert garage.tries("owner") is Outcome.DONE
    assert garage.tries("owner") is Outcome.ALREADY_IN_STATE


def test_a_friend_of_a_friend_may_what_all_three_may(garage: Garage) -> None:
    garage.enrol("owner", "friend")
    assert garage.tries("grandchild") is Outcome.DONE


# -- refusals ------------------------------------------------------------------------------------------------------


def test_not_entitled(garage: Garage) -> None:
    garage.enrol("owner")
    assert garage.tries("friend", Action.OPEN_TRUNK) is Outcome.NOT_ENTITLED
    assert garage.brain.body.trunk_open is False
    refused = garage.receipts()[-1]
    assert (refused.outcome, refused.before, refused.after) == (Outcome.NOT_ENTITLED, False, False)


def test_a_command_refused_does_not_end_the_session(garage: Garage) -> None:
    garage.enrol("owner")
    visit = garage.visit("friend")
    assert visit.prove(Action.OPEN_TRUNK).outcome is Outcome.NOT_ENTITLED
    visit.command(Action.UNLOCK, 9)
    assert visit.last(Responded).response.outcome is Outcome.DONE


@pytest.mark.parametrize("action", [Action(100), Action(200), Action(255)])
def test_an_unknown_action_is_refused_and_recorded(garage: Garage, action: Action) -> None:
    assert garage.tries("owner", action) is Outcome.UNKNOWN_ACTION
    assert garage.receipts()[-1].action == action


def test_an_action_that_no_receipt_could_name_is_a_breach_and_not_a_crash(garage: Garage) -> None:
    visit = garage.visit("owner")
    visit.prove()
    visit.command(Action(300), 1)
    assert visit.session.state is State.CLOSED
    assert visit.last(Ended).code is ErrorCode.REFUSED
    assert garage.tries("owner") is Outcome.DONE


REFUSALS: dict[str, tuple[str, dict[str, object], Outcome]] = {
    "expired": ("owner", {"expires_at": ISSUED_AT + 60}, Outcome.KEY_EXPIRED),
    "not yet valid": ("owner", {"not_before": ISSUED_AT + 61}, Outcome.KEY_NOT_YET_VALID),
    "owner not enrolled": ("stranger", {}, Outcome.NOT_ENROLLED),
    "a friend without a parent": ("friend", {"depth": 0, "parent_id": None}, Outcome.NOT_ENROLLED),
    "an unknown role": ("owner", {"role": Role(77)}, Outcome.NOT_ENROLLED),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_key_that_does_not_hold_is_refused_with_its_reason(garage: Garage, name: str) -> None:
    who, changes, outcome = REFUSALS[name]
    visit = garage.visit(who, **changes)  # type: ignore[arg-type]  # claims only
    assert visit.prove(Action.UNLOCK).outcome is outcome
    assert visit.session.state is State.CLOSED
    assert garage.brain.finished == [1]
    assert garage.brain.body.locked is True
    assert garage.key(who) not in garage.stored().keys


def test_revoked_and_suspended_and_resumed(garage: Garage) -> None:
    garage.enrol("owner", "friend")
    garage.bring(1, suspended=(2,))
    assert garage.tries("friend") is Outcome.KEY_SUSPENDED
    garage.bring(2)
    assert garage.tries("friend") is Outcome.DONE
    garage.bring(3, revoked=(2,))
    assert garage.tries("friend") is Outcome.KEY_REVOKED
    assert garage.tries("owner") is not Outcome.KEY_REVOKED


@pytest.mark.parametrize(
    ("changes", "owner"),
    [({"min_epoch": 1}, Outcome.NOT_ENROLLED), ({"issued_before": ISSUED_AT + 1}, Outcome.DONE)],
    ids=["epoch, whose owners are forgotten", "watermark, which leaves them enrolled"],
)
def test_epoch_and_watermark_revoke_everything_before_them(
    garage: Garage, changes: dict[str, object], owner: Outcome
) -> None:
    garage.enrol("owner", "friend")
    garage.bring(1, **changes)
    assert garage.tries("friend") is Outcome.KEY_REVOKED
    assert garage.tries("friend", epoch=1, issued_at=ISSUED_AT + 2) is Outcome.CHAIN_REFUSED, "with the old parent"
    assert garage.tries("owner", epoch=1, issued_at=ISSUED_AT + 2) is owner


@pytest.mark.parametrize("listed", [{"revoked": (1,)}, {"suspended": (1,)}])
def test_the_parents_end_is_the_childs(garage: Garage, listed: dict[str, object]) -> None:
    garage.enrol("owner", "friend", "grandchild")
    garage.bring(1, **listed)
    assert garage.tries("friend") is Outcome.PARENT_ENDED
    assert garage.tries("grandchild") is Outcome.PARENT_ENDED, "the owner is its ancestor as well"


def test_the_parents_expiry_is_the_childs(garage: Garage) -> None:
    visit = garage.visit("owner", expires_at=ISSUED_AT + 100)
    visit.prove()
    assert garage.tries("friend", expires_at=ISSUED_AT + 100) is Outcome.DONE
    garage.time = ISSUED_AT + 100
    assert garage.tries("friend", expires_at=ISSUED_AT + 100) is Outcome.KEY_EXPIRED


@pytest.mark.parametrize("changes", [{"depth": 0, "parent_id": None}, {"role": Role(200)}, {"role": Role(0)}])
def test_a_key_that_nobody_can_have_shared_is_refused_whatever_the_issuer_signed(
    garage: Garage, changes: dict[str, object]
) -> None:
    garage.enrol("owner")
    visit = garage.visit("friend", **changes)  # type: ignore[arg-type]  # claims only
    assert visit.prove().outcome is Outcome.NOT_ENROLLED


def test_an_older_token_does_not_widen_a_key_again(garage: Garage) -> None:
    garage.visit("owner", issued_at=ISSUED_AT + 10, entitlements=PROFILES["access"]).prove()
    garage.visit("owner").prove()
    assert garage.brain.memory.keys[garage.key("owner")].entitlements == int(PROFILES["access"])


def test_rights_are_cut_to_the_parents(garage: Garage) -> None:
    """Also those that were granted when the parent still had them."""
    wide = {"entitlements": PROFILES["owner"]}
    assert garage.tries("friend", Action.OPEN_TRUNK, **wide) is Outcome.DONE
    assert garage.tries("grandchild", Action.UNLOCK, **wide) is Outcome.DONE
    garage.brain.set_body({"locked": True})
    narrow = PROFILES["owner"] & ~Entitlement.TRUNK_OPEN
    garage.visit("owner", entitlements=narrow, issued_at=ISSUED_AT + 10).prove()
    assert garage.tries("friend", Action.OPEN_TRUNK, **wide) is Outcome.NOT_ENTITLED
    assert garage.tries("grandchild", Action.OPEN_TRUNK, **wide) is Outcome.NOT_ENTITLED
    assert garage.tries("grandchild", Action.UNLOCK, **wide) is Outcome.DONE


def test_unknown_entitlements_grant_nothing(garage: Garage) -> None:
    garage.visit("owner", entitlements=Entitlement(0xFFFFFFFF)).prove()
    assert garage.tries("friend", entitlements=Entitlement(0xFFFF0000)) is Outcome.NOT_ENTITLED


def test_every_command_is_held_against_the_clock(garage: Garage) -> None:
    garage.enrol("owner")
    visit = garage.visit("friend", expires_at=ISSUED_AT + 90)
    assert visit.prove(Action.UNLOCK).outcome is Outcome.DONE
    garage.time = ISSUED_AT + 90
    visit.command(Action.LOCK, 5)
    assert visit.last(Responded).response.outcome is Outcome.KEY_EXPIRED
    assert garage.brain.body.locked is False


@pytest.mark.parametrize("spoil", ["issuer", "vehicle id", "vehicle key", "device key"])
def test_a_token_that_does_not_verify_gets_no_reason_at_all(garage: Garage, spoil: str) -> None:
    if spoil == "issuer":
        garage.office = Office(chance("forger", "office"))
    if spoil == "device key":
        garage.signers["owner"], real = garage.signers["stranger"], garage.signers["owner"]
        changes: dict[str, object] = {"device_key": real.public_key}
    else:
        changes = {
            "vehicle id": {"vehicle_id": "veh_" + "b" * 16},
            "vehicle key": {"vehicle_thumbprint": bytes(16)},
        }.get(spoil, {})  # type: ignore[assignment]  # three shapes of one mapping
    visit = garage.visit("owner", **changes)  # type: ignore[arg-type]  # claims only
    with pytest.raises(LookupError):
        visit.prove(Action.UNLOCK)
    assert visit.last(Ended).code is ErrorCode.REFUSED
    assert garage.brain.body.locked is True
    assert garage.stored().receipt_sequence == 0


@pytest.mark.parametrize(
    ("body", "action", "outcome"),
    [
        ({"speed": 1.0}, Action.UNLOCK, Outcome.IN_MOTION),
        ({"speed": 1.0}, Action.FLASH_LIGHTS, Outcome.DONE),
        ({"locked": False, "driver_door_open": True}, Action.LOCK, Outcome.DOOR_OPEN),
        ({"locked": False, "passenger_door_open": True}, Action.LOCK, Outcome.DOOR_OPEN),
        ({"trunk_open": True}, Action.OPEN_TRUNK, Outcome.ALREADY_IN_STATE),
    ],
)
def test_physics(garage: Garage, body: dict[str, object], action: Action, outcome: Outcome) -> None:
    garage.brain.set_body(body)
    assert garage.tries("owner", action) is outcome


# -- telling -------------------------------------------------------------------------------------------------------


def test_only_who_may_read_the_status_is_told(garage: Garage) -> None:
    garage.enrol("owner")
    reader = garage.visit("friend", subscribe=True)
    reader.prove()
    blind = garage.visit("grandchild", subscribe=True, entitlements=Entitlement.DOOR_UNLOCK)
    blind.prove()
    silent = garage.visit("owner")
    silent.prove()
    garage.brain.set_body({"driver_door_open": True})
    for visit in (reader, blind, silent):
        visit.carry()
    assert reader.told()[SignalId.DOOR_ROW1_DRIVER_OPEN] is True
    assert not any(isinstance(event, Read) for event in (*blind.heard, *silent.heard))


def test_the_rotating_id_changes_with_every_connection_and_info_does_not(garage: Garage) -> None:
    ids = {garage.brain.rotating_id}
    visit = garage.visit()
    info = garage.brain.info(visit.conn)
    ids.add(garage.brain.rotating_id)
    garage.visit()
    ids.add(garage.brain.rotating_id)
    assert len(ids) == 3
    assert garage.brain.info(visit.conn) == info
    assert garage.brain.info(99) == b""


def test_frames_from_nowhere_and_rubbish_hurt_nobody(garage: Garage) -> None:
    owner = garage.visit()
    owner.prove()
    garage.brain.frame(99, b"\xc0\x10")
    garage.brain.connected(50)
    garage.brain.frame(50, b"\xc0\x7f\x01")
    garage.brain.connected(51)
    garage.brain.frame(51, b"rubbish")
    assert sorted(garage.brain.finished) == [50, 51]
    owner.command(Action.UNLOCK, 1)
    assert owner.last(Responded).response.outcome is Outcome.DONE
    with pytest.raises(ProtocolError):
        owner.session.sign(bytes(64))
