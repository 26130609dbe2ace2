"""The audit trail: who did what to which key, vehicle or device, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

SYSTEM = "system"
"""The actor of what happens by itself: time, upkeep, recovery."""

DONE = "done"
"""The outcome of what was carried out; a refusal is told by its code."""

ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "app.registered": "An app got a bearer token",
        "app.removed": "An app's token ended for good",
        "device.found": "A lost device has proven that it is back",
        "device.lost": "Everything that a device holds was suspended",
        "device.registered": "A device became known, or was registered again",
        "device.removed": "What was registered of a device was forgotten",
        "grant.given": "A person has let a client in",
        "invitation.accepted": "A friend key was issued on an invitation",
        "invitation.cancelled": "The sender took an invitation back",
        "invitation.claimed": "A device bound an invitation to itself",
        "invitation.created": "Somebody was invited to a friend key",
        "invitation.declined": "The friend said no",
        "invitation.ended": "An invitation ended with the key it was made with",
        "invitation.expired": "An invitation's time was over",
        "invitation.locked": "Too many wrong activation codes ended an invitation",
        "invitation.refused": "A wrong activation code, or a second device",
        "issuer_key.acknowledged": "A vehicle has signed which issuer key is its newest",
        "issuer_key.activated": "The issuer signs with another key from now on",
        "issuer_key.prepared": "The issuer's next key was made and announced",
        "issuer_key.retired": "An issuer key ended: what it signed is refused",
        "issuer_key.retiring": "An operator wants an issuer key to end",
        "key.expired": "A key was seen past its end",
        "key.issued": "An owner key was issued",
        "key.met": "The vehicle has met the key",
        "key.renewed": "A key got a new token",
        "key.resumed": "A key's suspension was lifted",
        "key.revoked": "The vehicle has confirmed that the key is dead",
        "key.revoking": "A key was revoked; the vehicle is being told",
        "key.shared": "A friend key was issued",
        "key.suspended": "A key was suspended",
        "limits.changed": "A tenant got limits of its own, or the deployment's again",
        "list.acknowledged": "The vehicle signed that it holds a revocation list",
        "list.recovered": "A list that the vehicle has and the database had forgotten was taken in",
        "list.signed": "A revocation list was signed because the one before grew old",
        "operator.added": "An operator got a role and a token",
        "operator.bootstrap_ended": "The token that the gateway began with was ended",
        "operator.revoked": "An operator's token ended for good",
        "operator.token_replaced": "An operator got a new token in place of the old one",
        "passkey.added": "A person may log in with another passkey",
        "passkey.removed": "A passkey is good for nothing any more",
        "person.added": "Somebody got an account",
        "person.app_bound": "An app acts for a person from now on",
        "person.app_unbound": "An app acts for nobody any more",
        "person.closed": "An account was closed",
        "person.erased": "What names a person was removed, and the person's keys and apps were ended",
        "person.exported": "All that is kept of a person was told",
        "receipt.recorded": "A vehicle's signed receipt was kept; data: its sequence and hash",
        "security.alert": "A vehicle, or whoever has its key, told two stories; or it does not hold what it was told",
        "tenant.added": "A maker or fleet shares the gateway from now on",
        "time.proved": "The time was signed for a vehicle",
        "transfer.accepted": "Somebody has taken the vehicle over",
        "transfer.cancelled": "The offer of a vehicle was taken back",
        "transfer.expired": "The offer of a vehicle was not accepted in time",
        "transfer.offered": "A vehicle was offered to its next owner",
        "vehicle.claimed": "An app became the one that registered a vehicle",
        "vehicle.epoch_ended": "Every key of the vehicle was ended",
        "vehicle.registered": "A vehicle became known",
        "webhook.changed": "What a webhook is told, or where, was changed; or it was enabled or disabled",
        "webhook.created": "Events of an app are sent to an address from now on",
        "webhook.deleted": "Nothing is sent to that address any more",
        "webhook.disabled": "A webhook was disabled because nothing got through, or nothing was wanted",
        "webhook.secret_rotated": "A webhook signs with another secret from now on",
    }
)
"""The registry: every action there is, and what it means. An entry with any other is refused where it is made."""

Datum = str | int | bool | None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the trail, without its place in the chain. ``at``: Unix seconds, of the clock of this service.

    ``actor``: ``app:<id>``, ``operator:<id>``, ``device:<id>``, ``vehicle:<id>``, ``link:<invitation>``
    (whoever knows the secret of its link) or ``system``. ``outcome``: ``done``,
    or the code of a refusal. ``data``: small, no secrets and nothing that names a person.
    """

    at: int
    actor: str
    action: str
    tenant_id: str | None = None
    vehicle_id: str | None = None
    key_id: str | None = None
    device_id: str | None = None
    outcome: str = DONE
    data: Mapping[str, Datum] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """An entry at its place. ``sequence`` counts from 1; ``hash``: 32 bytes (``token.audit.link``)."""

    sequence: int
    entry: AuditEntry
    hash: bytes


@dataclass(frozen=True, slots=True)
class AuditCheckpoint:
    """The issuer's word that the entries ``first`` to ``sequence`` are those that end in the hash ``head`` (32 bytes).

    ``at``: Unix seconds.
    """

    first: int
    sequence: int
    head: bytes
    at: int
