"""Two gateways on one database, at the same keys at the same moment: what comes out is what some order would give.

Hypothesis draws a few requests, they run at once through both services, and the answers and states must be those of the
reference for one of the orders in which they can have happened.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import tempfile
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from keygw.credentials.service import CredentialService
from keygw.credentials.values import Issuer
from keygw.crypto.signer import LocalSigner, thumbprint
from keygw.model.entitlement import PROFILES, Entitlement
from keygw.model.errors import KeygwError
from keygw.model.ids import new_id
from keygw.model.vehicle import Vehicle
from keygw.store.store import open_store
from keygw.token.grant import Grant, sign_grant
from keygw.token.revocation import verify_list
from keygw.token.trust import IssuerKey, TrustedIssuers, kid_of

T = TypeVar("T")
NOW = 1_800_000_000
RIGHTS = PROFILES["driver"] | Entitlement.KEY_SHARE
VERBS = st.sampled_from(["share", "suspend", "resume", "revoke", "renew"])
AT_ONCE = st.lists(st.tuples(VERBS, st.integers(0, 7), st.integers(0, 1)), min_size=2, max_size=4)


MAX_DEPTH = 2


@dataclass(frozen=True)
class Key:
    parent: str | None
    depth: int
    own: str = "active"
    """active, suspended or revoking."""


@dataclass(frozen=True)
class Request:
    """``verb``: share, suspend, resume, revoke or renew; ``key``: of which key; ``new``: how a shared key is called."""

    verb: str
    key: str
    new: str = ""


@dataclass(frozen=True)
class Reference:
    """What the credential service promises, said once more and without a database: one request after the other."""

    keys: dict[str, Key] = field(default_factory=dict)

    def after(self, request: Request) -> tuple[Reference, str]:
        """The world after it, and ``ok`` or the code of the refusal."""
        answer: tuple[Reference, str] = getattr(self, f"_{request.verb}")(request)
        return answer

    def shown(self, name: str) -> str:
        states = {self.keys[each].own for each in self._line(name)}
        return next((state for state in ("revoking", "suspended") if state in states), "active")

    def _share(self, request: Request) -> tuple[Reference, str]:
        refused = self._refusal(self.shown(request.key))
        parent = self.keys[request.key]
        if refused:
            return self, refused
        if parent.depth == MAX_DEPTH:
            return self, "share_depth"
        return self._with({request.new: Key(request.key, parent.depth + 1)}), "ok"

    def _suspend(self, request: Request) -> tuple[Reference, str]:
        key = self.keys[request.key]
        if key.own == "revoking":
            return self, "key_revoked"
        return self._with({request.key: replace(key, own="suspended")}), "ok"

    def _resume(self, request: Request) -> tuple[Reference, str]:
        key = self.keys[request.key]
        if key.own == "revoking":
            return self, "key_revoked"
        if any(self.keys[above].own == "suspended" for above in self._line(request.key)[1:]):
            return self, "parent_suspended"
        return self._with({request.key: replace(key, own="active")}), "ok"

    def _revoke(self, request: Request) -> tuple[Reference, str]:
        ended = {
            name: replace(key, own="revoking") for name, key in self.keys.items() if request.key in self._line(name)
        }
        return self._with(ended), "ok"

    def _renew(self, request: Request) -> tuple[Reference, str]:
        return self, self._refusal(self.shown(request.key)) or "ok"

    def _refusal(self, shown: str) -> str:
        return {"revoking": "key_revoked", "suspended": "key_suspended"}.get(shown, "")

    def _line(self, name: str) -> list[str]:
        """The key and its ancestors, nearest first."""
        line = [name]
        while (parent := self.keys[line[-1]].parent) is not None:
            line.append(parent)
        return line

    def _with(self, changed: dict[str, Key]) -> Reference:
        return Reference({**self.keys, **changed})


class Race(RuleBasedStateMachine):
    """``new_database`` gives the address of an empty PostgreSQL database; without it, SQLite."""

    new_database: ClassVar[Callable[[], str] | None] = None

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.random = random.Random(3).randbytes
        self.issuer_key, self.phone = LocalSigner.from_secret(5), LocalSigner.from_secret(7)
        self.issuer = Issuer("keygw-test", kid_of(self.issuer_key.public_key), self.issuer_key)
        self.reference = Reference()
        self.ids: dict[str, str] = {}
        self.names = itertools.count()

    @initialize()
    def two_gateways_and_an_owner(self) -> None:
        new_database = type(self).new_database
        url = None if new_database is None else new_database()
        self.stores = [self.run(open_store(Path(self.folder.name), database_url=url)) for _ in range(2)]
        self.gateways = [
            CredentialService(store.credentials, store.vault, self.issuer, lambda: float(NOW), self.random)
            for store in self.stores
        ]
        car = LocalSigner.from_secret(6)
        self.vehicle = Vehicle(new_id("veh", self.random), "Car", car.public_key, bytes(16))
        self.run(self.gateways[0].register_vehicle(self.vehicle))
        owner = self.run(self.gateways[1].issue_owner_key(self.vehicle.id, self.phone.public_key))
        self.ids["owner"] = owner.id
        self.reference = Reference({"owner": Key(None, 0)})

    @rule(drawn=AT_ONCE)
    def at_once(self, drawn: list[tuple[str, int, int]]) -> None:
        names = sorted(self.ids)
        asked = [
            (Request(verb, names[which % len(names)], f"k{next(self.names)}"), gateway)
            for verb, which, gateway in drawn
        ]
        answers = self.run(self._all(asked))
        requests = [request for request, _ in asked]
        possible = []
        for order in itertools.permutations(range(len(requests))):
            world, said = self.reference, dict.fromkeys(range(len(requests)), "")
            for number in order:
                world, said[number] = world.after(requests[number])
            if list(said.values()) == answers:
                possible.append(world)
        assert possible, f"{requests} answered {answers}: no order gives that"
        shown = self._shown()
        fitting = [world for world in possible if {name: world.shown(name) for name in world.keys} == shown]
        assert fitting, f"{requests} answered {answers} and left {shown}"
        self.reference = fitting[0]

    @invariant()
    def the_newest_list_bars_what_is_not_active(self) -> None:
        if not self.ids:
            return
        current = self.run(self.gateways[0].current_list(self.vehicle.id))
        if not current.sequence:
            return
        trusted = TrustedIssuers([IssuerKey("keygw-test", self.issuer.kid, self.issuer_key.public_key)])
        signed = verify_list(current.signed, trusted, self.vehicle.id)
        keys = {key.id: key for key in self.run(self.gateways[1].keys(self.vehicle.id))}
        barred = {
            name for name, key_id in self.ids.items() if keys[key_id].index in (*signed.revoked, *signed.suspended)
        }
        assert barred == {name for name in self.ids if self.reference.shown(name) != "active"}

    def teardown(self) -> None:
        for store in getattr(self, "stores", []):
            self.run(store.close())
        self.runner.close()
        self.folder.cleanup()

    async def _all(self, asked: list[tuple[Request, int]]) -> list[str]:
        return await asyncio.gather(*(self._one(request, self.gateways[gateway]) for request, gateway in asked))

    async def _one(self, request: Request, gateway: CredentialService) -> str:
        key_id = self.ids[request.key]
        try:
            if request.verb == "share":
                shared = await gateway.share_granted(
                    key_id, device_public_key=self.phone.public_key, grant=self._grant(request)
                )
                self.ids[request.new] = shared.id
            else:
                await getattr(gateway, request.verb)(key_id)
        except KeygwError as error:
            return error.code
        return "ok"

    def _grant(self, request: Request) -> bytes:
        """Each its own: the same one again would answer the key that there is."""
        parent = self.reference.keys[request.key]
        grant = Grant(
            vehicle_id=self.vehicle.id,
            parent_id=self.ids[request.key],
            device=thumbprint(self.phone.public_key),
            entitlements=RIGHTS,
            issued_at=NOW - next(self.names) - 1,
            not_before=NOW,
            expires_at=NOW + 86_400,
            depth=min(parent.depth + 1, 2),
            max_depth=2,
        )
        return sign_grant(grant, self.phone)

    def _shown(self) -> dict[str, str]:
        keys = {key.id: key for key in self.run(self.gateways[0].keys(self.vehicle.id))}
        assert len(keys) == len(self.ids)
        return {name: keys[key_id].state.value for name, key_id in self.ids.items()}

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_whatever_happens_at_once_has_an_order(database: str, request: pytest.FixtureRequest) -> None:
    class Here(Race):
        new_database = request.getfixturevalue("new_database") if database == "postgres" else None

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=12, stateful_step_count=10, suppress_health_check=list(HealthCheck), deadline=None
        ),
    )
