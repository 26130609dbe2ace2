"""For every operation of the API one request that is accepted, and what makes it unacceptable.

``GOOD`` has the requests: a new operation that takes a body needs a row there, and one more id in ``Scene.ids`` if its
path names a new kind of thing. ``bad`` bends a body by its schema, in one place at a time.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from authenticator import Authenticator
from consenting import authorization, options_of
from keygw.client.bound import BoundAuth
from keygw.crypto.signer import LocalSigner, thumbprint
from keygw.model.base64url import decode_base64url, encode_base64url
from keygw.model.entitlement import Entitlement
from keygw.model.revocation import ListAck
from keygw.session.events import Ticketed
from keygw.token.grant import Grant, sign_grant
from keygw.token.possession import InvitationAct, sign_possession, sign_registration
from keygw.token.revocation import list_hash, sign_ack
from keygw.token.statement import StatementAct, sign_statement
from keygw_sim.pairing_rehearsal import PairingVisit
from keygw_sim.vehicle.brain import Brain
from keygw_sim.vehicle.flash import Flash, Issuer
from keygw_sim.vehicle.runner import new_vehicle

Json = dict[str, Any]
DAY = 86_400


@dataclass
class Scene:
    """An owner's app with a vehicle, a key and all that it made, over real HTTP.

    ``ids``: what the paths of routes name; ``home``: those that an operation may put another in the place of. ``now``:
    Unix seconds. ``headers``: of the owner's app; ``operator``: of the operator.
    """

    client: httpx.AsyncClient
    headers: dict[str, str]
    operator: dict[str, str]
    vehicle_signer: LocalSigner
    ids: dict[str, str]
    now: int
    grant: BoundAuth | None = None
    """Of a person who was seen just now."""
    phone: LocalSigner = field(default_factory=LocalSigner.generate)
    home: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.home = {name: self.ids[name] for name in ("key_id", "device_id")}

    async def ask(self, path: str, body: Json | None = None, headers: dict[str, str] | None = None) -> Json:
        """What a POST answers; it is accepted."""
        made = await self.client.post(path, json=body, headers=self.headers if headers is None else headers)
        assert made.is_success, (path, made.text)
        return dict(made.json())

    def proven(self, method: str, path: str) -> dict[str, str]:
        """The headers of one request by ``grant``."""
        assert self.grant is not None
        token = self.grant.held.access_token
        return {"Authorization": f"DPoP {token}", "DPoP": self.grant.proof(method, self.grant.url + path, token)}

    @property
    def point(self) -> str:
        return encode_base64url(self.phone.public_key)


PROVEN = {"Authorization": "DPoP"}
"""In the place of headers: those of ``Scene.grant``, with a fresh proof for each request."""


class Good(NamedTuple):
    """``body``: what is accepted. ``status``: the answer. ``by``: the headers of the caller, by default the owner's."""

    body: Json | None
    status: int = 200
    by: dict[str, str] | None = None


Make = Callable[[Scene], Awaitable[Good]]
GOOD: dict[str, Make] = {}


def good(make: Make) -> Make:
    """Named as the operation."""
    GOOD[make.__name__] = make
    return make


# -- by hand, one for each operation that takes a body ---------------------------------------------------------------


@good
async def apps_register(scene: Scene) -> Good:
    return Good({"name": "An app", "scopes": ["key.read"], "lifetime_seconds": 60}, 201, scene.operator)


@good
async def issuer_keys_prepare(scene: Scene) -> Good:
    return Good({"place": "file"}, 201, scene.operator)


@good
async def issuer_keys_activate(scene: Scene) -> Good:
    made = await scene.ask("/v1/admin/issuer-keys", {}, scene.operator)
    scene.ids["kid"] = made["kid"]
    return Good({"overlap_seconds": DAY}, 200, scene.operator)


@good
async def sessions_create(scene: Scene) -> Good:
    return Good({"vehicle_id": scene.ids["vehicle_id"], "capabilities": ["command.unlock"]}, 201)


