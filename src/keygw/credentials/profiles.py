"""Access profiles: named bundles of entitlements, and the rules under which a key may have them.

A key may be asked for by a profile's name or by single entitlements. Single ones are judged by the profiles that hold
all of them: what anybody could have under a name is not refused without it, and never had on easier terms. Where no
profile holds them all, the key is refused.

The rules are looked at whenever a key token is signed because somebody asks. A rule that was made stricter since does
not end keys that exist: they are not renewed any more, and go when their newest token does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from keygw.model.device import AttestationLevel, Device, DeviceKind
from keygw.model.digital_key import Role
from keygw.model.entitlement import PROFILES, Entitlement
from keygw.model.errors import BadInput, Forbidden

_DAY = 86_400
YEAR = 366 * _DAY
MAX_SHARE_DEPTH = 2
_LEVELS = (AttestationLevel.NONE, AttestationLevel.SELF, AttestationLevel.BASIC)


@dataclass(frozen=True, slots=True)
class Profile:
    """``longest``: seconds that a key may live from its making, ``None``: as its role and parent allow.

    ``share_depth``: how often a key of it may be shared on; that takes ``key.share`` as well. ``attestation``: what
    must be proven of a phone's device key. ``hosted``: whether the gateway may hold the device key itself.
    """

    name: str
    description: str
    entitlements: Entitlement
    roles: frozenset[Role]
    longest: int | None = None
    share_depth: int = 0
    attestation: AttestationLevel = AttestationLevel.NONE
    hosted: bool = True

    def __post_init__(self) -> None:
        if not self.entitlements or not self.roles:
            raise ValueError(f"the profile {self.name} allows nothing, or nobody")
        if self.longest is not None and not 1 <= self.longest <= YEAR:
            raise ValueError(f"the profile {self.name}: longest is 1 to {YEAR} seconds")
        if not 0 <= self.share_depth <= MAX_SHARE_DEPTH:
            raise ValueError(f"the profile {self.name}: share_depth is 0 to {MAX_SHARE_DEPTH}")
        if self.attestation not in _LEVELS:
            raise ValueError(f"the profile {self.name}: attestation is {', '.join(_LEVELS)}")

    def check_role(self, role: Role) -> None:
        """``Forbidden`` profile_role."""
        if role not in self.roles:
            allowed = " and ".join(each.label for each in sorted(self.roles))
            raise Forbidden(f"the profile {self.name} is for {allowed} keys", code="profile_role")

    def check_device(self, device: Device) -> None:
        """``Forbidden`` attestation_required, hosted_refused."""
        if device.kind is DeviceKind.HOSTED:
            if not self.hosted:
                raise Forbidden(
                    f"the profile {self.name} asks for a device key that a phone holds; share to a phone",
                    code="hosted_refused",
                )
        elif device.level.rank < self.attestation.rank:
            raise Forbidden(
                f"the profile {self.name} asks for a device with attestation {self.attestation}, and this one has "
                f"{device.level}: register the device with an attestation, then try again",
                code="attestation_required",
            )

    def check_new(self, seconds: int, further: int) -> None:
        """Of a key that is made now, to live so long and be shared on ``further`` times. ``Forbidden``
        profile_too_long, profile_share_depth."""
        if self.longest is not None and seconds > self.longest:
            raise Forbidden(
                f"a key of the profile {self.name} lives {self.longest} seconds at most: choose an earlier end",
                code="profile_too_long",
            )
        if further > self.share_depth:
            raise Forbidden(
                f"a key of the profile {self.name} is shared on {self.share_depth} times at most",
                code="profile_share_depth",
            )


_OWNERS, _FRIENDS, _SERVICE = {Role.OWNER, Role.FRIEND}, {Role.FRIEND}, {Role.FRIEND, Role.SERVICE}

BUILT_IN: tuple[Profile, ...] = (
    Profile("owner", "everything, as the owner", PROFILES["owner"], frozenset(_OWNERS), share_depth=MAX_SHARE_DEPTH),
    Profile("driver", "drive and use the vehicle", PROFILES["driver"], frozenset(_FRIENDS)),
    Profile("access", "lock and unlock", PROFILES["access"], frozenset(_FRIENDS)),
    Profile("valet", "park the vehicle", PROFILES["valet"], frozenset(_FRIENDS), 7 * _DAY),
    Profile("delivery", "put something into the trunk", PROFILES["delivery"], frozenset(_FRIENDS), 7 * _DAY),
    Profile("service", "repair the vehicle", PROFILES["service"], frozenset(_SERVICE), 31 * _DAY),
)


class Profiles:
    """The profiles of one deployment, by name and in order. There is always one called ``owner``, for owner keys."""

    __slots__ = ("_by_name",)

    def __init__(self, profiles: Iterable[Profile] = BUILT_IN) -> None:
        listed = list(profiles)
        self._by_name: Mapping[str, Profile] = {each.name: each for each in listed}
        if len(self._by_name) != len(listed):
            raise ValueError("two profiles have the same name")
        if "owner" not in self._by_name or Role.OWNER not in self._by_name["owner"].roles:
            raise ValueError("there must be a profile owner, for owner keys")

    def __iter__(self) -> Iterator[Profile]:
        return iter(self._by_name.values())

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._by_name)

    def named(self, name: str) -> Profile:
        """``BadInput`` unknown_profile."""
        if name not in self._by_name:
            raise BadInput(f"there is no such profile; known: {', '.join(self.names)}", code="unknown_profile")
        return self._by_name[name]

    def check_new(
        self, name: str, entitlements: Entitlement, role: Role, device: Device, seconds: int, further: int
    ) -> None:
        """May a key like this be made for that device? ``name``: "" where it was asked for by single entitlements.

        ``Forbidden``: no_profile, profile_gone, profile_narrower, profile_role, attestation_required, hosted_refused,
        profile_too_long, profile_share_depth.
        """

        def new(profile: Profile) -> None:
            _check(profile, role, device)
            profile.check_new(seconds, further)

        self._any(name, entitlements, new)

    def check_again(self, name: str, entitlements: Entitlement, role: Role, device: Device) -> None:
        """May a key that exists have another token, or be resumed? How long it lives was settled when it was made."""
        self._any(name, entitlements, lambda profile: _check(profile, role, device))

    def _any(self, name: str, entitlements: Entitlement, check: Callable[[Profile], None]) -> None:
        """The named one must let it through, else any that holds all the entitlements; the narrowest says why not."""
        refused: Forbidden | None = None
        for profile in self._candidates(name, entitlements):
            try:
                return check(profile)
            except Forbidden as error:
                refused = refused or error
        raise refused or Forbidden("no profile of this gateway holds all these entitlements", code="no_profile")

    def _candidates(self, name: str, entitlements: Entitlement) -> list[Profile]:
        wanted = int(entitlements)
        if not name:
            covering = [each for each in self if not wanted & ~int(each.entitlements)]
            return sorted(covering, key=lambda each: int(each.entitlements).bit_count())
        if name not in self._by_name:
            raise Forbidden(f"there is no profile {name} any more: ask for a new key", code="profile_gone")
        if wanted & ~int(self._by_name[name].entitlements):
            sentence = f"the profile {name} holds less than this key by now: ask for a new key"
            raise Forbidden(sentence, code="profile_narrower")
        return [self._by_name[name]]


def _check(profile: Profile, role: Role, device: Device) -> None:
    profile.check_role(role)
    profile.check_device(device)
