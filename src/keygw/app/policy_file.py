"""The operator's policy: limits, access profiles and attestation, from one TOML file. Without a file, what comes along.

Everything is looked at before anything is opened: a word that is not known, a number too far, a file of roots that
cannot be read, and the gateway does not start.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from keygw.credentials.attestation import Attestations, PackedVerifier
from keygw.credentials.profiles import BUILT_IN, Profile, Profiles
from keygw.credentials.values import Limits
from keygw.crypto.certificates import Roots
from keygw.model.device import AttestationLevel
from keygw.model.digital_key import Role
from keygw.model.entitlement import Entitlement
from keygw.model.errors import KeygwError
from keygw.token.webauthn import RelyingParty

MAX_BYTES = 256 * 1024
_NAME_LENGTH = 40


class PolicyError(KeygwError):
    """The policy file cannot be used."""

    code = "policy_invalid"


@dataclass(frozen=True, slots=True)
class DeploymentPolicy:
    limits: Limits = field(default_factory=Limits)
    attestations: Attestations = field(default_factory=Attestations)


def load_policy(named: Path | None, usual: Path) -> DeploymentPolicy:
    """``named`` must be there; ``usual`` is read if it is. ``PolicyError`` says file, place and what is allowed."""
    path = named or usual
    if named is None and not usual.exists():
        return DeploymentPolicy()
    try:
        text = _read(path).decode("utf-8")
        said = tomllib.loads(text)
        return parse_policy(said, path.parent)
    except (ValueError, KeygwError, RecursionError) as error:
        raise PolicyError(f"{path}: {error}") from error


def parse_policy(said: dict[str, Any], folder: Path) -> DeploymentPolicy:
    """``ValueError`` or ``KeygwError`` for what cannot be. ``folder``: where relative names of files begin."""
    _known("the file", said, ("limits", "profiles", "attestation"))
    limits = _table(said, "limits")
    for name, number in limits.items():
        if type(number) is not int:
            raise ValueError(f"limits.{name} is a whole number")
    profiles = Profiles(_profiles(_table(said, "profiles")))
    return DeploymentPolicy(Limits.of(limits, profiles), _attestations(said, folder))


def _profiles(said: dict[str, Any]) -> list[Profile]:
    """The built-in ones, changed; then those that are new. ``false`` in place of a table takes one away."""
    found: dict[str, Profile] = {each.name: each for each in BUILT_IN}
    for name, table in said.items():
        if not 1 <= len(name) <= _NAME_LENGTH or not name.isprintable():
            raise ValueError(f"a profile's name has 1 to {_NAME_LENGTH} printable characters")
        if table is False:
            found.pop(name, None)
        elif isinstance(table, dict):
            found[name] = _profile(name, table, found.get(name))
        else:
            raise ValueError(f"profiles.{name} is a table, or false")
    return list(found.values())


def _profile(name: str, said: dict[str, Any], before: Profile | None) -> Profile:
    where = f"profiles.{name}"
    _known(where, said, _FIELDS)
    changes: dict[str, Any] = {}
    for word, value in said.items():
        inside, kind = _FIELDS[word]
        if type(value) is not kind:
            raise ValueError(f"{where}.{word} is a {kind.__name__}")
        changes[inside] = value
    if "entitlements" in changes:
        changes["entitlements"] = Entitlement.from_names(_texts(f"{where}.entitlements", changes["entitlements"]))
    if "roles" in changes:
        changes["roles"] = frozenset(_role(where, each) for each in _texts(f"{where}.roles", changes["roles"]))
    if "attestation" in changes and changes["attestation"] not in list(AttestationLevel):
        raise ValueError(f"{where}.attestation is none, self or basic")
    if "attestation" in changes:
        changes["attestation"] = AttestationLevel(changes["attestation"])
    if before is not None:
        return replace(before, **changes)
    if "entitlements" not in changes:
        raise ValueError(f"{where} is new and needs entitlements")
    return Profile(name=name, **{"description": "", "roles": frozenset({Role.FRIEND}), **changes})


_FIELDS: dict[str, tuple[str, type]] = {
    "description": ("description", str),
    "entitlements": ("entitlements", list),
    "roles": ("roles", list),
    "longest_seconds": ("longest", int),
    "share_depth": ("share_depth", int),
    "attestation": ("attestation", str),
    "hosted": ("hosted", bool),
}


def _attestations(said: dict[str, Any], folder: Path) -> Attestations:
    if "attestation" not in said:
        return Attestations()
    table = _table(said, "attestation")
    _known("attestation", table, ("rp_id", "origins", "roots", "user_verification"))
    rp_id, origins = table.get("rp_id"), _texts("attestation.origins", table.get("origins", []))
    if not isinstance(rp_id, str) or not rp_id or not origins:
        raise ValueError("attestation needs rp_id, the name that statements are made for, and origins, who may ask")
    verified = table.get("user_verification", True)
    if not isinstance(verified, bool):
        raise ValueError("attestation.user_verification is true or false")
    roots = Roots()
    if "roots" in table:
        if not isinstance(table["roots"], str):
            raise ValueError("attestation.roots names a file of PEM certificates")
        roots = Roots.from_pem(_read(folder / table["roots"]))
    return Attestations(PackedVerifier(RelyingParty(rp_id, frozenset(origins), verified), roots))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise ValueError(f"{path} is longer than {MAX_BYTES} bytes")
    return data


def _table(said: dict[str, Any], name: str) -> dict[str, Any]:
    found = said.get(name, {})
    if not isinstance(found, dict):
        raise ValueError(f"{name} is a table")
    return found


def _texts(where: str, value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError(f"{where} is a list of texts")
    return value


def _role(where: str, name: str) -> Role:
    for role in Role:
        if role.label == name:
            return role
    raise ValueError(f"{where}.roles: {name[:40]!r} is no role; known: {', '.join(role.label for role in Role)}")


def _known(where: str, said: dict[str, Any], words: Iterable[str]) -> None:
    known = list(words)
    for word in said:
        if word not in known:
            raise ValueError(f"{where}: there is no {word[:40]!r}; known: {', '.join(known)}")
