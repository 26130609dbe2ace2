"""The car's trust store: which issuer keys it believes, in what order they followed one another, and when each ends.

The newest key of an issuer is the one with the greatest sequence. Only what the newest has signed can bring another, so
a former key, in whichever hands, brings none. A former key still counts until ``retire_at``, by the time that the car
knows; while it knows none, a former key decides nothing (``decides``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from keygw.model.errors import TokenError
from keygw.token.issuer_key import NO_STATEMENT, IssuerKeyAck, SignedStatement
from keygw.token.trust import IssuerKey, TrustedIssuers
from keygw_sim.vehicle.flash import Issuer, Memory
from keygw_sim.vehicle.timekeeper import Moment

MAX_KEYS = 3
"""Of one issuer, kept at once: the newest, and two former ones whose overlap runs. A fourth ends the oldest."""


def trusted(memory: Memory, time: Moment) -> TrustedIssuers:
    """Every key that has not ended."""
    living = (key for key in memory.issuers if not _ended(key, time))
    return TrustedIssuers(IssuerKey(key.issuer, key.kid, key.public_key) for key in living)


def find(memory: Memory, kid: bytes, time: Moment) -> Issuer | None:
    """The key of that kid; ``None`` if it is not known here, or has ended."""
    return next((key for key in memory.issuers if key.kid == kid and not _ended(key, time)), None)


def decides(key: Issuer, time: Moment) -> bool:
    """Whether what that key signed may be acted on now.

    A former key must not while the time is not known: its end may long have passed, and who stole it would say so of
    nothing. The newest always may.
    """
    return not key.retire_at or time.known


def check_made(key: Issuer, at: int) -> None:
    """``TokenError`` unless it was the key's time when it signed that, by its own word. It takes no clock."""
    if at < key.not_before or (key.retire_at and at >= key.retire_at):
        raise TokenError("signed when it was not that issuer key's time", code="unknown_issuer")


def tells_time(memory: Memory, key: Issuer) -> bool:
    """Whether the car takes the time from that key: not once the next one's time has begun.

    Else who stole a former key would keep the car in the past, in which that key still counts.
    """
    after = [other for other in memory.issuers if other.issuer == key.issuer and other.sequence > key.sequence]
    return not key.retire_at or all(memory.time_floor < other.not_before for other in after)


def newest(memory: Memory, issuer: str) -> Issuer | None:
    """The key of that issuer whose word brings the next one. Of several alike, the one provisioned last."""
    known = [key for key in reversed(memory.issuers) if key.issuer == issuer]
    return max(known, key=lambda key: key.sequence, default=None)


def learn(draft: Memory, brought: Sequence[SignedStatement]) -> bool:
    """Take in every statement that the newest key of its issuer signed, one after the other; whether there was one.

    What another key signed is passed over, its signature unlooked at: it is old, or comes too early, or is somebody's
    who has a former key. ``TokenError`` for what names the newest key and does not hold, for an issuer that is not
    trusted here, and for statements of two issuers; then nothing of the draft may be kept.
    """
    learnt = False
    for signed in brought:
        head = newest(draft, signed.statement.issuer)
        if head is None or signed.statement.issuer != brought[0].statement.issuer:
            raise TokenError("a statement of an issuer that is not trusted here", code="unknown_issuer")
        if signed.kid != head.kid:
            continue
        statement = signed.verify(IssuerKey(head.issuer, head.kid, head.public_key))
        if statement.sequence <= head.sequence:
            continue
        if statement.public_key == head.public_key:  # only draws the end of the former ones nearer
            head = replace(head, sequence=statement.sequence, statement=signed.digest)
        else:
            if any(statement.kid == key.kid or statement.public_key == key.public_key for key in draft.issuers):
                raise TokenError("a key that this car knows cannot follow once more", code="issuer_key_refused")
            head = Issuer(
                head.issuer, statement.kid, statement.public_key, statement.sequence, statement.not_before,
                statement=signed.digest,
            )  # fmt: skip
        former = [key for key in draft.issuers if key.issuer == head.issuer and key.kid != head.kid]
        kept = sorted(former, key=lambda key: key.sequence)[-(MAX_KEYS - 1) :]
        others = [key for key in draft.issuers if key.issuer != head.issuer]
        draft.issuers = [*others, *(_ending(key, statement.retire_at) for key in kept), head]
        draft.time_floor = max(draft.time_floor, statement.issued_at)
        learnt = True
    return learnt


def ended(memory: Memory, time: Moment) -> list[Issuer]:
    """The keys whose overlap is over. Forgotten, they stay ended whatever becomes of the time."""
    return [key for key in memory.issuers if _ended(key, time)]


def told(memory: Memory, issuer: str) -> IssuerKeyAck:
    """What the car can say of its newest key of that issuer, which must be trusted here."""
    key = newest(memory, issuer)
    if key is None:
        raise TokenError("an issuer that is not trusted here", code="unknown_issuer")
    return IssuerKeyAck(memory.vehicle_id, key.sequence, key.kid, key.statement or NO_STATEMENT, memory.boot_epoch)


def _ending(key: Issuer, at: int) -> Issuer:
    """An end is drawn nearer and never put off."""
    return replace(key, retire_at=min(key.retire_at or at, at))


def _ended(key: Issuer, time: Moment) -> bool:
    return bool(key.retire_at) and time.at >= key.retire_at
