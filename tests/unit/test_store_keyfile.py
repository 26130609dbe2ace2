"""Secrets in files: made once, for their owner alone, and never replaced in silence."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from keygw.model.errors import StoreError
from keygw.store.keyfile import (
    change_passphrase,
    load_or_create_issuer_key,
    load_or_create_secret,
    load_or_create_vault_key,
)
from keygw.store.store import VAULT_KEY_NAME, open_store

posix = pytest.mark.skipif(os.name != "posix", reason="rights of files are a matter of POSIX")


@pytest.mark.parametrize("passphrase", [None, b"correct horse"])
def test_the_issuer_key_is_made_once(tmp_path: Path, passphrase: bytes | None) -> None:
    path = tmp_path / "data" / "issuer.pem"
    made = load_or_create_issuer_key(path, passphrase)
    assert load_or_create_issuer_key(path, passphrase).public_key == made.public_key
    assert (b"ENCRYPTED" in path.read_bytes()) is (passphrase is not None)
    assert [found.name for found in path.parent.iterdir()] == ["issuer.pem"]


@posix
def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "data" / "issuer.pem"
    umask = os.umask(0)
    try:
        load_or_create_issuer_key(path)
    finally:
        os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660])
def test_a_file_that_others_reach_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "issuer.pem"
    load_or_create_issuer_key(path)
    path.chmod(mode)
    with pytest.raises(StoreError) as caught:
        load_or_create_issuer_key(path)
    assert caught.value.code == "key_file_exposed"
    assert "chmod 600" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", bytes(99)])
def test_a_damaged_issuer_key_is_never_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "issuer.pem"
    load_or_create_issuer_key(path)
    path.write_bytes(content)
    with pytest.raises(StoreError) as caught:
        load_or_create_issuer_key(path)
    assert caught.value.code == "key_file_damaged"
    assert path.read_bytes() == content


@pytest.mark.parametrize(("made", "given"), [(b"one", b"two"), (b"one", None), (None, b"two")])
def test_the_wrong_passphrase(tmp_path: Path, made: bytes | None, given: bytes | None) -> None:
    path = tmp_path / "issuer.pem"
    load_or_create_issuer_key(path, made)
    before = path.read_bytes()
    with pytest.raises(StoreError) as caught:
        load_or_create_issuer_key(path, given)
    assert caught.value.code == "key_file_damaged"
    assert path.read_bytes() == before


def test_a_lost_issuer_key_is_not_replaced_where_it_matters(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        load_or_create_issuer_key(tmp_path / "issuer.pem", may_create=False)
    assert caught.value.code == "key_file_missing"
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for path in (tmp_path / "file" / "issuer.pem", tmp_path):
        with pytest.raises(StoreError) as caught:
            load_or_create_issuer_key(path)
        assert caught.value.code == "store_unavailable"


def test_of_many_who_create_it_at_once_one_wins(tmp_path: Path) -> None:
    names = iter(range(1000))
    with ThreadPoolExecutor(8) as pool:
        calls = [
            pool.submit(load_or_create_secret, tmp_path / "secret", lambda: b"%d" % next(names)) for _ in range(16)
        ]
        assert {call.result() for call in calls} == {(tmp_path / "secret").read_bytes()}
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


@pytest.mark.parametrize("content", [b"", b"zz", b"00" * 15, b"00" * 17, b"\xff" * 32])
def test_a_damaged_vault_key(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "vault.key"
    assert load_or_create_vault_key(path) == load_or_create_vault_key(path)
    path.write_bytes(content)
    with pytest.raises(StoreError) as caught:
        load_or_create_vault_key(path)
    assert caught.value.code == "key_file_damaged"


async def test_a_lost_vault_key_is_noticed_when_it_matters(tmp_path: Path) -> None:
    for _ in range(2):
        async with await open_store(tmp_path):
            pass
        (tmp_path / VAULT_KEY_NAME).unlink()
    async with await open_store(tmp_path) as store:
        await store.vault.create()
    kept = (tmp_path / VAULT_KEY_NAME).read_bytes()
    (tmp_path / VAULT_KEY_NAME).unlink()
    with pytest.raises(StoreError) as caught:
        await open_store(tmp_path)
    assert caught.value.code == "key_file_missing"
    (tmp_path / VAULT_KEY_NAME).touch(0o600)
    (tmp_path / VAULT_KEY_NAME).write_bytes(b"00" * 16)
    with pytest.raises(StoreError) as caught:
        await open_store(tmp_path)
    assert caught.value.code == "vault_damaged"
    (tmp_path / VAULT_KEY_NAME).write_bytes(kept)
    async with await open_store(tmp_path):
        pass


@pytest.mark.parametrize("old", [None, b"correct horse"])
@pytest.mark.parametrize("new", [None, b"battery staple"])
def test_the_passphrase_is_changed_and_the_key_is_not(tmp_path: Path, old: bytes | None, new: bytes | None) -> None:
    path = tmp_path / "issuer.pem"
    made = load_or_create_issuer_key(path, old)
    assert change_passphrase(path, old, new) is (old != new)
    assert load_or_create_issuer_key(path, new).public_key == made.public_key
    assert (b"ENCRYPTED" in path.read_bytes()) is (new is not None)
    assert path.stat().st_mode & 0o777 == 0o600
    assert not change_passphrase(path, old, new)  # again: as after a change of several files that was cut short
    assert [found.name for found in tmp_path.iterdir()] == ["issuer.pem"]
    if old not in (None, new):
        with pytest.raises(StoreError):
            load_or_create_issuer_key(path, old)


def test_a_passphrase_that_is_not_known_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "issuer.pem"
    load_or_create_issuer_key(path, b"correct horse")
    before = path.read_bytes()
    for old in (b"wrong horse", None):
        with pytest.raises(StoreError) as caught:
            change_passphrase(path, old, b"battery staple")
        assert caught.value.code == "key_file_damaged"
        assert "horse" not in str(caught.value)
    assert path.read_bytes() == before
    with pytest.raises(StoreError) as caught:
        change_passphrase(tmp_path / "absent.pem", None, None)
    assert caught.value.code == "key_file_missing"