@good
async def cards_put(scene: Scene) -> Good:
    return Good(
        {"template": "navigation", "title": "Bay 4", "lines": ["left"], "buttons": [{"name": "a", "label": "A"}]}
    )


@good
async def cards_press(scene: Scene) -> Good:
    path = f"/v1/sessions/{scene.ids['session_id']}/cards/{scene.ids['card']}"
    body = {"template": "navigation", "title": "Bay 4", "buttons": [{"name": "a", "label": "A"}]}
    made = await scene.client.put(path, json=body, headers=scene.headers)
    assert made.is_success, made.text
    return Good({"session_id": scene.ids["session_id"], "card": scene.ids["card"], "button": "a"}, 204)


async def sent_event(scene: Scene) -> str:
    """A destination that waits in the car, of the scene's session."""
    place = {"name": "Bay 4", "latitude": 53.5, "longitude": 9.9}
    path = f"/v1/sessions/{scene.ids['session_id']}/events"
    return str((await scene.ask(path, {"type": "destination", "destination": place}, scene.headers))["id"])


@good
async def session_events_send(scene: Scene) -> Good:
    return Good({"type": "voice", "voice": {"intent": "navigation.home", "text": "home"}}, 201)


@good
async def session_events_answer(scene: Scene) -> Good:
    return Good({"event_id": await sent_event(scene), "accept": True}, 204)


@good
async def session_events_say(scene: Scene) -> Good:
    return Good({"session_id": scene.ids["session_id"], "intent": "navigation.home"}, 204)


@good
async def sessions_negotiate(scene: Scene) -> Good:
    return Good({"capabilities": ["command.unlock"]})


@good
async def commands_check(scene: Scene) -> Good:
    return Good({"action": "unlock"})


@good
async def status_batch(scene: Scene) -> Good:
    return Good({"paths": ["Vehicle.Speed", "Vehicle.Wings"], "units": "imperial"})


@good
async def devices_register(scene: Scene) -> Good:
    challenge = (await scene.ask("/v1/devices/challenges"))["challenge"]
    proof = sign_registration(decode_base64url(challenge), None, scene.phone)
    return Good({"public_key": scene.point, "challenge": challenge, "proof": encode_base64url(proof)}, 201)


@good
async def ownership_found(scene: Scene) -> Good:
    made = await scene.ask("/v1/devices", (await devices_register(scene)).body)
    lost = await scene.ask(f"/v1/devices/{made['id']}:lost")
    scene.ids["device_id"] = made["id"]
    proof = sign_statement(StatementAct.FOUND, made["id"], lost["loss"], scene.phone)
    return Good({"proof": encode_base64url(proof)})


@good
async def keys_issue(scene: Scene) -> Good:
    return Good({"vehicle_id": scene.ids["vehicle_id"], "role": "owner", "label": "Mine"}, 201)


@good
async def keys_share(scene: Scene) -> Good:
    return Good({"public_key": scene.point, "profile": "access", "lifetime_seconds": DAY, "label": "Friend"}, 201)


@good
async def keys_give_back(scene: Scene) -> Good:
    shared = await scene.ask(f"/v1/keys/{scene.ids['key_id']}:share", (await keys_share(scene)).body)
    scene.ids["key_id"] = shared["id"]
    proof = sign_statement(StatementAct.GIVE_BACK, shared["id"], 0, scene.phone)
    return Good({"public_key": scene.point, "proof": encode_base64url(proof)}, by={})


@good
async def invitations_create(scene: Scene) -> Good:
    body = {"entitlements": ["door.unlock"], "lifetime_seconds": DAY, "activation_code": True, "open_seconds": 60}
    return Good(body, 201)


