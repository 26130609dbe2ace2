"""The JSON that goes out: one model per resource, so that the OpenAPI document tells the whole truth."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from keygw.bridge.roles import OperatorRole
from keygw.credentials.issuer_keys import IssuerKeyState
from keygw.model.command import CommandState
from keygw.model.digital_key import KeyState
from keygw.model.signal import Quality
from keygw.model.vehicle import Registered

TimeText = str
"""RFC 3339, UTC, milliseconds."""


class Health(BaseModel):
    status: Literal["ok"]
    version: str
    time: TimeText


class IssuerOut(BaseModel):
    """Who signs key tokens here. ``kid`` and ``public_key`` (P-256, compressed): base64url."""

    issuer: str
    kid: str
    public_key: str


class Jwk(BaseModel):
    """A public key (RFC 7517; P-256: RFC 7518, section 6.2). ``kid``, ``x``, ``y``: base64url."""

    kty: Literal["EC"]
    crv: Literal["P-256"]
    x: str
    y: str
    kid: str
    use: Literal["sig"]
    alg: Literal["ES256"]


class JwkSet(BaseModel):
    keys: list[Jwk]


class IssuerKeyOut(BaseModel):
    """``signer``: where its private half is. ``retire_at``: the end of the overlap, of a key that is retiring."""

    kid: str
    state: IssuerKeyState
    issuer: str
    public_key: str
    signer: str
    made_at: TimeText
    activated_at: TimeText | None
    retire_at: TimeText | None
    retired_at: TimeText | None


class IssuerKeysOut(BaseModel):
    keys: list[IssuerKeyOut]


class DeprecatedOut(BaseModel):
    """``sunset``: after that the route may be gone. ``link``: what to do."""

    method: str
    path: str
    since: TimeText
    sunset: TimeText | None
    link: str


class Discovery(BaseModel):
    """What this gateway is and where things are; paths are relative to its address.

    ``minimum_clients``: name -> the oldest version that is served (`Keygw-Client`). ``deprecated``: routes that will
    go.
    """

    version: str
    api_versions: list[str]
    issuer: IssuerOut
    endpoints: dict[str, str]
    scopes: list[str]
    actions: list[str]
    minimum_clients: dict[str, str]
    deprecated: list[DeprecatedOut]


class StatusListIndex(BaseModel):
    """The URIs of all status lists (draft-ietf-oauth-status-list-21 section 9.3)."""

    status_lists: list[str]


class AppOut(BaseModel):
    """``tenant_id``: null for an operator of the whole gateway. ``person_id``: for whom an app acts. ``role``: null for
    an app. ``dpop_jkt``: of the key to which its token is bound (RFC 7638). ``machine``: it may command cars with a
    bearer token. An app with neither, and no grant, commands none."""

    id: str
    name: str
    scopes: list[str]
    created_at: TimeText
    expires_at: TimeText | None
    revoked: bool
    tenant_id: str | None
    person_id: str | None
    role: OperatorRole | None
    machine: bool
    dpop_jkt: str | None


class AppCreated(BaseModel):
    """``token`` is shown this once; only its hash is kept. Null where the same request was answered before."""

    app: AppOut
    token: str | None


class Apps(BaseModel):
    """Oldest first, removed ones too."""

    apps: list[AppOut]


class VehicleOut(BaseModel):
    id: str
    name: str
    public_key: str
    tenant_id: str


class IssuerRootOut(IssuerOut):
    """What a vehicle is to trust. ``sequence``: of the statement that made it the issuer's key; 0 for the first."""

    sequence: int


class VehicleCreated(VehicleOut):
    issuer: IssuerRootOut


class VehicleRow(BaseModel):
    """``conflict``: the id stands for another vehicle, or another app registered it; nothing was changed for it."""

    id: str
    result: Registered


class VehicleRows(BaseModel):
    """One for each vehicle that was sent, in order."""

    vehicles: list[VehicleRow]


