"""Secrets in files: created once, readable by their owner alone, never silently replaced.

A new file is written under another name, flushed to the disk and then linked to its own: whoever finds it, even after a
power cut, finds it whole, and of two processes that create it at once exactly one wins.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from keygw.crypto.aead import KEY_BYTES
from keygw.crypto.errors import CryptoError
from keygw.crypto.signer import LocalSigner
from keygw.model.errors import StoreError

_LIMIT = 64 * 1024
_POSIX = os.name == "posix"


def load_or_create_issuer_key(path: Path, passphrase: bytes | None = None, *, may_create: bool = True) -> LocalSigner:
    """The issuer's P-256 key, PKCS#8 PEM, encrypted if there is a passphrase.

    ``may_create=False`` where tokens were signed before: a new key would leave every one of them without its signer.
    ``StoreError`` key_file_exposed, key_file_damaged (also a wrong passphrase), key_file_missing, store_unavailable.
    """
    pem = load_or_create_secret(path, lambda: LocalSigner.generate().to_pem(passphrase), may_create=may_create)
    try:
        return LocalSigner.from_pem(pem, passphrase)
    except CryptoError as error:
        raise StoreError(
            f"{path} holds no P-256 key that this passphrase opens: give the right passphrase or restore the file "
            "from a backup (it is never replaced by itself, because every key token depends on it)",
            code="key_file_damaged",
        ) from error


def load_or_create_vault_key(path: Path, *, may_create: bool = True) -> bytes:
    """The 16-byte key under which hosted device keys are stored; 32 hexadecimal digits and a newline in the file."""
    text = load_or_create_secret(path, lambda: secrets.token_hex(KEY_BYTES).encode() + b"\n", may_create=may_create)
    try:
        key = bytes.fromhex(text.decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise StoreError(f"{path} does not hold a vault key: restore it from a backup", code="key_file_damaged")
    return key


def load_or_create_secret(path: Path, make: Callable[[], bytes], *, may_create: bool = True) -> bytes:
    """What the file holds; if there is none, what ``make`` gives, durably stored first."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = _read(path)
        if found is None:
            if not may_create:
                raise StoreError(
                    f"{path} is missing, and what it protected is still in use: restore it from a backup",
                    code="key_file_missing",
                )
            _create(path, make())
            found = _read(path)
    except OSError as error:
        raise StoreError(f"the key file {path} cannot be used: {error.strerror}") from error
    if found is None:
        raise StoreError(f"the key file {path} vanished while it was created: try again", retryable=True)
    return found


def _read(path: Path) -> bytes | None:
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    with file:
        # Asked of the open file, so that what was looked at is what is read.
        if _POSIX and os.fstat(file.fileno()).st_mode & 0o077:
            raise StoreError(
                f"others on this machine can read {path}: run chmod 600 on it, and replace the key if they may have",
                code="key_file_exposed",
            )
        return file.read(_LIMIT)


def _create(path: Path, data: bytes) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    if _POSIX:
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
