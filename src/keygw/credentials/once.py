"""Requests that are carried out once, however often they come: the mark is written in the request's own transaction.

A client that lost the answer sends the same request under the same key again and gets the answer anew, drawn from what
the first one made: nothing of an answer is stored, and so no secret of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from keygw.credentials.invitation import Invitation
from keygw.credentials.once_ports import Answered, OnceReads, OnceWrites
from keygw.credentials.ports import CredentialStore, CredentialTransaction, T, Work
from keygw.credentials.values import DAY
from keygw.model.device import Device
from keygw.model.digital_key import DigitalKey
from keygw.model.errors import Conflict
from keygw.model.vehicle import Vehicle

S = TypeVar("S")

KEEP_SECONDS = DAY


@dataclass(frozen=True, slots=True)
class Once:
    """``key`` is unique per app; ``fingerprint`` (SHA-256, 32 bytes) tells the same request from another under it.

    ``status``: that of a success. ``on_replay``: called if the request had been carried out before.
    """

    app_id: str
    key: str
    fingerprint: bytes = field(repr=False)
    status: int = 200
    on_replay: Callable[[], None] = field(default=lambda: None, repr=False, compare=False)


class Replayed(Exception):
    """The request was carried out before, and made or changed this. Whoever handed the ``Once`` in draws the answer."""

    def __init__(self, resource: str) -> None:
        super().__init__(resource)
        self.resource = resource


class OnceStore:
    """The store for one request: its first write that makes or changes something writes the mark too.

    Where the mark is there already, that write raises ``Replayed``, or ``Conflict`` idempotency_mismatch if it is
    another request's. A twin that comes at the same time waits for the one writer like everybody, and finds the mark.
    """

    def __init__(self, store: CredentialStore, once: Once, clock: Callable[[], float]) -> None:
        self._store = store
        self._once = once
        self._clock = clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def write(self, work: Work[T]) -> T:
        once = self._once

        async def marked(tx: CredentialTransaction) -> T:
            await look_within(tx, once)
            result = await work(tx)
            resource = _name_of(result)
            if resource is not None:
                await mark(tx, once, resource, self._clock())
            return result

        try:
            return await self._store.write(marked)
        except Replayed:
            once.on_replay()
            raise


def on(service: S, store: CredentialStore | OnceStore) -> S:
    """The same service with another store behind it (``_store``), for one operation.

    A shallow copy; ``copy.copy`` takes the way of pickle, and five times as long.
    """
    other = object.__new__(type(service))
    other.__dict__.update(service.__dict__, _store=store)
    return other


async def look_within(tx: OnceReads, once: Once) -> None:
    """In the request's own transaction, before its work. ``Replayed`` and ``Conflict`` as above."""
    earlier = await tx.answered(once.app_id, once.key)
    if earlier is not None:
        raise _replay(once, earlier)


async def mark(tx: OnceWrites, once: Once, resource: str, now: float) -> None:
    """After its work, in the same transaction. ``now``: Unix seconds."""
    await tx.mark_answered(once.app_id, once.key, Answered(once.fingerprint, resource, once.status, int(now)))


async def look(store: CredentialStore, once: Once | None) -> None:
    """Before work is done that no transaction protects. ``Replayed`` and ``Conflict`` as above."""
    if once is not None and (earlier := await store.answered(once.app_id, once.key)) is not None:
        found = _replay(once, earlier)
        if isinstance(found, Replayed):
            once.on_replay()
        raise found


def _replay(once: Once, earlier: Answered) -> Replayed | Conflict:
    if earlier.fingerprint == once.fingerprint:
        return Replayed(earlier.resource)
    return Conflict(
        "this Idempotency-Key was used for another request; use a fresh one for each wish", code="idempotency_mismatch"
    )


def _name_of(result: object) -> str | None:
    """What a work made or changed; ``None`` for one that only tidied up, or refused."""
    if isinstance(result, tuple):  # an invitation, and why it was refused
        result = result[0] if result[1] is None else None
    if isinstance(result, list):
        return " ".join(each.id for each in result)
    return result.id if isinstance(result, DigitalKey | Invitation | Vehicle | Device) else None
