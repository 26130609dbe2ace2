"""The key schedule of RFC 9528 section 4.1, in the order its values come to be."""

from __future__ import annotations

from keygw.crypto.kdf import HASH_BYTES, hkdf_expand, hkdf_extract, sha256
from keygw.session.edhoc.codec import Credential
from keygw.session.edhoc.suites import Suite
from keygw.wire import cbor

_HASH = b"\x58\x20"
"""Head of a byte string of 32 bytes: every transcript hash is one."""


def edhoc_kdf(prk: bytes, label: int, context: bytes, length: int) -> bytes:
    """EDHOC_KDF of RFC 9528 section 4.1.2."""
    return hkdf_expand(prk, cbor.integer(label) + cbor.byte_string(context) + cbor.integer(length), length)


class Schedule:
    """Transcript hashes and keys of one exchange. Public for the trace tests.

    With two signatures PRK_3e2m and PRK_4e3m are PRK_2e; a static key of a side (``oracle.static``) makes a new one.
    """

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self.th_2 = self.th_3 = self.th_4 = b""
        self.prk_2e = self.prk_3e2m = self.prk_4e3m = b""
        self.prk_out = self.prk_exporter = b""

    def begin(self, message_1: bytes, g_y: bytes, shared: bytes) -> None:
        self.th_2 = sha256(_HASH + g_y + _HASH + sha256(message_1))
        self.prk_2e = self.prk_3e2m = self.prk_4e3m = hkdf_extract(self.th_2, shared)

    def keystream_2(self, length: int) -> bytes:
        return edhoc_kdf(self.prk_2e, 0, self.th_2, length)

    def mac_2(self, context_2: bytes, length: int = HASH_BYTES) -> bytes:
        return edhoc_kdf(self.prk_3e2m, 2, context_2, length)

    def after_2(self, plaintext_2: bytes, cred_r: bytes) -> None:
        self.th_3 = sha256(_HASH + self.th_2 + plaintext_2 + cred_r)

    def mac_3(self, context_3: bytes, length: int = HASH_BYTES) -> bytes:
        return edhoc_kdf(self.prk_4e3m, 6, context_3, length)

    def key_3(self) -> tuple[bytes, bytes, bytes]:
        """K_3, IV_3 and A_3."""
        return self._sealing(self.prk_3e2m, 3, self.th_3)

    def after_3(self, plaintext_3: bytes, cred_i: bytes) -> None:
        self.th_4 = sha256(_HASH + self.th_3 + plaintext_3 + cred_i)
        self.prk_out = edhoc_kdf(self.prk_4e3m, 7, self.th_4, HASH_BYTES)
        self.prk_exporter = edhoc_kdf(self.prk_out, 10, b"", HASH_BYTES)

    def key_4(self) -> tuple[bytes, bytes, bytes]:
        """K_4, IV_4 and A_4."""
        return self._sealing(self.prk_4e3m, 8, self.th_4)

    def export(self, label: int, context: bytes, length: int) -> bytes:
        """EDHOC_Exporter, section 4.2.1; only after message_3."""
        if not self.prk_exporter:
            raise ValueError("nothing to export before message_3")
        return edhoc_kdf(self.prk_exporter, label, context, length)

    def _sealing(self, prk: bytes, label: int, transcript: bytes) -> tuple[bytes, bytes, bytes]:
        aead = self.suite.aead
        return (
            edhoc_kdf(prk, label, transcript, aead.key_bytes),
            edhoc_kdf(prk, label + 1, transcript, aead.nonce_bytes),
            b"\x83\x68Encrypt0\x40" + _HASH + transcript,
        )


def context_2(c_r: bytes, responder: Credential, th_2: bytes, ead_2: bytes) -> bytes:
    """Section 5.3.2; ``c_r`` as it travels."""
    return c_r + responder.id_cred + _HASH + th_2 + responder.cred + ead_2


def context_3(initiator: Credential, th_3: bytes, ead_3: bytes) -> bytes:
    """Section 5.4.2."""
    return initiator.id_cred + _HASH + th_3 + initiator.cred + ead_3


def to_be_signed(who: Credential, transcript: bytes, ead: bytes, mac: bytes) -> bytes:
    """The Sig_structure of sections 5.3.2 and 5.4.2."""
    aad = cbor.byte_string(_HASH + transcript + who.cred + ead)
    return b"\x84\x6aSignature1" + cbor.byte_string(who.id_cred) + aad + cbor.byte_string(mac)
