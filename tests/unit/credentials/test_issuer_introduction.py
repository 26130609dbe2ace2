"""How vehicles learn a new issuer key: the statements, their acknowledgements, and the tokens that serve until then."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.credentials.conftest import START
from tests.unit.credentials.test_issuer_rotation import DAY, OPERATOR, Office

from keygw.credentials.audit_ports import AuditFilter
from keygw.credentials.issuer_keys import IssuerKeyState
from keygw.model.base64url import encode_base64url
from keygw.model.errors import KeygwError
from keygw.store.store import open_store
from keygw.token.issuer_key import (
    NO_STATEMENT,
    IssuerKeyAck,
    IssuerKeyStatement,
    open_statement,
    sign_issuer_key_ack,
)
from keygw.token.time_proof import verify_time_proof
from keygw.token.trust import IssuerKey


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with await open_store(tmp_path / "data") as store:
        made = Office(store)
        await made.start()
        yield made


def said(office: Office, vehicle_id: str, kid: bytes, sequence: int, digest: bytes, *, by: str = "") -> bytes:
    ack = IssuerKeyAck(vehicle_id, sequence, kid, digest, 1)
    return sign_issuer_key_ack(ack, office.cars[by or vehicle_id])


async def test_statements_lead_from_the_first_key_to_the_newest(office: Office) -> None:
    car = await office.car()
    first = office.keyring.current
    assert await office.rotation.issuer_statements(car.id) == []
    made = await office.rotation.prepare(actor=OPERATOR)
    assert await office.rotation.issuer_statements(car.id) == [], "it signs nothing yet"
    office.now += 5
    await office.rotation.activate(made.kid, DAY, actor=OPERATOR)
    second = office.keyring.current
    await office.rotate(overlap=0)
    one, two = [open_statement(each) for each in await office.rotation.issuer_statements(car.id)]
    told = one.verify(IssuerKey(first.issuer, first.kid, first.public_key))
    assert told == IssuerKeyStatement(
        first.issuer, 1, second.public_key, int(office.now), int(office.now) + DAY, int(office.now)
    )
    again = two.verify(IssuerKey(second.issuer, second.kid, second.public_key))
    assert (again.sequence, again.kid, again.retire_at) == (2, office.keyring.kid, office.now)
    office.now = START  # a clock that goes back: what a vehicle has seen signed is never undercut
    proof = verify_time_proof(await office.service.time_proof(car.id, b"12345678"), office.keyring.trusted, car.id)
    assert proof.time == START + 5


async def test_an_early_end_is_stated_by_the_key_that_signs_now(office: Office) -> None:
    car = await office.car()
    old = office.keyring.kid
    await office.rotate(overlap=30 * DAY)
    now = office.keyring.current
    await office.rotation.retire(old, actor=OPERATOR)
    last = open_statement((await office.rotation.issuer_statements(car.id))[-1])
    said = last.verify(IssuerKey(now.issuer, now.kid, now.public_key))
    assert (said.sequence, said.kid, said.retire_at) == (2, now.kid, office.now)


@pytest.mark.parametrize("stolen", [0, 1])
async def test_a_stolen_key_ends_in_vehicles_at_once_also_while_another_retires(office: Office, stolen: int) -> None:
    """A vehicle knows one end for all former keys: waiting for another's would keep the thief's alive."""
    car = await office.car()
    former = [office.keyring.kid]
    former.append((await office.rotate(overlap=30 * DAY)).kid)
    office.now += DAY
    await office.rotate(overlap=30 * DAY)
    now = office.keyring.current
    office.now += DAY
    await office.rotation.retire(former[stolen], actor=OPERATOR)
    last = open_statement((await office.rotation.issuer_statements(car.id))[-1])
    assert last.verify(IssuerKey(now.issuer, now.kid, now.public_key)).retire_at == office.now
    states = {record.kid: record.state for record in await office.rotation.keys()}
    assert states == {
        former[0]: IssuerKeyState.RETIRED,
        former[1]: IssuerKeyState.RETIRED,
        now.kid: IssuerKeyState.CURRENT,
    }


async def test_what_a_vehicle_acknowledges_is_signed_anew_and_told_no_more(office: Office) -> None:
    car, other = await office.car(), await office.car()
    key, far = await office.owner(car), await office.owner(other)
    old, before = office.keyring.kid, await office.service.key_token(key.id)
    new = (await office.rotate()).kid
    (statement,) = await office.rotation.issuer_statements(car.id)
    digest = open_statement(statement).digest
    await office.rotation.acknowledge_issuer_key(car.id, said(office, car.id, old, 0, NO_STATEMENT))
    assert await office.rotation.issuer_statements(car.id) == [statement], "it has not learnt it"
    assert (await office.service.key_token(key.id)).cwt == before.cwt
    await office.rotation.acknowledge_issuer_key(car.id, said(office, car.id, new, 1, digest))
    assert await office.rotation.issuer_statements(car.id) == []
    assert (await office.signed(key), await office.signed(far)) == (new, old)
    assert await office.service.former_token(key.id) is None
    assert "key.renewed" in office.told()
    await office.rotation.acknowledge_issuer_key(car.id, said(office, car.id, old, 0, NO_STATEMENT))
    assert await office.rotation.issuer_statements(car.id) == [statement], "it has forgotten"


async def test_each_change_of_what_a_vehicle_holds_is_in_the_trail(office: Office) -> None:
    car = await office.car()
    first = office.keyring.current.kid
    await office.rotate(overlap=DAY)
    digest = open_statement((await office.rotation.issuer_statements(car.id))[0]).digest
    for kid, sequence, statement in ((first, 0, NO_STATEMENT), (office.keyring.kid, 1, digest)) * 2:
        for _ in range(2):
            await office.rotation.acknowledge_issuer_key(car.id, said(office, car.id, kid, sequence, statement))
    found = await office.service.trail.entries(AuditFilter(action="issuer_key.acknowledged"))
    told = [(each.entry.actor, each.entry.vehicle_id, each.entry.data["sequence"]) for each in found]
    assert told == [(f"vehicle:{car.id}", car.id, sequence) for sequence in (1, 0, 1)], "each once, back and forth"
    assert found[0].entry.data["kid"] == encode_base64url(office.keyring.kid)


async def test_a_friends_former_token_stands_on_the_former_one_of_its_parent(office: Office) -> None:
    owner = await office.owner(await office.car())
    friend = await office.friend(owner)
    before = {key.id: (await office.service.key_token(key.id)).cwt for key in (owner, friend)}
    old = office.keyring.kid
    assert await office.service.former_token(friend.id) is None
    await office.rotate()
    await office.rotation.retire(old, actor=OPERATOR)
    former = await office.service.former_token(friend.id)
    assert former is not None
    assert former.cwt == before[friend.id]
    assert [link.parent_token for link in former.chain] == [before[owner.id]]
    assert [link.grant for link in former.chain] == [link.grant for link in await office.service.chain(friend.id)]
    statements = await office.rotation.issuer_statements(owner.vehicle_id)
    ack = said(office, owner.vehicle_id, office.keyring.kid, len(statements), open_statement(statements[-1]).digest)
    await office.rotation.acknowledge_issuer_key(owner.vehicle_id, ack)
    assert await office.service.former_token(friend.id) is None


@pytest.mark.parametrize("what", ["another's signature", "another vehicle", "a statement", "a sequence", "a kid"])
async def test_an_acknowledgement_that_is_not_for_us_is_refused(office: Office, what: str) -> None:
    car, other = await office.car(), await office.car()
    new = (await office.rotate()).kid
    digest = open_statement((await office.rotation.issuer_statements(car.id))[0]).digest
    ack, code = {
        "another's signature": (said(office, car.id, new, 1, digest, by=other.id), "token_signature"),
        "another vehicle": (said(office, other.id, new, 1, digest, by=car.id), "ack_foreign"),
        "a statement": (said(office, car.id, new, 1, bytes(31) + b"x"), "issuer_key_unknown"),
        "a sequence": (said(office, car.id, new, 2, digest), "issuer_key_unknown"),
        "a kid": (said(office, car.id, b"no kid..", 0, NO_STATEMENT), "issuer_key_unknown"),
    }[what]
    with pytest.raises(KeygwError) as caught:
        await office.rotation.acknowledge_issuer_key(car.id, ack)
    assert caught.value.code == code
    assert len(await office.rotation.issuer_statements(car.id)) == 1
