"""What the bridge needs from the outside world (law 5): its own memory, the credential service, the fleet, a policy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from keygw.bridge.card_ports import CardStore
from keygw.bridge.lease_ports import Lease, LeaseStore
from keygw.bridge.oauth.records import OauthStore
from keygw.bridge.offer_ports import OfferStore
from keygw.bridge.pairing_ports import PairingStore
from keygw.bridge.people_ports import LimitStore, Note, OperatorStore, PersonStore, PrivacyStore, TenantStore
from keygw.bridge.records import App, CommandRecord
from keygw.bridge.session_ports import SessionStore
from keygw.bridge.webhook_ports import WebhookStore
from keygw.credentials.attestation import Evidence
from keygw.credentials.audit_check import Report
from keygw.credentials.audit_ports import AuditFilter, SealedCheckpoint
from keygw.credentials.batches import KeyWish
from keygw.credentials.devices import Challenge
from keygw.credentials.invitation import Invitation
from keygw.credentials.issuer_keys import IssuerKeyRecord, IssuerKeyring
from keygw.credentials.lifecycle import Hold
from keygw.credentials.once import Once
from keygw.credentials.outbox_ports import OutboxEvent, Told
from keygw.credentials.transfer import Transfer
from keygw.credentials.values import Limits
from keygw.crypto.signer import Signer
from keygw.model.audit import AuditEntry, AuditRecord
from keygw.model.command import AuthorizedCommand, Command, CommandState, Outcome
from keygw.model.device import Device
from keygw.model.digital_key import DigitalKey, KeyStage
from keygw.model.entitlement import Entitlement
from keygw.model.receipt import Receipt
from keygw.model.vehicle import IssuerRoot, Registered, Vehicle
from keygw.vehicle.pairing import PairingTask
from keygw.vehicle.relay import Relay
from keygw.vehicle.values import CommandResult, Discovered, LinkStatus

Clock = Callable[[], float]
"""Wall clock, Unix seconds."""

Authorize = Callable[[DigitalKey, Command, float], AuthorizedCommand]
"""``credentials.policy.authorize``: raises ``Forbidden`` with the reason as its code."""

OnState = Callable[[CommandState, str | None], Awaitable[None]]


class AppStore(Protocol):
    """Every write is durable when it returns. ``StoreError`` if the database cannot be used."""

    async def add_app(self, app: App, note: Note | None = None, once: Once | None = None) -> None:
        """Insert, and the note with it; ``Conflict`` if the id or the token hash is taken. ``once``: ``Replayed`` with
        the id of the app that the same request made, ``Conflict`` idempotency_mismatch."""

    async def app_by_token(self, token_hash: bytes) -> App | None:
        """The app with exactly that 32-byte hash, revoked or not."""

    async def app(self, app_id: str) -> App | None: ...

    async def apps(self, tenant_id: str | None = None) -> Sequence[App]:
        """Oldest first, removed ones too; of one tenant, or all."""

    async def revoke_app(self, app_id: str, note: Note | None = None) -> None:
        """Set ``revoked``, and write the note if it was not; no error if there is no such app."""

    async def claim_vehicle(self, vehicle_id: str, app_id: str, entry: AuditEntry | None = None) -> str:
        """Note that this app registered the vehicle, unless one did before. Returns the app id that holds it now.

        ``entry``: recorded with it, about that vehicle, if the claim is new.
        """

    async def pass_claim(self, vehicle_id: str, app_id: str, entry: AuditEntry | None = None) -> None:
        """Note that this app has the vehicle now, whoever had it before; ``entry`` as above."""

    async def claim_vehicles(
        self, vehicle_ids: Sequence[str], app_id: str, entry: AuditEntry | None = None
    ) -> Mapping[str, str]:
        """``claim_vehicle`` for several, in one transaction: by vehicle id, the app id that holds it now."""

    async def claimant(self, vehicle_id: str) -> str | None:
        """The app that registered the vehicle."""

    async def claims(self, app_id: str) -> Sequence[str]:
        """The vehicle ids that app registered."""


@dataclass(frozen=True, slots=True)
class Word:
    """What a change tells. ``told``: called on the event loop once it is durable, in the order of the outbox."""

    event: OutboxEvent
    told: Callable[[Told], None]


class Outbox(Protocol):
    """The recorded events: see ``credentials.outbox_ports.OutboxReads``."""

    async def outbox(self, after: int, limit: int, through: int | None = None) -> Sequence[Told]: ...
    async def outbox_bounds(self) -> tuple[int, int]: ...


class CommandStore(Protocol):
    """Command resources. Every write is durable when it returns. ``StoreError`` if the database cannot be used.

    The ``word`` of a step is in the outbox with it, or neither is. Keep ``records.command_to_text(record)`` beside the
    columns needed here: id, vehicle_id, app_id, idempotency_key (unique with app_id), state.
    """

    async def add_command(self, record: CommandRecord, gateway_id: str, word: Word) -> tuple[CommandRecord, Lease]:
        """Insert, and return it, with the lease of its vehicle, which is this gateway's now if nobody had it.

        If (app_id, idempotency_key) is taken: no insert, and the earlier record. If another gateway has the vehicle,
        the command is that one's to carry, and it is told.
        """

    async def save_command(self, record: CommandRecord, was: CommandState, lease: Lease, word: Word) -> bool:
        """Replace the record with this id. False, and nothing is written, unless it is in state ``was`` and the lease
        still stands."""

    async def command(self, command_id: str) -> CommandRecord | None: ...

    async def command_by_idempotency_key(self, app_id: str, idempotency_key: str) -> CommandRecord | None: ...

    async def open_commands(self, vehicle_id: str | None = None) -> Sequence[CommandRecord]:
        """All (of that vehicle) in state accepted, queued, sent, acknowledged or unknown, oldest first."""


class BridgeStore(
    AppStore,
    CommandStore,
    LeaseStore,
    LimitStore,
    OauthStore,
    OperatorStore,
    CardStore,
    Outbox,
    PairingStore,
    PersonStore,
    PrivacyStore,
    OfferStore,
    SessionStore,
    TenantStore,
    WebhookStore,
    Protocol,
):
    """All; one object usually serves."""


class KeyToken(Protocol):
    """``jwt``: for HTTP; ``cwt``: for the air. Neither is secret: it takes the device key to use them."""

    @property
    def jwt(self) -> str: ...
    @property
    def cwt(self) -> bytes: ...
    @property
    def expires_at(self) -> int: ...
    @property
    def refused(self) -> str | None: ...


class ChainLink(Protocol):
    """A grant, and the CWT of the parent key whose device signed it."""

    @property
    def grant(self) -> bytes: ...
    @property
    def parent_token(self) -> bytes: ...


class SignedList(Protocol):
    """The current revocation list of a vehicle, and how far the vehicle has acknowledged. ``signed``: empty for 0."""

    @property
    def vehicle_id(self) -> str: ...
    @property
    def sequence(self) -> int: ...
    @property
    def signed(self) -> bytes: ...
    @property
    def acknowledged_sequence(self) -> int: ...


class Standing(Protocol):
    """A key and the sequences of its vehicle's lists, as they were in one moment."""

    @property
    def key(self) -> DigitalKey: ...
    @property
    def newest_sequence(self) -> int: ...
    @property
    def acknowledged_sequence(self) -> int: ...
    @property
    def stage(self) -> KeyStage: ...
    @property
    def hold(self) -> Hold: ...


