"""Every P-256 case of RFC 9383's vectors, all values, from both sides."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keygw.crypto import spake2plus
from keygw.crypto.spake2plus import Prover, Secret, Suite, Verifier

SUITES = {
    "SHA256-HKDF-SHA256-HMAC-SHA256": spake2plus.P256_SHA256,
    "SHA512-HKDF-SHA512-HMAC-SHA512": spake2plus.P256_SHA512,
    "SHA256-HKDF-SHA256-CMAC-AES-128": spake2plus.P256_SHA256_CMAC,
    "SHA512-HKDF-SHA512-CMAC-AES-128": spake2plus.P256_SHA512_CMAC,
}


def case_of(shared: Path, name: str) -> dict[str, str]:
    cases: list[dict[str, str]] = json.loads((shared / "vectors/spake2plus_rfc9383.json").read_text())["cases"]
    return next(case for case in cases if case["context"].startswith(f"SPAKE2+-P256-{name}"))


def randomness(scalar: str) -> bytes:
    """The bytes from which our reduction makes exactly this scalar."""
    return (int(scalar, 16) - 1).to_bytes(spake2plus.SECRET_BYTES, "big")


@pytest.mark.parametrize("name", SUITES)
def test_both_roles_reproduce_every_value(shared: Path, name: str) -> None:
    case, suite = case_of(shared, name), SUITES[name]
    secret = Secret(int(case["w0"], 16), int(case["w1"], 16))
    record = secret.record()
    assert record.encode().hex() == case["w0"] + case["L"]
    about: tuple[bytes, bytes, bytes, Suite] = (
        case["context"].encode(),
        case["idProver"].encode(),
        case["idVerifier"].encode(),
        suite,
    )
    prover = Prover(secret, randomness(case["x"]), *about)
    verifier = Verifier(record, randomness(case["y"]), *about)
    assert prover.share.hex() == case["shareP"]
    assert verifier.share.hex() == case["shareV"]
    keys = prover.finish(verifier.share)
    assert keys == verifier.finish(prover.share)
    mac = name.split("-")[3]
    assert {
        "TT": keys.transcript.hex(),
        "K_main": keys.main.hex(),
        "K_confirmP": keys.confirm_key_prover.hex(),
        "K_confirmV": keys.confirm_key_verifier.hex(),
        f"{mac}(K_confirmP, shareV)": keys.confirm_prover.hex(),
        f"{mac}(K_confirmV, shareP)": keys.confirm_verifier.hex(),
        "K_shared": keys.shared.hex(),
    }.items() <= case.items()
    keys.check_prover(keys.confirm_prover)
    keys.check_verifier(keys.confirm_verifier)


def test_no_p256_case_of_the_rfc_is_left_out(shared: Path) -> None:
    cases = json.loads((shared / "vectors/spake2plus_rfc9383.json").read_text())["cases"]
    assert sum("P256" in case["context"] for case in cases) == len(SUITES)
