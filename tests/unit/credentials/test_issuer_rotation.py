"""Rotation of the issuer's key, on a real store and real key files: prepare, activate, retire, and what each leaves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.credentials.conftest import HOUR, START, World

from keygw.credentials.issuer_keys import TRANSITIONS, IssuerKeyEvent, IssuerKeyRecord, IssuerKeyState, Refused
from keygw.credentials.journal import Journal
from keygw.credentials.ports import CredentialTransaction
from keygw.credentials.rotation import Rotation, open_keyring
from keygw.credentials.service import CredentialService
from keygw.credentials.status_list import PAUSE
from keygw.credentials.values import Limits
from keygw.model.digital_key import DigitalKey, KeyState
from keygw.model.entitlement import PROFILES
from keygw.model.errors import BadInput, Conflict, KeygwError, NotFound, StoreError, TokenError
from keygw.model.revocation import RevocationList
from keygw.store.group import Row, Transaction
from keygw.store.signers import SignerPlaces
from keygw.store.store import Store, open_store
from keygw.token.cwt import decode_cwt
from keygw.token.envelope import KEY_TOKEN, REVOCATION_LIST, TIME_PROOF
from keygw.token.jwt import decode_jwt
from keygw.token.revocation import sign_list, verify_list
from keygw.token.status_list import check_status, verify_status_list

if TYPE_CHECKING:
    from keygw.credentials.issuer_keys import IssuerKeyring

DAY = 24 * HOUR
YEAR = 365 * DAY
OPERATOR = "operator:test"


class Office(World):
    """A world whose issuer has a key ring and key files."""

    keyring: IssuerKeyring
    rotation: Rotation
    status_lists = ""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.signers = SignerPlaces(store.directory, may_create=not store.issued_any)

    async def start(self) -> None:
        """As a process does that knows only what is stored."""
        self.keyring = await open_keyring(self.store.credentials, self.signers, lambda: self.now, self.status_lists)
        self.service = self.restarted()
        self.rotation = Rotation(
            self.store.credentials, self.signers, self.keyring, lambda: self.now,
            Journal(lambda name, data, _: self.events.append((name, data)), lambda: self.now),
        )  # fmt: skip

    def restarted(self, limits: Limits | None = None) -> CredentialService:
        return CredentialService(
            self.store.credentials, self.store.vault, getattr(self, "keyring", self.issuer), lambda: self.now,
            self.random, lambda name, data, _: self.events.append((name, data)), limits,
        )  # fmt: skip

    async def states(self) -> list[IssuerKeyState]:
        return [record.state for record in await self.rotation.keys()]

    async def rotate(self, overlap: int | None = None) -> IssuerKeyRecord:
        made = await self.rotation.prepare(actor=OPERATOR)
        return await self.rotation.activate(made.kid, overlap, actor=OPERATOR)

    async def signed(self, key: DigitalKey) -> bytes:
        """The kid under which the key's token is signed, in both forms."""
        token = await self.service.key_token(key.id)
        assert decode_jwt(token.jwt, self.keyring.trusted) == decode_cwt(token.cwt, self.keyring.trusted)
        return KEY_TOKEN.open(token.cwt).kid

    async def list_signed(self, vehicle_id: str) -> bytes:
        return REVOCATION_LIST.open((await self.service.current_list(vehicle_id)).signed).kid


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with await open_store(tmp_path / "data") as store:
        made = Office(store)
        await made.start()
        yield made


NEXT, CURRENT, RETIRING, RETIRED = IssuerKeyState


async def test_the_first_start_makes_the_key_that_names_the_issuer(office: Office) -> None:
    first = (await office.rotation.keys())[0]
    assert first.state is CURRENT
    assert first.signer == "file:issuer.pem"
    assert first.issuer == f"urn:keygw:{first.kid.hex()}"
    again = office.keyring.public_key
    await office.start()
    assert office.keyring.public_key == again == first.public_key
    assert await office.states() == [CURRENT]


