"""A real gateway and a real receiver: what happens while either is away arrives all the same, in its order."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx

from keygw.crypto.signer import LocalSigner
from keygw.model.base64url import encode_base64url
from keygw.model.ids import new_id
from receiver import Receiver, answering, receiving

SCOPES = ["vehicle.read", "vehicle.manage", "key.read", "key.manage", "key.share", "webhook.manage"]


@contextmanager
def gateway(data: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """Killed in the end, without a goodbye."""
    data.mkdir(0o700, exist_ok=True)
    (data / "keygw.toml").write_text("webhooks_allow_loopback = true\n")
    line = [sys.executable, "-m", "keygw", "serve", "--radio", "none", "--port", "0", "--json", "--data", str(data)]
    with (data / "log").open("ab") as log, subprocess.Popen(
        line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


class Owner:
    """An app with a vehicle and an owner's key."""

    def __init__(self, http: httpx.AsyncClient, operator_token: str) -> None:
        self.http = http
        self.headers = {"Authorization": f"Bearer {operator_token}"}
        self.key = ""

    async def ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = await self.http.request(method, path, json=body, headers=self.headers)
        assert answer.is_success, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def begin(self) -> None:
        made = await self.ask("POST", "/v1/apps", {"name": "backend", "scopes": SCOPES})
        self.headers = {"Authorization": f"Bearer {made['token']}"}
        vehicle = {
            "id": new_id("veh", secrets.token_bytes),
            "name": "Van",
            "public_key": encode_base64url(LocalSigner.generate().public_key),
            "advertising_key": encode_base64url(secrets.token_bytes(16)),
        }
        await self.ask("POST", "/v1/vehicles", vehicle)
        self.key = (await self.ask("POST", "/v1/keys", {"vehicle_id": vehicle["id"], "role": "owner"}))["id"]

    async def share(self) -> str:
        """One recorded event: the id of the friend's key."""
        point = encode_base64url(LocalSigner.generate().public_key)
        body = {"public_key": point, "profile": "access", "lifetime_seconds": 3600}
        return str((await self.ask("POST", f"/v1/keys/{self.key}:share", body))["id"])


@asynccontextmanager
async def at(ready: dict[str, str], headers: dict[str, str] | None = None, key: str = "") -> AsyncIterator[Owner]:
    token = (await asyncio.to_thread(Path(ready["operator_token_file"]).read_text)).strip()
    async with httpx.AsyncClient(base_url=ready["url"], trust_env=False, timeout=20) as http:
        owner = Owner(http, token)
        owner.headers, owner.key = headers or owner.headers, key
        yield owner


def shared(receiver: Receiver) -> list[str]:
    return [json.loads(each.body)["data"]["key_id"] for each in receiver.taken]


async def test_a_gateway_that_is_killed_in_mid_delivery_loses_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with receiving() as receiver:
        with gateway(data) as (process, ready):
            async with at(ready) as owner:
                await owner.begin()
                body = {"url": receiver.url, "events": ["keygw.key.shared"]}
                made = await owner.ask("POST", "/v1/webhooks", body)
                keys = [await owner.share()]
                await receiver.count(1)
                receiver.hold.clear()
                keys += [await owner.share() for _ in range(3)]
                await receiver.count(2)
                process.kill()  # with one delivery on its way, and two behind it
                headers, key = owner.headers, owner.key
        receiver.hold.set()
        with gateway(data) as (_, ready):
            async with at(ready, headers, key) as owner:
                keys.append(await owner.share())
                await receiver.count(6, 20)
                log = await owner.ask("GET", f"/v1/webhooks/{made['webhook']['id']}/deliveries")
                while log["deliveries"][0]["event_id"] != json.loads(receiver.taken[-1].body)["id"]:
                    log = await owner.ask("GET", f"/v1/webhooks/{made['webhook']['id']}/deliveries")
        assert shared(receiver) == [keys[0], keys[1], *keys[1:]]
        ids = [each.headers["webhook-id"] for each in receiver.taken]
        assert ids[1] == ids[2], "the one that was cut off comes again, under the same id"
        assert len(set(ids)) == len(keys)
        assert [each["state"] for each in log["deliveries"]] == ["delivered"] * len(keys)
        secret = base64.b64decode(made["secret"].removeprefix("whsec_"))
        for taken in receiver.taken:
            content = f"{taken.headers['webhook-id']}.{taken.headers['webhook-timestamp']}.".encode() + taken.body
            digest = base64.b64encode(hmac.digest(secret, content, hashlib.sha256)).decode()
            assert taken.headers["webhook-signature"] == f"v1,{digest}"
    said = (data / "log").read_text()
    assert made["secret"] not in said
    assert "/hook" not in said


async def test_a_receiver_that_was_away_hears_it_all(tmp_path: Path) -> None:
    async with receiving() as receiver:
        with gateway(tmp_path / "data") as (_, ready):
            async with at(ready) as owner:
                await owner.begin()
                receiver.answers = [answering(503)]
                body = {"url": receiver.url, "events": ["keygw.key.shared"]}
                webhook = (await owner.ask("POST", "/v1/webhooks", body))["webhook"]
                keys = [await owner.share() for _ in range(3)]
                await receiver.count(1)
                stands: dict[str, Any] = {"failures": 0}
                while not stands["failures"]:
                    stands = await owner.ask("GET", f"/v1/webhooks/{webhook['id']}")
                assert (stands["enabled"], stands["failures"]) == (True, 1)
                assert stands["next_try_at"] > stands["failing_since"]
                await owner.ask("PATCH", f"/v1/webhooks/{webhook['id']}", {"enabled": True})  # now, and not in 5 s
                await receiver.count(4)
        assert shared(receiver) == [keys[0], *keys]
