"""Life of an issuer's key: one table, state x event -> state; and the keys of this gateway as they stand now.

There is at most one ``next`` and, after the first start, exactly one ``current``. What a key has signed counts while it
is ``current`` or ``retiring``. Nothing leads back: a key that is to sign again would have to be told to every vehicle
anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from keygw.credentials.values import Issuer
from keygw.crypto.signer import Signer
from keygw.model.base64url import encode_base64url
from keygw.model.errors import Conflict, StoreError
from keygw.token.trust import IssuerKey, TrustedIssuers


class IssuerKeyState(StrEnum):
    NEXT = "next"
    """Made and announced; it signs nothing yet."""
    CURRENT = "current"
    RETIRING = "retiring"
    """Signs no more, and what it has signed still counts."""
    RETIRED = "retired"
    """What it has signed is refused."""


class IssuerKeyEvent(StrEnum):
    ACTIVATE = "activate"
    SUCCEED = "succeed"
    """Another key has been activated."""
    RETIRE = "retire"


@dataclass(frozen=True, slots=True)
class Refused:
    """The event is not possible in this state; ``code`` is that of the ``Conflict``."""

    code: str


_S, _E = IssuerKeyState, IssuerKeyEvent

TRANSITIONS: dict[IssuerKeyState, dict[IssuerKeyEvent, IssuerKeyState | Refused]] = {
    _S.NEXT: {_E.ACTIVATE: _S.CURRENT, _E.SUCCEED: _S.NEXT, _E.RETIRE: _S.RETIRED},
    _S.CURRENT: {
        _E.ACTIVATE: _S.CURRENT,
        _E.SUCCEED: _S.RETIRING,
        _E.RETIRE: Refused("issuer_key_current"),
    },
    _S.RETIRING: {
        _E.ACTIVATE: Refused("issuer_key_retiring"),
        _E.SUCCEED: _S.RETIRING,
        _E.RETIRE: _S.RETIRED,
    },
    _S.RETIRED: {
        _E.ACTIVATE: Refused("issuer_key_retired"),
        _E.SUCCEED: _S.RETIRED,
        _E.RETIRE: _S.RETIRED,
    },
}

ANNOUNCED = frozenset({_S.NEXT, _S.CURRENT, _S.RETIRING})
"""What the JWK set shows."""
VERIFYING = frozenset({_S.CURRENT, _S.RETIRING})

_SENTENCES = {
    "issuer_key_current": "this key signs now: prepare and activate another one, then retire this one",
    "issuer_key_retiring": "this key has signed before and is retiring: prepare a new one",
    "issuer_key_retired": "this key has been retired, which is final: prepare a new one",
}


def next_issuer_key_state(state: IssuerKeyState, event: IssuerKeyEvent) -> IssuerKeyState:
    """The state after ``event``; ``Conflict`` (issuer_key_current, _retiring, _retired) where the table refuses."""
    target = TRANSITIONS[state][event]
    if isinstance(target, Refused):
        raise Conflict(_SENTENCES[target.code], code=target.code)
    return target


@dataclass(frozen=True, slots=True)
class IssuerKeyRecord:
    """One key, in the order in which they were made: ``ordinal`` counts from 1. Rows are never removed.

    ``signer``: where its private half is (``file:issuer.pem``, ``pkcs11:token=...``), nothing secret. ``retire_at``:
    end of the overlap, of a key that is retiring. Unix seconds.
    """

    ordinal: int
    issuer: str
    kid: bytes
    public_key: bytes
    signer: str
    state: IssuerKeyState
    made_at: int
    activated_at: int | None = None
    retire_at: int | None = None
    retired_at: int | None = None

    @property
    def name(self) -> str:
        """What people and JWTs call it: the kid, base64url."""
        return encode_base64url(self.kid)


class IssuerKeyring:
    """The keys as they stand: ``values.IssuerKeys``. Replaced as a whole, so any thread sees one moment of it."""

    def __init__(self, records: Sequence[IssuerKeyRecord], signer: Signer, status_lists: str = "") -> None:
        self._status_lists = status_lists
        self._now = _standing(records, signer, status_lists)

    @property
    def current(self) -> Issuer:
        return self._now[0]

    @property
    def trusted(self) -> TrustedIssuers:
        return self._now[1]

    @property
    def ever(self) -> TrustedIssuers:
        return TrustedIssuers(IssuerKey(r.issuer, r.kid, r.public_key) for r in self.records)

    @property
    def records(self) -> tuple[IssuerKeyRecord, ...]:
        return self._now[2]

    @property
    def issuer(self) -> str:
        return self.current.issuer

    @property
    def kid(self) -> bytes:
        return self.current.kid

    @property
    def public_key(self) -> bytes:
        return self.current.public_key

    def replace(self, records: Sequence[IssuerKeyRecord], signer: Signer) -> None:
        """``signer``: of the one that is current among them."""
        self._now = _standing(records, signer, self._status_lists)


def current_of(records: Sequence[IssuerKeyRecord]) -> IssuerKeyRecord:
    """``StoreError`` issuer_key_lost if there is none."""
    for record in records:
        if record.state is IssuerKeyState.CURRENT:
            return record
    raise StoreError("the database names no current issuer key: restore it from a backup", code="issuer_key_lost")


def _standing(
    records: Sequence[IssuerKeyRecord], signer: Signer, status_lists: str
) -> tuple[Issuer, TrustedIssuers, tuple[IssuerKeyRecord, ...]]:
    record = current_of(records)
    if signer.public_key != record.public_key:
        raise StoreError(
            f"{record.signer} holds another key than the one that the database remembers: restore both from one backup",
            code="issuer_key_lost",
        )
    trusted = TrustedIssuers(IssuerKey(r.issuer, r.kid, r.public_key) for r in records if r.state in VERIFYING)
    return Issuer(record.issuer, record.kid, signer, status_lists), trusted, tuple(records)