async def _invited(scene: Scene, act: InvitationAct = InvitationAct.CLAIM) -> Json:
    """The body of who answers a new invitation."""
    wish = {"profile": "access", "lifetime_seconds": DAY, "activation_code": True}
    made = await scene.ask(f"/v1/keys/{scene.ids['key_id']}/invitations", wish)
    secret = made["link"].partition("#")[2]
    scene.ids["invitation_id"] = made["id"]
    proof = sign_possession(act, made["id"], decode_base64url(secret), scene.phone)
    body = {"secret": secret, "public_key": scene.point, "proof": encode_base64url(proof)}
    return body | ({"activation_code": made["activation_code"]} if act is InvitationAct.CLAIM else {})


@good
async def invitations_view(scene: Scene) -> Good:
    return Good({"secret": (await _invited(scene))["secret"]}, by={})


@good
async def invitations_claim(scene: Scene) -> Good:
    return Good(await _invited(scene), by={})


@good
async def invitations_decline(scene: Scene) -> Good:
    return Good(await _invited(scene, InvitationAct.DECLINE), by={})


@good
async def invitations_grant(scene: Scene) -> Good:
    """The owner's phone holds the key, a friend's phone has claimed, and the first one signs."""
    holder, vehicle = scene.phone, scene.ids["vehicle_id"]
    await scene.ask("/v1/devices", (await devices_register(scene)).body)
    batch = await scene.ask(
        f"/v1/vehicles/{vehicle}/keys:batch", {"keys": [{"public_key": scene.point}]}, scene.operator
    )
    scene.ids["key_id"] = batch["keys"][0]["id"]
    scene.phone = LocalSigner.generate()
    claim = await _invited(scene)
    await scene.ask(f"/v1/invitations/{scene.ids['invitation_id']}:claim", claim, {})
    said = Grant(
        vehicle_id=vehicle,
        parent_id=scene.ids["key_id"],
        device=thumbprint(scene.phone.public_key),
        entitlements=Entitlement.DOOR_UNLOCK,
        issued_at=scene.now,
        not_before=scene.now,
        expires_at=scene.now + DAY // 2,
    )
    return Good({"grant": encode_base64url(sign_grant(said, holder))})


@good
async def pairings_start(scene: Scene) -> Good:
    return Good({"code": "31415926", "name": "Red van"}, 202)


@good
async def pairings_redeem(scene: Scene) -> Good:
    """A phone has met a car that nobody owns, and brings the ticket home."""
    issuer = (await scene.client.get("/.well-known/keygw")).json()["issuer"]
    memory = new_vehicle("Red van", os.urandom)
    point = decode_base64url(issuer["public_key"])
    memory.issuers.append(Issuer(issuer["issuer"], decode_base64url(issuer["kid"]), point))
    codes: list[str] = []

    def log(what: str, data: dict[str, object]) -> None:
        codes.extend(str(data["code"]) for _ in range(what == "pairing_code"))

    with tempfile.TemporaryDirectory() as folder:
        brain = Brain(memory, Flash(Path(folder)), os.urandom, lambda: 0.0, log)
        brain.open_pairing()
        visit = PairingVisit(brain, codes[-1], scene.phone, os.urandom, lambda: 0.0).ask()
        said = visit.last(Ticketed).credential
    vehicle = {
        "id": said.vehicle_id,
        "name": "Red van",
        "public_key": encode_base64url(said.public_key),
        "advertising_key": encode_base64url(said.advertising_key),
    }
    exchange = {
        "ticket": encode_base64url(said.ticket),
        "proven": encode_base64url(visit.session.challenge),
        "enrol": encode_base64url(visit.session.enrol),
    }
    return Good({"vehicle": vehicle, "public_key": scene.point, **exchange}, 201)


@good
async def operators_add(scene: Scene) -> Good:
    return Good({"name": "Ada", "role": "support", "lifetime_seconds": DAY}, 201, scene.operator)