async def test_a_gateway_from_before_rotation_keeps_its_key_and_its_name(office: Office) -> None:
    key = await office.owner(await office.car())
    before, name = await office.service.key_token(key.id), office.keyring.issuer
    await office.store.database.write(lambda tx: tx.fetch("DELETE FROM issuer_keys"))
    await office.start()
    assert await office.states() == [CURRENT]
    assert office.keyring.issuer == name
    assert decode_jwt(before.jwt, office.keyring.trusted).issuer == name


async def test_where_tokens_were_signed_before_no_first_key_is_made(office: Office) -> None:
    await office.owner(await office.car())
    await office.store.database.write(lambda tx: tx.fetch("DELETE FROM issuer_keys"))
    (office.store.directory / "issuer.pem").unlink()
    office.signers = SignerPlaces(office.store.directory, may_create=False)
    with pytest.raises(StoreError) as caught:
        await office.start()
    assert caught.value.code == "key_file_missing"
    assert not (office.store.directory / "issuer.pem").exists()


async def test_another_key_in_the_place_of_the_current_one_is_refused(office: Office) -> None:
    (office.store.directory / "issuer.pem").unlink()
    await office.signers.make(None, 1)
    with pytest.raises(StoreError) as caught:
        await office.start()
    assert caught.value.code == "issuer_key_lost"


async def test_a_prepared_key_is_announced_and_signs_nothing(office: Office) -> None:
    first = office.keyring.kid
    made = await office.rotation.prepare(actor=OPERATOR)
    assert await office.states() == [CURRENT, NEXT]
    assert made.signer == "file:issuer-2.pem"
    assert made.issuer == office.keyring.issuer
    assert made.kid != first
    key = await office.owner(await office.car())
    assert await office.signed(key) == first
    with pytest.raises(TokenError):
        office.keyring.trusted.find(made.kid)
    with pytest.raises(Conflict) as caught:
        await office.rotation.prepare(actor=OPERATOR)
    assert caught.value.code == "issuer_key_prepared"
    assert made.name in str(caught.value)


async def test_the_activated_key_signs_everything_and_the_old_one_still_counts(office: Office) -> None:
    car = await office.car()
    owner = await office.owner(car)
    friend = await office.friend(owner, lifetime=30 * DAY)
    await office.service.suspend((await office.friend(owner)).id)
    issuer, old = office.keyring.issuer, office.keyring.kid
    new = (await office.rotate()).kid
    assert await office.states() == [RETIRING, CURRENT]
    assert (await office.signed(owner), await office.signed(friend)) == (old, old)  # still good, and not due
    assert await office.signed(await office.friend(owner)) == new
    assert TIME_PROOF.open(await office.service.time_proof(car.id, b"12345678")).kid == new
    office.now += 50 * HOUR
    assert await office.signed(friend) == new  # due, and so renewed
    assert decode_jwt((await office.service.key_token(friend.id)).jwt, office.keyring.trusted).issuer == issuer
    assert await office.list_signed(car.id) == old
    await office.service.revoke(friend.id)
    assert await office.list_signed(car.id) == new
    verify_list((await office.service.current_list(car.id)).signed, office.keyring.trusted, car.id)


async def test_by_default_the_overlap_lasts_as_long_as_the_last_token(office: Office) -> None:
    old = office.keyring.kid
    await office.rotate()
    assert (await office.rotation.key(old)).retire_at == START + 3 * DAY  # no token: as long as a list
    second = office.keyring.kid
    office.now += DAY
    await office.owner(await office.car())
    await office.rotate()
    assert (await office.rotation.key(second)).retire_at == START + DAY + YEAR
    third = office.keyring.kid
    office.now = START + 3 * DAY
    await office.rotate(overlap=10)
    assert (await office.rotation.key(third)).retire_at == office.now + 10
    for overlap in (-1, 3 * YEAR):
        with pytest.raises(BadInput) as caught:
            await office.rotation.activate(third, overlap, actor=OPERATOR)
        assert caught.value.code == "bad_overlap"


