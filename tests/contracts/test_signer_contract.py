"""What every ``crypto.signer.Signer`` must do, wherever its key lives: in the process, in a file, in an HSM."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keygw.crypto.errors import CryptoError
from keygw.crypto.signer import LocalSigner, Signer, check_public_key, verify
from keygw.store.keyfile import load_or_create_issuer_key
from keygw.token.envelope import TIME_PROOF
from keygw.token.time_proof import TimeProof, sign_time_proof, verify_time_proof
from keygw.token.trust import IssuerKey, TrustedIssuers, kid_of

if TYPE_CHECKING:
    from tests.conftest import SoftHsm

Again = Callable[[], Signer]
"""The same key, opened once more."""


def local(request: pytest.FixtureRequest, folder: Path) -> Iterator[Again]:
    signer = LocalSigner.generate()
    yield lambda: LocalSigner.from_pem(signer.to_pem())


def encrypted_file(request: pytest.FixtureRequest, folder: Path) -> Iterator[Again]:
    yield lambda: load_or_create_issuer_key(folder / "issuer.pem", b"correct horse")


def pkcs11(request: pytest.FixtureRequest, folder: Path) -> Iterator[Again]:
    softhsm: SoftHsm = request.getfixturevalue("softhsm")
    from keygw.store.hsm import Hsm
    from keygw.store.pkcs11_uri import Pkcs11Uri

    hsm = Hsm(softhsm.module, lambda: softhsm.pin)
    uri = Pkcs11Uri(token="keygw", object=f"contract {folder.name}")
    yield lambda: hsm.open_or_generate(uri)
    hsm.close()


SIGNERS = {"local": local, "file": encrypted_file, "pkcs11": pkcs11}


@pytest.fixture(params=sorted(SIGNERS))
def again(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Again]:
    yield from SIGNERS[request.param](request, tmp_path)


@pytest.fixture
def signer(again: Again) -> Signer:
    return again()


@pytest.mark.parametrize("message", [b"", b"message", bytes(100_000)], ids=["empty", "short", "long"])
def test_what_is_signed_verifies_under_the_public_key_and_nothing_else_does(signer: Signer, message: bytes) -> None:
    assert check_public_key(signer.public_key) == signer.public_key
    signature = signer.sign(message)
    assert len(signature) == 64
    verify(signer.public_key, signature, message)
    with pytest.raises(CryptoError):
        verify(signer.public_key, signature, message + b"!")
    with pytest.raises(CryptoError):
        verify(LocalSigner.generate().public_key, signature, message)


def test_it_is_the_same_key_when_it_is_opened_again(signer: Signer, again: Again) -> None:
    other = again()
    assert other.public_key == signer.public_key
    verify(signer.public_key, other.sign(b"message"), b"message")
    verify(signer.public_key, signer.sign(b"message"), b"message")


def test_any_thread_may_sign(signer: Signer) -> None:
    messages = [b"message %d" % number for number in range(64)]
    with ThreadPoolExecutor(8) as pool:
        for message, signature in zip(messages, pool.map(signer.sign, messages), strict=True):
            verify(signer.public_key, signature, message)


def test_no_signature_is_longer_for_a_small_number(signer: Signer) -> None:
    """r and s are 32 bytes each, whatever their leading bytes are: in 1000 signatures about eight begin with zeros."""
    for number in range(1000):
        message = b"%d" % number
        signature = signer.sign(message)
        if 0 in (signature[0], signature[32]):
            assert len(signature) == 64
            verify(signer.public_key, signature, message)
            return
    pytest.fail("no signature with a leading zero in 1000, which happens once in 2500 runs")


def test_the_objects_of_the_issuer_are_signed_with_it(signer: Signer) -> None:
    kid = kid_of(signer.public_key)
    proof = TimeProof("veh_aaaaaaaaaaaaaaaa", b"12345678", 1_700_000_000, 0)
    signed = sign_time_proof(proof, signer, kid)
    trusted = TrustedIssuers([IssuerKey("issuer", kid, signer.public_key)])
    assert verify_time_proof(signed, trusted, proof.vehicle_id) == proof
    assert TIME_PROOF.open(signed).kid == kid


def test_its_repr_tells_the_public_half_alone(signer: Signer) -> None:
    assert repr(signer).endswith(")")
    assert "dev_" in repr(signer)
    assert len(repr(signer)) < 60