@good
async def operators_rotate(scene: Scene) -> Good:
    made = await scene.ask("/v1/operators", (await operators_add(scene)).body, scene.operator)
    scene.ids["operator_id"] = made["operator"]["id"]
    return Good({"lifetime_seconds": DAY}, 200, scene.operator)


@good
async def tenants_add(scene: Scene) -> Good:
    return Good({"name": "Blue Motors"}, 201, scene.operator)


@good
async def tenants_change(scene: Scene) -> Good:
    scene.ids["tenant_id"] = (await scene.ask("/v1/tenants", {"name": "Blue Motors"}, scene.operator))["id"]
    return Good({"keys_per_vehicle": 7}, 200, scene.operator)


@good
async def webhooks_create(scene: Scene) -> Good:
    return Good({"url": "https://example.com/hooks", "label": "Ours", "events": ["keygw.key.*"]}, 201)


async def _webhook(scene: Scene) -> None:
    made = await scene.ask("/v1/webhooks", (await webhooks_create(scene)).body)
    scene.ids["webhook_id"] = made["webhook"]["id"]


@good
async def webhooks_change(scene: Scene) -> Good:
    await _webhook(scene)
    body = {"url": "https://example.org/", "label": "", "events": [], "enabled": False, "skip_missed": True}
    return Good(body)


@good
async def webhooks_rotate(scene: Scene) -> Good:
    await _webhook(scene)
    return Good({"overlap_seconds": 60})


@good
async def people_add(scene: Scene) -> Good:
    return Good({"name": "Ada"}, 201, scene.operator)


@good
async def ownership_end_epoch(scene: Scene) -> Good:
    person = await scene.ask("/v1/people", {"name": "Ada"}, scene.operator)
    scene.ids["person_id"] = person["id"]
    return Good({"person_id": person["id"]}, 200, scene.operator)


@good
async def ownership_offer(scene: Scene) -> Good:
    return Good({"open_seconds": DAY}, 201)


@good
async def ownership_accept(scene: Scene) -> Good:
    if "transfer_id" in scene.ids:
        await scene.ask(f"/v1/transfers/{scene.ids['transfer_id']}:cancel")
    made = await scene.ask(f"/v1/vehicles/{scene.ids['vehicle_id']}:transfer")
    scene.ids["transfer_id"] = made["id"]
    taker = await scene.ask("/v1/apps", {"name": "Taker", "scopes": ["key.manage"]}, scene.operator)
    return Good({"secret": made["secret"]}, by={"Authorization": f"Bearer {taker['token']}"})


def _vehicle() -> Json:
    point = encode_base64url(LocalSigner.generate().public_key)
    return {"id": "veh_mfrggzdfmztwq2lk", "name": "Van", "public_key": point, "advertising_key": "A" * 22}


async def _consent(scene: Scene) -> tuple[Json, Json, dict[str, str], Authenticator]:
    """What a page was asked for, what it asks a passkey for, what its browser sends along, and the passkey."""
    key = Authenticator(scene.grant.url if scene.grant is not None else "")
    options = await scene.ask("/v1/passkeys:options", headers=scene.proven("POST", "/v1/passkeys:options"))
    await scene.ask("/v1/passkeys", key.make(options), scene.proven("POST", "/v1/passkeys"))
    wish = {"client_name": "App", "scope": "key.read", "redirect_uris": ["https://app.example/back"]}
    client = await scene.ask("/oauth2/register", wish, {})
    asked = authorization(client["client_id"], "https://app.example/back", scope="key.read")
    page = await scene.client.get(f"/oauth2/authorize?{asked}")
    scene.client.cookies.clear()
    return {"query": asked}, options_of(page.text), {"Cookie": page.headers["set-cookie"].partition(";")[0]}, key


@good
async def oauth_allow(scene: Scene) -> Good:
    query, options, by, key = await _consent(scene)
    return Good({**query, **key.sign(options)}, 200, by)


@good
async def oauth_deny(scene: Scene) -> Good:
    query, options, by, _ = await _consent(scene)
    return Good({**query, "challenge": options["challenge"]}, 200, by)


