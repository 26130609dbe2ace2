"""Issuer keys in a hardware security module, by PKCS#11 (v2.40). The one importer of ``pkcs11`` (extra
``hsm``); import it only where an HSM is configured.

The key never leaves the module: it makes the key, non-extractable, and it signs digests (CKM_ECDSA over SHA-256, which
gives r || s, the form that JOSE and COSE want). Every call enters the module from one thread (``one_thread``), so a
module that is not thread-safe is in good hands, and one that hangs holds nobody for long. A session that was lost
(token pulled, module restarted, log-in timed out) is opened anew once, and the key must then be the same one.

A PIN that was wrong is never tried again: after a few tries a token locks itself for good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass

from keygw.crypto.errors import CryptoError
from keygw.crypto.kdf import sha256
from keygw.crypto.signer import SIGNATURE_BYTES, compress, device_id, verify
from keygw.model.errors import SignerError
from keygw.store.one_thread import PATIENCE, OneThread
from keygw.store.pkcs11_uri import Pkcs11Uri

OPEN_PATIENCE = 30.0
"""Seconds for loading, log-in and making a key: at the start, or when an operator asks, outside of any transaction."""
_P256 = bytes.fromhex("06082a8648ce3d030107")
"""CKA_EC_PARAMS: the object identifier of secp256r1, DER."""
_PROBE = b"keygw: does this key sign?"


class Hsm:
    """One PKCS#11 module. ``pin`` is asked for when a session is opened, and its answer is not kept."""

    def __init__(self, module: Path, pin: Callable[[], str], patience: float = PATIENCE) -> None:
        self._module = module
        self._pin = pin
        self._thread = OneThread(f"the HSM behind {module.name}", patience)
        self._sessions: dict[Pkcs11Uri, pkcs11.Session] = {}
        self._locked_out: SignerError | None = None

    def open(self, uri: Pkcs11Uri) -> HsmSigner:
        """The signer of a key that is there.

        ``SignerError``: hsm_module_missing, hsm_unavailable (retryable), hsm_pin_wrong, hsm_key_missing,
        hsm_key_unfit, signer_timeout (retryable).
        """
        return self._thread.run(lambda: self._open(uri), OPEN_PATIENCE)

    def open_or_generate(self, uri: Pkcs11Uri) -> HsmSigner:
        """The same, and if the token has no key of that name, a new one: P-256, non-extractable, for signing only."""

        def work() -> HsmSigner:
            try:
                return self._open(uri)
            except SignerError as error:
                if error.code != "hsm_key_missing" or uri.object is None:
                    raise
            with _in_words():
                self._generate(uri)
            return self._open(uri)

        return self._thread.run(work, OPEN_PATIENCE)

    def close(self) -> None:
        """Log out and end the thread; a module that hangs is left alone."""
        with suppress(SignerError):
            self._thread.run(self._forget_sessions)
        self._thread.close()

    def sign(self, key: HsmSigner, message: bytes) -> bytes:
        """For ``HsmSigner.sign``."""
        return self._thread.run(lambda: self._sign(key, message))

    # In the thread

    def _open(self, uri: Pkcs11Uri) -> HsmSigner:
        if not uri.names_a_key:
            raise SignerError(f"{uri} names a token and no key: add object= or id=", code="hsm_key_missing")
        with _in_words():
            private, public_key = self._find(uri)
            key = HsmSigner(self, uri, public_key, private)
            signature = _signature(private, _PROBE)
        try:
            verify(public_key, signature, _PROBE)
        except CryptoError as error:
            raise SignerError(
                f"what {uri} signs does not verify under its public key: they do not belong together",
                code="hsm_key_unfit",
            ) from error
        return key

    def _sign(self, key: HsmSigner, message: bytes) -> bytes:
        with _in_words():
            try:
                return _signature(key.private, message)
            except pkcs11.PKCS11Error:
                self._find_again(key)
                return _signature(key.private, message)

    def _find_again(self, key: HsmSigner) -> None:
        """The session is gone: another one; if that does not help, the module from its beginning."""
        self._forget_sessions()
        try:
            private, public_key = self._find(key.uri)
        except (pkcs11.PKCS11Error, SignerError):
            if self._locked_out is not None:
                raise
            with suppress(pkcs11.PKCS11Error):
                self._library().finalize()
            private, public_key = self._find(key.uri)
        if public_key != key.public_key:
            raise SignerError(f"{key.uri} is another key than before: put the token back", code="hsm_key_unfit")
        key.private = private

    def _find(self, uri: Pkcs11Uri) -> tuple[pkcs11.PrivateKey, bytes]:
        session = self._session(uri)
        found = list(session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY, **_named(uri)}))
        if not found:
            raise SignerError(f"the token has no key {uri}: look at its name, or make it there", code="hsm_key_missing")
        private: Any = found[0]
        if len(found) > 1 or private[Attribute.KEY_TYPE] != KeyType.EC or private[Attribute.EC_PARAMS] != _P256:
            raise SignerError(f"{uri} is not one P-256 key: keygw signs ES256 alone", code="hsm_key_unfit")
        return private, self._public_key(session, uri, private)

    def _public_key(self, session: pkcs11.Session, uri: Pkcs11Uri, private: Any) -> bytes:
        same = {Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.ID: private[Attribute.ID]}
        points = [_point(each[Attribute.EC_POINT]) for each in session.get_objects({**same, **_named(uri)})]
        if len(points) != 1 or points[0] is None:
            raise SignerError(f"the token does not tell the public key of {uri}: store it beside", code="hsm_key_unfit")
        return points[0]

    def _generate(self, uri: Pkcs11Uri) -> None:
        session = self._session(uri)
        parameters = session.create_domain_parameters(KeyType.EC, {Attribute.EC_PARAMS: _P256}, local=True)
        parameters.generate_keypair(
            id=uri.id if uri.id is not None else sha256((uri.object or "").encode())[:8],
            label=uri.object,
            store=True,
            private_template={
                Attribute.SENSITIVE: True,
                Attribute.EXTRACTABLE: False,
                Attribute.SIGN: True,
                Attribute.DERIVE: False,
            },
        )

    def _session(self, uri: Pkcs11Uri) -> pkcs11.Session:
        where = Pkcs11Uri(uri.token, uri.serial, uri.manufacturer, uri.model)
        if where in self._sessions:
            return self._sessions[where]
        if self._locked_out is not None:
            raise self._locked_out
        fitting = [
            token
            for token in self._library().get_tokens(token_label=uri.token, token_serial=_raw(uri.serial))
            if uri.manufacturer in (None, token.manufacturer_id) and uri.model in (None, token.model)
        ]
        if len(fitting) != 1:
            raise SignerError(
                f"the HSM has {len(fitting) or 'no'} tokens {where}: look at the name and whether it is plugged in",
                code="hsm_unavailable",
                retryable=True,
            )
        pin = self._pin()
        try:
            session: pkcs11.Session = fitting[0].open(rw=True, user_pin=pin)
        except (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange, pkcs11.PinLocked, pkcs11.PinExpired) as bad:
            self._locked_out = SignerError(
                f"the token {where} does not take the PIN ({type(bad).__name__}): correct it and restart; it is not "
                "tried again, because tokens lock themselves",
                code="hsm_pin_wrong",
            )
            raise self._locked_out from bad
        except pkcs11.UserAlreadyLoggedIn:
            session = fitting[0].open(rw=True)
        self._sessions[where] = session
        return session

    def _library(self) -> Any:
        if not self._module.is_file():
            raise SignerError(
                f"there is no PKCS#11 module {self._module}: install it, or correct its path", code="hsm_module_missing"
            )
        try:
            return pkcs11.lib(str(self._module))
        except pkcs11.PKCS11Error as error:
            raise SignerError(
                f"{self._module} cannot be used as a PKCS#11 module: {str(error) or type(error).__name__}",
                code="hsm_module_missing",
            ) from error

    def _forget_sessions(self) -> None:
        for session in self._sessions.values():
            with suppress(pkcs11.PKCS11Error):
                session.close()
        self._sessions.clear()


