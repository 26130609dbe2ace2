"""The studio over real HTTP: who gets in, what is told of the air, and what its hands do to a world of processes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from keygw.ble.trace.packet import BrokenCapture
from keygw_sim.scenarios.world import World
from keygw_sim.studio.__main__ import people
from keygw_sim.studio.air import Ring, decode
from keygw_sim.studio.attach import attach, equip
from keygw_sim.studio.room import Room

pytestmark = pytest.mark.asyncio(loop_scope="module")
Found = Callable[[dict[str, Any]], bool]


class Page:
    """What the console's page does, without a browser."""

    def __init__(self, room: Room, world: World, http: httpx.AsyncClient) -> None:
        self.room, self.world, self.http = room, world, http

    async def order(self, whose: str, **order: Any) -> dict[str, Any]:
        answer = await self.http.post(f"/studio/{whose}", json=order)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def read(self, after: int, found: Found, seconds: float = 10.0) -> list[dict[str, Any]]:
        """The stream's entries up to the first that is looked for."""
        entries = []
        async with asyncio.timeout(seconds):
            async with self.http.stream("GET", f"/studio/stream?after={after}") as stream:
                async for line in stream.aiter_lines():
                    if line:
                        entries.append(json.loads(line))
                        if found(entries[-1]):
                            return entries
        raise AssertionError("the stream ended")

    async def newest(self) -> int:
        told: int = (await self.http.get("/studio")).json()["newest"]
        return told


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Page]:
    folder: Path = tmp_path_factory.mktemp("studio")
    async with World(folder, seed="studio") as world:
        equip(world)
        await people(world)
        async with attach(world) as room:
            head = {"Authorization": f"Bearer {room.token}"}
            async with httpx.AsyncClient(base_url=room.url, headers=head, timeout=40, trust_env=False) as http:
                yield Page(room, world, http)


def value(entry: dict[str, Any], name: str) -> Any:
    """Of a field of the message that a frame ended."""
    fields = (entry.get("message") or {}).get("fields", ())
    return next((each["value"] for each in fields if each["name"] == name), None)


async def test_a_launch_code_opens_once_and_is_nowhere_a_server_would_log_it(page: Page) -> None:
    link = page.room.link()
    address, _, code = link.partition("#enter=")
    assert page.room.token not in link
    assert "?" not in address
    async with httpx.AsyncClient(base_url=page.room.url, trust_env=False) as stranger:
        first = await stranger.post("/studio/enter", json={"code": code})
        again = await stranger.post("/studio/enter", json={"code": code})
        shelf = await stranger.get("/shared/tokens.css")
    assert first.json() == {"token": page.room.token}
    assert (again.status_code, again.json()["code"]) == (401, "code_unknown")
    assert shelf.status_code == 200
    assert "script-src 'self'" in shelf.headers["content-security-policy"]


@pytest.mark.parametrize(
    "path", ["/studio", "/studio/stream", "/studio/attacks", "/studio/capture", "/gateway/v1/keys"]
)
async def test_nothing_is_told_without_the_token_to_other_origins_or_by_a_foreign_name(page: Page, path: str) -> None:
    async with httpx.AsyncClient(base_url=page.room.url, trust_env=False) as stranger:
        assert (await stranger.get(path)).status_code == 401
        assert (await stranger.get(path, headers={"Authorization": "Bearer wrong"})).status_code == 401
    assert (await page.http.get(path, headers={"Origin": "http://evil.example"})).status_code == 401
    told = await page.http.get(path, headers={"Host": f"evil.example:{page.room.url.rpartition(':')[2]}"})
    assert (told.status_code, told.json()["code"]) == (421, "wrong_host")


async def test_a_command_is_found_on_the_air_by_the_number_of_its_request(page: Page) -> None:
    before, car = await page.newest(), page.world.vehicle_id
    made = await page.http.post(
        f"/gateway/v1/vehicles/{car}/commands",
        json={"action": "unlock"},
        headers={"Idempotency-Key": "studio-unlock-1"},
    )
    assert made.status_code == 202, made.text
    number = made.json()["number"]

    def answered(entry: dict[str, Any]) -> bool:
        return (entry["of"], entry.get("by"), value(entry, "number")) == ("frame", "vehicle", number)

    entries = await page.read(before, answered)
    request = next(entry for entry in entries if entry["of"] == "request")
    assert (request["number"], request["trace"]) == (number, made.headers["x-trace-id"])
    asked = next(entry for entry in entries if entry.get("by") == "device" and value(entry, "number") == number)
    assert value(asked, "action") == "unlock"
    assert asked["raw"]
    assert asked["message"]["spec"].startswith("protocols/")
    assert [entry["s"] for entry in entries] == sorted(entry["s"] for entry in entries)
    assert page.world.token not in json.dumps(entries), "the gateway's token stays on this side"


