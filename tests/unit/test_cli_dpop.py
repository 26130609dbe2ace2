"""``keygw dpop``: a proof that the gateway takes, and no way to leak what it is made with."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from keygw.crypto.signer import LocalSigner
from keygw.token.dpop import open_proof, thumbprint_of

URL = "https://keys.example/v1/keys"


def run(folder: Path, *words: str, told: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "keygw", "dpop", *words]
    return subprocess.run(command, cwd=folder, input=told, capture_output=True, text=True, timeout=60, check=False)


def test_each_proof_is_for_one_request_and_fresh(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("eyJ.a.b\n")
    first, second = (run(tmp_path, "get", URL, "--nonce", "n", "--access-token-file", "token") for _ in range(2))
    proofs = [
        open_proof(ran.stdout.strip(), "GET", URL, now=time.time(), access_token="eyJ.a.b") for ran in (first, second)
    ]
    assert proofs[0].jti != proofs[1].jti
    assert proofs[0].nonce == "n"
    key = LocalSigner.from_pem((tmp_path / "dpop.key").read_bytes())
    assert {each.thumbprint for each in proofs} == {thumbprint_of(key.public_key)}, "the key is made once"
    assert (tmp_path / "dpop.key").stat().st_mode & 0o077 == 0


def test_json_and_standard_input(tmp_path: Path) -> None:
    ran = run(tmp_path, "POST", URL, "--access-token-file", "-", "--json", told="eyJ.a.b")
    proof = json.loads(ran.stdout)["proof"]
    assert open_proof(proof, "POST", URL, now=time.time(), access_token="eyJ.a.b").nonce is None


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("GET", "keys.example"), 2),
        (("GET", "ftp://keys.example/"), 2),
        (("GET /", URL), 2),
        (("GET", URL, "--access-token-file", "nowhere"), 3),
        (("GET", URL, "--access-token-file", "empty"), 2),
        (("GET", URL, "--key", "broken"), 3),
    ],
)
def test_what_cannot_be(tmp_path: Path, words: tuple[str, ...], code: int) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "broken").touch(mode=0o600)
    (tmp_path / "broken").write_text("no key")
    ran = run(tmp_path, *words)
    assert (ran.returncode, ran.stdout) == (code, "")
    assert "next:" in ran.stderr
    assert "Traceback" not in ran.stderr
