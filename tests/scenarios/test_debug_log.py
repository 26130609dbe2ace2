"""``--log-level debug`` through a real unlock and an invitation: much is told, but no token, key or secret."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pytest

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
