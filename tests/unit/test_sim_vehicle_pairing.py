"""The car's side of pairing, on a real ``Brain`` and its flash: every rule, and every thief that it is there for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keygw.crypto.signer import LocalSigner, thumbprint
from keygw.model.base64url import encode_base64url
from keygw.model.command import Action, Outcome
from keygw.model.digital_key import Role
from keygw.model.errors import Conflict, ProtocolError
from keygw.model.signal import SignalId
from keygw.model.vehicle import Vehicle
from keygw.session.events import (
    Ended,
    OwnerTokenAnswered,
    PairingOffered,
    Read,
    Responded,
    SignatureNeeded,
    Ticketed,
)
from keygw.token.ticket import verify_ticket
from keygw.wire.messages import Chain
from keygw_sim.chance import chance, new_signer
from keygw_sim.pairing_rehearsal import PairingVisit
from keygw_sim.rehearsal import ISSUED_AT, Office, Visit
from keygw_sim.vehicle.brain import Brain
from keygw_sim.vehicle.flash import Flash, Issuer, Memory
from keygw_sim.vehicle.pairing import ALLOWED_SECONDS, CODE_SECONDS, MOST_TRIES
from keygw_sim.vehicle.runner import new_vehicle


class Yard:
    """A car that trusts an issuer and has no owner yet, as it leaves the factory. Both clocks stand still."""

    def __init__(self, folder: Path) -> None:
        self.random = chance("yard", "all")
        self.time = float(ISSUED_AT + 60)
        self.office = Office(self.random)
        self.folder = folder
        self.log: list[tuple[str, dict[str, object]]] = []
        self.owner = new_signer(self.random)
        self.thief = new_signer(self.random)
        memory = new_vehicle("Car", self.random)
        memory.issuers.append(Issuer(self.office.key.issuer, self.office.kid, self.office.key.public_key))
        self.vehicle = Vehicle(memory.vehicle_id, "Car", memory.signer.public_key, memory.advertising_key)
        self._conn = 0
        self.brain = self._start(memory)

    def _start(self, memory: Memory) -> Brain:
        return Brain(
            memory, Flash(self.folder), self.random, lambda: self.time,
            lambda what, data: self.log.append((what, data)),
        )  # fmt: skip

    def reboot(self) -> None:
        """Power off and on: all that is left is what was on the flash."""
        self.brain = self._start(self.stored())

    def stored(self) -> Memory:
        memory = Flash(self.folder).load()
        assert memory is not None
        return memory

    def show(self) -> str:
        """Somebody in the car presses the button; the code that appears."""
        assert self.brain.open_pairing() == CODE_SECONDS
        return str(next(data["code"] for what, data in reversed(self.log) if what == "pairing_code"))

    def token(self, signer: LocalSigner, **changes: object) -> bytes:
        return self.office.hand(self.office.claims(self.vehicle, signer.public_key, **changes)).token

    def meet(self, code: str, signer: LocalSigner, token: bytes | None = b"") -> PairingVisit:
        """A device that has linked. ``token``: what it brings, ``None`` to stop with the ticket, empty for its own."""
        self._conn += 1
        bring = None if token is None else (lambda _: token or self.token(signer))
        return PairingVisit(
            self.brain, code, signer, self.random, lambda: self.time, token=bring, conn=self._conn
        )  # fmt: skip

    def pair(self, code: str, signer: LocalSigner, token: bytes | None = b"") -> PairingVisit:
        visit = self.meet(code, signer, token).ask()
        visit.leave()
        return visit

    def guess_wrong(self, code: str) -> None:
        """A try with a code that is off by one."""
        with pytest.raises(ProtocolError) as refused:
            self.pair(f"{(int(code) + 1) % 10**8:08d}", self.thief)
        assert refused.value.code == "pairing_code_wrong"

    def refused(self, code: str, signer: LocalSigner | None = None) -> None:
        """Not even a salt is given."""
        visit = self.pair(code, signer or self.owner)
        assert not [event for event in visit.heard if isinstance(event, PairingOffered)]
        assert isinstance(visit.heard[-1], Ended)

    def trust(self) -> None:
        """The owner brings a time proof: without one the car lets nobody make another owner."""
        visit = self.drive(self.owner)
        nonce = visit.prove().time_nonce
        visit.prove_time(self.office.prove_time(self.vehicle, nonce, self.time))
        visit.leave()

    def drive(
        self, signer: LocalSigner, *, subscribe: bool = False, parent: LocalSigner | None = None, **changes: object
    ) -> Visit:
        """A visit with an owner's key, or with one that the owner of device ``parent`` has shared."""
        self._conn += 1
        chain: Chain = ()
        if parent is not None:
            owner = self.office.claims(self.vehicle, parent.public_key)
            shared = {"role": Role.FRIEND, "depth": 1, "parent_id": owner.key_id, "index": 2}
            claims = self.office.claims(self.vehicle, signer.public_key, **{**shared, **changes})
            chain = (self.office.link(owner, parent, claims),)
        else:
            claims = self.office.claims(self.vehicle, signer.public_key, **changes)
        hand = self.office.hand(claims, chain)
        return Visit(
            self.brain, hand, signer, self.random, lambda: self.time, conn=self._conn, subscribe=subscribe
        )  # fmt: skip


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path / "flash")


