"""The chain: the car lets a shared key in on the word of the devices above it, and never on the issuer's alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from keygw.crypto.signer import thumbprint
from keygw.model.command import Action, Outcome
from keygw.model.digital_key import Role
from keygw.model.entitlement import PROFILES, Entitlement
from keygw.session.events import Answered, Ended, ListAcknowledged, Read, Responded
from keygw.session.states import State
from keygw.token.claims import KeyClaims
from keygw.wire.messages import Chain, ErrorCode, MessageType
from keygw_sim.garage import Garage
from keygw_sim.rehearsal import ISSUED_AT, LIFETIME, Visit
from keygw_sim.vehicle import chain as chain_module

DAY = 86_400
SHARING = PROFILES["access"] | Entitlement.KEY_SHARE


@pytest.fixture
def garage(tmp_path: Path) -> Garage:
    return Garage(tmp_path)


def asked(garage: Garage, who: str = "friend", **options: Any) -> Visit:
    """A visit that the car has asked for the chain."""
    visit = garage.visit(who, **options)
    visit.cures = False
    assert visit.prove(Action.UNLOCK).outcome is Outcome.CHAIN_REQUIRED
    return visit


def answers(visit: Visit) -> list[Outcome]:
    return [event.result.outcome for event in visit.heard if isinstance(event, Answered)]


# -- meeting ---------------------------------------------------------------------------------------------------------


def test_a_friend_is_let_in_by_a_car_that_has_never_met_the_owners_key(garage: Garage) -> None:
    """Asked once, for both links; the parents' keys are then known to the car as well."""
    visit = garage.visit("grandchild")
    assert visit.prove(Action.UNLOCK).outcome is Outcome.DONE
    assert answers(visit) == [Outcome.CHAIN_REQUIRED, Outcome.DONE]
    assert garage.brain.body.locked is False
    stored = garage.stored()
    assert set(stored.keys) == {garage.key(who) for who in ("owner", "friend", "grandchild")}
    assert set(stored.grants) == {garage.key("friend"), garage.key("grandchild")}
    assert [receipt.outcome for receipt in garage.receipts()] == [Outcome.DONE], "asking for more refuses nothing"


def test_until_the_chain_has_come_the_key_can_do_nothing(garage: Garage) -> None:
    visit = asked(garage, subscribe=True)
    assert (visit.session.waiting, visit.session.talking, visit.session.fast_key) == (True, False, None)
    visit.command(Action.UNLOCK, 2)
    assert visit.last(Responded).response.outcome is Outcome.CHAIN_REQUIRED
    assert visit.last(Responded).response.receipt == 0
    assert not [event for event in visit.heard if isinstance(event, Read)]
    assert garage.brain.body.locked is True
    assert garage.stored().keys == {}
    assert visit.bring_chain().outcome is Outcome.DONE
    assert visit.last(Read).readings
    visit.command(Action.UNLOCK, 2)
    assert visit.last(Responded).response.outcome is Outcome.DONE


def test_the_chain_is_remembered_across_sessions_and_reboots(garage: Garage) -> None:
    garage.enrol("friend")
    for _ in range(2):
        visit = garage.visit("friend", chain=())
        assert visit.prove(Action.LOCK).outcome.ok
        visit.leave()
        garage.reboot()
        garage.trust()


