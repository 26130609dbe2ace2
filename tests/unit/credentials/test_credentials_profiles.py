"""Access profiles: what they let through, and what they say of a key that they would not allow any more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygw.credentials.profiles import BUILT_IN, YEAR, Profile, Profiles
from keygw.model.device import AttestationLevel, Device, DeviceKind
from keygw.model.digital_key import Role
from keygw.model.entitlement import PROFILES, Entitlement
from keygw.model.errors import BadInput, Forbidden

if TYPE_CHECKING:
    from keygw.model.errors import KeygwError

PHONE = Device("dev_a", DeviceKind.PHONE, bytes(33))
HOSTED = Device("dev_b", DeviceKind.HOSTED, bytes(33))
DAY = 86_400
EVERY = {profile.name: profile for profile in BUILT_IN}


def attested(level: AttestationLevel) -> Device:
    return replace(PHONE, attestation=level)


def changed(name: str, **changes: Any) -> Profiles:
    return Profiles([replace(each, **changes) if each.name == name else each for each in BUILT_IN])


def code(call: Callable[[], object]) -> str:
    with pytest.raises((BadInput, Forbidden)) as caught:
        call()
    error: KeygwError = caught.value
    return error.code


def new(profiles: Profiles, name: str, rights: Entitlement, device: Device = PHONE, **other: Any) -> None:
    said = {"role": Role.FRIEND, "seconds": DAY, "further": 0, **other}
    profiles.check_new(name, rights, said["role"], device, said["seconds"], said["further"])


def test_those_that_come_along_hold_what_they_always_held() -> None:
    assert {name: profile.entitlements for name, profile in EVERY.items()} == PROFILES
    assert Profiles().names == tuple(EVERY)
    assert code(lambda: Profiles().named("king")) == "unknown_profile"


@pytest.mark.parametrize("name", EVERY)
def test_each_lets_a_phone_through_that_is_nothing_special(name: str) -> None:
    new(Profiles(), name, PROFILES[name])
    new(Profiles(), "", PROFILES[name], HOSTED)


def test_roles() -> None:
    assert code(lambda: new(Profiles(), "driver", PROFILES["driver"], role=Role.OWNER)) == "profile_role"
    assert code(lambda: new(Profiles(), "valet", PROFILES["valet"], role=Role.SERVICE)) == "profile_role"
    new(Profiles(), "service", PROFILES["service"], role=Role.SERVICE)
    new(Profiles(), "owner", PROFILES["owner"], role=Role.OWNER)


def test_how_long_and_how_deep() -> None:
    new(Profiles(), "valet", PROFILES["valet"], seconds=7 * DAY)
    assert code(lambda: new(Profiles(), "valet", PROFILES["valet"], seconds=7 * DAY + 1)) == "profile_too_long"
    assert code(lambda: new(Profiles(), "valet", PROFILES["valet"], further=1)) == "profile_share_depth"
    new(Profiles(), "owner", PROFILES["owner"], further=2)


@pytest.mark.parametrize("needed", [AttestationLevel.NONE, AttestationLevel.SELF, AttestationLevel.BASIC])
@pytest.mark.parametrize("has", [AttestationLevel.NONE, AttestationLevel.SELF, AttestationLevel.BASIC])
def test_attestation_is_asked_for_at_least(needed: AttestationLevel, has: AttestationLevel) -> None:
    profiles = changed("driver", attestation=needed)
    if has.rank >= needed.rank:
        new(profiles, "driver", PROFILES["driver"], attested(has))
        return
    assert code(lambda: new(profiles, "driver", PROFILES["driver"], attested(has))) == "attestation_required"


def test_a_hosted_device_needs_no_evidence_and_may_be_shut_out() -> None:
    new(changed("driver", attestation=AttestationLevel.BASIC), "driver", PROFILES["driver"], HOSTED)
    shut = changed("driver", hosted=False)
    assert code(lambda: new(shut, "driver", PROFILES["driver"], HOSTED)) == "hosted_refused"
    new(shut, "driver", PROFILES["driver"])


def test_single_entitlements_are_judged_by_the_profiles_that_hold_them_all() -> None:
    """The doors are in every profile but delivery: while one of those lets a phone through, single rights do too."""
    doors, engine = PROFILES["access"], PROFILES["valet"]
    strict = [replace(each, attestation=AttestationLevel.BASIC) for each in BUILT_IN if each.name != "access"]
    profiles = Profiles([*strict, EVERY["access"]])
    new(profiles, "", doors)
    assert code(lambda: new(profiles, "", engine)) == "attestation_required"
    new(profiles, "", engine, attested(AttestationLevel.BASIC))
    assert code(lambda: new(profiles, "driver", doors)) == "attestation_required"  # whoever names one is held to it


def test_what_no_profile_holds_is_refused() -> None:
    profiles = Profiles([replace(EVERY["owner"], entitlements=PROFILES["access"])])
    assert code(lambda: new(profiles, "", PROFILES["valet"])) == "no_profile"
    assert code(lambda: new(Profiles(), "", Entitlement(1 << 20))) == "no_profile"


def test_the_narrowest_profile_says_why_not() -> None:
    profiles = Profiles([replace(each, longest=DAY) for each in BUILT_IN])
    with pytest.raises(Forbidden, match="profile delivery"):
        new(profiles, "", PROFILES["delivery"], seconds=DAY + 1)


def test_a_key_that_exists_is_judged_by_its_name_and_not_by_its_length() -> None:
    Profiles().check_again("valet", PROFILES["valet"], Role.FRIEND, PHONE)
    gone = Profiles([each for each in BUILT_IN if each.name != "valet"])
    assert code(lambda: gone.check_again("valet", PROFILES["valet"], Role.FRIEND, PHONE)) == "profile_gone"
    less = changed("valet", entitlements=PROFILES["access"])
    assert code(lambda: less.check_again("valet", PROFILES["valet"], Role.FRIEND, PHONE)) == "profile_narrower"
    strict = changed("valet", attestation=AttestationLevel.SELF)
    assert code(lambda: strict.check_again("valet", PROFILES["valet"], Role.FRIEND, PHONE)) == "attestation_required"


@pytest.mark.parametrize(
    "changes",
    [
        {"entitlements": Entitlement(0)},
        {"roles": frozenset()},
        {"longest": 0},
        {"longest": YEAR + 1},
        {"share_depth": 3},
        {"share_depth": -1},
        {"attestation": AttestationLevel.HOSTED},
    ],
)
def test_a_profile_that_cannot_be(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="the profile valet"):
        replace(EVERY["valet"], **changes)


@pytest.mark.parametrize(
    "profiles",
    [
        [EVERY["driver"]],
        [EVERY["owner"], EVERY["owner"]],
        [replace(EVERY["owner"], roles=frozenset({Role.FRIEND}))],
    ],
)
def test_profiles_that_cannot_be(profiles: list[Profile]) -> None:
    with pytest.raises(ValueError, match="profile"):
        Profiles(profiles)


LEVELS = st.sampled_from([AttestationLevel.NONE, AttestationLevel.SELF, AttestationLevel.BASIC])


@given(st.lists(LEVELS, min_size=6, max_size=6), st.integers(1, 2**11 - 1), LEVELS)
def test_nobody_gets_more_without_a_name_than_with_one(levels: list[AttestationLevel], bits: int, has: Any) -> None:
    """Single entitlements pass exactly if some profile that holds them all lets the same device through by name."""
    ruled = [replace(each, attestation=level) for each, level in zip(BUILT_IN, levels, strict=True)]
    profiles, device = Profiles(ruled), attested(has)

    def passes(name: str) -> bool:
        try:
            new(profiles, name, Entitlement(bits), device)
        except Forbidden:
            return False
        return True

    assert passes("") == any(passes(each.name) for each in ruled)