def test_pairing_makes_an_owner_whose_key_opens(yard: Yard) -> None:
    visit = yard.pair(yard.show(), yard.owner)
    assert visit.last(OwnerTokenAnswered).outcome is Outcome.DONE
    assert yard.stored().owners == [thumbprint(yard.owner.public_key)]
    yard.reboot()
    assert yard.drive(yard.owner).prove(Action.UNLOCK).outcome is Outcome.DONE
    ticket = verify_ticket(visit.last(Ticketed).credential.ticket, yard.vehicle.public_key)
    assert ticket.counter == yard.stored().pairing.counter == 1


def test_the_flash_holds_no_code(yard: Yard) -> None:
    code = yard.show()
    assert code not in (yard.folder / "vehicle.json").read_text()
    assert yard.stored().pairing.record != b""


def test_codes_have_eight_digits_and_differ(yard: Yard) -> None:
    codes = {yard.show() for _ in range(8)}
    assert len(codes) == 8
    assert all(len(code) == 8 and code.isdecimal() for code in codes)


# -- the code --------------------------------------------------------------------------------------------------------


def test_without_a_code_nobody_pairs(yard: Yard) -> None:
    yard.refused("00000000")
    assert yard.log[-1] == ("refused", {"code": "pairing_closed", "why": "no pairing code is shown"})


def test_a_code_serves_once(yard: Yard) -> None:
    code = yard.show()
    yard.pair(code, yard.owner, token=None)
    assert yard.stored().pairing.record == b""
    yard.refused(code, yard.thief)


def test_two_who_know_the_code_do_not_both_get_in(yard: Yard) -> None:
    """The second is past the proof already when the first enrols: the ticket is refused to it all the same."""
    code = yard.show()
    slow = yard.meet(code, yard.thief)
    waiting: list[SignatureNeeded] = []
    slow._act = lambda event: (  # type: ignore[method-assign]  # it takes its time to sign
        waiting.append(event) if isinstance(event, SignatureNeeded) else PairingVisit._act(slow, event)
    )
    slow.ask()
    assert yard.pair(code, yard.owner).last(OwnerTokenAnswered).outcome is Outcome.DONE
    slow.session.sign(yard.thief.sign(waiting[0].message))
    slow.carry()
    assert not [event for event in slow.heard if isinstance(event, Ticketed)]
    assert yard.stored().owners == [thumbprint(yard.owner.public_key)]


def test_a_code_lives_120_seconds(yard: Yard) -> None:
    code = yard.show()
    yard.time += CODE_SECONDS - 1
    assert isinstance(yard.meet(code, yard.owner, None).ask().heard[-1], Ticketed)
    code = yard.show()
    yard.time += CODE_SECONDS
    yard.refused(code)