class Overdue(Protocol):
    """A change of a key that its vehicle has not confirmed; ``since``: Unix seconds."""

    @property
    def key_id(self) -> str: ...
    @property
    def list_sequence(self) -> int: ...
    @property
    def since(self) -> int: ...


class Loss(Protocol):
    """How often a device was reported lost, whether it is so now, and when it was last (Unix seconds)."""

    @property
    def number(self) -> int: ...
    @property
    def lost(self) -> bool: ...
    @property
    def at(self) -> int: ...


class LossReport(Protocol):
    """A device, its loss, and the keys whose state has changed."""

    @property
    def device_id(self) -> str: ...
    @property
    def loss(self) -> Loss: ...
    @property
    def keys(self) -> Sequence[DigitalKey]: ...


class EpochEnd(Protocol):
    """The epoch that begins, the list that tells it (0: nothing had to end), and the keys that end."""

    @property
    def vehicle_id(self) -> str: ...
    @property
    def epoch(self) -> int: ...
    @property
    def list_sequence(self) -> int: ...
    @property
    def ended(self) -> Sequence[DigitalKey]: ...


class OfferedTransfer(Protocol):
    """A new offer to hand a vehicle over, and its secret, which is shown this once."""

    @property
    def transfer(self) -> Transfer: ...
    @property
    def secret(self) -> bytes: ...


