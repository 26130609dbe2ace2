"""EDHOC (RFC 9528), method 0: both sides authenticate with signatures.

``Initiator`` and ``Responder`` stop where a signature is needed and hand out the bytes to be signed, so that the
private key can live in an enclave, an HSM or another process. Everything a peer can get wrong is a ``ProtocolError``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from keygw.crypto import eddsa, signer
from keygw.crypto.aead import A128GCM, Aead, AesCcm1664128
from keygw.crypto.agreement import EphemeralKey
from keygw.crypto.errors import CryptoError
from keygw.crypto.kdf import HASH_BYTES, hkdf_expand, hkdf_extract, sha256
from keygw.model.errors import ProtocolError
from keygw.wire import cbor

METHOD = 0
KID = 4
KCWT = 13
EPHEMERAL_BYTES = 32

IdCred = dict[int, Any]


@dataclass(frozen=True, slots=True)
class Suite:
    """A cipher suite (RFC 9528 section 3.6); every one here agrees on X25519 and hashes with SHA-256."""

    number: int
    aead: Aead
    verify: Callable[[bytes, bytes, bytes], None]


SUITE_6 = Suite(6, A128GCM(), signer.verify)
"""A128GCM, SHA-256, X25519, ES256: the one suite that production accepts."""
SUITE_0 = Suite(0, AesCcm1664128(), eddsa.verify)
"""AES-CCM-16-64-128, SHA-256, X25519, EdDSA: for RFC 9529's trace."""


@dataclass(frozen=True, slots=True)
class Ead:
    """One item of external authorization data; a negative label is critical (RFC 9528 section 3.8)."""

    label: int
    value: bytes | None = None


@dataclass(frozen=True, slots=True)
class Credential:
    """``cred``: the CBOR item that both sides hash (CRED_x); ``public_key``: the key it binds."""

    id_cred: IdCred = field(repr=False)
    cred: bytes = field(repr=False)
    public_key: bytes


def edhoc_kdf(prk: bytes, label: int, context: bytes, length: int) -> bytes:
    """EDHOC_KDF of RFC 9528 section 4.1.2."""
    return hkdf_expand(prk, cbor.encode(label) + cbor.encode(context) + cbor.encode(length), length)