def test_a_code_ends_with_the_power(yard: Yard) -> None:
    """Nobody could say how many of its seconds have passed."""
    code = yard.show()
    yard.reboot()
    assert yard.stored().pairing.record == b""
    yard.refused(code)


def test_the_code_of_an_older_opening_is_worth_nothing(yard: Yard) -> None:
    old = yard.show()
    yard.show()
    with pytest.raises(ProtocolError) as refused:
        yard.pair(old, yard.owner)
    assert refused.value.code == "pairing_code_wrong"


def test_five_wrong_tries_close_it_until_somebody_opens_it_again(yard: Yard) -> None:
    code = yard.show()
    for _ in range(MOST_TRIES):
        yard.guess_wrong(code)
    yard.refused(code)
    assert yard.pair(yard.show(), yard.owner).last(OwnerTokenAnswered).outcome is Outcome.DONE


def test_the_fifth_try_may_be_right(yard: Yard) -> None:
    code = yard.show()
    for _ in range(MOST_TRIES - 1):
        yard.guess_wrong(code)
    assert yard.pair(code, yard.owner).last(OwnerTokenAnswered).outcome is Outcome.DONE


def test_tries_are_counted_across_reboots(yard: Yard) -> None:
    """Cutting the power after a wrong guess buys not even a second one."""
    code = yard.show()
    yard.guess_wrong(code)
    yard.reboot()
    yard.refused(code)
    assert yard.stored().pairing.tries == 1


