"""``--log-level debug`` through a real unlock and an invitation: much is told, but no token, key or secret."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from keygw.crypto.signer import LocalSigner
from keygw_sim import processes
from keygw_sim.processes import Child, ChildFailed
from keygw_sim.scenarios.app import App
from keygw_sim.scenarios.world import GATEWAY, World


def spellings(secret: bytes) -> list[str]:
    """How a log might spell these bytes: Python's repr without its frame, hexadecimal, base64."""
    return [repr(secret)[2:-1], secret.hex(), base64.urlsafe_b64encode(secret).rstrip(b"=").decode()]


async def test_debug_logs_hold_no_token_and_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "KEPT_LINES", 1_000_000)
    async with World(tmp_path, seed="debug") as world:
        await world.start_radio()
        data = str(tmp_path / "gateway")
        async with Child(
            "keygw", "serve", "--data", data, "--port", "0", "--radio", world.transports[GATEWAY], "--json",
            "--follow-stdin", "--log-level", "debug",
        ) as world.gateway:  # fmt: skip
            operator = await asyncio.to_thread(Path(world.gateway.ready["operator_token_file"]).read_text)
            operator = operator.strip()
            world.operator = App(world.url, operator)
            try:
                await world.start_car()
                await world.register_app()
                await world.pair_owner()
                token = await world.app.get(f"/v1/keys/{world.owner_key}/token")
                assert (await world.command("unlock"))["state"] == "confirmed"
                await world.start_phone()
                wish = {"profile": "access", "lifetime_seconds": 60, "activation_code": True}
                invited = await world.app.post(f"/v1/keys/{world.owner_key}/invitations", wish)
                link, code = invited["link"], invited["activation_code"]
                with pytest.raises(ChildFailed, match="validation"):
                    await world.phone.ask(do="claim", link=link, activation_code=f"{code}0")
                claimed = await world.phone.ask(do="claim", link=link, activation_code=code)
                assert claimed["state"] == "accepted"
            finally:
                await world.operator.close()
        told = "\n".join(world.gateway._errors)
    assert "level='debug'" in told
    secrets = {"operator's token": [operator], "app's token": [world.token], "jwt": [token["jwt"]]}
    raw = {"cwt": token["cwt"], "advertising key": world.vehicle["advertising_key"]}
    raw["invitation's secret"] = link.partition("#")[2]
    secrets |= {name: spellings(base64.urlsafe_b64decode(text + "==")) for name, text in raw.items()}
    # Six digits may stand by chance inside longer numbers; framed as a value they do not.
    secrets["activation code"] = [f"{quote}{code}{quote}" for quote in ("'", '"')]
    secrets["vault key"] = [(tmp_path / "gateway" / "vault.key").read_text().strip()]
    secrets["issuer key"] = (tmp_path / "gateway" / "issuer.pem").read_text().splitlines()[1:2]
    assert [name for name, forms in secrets.items() if any(form in told for form in forms)] == []


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_callers_put_in_the_wrong_place_is_not_written_down(tmp_path: Path, form: str) -> None:
    """Secrets in addresses, headers and broken bodies, over a real connection, with every line there is."""
    data, passphrase = tmp_path / "data", "correct horse 4711 battery"
    line = [sys.executable, "-m", "keygw", "serve", "--data", str(data), "--radio", "none", "--port", "0", "--json"]
    env = {**os.environ, "KEYGW_ISSUER_PASSPHRASE": passphrase}
    with subprocess.Popen(
        [*line, "--log-level", "debug", "--log-format", form],
        env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            ready = process.stdout.readline()
            url = json.loads(ready)["url"]
            operator = (data / "operator.token").read_text().strip()
            planted = _plant(url, operator)
            process.terminate()
            told = ready + process.stdout.read() + (process.stderr.read() if process.stderr else "")
            assert process.wait(20) == 0
        finally:
            process.kill()
    assert "'debug'" in told or '"debug"' in told
    assert told.count("status=" if form == "text" else '"status"') >= 12, "the requests are in it"
    planted |= {"operator": operator, "passphrase": passphrase, "vault": (data / "vault.key").read_text().strip()}
    planted["issuer"] = (data / "issuer.pem").read_text().splitlines()[1]
    assert [name for name, secret in planted.items() if secret in told] == []


def _plant(url: str, operator: str) -> dict[str, str]:
    """Send secrets wherever a caller might put them, by mistake or to have them written down. Name -> secret."""
    secret = base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()
    private = LocalSigner.generate().to_pem(None).decode()
    planted = {"secret": secret, "private key": private.splitlines()[1], "basic": "b3BlcmF0b3I6aHVudGVyMg=="}
    good = {"Authorization": f"Bearer {operator}"}
    with httpx.Client(base_url=url, trust_env=False) as http:
        app = http.post("/v1/apps", json={"name": "a", "scopes": ["vehicle.read", "key.share"]}, headers=good).json()
        planted["app's token"] = app["token"]
        token = {"Authorization": f"Bearer {app['token']}"}
        body = {"id": "veh_mfrggzdfmztwq2lk", "public_key": secret, "advertising_key": private}
        for sent in (
            http.build_request("GET", f"/v1/vehicles?access_token={app['token']}&secret={secret}", headers=token),
            http.build_request("GET", f"/v1/keys/{app['token']}", headers=token),
            http.build_request("GET", f"/v1/nowhere/{secret}/{operator}"),
            http.build_request("GET", f"/i/{secret}"),
            http.build_request("GET", "/v1/vehicles", headers={"Authorization": f"Basic {planted['basic']}"}),
            http.build_request("GET", "/v1/vehicles", headers={"Authorization": f"Bearer {secret}"}),
            http.build_request("GET", "/v1/vehicles", headers={**token, "X-Request-Id": app["token"]}),
            http.build_request("GET", "/v1/vehicles", headers={**token, "X-Forwarded-For": secret, "Cookie": secret}),
            http.build_request("GET", "/v1/vehicles", headers={**token, "traceparent": secret}),
            http.build_request("POST", "/v1/vehicles", json=body, headers=good),
            http.build_request("POST", "/v1/vehicles", content=f'{{"a": "{secret}"', headers={**good, **_JSON}),
            http.build_request("POST", "/v1/invitations/inv_x:view", json={"secret": secret}),
            http.build_request("POST", f"/v1/invitations/{secret}:view", json={"secret": secret}),
        ):
            assert http.send(sent).status_code < 500
    return planted


_JSON = {"Content-Type": "application/json"}
