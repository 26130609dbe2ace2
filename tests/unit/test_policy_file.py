"""The operator's policy file: what it may say, and that nothing wrong in it passes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keygw.app.policy_file import MAX_BYTES, DeploymentPolicy, PolicyError, load_policy
from keygw.credentials.profiles import BUILT_IN
from keygw.credentials.values import Limits
from keygw.model.device import AttestationLevel
from keygw.model.digital_key import Role
from keygw.model.entitlement import Entitlement

ATTESTATION = '[attestation]\nrp_id = "keys.example"\norigins = ["https://keys.example"]\n'


def load(folder: Path, text: str | bytes) -> DeploymentPolicy:
    path = folder / "policy.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_policy(None, path)


def refused(folder: Path, text: str | bytes) -> str:
    with pytest.raises(PolicyError) as caught:
        load(folder, text)
    assert caught.value.code == "policy_invalid"
    assert str(folder / "policy.toml") in str(caught.value)
    return str(caught.value)


def test_without_a_file_what_comes_along_holds(tmp_path: Path) -> None:
    found = load_policy(None, tmp_path / "policy.toml")
    assert found.limits.shown() == Limits().shown()
    assert list(found.limits.profiles) == list(BUILT_IN)
    assert found.attestations.formats == ()


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="cannot be read"):
        load_policy(tmp_path / "mine.toml", tmp_path / "policy.toml")


def test_the_page_shows_a_policy_that_holds(tmp_path: Path, repository: Path) -> None:
    """And the limits that it shows are the defaults."""
    page = (repository / "docs/reference/configuration.md").read_text("utf-8")
    shown = page.split("## Policy\n")[1].split("```toml\n")[1].split("```")[0]
    roots = json.loads((repository / "protocols/attestation/vectors/packed.json").read_text("utf-8"))["roots"]
    (tmp_path / "makers.pem").write_text(roots)
    found = load(tmp_path, shown)
    assert found.limits.shown() == Limits().shown()
    profiles = {each.name: each for each in found.limits.profiles}
    assert list(profiles) == ["owner", "driver", "access", "valet", "service", "cleaner"]
    driver, cleaner = profiles["driver"], profiles["cleaner"]
    assert (driver.attestation, driver.hosted, driver.longest) == (AttestationLevel.BASIC, False, 2_592_000)
    assert driver.entitlements == next(each for each in BUILT_IN if each.name == "driver").entitlements
    assert cleaner.roles == {Role.FRIEND, Role.SERVICE}
    assert cleaner.entitlements == Entitlement.STATUS_READ | Entitlement.DOOR_LOCK | Entitlement.DOOR_UNLOCK
    assert found.attestations.formats == ("packed",)


def test_limits_are_set(tmp_path: Path) -> None:
    found = load(tmp_path, "[limits]\nkeys_per_vehicle = 7\nshare_depth = 0\n")
    assert found.limits.shown() == {**Limits().shown(), "keys_per_vehicle": 7, "share_depth": 0}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("limits = 3", "limits is a table"),
        ("[limits]\nkeys = 3", "there is no limit keys"),
        ("[limits]\nkeys_per_vehicle = 0", "keys_per_vehicle is 1 to"),
        ("[limits]\nkeys_per_vehicle = true", "a whole number"),
        ("[limits]\nkeys_per_vehicle = 1.5", "a whole number"),
        ("[limits]\nshare_depth = 3", "share_depth is 0 to 2"),
        ("[limit]\n", "there is no 'limit'"),
        ("[profiles.driver]\nlongest = 3", "there is no 'longest'"),
        ("[profiles.driver]\nhosted = 1", "hosted is a bool"),
        ('[profiles.driver]\nattestation = "hosted"', "attestation is none, self, basic"),
        ('[profiles.driver]\nattestation = "high"', "attestation is none, self or basic"),
        ('[profiles.driver]\nroles = ["king"]', "'king' is no role"),
        ("[profiles.driver]\nroles = []", "allows nothing, or nobody"),
        ("[profiles.driver]\nroles = [1]", "a list of texts"),
        ("[profiles.driver]\nentitlements = []", "allows nothing"),
        ('[profiles.driver]\nentitlements = ["door.fly"]', "'door.fly' is not an entitlement"),
        ("[profiles.driver]\nlongest_seconds = 0", "longest is 1 to"),
        ("[profiles.driver]\nshare_depth = 9", "share_depth is 0 to"),
        ('[profiles.new]\ndescription = "x"', "needs entitlements"),
        ("[profiles]\ndriver = true", "is a table, or false"),
        ("[profiles]\nowner = false", "there must be a profile owner"),
        ('[profiles.""]\n', "a profile's name"),
        ("[attestation]\n", "needs rp_id"),
        ('[attestation]\nrp_id = "x"\norigins = []', "needs rp_id"),
        ('[attestation]\nrp_id = 1\norigins = ["x"]', "needs rp_id"),
        (ATTESTATION + "user_verification = 1", "true or false"),
        (ATTESTATION + "roots = 1", "names a file"),
        (ATTESTATION + 'roots = "none.pem"', "cannot be read"),
        (ATTESTATION + 'roots = "policy.toml"', "not a file of PEM certificates"),
        (ATTESTATION + "root = 1", "there is no 'root'"),
        ("[limits", "Expected"),
        (b"\xff", "utf-8"),
        (b"#" * (MAX_BYTES + 1), "longer than"),
    ],
)
def test_what_is_wrong_keeps_the_gateway_down(tmp_path: Path, text: str | bytes, says: str) -> None:
    assert says in refused(tmp_path, text)
