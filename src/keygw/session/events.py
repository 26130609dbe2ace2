"""What a session reports to its driver. Frozen values; the driver acts, the session never does."""

from __future__ import annotations

from dataclasses import dataclass, field

from keygw.model.command import Outcome
from keygw.session.fast import FastKey
from keygw.token.claims import KeyClaims
from keygw.wire.messages import Chain, Cmd, ErrorCode, FastResult, LinkKind, Reading, Receipts, Res, Result
from keygw.wire.pairing import Attestation, Credential
from keygw.wire.ranging import Finding, RangingMethod


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
class PresentedFast:
    """Vehicle: a device known from an earlier handshake asks for one command. Answer with ``answer_fast``."""

    key: FastKey
    link: LinkKind
    subscribe: bool
    command: Cmd
    session_hash: bytes


@dataclass(frozen=True, slots=True)
class AnsweredFast:
    """Device: FAST_RESULT opened; the vehicle has judged the command."""

    result: FastResult
    session_hash: bytes


@dataclass(frozen=True, slots=True)
class FastRefused:
    """Device: the vehicle does not know the fast key (any more). Ask for a new HELLO and take the full handshake."""


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
class ChainBrought:
    """Vehicle: what the presented key stands on, not yet verified. Answer with ``answer``."""

    chain: Chain = field(repr=False)


@dataclass(frozen=True, slots=True)
class ListPushed:
    """Vehicle: a signed revocation list, not yet verified."""

    signed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class TimeProofBrought:
    """Vehicle: a signed time proof, not yet verified. Answer with ``answer``."""

    signed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ListAcknowledged:
    """Device: the vehicle's signed acknowledgement, not yet verified."""

    signed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ListWanted:
    """Vehicle: the device asks for the list in force. Answer with ``give_list``."""


@dataclass(frozen=True, slots=True)
class ListGiven:
    """Device: the signed list in force, not yet verified; empty if the vehicle never had one."""

    signed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class IssuerKeysBrought:
    """Vehicle: signed issuer key statements, oldest first, not yet verified. Answer with ``acknowledge_issuer_key``."""

    signed: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class IssuerKeyAcknowledged:
    """Device: the vehicle's signed word which issuer key is its newest, not yet verified."""

    signed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RangeAsked:
    """Vehicle: measure how far the device is, with this round's key (16 bytes). Answer with ``answer_range``."""

    method: RangingMethod
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ranged:
    """Device: what the vehicle's anchors found in that round."""

    round: int
    method: RangingMethod
    finding: Finding


@dataclass(frozen=True, slots=True)
class PairingAsked:
    """Vehicle: a device wants to pair. Answer with ``offer`` if a code is shown, else ``fail``."""


@dataclass(frozen=True, slots=True)
class PairingOffered:
    """Device: a code is shown there, stretched with this salt (16 bytes). Answer with ``share``."""

    salt: bytes


@dataclass(frozen=True, slots=True)
class PairingTried:
    """Vehicle: a guess is staked. Count it durably, then answer with ``prove``, or ``fail`` when none is left."""


@dataclass(frozen=True, slots=True)
class Enrolled:
    """Vehicle: a device that knows the code, and holds this key. Answer with ``give_ticket``.

    ``challenge``: what an attestation must answer; ``transcript``: what the ticket must name; 32 bytes each.
    """

    device_key: bytes
    attestation: Attestation | None
    challenge: bytes
    transcript: bytes


@dataclass(frozen=True, slots=True)
class Ticketed:
    """Device: the vehicle's verified ticket and credential. Take it to the issuer, and answer with ``bring``."""

    credential: Credential
    transcript: bytes


@dataclass(frozen=True, slots=True)
class OwnerTokenBrought:
    """Vehicle: a key token, not yet verified. Answer with ``accept_owner``."""

    token: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class OwnerTokenAnswered:
    """Device: what the vehicle says to the token. ``DONE``: the device is an owner's."""

    outcome: Outcome


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
    | PresentedFast
    | AnsweredFast
    | FastRefused
    | Commanded
    | Responded
    | Read
    | ReceiptsWanted
    | ReceiptsGiven
    | ReceiptsStored
    | ChainBrought
    | ListPushed
    | TimeProofBrought
    | ListAcknowledged
    | ListWanted
    | ListGiven
    | IssuerKeysBrought
    | IssuerKeyAcknowledged
    | RangeAsked
    | Ranged
    | PairingAsked
    | PairingOffered
    | PairingTried
    | Enrolled
    | Ticketed
    | OwnerTokenBrought
    | OwnerTokenAnswered
    | Ended
)