def test_a_renewed_token_within_the_grant_needs_no_new_chain(garage: Garage) -> None:
    """The grant was given for a month, the token for an hour: its renewals are the issuer's to make."""
    owner = garage.claims("owner", expires_at=ISSUED_AT + 60 * DAY)
    friend = garage.claims("friend")
    link = garage.office.link(owner, garage.signers["owner"], friend, expires_at=ISSUED_AT + 30 * DAY)
    assert garage.visit("friend", chain=(link,)).prove().outcome is Outcome.DONE
    later = ISSUED_AT + 20 * DAY
    garage.time = later + 60
    visit = garage.visit("owner", expires_at=ISSUED_AT + 60 * DAY)
    garage.bring_time(visit, visit.prove())
    visit.leave()
    renewed: dict[str, Any] = {"issued_at": later, "not_before": ISSUED_AT, "expires_at": later + 3 * DAY}
    assert garage.tries("owner", expires_at=ISSUED_AT + 60 * DAY) is Outcome.DONE, "and what has ended makes room"
    assert garage.tries("friend", Action.LOCK, chain=(), **renewed) is Outcome.DONE
    assert garage.tries("friend", chain=(), **{**renewed, "max_depth": 1}) is Outcome.DONE, "less is within it too"
    for changes in (
        {"expires_at": ISSUED_AT + 30 * DAY + 1},
        {"entitlements": SHARING | Entitlement.TRUNK_OPEN},
        {"not_before": ISSUED_AT - 1},
        {"depth": 2},
        {"parent_id": "key_" + "b" * 16},
    ):
        assert garage.tries("friend", chain=(), **{**renewed, **changes}) is Outcome.CHAIN_REQUIRED, changes
    garage.time = ISSUED_AT + 30 * DAY
    renewed["expires_at"] = int(garage.time) + 60
    assert garage.tries("friend", chain=(), **renewed) is Outcome.CHAIN_REQUIRED


def test_a_grant_that_outlives_the_parent_does_not_let_a_token_do_so(garage: Garage) -> None:
    friend = garage.claims("friend")
    link = garage.office.link(garage.claims("owner"), garage.signers["owner"], friend, expires_at=ISSUED_AT + 30 * DAY)
    assert garage.visit("friend", chain=(link,)).prove().outcome is Outcome.DONE
    longer = ISSUED_AT + LIFETIME + 1
    assert garage.tries("friend", chain=(), expires_at=longer) is Outcome.CHAIN_REQUIRED
    assert garage.tries("owner", expires_at=longer, issued_at=ISSUED_AT + 1) is Outcome.DONE
    assert garage.tries("friend", chain=(), expires_at=longer).ok, "its parent was renewed meanwhile"


def test_a_parent_that_may_share_no_more_has_no_children(garage: Garage) -> None:
    garage.enrol("friend")
    garage.visit("owner", issued_at=ISSUED_AT + 10, entitlements=PROFILES["driver"]).prove()
    assert garage.tries("friend", chain=()) is Outcome.CHAIN_REQUIRED
    assert garage.tries("friend") is Outcome.CHAIN_REFUSED
    garage.shown["owner"] = garage.claims("owner")
    before = garage.stored()
    visit = asked(garage)
    assert visit.bring_chain().outcome is Outcome.CHAIN_REFUSED, "the older token of the parent does not help"
    assert visit.session.state is State.CLOSED
    assert (garage.stored().keys, garage.stored().grants) == (before.keys, before.grants)


def test_a_grandchild_is_renewed_behind_its_parent(garage: Garage) -> None:
    """A renewed token that ends after the parent's last known one needs the parent's renewed one, and that is all."""
    garage.enrol("grandchild")
    longer = ISSUED_AT + LIFETIME + 60
    friend = garage.claims("friend", expires_at=longer, issued_at=ISSUED_AT + 30)
    new = garage.claims("grandchild", expires_at=longer, issued_at=ISSUED_AT + 30)
    links = garage.chain(new)
    assert garage.tries("grandchild", chain=links, expires_at=longer) is Outcome.CHAIN_REFUSED, "the old parent's end"
    near = garage.office.link(friend, garage.signers["friend"], new)
    garage.shown["owner"] = garage.claims("owner", expires_at=longer + DAY)
    far = garage.chain(friend)[0]
    assert garage.tries("grandchild", chain=(near, far), expires_at=longer) is Outcome.DONE