class HsmSigner:
    """``crypto.signer.Signer`` whose key stays in the module. Made by ``Hsm``."""

    __slots__ = ("_hsm", "private", "public_key", "uri")

    def __init__(self, hsm: Hsm, uri: Pkcs11Uri, public_key: bytes, private: pkcs11.PrivateKey) -> None:
        self._hsm = hsm
        self.uri = uri
        self.public_key = public_key
        self.private = private

    def sign(self, message: bytes) -> bytes:
        """``SignerError``: signer_timeout and hsm_unavailable (both retryable), hsm_pin_wrong, hsm_key_missing,
        hsm_key_unfit."""
        return self._hsm.sign(self, message)

    def __repr__(self) -> str:
        return f"HsmSigner({device_id(self.public_key)})"


def _signature(private: Any, message: bytes) -> bytes:
    signature: bytes = private.sign(sha256(message), mechanism=Mechanism.ECDSA)
    if len(signature) != SIGNATURE_BYTES:
        raise SignerError("the HSM does not sign in the form r || s", code="hsm_key_unfit")
    return signature


def _named(uri: Pkcs11Uri) -> dict[Any, Any]:
    named = {Attribute.LABEL: uri.object, Attribute.ID: uri.id}
    return {name: value for name, value in named.items() if value is not None}


def _raw(serial: str | None) -> bytes | None:
    return None if serial is None else serial.encode()


def _point(value: bytes) -> bytes | None:
    """CKA_EC_POINT -> 33 bytes. A DER octet string around the uncompressed point; some modules leave that out."""
    point = value[2:] if len(value) == 67 and value[:2] == b"\x04\x41" else value
    if len(point) != 65 or point[0] != 4:
        return None
    try:
        return compress(point[1:33], point[33:])
    except CryptoError:
        return None


@contextmanager
def _in_words() -> Iterator[None]:
    """The module's own errors, in ours."""
    try:
        yield
    except pkcs11.PKCS11Error as error:
        raise SignerError(
            f"the HSM cannot be used now ({type(error).__name__}): look whether it is there; try again",
            code="hsm_unavailable",
            retryable=True,
        ) from error
