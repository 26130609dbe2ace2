"""Domain values -> the JSON of ``api.models``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from keygw.bridge.capabilities import Capability
from keygw.bridge.keys import KeyView
from keygw.bridge.ports import ChainLink, IssuerInfo, KeyToken, Overdue, SignedList
from keygw.bridge.records import App
from keygw.credentials.issuer_keys import IssuerKeyRecord
from keygw.crypto.signer import coordinates
from keygw.model.base64url import encode_base64url
from keygw.model.digital_key import DigitalKey
from keygw.model.times import rfc3339
from keygw.model.vehicle import IssuerRoot, Vehicle
from keygw.vehicle.presence import Nearness
from keygw.vehicle.values import LinkStatus

_ADVICE = (
    "until the vehicle has the list it acts on what it knew before: bring it near the gateway's radio, "
    "or let any phone with a key of it fetch the list and meet it"
)


def issuer_json(issuer: IssuerInfo) -> dict[str, Any]:
    return {
        "issuer": issuer.issuer,
        "kid": encode_base64url(issuer.kid),
        "public_key": encode_base64url(issuer.public_key),
    }


def root_json(root: IssuerRoot) -> dict[str, Any]:
    return {**issuer_json(root), "sequence": root.sequence}


def jwk_json(record: IssuerKeyRecord) -> dict[str, Any]:
    x, y = coordinates(record.public_key)
    return {
        "kty": "EC",
        "crv": "P-256",
        "x": encode_base64url(x),
        "y": encode_base64url(y),
        "kid": record.name,
        "use": "sig",
        "alg": "ES256",
    }


def issuer_key_json(record: IssuerKeyRecord) -> dict[str, Any]:
    def at(time: int | None) -> str | None:
        return None if time is None else rfc3339(time)

    return {
        "kid": record.name,
        "state": record.state.value,
        "issuer": record.issuer,
        "public_key": encode_base64url(record.public_key),
        "signer": record.signer,
        "made_at": at(record.made_at),
        "activated_at": at(record.activated_at),
        "retire_at": at(record.retire_at),
        "retired_at": at(record.retired_at),
    }


def app_json(app: App) -> dict[str, Any]:
    return {
        "id": app.id,
        "name": app.name,
        "scopes": sorted(app.scopes),
        "created_at": rfc3339(app.created_at),
        "expires_at": None if app.expires_at is None else rfc3339(app.expires_at),
        "revoked": app.revoked,
        "tenant_id": app.tenant_id,
        "person_id": app.person_id,
        "role": app.role,
        "machine": app.machine,
        "dpop_jkt": app.thumbprint,
    }


def vehicle_json(vehicle: Vehicle) -> dict[str, Any]:
    return {
        "id": vehicle.id,
        "name": vehicle.name,
        "public_key": encode_base64url(vehicle.public_key),
        "tenant_id": vehicle.tenant_id,
    }


def capability_json(found: Capability) -> dict[str, Any]:
    return {
        "id": found.id,
        "standing": found.standing.value,
        "reason": found.reason,
        "until": None if found.until is None else rfc3339(found.until),
        "required_scope": None if found.required_scope is None else found.required_scope.value,
    }


def link_json(status: LinkStatus, presence: Nearness | None) -> dict[str, Any]:
    return {**asdict(status), "presence": presence}


def list_json(newest: SignedList) -> dict[str, Any]:
    return {
        "vehicle_id": newest.vehicle_id,
        "sequence": newest.sequence,
        "signed": encode_base64url(newest.signed) if newest.signed else None,
        "acknowledged": newest.acknowledged_sequence,
    }


def issued_json(key: DigitalKey) -> dict[str, Any]:
    """A key of a batch: as it was made, without a question to the store for each."""
    return {
        "id": key.id,
        "vehicle_id": key.vehicle_id,
        "device_id": key.device_id,
        "role": key.role.label,
        "label": key.label,
        "entitlements": list(key.entitlements.names),
        "state": key.state.value,
        "index": key.index,
        "parent_id": key.parent_id,
        "not_before": rfc3339(key.not_before),
        "expires_at": rfc3339(key.expires_at),
    }


def key_json(view: KeyView) -> dict[str, Any]:
    key = view.key
    return {
        "id": key.id,
        "vehicle_id": key.vehicle_id,
        "device_id": key.device_id,
        "role": key.role.label,
        "label": key.label,
        "profile": key.profile or None,
        "entitlements": list(key.entitlements.names),
        "state": key.state.value,
        "stage": view.stage.value,
        "suspended_for": [hold.name.lower() for hold in view.hold if hold.name],
        "index": key.index,
        "parent_id": key.parent_id,
        "depth": key.depth,
        "not_before": rfc3339(key.not_before),
        "expires_at": rfc3339(key.expires_at),
        "issued_at": rfc3339(key.issued_at),
        "list": {"current": view.current, "acknowledged": view.acknowledged},
    }


def overdue_json(view: KeyView, late: Overdue, now: float) -> dict[str, Any]:
    """``now``: Unix seconds."""
    return {
        "key": key_json(view),
        "list_sequence": late.list_sequence,
        "since": rfc3339(late.since),
        "waiting_seconds": max(0, int(now - late.since)),
        "advice": _ADVICE,
    }


def token_json(token: KeyToken, chain: Sequence[ChainLink], vehicle: Vehicle, newest: SignedList) -> dict[str, Any]:
    """What the device needs to use its key, and the list that it may carry to the vehicle."""
    return {
        "jwt": token.jwt,
        "cwt": encode_base64url(token.cwt),
        "renewal_refused": token.refused,
        "expires_at": rfc3339(token.expires_at),
        "chain": [
            {"grant": encode_base64url(link.grant), "parent_token": encode_base64url(link.parent_token)}
            for link in chain
        ],
        "vehicle": {**vehicle_json(vehicle), "advertising_key": encode_base64url(vehicle.advertising_key)},
        "revocation_list": list_json(newest),
    }