def test_a_try_is_on_flash_before_the_answer_leaves(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the try cannot be written down, there is no answer to learn from."""
    visit = yard.meet(yard.show(), yard.owner)

    def broken(*_: object) -> None:
        raise OSError("the flash is worn out")

    visit.session.ask(yard.time)
    monkeypatch.setattr(Flash, "save", broken)
    visit.carry()
    assert [type(event) for event in visit.heard[-2:]] == [PairingOffered, Ended]
    assert yard.log[-1][0] == "flash_failed"
    assert yard.brain.memory.pairing.tries == yard.stored().pairing.tries == 0


def test_a_worn_out_flash_makes_no_owner_and_stops_no_clock(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be written has not happened: no owner, and no end of the code, which is over all the same."""

    def broken(*_: object) -> None:
        raise OSError("the flash is worn out")

    code = yard.show()
    yard.pair(code, yard.owner, token=None)
    with monkeypatch.context() as worn:
        worn.setattr(Flash, "save", broken)
        with pytest.raises(LookupError):
            yard.drive(yard.owner).prove()
    assert yard.brain.memory.owners == yard.stored().owners == []
    code = yard.show()
    yard.time += CODE_SECONDS
    with monkeypatch.context() as worn:
        worn.setattr(Flash, "save", broken)
        yard.brain.tick()
        yard.refused(code)
    yard.brain.tick()
    assert yard.stored().pairing.record == b""


def test_guessing_at_several_connections_at_once_gains_nothing(yard: Yard) -> None:
    code = yard.show()
    visits = [yard.meet(f"{number:08d}", yard.thief) for number in range(MOST_TRIES + 3)]
    for visit in visits:
        visit.session.ask(yard.time)
    wrong = 0
    for visit in visits:
        try:
            visit.carry()
        except ProtocolError:
            wrong += 1
    assert wrong == MOST_TRIES
    yard.refused(code)


# -- thieves ---------------------------------------------------------------------------------------------------------


def test_a_thief_in_an_unlocked_car_cannot_open_pairing_mode(yard: Yard) -> None:
    yard.pair(yard.show(), yard.owner)
    with pytest.raises(Conflict) as refused:
        yard.brain.open_pairing()
    assert refused.value.code == "owner_exists"
    yard.reboot()
    with pytest.raises(Conflict):
        yard.brain.open_pairing()
    yard.refused("00000000", yard.thief)


def test_an_owner_allows_one_more_opening(yard: Yard) -> None:
    yard.pair(yard.show(), yard.owner)
    second = new_signer(yard.random)
    yard.trust()
    visit = yard.drive(yard.owner)
    assert visit.prove(Action.ALLOW_PAIRING).outcome is Outcome.DONE
    assert yard.pair(yard.show(), second).last(OwnerTokenAnswered).outcome is Outcome.DONE
    assert len(yard.stored().owners) == 2
    with pytest.raises(Conflict):
        yard.brain.open_pairing()


@pytest.mark.parametrize("how", ["time", "power"])
def test_an_owners_permission_ends(yard: Yard, how: str) -> None:
    yard.pair(yard.show(), yard.owner)
    yard.trust()
    assert yard.drive(yard.owner).prove(Action.ALLOW_PAIRING).outcome is Outcome.DONE
    if how == "time":
        yard.time += ALLOWED_SECONDS
    else:
        yard.reboot()
    with pytest.raises(Conflict):
        yard.brain.open_pairing()


def test_a_friend_with_every_entitlement_cannot_allow_it(yard: Yard) -> None:
    yard.pair(yard.show(), yard.owner)
    yard.trust()
    visit = yard.drive(yard.thief, parent=yard.owner)
    assert visit.prove(Action.UNLOCK).outcome is Outcome.DONE
    visit.command(Action.ALLOW_PAIRING, 2)
    assert visit.last(Responded).response.outcome is Outcome.NOT_ENTITLED
    with pytest.raises(Conflict):
        yard.brain.open_pairing()


def test_a_code_from_before_there_was_an_owner_lets_nobody_in_after(yard: Yard) -> None:
    """Opened while the car was nobody's; by the time the thief types it, the factory file has named an owner."""
    code = yard.show()
    yard.brain.memory.owners.append(thumbprint(yard.owner.public_key))
    visit = yard.pair(code, yard.thief)
    assert not [event for event in visit.heard if isinstance(event, Ticketed)]


def test_not_while_the_car_moves(yard: Yard) -> None:
    yard.brain.set_body({"speed": 3.0})
    with pytest.raises(Conflict) as refused:
        yard.brain.open_pairing()
    assert refused.value.code == "in_motion"


# -- the token -------------------------------------------------------------------------------------------------------


def test_a_token_for_another_key_than_the_ticketed_one_is_refused(yard: Yard) -> None:
    visit = yard.pair(yard.show(), yard.thief, token=yard.token(yard.owner))
    assert visit.last(OwnerTokenAnswered).outcome is Outcome.NOT_ENROLLED
    assert yard.stored().owners == []
    assert yard.drive(yard.owner).prove(Action.UNLOCK).outcome is Outcome.NOT_ENROLLED


def test_a_token_of_an_owner_of_before_does_not_pass_for_the_new_devices(yard: Yard) -> None:
    yard.pair(yard.show(), yard.owner)
    yard.trust()
    yard.drive(yard.owner).prove(Action.ALLOW_PAIRING)
    visit = yard.pair(yard.show(), yard.thief, token=yard.token(yard.owner))
    assert visit.last(OwnerTokenAnswered).outcome is Outcome.NOT_ENROLLED
    assert len(yard.stored().owners) == 1


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"expires_at": ISSUED_AT, "not_before": ISSUED_AT - 1}, Outcome.KEY_EXPIRED),
        ({"role": Role.FRIEND, "depth": 1, "parent_id": "key_mfrggzdfmztwq2lk"}, Outcome.NOT_ENROLLED),
    ],
)
def test_a_token_that_is_no_living_owner_token_is_refused(
    yard: Yard, changes: dict[str, object], outcome: Outcome
) -> None:
    visit = yard.pair(yard.show(), yard.owner, token=yard.token(yard.owner, **changes))
    assert visit.last(OwnerTokenAnswered).outcome is outcome
    assert yard.stored().owners == []