async def test_the_stream_goes_on_where_it_was_left_and_says_what_was_lost() -> None:
    ring = Ring(kept=5)
    for number in range(8):
        ring.put("frame", {"n": number})
    lost, entries = ring.after(1)
    assert (lost, [entry["s"] for entry in entries]) == (2, [4, 5, 6, 7, 8])
    assert ring.after(6)[1][0]["s"] == 7
    assert ring.after(8) == (0, [])
    assert [entry["s"] for entry in ring.after(999)[1]] == [4, 5, 6, 7, 8], "a number of another studio's"


async def test_hands_move_car_and_phone_and_a_wrong_order_says_why(page: Page) -> None:
    await page.order("car", do="set", body={"locked": False})
    assert "why" not in await page.order("car", do="door", open=True)
    assert (await page.order("car", do="status"))["body"]["driver_door_open"] is True
    await page.order("car", do="door", open=False)
    await page.order("phone", do="flight", on=True)
    assert (await page.order("phone", do="where"))["flight"] is True
    assert (await page.order("phone", do="ask", action="lock"))["ok"] is False, "a phone in flight mode opens nothing"
    await page.order("phone", do="flight", on=False)
    wrong = await page.http.post("/studio/car", json={"do": "fly"})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "bad_order")
    assert (await page.http.post("/studio/radio", json={"do": "weather", "loss": 2})).status_code == 400


async def test_bad_weather_makes_a_command_slow_and_a_cut_ends_the_link(page: Page) -> None:
    await page.order("radio", do="weather", delay_ms=60, loss=0.0)
    told = await page.order("phone", do="command", action="unlock")
    await page.order("radio", do="weather")
    fair = await page.order("phone", do="command", action="unlock")
    assert [told["ok"], fair["ok"]] == [True, True]
    assert told["ms"] > fair["ms"] + 200
    await page.world.app.post(f"/v1/vehicles/{page.world.vehicle_id}/link:connect", {})
    before = await page.newest()
    assert (await page.order("radio", do="cut"))["links"] >= 1
    await page.read(before, lambda entry: entry.get("kind") == "disconnected")


async def test_an_attack_is_run_and_the_cars_refusal_and_frames_are_told(page: Page) -> None:
    listed = (await page.http.get("/studio/attacks")).json()["attacks"]
    assert {"replay-same-car", "replay"} <= {each["name"] for each in listed} | {each["group"] for each in listed}
    told = (await page.http.post("/studio/attacks/replay-same-car")).json()
    assert told["verdict"] == "held"
    assert told["got_recorded"] == ["log: refused protocol_violation"]
    assert any(record["message"] for record in told["records"])
    unknown = await page.http.post("/studio/attacks/be-nice")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "no_such_attack")


async def test_the_capture_goes_out_and_comes_in_again(page: Page) -> None:
    data = (await page.http.get("/studio/capture")).content
    back = await page.http.post("/studio/decode", content=data[:-3])
    assert len(back.json()["records"]) > 20
    assert "cut short" in back.json()["broken"] or "bytes has" in back.json()["broken"]
    none = await page.http.post("/studio/decode", content=b"GIF89a" + bytes(30))
    assert (none.status_code, none.json()["code"]) == (400, "broken_capture")
    with pytest.raises(BrokenCapture):
        decode(b"no capture at all")


async def test_the_gateways_refusals_stand_in_the_log_with_their_trace_id(page: Page) -> None:
    before = await page.newest()
    answer = await page.http.get("/gateway/v1/vehicles/veh_aaaaaaaaaaaaaaaa/status")
    entry = (await page.read(before, lambda entry: entry.get("of") == "request"))[-1]
    assert (entry["status"], entry["trace"]) == (answer.status_code, answer.json()["trace_id"])
    assert entry["code"] == answer.json()["code"]
