"""What the credential service needs from the outside world (law 5: the consumer owns the interface).

The contract suite is ``tests/contracts/test_credential_store_contract.py``; every implementation must pass it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from keygw.credentials.audit_ports import AuditReads, AuditWrites
from keygw.credentials.device_ports import DeviceReads, DeviceWrites
from keygw.credentials.invitation_ports import InvitationReads, InvitationWrites
from keygw.credentials.issuer_ports import IssuerKeyReads, IssuerKeyWrites
from keygw.credentials.life_ports import LifeReads, LifeWrites
from keygw.credentials.lifecycle import NO_HOLD, Hold
from keygw.credentials.once_ports import OnceReads, OnceWrites
from keygw.credentials.outbox_ports import OutboxReads, OutboxWrites
from keygw.credentials.status_ports import StatusReads, StatusWrites
from keygw.credentials.values import KeyToken
from keygw.crypto.signer import Signer
from keygw.model.device import Device
from keygw.model.digital_key import DigitalKey, KeyState
from keygw.model.receipt import Receipt
from keygw.model.vehicle import Vehicle

INDEX_MAX = 0xFFFF

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class VehicleRecord:
    """A vehicle and its counters. ``receipts_through``: receipts 1 to this one are all there.

    ``ticket_counter``: the newest pairing ticket that was used; 0 for a vehicle that was never paired here.
    ``issued_before``: watermark of its lists (Unix seconds); tokens issued before it open nothing.
    ``next_index``: of the next key; so many were issued at most.
    ``reserved_for``: the app, or the person, for whom the next owner key is reserved.
    """

    vehicle: Vehicle
    epoch: int = 0
    list_sequence: int = 0
    acknowledged_sequence: int = 0
    receipts_through: int = 0
    ticket_counter: int = 0
    issued_before: int = 0
    next_index: int = 0
    reserved_for: str | None = None


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A stored key. ``key.state`` is its own state; ``above`` holds its ancestors' own states, nearest first.

    ``list_sequence``: the list that first told this key's own state; ``family_sequence``: the same with its ancestors'.
    ``newest`` and ``acknowledged``: sequences of its vehicle's lists, read in the same moment as the state.
    ``hold``: why it is suspended; ``met``: its vehicle has met it; ``renew_from``: that of its newest token.
    """

    key: DigitalKey
    list_sequence: int = 0
    above: tuple[KeyState, ...] = ()
    family_sequence: int = 0
    newest: int = field(default=0, compare=False)
    acknowledged: int = field(default=0, compare=False)
    hold: Hold = NO_HOLD
    met: bool = False
    renew_from: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class ListRecord:
    """One signed revocation list as it was sent out, and the vehicle's signed acknowledgement if it came."""

    vehicle_id: str
    sequence: int
    issued_at: int
    signed: bytes = field(repr=False)
    ack: bytes | None = field(default=None, repr=False)


class CredentialReads(
    InvitationReads,
    LifeReads,
    DeviceReads,
    IssuerKeyReads,
    StatusReads,
    AuditReads,
    OutboxReads,
    OnceReads,
    Protocol,
):
    """Questions. Outside a transaction they see committed state only. Absent things are ``None`` or empty."""

    async def last_issued_at(self) -> int:
        """Greatest iat ever signed (Unix seconds), 0 before the first."""

    async def restored_unconfirmed(self) -> bool:
        """Whether the data were put back from a backup, and no operator has confirmed that they are the newest."""

    async def vehicle(self, vehicle_id: str) -> VehicleRecord | None: ...

    async def vehicles(self) -> Sequence[VehicleRecord]:
        """By id."""

    async def device(self, device_id: str) -> Device | None: ...

    async def key(self, key_id: str) -> KeyRecord | None: ...

    async def key_token(self, key_id: str) -> KeyToken | None:
        """Byte for byte as stored."""

    async def keys(self, vehicle_id: str | None = None, device_id: str | None = None) -> Sequence[KeyRecord]:
        """In order of vehicle, then index; ``None`` does not filter."""

    async def unexpired_keys(self, vehicle_id: str, at: int) -> Sequence[KeyRecord]:
        """Those with ``expires_at > at`` in any state, by index. Parents outlive children: families are whole."""

    async def unexpired_count(self, vehicle_id: str, at: int) -> int:
        """How many of ``unexpired_keys`` are neither REVOKING nor REVOKED."""

    async def revoking_keys(self, vehicle_id: str, through: int) -> Sequence[KeyRecord]:
        """Those in REVOKING whose ``list_sequence <= through``, by index."""

    async def revocation_list(self, vehicle_id: str, sequence: int) -> ListRecord | None: ...

    async def receipt(self, vehicle_id: str, sequence: int) -> Receipt | None: ...

    async def receipts(self, vehicle_id: str, after: int, limit: int, key_id: str | None = None) -> Sequence[Receipt]:
        """Those with ``sequence > after``, ascending."""

    async def receipt_run_end(self, vehicle_id: str, start: int) -> int:
        """The last sequence of the gapless run that starts at ``start``, which exists."""