# -- ending ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", [1, 2])
@pytest.mark.parametrize("how", ["revoked", "suspended"])
def test_a_parent_ended_before_the_chain_came_ends_it(garage: Garage, index: int, how: str) -> None:
    garage.bring(1, **{how: (index,)})
    visit = asked(garage, "grandchild")
    assert visit.bring_chain().outcome is Outcome.PARENT_ENDED
    assert visit.session.state is State.CLOSED
    assert garage.key("grandchild") not in garage.stored().keys
    assert garage.stored().grants == {}


def test_no_chain_leads_to_an_owner_of_an_epoch_that_has_ended(garage: Garage) -> None:
    """The car has forgotten its owners with their epoch: whatever token they would get, they must be met anew."""
    garage.enrol("friend")
    garage.bring(1, min_epoch=1)
    renewed: dict[str, Any] = {"epoch": 1, "issued_at": ISSUED_AT + 2}
    garage.shown["owner"] = garage.claims("owner", **renewed)
    assert garage.tries("friend", **renewed) is Outcome.CHAIN_REFUSED


def test_a_parent_that_was_overtaken_is_cured_by_its_renewed_token(garage: Garage) -> None:
    """The watermark ends all old tokens; the owner's renewed one comes with its friend, before the owner does."""
    listed = {"issued_before": ISSUED_AT + 1}
    garage.enrol("friend")
    garage.bring(1, **listed)
    renewed: dict[str, Any] = {"epoch": 1, "issued_at": ISSUED_AT + 2}
    assert garage.tries("friend", chain=(), **renewed) is Outcome.CHAIN_REQUIRED
    assert garage.tries("friend", **renewed) is Outcome.CHAIN_REFUSED, "the chain holds the old one"
    garage.shown["owner"] = garage.claims("owner", **renewed)
    assert garage.tries("friend", **renewed) is Outcome.DONE
    owner = garage.visit("owner", **renewed)
    owner.prove()
    garage.push(owner, garage.office.sign_list(garage.vehicle, 2, revoked=(1,), **listed))
    assert garage.tries("friend", **renewed) is Outcome.PARENT_ENDED


def test_a_revoked_key_stays_revoked_whatever_chain_it_brings(garage: Garage) -> None:
    garage.enrol("friend")
    garage.bring(1, revoked=(2,))
    assert garage.tries("friend") is Outcome.KEY_REVOKED
    assert garage.tries("grandchild") is Outcome.PARENT_ENDED


def test_a_suspended_key_that_is_resumed_is_then_asked_for_its_chain(garage: Garage) -> None:
    """One verdict turns into another: the device that waits hears of it."""
    garage.bring(1, suspended=(2,))
    visit = garage.visit("friend")
    assert visit.prove().outcome is Outcome.KEY_SUSPENDED
    garage.push(visit, garage.office.sign_list(garage.vehicle, 2))
    assert visit.last(ListAcknowledged).signed
    assert answers(visit) == [Outcome.KEY_SUSPENDED, Outcome.CHAIN_REQUIRED]
    assert visit.bring_chain().outcome is Outcome.DONE


def test_an_owner_who_is_no_longer_one_takes_all_that_was_shared_along(garage: Garage) -> None:
    garage.enrol("grandchild")
    garage.brain.memory.owners.clear()
    assert garage.tries("grandchild") is Outcome.CHAIN_REFUSED


# -- attacks: the issuer's key in the wrong hands --------------------------------------------------------------------

Forge = Callable[[Garage, KeyClaims], Chain]


def _nothing(garage: Garage, claims: KeyClaims) -> Chain:
    return ()


def _by(signer: str, **changes: Any) -> Forge:
    def forge(garage: Garage, claims: KeyClaims) -> Chain:
        return (garage.office.link(garage.claims("owner"), garage.signers[signer], claims, **changes),)

    return forge


def _by_the_issuer(garage: Garage, claims: KeyClaims) -> Chain:
    return (garage.office.link(garage.claims("owner"), garage.office.signer, claims),)


