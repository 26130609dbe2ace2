"""Values that only the credential service and its callers use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from keygw.credentials.lifecycle import Hold
from keygw.credentials.profiles import Profiles
from keygw.crypto.signer import Signer
from keygw.model.digital_key import DigitalKey, KeyStage
from keygw.token.revocation import MAX_ENTRIES
from keygw.token.trust import IssuerKey, TrustedIssuers


class Notify(Protocol):
    """Called after the commit, in order; must not block. ``event_id``: the same again if it is told again."""

    def __call__(self, event_type: str, data: dict[str, Any], event_id: str, /) -> None: ...


DAY = 86_400
MAX_DEPTH = 2
"""Deepest sharing the protocol knows: owner (0), friend (1), friend of a friend (2)."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who signs key tokens and lists. ``kid``: 8 bytes that name its key to a verifier.

    ``status_lists``: the public URL of its status lists, without a slash at its end; empty: its tokens name none.
    """

    issuer: str
    kid: bytes
    signer: Signer = field(repr=False)
    status_lists: str = ""

    @property
    def public_key(self) -> bytes:
        """P-256, SEC1 compressed, 33 bytes."""
        return self.signer.public_key

    @property
    def current(self) -> Issuer:
        """Of an issuer with one key for good (``IssuerKeys``): itself."""
        return self

    @property
    def trusted(self) -> TrustedIssuers:
        return TrustedIssuers([IssuerKey(self.issuer, self.kid, self.public_key)])

    @property
    def ever(self) -> TrustedIssuers:
        return self.trusted


class IssuerKeys(Protocol):
    """The key that signs now, and the keys whose signatures count. Take ``current`` once for each piece of work: it may
    be another one the next time."""

    @property
    def current(self) -> Issuer: ...
    @property
    def trusted(self) -> TrustedIssuers: ...
    @property
    def ever(self) -> TrustedIssuers:
        """Every key there was, the retired too: for what was signed while it counted, such as the audit trail."""


_SETTABLE = (
    ("keys_per_vehicle", "unexpired_keys", 1, 65_536),
    ("keys_per_owner", "keys_per_owner", 1, 65_536),
    ("keys_per_device", "keys_per_device", 1, 65_536),
    ("open_invitations_per_key", "open_invitations", 0, 1000),
    ("devices_per_app", "devices_per_app", 0, 100_000),
    ("share_depth", "share_depth", 0, MAX_DEPTH),
    ("owner_key_seconds", "owner_lifetime", 1, 366 * DAY),
    ("friend_token_seconds", "friend_token", 60, 31 * DAY),
    ("invitation_seconds", "invitation_lifetime", 1, 31 * DAY),
    ("overdue_seconds", "overdue", 1, 366 * DAY),
)
"""What an operator may set: its name outside, the field of ``Limits``, from, to."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a deployment allows. Durations in seconds; every bound has a refusal of its own that names it.

    ``friend_token``: the longest life of one token of a shared key; the key itself lives as long as its grant says.
    ``unexpired_keys`` bounds the keys of one vehicle that are not revoked and whose tokens could still open it,
    ``keys_per_owner`` those of them that stand on one owner key, ``keys_per_device`` those of one device, over all
    vehicles. ``open_invitations``: of one key, that wait at once. ``devices_per_app``: phones that it has registered.
    ``overdue``: how long a vehicle may take to confirm a change before it is told as overdue.
    ``list_entries``: how many a revocation list holds at most (1000 indices stay under the 4 KiB a message may have);
    beyond that the watermark rises, so a revocation never fails for want of space. ``list_lifetime``: until
    ``next_update``. Friend keys lose drive when a list is 7 days old, so couriers have the rest of that to bring it.
    """

    owner_lifetime: int = 365 * DAY
    friend_token: int = 72 * 3600
    share_depth: int = MAX_DEPTH
    unexpired_keys: int = 1000
    keys_per_owner: int = 250
    keys_per_device: int = 100
    open_invitations: int = 20
    invitation_lifetime: int = 7 * DAY
    overdue: int = DAY
    devices_per_app: int = 100
    list_entries: int = 1000
    list_lifetime: int = 3 * DAY
    label_length: int = 80
    profiles: Profiles = field(default_factory=Profiles)
    tenants: dict[str, Limits] = field(default_factory=dict, compare=False, repr=False)
    """What some tenants have of their own; it changes while the gateway runs (``bridge.limits``)."""

    def of_tenant(self, tenant_id: str | None) -> Limits:
        """What holds for what belongs to that tenant."""
        return self if tenant_id is None else self.tenants.get(tenant_id, self)

    def changed(self, said: Mapping[str, int]) -> Limits:
        """These with some others, by the names outside. ``ValueError`` as in ``of``."""
        return replace(self, tenants={}, **self._fields(said))

    def __post_init__(self) -> None:
        for name, inside, least, most in _SETTABLE:
            if not least <= getattr(self, inside) <= most:
                raise ValueError(f"{name} is {least} to {most}")
        if not 0 <= self.list_entries <= MAX_ENTRIES:
            raise ValueError(f"list_entries is 0 to {MAX_ENTRIES}")

    def shown(self) -> dict[str, int]:
        """By the names that operators and apps know them by."""
        return {name: getattr(self, inside) for name, inside, _, _ in _SETTABLE}

    @classmethod
    def of(cls, said: Mapping[str, int], profiles: Profiles) -> Limits:
        """From those names; the rest as it comes. ``ValueError`` for a name that there is not, or a number too far."""
        return cls(profiles=profiles, **cls._fields(said))

    @staticmethod
    def _fields(said: Mapping[str, int]) -> dict[str, Any]:
        inside = {name: field for name, field, _, _ in _SETTABLE}
        for name in said:
            if name not in inside:
                raise ValueError(f"there is no limit {name[:40]}; known: {', '.join(inside)}")
        return {inside[name]: number for name, number in said.items()}


@dataclass(frozen=True, slots=True)
class KeyToken:
    """Both serialisations of the newest key token of one key, exactly as signed (CRED_I changes only with a new token).

    ``grant``: of a shared key, what its parent's device signed. ``expires_at``: ``exp`` of both forms. ``renew_from``:
    the time from which on a new token is signed when somebody asks; ``None``: this is the last one. Unix seconds.
    ``refused``: why none was signed although one is due (a code of ``Profiles.check_again``); it is not stored.
    """

    jwt: str = field(repr=False)
    cwt: bytes = field(repr=False)
    grant: bytes | None = field(default=None, repr=False)
    expires_at: int = 0
    renew_from: int | None = None
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class ChainLink:
    """What a shared key stands on: the grant, and the key token (CWT) of the parent whose device signed it."""

    grant: bytes = field(repr=False)
    parent_token: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignedList:
    """The newest revocation list of a vehicle. ``sequence`` 0 with no bytes: there is nothing to tell it yet."""

    vehicle_id: str
    sequence: int
    signed: bytes = field(repr=False)
    acknowledged_sequence: int

    @property
    def acknowledged(self) -> bool:
        """Whether the vehicle has said that it stored this very list."""
        return self.acknowledged_sequence >= self.sequence


@dataclass(frozen=True, slots=True)
class Standing:
    """A key, and what its vehicle knows of it, all as they were in one moment.

    ``list_sequence``: the first list that tells the key's state (and its parents'), 0 if none ever concerned it;
    ``newest_sequence``: the vehicle's current list.
    """

    key: DigitalKey
    list_sequence: int
    acknowledged_sequence: int
    newest_sequence: int
    stage: KeyStage
    """How far its life is."""
    hold: Hold
    """Why it is suspended itself; none where only its parent is."""

    @property
    def acknowledged(self) -> bool:
        """Whether the vehicle has confirmed a list that tells the state shown."""
        return self.acknowledged_sequence >= self.list_sequence