class IssuerInfo(Protocol):
    """The public half of the issuer. ``kid``: 8 bytes; ``public_key``: P-256 compressed, 33 bytes."""

    @property
    def issuer(self) -> str: ...
    @property
    def kid(self) -> bytes: ...
    @property
    def public_key(self) -> bytes: ...


class IssuerBook(Protocol):
    """``credentials.rotation.Rotation``. ``keyring`` is what is signed and verified with now."""

    @property
    def keyring(self) -> IssuerKeyring: ...
    async def keys(self) -> Sequence[IssuerKeyRecord]: ...
    async def key(self, kid: bytes) -> IssuerKeyRecord: ...
    async def prepare(self, place: str | None = None, *, actor: str) -> IssuerKeyRecord: ...
    async def activate(self, kid: bytes, overlap: int | None = None, *, actor: str) -> IssuerKeyRecord: ...
    async def retire(self, kid: bytes, *, actor: str) -> IssuerKeyRecord: ...
    async def upkeep(self) -> Sequence[IssuerKeyRecord]: ...


class Invited(Protocol):
    """A new invitation, and what is shown this once."""

    @property
    def invitation(self) -> Invitation: ...
    @property
    def secret(self) -> bytes: ...
    @property
    def code(self) -> str | None: ...


class PublishedList(Protocol):
    """A signed status list as anybody may read it. ``etag``: of these very bytes."""

    @property
    def text(self) -> str: ...
    @property
    def etag(self) -> str: ...


class StatusBook(Protocol):
    """``credentials.status_list.StatusLists``."""

    async def uris(self) -> Sequence[str]: ...
    async def published(self, number: int) -> PublishedList: ...


class InvitationBook(Protocol):
    """``credentials.invitations.Invitations``: everything here is durable when it returns."""

    async def create(
        self,
        parent_id: str,
        *,
        app_id: str,
        entitlements: Entitlement,
        profile: str,
        key_expires_at: int | None,
        key_lifetime: int | None,
        label: str,
        activation_code: bool,
        lifetime: int | None,
        actor: str,
    ) -> Invited: ...
    async def get(self, invitation_id: str) -> Invitation: ...
    async def of_vehicle(self, vehicle_id: str) -> Sequence[Invitation]: ...
    async def cancel(self, invitation_id: str, *, actor: str) -> Invitation: ...
    async def grant(self, invitation_id: str, signed: bytes, *, actor: str) -> Invitation: ...
    async def look(self, invitation_id: str, secret: bytes) -> Invitation: ...
    async def claim(
        self,
        invitation_id: str,
        secret: bytes,
        device_key: bytes,
        proof: bytes,
        code: str | None,
        app_id: str | None,
        evidence: Evidence | None,
    ) -> Invitation: ...
    async def decline(
        self, invitation_id: str, secret: bytes, device_key: bytes | None, proof: bytes | None
    ) -> Invitation: ...