def _by_a_parent_of_its_own(garage: Garage, claims: KeyClaims) -> Chain:
    """The issuer makes up an owner key for a device of its own, under the real owner key's id."""
    thief = replace(garage.claims("owner"), device_key=garage.signers["stranger"].public_key)
    return (garage.office.link(thief, garage.signers["stranger"], claims),)


def _by_an_owners_device_without_an_owner_key(garage: Garage, claims: KeyClaims) -> Chain:
    """The issuer signs the owner's device another kind of key, which nobody shared with it."""
    odd = replace(garage.claims("owner"), role=Role.FRIEND)
    return (garage.office.link(odd, garage.signers["owner"], claims),)


def _for_another_car(garage: Garage, claims: KeyClaims) -> Chain:
    other = "veh_" + "b" * 16
    return (garage.office.link(garage.claims("owner"), garage.signers["owner"], claims, vehicle_id=other),)


def _parent_of_another_car(garage: Garage, claims: KeyClaims) -> Chain:
    grant, _ = _by("owner")(garage, claims)[0]
    other = replace(garage.claims("owner"), vehicle_id="veh_" + "b" * 16)
    return ((grant, garage.office.hand(other).token),)


def _parent_of_another_key(garage: Garage, claims: KeyClaims) -> Chain:
    grant, _ = _by("owner")(garage, claims)[0]
    other = replace(garage.claims("owner"), vehicle_thumbprint=bytes(16))
    return ((grant, garage.office.hand(other).token),)


def _granted(**bounds: Any) -> Forge:
    """What the owner really granted was less than the token says."""
    return _by("owner", **bounds)


def _for_somebody_else(garage: Garage, claims: KeyClaims) -> Chain:
    """A true grant, by the owner's device, for another device: stolen from its chain."""
    return garage.chain(garage.claims("friend", device_key=garage.signers["grandchild"].public_key))


def _spliced(garage: Garage, claims: KeyClaims) -> Chain:
    """The grandchild's link to the friend under the friend's own token: true parts, the wrong chain."""
    return garage.chain(garage.claims("grandchild"))[:1]


def _too_long(garage: Garage, claims: KeyClaims) -> Chain:
    return garage.chain(claims) * 2