async def test_at_the_end_what_is_in_force_is_signed_anew_and_the_old_key_is_refused(
    office: Office,
) -> None:
    car, other = await office.car(), await office.car()
    owner = await office.owner(car)
    friend = await office.friend(owner, lifetime=30 * DAY)
    paused = await office.friend(owner, lifetime=30 * DAY)
    ended = await office.friend(owner, lifetime=30 * DAY)
    lonely = await office.owner(other)
    await office.service.suspend(paused.id)
    await office.service.revoke(ended.id)
    old = office.keyring.kid
    tokens = {key.id: await office.service.key_token(key.id) for key in (owner, friend, paused, ended, lonely)}
    new = (await office.rotate(overlap=HOUR)).kid
    assert await office.rotation.upkeep() == []
    office.events.clear()
    office.now += HOUR
    assert [record.kid for record in await office.rotation.upkeep()] == [old]
    assert await office.states() == [RETIRED, CURRENT]
    assert (await office.rotation.key(old)).retired_at == office.now
    for key in (owner, friend, paused, lonely):
        assert await office.signed(key) == new
        token = await office.service.key_token(key.id)
        assert decode_cwt(token.cwt, office.keyring.trusted).issued_at == office.now
        assert await office.store.credentials.former_token(key.id) == tokens[key.id].cwt
    assert (await office.service.key_token(ended.id)).cwt == tokens[ended.id].cwt  # nobody shall use it any more
    chain = await office.service.chain(friend.id)
    assert chain[0].parent_token == (await office.service.key_token(owner.id)).cwt
    assert decode_cwt((await office.service.key_token(friend.id)).cwt, office.keyring.trusted).expires_at <= (
        (await office.service.key_token(owner.id)).expires_at
    )
    told = {data["key_id"] for name, data in office.events if name == "key.renewed"}
    assert told == {owner.id, friend.id, paused.id, lonely.id}
    newest = verify_list((await office.service.current_list(car.id)).signed, office.keyring.trusted, car.id)
    assert (newest.suspended, newest.revoked) == ((paused.index,), (ended.index,))
    assert (await office.service.current_list(other.id)).sequence == 0
    with pytest.raises(TokenError) as caught:
        decode_cwt(tokens[owner.id].cwt, office.keyring.trusted)
    assert caught.value.code == "unknown_issuer"
    assert await office.rotation.upkeep() == []


async def test_a_suspended_key_below_the_watermark_stays_paused_with_its_new_token(office: Office) -> None:
    """Its old token was barred by the watermark and so by no entry; the new one is younger than that."""
    car = await office.car()
    owner = await office.owner(car)
    paused = await office.friend(owner)
    await office.service.suspend(paused.id)
    office.now += HOUR
    new = (await office.rotate(overlap=0)).kid
    await office.store.credentials.write(lambda tx: tx.raise_issued_before(car.id, int(office.now)))
    await office.service.resume((await office.service.suspend(owner.id)).id)  # a new list, with the watermark
    assert await office.list_signed(car.id) == new
    assert (
        paused.index
        not in verify_list((await office.service.current_list(car.id)).signed, office.keyring.trusted, car.id).suspended
    )
    await office.rotation.upkeep()
    assert await office.signed(paused) == new
    newest = verify_list((await office.service.current_list(car.id)).signed, office.keyring.trusted, car.id)
    assert paused.index in newest.suspended
    assert (await office.service.key(paused.id)).state is KeyState.SUSPENDED


async def test_a_list_alone_is_signed_anew_too(office: Office) -> None:
    car = await office.car()
    await office.service.revoke((await office.owner(car)).id)
    old = office.keyring.kid
    new = (await office.rotate()).kid
    assert await office.list_signed(car.id) == old
    assert (await office.rotation.retire(old, actor=OPERATOR)).state is RETIRED
    assert await office.list_signed(car.id) == new