class CredentialTransaction(
    CredentialReads,
    InvitationWrites,
    LifeWrites,
    DeviceWrites,
    IssuerKeyWrites,
    StatusWrites,
    AuditWrites,
    OutboxWrites,
    OnceWrites,
    Protocol,
):
    """Writes that are committed together or not at all. Reads inside see the writes before them."""

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Run it once the commit is durable, in order; never if the transaction ends otherwise."""

    async def raise_last_issued_at(self, at: int) -> None:
        """Never lowers it."""

    async def add_vehicle(self, vehicle: Vehicle) -> None:
        """``Conflict`` vehicle_exists."""

    async def take_ticket(self, vehicle_id: str, counter: int) -> None:
        """Raise the vehicle's ``ticket_counter`` to this; ``Conflict`` ticket_replayed unless it grows by that."""

    async def add_device(self, device: Device) -> Device:
        """Add it unless there is one with that id; one that belongs to no app yet takes this one's. Answers what is
        stored now."""

    async def take_index(self, vehicle_id: str) -> int | None:
        """The next index (u16) of that vehicle, never given again once committed; ``None``: all are used up.

        ``Conflict`` restored_unconfirmed: a database that has forgotten which were given gives none.
        """

    async def add_key(self, key: DigitalKey, token: KeyToken) -> None:
        """``Conflict`` key_exists (id or index taken)."""

    async def set_key_state(
        self, key: DigitalKey, state: KeyState, list_sequence: int | None = None, hold: Hold | None = None
    ) -> DigitalKey:
        """Store it if the row still has ``key.version``, which it counts up; ``Conflict`` key_changed otherwise.

        ``None`` leaves the list, or the reasons of a suspension, as they are.
        """

    async def set_key_token(self, key: DigitalKey, token: KeyToken) -> DigitalKey:
        """Replace the token, and the key's ``issued_at`` and ``expires_at``, if the row still has ``key.version``,
        which it counts up; ``Conflict`` key_changed otherwise. The grant stays: one serves every renewal."""

    async def raise_issued_before(self, vehicle_id: str, at: int) -> None:
        """Raise the watermark of the vehicle's lists (never lowers it)."""

    async def add_list(self, record: ListRecord) -> None:
        """Store it and make it the vehicle's current one; ``Conflict`` list_exists unless the sequence is the next."""

    async def adopt_list(self, record: ListRecord, index: int) -> None:
        """The same for a list that we have forgotten to have signed: any later sequence will do, or ``list_exists``.

        ``index``: ``take_index`` gives only greater ones from now on.
        """

    async def acknowledge_list(self, vehicle_id: str, sequence: int, ack: bytes) -> None:
        """Store the acknowledgement and raise the vehicle's ``acknowledged_sequence`` (never lowers it)."""

    async def add_receipt(self, receipt: Receipt) -> None:
        """``Conflict`` receipt_exists if there is one with that sequence."""

    async def set_receipts_through(self, vehicle_id: str, sequence: int) -> None: ...


Work = Callable[[CredentialTransaction], Awaitable[T]]


class CredentialStore(CredentialReads, Protocol):
    """Durable storage of the credential service."""

    async def write(self, work: Work[T]) -> T:
        """What ``work`` answers, once its writes are committed durably; nothing of it if it raises.

        ``work`` is given the transaction, and awaits nothing but that: many of them share one commit. It may be run
        more than once, so it leaves nothing behind outside (``after_commit`` is for telling). One writer at a time.
        ``StoreError`` store_busy (retryable) if another process holds the database, or too many writers wait. A
        cancelled caller's work is committed whole or not at all.
        """


class Vault(Protocol):
    """Keeps the private halves of hosted devices' keys."""

    async def create(self) -> bytes:
        """A new device key, durable on return; answers its public key (33 bytes)."""

    async def signer(self, device_id: str) -> Signer:
        """``NotFound`` unknown_device; ``StoreError`` vault_damaged if what is stored does not open."""
