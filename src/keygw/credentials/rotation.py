"""Rotation of the issuer's key with an overlap: prepare, activate, retire.

Every step is one row in one transaction, and private keys are durable before their row, so after a crash the next start
finds one of two states and goes on: the step was done, or it was not and can be asked for again. The issuer's name is
that of its first key and stays, because tokens and vehicles carry it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from keygw.credentials.introduction import accept, announce, pending
from keygw.credentials.issuer_keys import (
    IssuerKeyEvent,
    IssuerKeyRecord,
    IssuerKeyring,
    IssuerKeyState,
    current_of,
    next_issuer_key_state,
)
from keygw.credentials.issuer_ports import Signers
from keygw.credentials.journal import Journal, vehicle_actor
from keygw.credentials.ports import CredentialReads, CredentialStore, CredentialTransaction
from keygw.credentials.resigning import resign_vehicle
from keygw.credentials.values import Limits
from keygw.crypto.signer import Signer
from keygw.model.audit import SYSTEM
from keygw.model.base64url import encode_base64url
from keygw.model.errors import BadInput, Conflict, NotFound
from keygw.token.issuer_key import verify_issuer_key_ack
from keygw.token.trust import kid_of

MAX_OVERLAP = 2 * 366 * 86_400
KEPT_BY_VEHICLES = 3
"""Issuer keys of one issuer, at least (key_session, *Limits*)."""
_PAGE = 100
_PASSES = 3


async def open_keyring(
    store: CredentialStore, signers: Signers, clock: Callable[[], float], status_lists: str = ""
) -> IssuerKeyring:
    """The keys of this gateway; at the very first start the first one, which names the issuer.

    A database from before rotation has no rows: its key is found where the first one is kept. ``status_lists``: the
    public URL of the status lists.
    ``StoreError`` issuer_key_lost if the private key is not the one that the database remembers.
    """
    records = await store.issuer_keys()
    if not records:
        reference, signer = await signers.make(None, 1)

        async def work(tx: CredentialTransaction) -> None:
            if not await tx.issuer_keys():
                await tx.add_issuer_key(_first(reference, signer, int(clock())))

        await store.write(work)
        records = await store.issuer_keys()
    return IssuerKeyring(records, await signers.open(current_of(records).signer), status_lists)


class Rotation:
    """``keyring`` is what everybody else signs and verifies with; it changes here alone."""

    def __init__(
        self,
        store: CredentialStore,
        signers: Signers,
        keyring: IssuerKeyring,
        clock: Callable[[], float],
        journal: Journal,
        limits: Limits | None = None,
    ) -> None:
        self.keyring = keyring
        self._store = store
        self._signers = signers
        self._clock = clock
        self._journal = journal
        self._limits = limits or Limits()

    async def keys(self) -> Sequence[IssuerKeyRecord]:
        """All there ever were, by ordinal."""
        return await self._store.issuer_keys()

    async def key(self, kid: bytes) -> IssuerKeyRecord:
        """``NotFound`` unknown_issuer_key."""
        return _find(await self._store.issuer_keys(), kid)

    async def prepare(self, place: str | None = None, *, actor: str) -> IssuerKeyRecord:
        """Make the next key and announce it. ``place``: where it is kept, by default where the gateway keeps its keys.

        ``Conflict`` issuer_key_prepared: there is one already; issuer_key_exists: the place holds one of ours.
        """
        records = await self._store.issuer_keys()
        _refuse_second(records)
        reference, signer = await self._signers.make(place, len(records) + 1)

        async def work(tx: CredentialTransaction) -> IssuerKeyRecord:
            known = await tx.issuer_keys()
            _refuse_second(known)
            if len(known) != len(records):
                raise Conflict("another key was made meanwhile: try again", code="issuer_key_exists", retryable=True)
            made = IssuerKeyRecord(
                ordinal=len(known) + 1,
                issuer=current_of(known).issuer,
                kid=kid_of(signer.public_key),
                public_key=signer.public_key,
                signer=reference,
                state=IssuerKeyState.NEXT,
                made_at=int(await self._now(tx)),
            )
            await tx.add_issuer_key(made)
            self._journal.record(tx, actor, "issuer_key.prepared", data={"kid": made.name})
            return made

        made = await self._store.write(work)
        await self.reload()
        return made

    async def activate(self, kid: bytes, overlap: int | None = None, *, actor: str) -> IssuerKeyRecord:
        """Sign with it from now on. What the one before has signed counts for ``overlap`` seconds more; by default
        until the last of its tokens ends, and for one list's lifetime at least.

        ``Conflict``: issuer_key_retiring, issuer_key_retired, too_many_issuer_keys; ``BadInput`` bad_overlap. Again: a
        success.
        """
        if overlap is not None and not 0 <= overlap <= MAX_OVERLAP:
            raise BadInput(f"an overlap is 0 to {MAX_OVERLAP} seconds", code="bad_overlap")
        records = await self._store.issuer_keys()
        found = _find(records, kid)
        if next_issuer_key_state(found.state, IssuerKeyEvent.ACTIVATE) is found.state:
            return found
        await self._signers.open(found.signer)  # a key that cannot sign must be seen before anybody depends on it
        longest = await self._store.longest_token(current_of(records).kid)

        async def work(tx: CredentialTransaction) -> IssuerKeyRecord:
            known = await tx.issuer_keys()
            now, fresh, old = int(await self._now(tx)), _find(known, kid), current_of(known)
            state = next_issuer_key_state(fresh.state, IssuerKeyEvent.ACTIVATE)
            if state is fresh.state:
                return fresh
            if overlap != 0:
                _check_room(known, now)
            end = max(longest, now + self._limits.list_lifetime) if overlap is None else now + overlap
            former = next_issuer_key_state(old.state, IssuerKeyEvent.SUCCEED)
            await tx.save_issuer_key(replace(old, state=former, retire_at=end))
            for other in known:  # a vehicle is told one end for all before the newest: none of them outlives it here
                if other.state is IssuerKeyState.RETIRING and (other.retire_at is None or other.retire_at > end):
                    await tx.save_issuer_key(replace(other, retire_at=end))
            if self.keyring.kid != old.kid:
                raise Conflict("another key was activated meanwhile: look at them again", code="issuer_key_exists")
            fresh = replace(fresh, state=state, activated_at=now)
            await tx.save_issuer_key(fresh)
            self._journal.record(tx, actor, "issuer_key.activated", data={"kid": fresh.name, "former": old.name})
            await announce(tx, fresh, self.keyring.current, now, end)
            return fresh

        activated = await self._store.write(work)
        await self.reload()
        return activated

    async def retire(self, kid: bytes, *, actor: str) -> IssuerKeyRecord:
        """End it now. What it has signed and is in force is signed anew first, by the current key; then it is refused.

        A vehicle is told one end for every key before the current one, so the others that are retiring end with it.
        With a million keys that takes minutes; cut short, it goes on at the next ``upkeep``. ``Conflict``
        issuer_key_current. Again: a success.
        """

        async def work(tx: CredentialTransaction) -> IssuerKeyRecord:
            found, now = _find(await tx.issuer_keys(), kid), int(await self._now(tx))
            state = next_issuer_key_state(found.state, IssuerKeyEvent.RETIRE)
            if state is found.state:
                return found
            if found.state is IssuerKeyState.NEXT:
                found = replace(found, state=state, retired_at=now)
            else:
                known, before = await tx.issuer_keys(), found.retire_at or now
                found = replace(found, retire_at=min(now, before))
                if now < before and current_of(known).kid == self.keyring.kid:
                    for other in known:
                        if other.state is IssuerKeyState.RETIRING and other.kid != kid:
                            await tx.save_issuer_key(replace(other, retire_at=min(now, other.retire_at or now)))
                    await announce(tx, current_of(known), self.keyring.current, now, now)
            await tx.save_issuer_key(found)
            self._journal.record(tx, actor, "issuer_key.retiring", data={"kid": found.name})
            return found

        found = await self._store.write(work)
        await self.reload()
        if found.state is IssuerKeyState.RETIRED:
            return found
        ended = await self._finish(found)
        await self.upkeep()
        return ended

    async def upkeep(self) -> list[IssuerKeyRecord]:
        """Retire every key whose overlap is over; those that were."""
        await self.reload()
        now = await self._now(self._store)
        over = [
            record
            for record in await self._store.issuer_keys()
            if record.state is IssuerKeyState.RETIRING and record.retire_at is not None and record.retire_at <= now
        ]
        return [await self._finish(record) for record in over]

    async def reload(self) -> None:
        """Take up what was committed, here or by another process. The first key after a change is signed as before it,
        which counts as well."""
        records = await self._store.issuer_keys()
        if tuple(records) == self.keyring.records:
            return
        current, signer = current_of(records), self.keyring.current.signer
        if current.public_key != signer.public_key:
            signer = await self._signers.open(current.signer)
        self.keyring.replace(records, signer)

    async def heard(self, _: str) -> None:
        """Another gateway has changed the keys."""
        await self.reload()

    # Vehicles (``vehicle.ports.IssuerKeyBooks``)

    async def issuer_statements(self, vehicle_id: str) -> Sequence[bytes]:
        """Signed statements of new issuer keys that the vehicle has not acknowledged, oldest first."""
        return await pending(self._store, vehicle_id)

    async def acknowledge_issuer_key(self, vehicle_id: str, ack: bytes) -> None:
        """Keep the vehicle's word which issuer key is its newest. Once it has ours, whatever a former key has signed
        for it is signed anew: it lets that decide less and less.

        ``TokenError``: a forged one, ack_foreign; ``Conflict`` issuer_key_unknown.
        """
        vehicle = await self._store.vehicle(vehicle_id)
        if vehicle is None:
            raise NotFound("there is no such vehicle", code="unknown_vehicle")
        said = verify_issuer_key_ack(ack, vehicle.vehicle.public_key)

        async def work(tx: CredentialTransaction) -> bool:
            before = await tx.issuer_key_ack(vehicle_id)
            newest = await accept(tx, vehicle_id, said, ack)
            if await tx.issuer_key_ack(vehicle_id) != before:
                kid = encode_base64url(said.kid)
                self._journal.record(
                    tx, vehicle_actor(vehicle_id), "issuer_key.acknowledged", vehicle_id=vehicle_id,
                    data={"kid": kid, "sequence": said.sequence},
                )  # fmt: skip
            return newest

        if not await self._store.write(work):
            return
        for record in self.keyring.records:
            if record.state is IssuerKeyState.RETIRING and said.kid == self.keyring.kid:
                while await self._store.write(partial(self._resign, record.kid, vehicle_id)):
                    pass

    # Inside

    async def _finish(self, record: IssuerKeyRecord) -> IssuerKeyRecord:
        async def work(tx: CredentialTransaction) -> IssuerKeyRecord | None:
            found, now = _find(await tx.issuer_keys(), record.kid), int(await self._now(tx))
            state = next_issuer_key_state(found.state, IssuerKeyEvent.RETIRE)
            if state is found.state:
                return found
            if await tx.vehicles_signed_by(record.kid, now, "", 1):
                return None
            found = replace(found, state=state, retired_at=now)
            await tx.save_issuer_key(found)
            self._journal.record(tx, SYSTEM, "issuer_key.retired", data={"kid": found.name})
            return found

        for _ in range(_PASSES):  # more than one only where another process went on signing meanwhile
            await self._resign_all(record.kid)
            if (retired := await self._store.write(work)) is not None:
                await self.reload()
                return retired
        raise Conflict(
            "something is still signed by this key: is another process signing with it? try again",
            code="issuer_key_in_use",
            retryable=True,
        )

    async def _resign_all(self, kid: bytes) -> None:
        after = ""
        while page := await self._store.vehicles_signed_by(kid, int(await self._now(self._store)), after, _PAGE):
            for vehicle_id in page:
                while await self._store.write(partial(self._resign, kid, vehicle_id)):
                    pass
            after = page[-1]

    async def _resign(self, kid: bytes, vehicle_id: str, tx: CredentialTransaction) -> bool:
        """A part of what the vehicle has; whether there is more."""
        vehicle = await tx.vehicle(vehicle_id)
        if vehicle is None:
            return False
        done = await resign_vehicle(
            tx,
            vehicle,
            kid,
            await self._now(tx),
            self.keyring.current,
            self._limits.of_tenant(vehicle.vehicle.tenant_id),
        )
        self._journal.keys(tx, SYSTEM, "key.renewed", done.renewed, reason="issuer_key")
        return done.more

    async def _now(self, reads: CredentialReads) -> float:
        return max(self._clock(), float(await reads.last_issued_at()))


def _first(reference: str, signer: Signer, now: int) -> IssuerKeyRecord:
    kid = kid_of(signer.public_key)
    return IssuerKeyRecord(
        ordinal=1,
        issuer=f"urn:keygw:{kid.hex()}",
        kid=kid,
        public_key=signer.public_key,
        signer=reference,
        state=IssuerKeyState.CURRENT,
        made_at=now,
        activated_at=now,
    )


def _check_room(known: Sequence[IssuerKeyRecord], now: int) -> None:
    """A vehicle keeps three: one more, and the first of them ends there, with tokens that still count."""
    counting = [
        record
        for record in known
        if record.state is IssuerKeyState.RETIRING and (record.retire_at is None or record.retire_at > now)
    ]
    if len(counting) >= KEPT_BY_VEHICLES - 1:
        raise Conflict(
            f"{len(counting)} former keys count still, and vehicles keep {KEPT_BY_VEHICLES} in all: wait for the end "
            "of one, retire one, or activate with an overlap of 0, which ends them all",
            code="too_many_issuer_keys",
        )


def _find(records: Sequence[IssuerKeyRecord], kid: bytes) -> IssuerKeyRecord:
    for record in records:
        if record.kid == kid:
            return record
    raise NotFound("the issuer never had a key of that kid", code="unknown_issuer_key")


def _refuse_second(records: Sequence[IssuerKeyRecord]) -> None:
    for record in records:
        if record.state is IssuerKeyState.NEXT:
            raise Conflict(f"{record.name} is prepared already: activate or retire it", code="issuer_key_prepared")