async def test_a_child_is_signed_after_its_parent_or_it_would_end_with_the_old_token(office: Office) -> None:
    owner = await office.owner(await office.car())
    friend = await office.friend(owner, PROFILES["owner"], lifetime=30 * DAY)
    child = await office.friend(friend, lifetime=30 * DAY)
    office.now += 10 * HOUR
    old = office.keyring.kid
    await office.rotate()
    await office.rotation.retire(old, actor=OPERATOR)
    assert (await office.service.key_token(child.id)).expires_at == office.now + 72 * HOUR


async def test_a_retired_keys_list_is_refused_and_a_retiring_ones_is_taken_in(office: Office) -> None:
    car = await office.car()
    await office.owner(car)
    old = office.keyring.current

    def cars_list(sequence: int) -> bytes:
        """The list that the car has, and we have forgotten."""
        made = RevocationList(
            vehicle_id=car.id, sequence=sequence, issued_at=int(office.now), next_update=int(office.now) + DAY,
            min_epoch=0, revoked=(), suspended=(),
        )  # fmt: skip
        return sign_list(made, old.signer, old.kid)

    await office.rotate(overlap=HOUR)
    await office.service.recover_list(car.id, cars_list(5))
    assert (await office.service.current_list(car.id)).sequence == 6
    assert verify_list((await office.service.current_list(car.id)).signed, office.keyring.trusted, car.id).sequence == 6
    await office.rotation.retire(old.kid, actor=OPERATOR)
    with pytest.raises(TokenError) as caught:
        await office.service.recover_list(car.id, cars_list(50))
    assert caught.value.code == "unknown_issuer"
    assert (await office.service.current_list(car.id)).sequence == 6


async def test_retiring_early_and_retiring_what_was_never_used(office: Office) -> None:
    key = await office.owner(await office.car())
    first = office.keyring.kid
    with pytest.raises(Conflict) as caught:
        await office.rotation.retire(first, actor=OPERATOR)
    assert caught.value.code == "issuer_key_current"
    unused = await office.rotation.prepare(actor=OPERATOR)
    assert (await office.rotation.retire(unused.kid, actor=OPERATOR)).state is RETIRED
    new = await office.rotate()
    assert new.signer == "file:issuer-3.pem"
    gone = await office.rotation.retire(first, actor=OPERATOR)
    assert (gone.state, gone.retired_at) == (RETIRED, office.now)
    assert await office.signed(key) == new.kid
    assert await office.rotation.retire(first, actor=OPERATOR) == gone
    for kid in (first, unused.kid):
        with pytest.raises(Conflict) as caught:
            await office.rotation.activate(kid, actor=OPERATOR)
        assert caught.value.code == "issuer_key_retired"
    with pytest.raises(NotFound) as missing:
        await office.rotation.retire(b"no kid..", actor=OPERATOR)
    assert missing.value.code == "unknown_issuer_key"


async def test_no_key_is_pushed_out_of_vehicles_while_it_counts(office: Office) -> None:
    """A vehicle keeps three; the fourth would end the first there, with tokens that this side still takes for good."""
    first = office.keyring.kid
    await office.rotate(overlap=2 * HOUR)
    third = await office.rotate(overlap=4 * HOUR)
    fourth = await office.rotation.prepare(actor=OPERATOR)
    with pytest.raises(Conflict) as caught:
        await office.rotation.activate(fourth.kid, actor=OPERATOR)
    assert caught.value.code == "too_many_issuer_keys"
    assert office.keyring.kid == third.kid
    office.now += 2 * HOUR  # the first has ended, whether anybody has looked or not
    await office.rotation.activate(fourth.kid, HOUR, actor=OPERATOR)
    assert office.keyring.kid == fourth.kid
    fifth = await office.rotation.prepare(actor=OPERATOR)
    with pytest.raises(Conflict):
        await office.rotation.activate(fifth.kid, 1, actor=OPERATOR)
    assert first not in (third.kid, fourth.kid)
    await office.rotation.activate(fifth.kid, 0, actor=OPERATOR)  # an emergency waits for nobody
    assert office.keyring.kid == fifth.kid
    ends = [key.retire_at for key in await office.rotation.keys() if key.state is RETIRING]
    assert ends, "they retire"
    assert max(end for end in ends if end is not None) <= office.now, "and vehicles are told one end for all"
    sixth = await office.rotation.prepare(actor=OPERATOR)
    await office.rotation.activate(sixth.kid, actor=OPERATOR)
    assert office.keyring.kid == sixth.kid, "so there is room again"


