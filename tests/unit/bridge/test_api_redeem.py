"""A phone pairs with a real car by itself, and gets its owner key for the ticket, over real HTTP."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

sys.path.append(str(Path(__file__).resolve().parents[3] / "tools"))

from attestation_cast import CHAIN, DEVICE, PARTY, ROOT_CERTIFICATE, Making, pem
from tests.unit.credentials.test_credentials_devices import strict

from keygw.credentials.attestation import Attestations, PackedVerifier
from keygw.crypto.certificates import Roots
from keygw.crypto.signer import thumbprint
from keygw.model.base64url import decode_base64url, encode_base64url
from keygw.model.command import Outcome
from keygw.session.events import Event, OwnerTokenAnswered, SignatureNeeded, Ticketed
from keygw.wire.pairing import Attestation
from keygw_sim.chance import chance
from keygw_sim.pairing_rehearsal import PairingVisit
from keygw_sim.vehicle.brain import Brain
from keygw_sim.vehicle.flash import Flash, Issuer
from keygw_sim.vehicle.runner import new_vehicle

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

Auth = Callable[[str], dict[str, str]]
SCOPES = ("key.manage", "key.read", "vehicle.manage", "vehicle.read")


class Meeting(PairingVisit):
    """A phone with an authenticator; ``attests``: whether ENROL carries what that says."""

    attests = True
    evidence = b""

    def _act(self, event: Event) -> None:
        if not isinstance(event, SignatureNeeded) or not self.attests:
            super()._act(event)
            return
        self.evidence = Making(device=DEVICE, challenge=self.session.challenge, chain=CHAIN).evidence
        self.session.sign(DEVICE.sign(self.session.attest(Attestation("packed", self.evidence))))

    def wish(self, **changes: Any) -> dict[str, Any]:
        """What the phone sends once it has the ticket."""
        said = self.last(Ticketed).credential
        attestation = {"format": "packed", "evidence": encode_base64url(self.evidence)} if self.evidence else None
        return {
            "vehicle": {
                "id": said.vehicle_id,
                "name": "Blue van",
                "public_key": encode_base64url(said.public_key),
                "advertising_key": encode_base64url(said.advertising_key),
            },
            "public_key": encode_base64url(DEVICE.public_key),
            "ticket": encode_base64url(said.ticket),
            "proven": encode_base64url(self.session.challenge),
            "enrol": encode_base64url(self.session.enrol),
            "attestation": attestation,
            **changes,
        }


@pytest.fixture
def meet(world: World, tmp_path: Path) -> Callable[..., Meeting]:
    """Meet a car without an owner, up to its ticket. The gateway asks owners for an attestation under our root."""
    world.credentials.devices.attestations = Attestations(PackedVerifier(PARTY, Roots.from_pem(pem(ROOT_CERTIFICATE))))
    world.credentials._limits = strict()
    memory = new_vehicle("Car", chance("redeem", "car"))
    memory.issuers.append(Issuer(world.issuer.issuer, world.issuer.kid, world.issuer.public_key))
    codes: list[str] = []

    def log(what: str, data: dict[str, object]) -> None:
        codes.extend(str(data["code"]) for _ in range(what == "pairing_code"))

    brain = Brain(memory, Flash(tmp_path / "flash"), os.urandom, lambda: 0.0, log)

    def meet(*, attests: bool = True) -> Meeting:
        brain.open_pairing()
        made = Meeting(brain, codes[-1], DEVICE, os.urandom, lambda: 0.0)
        made.attests = attests
        return made.ask()  # type: ignore[return-value]  # it answers itself

    return meet


def refused(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


async def test_an_attested_phone_becomes_an_owner(
    client: httpx.AsyncClient, world: World, auth: Auth, meet: Callable[..., Meeting]
) -> None:
    app, token = await world.app(*SCOPES)
    visit, headers = meet(), {**auth(token), "Idempotency-Key": "pair"}
    made = await client.post("/v1/pairings:redeem", json=visit.wish(), headers=headers)
    assert made.status_code == 201, made.text
    again = await client.post("/v1/pairings:redeem", json=visit.wish(), headers=headers)
    assert (again.status_code, again.json()["key"]["id"]) == (201, made.json()["key"]["id"]), "the answer was lost"
    assert refused(await client.post("/v1/pairings:redeem", json=visit.wish(), headers=auth(token))) == (
        409, "ticket_replayed",
    )  # fmt: skip
    visit.session.bring(decode_base64url(made.json()["token"]["cwt"]))
    visit.carry()
    assert visit.last(OwnerTokenAnswered).outcome is Outcome.DONE
    assert visit.brain.memory.owners == [thumbprint(DEVICE.public_key)]
    device = (await client.get(f"/v1/devices/{made.json()['key']['device_id']}", headers=auth(token))).json()
    assert (device["app_id"], device["attestation"], device["kind"]) == (app.id, "basic", "phone")
    await world.heard("keygw.key.pairing", state="enrolled", key_id=made.json()["key"]["id"])


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({"attestation": None}, (403, "attestation_required")),
        ({"attestation": {"format": "android-key", "evidence": "AAAA"}}, (422, "attestation_format")),
        ({"attestation": {"format": "packed", "evidence": "AAAA"}}, (422, "attestation_malformed")),
        ({"proven": encode_base64url(bytes(32))}, (403, "attestation_challenge")),
        ({"enrol": encode_base64url(bytes(151))}, (422, "ticket_foreign")),
        ({"ticket": encode_base64url(bytes(151))}, (422, "token_malformed")),
        ({"public_key": encode_base64url(b"\x02" + b"\xff" * 32)}, (422, "bad_public_key")),
    ],
)
async def test_what_does_not_hold_makes_no_owner_and_no_vehicle(
    client: httpx.AsyncClient,
    world: World,
    auth: Auth,
    meet: Callable[..., Meeting],
    changes: dict[str, Any],
    answer: tuple[int, str],
) -> None:
    _, token = await world.app(*SCOPES)
    visit = meet()
    assert refused(await client.post("/v1/pairings:redeem", json=visit.wish(**changes), headers=auth(token))) == answer
    name = visit.wish()["vehicle"]["id"]
    assert (await client.get(f"/v1/vehicles/{name}", headers=auth(token))).status_code == 404
    assert (await client.post("/v1/pairings:redeem", json=visit.wish(), headers=auth(token))).status_code == 201


async def test_without_such_a_profile_no_attestation_is_needed_and_scopes_are(
    client: httpx.AsyncClient, world: World, auth: Auth, meet: Callable[..., Meeting]
) -> None:
    world.credentials._limits = world.services.limits
    visit = meet(attests=False)
    for scopes in (("key.read", "vehicle.manage"), ("key.manage",)):
        _, token = await world.app(*scopes)
        assert refused(await client.post("/v1/pairings:redeem", json=visit.wish(), headers=auth(token))) == (
            403, "insufficient_scope",
        )  # fmt: skip
    _, token = await world.app("key.manage", "vehicle.manage")
    assert (await client.post("/v1/pairings:redeem", json=visit.wish(), headers=auth(token))).status_code == 201


async def test_the_vehicle_belongs_to_the_tenant_of_the_app(
    client: httpx.AsyncClient, world: World, auth: Auth, operator: dict[str, str], meet: Callable[..., Meeting]
) -> None:
    blue = (await client.post("/v1/tenants", json={"name": "Blue"}, headers=operator)).json()["id"]
    wish = {"name": "Blue app", "scopes": list(SCOPES), "tenant_id": blue}
    token = (await client.post("/v1/apps", json=wish, headers=operator)).json()["token"]
    visit = meet()
    made = await client.post("/v1/pairings:redeem", json=visit.wish(), headers=auth(token))
    assert made.status_code == 201, made.text
    assert (await world.credentials.vehicle(made.json()["key"]["vehicle_id"])).tenant_id == blue