FORGERIES: dict[str, tuple[Forge, dict[str, Any], str]] = {
    "signed by the friend itself": (_by("friend"), {}, "token_signature"),
    "signed by a stranger": (_by("stranger"), {}, "token_signature"),
    "signed by the issuer": (_by_the_issuer, {}, "token_signature"),
    "an owner key made up for it": (_by_a_parent_of_its_own, {}, "grant_foreign"),
    "a parent that is no owner's key": (_by_an_owners_device_without_an_owner_key, {}, "grant_foreign"),
    "a grant for another car": (_for_another_car, {}, "wrong_audience"),
    "a parent of another car": (_parent_of_another_car, {}, "wrong_audience"),
    "a parent of another vehicle key": (_parent_of_another_key, {}, "wrong_audience"),
    "a grant of another parent": (_by("owner", parent_id="key_" + "b" * 16), {}, "grant_foreign"),
    "a grant for another device": (_for_somebody_else, {}, "grant_foreign"),
    "more rights than granted": (_granted(entitlements=Entitlement.DOOR_LOCK), {}, "grant_wider"),
    "more rights than the owner holds": (_by("owner"), {"entitlements": Entitlement(1 << 20)}, "grant_wider"),
    "longer than granted": (_granted(expires_at=ISSUED_AT + LIFETIME - 1), {}, "grant_outlived"),
    "longer than the owner's key": (_by("owner"), {"expires_at": ISSUED_AT + LIFETIME + 1}, "grant_outlived"),
    "earlier than granted": (_granted(not_before=ISSUED_AT + 1), {}, "grant_outlived"),
    "granted before there was an owner": (_granted(issued_at=ISSUED_AT - 10_000), {}, "grant_outlived"),
    "shared deeper than granted": (_granted(max_depth=1), {}, "grant_depth"),
    "deeper than it is": (_granted(depth=2), {}, "grant_depth"),
    "spliced": (_spliced, {}, "grant_foreign"),
    "too long a chain": (_too_long, {}, "grant_depth"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_an_issuer_alone_cannot_make_a_friend_key_that_opens_the_car(garage: Garage, name: str) -> None:
    """Every token here is signed by the real issuer; only an owner's device has not agreed."""
    forge, changes, code = FORGERIES[name]
    garage.enrol("owner")
    before = garage.stored()
    visit = asked(garage, chain=forge(garage, garage.claims("friend", **changes)), **changes)
    assert visit.bring_chain().outcome is Outcome.CHAIN_REFUSED
    assert visit.session.state is State.CLOSED
    assert garage.brain.finished == [visit.conn]
    assert garage.brain.body.locked is True
    after = garage.stored()
    assert (after.keys, after.grants, after.receipts) == (before.keys, before.grants, before.receipts)
    assert [said["code"] for what, said in garage.log if what == "chain_refused"] == [code]


def test_without_a_grant_an_issuers_token_opens_nothing_at_all(garage: Garage) -> None:
    garage.enrol("owner")
    tokens: list[dict[str, Any]] = [{}, {"depth": 2, "parent_id": garage.key("owner")}, {"role": Role.SERVICE}]
    for claims in tokens:
        assert garage.tries("friend", chain=(), **claims) is Outcome.CHAIN_REQUIRED
    assert garage.brain.body.locked is True


@pytest.mark.parametrize("role", [Role.FRIEND, Role.SERVICE])
def test_every_role_below_an_owners_takes_a_grant(garage: Garage, role: Role) -> None:
    assert garage.tries("friend", role=role) is Outcome.DONE


def test_a_friend_without_the_share_right_gives_nothing_on(garage: Garage) -> None:
    garage.visit("friend", entitlements=PROFILES["access"]).prove()
    assert garage.tries("grandchild") is Outcome.CHAIN_REFUSED


def test_the_share_right_in_the_token_but_not_in_the_grant_is_no_share_right(garage: Garage) -> None:
    """The friend and the issuer together: a token with key.share, over a grant without it."""
    friend = garage.claims("friend", entitlements=SHARING)
    far = garage.office.link(garage.claims("owner"), garage.signers["owner"], friend, entitlements=PROFILES["access"])
    near = garage.office.link(friend, garage.signers["friend"], garage.claims("grandchild"))
    assert garage.tries("grandchild", chain=(near, far)) is Outcome.CHAIN_REFUSED


def test_no_chain_is_three_deep(garage: Garage) -> None:
    """The claims themselves know no depth 3; a third link is not even read."""
    with pytest.raises(ValueError, match="depth"):
        garage.claims("grandchild", depth=3)
    with pytest.raises(ValueError, match="links"):
        garage.visit("grandchild", chain=garage.chain(garage.claims("grandchild")) * 2).session.bring_chain()


def test_a_key_that_is_given_to_another_device_does_not_keep_its_grant(garage: Garage) -> None:
    """The issuer signs the friend's key id over to a device of its own."""
    garage.enrol("friend")
    garage.signers["friend"] = garage.signers["stranger"]
    stolen = garage.claims("friend", key_id=next(iter(garage.stored().grants)), issued_at=ISSUED_AT + 10)
    visit = garage.visit("friend", key_id=stolen.key_id, issued_at=ISSUED_AT + 10, chain=())
    assert visit.prove(Action.UNLOCK).outcome is Outcome.CHAIN_REQUIRED


def test_a_parent_that_is_given_to_another_device_takes_its_children_along(garage: Garage) -> None:
    """Both are owners' devices; the key id moves from one to the other, and what the first signed is void."""
    garage.enrol("friend")
    garage.brain.memory.owners.append(thumbprint(garage.signers["stranger"].public_key))
    moved: dict[str, Any] = {"key_id": garage.key("owner"), "issued_at": ISSUED_AT + 10}
    assert garage.visit("stranger", **moved).prove().outcome is Outcome.DONE
    assert garage.tries("friend", chain=()) is Outcome.CHAIN_REQUIRED


def test_an_older_parent_token_does_not_widen_a_parent_again(garage: Garage) -> None:
    """The friend brings the owner's token from before it was narrowed."""
    garage.visit("owner", issued_at=ISSUED_AT + 10, entitlements=SHARING).prove()
    wide: dict[str, Any] = {"entitlements": SHARING | Entitlement.TRUNK_OPEN}
    old = garage.office.link(garage.claims("owner"), garage.signers["owner"], garage.claims("friend", **wide))
    assert garage.tries("friend", Action.OPEN_TRUNK, chain=(old,), **wide) is Outcome.NOT_ENTITLED


# -- breaches and bounds ---------------------------------------------------------------------------------------------


def test_a_chain_that_nobody_asked_for_is_a_breach(garage: Garage) -> None:
    for cured in (True, False):
        visit = garage.visit("friend")
        if not cured:
            garage.bring(1, suspended=(2,))
        visit.prove()
        visit.session.bring_chain()
        visit.carry()
        assert visit.last(Ended).code is ErrorCode.REFUSED
        assert visit.session.state is State.CLOSED


def test_a_malformed_chain_is_a_breach(garage: Garage) -> None:
    for body in (b"", b"\x80", b"\x81\x80", b"\x81\x82\x40\x59\x04\x01" + bytes(1025), b"\x83" + b"\x82\x40\x40" * 3):
        visit = asked(garage)
        visit.session._send_sealed(MessageType.CRED_PUT, body)
        visit.carry()
        assert visit.last(Ended).code is ErrorCode.REFUSED


def test_flash_that_cannot_be_written_lets_nobody_in(garage: Garage, monkeypatch: pytest.MonkeyPatch) -> None:
    visit = asked(garage)

    def full(self: object, memory: object) -> None:
        raise OSError(28, "no space left")

    monkeypatch.setattr("keygw_sim.vehicle.flash.Flash.save", full)
    visit.session.bring_chain()
    visit.carry()
    assert visit.session.state is State.CLOSED
    assert garage.brain.memory.grants == {}
    monkeypatch.undo()
    assert garage.tries("friend") is Outcome.DONE


def test_the_car_keeps_a_bounded_number_of_grants(garage: Garage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that ends first makes room, never one of the chain that is just let in; it is asked for again."""
    monkeypatch.setattr(chain_module, "MAX_GRANTS", 2)
    assert garage.tries("friend", expires_at=ISSUED_AT + LIFETIME - 10) is Outcome.DONE
    others: dict[str, Any] = {"role": Role.FRIEND, "depth": 1, "parent_id": garage.key("owner"), "index": 9}
    assert garage.tries("stranger", **others).ok
    garage.shown.pop("friend")
    assert garage.tries("grandchild").ok
    assert set(garage.stored().grants) == {garage.key("friend"), garage.key("grandchild")}
    assert garage.tries("stranger", chain=(), **others) is Outcome.CHAIN_REQUIRED
    assert garage.tries("stranger", **others).ok
    assert len(garage.stored().grants) == 2
    assert garage.key("stranger") in garage.stored().grants


def test_a_car_from_before_grants_asks_for_them(garage: Garage) -> None:
    """Its flash knows the parents without their device keys, and no grants."""
    garage.enrol("owner", "friend")
    old = garage.stored().to_json()
    del old["grants"]
    old["keys"] = {key_id: entry[:8] for key_id, entry in old["keys"].items()}
    garage.brain = garage._start(type(garage.stored()).from_json(old))
    garage.trust()
    assert garage.tries("friend", chain=()) is Outcome.CHAIN_REQUIRED
    assert garage.tries("friend") is Outcome.DONE
