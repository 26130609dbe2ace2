"""From nothing to an unlocked car with the code that the car shows, over real processes; and out again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from keygw.client import Keygw, OauthRefused, Problem, enter
from keygw.crypto.signer import LocalSigner
from keygw_sim.scenarios.world import World

SCOPES = ("vehicle.read", "command.unlock", "command.lock", "key.read")


@pytest.fixture
async def car(tmp_path: Path) -> AsyncIterator[World]:
    """A gateway and a car from the factory; nobody has registered anything."""
    async with World(tmp_path, seed="oauth") as world:
        await world.start_radio()
        await world.start_gateway()
        await world.start_car()
        await world.provision()
        yield world


async def test_from_the_code_in_the_car_to_an_unlocked_car_and_out_again(car: World) -> None:
    code = await car.shown_code()
    auth = await enter(car.url, code, name="My phone", scopes=SCOPES, vehicle_name="Aurora")
    async with Keygw(car.url, auth) as mine:
        vehicles = await mine.vehicles()
        assert [each.id for each in vehicles] == [car.vehicle_id]
        done = await mine.command(car.vehicle_id, "unlock")
        assert (done.state, done.reason) == ("confirmed", None)

        keys = (await mine.ask("GET", "/v1/keys"))["keys"]
        assert [key["entitlements"] for key in keys] == [["status.read", "door.lock", "door.unlock"]], (
            "the car itself lets this grant do no more than it was given"
        )
        with pytest.raises(Problem) as refused:
            await mine.command(car.vehicle_id, "open_trunk")
        assert refused.value.code == "insufficient_scope"

        # The tokens are of use to nobody who does not hold the key.
        thief = LocalSigner.generate()
        auth._signer, kept = thief, auth._signer
        with pytest.raises(Problem) as refused:
            await mine.vehicles()
        assert refused.value.code == "invalid_dpop_proof"
        auth._signer = kept

        before = auth.held
        await auth.refresh(before)
        assert auth.held.refresh_token != before.refresh_token
        assert (await mine.command(car.vehicle_id, "lock")).state == "confirmed"

        grant = (await mine.ask("GET", "/v1/grants"))["grants"][0]
        assert (grant["id"], grant["client_name"], grant["kind"]) == (auth.held.grant_id, "My phone", "pairing_code")
        await mine.ask("DELETE", f"/v1/grants/{grant['id']}")
        with pytest.raises(OauthRefused) as ended:  # the client would refresh, and hears that there is nothing left
            await mine.vehicles()
        assert ended.value.error == "invalid_grant"
    async with asyncio.timeout(10):
        while (await car.operator.get(f"/v1/keys/{keys[0]['id']}"))["stage"] != "revoked":  # noqa: ASYNC110 - said by the car
            await asyncio.sleep(0.02)


async def test_an_owners_grant_lets_another_phone_pair(car: World) -> None:
    scopes = (*SCOPES, "key.manage")
    first = await enter(car.url, await car.shown_code(), name="My phone", scopes=scopes)
    async with Keygw(car.url, first) as mine:
        assert (await mine.command(car.vehicle_id, "allow_pairing")).state == "confirmed", "by the owner's key"
        second = await enter(car.url, await car.shown_code(), name="My tablet", scopes=SCOPES)
        async with Keygw(car.url, second) as tablet:
            assert (await tablet.command(car.vehicle_id, "unlock")).state == "confirmed"
            with pytest.raises(Problem) as refused:
                await tablet.command(car.vehicle_id, "allow_pairing")
            assert refused.value.code == "insufficient_scope"


async def test_a_wrong_code_lets_nobody_in(car: World) -> None:
    code = await car.shown_code()
    wrong = f"{(int(code) + 1) % 10**8:08d}"
    with pytest.raises(OauthRefused, match="pairing_code_wrong") as refused:
        await enter(car.url, wrong, name="My phone", scopes=SCOPES)
    assert refused.value.error == "invalid_grant"
    assert (await car.operator.get("/v1/keys"))["keys"] == []


async def test_a_grant_outlives_the_gateway_process(car: World) -> None:
    auth = await enter(car.url, await car.shown_code(), name="My phone", scopes=SCOPES)
    async with Keygw(car.url, auth) as mine:
        car.app = car.operator
        await car.restart_gateway()  # another port, so another issuer URL: the client refreshes by itself
        mine.move(car.url)
        assert (await mine.command(car.vehicle_id, "unlock")).state == "confirmed"