async def test_asking_again_changes_nothing(office: Office) -> None:
    new = await office.rotate(overlap=HOUR)
    office.now += 10
    assert await office.rotation.activate(new.kid, 5, actor=OPERATOR) == new
    assert (await office.rotation.keys())[0].retire_at == START + HOUR
    with pytest.raises(Conflict) as caught:
        await office.rotation.activate((await office.rotation.keys())[0].kid, actor=OPERATOR)
    assert caught.value.code == "issuer_key_retiring"


async def test_another_process_takes_up_the_change(office: Office) -> None:
    other = await open_keyring(office.store.credentials, office.signers, lambda: office.now)
    neighbour = Rotation(
        office.store.credentials,
        office.signers,
        other,
        lambda: office.now,
        Journal(lambda *_: None, lambda: office.now),
    )
    new = await office.rotate(overlap=0)
    assert other.kid != new.kid
    await neighbour.reload()
    assert (other.kid, other.trusted.keys) == (new.kid, office.keyring.trusted.keys)


async def test_a_neighbour_that_goes_on_signing_is_noticed(office: Office) -> None:
    """Retired is only what has nothing in force any more."""
    car = await office.car()
    old = office.keyring.current
    slow = CredentialService(office.store.credentials, office.store.vault, old, lambda: office.now, office.random)
    await office.rotate()

    async def meddle(*_: object) -> None:
        device = await slow.create_hosted_device("app_test", "")
        await slow.issue_owner_key(car.id, device)

    resign_all, office.rotation._resign_all = office.rotation._resign_all, meddle  # type: ignore[method-assign,assignment]
    with pytest.raises(Conflict) as caught:
        await office.rotation.retire(old.kid, actor=OPERATOR)
    assert caught.value.code == "issuer_key_in_use"
    assert caught.value.retryable
    assert await office.states() == [RETIRING, CURRENT]
    office.rotation._resign_all = resign_all  # type: ignore[method-assign]
    assert len(await office.rotation.upkeep()) == 1


@pytest.mark.parametrize("state", IssuerKeyState)
@pytest.mark.parametrize("event", IssuerKeyEvent)
def test_the_table_has_no_way_back(state: IssuerKeyState, event: IssuerKeyEvent) -> None:
    target = TRANSITIONS[state][event]
    order = list(IssuerKeyState)
    assert isinstance(target, Refused) or order.index(target) >= order.index(state)


# -- a crash at any point ----------------------------------------------------------------------------------------------


class Crash(Exception):
    """The process is gone."""