@good
async def passkeys_add(scene: Scene) -> Good:
    assert scene.grant is not None
    options = await scene.ask("/v1/passkeys:options", headers=scene.proven("POST", "/v1/passkeys:options"))
    return Good(Authenticator(scene.grant.url).make(options), 201, PROVEN)


@good
async def passkeys_verify(scene: Scene) -> Good:
    assert scene.grant is not None
    key = Authenticator(scene.grant.url)
    made = key.make(await scene.ask("/v1/passkeys:options", headers=scene.proven("POST", "/v1/passkeys:options")))
    await scene.ask("/v1/passkeys", made, scene.proven("POST", "/v1/passkeys"))
    asked = await scene.ask("/v1/passkeys:challenge", headers=scene.proven("POST", "/v1/passkeys:challenge"))
    return Good(key.sign(asked), 200, PROVEN)


@good
async def vehicles_register(scene: Scene) -> Good:
    return Good(_vehicle(), 201)


@good
async def vehicles_register_many(scene: Scene) -> Good:
    return Good({"vehicles": [_vehicle()]})


@good
async def vehicles_issue_batch(scene: Scene) -> Good:
    return Good({"keys": [{"public_key": scene.point, "label": "Van 7", "lifetime_seconds": DAY}]}, 201, scene.operator)


@good
async def vehicles_prove_time(scene: Scene) -> Good:
    return Good({"nonce": "AAECAwQFBgc"})


@good
async def vehicles_connect(scene: Scene) -> Good:
    return Good({"key_id": scene.ids["key_id"], "timeout_seconds": 1})


@good
async def vehicles_acknowledge(scene: Scene) -> Good:
    shared = await scene.ask(f"/v1/keys/{scene.ids['key_id']}:share", (await keys_share(scene)).body)
    await scene.ask(f"/v1/keys/{shared['id']}:suspend")
    vehicle = scene.ids["vehicle_id"]
    newest = (await scene.client.get(f"/v1/vehicles/{vehicle}/revocation-list", headers=scene.headers)).json()
    ack = ListAck(vehicle, newest["sequence"], list_hash(decode_base64url(newest["signed"])), 1)
    return Good({"ack": encode_base64url(sign_ack(ack, scene.vehicle_signer))})


@good
async def commands_create(scene: Scene) -> Good:
    return Good({"action": "unlock", "key_id": scene.ids["key_id"]}, 202)


async def furnish(scene: Scene) -> None:
    """One of each thing that a path may name."""
    key, vehicle = scene.ids["key_id"], scene.ids["vehicle_id"]
    wish = {"profile": "access", "lifetime_seconds": DAY}
    command = f"/v1/vehicles/{vehicle}/commands"
    once = {**scene.headers, "Idempotency-Key": "furnish", "Prefer": "wait=5"}
    operator = await scene.ask("/v1/operators", {"name": "Ada", "role": "support"}, scene.operator)
    scene.ids |= {
        "invitation_id": (await scene.ask(f"/v1/keys/{key}/invitations", wish))["id"],
        "command_id": (await scene.ask(command, {"action": "unlock"}, once))["id"],
        "pairing_id": (await scene.ask("/v1/pairings", {"code": "31415926", "name": "Red van"}))["id"],
        "transfer_id": (await scene.ask(f"/v1/vehicles/{vehicle}:transfer"))["id"],
        "operator_id": operator["operator"]["id"],
        "tenant_id": (await scene.ask("/v1/tenants", {"name": "Blue"}, scene.operator))["id"],
        "person_id": (await scene.ask("/v1/people", {"name": "Ada"}, scene.operator))["id"],
    }
    await _webhook(scene)
    pinged = await scene.ask(f"/v1/webhooks/{scene.ids['webhook_id']}:ping")
    scene.ids["delivery_id"] = pinged["id"]