def test_a_token_that_no_trusted_issuer_signed_is_refused(yard: Yard) -> None:
    forged = Office(chance("forger", "office"))
    token = forged.hand(forged.claims(yard.vehicle, yard.owner.public_key)).token
    visit = yard.pair(yard.show(), yard.owner, token=token)
    assert isinstance(visit.heard[-1], Ended)
    assert yard.stored().owners == []


def test_a_lost_link_before_the_token_is_made_good_by_the_next_session(yard: Yard) -> None:
    """The ticket stands across a reboot; the owner token then comes as what it is, in a handshake."""
    yard.pair(yard.show(), yard.owner, token=None)
    yard.reboot()
    assert yard.drive(yard.thief).prove().outcome is Outcome.NOT_ENROLLED
    assert yard.drive(yard.owner).prove(Action.UNLOCK).outcome is Outcome.DONE
    assert yard.stored().owners == [thumbprint(yard.owner.public_key)]


def test_an_unused_ticket_ends_when_pairing_mode_is_opened_again(yard: Yard) -> None:
    yard.pair(yard.show(), yard.thief, token=None)
    yard.show()
    assert yard.drive(yard.thief).prove().outcome is Outcome.NOT_ENROLLED


# -- who hears of it -------------------------------------------------------------------------------------------------


def test_owners_are_told_and_friends_are_not(yard: Yard) -> None:
    yard.pair(yard.show(), yard.owner)
    yard.trust()
    owner = yard.drive(yard.owner, subscribe=True)
    owner.prove(Action.ALLOW_PAIRING)
    friend = yard.drive(new_signer(yard.random), subscribe=True, parent=yard.owner)
    assert friend.prove().outcome is Outcome.DONE
    code = yard.show()
    owner.carry()
    assert _told(owner)[-1] == (SignalId.PAIRING_OPEN, True)
    assert dict(_told(owner))[SignalId.OWNER_DEVICES] == 1
    yard.pair(code, new_signer(yard.random))
    owner.carry()
    friend.carry()
    assert _told(owner)[-2:] == [(SignalId.PAIRING_OPEN, False), (SignalId.OWNER_DEVICES, 2)]
    assert not {SignalId.PAIRING_OPEN, SignalId.OWNER_DEVICES} & {signal for signal, _ in _told(friend)}


def _told(visit: Visit) -> list[tuple[SignalId, object]]:
    return [(r.signal, r.value) for event in visit.heard if isinstance(event, Read) for r in event.readings]


# -- the factory -----------------------------------------------------------------------------------------------------


def named(office: Office) -> dict[str, str]:
    key = office.key
    return {"issuer": key.issuer, "kid": encode_base64url(key.kid), "public_key": encode_base64url(key.public_key)}


def test_the_factory_file_names_the_issuer_alone(yard: Yard) -> None:
    other = Office(chance("other", "office"), "https://other.example")
    issuer = {
        "issuer": other.key.issuer,
        "kid": encode_base64url(other.kid),
        "public_key": encode_base64url(other.key.public_key),
    }
    file = {"v": 1, "vehicle_id": yard.vehicle.id, "issuer": issuer}
    (yard.folder / "provisioning.json").write_text(json.dumps(file))
    yard.brain.connected(99)
    assert [known.kid for known in yard.stored().issuers] == [yard.office.kid, other.kid]
    assert yard.stored().owners == []


def test_a_paired_car_takes_no_owner_from_a_file(yard: Yard) -> None:
    yard.pair(yard.show(), yard.owner)
    thief = encode_base64url(thumbprint(yard.thief.public_key))
    file = {"v": 1, "vehicle_id": yard.vehicle.id, "issuer": named(yard.office), "owner_thumbprint": thief}
    (yard.folder / "provisioning.json").write_text(json.dumps(file))
    yard.brain.connected(99)
    assert yard.stored().owners == [thumbprint(yard.owner.public_key)]
