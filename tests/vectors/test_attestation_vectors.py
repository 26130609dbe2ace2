"""WebAuthn packed: every frozen statement is judged as the specification says, and the maker still makes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from make_attestation_vectors import documents

from keygw.credentials.attestation import Attestations, Evidence, PackedVerifier
from keygw.crypto.certificates import Roots
from keygw.crypto.errors import CryptoError
from keygw.crypto.signer import LocalSigner
from keygw.model.errors import BadInput, Forbidden, TokenError
from keygw.token.possession import verify_registration
from keygw.token.webauthn import MAX_EVIDENCE, Packed, RelyingParty, Statement, verify_packed

FOLDER = Path(__file__).resolve().parents[2] / "protocols" / "attestation" / "vectors"
SAID: dict[str, Any] = json.loads((FOLDER / "packed.json").read_text("utf-8"))
PROOFS: dict[str, Any] = json.loads((FOLDER / "registration.json").read_text("utf-8"))
ROOTS = Roots.from_pem(SAID["roots"].encode())
PARTY = RelyingParty(SAID["rp_id"], frozenset(SAID["origins"]), SAID["user_verification"])
CHALLENGE, KEY, NOW = bytes.fromhex(SAID["challenge"]), bytes.fromhex(SAID["device_key"]), float(SAID["now"])
BASIC = bytes.fromhex(SAID["valid"][0]["evidence"])
SELF = bytes.fromhex(SAID["valid"][2]["evidence"])


def judge(evidence: bytes, now: float = NOW, party: RelyingParty = PARTY, roots: Roots = ROOTS) -> Packed:
    return verify_packed(evidence, CHALLENGE, KEY, party, roots, now)


def refused(evidence: bytes, **changes: Any) -> str:
    with pytest.raises(TokenError) as caught:
        judge(evidence, **changes)
    return caught.value.code


def test_the_maker_gives_the_frozen_bytes() -> None:
    assert documents() == {path.name: path.read_text("utf-8") for path in FOLDER.iterdir()}


@pytest.mark.parametrize("row", SAID["valid"], ids=lambda row: row["name"])
def test_what_is_good_is_taken(row: dict[str, str]) -> None:
    evidence = bytes.fromhex(row["evidence"])
    found = judge(evidence)
    assert (found.aaguid.hex(), found.user_verified) == (SAID["aaguid"], True)
    assert bool(found.chain) == (row["level"] == "basic")
    said = Statement.decode(evidence)
    assert (said.encode(), said.client_data.decode()) == (evidence, row["client_data"])


@pytest.mark.parametrize("row", SAID["invalid"], ids=lambda row: row["name"])
def test_what_is_bad_is_refused_with_its_code(row: dict[str, str]) -> None:
    assert refused(bytes.fromhex(row["evidence"])) == row["code"]


@pytest.mark.parametrize("row", SAID["outside_time"], ids=lambda row: row["name"])
def test_a_chain_holds_in_its_time_alone(row: dict[str, Any]) -> None:
    assert refused(BASIC, now=float(row["now"])) == "attestation_untrusted"
    judge(SELF, now=float(row["now"]))


def test_without_a_root_no_chain_holds_and_a_key_still_speaks_for_itself() -> None:
    assert refused(BASIC, roots=Roots()) == "attestation_untrusted"
    judge(SELF, roots=Roots())


def test_who_asks_for_no_user_verification_takes_a_key_without() -> None:
    row = next(row for row in SAID["invalid"] if row["name"] == "the user was not verified")
    party = RelyingParty(PARTY.id, PARTY.origins, user_verification=False)
    assert not judge(bytes.fromhex(row["evidence"]), party=party).user_verified


@pytest.mark.parametrize("evidence", [BASIC, SELF], ids=["basic", "self"])
def test_no_bit_of_what_was_signed_may_change(evidence: bytes) -> None:
    """Every single bit of authenticator data and client data, one after the other."""
    said = Statement.decode(evidence)
    for name, data in (("authenticator", said.authenticator), ("client_data", said.client_data)):
        for place in range(len(data)):
            for bit in (1, 128):
                changed = bytearray(data)
                changed[place] ^= bit
                fields = {"authenticator": said.authenticator, "client_data": said.client_data, name: bytes(changed)}
                bent = Statement(signature=said.signature, chain=said.chain, **fields).encode()
                assert refused(bent).startswith("attestation_"), (name, place, bit)


@pytest.mark.parametrize("evidence", [BASIC, SELF], ids=["basic", "self"])
def test_cut_at_any_place_it_is_refused(evidence: bytes) -> None:
    assert {refused(evidence[:size]) for size in range(len(evidence))} == {"attestation_malformed"}


def test_the_port_gives_levels_and_the_callers_codes() -> None:
    judged = Attestations(PackedVerifier(PARTY, ROOTS))
    basic = judged.judge(Evidence("packed", BASIC), CHALLENGE, KEY, NOW)
    assert (basic.level, basic.format, basic.model) == ("basic", "packed", SAID["aaguid"])
    assert basic.chain[-1].startswith("CN=Test root")
    assert judged.judge(Evidence("packed", SELF), CHALLENGE, KEY, NOW).level == "self"
    for data, kind, code in (
        (b"", BadInput, "attestation_malformed"),
        (bytes(MAX_EVIDENCE + 1), BadInput, "attestation_malformed"),
    ):
        with pytest.raises(kind) as caught:
            judged.judge(Evidence("packed", data), CHALLENGE, KEY, NOW)
        assert caught.value.code == code
    with pytest.raises(Forbidden) as forbidden:
        judged.judge(Evidence("packed", BASIC), bytes(32), KEY, NOW)
    assert forbidden.value.code == "attestation_challenge"
    for nobody in (judged, Attestations()):
        with pytest.raises(BadInput) as unknown:
            nobody.judge(Evidence("android-key", BASIC), CHALLENGE, KEY, NOW)
        assert unknown.value.code == "attestation_format"


@pytest.mark.parametrize("row", PROOFS["valid"], ids=lambda row: row["name"])
def test_a_device_proof_is_good_for_its_challenge_key_and_attestation_alone(row: dict[str, Any]) -> None:
    proof, challenge, key = (bytes.fromhex(text) for text in (row["proof"], PROOFS["challenge"], PROOFS["device_key"]))
    said = None if row["format"] is None else (row["format"], bytes.fromhex(row["evidence"]))
    verify_registration(proof, challenge, said, key)
    for other, attestation in (
        (bytes(32), said),
        (challenge, ("packed", b"other")),
        (challenge, ("other", b"evidence")),
        (challenge, ("packed", b"evidence") if said is None else None),
    ):
        with pytest.raises(TokenError) as caught:
            verify_registration(proof, other, attestation, key)
        assert caught.value.code == "possession_foreign"
    with pytest.raises(TokenError) as caught:
        verify_registration(proof, challenge, said, LocalSigner.generate().public_key)
    assert caught.value.code == "token_signature"


@pytest.mark.parametrize(
    "pem", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_file_without_roots_is_refused(pem: bytes) -> None:
    with pytest.raises(CryptoError):
        Roots.from_pem(pem)
