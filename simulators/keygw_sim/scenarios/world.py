"""A small world in processes: radio, gateway, car, phone. The demo tells a story in it, the scenario tests too."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from pathlib import Path
from typing import Any, Self

from keygw.client.bound import BoundAuth, Held
from keygw.crypto.signer import LocalSigner
from keygw.model.base64url import decode_base64url
from keygw.session.identity import recognises
from keygw_sim.processes import Child
from keygw_sim.scenarios.app import App

APP_SCOPES = (
    "vehicle.read", "vehicle.manage", "status.security.read", "status.energy.read", "command.lock", "command.unlock",
    "command.trunk", "key.read", "key.manage", "key.share", "webhook.manage",
)  # fmt: skip
CLIENT_SCOPES = (
    "vehicle.read", "status.security.read", "status.energy.read", "command.lock", "command.unlock", "key.read",
    "key.manage", "key.share", "session.connect",
)  # fmt: skip
CAR, GATEWAY, PHONE, FREE = range(4)
"""Which controller of the radio is whose."""


class World:
    """``async with World(folder) as world``; then bring up what the story needs. Leaving it ends every process."""

    def __init__(
        self, folder: Path, *, name: str = "Aurora", seed: str | None = None, database: str | None = None
    ) -> None:
        """``database``: the address of a PostgreSQL database for the gateway, in place of a file."""
        self.folder = folder
        self._database = database
        self.name = name
        self.options: dict[str, tuple[str, ...]] = {"gateway": (), "car": ()}
        """More words for their command lines."""
        self.vehicle: dict[str, str] = {}
        self.vehicle_id = ""
        self.owner_key = ""
        self.client_id = ""
        self.token = ""
        self.transports: list[str] = []
        self.radio = Child("keygw_sim.radio", "--controllers", "4", "--follow-stdin")
        self.gateway: Child
        self.car: Child
        self.phone: Child
        self.operator: App
        self.app: App
        self._seed = () if seed is None else ("--seed", seed)
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def url(self) -> str:
        return str(self.gateway.ready["url"])

    async def start_radio(self) -> None:
        await self._stack.enter_async_context(self.radio)
        self.transports = self.radio.ready["transports"]

    async def start_gateway(self) -> None:
        """A gateway of its own, with an operator who may read the token file."""
        self.gateway = await self.one_more_gateway(GATEWAY)
        token = await asyncio.to_thread(Path(self.gateway.ready["operator_token_file"]).read_text)
        self.operator = App(self.url, token.strip())
        self._stack.push_async_callback(self.operator.close)

    async def one_more_gateway(self, controller: int) -> Child:
        """Another process on the same database and the same key files, at that controller of the radio."""
        data, database = str(self.folder / "gateway"), () if self._database is None else ("--database", self._database)
        gateway = Child(
            "keygw", "serve", "--data", data, *database, "--port", "0", "--radio", self.transports[controller],
            "--json", "--follow-stdin", *self.options["gateway"],
        )  # fmt: skip
        await self._stack.enter_async_context(gateway)
        return gateway

    async def restart_gateway(self) -> None:
        """SIGKILL, and the same again on the same data; the apps follow to its new address."""
        await self.gateway.kill()
        await self.gateway.end()
        await self.gateway.start()
        self.operator.move(self.url)
        self.app.move(self.url)

    async def start_car(self) -> None:
        self.car = Child(
            "keygw_sim.vehicle", "--transport", self.transports[CAR], "--state", str(self.folder / "car"),
            "--name", self.name, *self._seed, "--follow-stdin", *self.options["car"],
        )  # fmt: skip
        await self._stack.enter_async_context(self.car)
        self.vehicle = self.car.ready["vehicle"]
        self.vehicle_id = self.vehicle["id"]

    async def start_phone(self) -> None:
        """A friend's. Where the car has ranging anchors, it matters where the phone is."""
        port = self.car.ready.get("ranging")
        ranging = () if port is None else ("--ranging", str(port))
        self.phone = Child(
            "keygw_sim.phone", "--transport", self.transports[PHONE], "--state", str(self.folder / "phone"),
            *self._seed, "--follow-stdin", *ranging,
        )  # fmt: skip
        await self._stack.enter_async_context(self.phone)

    async def register_app(self) -> dict[str, Any]:
        """An app with its own bearer token. Returns the answer of ``POST /v1/apps``."""
        made = await self.operator.post("/v1/apps", {"name": "Demo app", "scopes": list(APP_SCOPES), "machine": True})
        self.token = made["token"]
        self.app = App(self.url, self.token)
        self._stack.push_async_callback(self.app.close)
        return made

    async def register_client(self) -> BoundAuth:
        """An app registers itself: the first of four calls. Its key lives in this process."""
        await self.provision()
        auth = BoundAuth(self.url, LocalSigner.generate())
        self.client_id = await auth.register("Demo app", CLIENT_SCOPES)
        return auth

    async def enter(self, auth: BoundAuth) -> Held:
        """Somebody in the car opens pairing mode, and the app is let in by the code: the second call."""
        await auth.enter(self.client_id, await self.shown_code(), vehicle_name=self.name)
        self.app = App(self.url, auth)
        self._stack.push_async_callback(self.app.close)
        return auth.held

    async def pair_owner(self) -> dict[str, Any]:
        """Somebody in the car opens pairing mode, the app gets the code; the pairing's resource when it is settled."""
        await self.provision()
        pairing = await self.pair(self.app, await self.shown_code())
        self.owner_key = pairing["key_id"] or ""
        return pairing

    async def provision(self) -> None:
        """The factory's part, long before: the file that names the issuer goes into the car. It names no owner."""
        issuer = (await self.operator.get("/.well-known/keygw"))["issuer"]
        file = {"v": 1, "vehicle_id": self.vehicle_id, "issuer": issuer}
        (self.folder / "car" / "provisioning.json").write_text(json.dumps(file))

    async def shown_code(self) -> str:
        """Somebody in the car opens pairing mode and reads the code out. ``LookupError`` if the car shows none."""
        said = await self.car.ask(do="pair")
        if said["outcome"] != "open":
            raise LookupError(f"the car shows no code: {said['outcome']}")
        return str(next(event["code"] for event in reversed(self.car.events) if event.get("event") == "pairing_code"))

    async def pair(self, app: App, code: str) -> dict[str, Any]:
        """That app types the code; the pairing's resource when it is settled."""
        pairing = await app.post("/v1/pairings", {"code": code, "name": self.name})
        while pairing["state"] not in ("done", "failed"):
            await asyncio.sleep(0.02)
            pairing = await app.get(f"/v1/pairings/{pairing['id']}")
        return pairing

    async def share_with_phone(self, profile: str = "access") -> dict[str, Any]:
        """A friend key for a day, bound to the phone's own device key and taken in by it."""
        public_key = self.phone.ready["device"]["public_key"]
        wish = {"public_key": public_key, "profile": profile, "lifetime_seconds": 86_400, "label": "Friend"}
        key = await self.app.post(f"/v1/keys/{self.owner_key}:share", wish)
        token = await self.app.get(f"/v1/keys/{key['id']}/token")
        await self.phone.ask(do="accept", key={"key_id": key["id"], **token})
        return key

    async def knows_time(self, seconds: float = 10.0) -> dict[str, Any]:
        """What the car says of itself once it knows the time: the gateway brings the proof behind the first command."""
        async with asyncio.timeout(seconds):
            while (said := await self.car.ask(do="status"))["time"] != "trusted":  # noqa: ASYNC110 - the car has no event to wait for
                await asyncio.sleep(0.02)
        return said

    async def phone_command(self, action: str) -> dict[str, Any]:
        """The phone asks the car, and fetches the time proof that a car without the time wants first."""
        tried = await self.phone.ask(do="command", action=action)
        if tried["outcome"] != "time_proof_required":
            return tried
        answer = await self.app.post(f"/v1/vehicles/{self.vehicle_id}/time-proofs", {"nonce": tried["time_nonce"]})
        return await self.phone.ask(do="prove_time", proof=answer["proof"], list=answer["revocation_list"])

    async def heard(self, tries: int = 20) -> str | None:
        """The rotating id under which the gateway's radio hears the car now."""
        advertising_key = decode_base64url(self.vehicle["advertising_key"])
        for _ in range(tries):
            for item in (await self.operator.get("/v1/discovery", seconds=0.3))["vehicles"]:
                if recognises(advertising_key, decode_base64url(item["rotating_id"])):
                    return str(item["rotating_id"])
        return None

    async def acknowledged(self, key_id: str, seconds: float = 10.0) -> dict[str, Any]:
        """The key once the car has acknowledged the newest list, or as it is after that time."""
        until = time.monotonic() + seconds
        while True:
            key = await self.app.get(f"/v1/keys/{key_id}")
            if key["list"]["acknowledged"] >= key["list"]["current"] or time.monotonic() > until:
                return key
            await asyncio.sleep(0.02)

    async def command(self, action: str) -> dict[str, Any]:
        """The app asks the car, through the gateway, and waits for the end."""
        return await self.app.command(self.vehicle_id, action)