class AuditTrail(Protocol):
    """``credentials.trail.Trail``."""

    async def newest(
        self, wanted: AuditFilter, limit: int = 100, before: int | None = None
    ) -> Sequence[AuditRecord]: ...
    def export(self, after: int = 0) -> AsyncIterator[AuditRecord | SealedCheckpoint]: ...
    async def check(self) -> Report: ...


class DeviceBook(Protocol):
    """``credentials.devices.Devices``: everything here is durable when it returns."""

    async def challenge(self, app_id: str) -> Challenge: ...
    async def register(
        self,
        app_id: str,
        public_key: bytes,
        challenge: bytes,
        proof: bytes,
        label: str,
        evidence: Evidence | None,
        *,
        actor: str,
    ) -> Device: ...
    async def get(self, device_id: str) -> Device: ...
    async def of_app(self, app_id: str | None) -> Sequence[Device]: ...
    async def remove(self, device_id: str, *, actor: str) -> None: ...


class Credentials(Protocol):
    """The credential service, as far as the bridge uses it. Raises NotFound, Conflict, Forbidden, BadInput."""

    @property
    def trail(self) -> AuditTrail: ...
    def under(self, once: Once) -> Credentials:
        """For one operation that is carried out once; else ``Replayed``, or ``Conflict`` idempotency_mismatch."""

    async def look(self, once: Once | None) -> None: ...
    @property
    def limits(self) -> Limits: ...

    @property
    def invitations(self) -> InvitationBook: ...
    @property
    def status_lists(self) -> StatusBook: ...
    @property
    def devices(self) -> DeviceBook: ...
    async def register_vehicle(self, vehicle: Vehicle, *, actor: str) -> object: ...
    async def register_vehicles(self, vehicles: Sequence[Vehicle], *, actor: str) -> Sequence[Registered]: ...
    async def issuer_root(self) -> IssuerRoot: ...
    async def vehicle(self, vehicle_id: str) -> Vehicle: ...
    async def vehicles(self) -> Sequence[Vehicle]: ...
    async def create_hosted_device(self, app_id: str, label: str, *, actor: str) -> Device: ...
    async def device(self, device_id: str) -> Device: ...
    async def device_signer(self, device_id: str) -> Signer: ...
    async def issue_owner_key(self, vehicle_id: str, device: Device, label: str = "", *, actor: str) -> DigitalKey: ...
    async def issue_batch(self, vehicle_id: str, wishes: Sequence[KeyWish], *, actor: str) -> Sequence[DigitalKey]: ...
    async def pair_owner(
        self,
        vehicle: Vehicle,
        device: Device,
        ticket: bytes,
        transcript: bytes,
        label: str = "",
        *,
        evidence: Evidence | None = None,
        challenge: bytes = b"",
        actor: str,
    ) -> DigitalKey: ...
    async def tell_pairing(self, key_id: str, vehicle_id: str, state: str, reason: str | None) -> None: ...
    async def share(
        self,
        parent_id: str,
        *,
        device_public_key: bytes,
        entitlements: Entitlement,
        expires_at: int,
        label: str = "",
        profile: str = "",
        actor: str,
    ) -> DigitalKey: ...
    async def share_granted(
        self, parent_id: str, *, device_public_key: bytes, grant: bytes, label: str, actor: str
    ) -> DigitalKey: ...
    async def suspend(self, key_id: str, *, actor: str) -> DigitalKey: ...
    async def resume(self, key_id: str, *, actor: str) -> DigitalKey: ...
    async def revoke(self, key_id: str, *, actor: str) -> DigitalKey: ...
    async def give_back(self, key_id: str, *, actor: str) -> DigitalKey: ...
    async def give_back_proven(self, key_id: str, device_key: bytes, proof: bytes) -> DigitalKey: ...
    async def overdue(self, seconds: float | None) -> Sequence[Overdue]: ...
    async def loss(self, device_id: str) -> LossReport: ...
    async def lose(self, device_id: str, *, actor: str) -> LossReport: ...
    async def find(self, device_id: str, proof: bytes | None, *, actor: str) -> LossReport: ...
    async def vehicle_epoch(self, vehicle_id: str) -> int: ...
    async def end_epoch(self, vehicle_id: str, reserved_for: str | None, *, actor: str) -> EpochEnd: ...
    async def offer_transfer(self, vehicle_id: str, lifetime: int | None, *, actor: str) -> OfferedTransfer: ...
    async def transfer(self, transfer_id: str) -> Transfer: ...
    async def accept_transfer(self, transfer_id: str, secret: bytes, app_id: str) -> Transfer: ...
    async def cancel_transfer(self, transfer_id: str, *, actor: str) -> Transfer: ...
    async def sweep(self) -> int: ...
    async def key(self, key_id: str) -> DigitalKey: ...
    async def keys(self, vehicle_id: str | None = None, device_id: str | None = None) -> Sequence[DigitalKey]: ...
    async def standing(self, key_id: str) -> Standing: ...
    async def standings(self, vehicle_id: str) -> Sequence[Standing]: ...
    async def key_token(self, key_id: str) -> KeyToken: ...
    async def renew(self, key_id: str, *, actor: str) -> DigitalKey: ...
    async def chain(self, key_id: str) -> Sequence[ChainLink]: ...
    async def current_list(self, vehicle_id: str) -> SignedList: ...
    async def acknowledge_list(self, vehicle_id: str, ack: bytes) -> object: ...
    async def vehicles_behind(self) -> Sequence[str]: ...
    async def vehicles_due(self) -> Sequence[str]: ...
    async def refresh_list(self, vehicle_id: str) -> bool: ...
    async def time_proof(self, vehicle_id: str, nonce: bytes, *, actor: str) -> bytes: ...
    async def receipts(self, vehicle_id: str, after: int = 0, limit: int = 100) -> Sequence[Receipt]: ...
    async def last_receipt_sequence(self, vehicle_id: str) -> int: ...