class Fuse:
    """Lets so many calls through, and then the process is gone, before the call or right behind it."""

    def __init__(self, after: int) -> None:
        self.left = after

    def burn(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Crash


async def crashing(office: Office, fuse: Fuse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every statement of a work, every commit and every use of a place for keys burns the fuse twice."""
    fetch, write, opened = Transaction.fetch, office.store.credentials.write, office.signers._open

    async def fetch_and_burn(tx: Transaction, sql: str, parameters: Iterable[Any] = ()) -> list[Row]:
        fuse.burn()
        answer = await fetch(tx, sql, parameters)
        fuse.burn()
        return answer

    async def write_and_burn(work: Callable[[CredentialTransaction], Awaitable[Any]]) -> object:
        fuse.burn()
        answer = await write(work)
        fuse.burn()
        return answer

    def open_and_burn(reference: str, may_create: bool) -> object:
        fuse.burn()
        answer = opened(reference, may_create)
        fuse.burn()
        return answer

    monkeypatch.setattr(Transaction, "fetch", fetch_and_burn)
    monkeypatch.setattr(office.store.credentials, "write", write_and_burn)
    monkeypatch.setattr(office.signers, "_open", open_and_burn)


async def test_a_crash_at_any_point_leaves_what_the_next_start_goes_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole life of two keys, cut short after 0, 1, 2, ... steps; each time a new process ends what was begun."""
    crashes = 0
    for after in range(10_000):
        async with await open_store(tmp_path / f"data{after}") as store:
            office = Office(store)
            await office.start()
            key = await office.owner(await office.car())
            first = office.keyring.kid
            with monkeypatch.context() as patch:
                await crashing(office, Fuse(after), patch)
                try:
                    await office.rotate(overlap=HOUR)
                    office.now += HOUR
                    await office.rotation.upkeep()
                    whole = True
                except Crash:
                    whole = False
                    crashes += 1
            await office.start()
            states = await office.states()
            assert states.count(CURRENT) == 1
            assert await office.signed(key) in {each.kid for each in office.keyring.trusted.keys}
            # The operator asks again for what was not done, and the rest comes by itself.
            if states == [CURRENT]:
                assert (await office.rotation.prepare(actor=OPERATOR)).signer == "file:issuer-2.pem"
            made = (await office.rotation.keys())[1]
            await office.rotation.activate(made.kid, HOUR, actor=OPERATOR)
            office.now += HOUR
            await office.rotation.upkeep()
            assert await office.states() == [RETIRED, CURRENT]
            assert await office.signed(key) == made.kid != first
            assert sorted(path.name for path in store.directory.glob("issuer*")) == ["issuer-2.pem", "issuer.pem"]
        if whole:
            break
    assert crashes > 50


async def test_a_start_that_was_cut_short_makes_no_second_first_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for after in range(100):
        async with await open_store(tmp_path / f"data{after}") as store:
            office = Office(store)
            with monkeypatch.context() as patch:
                await crashing(office, Fuse(after), patch)
                try:
                    await office.start()
                    whole = True
                except Crash:
                    whole = False
            pem = store.directory / "issuer.pem"
            before = pem.read_bytes() if pem.exists() else None
            await office.start()
            assert before in (None, pem.read_bytes())
            assert await office.states() == [CURRENT]
        if whole:
            return
    pytest.fail("it never came to its end")


async def test_a_signer_that_is_away_stops_an_activation_and_nothing_else(office: Office) -> None:
    made = await office.rotation.prepare(actor=OPERATOR)
    (office.store.directory / "issuer-2.pem").rename(office.store.directory / "away")
    with pytest.raises(KeygwError) as caught:
        await office.rotation.activate(made.kid, actor=OPERATOR)
    assert caught.value.code == "key_file_missing"
    await office.start()  # the next key is not needed to go on
    assert await office.states() == [CURRENT, NEXT]
    (office.store.directory / "away").rename(office.store.directory / "issuer-2.pem")
    await office.rotation.activate(made.kid, actor=OPERATOR)


async def test_a_status_list_is_signed_by_the_new_key_at_once_and_speaks_of_old_tokens(office: Office) -> None:
    """Readers learn the new key from the gateway as phones do; the place in a token of the old key stays good."""
    office.status_lists = "https://keys.example/v1/status-lists"
    await office.start()
    key = await office.owner(await office.car())
    claims = decode_jwt((await office.service.key_token(key.id)).jwt, office.keyring.trusted)
    assert claims.status is not None
    old = office.keyring.trusted
    first = (await office.service.status_lists.published(1)).text
    verify_status_list(first, old, claims.status.uri, office.now)
    await office.rotate()
    office.now += PAUSE
    second = (await office.service.status_lists.published(1)).text
    with pytest.raises(TokenError) as refusal:
        verify_status_list(second, old, claims.status.uri, office.now)
    assert refusal.value.code == "unknown_issuer"
    check_status(claims, verify_status_list(second, office.keyring.trusted, claims.status.uri, office.now))