class Schedule:
    """The transcript hashes and keys of section 4.1, in the order they come to be. Public for the trace tests."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self.th_2 = self.th_3 = self.th_4 = b""
        self.prk_2e = b""
        self.prk_out = b""
        self.prk_exporter = b""

    def begin(self, message_1: bytes, g_y: bytes, shared: bytes) -> None:
        """TH_2 and PRK_2e. With two signatures PRK_3e2m and PRK_4e3m are the same PRK."""
        self.th_2 = sha256(cbor.encode(g_y) + cbor.encode(sha256(message_1)))
        self.prk_2e = hkdf_extract(self.th_2, shared)

    def keystream_2(self, length: int) -> bytes:
        return edhoc_kdf(self.prk_2e, 0, self.th_2, length)

    def mac_2(self, context_2: bytes) -> bytes:
        return edhoc_kdf(self.prk_2e, 2, context_2, HASH_BYTES)

    def after_2(self, plaintext_2: bytes, cred_r: bytes) -> None:
        self.th_3 = sha256(cbor.encode(self.th_2) + plaintext_2 + cred_r)

    def mac_3(self, context_3: bytes) -> bytes:
        return edhoc_kdf(self.prk_2e, 6, context_3, HASH_BYTES)

    def key_3(self) -> tuple[bytes, bytes, bytes]:
        """K_3, IV_3 and A_3."""
        aead = self.suite.aead
        return (
            edhoc_kdf(self.prk_2e, 3, self.th_3, aead.key_bytes),
            edhoc_kdf(self.prk_2e, 4, self.th_3, aead.nonce_bytes),
            cbor.encode(["Encrypt0", b"", self.th_3]),
        )

    def after_3(self, plaintext_3: bytes, cred_i: bytes) -> None:
        self.th_4 = sha256(cbor.encode(self.th_3) + plaintext_3 + cred_i)
        self.prk_out = edhoc_kdf(self.prk_2e, 7, self.th_4, HASH_BYTES)
        self.prk_exporter = edhoc_kdf(self.prk_out, 10, b"", HASH_BYTES)

    def export(self, label: int, context: bytes, length: int) -> bytes:
        """EDHOC_Exporter, section 4.2.1; only after message_3."""
        if not self.prk_exporter:
            raise ValueError("nothing to export before message_3")
        return edhoc_kdf(self.prk_exporter, label, context, length)


class _Party:
    """What the two roles share: an ephemeral key, and a key schedule once both halves are known."""

    def __init__(self, suite: Suite, secret: bytes, connection_id: bytes, own: Credential) -> None:
        self._ephemeral = EphemeralKey(secret)
        self._connection_id = connection_id
        self._own = own
        self._ead: bytes = b""
        self._mac = b""
        self.schedule = Schedule(suite)

    def export(self, label: int, context: bytes, length: int) -> bytes:
        return self.schedule.export(label, context, length)

    @property
    def th_4(self) -> bytes:
        return self.schedule.th_4

    def _agree(self, peer: bytes) -> bytes:
        try:
            return self._ephemeral.agree(peer)
        except CryptoError as error:
            raise ProtocolError("the peer's ephemeral key is not acceptable") from error

    def _verify(self, peer: Credential, signature: object, message: bytes) -> None:
        if not isinstance(signature, bytes):
            raise ProtocolError("expected a signature")
        try:
            self.schedule.suite.verify(peer.public_key, signature, message)
        except CryptoError as error:
            raise ProtocolError("the peer's signature does not verify") from error


class Initiator(_Party):
    """The device's half. ``peer`` is the one vehicle it means: the credential is fixed before message_1."""

    def __init__(self, suite: Suite, secret: bytes, connection_id: bytes, own: Credential, peer: Credential) -> None:
        super().__init__(suite, secret, connection_id, own)
        self._peer = peer
        self.message_1 = (
            cbor.encode(METHOD)
            + cbor.encode(suite.number)
            + cbor.encode(self._ephemeral.public)
            + encode_identifier(connection_id)
        )

    def receive_2(self, message_2: bytes) -> bytes:
        """Check the vehicle's proof. Returns C_R."""
        body = _items(message_2, 1)[0]
        if not isinstance(body, bytes) or len(body) <= EPHEMERAL_BYTES:
            raise ProtocolError("message_2 is malformed")
        g_y, ciphertext = body[:EPHEMERAL_BYTES], body[EPHEMERAL_BYTES:]
        schedule = self.schedule
        schedule.begin(self.message_1, g_y, self._agree(g_y))
        plaintext = _xor(ciphertext, schedule.keystream_2(len(ciphertext)))
        items = cbor.decode_sequence(plaintext)
        if len(items) < 3:
            raise ProtocolError("message_2 is malformed")
        c_r, id_cred, signature = decode_identifier(items[0]), decode_id_cred(items[1]), items[2]
        if id_cred != self._peer.id_cred:
            raise ProtocolError("message_2 names another credential")
        ead = decode_ead(items[3:])
        if any(item.label < 0 for item in ead):
            raise ProtocolError("EAD_2 holds a critical item that this release does not know")  # RFC 9528 3.8
        ead_2 = encode_ead(ead)
        context = _context_2(c_r, self._peer, schedule.th_2, ead_2)
        message = _to_be_signed(self._peer, schedule.th_2, ead_2, schedule.mac_2(context))
        self._verify(self._peer, signature, message)
        schedule.after_2(plaintext, self._peer.cred)
        return c_r

    def to_be_signed(self, ead_3: Sequence[Ead] = ()) -> bytes:
        """What the device key must sign for message_3."""
        schedule = self.schedule
        self._ead = encode_ead(ead_3)
        context = cbor.encode(self._own.id_cred) + cbor.encode(schedule.th_3) + self._own.cred + self._ead
        return _to_be_signed(self._own, schedule.th_3, self._ead, schedule.mac_3(context))

    def message_3(self, signature: bytes) -> bytes:
        schedule = self.schedule
        plaintext = encode_id_cred(self._own.id_cred) + cbor.encode(signature) + self._ead
        key, nonce, aad = schedule.key_3()
        schedule.after_3(plaintext, self._own.cred)
        return cbor.encode(schedule.suite.aead.seal(key, nonce, plaintext, aad))


