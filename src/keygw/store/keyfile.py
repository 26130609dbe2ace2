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


def change_passphrase(path: Path, old: bytes | None, new: bytes | None) -> bool:
    """Encrypt an issuer's key anew, in one rename; ``None`` for no passphrase. Whether anything was to do.

    A file that the new passphrase opens already is left alone, so a change that was cut short is finished by asking
    for it again. ``StoreError``: key_file_missing, key_file_damaged (neither passphrase opens it), key_file_exposed.
    """
    try:
        pem = _read(path)
        if pem is None:
            raise StoreError(f"{path} is missing: restore it from a backup", code="key_file_missing")
        if _opens(pem, new):
            return False
        try:
            signer = LocalSigner.from_pem(pem, old)
        except CryptoError as error:
            raise StoreError(
                f"{path} holds no P-256 key that the old passphrase opens: give the right one", code="key_file_damaged"
            ) from error
        write_whole(path, signer.to_pem(new), Path.replace)
    except OSError as error:
        raise StoreError(f"the key file {path} cannot be used: {error.strerror}") from error
    return True


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
    def link(draft: Path, path: Path) -> None:
        with suppress(FileExistsError):
            os.link(draft, path)

    write_whole(path, data, link)


def write_whole(path: Path, data: bytes, put: Callable[[Path, Path], object]) -> None:
    """``put`` a whole and flushed draft in its place."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        put(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    if _POSIX:
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _opens(pem: bytes, passphrase: bytes | None) -> bool:
    try:
        LocalSigner.from_pem(pem, passphrase)
    except CryptoError:
        return False
    return True
