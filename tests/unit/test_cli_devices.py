"""``keygw devices`` and ``keygw profiles`` against a real gateway."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from keygw.cli.exits import Exit
from keygw.crypto.signer import LocalSigner, device_id
from keygw.model.base64url import decode_base64url, encode_base64url
from keygw.token.possession import sign_registration

if TYPE_CHECKING:
    from tests.unit.conftest import Run


def signed(run: Run, signer: LocalSigner, evidence: bytes | None = None) -> list[str]:
    """A registration on a fresh challenge, as it is typed."""
    challenge = run("devices", "challenge", "--json").json["challenge"]
    said = None if evidence is None else ("packed", evidence)
    proof = sign_registration(decode_base64url(challenge), said, signer)
    key = encode_base64url(signer.public_key)
    return ["devices", "register", key, "--challenge", challenge, "--proof", encode_base64url(proof)]


def test_a_phone_from_the_challenge_to_its_removal(run: Run, owner: str) -> None:
    signer = LocalSigner.generate()
    made = run(*signed(run, signer), "--label", "Ada's phone", "--json")
    assert made.code == 0, made.err
    assert (made.json["id"], made.json["attestation"]) == (device_id(signer.public_key), "none")
    listed = run("devices", "list").out
    assert "Ada's phone" in listed
    assert "hosted" in listed, "the owner's"
    assert "registered\t20" in run("devices", "show", "ada's PHONE").out
    key = encode_base64url(signer.public_key)
    shared = run("keys", "share", owner, "--public-key", key, "--profile", "access", "--for", "1h", "--json")
    assert (shared.code, shared.json["profile"]) == (0, "access")
    refused = run("devices", "remove", "Ada's phone", "--json")
    assert (refused.code, refused.error["code"]) == (Exit.CONFLICT, "device_in_use")
    assert run("keys", "revoke", shared.json["id"]).code == 0
    assert "removed" in run("devices", "remove", "Ada's phone").out
    gone = run("devices", "show", "Ada's phone", "--json")
    assert (gone.code, gone.error["code"]) == (Exit.NOT_FOUND, "unknown_device")


def test_evidence_is_sent_as_it_lies_in_the_file(run: Run, tmp_path: Path) -> None:
    """This gateway judges no format: that it says so shows that the proof over the evidence held."""
    (tmp_path / "evidence").write_bytes(b"evidence")
    line = [*signed(run, LocalSigner.generate(), b"evidence"), "--evidence", str(tmp_path / "evidence"), "--json"]
    refused = run(*line)
    assert (refused.code, refused.error["code"]) == (Exit.USAGE, "attestation_format")
    missing = run(*line[:-2], str(tmp_path / "none"), "--json")
    assert (missing.code, missing.error["code"]) == (Exit.USAGE, "unreadable")


def test_a_challenge_is_used_once(run: Run) -> None:
    line = signed(run, LocalSigner.generate())
    assert run(*line).code == 0
    again = run(*line, "--json")
    assert (again.code, again.error["code"]) == (Exit.CONFLICT, "challenge_unknown")
    assert "keygw devices challenge" in run(*line).err


def test_profiles_and_limits_are_shown(run: Run) -> None:
    listed = run("profiles", "list").out
    assert "valet\tfriend\t7d\tnone\t" in listed
    shown = run("profiles", "show", "delivery").out
    assert "trunk.open\topen the trunk" in shown
    assert run("profiles", "show", "delivery", "--json").json["longest_seconds"] == 604_800
    refused = run("profiles", "show", "king", "--json")
    assert (refused.code, refused.error["code"]) == (Exit.NOT_FOUND, "unknown_profile")
    assert "keys per owner\t250" in run("profiles", "limits").out


def test_a_profile_is_for_the_gateway_to_know(run: Run, owner: str) -> None:
    key = encode_base64url(LocalSigner.generate().public_key)
    refused = run("keys", "share", owner, "--public-key", key, "--profile", "king", "--for", "1h", "--json")
    assert (refused.code, refused.error["code"]) == (Exit.USAGE, "unknown_profile")