class Responder(_Party):
    """The vehicle's half."""

    def __init__(self, suite: Suite, secret: bytes, connection_id: bytes, own: Credential) -> None:
        super().__init__(suite, secret, connection_id, own)
        self.peer_connection_id = b""

    def receive_1(self, message_1: bytes) -> None:
        """Read message_1 and agree; any method or suite but the one of this responder is refused."""
        items = cbor.decode_sequence(message_1)
        if len(items) < 4:
            raise ProtocolError("message_1 is malformed")
        method, suite, g_x, c_i = items[:4]
        if (
            not cbor.is_uint(method)
            or not cbor.is_uint(suite)
            or (method, suite) != (METHOD, self.schedule.suite.number)
        ):
            raise ProtocolError("method or cipher suite not accepted")
        if not isinstance(g_x, bytes) or len(g_x) != EPHEMERAL_BYTES:
            raise ProtocolError("message_1 is malformed")
        if decode_ead(items[4:]):
            raise ProtocolError("EAD_1 is not accepted")
        self.peer_connection_id = decode_identifier(c_i)
        self.schedule.begin(message_1, self._ephemeral.public, self._agree(g_x))

    def to_be_signed(self, ead_2: Sequence[Ead] = ()) -> bytes:
        """What the vehicle key must sign for message_2."""
        schedule = self.schedule
        self._ead = encode_ead(ead_2)
        mac = schedule.mac_2(_context_2(self._connection_id, self._own, schedule.th_2, self._ead))
        return _to_be_signed(self._own, schedule.th_2, self._ead, mac)

    def message_2(self, signature: bytes) -> bytes:
        schedule = self.schedule
        plaintext = (
            encode_identifier(self._connection_id)
            + encode_id_cred(self._own.id_cred)
            + cbor.encode(signature)
            + self._ead
        )
        ciphertext = _xor(plaintext, schedule.keystream_2(len(plaintext)))
        schedule.after_2(plaintext, self._own.cred)
        return cbor.encode(self._ephemeral.public + ciphertext)

    def receive_3(self, message_3: bytes, resolve: Callable[[IdCred], Credential]) -> list[Ead]:
        """Check the device's proof against the credential that ``resolve`` finds. Returns EAD_3."""
        body = _items(message_3, 1)[0]
        if not isinstance(body, bytes):
            raise ProtocolError("message_3 is malformed")
        schedule = self.schedule
        key, nonce, aad = schedule.key_3()
        try:
            plaintext = schedule.suite.aead.open(key, nonce, body, aad)
        except CryptoError as error:
            raise ProtocolError("message_3 does not authenticate") from error
        items = cbor.decode_sequence(plaintext)
        if len(items) < 2:
            raise ProtocolError("message_3 is malformed")
        peer = resolve(decode_id_cred(items[0]))
        ead = decode_ead(items[2:])
        ead_3 = encode_ead(ead)
        context = cbor.encode(peer.id_cred) + cbor.encode(schedule.th_3) + peer.cred + ead_3
        self._verify(peer, items[1], _to_be_signed(peer, schedule.th_3, ead_3, schedule.mac_3(context)))
        schedule.after_3(plaintext, peer.cred)
        return ead


def encode_identifier(identifier: bytes) -> bytes:
    """A connection identifier: one byte that is itself a CBOR integer travels as that (section 3.3.2)."""
    if len(identifier) == 1 and (identifier[0] <= 0x17 or 0x20 <= identifier[0] <= 0x37):
        return identifier
    return cbor.encode(identifier)


def decode_identifier(item: object) -> bytes:
    if isinstance(item, int) and not isinstance(item, bool) and -24 <= item <= 23:
        return cbor.encode(item)
    if isinstance(item, bytes) and encode_identifier(item) != item:
        return item
    raise ProtocolError("an identifier is not in its shortest form")


def encode_id_cred(id_cred: IdCred) -> bytes:
    """ID_CRED_x: a lone ``kid`` travels as an identifier (section 3.5.3.2)."""
    if set(id_cred) == {KID} and isinstance(id_cred[KID], bytes):
        return encode_identifier(id_cred[KID])
    return cbor.encode(id_cred)


def decode_id_cred(item: object) -> IdCred:
    if isinstance(item, dict):
        if not item or (set(item) == {KID} and isinstance(item[KID], bytes)):
            raise ProtocolError("ID_CRED is not in its shortest form")
        return item
    return {KID: decode_identifier(item)}


def encode_ead(items: Sequence[Ead]) -> bytes:
    return b"".join(
        cbor.encode(item.label) + (b"" if item.value is None else cbor.encode(item.value)) for item in items
    )


def decode_ead(items: Sequence[object]) -> list[Ead]:
    result: list[Ead] = []
    for item in items:
        if isinstance(item, int) and not isinstance(item, bool):
            result.append(Ead(item))
        elif isinstance(item, bytes) and result and result[-1].value is None:
            result[-1] = Ead(result[-1].label, item)
        else:
            raise ProtocolError("EAD is malformed")
    return result


def _items(message: bytes, count: int) -> list[Any]:
    items = cbor.decode_sequence(message)
    if len(items) != count:
        raise ProtocolError(f"expected {count} CBOR item(s)")
    return items


def _context_2(c_r: bytes, peer: Credential, th_2: bytes, ead_2: bytes) -> bytes:
    return encode_identifier(c_r) + cbor.encode(peer.id_cred) + cbor.encode(th_2) + peer.cred + ead_2


def _to_be_signed(who: Credential, transcript: bytes, ead: bytes, mac: bytes) -> bytes:
    """The Sig_structure of sections 5.3.2 and 5.4.2."""
    aad = cbor.encode(transcript) + who.cred + ead
    return cbor.encode(["Signature1", cbor.encode(who.id_cred), aad, mac])


def _xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(len(left), "big")
