"""What every ``OauthStore`` must do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keygw.bridge.oauth.records import Answer, Client, Code, Grant, GrantKind, Passkey, Request
from keygw.bridge.people_ports import Note
from keygw.bridge.ports import BridgeStore
from keygw.bridge.records import App
from keygw.bridge.scopes import Scope
from keygw.model.audit import AuditEntry
from keygw.model.errors import Conflict
from keygw.model.person import Person

if TYPE_CHECKING:
    from tests.contracts.conftest import OpenStore

CLIENT = Client("cli_1", "default", "Phone", ("key.read",), 1000)
PERSON = Person("per_1", "default", "Phone", 1001)
HOME = App("app_home", "Phone", frozenset({Scope.KEY_MANAGE}), 1001.0, b"h" * 32, person_id="per_1")
APP = App("app_1", "Phone", frozenset({Scope.KEY_READ}), 1002.0, b"a" * 32, expires_at=9000.0, person_id="per_1")
GRANT = Grant("app_1", "cli_1", "app_home", "t" * 43, GrantKind.PAIRING_CODE, 1002, 1002, b"r" * 32)
CODE = Code(b"c" * 32, "cli_1", "app_home", ("key.read",), "https://a.example/", "x" * 43, None, 1060)
PASSKEY = Passkey("psk_1", "per_1", "app_home", "Phone", b"id\x00\xff", b"data\x00", 3, True, 1000)
REQUEST = Request("req_1", "cli_1", "default", b"s" * 32, "ABCDEFGH", ("key.read",), 1000, 1600)


def note(action: str = "grant.given") -> Note:
    return Note(AuditEntry(1002, "app:app_home", action, "default", data={"app_id": "app_1"}))


@pytest.fixture
async def store(opened: OpenStore, tmp_path: Path) -> AsyncIterator[BridgeStore]:
    async with await opened(tmp_path) as store:
        yield store.bridge


@pytest.fixture
async def granted(store: BridgeStore) -> BridgeStore:
    assert await store.add_client(CLIENT, 10, 0)
    assert await store.set_home(CLIENT.id, PERSON, HOME, [note("person.added")]) == HOME.id
    await store.add_grant(replace(APP, home_id=HOME.id), GRANT, note())
    return store


async def test_a_client_is_kept_as_it_was_given(store: BridgeStore) -> None:
    assert await store.client(CLIENT.id) is None
    assert await store.add_client(CLIENT, 10, 0)
    assert await store.client(CLIENT.id) == CLIENT


async def test_clients_without_a_grant_are_bounded_and_forgotten(store: BridgeStore) -> None:
    for number in range(3):
        assert await store.add_client(replace(CLIENT, id=f"cli_{number}", created_at=1000 + number), 3, 0)
    assert not await store.add_client(replace(CLIENT, id="cli_x", created_at=1010), 3, 0), "as many as may be"
    assert await store.client("cli_x") is None
    assert await store.add_client(replace(CLIENT, id="cli_y", created_at=1010), 3, 1002), "two are too old by now"
    assert [await store.client(f"cli_{number}") is None for number in range(3)] == [True, True, False]


async def test_a_client_with_a_home_or_a_grant_is_not_forgotten(granted: BridgeStore) -> None:
    assert await granted.add_client(replace(CLIENT, id="cli_2", created_at=9000), 1, 8000)
    found = await granted.client(CLIENT.id)
    assert found is not None
    assert (found.home_id, found.used_at) == (HOME.id, GRANT.created_at)


async def test_two_that_come_at_once_make_one_home(store: BridgeStore) -> None:
    await store.add_client(CLIENT, 10, 0)
    homes = [
        store.set_home(
            CLIENT.id,
            replace(PERSON, id=f"per_{number}"),
            replace(HOME, id=f"app_{number}", token_hash=bytes([number]) * 32, person_id=f"per_{number}"),
            [],
        )
        for number in range(5)
    ]
    assert len(set(await asyncio.gather(*homes))) == 1
    assert len(await store.people("default")) == 1, "nothing was written of the others"


async def test_a_grant_is_kept_with_its_app(granted: BridgeStore) -> None:
    assert await granted.grant(APP.id) == GRANT
    assert await granted.app(APP.id) == replace(APP, home_id=HOME.id)
    assert await granted.grant("app_none") is None
    await granted.add_grant_key(APP.id, "key_1")
    await granted.add_grant_key(APP.id, "key_2")
    found = await granted.grant(APP.id)
    assert found is not None
    assert found.key_ids == ("key_1", "key_2")
    with pytest.raises(Conflict):
        await granted.add_grant(APP, GRANT, note())


async def test_grants_that_have_ended_are_not_listed(granted: BridgeStore) -> None:
    for found in (
        await granted.grants_of_client(CLIENT.id),
        await granted.grants_of_home(HOME.id),
        await granted.grants_of_tenant("default"),
        await granted.grants_of_tenant(None),
    ):
        assert found == [GRANT]
    assert await granted.grants_of_tenant("ten_other") == []
    assert await granted.grants_of_home("app_other") == []
    await granted.revoke_app(APP.id)
    assert await granted.grants_of_client(CLIENT.id) == await granted.grants_of_home(HOME.id) == []


async def test_a_refresh_token_is_replaced_once(granted: BridgeStore) -> None:
    tries = [granted.replace_refresh(APP.id, b"r" * 32, bytes([n]) * 32, b"r" * 32, 9999.0) for n in range(5)]
    assert sum(await asyncio.gather(*tries)) == 1
    found, app = await granted.grant(APP.id), await granted.app(APP.id)
    assert found is not None
    assert app is not None
    assert (found.refresh_former, app.expires_at) == (b"r" * 32, 9999.0)
    await granted.revoke_app(APP.id)
    assert not await granted.replace_refresh(APP.id, found.refresh_hash, b"z" * 32, None, 9999.0)


async def test_the_person_was_seen_later_and_never_earlier(granted: BridgeStore) -> None:
    for at, expected in ((1500, 1500), (1400, 1500)):
        await granted.set_auth_time(APP.id, at)
        found = await granted.grant(APP.id)
        assert found is not None
        assert found.auth_time == expected


async def test_a_proof_counts_once_until_it_is_over(store: BridgeStore) -> None:
    tries = await asyncio.gather(*(store.see_proof(b"p" * 16, 1600, 1000) for _ in range(5)))
    assert sum(tries) == 1
    assert not await store.see_proof(b"p" * 16, 1600, 1600)
    assert await store.see_proof(b"p" * 16, 2600, 1601), "forgotten, because its nonce counts no more"


async def test_a_request_waits_and_is_answered_once(store: BridgeStore) -> None:
    await store.add_client(CLIENT, 10, 0)
    assert await store.add_request(REQUEST, 3)
    assert await store.request_by_secret(b"s" * 32) == await store.request_by_user_code("ABCDEFGH") == REQUEST
    approved = replace(REQUEST, answer=Answer.APPROVED, approved_by="app_1", asked_at=1003)
    tries = [store.save_request(each, Answer.WAITING) for each in (approved, replace(REQUEST, answer=Answer.DENIED))]
    assert sum(await asyncio.gather(*tries)) == 1
    found = await store.request_by_user_code("ABCDEFGH")
    assert found is not None
    assert found.answer in (Answer.APPROVED, Answer.DENIED)


async def test_requests_are_bounded_and_forgotten(store: BridgeStore) -> None:
    await store.add_client(CLIENT, 10, 0)
    for number in range(4):
        made = replace(REQUEST, id=f"req_{number}", secret_hash=bytes([number]) * 32, user_code=f"CODE{number}")
        assert await store.add_request(made, 3) == (number < 3)
    twin = replace(REQUEST, id="req_9", secret_hash=b"9" * 32, user_code="CODE0", created_at=1600)
    assert not await store.add_request(twin, 9), "the user code is taken"
    assert await store.add_request(replace(twin, created_at=1601, expires_at=2000), 3), "the others are over"
    assert await store.request_by_user_code("CODE1") is None


async def test_where_a_client_may_be_sent_is_kept_in_its_order(store: BridgeStore) -> None:
    uris = ("https://b.example/", "https://a.example/?x=1")
    assert await store.add_client(replace(CLIENT, redirect_uris=uris), 10, 0)
    found = await store.client(CLIENT.id)
    assert found is not None
    assert found.redirect_uris == uris


async def test_a_code_counts_each_time_that_it_comes(store: BridgeStore) -> None:
    await store.add_code(CODE, 0)
    assert await store.code(CODE.hash) == CODE
    uses = [each.uses for each in await asyncio.gather(*(store.use_code(CODE.hash) for _ in range(4))) if each]
    assert sorted(uses) == [1, 2, 3, 4]
    after = await store.set_code_grant(CODE.hash, "app_1")
    assert after == replace(CODE, uses=4, grant_id="app_1")
    assert await store.use_code(b"?" * 32) is None
    assert await store.set_code_grant(b"?" * 32, "app_1") is None


async def test_codes_that_are_over_are_forgotten(store: BridgeStore) -> None:
    await store.add_code(CODE, 0)
    bound = replace(CODE, hash=b"d" * 32, thumbprint="t" * 43, expires_at=2000)
    await store.add_code(bound, 1061)
    assert await store.code(CODE.hash) is None
    assert await store.code(bound.hash) == bound


async def test_passkeys_are_kept_bounded_and_removed(granted: BridgeStore) -> None:
    assert await granted.add_passkey(PASSKEY, 2, note("passkey.added"))
    assert await granted.passkey("psk_1") == await granted.passkey_by_credential(b"id\x00\xff") == PASSKEY
    with pytest.raises(Conflict) as taken:
        await granted.add_passkey(replace(PASSKEY, id="psk_2"), 2, note("passkey.added"))
    assert taken.value.code == "passkey_exists"
    second = replace(PASSKEY, id="psk_2", credential_id=b"2", created_at=999)
    assert await granted.add_passkey(second, 2, note("passkey.added"))
    assert not await granted.add_passkey(replace(PASSKEY, id="psk_3", credential_id=b"3"), 2, note("passkey.added"))
    assert list(await granted.passkeys_of("per_1")) == [second, PASSKEY], "oldest first"
    assert await granted.remove_passkey("psk_1", note("passkey.removed"))
    assert not await granted.remove_passkey("psk_1", note("passkey.removed"))
    assert await granted.passkey("psk_1") is None


async def test_a_passkeys_counter_goes_on(granted: BridgeStore) -> None:
    assert await granted.add_passkey(PASSKEY, 2, note("passkey.added"))
    assert [await granted.use_passkey("psk_1", counter, 1005) for counter in (3, 0, 4, 4)] == [
        False,
        False,
        True,
        False,
    ]
    tries = await asyncio.gather(*(granted.use_passkey("psk_1", 9, 1006) for _ in range(3)))
    assert sum(tries) == 1
    none = replace(PASSKEY, id="psk_0", credential_id=b"0", counter=0)
    assert await granted.add_passkey(none, 3, note("passkey.added"))
    assert [await granted.use_passkey("psk_0", 0, 1007) for _ in range(2)] == [True, True], "one that counts nothing"
    found = await granted.passkey("psk_0")
    assert found is not None
    assert (found.counter, found.used_at) == (0, 1007)
