"""Whatever anybody does in whatever order, the promises of the credential service hold.

Hypothesis plays owner, friends, car and clock against the real service on a real database; the invariants are looked
at after every step, with the car's own eyes where the car has eyes: the signed list.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from keygw.credentials.lifecycle import REVOKED_STATES
from keygw.credentials.service import CredentialService
from keygw.credentials.values import Issuer, Limits
from keygw.crypto.signer import LocalSigner, thumbprint
from keygw.model.command import Action, Outcome
from keygw.model.digital_key import DigitalKey, KeyState
from keygw.model.entitlement import PROFILES, Entitlement
from keygw.model.errors import BadInput, Conflict, Forbidden
from keygw.model.ids import new_id
from keygw.model.receipt import NO_SESSION
from keygw.model.revocation import ListAck, RevocationList
from keygw.model.vehicle import Vehicle
from keygw.store.store import open_store
from keygw.token.claims import KeyClaims
from keygw.token.cwt import decode_cwt
from keygw.token.grant import Grant, sign_grant
from keygw.token.receipt import FIRST, receipt_hash, sign_receipt
from keygw.token.revocation import list_hash, sign_ack, verify_list
from keygw.token.trust import IssuerKey, TrustedIssuers, kid_of

T = TypeVar("T")
HOUR = 3600
RIGHTS = st.sampled_from(
    [PROFILES["access"], PROFILES["driver"] | Entitlement.KEY_SHARE, Entitlement.KEY_SHARE, Entitlement(1 << 20)]
)


class Life(RuleBasedStateMachine):
    keys: Bundle[DigitalKey] = Bundle("keys")
    limits = Limits()

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.store = self.run(open_store(Path(self.folder.name)))
        self.now = 1_800_000_000.0
        self.random = random.Random(1).randbytes
        signer, self.car_key, self.phone = (LocalSigner.from_secret(secret) for secret in (5, 6, 7))
        self.issuer = Issuer("keygw-test", kid_of(signer.public_key), signer)
        self.trusted = TrustedIssuers([IssuerKey("keygw-test", self.issuer.kid, signer.public_key)])
        self.vehicle = Vehicle(new_id("veh", self.random), "Car", self.car_key.public_key, bytes(16))
        self.told: list[str] = []
        self.service = self.made()
        self.run(self.service.register_vehicle(self.vehicle))
        self.lists: list[RevocationList] = []
        self.signed: list[bytes] = []
        self.shown: dict[str, KeyState] = {}
        self.confirmed = 0
        self.receipts: list[bytes] = []
        self.removed: set[str] = set()
        """Keys that somebody in the car has removed: it refuses them whatever any list says."""
        self.tokens: dict[str, set[KeyClaims]] = {}
        """Every token that was ever given out: an old one is as good as a new one to who stole the device."""

    def made(self) -> CredentialService:
        return CredentialService(
            self.store.credentials,
            self.store.vault,
            self.issuer,
            lambda: self.now,
            self.random,
            lambda name, data, _id: self.told.append(name),
            self.limits,
        )

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @initialize(target=keys)
    def household(self) -> Any:
        """An owner, a friend who may share, and that friend's friend; from here on everything is chance."""
        owner = self.run(self.service.issue_owner_key(self.vehicle.id, self.phone.public_key))
        friend = self.grant(owner, PROFILES["access"] | Entitlement.KEY_SHARE, 26)
        return multiple(owner, friend, self.grant(friend, Entitlement.DOOR_LOCK, 2))

    def grant(self, parent: DigitalKey, rights: Entitlement, hours: int) -> DigitalKey:
        """The phone holds every key here, so it signs; its clock is as wrong as the service's once was."""
        at = self.run(self.store.credentials.last_issued_at()) or int(self.now)
        said = Grant(
            vehicle_id=self.vehicle.id,
            parent_id=parent.id,
            device=thumbprint(self.phone.public_key),
            entitlements=rights,
            issued_at=parent.not_before,
            not_before=parent.not_before,
            expires_at=max(at, int(self.now)) + hours * HOUR,
            depth=min(parent.depth + 1, 2),
            max_depth=2,
        )
        return self.run(
            self.service.share_granted(
                parent.id, device_public_key=self.phone.public_key, grant=sign_grant(said, self.phone)
            )
        )

    @rule(target=keys, parent=keys, rights=RIGHTS, hours=st.sampled_from([1, 2, 24, 72, 73]))
    def share(self, parent: DigitalKey, rights: Entitlement, hours: int) -> Any:
        try:
            return self.grant(parent, rights, hours)
        except (BadInput, Conflict, Forbidden):
            return multiple()

    @rule(key=keys, what=st.sampled_from(["suspend", "resume", "revoke"]))
    def change(self, key: DigitalKey, what: str) -> None:
        before = self.shown[key.id]
        try:
            after = self.run(getattr(self.service, what)(key.id)).state
        except Conflict as error:
            # Ending a key is never refused.
            if what == "revoke" or error.code not in {"key_revoked", "key_expired", "parent_suspended"}:
                raise
            return
        if what == "suspend":
            assert after is KeyState.SUSPENDED
        elif what == "resume":
            assert after is KeyState.ACTIVE
        else:
            assert after in REVOKED_STATES | {KeyState.EXPIRED}
        assert before not in REVOKED_STATES or after in REVOKED_STATES

    @rule(seconds=st.sampled_from([1, HOUR, 25 * HOUR, -1, -2 * HOUR]))
    def clock(self, seconds: int) -> None:
        self.now += seconds

    @rule(key=keys, what=st.sampled_from([None, "suspend", "resume"]), hours=st.sampled_from([3, 27]))
    def clock_glitch(self, key: DigitalKey, what: str | None, hours: int) -> None:
        """The clock is wrong for a while, somebody works meanwhile, and then it is set right again."""
        self.now += hours * HOUR
        self.promises()
        if what is not None:
            self.change(key, what)
            self.promises()
        self.now -= hours * HOUR

    @rule(key=keys, again=st.booleans())
    def remove_in_the_car(self, key: DigitalKey, again: bool) -> None:
        """Its receipt comes home, perhaps twice."""
        before = self.shown[key.id]
        signed = sign_receipt(
            vehicle_id=self.vehicle.id, sequence=len(self.receipts) + 1, number=0, key_id=key.id,
            action=Action.REMOVE_KEY, outcome=Outcome.DONE, before=None, after=None, boot_epoch=1, session=NO_SESSION,
            previous=receipt_hash(self.receipts[-1]) if self.receipts else FIRST, at=0, signer=self.car_key,
        )  # fmt: skip
        self.receipts.append(signed)
        self.removed.add(key.id)
        for _ in range(1 + again):
            self.run(self.service.record_receipt(self.vehicle.id, signed))
        after = self.run(self.service.key(key.id)).state
        assert after is (KeyState.EXPIRED if before is KeyState.EXPIRED else KeyState.REVOKED) or (
            after is KeyState.EXPIRED and before not in REVOKED_STATES
        )

    @rule()
    def restart(self) -> None:
        self.run(self.store.close())
        self.store = self.run(open_store(Path(self.folder.name)))
        self.service = self.made()

    @rule(back=st.integers(0, 2))
    def acknowledge(self, back: int) -> None:
        """The car confirms the newest list, or one it got a little earlier."""
        at = len(self.signed) - back
        if at < 1:
            return
        ack = sign_ack(ListAck(self.vehicle.id, at, list_hash(self.signed[at - 1]), 1), self.car_key)
        try:
            ended = self.run(self.service.acknowledge_list(self.vehicle.id, ack))
        except Conflict as error:
            if error.code != "ack_older" or at >= self.confirmed:
                raise
            return
        assert all(key.state is KeyState.REVOKED for key in ended)
        self.confirmed = max(self.confirmed, at)

    @invariant()
    def promises(self) -> None:
        keys = {key.id: key for key in self.run(self.service.keys())}
        self.fresh_list()
        assert len({key.index for key in keys.values()}) == len(keys), "an index was used twice"
        assert sorted(key.index for key in keys.values()) == list(range(len(keys)))
        for key in keys.values():
            self.bounded(key, keys)
            self.ended_for_good(key)
        self.shown = {key.id: key.state for key in keys.values()}
        if self.confirmed:
            known = self.lists[self.confirmed - 1]
            waiting = {key.index for key in keys.values() if key.state is KeyState.REVOKING}
            assert not waiting & set(known.revoked), "the car knows, and we still wait for it"
            told = {index for found in self.lists[: self.confirmed] for index in found.revoked}
            for key in keys.values():
                if key.state is KeyState.REVOKED:
                    covered = all(each.issued_at < known.issued_before for each in self.tokens[key.id])
                    knows = key.index in told or covered or key.id in self.removed
                    assert knows, "said to be revoked, and the car never heard"

    def fresh_list(self) -> None:
        current = self.run(self.service.current_list(self.vehicle.id))
        assert current.acknowledged_sequence == self.confirmed
        assert current.sequence in (len(self.signed), len(self.signed) + 1), "one change, one list"
        if current.sequence == len(self.signed):
            return
        found = verify_list(current.signed, self.trusted, self.vehicle.id)
        assert found.sequence == current.sequence
        assert not self.lists or found.issued_at >= self.lists[-1].issued_at, "iat went back"
        for record in self.run(self.store.credentials.keys()):
            key = self.run(self.service.key(record.key.id))
            newest = decode_cwt(self.run(self.service.key_token(key.id)).cwt, self.trusted)
            self.tokens.setdefault(key.id, set()).add(newest)
            named = key.index in found.revoked or key.index in found.suspended
            barred = [named or claims.issued_at < found.issued_before for claims in self.tokens[key.id]]
            if key.expires_at > found.issued_at and key.state is not KeyState.EXPIRED:
                if key.state is KeyState.ACTIVE:
                    assert not named, "the car would not agree with us"
                    assert newest.issued_at >= found.issued_before, "a good key was left behind by the watermark"
                else:
                    assert all(barred), "the car would not agree with us"
                if named:
                    assert (key.index in found.revoked) is (key.state in REVOKED_STATES)
                    assert newest.issued_at >= found.issued_before, "an entry that the watermark covers takes room"
            assert not named or key.expires_at > found.issued_at, "a dead entry takes room"
        assert len(found.revoked) + len(found.suspended) <= self.limits.list_entries
        assert not self.lists or found.issued_before >= self.lists[-1].issued_before, "the watermark went back"
        self.lists.append(found)
        self.signed.append(current.signed)

    def bounded(self, key: DigitalKey, keys: dict[str, DigitalKey]) -> None:
        claims = decode_cwt(self.run(self.service.key_token(key.id)).cwt, self.trusted)
        self.tokens.setdefault(key.id, set()).add(claims)
        assert claims.issued_at == key.issued_at
        assert (claims.index, int(claims.entitlements)) == (key.index, int(key.entitlements))
        assert claims.expires_at <= key.expires_at, "the token outlives its key"
        if key.parent_id is None:
            assert claims.expires_at == key.expires_at
            return
        assert claims.expires_at <= claims.issued_at + 72 * HOUR, "a friend's token lives too long"
        parent = keys[key.parent_id]
        above = decode_cwt(self.run(self.service.key_token(parent.id)).cwt, self.trusted)
        assert claims.expires_at <= above.expires_at, "the token outlives its parent's"
        assert int(key.entitlements) & ~int(parent.entitlements) == 0, "wider than its parent"
        assert key.expires_at <= parent.expires_at, "outlives its parent"
        assert key.depth == parent.depth + 1 <= 2
        if parent.state is not KeyState.ACTIVE:
            assert key.state is not KeyState.ACTIVE, "usable although its parent is not"
        if parent.state in REVOKED_STATES:
            assert key.state in REVOKED_STATES | {KeyState.EXPIRED}

    def ended_for_good(self, key: DigitalKey) -> None:
        before = self.shown.get(key.id)
        if before is KeyState.REVOKED:
            assert key.state is KeyState.REVOKED
        elif before is KeyState.REVOKING:
            assert key.state in REVOKED_STATES
        elif before is KeyState.EXPIRED:
            assert key.state is KeyState.EXPIRED, "a key that was seen expired came back"

    def teardown(self) -> None:
        self.run(self.store.close())
        self.runner.close()
        self.folder.cleanup()


class CrowdedLife(Life):
    """The same with lists that overflow all the time."""

    limits = Limits(list_entries=2)


@pytest.mark.parametrize("life", [Life, CrowdedLife])
def test_the_promises_hold_in_every_order(life: type[Life]) -> None:
    run_state_machine_as_test(
        life,
        settings=settings(
            max_examples=40, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