class Vehicles(BaseModel):
    vehicles: list[VehicleOut]


class DiscoveredOut(BaseModel):
    """``vehicle_id`` and ``name`` only for vehicles that the app may know of."""

    vehicle_id: str | None
    name: str | None
    rotating_id: str
    link: str


class DiscoveredList(BaseModel):
    vehicles: list[DiscoveredOut]


class LinkOut(BaseModel):
    vehicle_id: str
    state: Literal["connected", "authenticated", "disconnected"]
    key_id: str | None
    scan_connect_ms: float | None
    handshake_ms: float | None
    round_trips: int
    message_bytes: int
    air_bytes: int
    list_sequence: int | None
    presence: Literal["near", "leaving", "gone"] | None = Field(
        description="How near it is heard to be; null: this gateway does not look out for vehicles"
    )


class ListState(BaseModel):
    """Revocation-list sequences: the newest one here, and the newest that the vehicle has acknowledged."""

    current: int
    acknowledged: int


class KeyOut(BaseModel):
    id: str
    vehicle_id: str
    device_id: str
    role: str
    label: str
    profile: str | None = Field(description="The access profile it was asked for by; null: single entitlements")
    entitlements: list[str]
    state: KeyState = Field(description="Whether it may be used")
    stage: str = Field(
        description="How far its life is: issued, active, renewing, suspended, revoking, revoked, expired; or more",
        examples=["active"],
    )
    suspended_for: list[str] = Field(description="Its own reasons: asked, lost (its device); none for its parent's")
    index: int
    parent_id: str | None
    depth: int
    not_before: TimeText
    expires_at: TimeText
    issued_at: TimeText
    list: ListState


class OverdueOut(BaseModel):
    """``since``: when the list was signed that first told it. ``advice``: what to do next, for people."""

    key: KeyOut
    list_sequence: int
    since: TimeText
    waiting_seconds: int
    advice: str


class OverdueKeys(BaseModel):
    """Longest first. ``count`` is that of ``keys``."""

    count: int
    keys: list[OverdueOut]


class Provisioning(BaseModel):
    """What the vehicle must be told once so that it accepts this owner. ``owner_thumbprint``: base64url, 32 bytes."""

    v: Literal[1]
    vehicle_id: str
    issuer: IssuerOut
    owner_thumbprint: str


class OwnerKeyOut(KeyOut):
    provisioning: Provisioning


class KeyIssued(BaseModel):
    """A key of a batch, as it was made."""

    id: str
    vehicle_id: str
    device_id: str
    role: str
    label: str
    entitlements: list[str]
    state: KeyState
    index: int
    parent_id: str | None
    not_before: TimeText
    expires_at: TimeText


class KeysIssued(BaseModel):
    keys: list[KeyIssued]


class Keys(BaseModel):
    keys: list[KeyOut]


class TokenVehicle(VehicleOut):
    advertising_key: str


class RevocationListOut(BaseModel):
    """``signed``: the list as the vehicle wants it (COSE_Sign1, base64url); ``null`` with sequence 0, before the first.

    ``acknowledged``: the newest sequence that the vehicle has signed for.
    """

    vehicle_id: str
    sequence: int
    signed: str | None
    acknowledged: int


class TimeProofOut(BaseModel):
    """``proof``: COSE_Sign1 by the issuer, base64url; the body of TIME_PROOF.

    ``revocation_list``: the one that it names, or a newer one, for a vehicle that then answers `list_required`."""

    proof: str
    revocation_list: RevocationListOut


class ChainLinkOut(BaseModel):
    """A grant (COSE_Sign1 by the parent's device) and the parent's key token (CWT), base64url."""

    grant: str
    parent_token: str


