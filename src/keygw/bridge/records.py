"""What the bridge keeps: apps and command resources, and the text form in which a command is stored."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from keygw.bridge.roles import OperatorRole, scopes_of
from keygw.bridge.scopes import Scope
from keygw.model.command import Action, Command, CommandState, Outcome
from keygw.model.receipt import Receipt
from keygw.model.tenant import DEFAULT_TENANT
from keygw.vehicle.values import Measures


@dataclass(frozen=True, slots=True)
class App:
    """Who calls: a registered phone app, or an operator (``Operator.caller``).

    ``token_hash``: SHA-256 (32 bytes) of its bearer token; the token itself is not kept. ``expires_at``: when the token
    ends, Unix seconds; ``None``: never (that of ``operator.token``). ``tenant_id``: whose things it may reach;
    ``None``: everybody's, which an app never may. ``person_id``: for whom an app acts. ``role``: of an operator alone.
    ``home_id``: the app that holds the owner keys of that person, if this one may manage keys with them
    (``bridge.oauth``). ``seen_at``: when the person was last seen to be there, of a call with a token that says so.
    ``machine``: it may command cars with a bearer token, as its operator has said. ``thumbprint``: of the key to which
    its own token is bound (RFC 7638). ``proven``: this call came with a proof by the key of its token (RFC 9449).
    """

    id: str
    name: str
    scopes: frozenset[Scope]
    created_at: float
    token_hash: bytes = field(repr=False)
    revoked: bool = False
    expires_at: float | None = None
    tenant_id: str | None = DEFAULT_TENANT
    person_id: str | None = None
    home_id: str | None = None
    role: OperatorRole | None = None
    seen_at: float | None = None
    machine: bool = False
    thumbprint: str | None = None
    proven: bool = False

    @property
    def operator(self) -> bool:
        """Whether it sees all of its tenant. What it may do there its scopes say, as for any app."""
        return self.role is not None

    @property
    def platform(self) -> bool:
        """An operator of the gateway itself, over all tenants."""
        return self.operator and self.tenant_id is None

    def reaches(self, tenant_id: str | None) -> bool:
        """Whether what belongs to that tenant is there at all for it."""
        return self.platform or (tenant_id is not None and self.tenant_id == tenant_id)

    @property
    def actor(self) -> str:
        """As the audit trail names it."""
        return f"{'operator' if self.operator else 'app'}:{self.id}"


@dataclass(frozen=True, slots=True)
class Operator:
    """Somebody who runs the gateway, or one tenant of it (``tenant_id``; ``None``: all). Times: Unix seconds."""

    id: str
    tenant_id: str | None
    name: str
    role: OperatorRole
    created_at: int
    expires_at: int
    token_hash: bytes = field(repr=False)
    revoked: bool = False

    def live(self, now: float) -> bool:
        return not self.revoked and now < self.expires_at

    @property
    def caller(self) -> App:
        """As whom it calls."""
        return App(
            self.id,
            self.name,
            scopes_of(self.role, platform=self.tenant_id is None),
            float(self.created_at),
            self.token_hash,
            self.revoked,
            float(self.expires_at),
            self.tenant_id,
            role=self.role,
        )


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """One command resource.

    ``idempotency_key`` is unique per app; ``fingerprint`` (SHA-256, 32 bytes) tells the same request from another
    under that key. ``receipt_floor``: the last receipt sequence known when the command was made; its own is later.
    ``patient``: waits for an absent vehicle until it expires (the app set the expiry itself). ``timeline`` holds
    every state with its Unix time, oldest first.
    """

    command: Command
    app_id: str
    idempotency_key: str
    fingerprint: bytes
    state: CommandState
    updated_at: float
    timeline: tuple[tuple[CommandState, float], ...]
    receipt_floor: int = 0
    patient: bool = False
    reason: str | None = None
    receipt: Receipt | None = None
    measures: Measures | None = None

    @property
    def id(self) -> str:
        return self.command.id

    @property
    def may_have_happened(self) -> bool:
        """Could the vehicle have acted? True from the moment bytes may have left until the vehicle says otherwise."""
        return self.state in _MAY_HAVE_HAPPENED or (self.receipt is not None and self.receipt.outcome.ok)

    def moved(self, state: CommandState, at: float, **changes: Any) -> CommandRecord:
        """The record after a step; ``changes`` are further fields."""
        return replace(self, state=state, updated_at=at, timeline=(*self.timeline, (state, at)), **changes)


_MAY_HAVE_HAPPENED = frozenset(
    {CommandState.SENT, CommandState.ACKNOWLEDGED, CommandState.CONFIRMED, CommandState.UNKNOWN}
)


def command_to_text(record: CommandRecord) -> str:
    """The whole record as JSON text, for a store that keeps it in one column beside those it looks things up by."""
    command, receipt, measures = record.command, record.receipt, record.measures
    return json.dumps(
        {
            "command": asdict(command),
            "app_id": record.app_id,
            "idempotency_key": record.idempotency_key,
            "fingerprint": _text(record.fingerprint),
            "state": record.state,
            "updated_at": record.updated_at,
            "timeline": record.timeline,
            "receipt_floor": record.receipt_floor,
            "patient": record.patient,
            "reason": record.reason,
            "receipt": None if receipt is None else {k: _jsonable(v) for k, v in asdict(receipt).items()},
            "measures": None if measures is None else asdict(measures),
        },
        separators=(",", ":"),
    )


def command_from_text(text: str) -> CommandRecord:
    """The reverse of ``command_to_text``."""
    data = json.loads(text)
    command = data.pop("command")
    receipt, measures = data.pop("receipt"), data.pop("measures")
    return CommandRecord(
        command=Command(**{**command, "action": Action(command["action"])}),
        fingerprint=_bytes(data.pop("fingerprint")),
        state=CommandState(data.pop("state")),
        timeline=tuple((CommandState(state), at) for state, at in data.pop("timeline")),
        receipt=None if receipt is None else _receipt(receipt),
        measures=None if measures is None else Measures(**measures),
        **data,
    )


def _receipt(data: dict[str, Any]) -> Receipt:
    binary = {name: _bytes(data[name]) for name in ("session", "previous", "signed")}
    return Receipt(**{**data, **binary, "action": Action(data["action"]), "outcome": Outcome(data["outcome"])})


def _jsonable(value: Any) -> Any:
    return _text(value) if isinstance(value, bytes) else value


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)