class Fleet(Protocol):
    """The gateway's side of the cars (``keygw.vehicle.fleet``)."""

    async def connect(self, vehicle_id: str, key_id: str, timeout: float) -> LinkStatus:
        """Link and session within ``timeout`` seconds; ``LinkError`` otherwise."""

    def link(self, vehicle_id: str) -> LinkStatus | None: ...

    async def disconnect(self, vehicle_id: str) -> None: ...

    async def execute(self, authorized: AuthorizedCommand, on_state: OnState) -> CommandResult:
        """Connect if needed, send, wait for the answer. Awaits ``on_state(SENT, ...)`` before the first byte leaves.

        Never raises for what a car or a link does: it says so in the result. Cancelling it is allowed at any time.
        """

    def relay(self, vehicle_id: str, avoid: Collection[str] = ()) -> AbstractAsyncContextManager[Relay]:
        """Lend the link to who holds the key itself. ``LinkError``: busy, or of the way."""

    async def settle(self, vehicle_id: str, key_id: str) -> None:
        """Fetch the receipts that this key may read; they arrive recorded. ``LinkError`` if the car is not there."""

    async def sync_list(self, vehicle_id: str) -> None:
        """Carry the current revocation list; returns when the acknowledgement is recorded."""

    async def sync_issuer_keys(self, vehicle_id: str) -> None:
        """Carry the issuer keys that the vehicle has not acknowledged; where there are none, nobody is met."""

    async def pair(self, task: PairingTask, seconds: float) -> Outcome:
        """``vehicle.pairing.pair``: find the car that shows the code, and pair with it."""

    async def discover(self, seconds: float) -> Sequence[Discovered]: ...