class TokenOut(BaseModel):
    """``cwt``: base64url. Neither form is of use without the device key. ``chain``: empty for an owner key.

    ``revocation_list``: to carry to the vehicle.
    """

    jwt: str
    cwt: str
    renewal_refused: str | None = Field(
        description="Why no token will follow this one, as a code of a profile: attestation_required, ..."
    )
    expires_at: TimeText = Field(description="When this token ends; the key may last longer: ask for it again before")
    chain: list[ChainLinkOut]
    vehicle: TokenVehicle
    revocation_list: RevocationListOut


class ReceiptOut(BaseModel):
    """``before``/``after``: central lock, if concerned. ``signed``: COSE_Sign1 by the vehicle key, base64url."""

    vehicle_id: str
    sequence: int
    number: int
    key_id: str
    action: str
    outcome: str
    ok: bool
    before: bool | None
    after: bool | None
    boot_epoch: int
    at: TimeText | None = Field(description="null: the vehicle did not know the time")
    signed: str


class Receipts(BaseModel):
    receipts: list[ReceiptOut]


class MeasuresOut(BaseModel):
    ms: float
    handshake_ms: float | None
    connect_ms: float | None
    round_trips: int
    message_bytes: int
    air_bytes: int
    road: Literal["session", "fast", "full"] | None


class Step(BaseModel):
    state: CommandState
    at: TimeText


class CommandOut(BaseModel):
    id: str
    app_id: str = Field(description="Who asked")
    vehicle_id: str
    key_id: str
    action: str
    number: int
    state: CommandState
    reason: str | None = Field(examples=["out_of_range", "key_revoked", "door_open"])
    settled: bool
    may_have_happened: bool
    retryable: bool
    created_at: TimeText
    expires_at: TimeText
    updated_at: TimeText
    receipt: ReceiptOut | None
    measures: MeasuresOut | None
    timeline: list[Step]


class RehearsalOut(BaseModel):
    """``accepted``: a command would be made, with ``key_id`` and ``expires_at``; else ``code`` and ``detail`` say why.

    ``waits_for_vehicle``: it would wait for an absent vehicle until then; ``queued``: behind another command.
    ``foreseen``: what the vehicle would say, by the signals that are live now; null where nothing speaks against it.
    """

    action: str
    accepted: bool
    code: str | None = Field(examples=["key_suspended", "no_key"])
    detail: str | None
    retryable: bool
    key_id: str | None
    expires_at: TimeText | None
    waits_for_vehicle: bool
    queued: bool
    foreseen: str | None = Field(examples=["door_open", "already_in_state"])


class CapabilityOut(BaseModel):
    """``id``: `command.unlock` and the like, or the path of a signal. ``forbidden`` is so until somebody gives the app
    more, ``unavailable`` passes, ``unsupported`` is not there at all; ``reason`` says which of them.

    ``until``: when this ends by itself, where that is known.
    """

    id: str
    standing: Literal["supported", "unsupported", "forbidden", "unavailable"]
    reason: str | None = Field(examples=["insufficient_scope", "door_open", "not_heard"])
    until: TimeText | None
    required_scope: str | None


class Capabilities(BaseModel):
    vehicle_id: str
    capabilities: list[CapabilityOut]


class SignalValueOut(BaseModel):
    """``stale``: it was so, and may have changed. Never show that as fact."""

    path: str
    value: bool | int | float | str
    unit: str | None
    ts: TimeText
    received_at: TimeText
    source: str
    quality: Literal[Quality.LIVE, Quality.STALE]
    max_age: float


class SignalUnknown(BaseModel):
    """The vehicle has it, and we have not heard of it yet; or, with ``dropped_at``, we know it no longer: where a
    vehicle is, is kept for a short time."""

    path: str
    quality: Literal[Quality.UNKNOWN]
    dropped_at: TimeText | None = None


class SignalRefused(BaseModel):
    """``unsupported``: there is no such signal here. ``forbidden``: the app may not read it."""

    path: str
    error: Literal["unsupported", "forbidden"]
    required_scope: str | None = None


class Signals(BaseModel):
    vehicle_id: str
    signals: list[SignalValueOut | SignalUnknown | SignalRefused]
