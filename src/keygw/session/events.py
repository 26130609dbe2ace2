"""What a session reports to its driver. Frozen values; the driver acts, the session never does."""

from __future__ import annotations

from dataclasses import dataclass, field

from keygw.token.claims import KeyClaims
from keygw.wire.messages import Cmd, ErrorCode, LinkKind, Reading, Receipts, Res, Result


@dataclass(frozen=True, slots=True)
class Greeted:
    """Device: the vehicle has said HELLO; ``begin`` may be called."""

    boot_epoch: int


@dataclass(frozen=True, slots=True)
class SignatureNeeded:
    """Both roles: sign ``message`` with the own identity key and hand the 64 bytes to ``sign``."""

    message: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class VehicleProven:
    """Device: the peer holds the vehicle key it was looking for."""


@dataclass(frozen=True, slots=True)
class Presented:
    """Vehicle: a device has proven that it holds the key token's device key. Answer with ``answer``."""

    claims: KeyClaims
    token: bytes = field(repr=False)
    link: LinkKind
    subscribe: bool
    command: Cmd | None
    session_hash: bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """Device: RESULT; the session is open if ``result.outcome`` did not refuse the key."""

    result: Result
    session_hash: bytes


@dataclass(frozen=True, slots=True)
class Commanded:
    """Vehicle: a CMD arrived."""

    command: Cmd


@dataclass(frozen=True, slots=True)
class Responded:
    """Device: the vehicle's answer to one CMD."""

    response: Res


@dataclass(frozen=True, slots=True)
class Read:
    """Device: signals of the vehicle."""

    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class ReceiptsWanted:
    """Vehicle: send the receipts after this sequence."""

    after: int


@dataclass(frozen=True, slots=True)
class ReceiptsGiven:
    """Device: signed receipts, not yet verified."""

    receipts: Receipts


@dataclass(frozen=True, slots=True)
class ReceiptsStored:
    """Vehicle: the device has them safe up to this sequence."""

    sequence: int


@dataclass(frozen=True, slots=True)
class ListPushed:
    """Vehicle: a signed revocation list, not yet verified."""

    signed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ListAcknowledged:
    """Device: the vehicle's signed acknowledgement, not yet verified."""

    signed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ended:
    """Both: the peer ended the session, or a timer did (``code`` is then ``None``)."""

    code: ErrorCode | None
    reason: str


Event = (
    Greeted
    | SignatureNeeded
    | VehicleProven
    | Presented
    | Answered
    | Commanded
    | Responded
    | Read
    | ReceiptsWanted
    | ReceiptsGiven
    | ReceiptsStored
    | ListPushed
    | ListAcknowledged
    | Ended
)
