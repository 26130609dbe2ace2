"""Figures of real requests: they are right, and nobody who calls can make more of them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from keygw.api.factory import create_api
from keygw.app.exposition import Exposition
from keygw.app.sampling import sample
from keygw.store.figures import Figures
from keygw.telemetry.metrics import Metrics
from keygw.vehicle.values import LinkStatus

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

Auth = Callable[[str], dict[str, str]]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("1.2.3")


def value(metrics: Metrics, series: str) -> float | None:
    found = re.search(rf"^{re.escape(series)} (\S+)$", metrics.text().decode(), re.MULTILINE)
    return None if found is None else float(found[1])


def series(metrics: Metrics) -> set[str]:
    return {line.rpartition(" ")[0] for line in metrics.text().decode().splitlines() if not line.startswith("#")}


def caller(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://a")


async def test_requests_are_counted_by_route_and_problems_by_code(world: World, metrics: Metrics, auth: Auth) -> None:
    _, token = await world.app()
    async with caller(create_api(replace(world.services, watcher=metrics))) as http:
        await http.get("/v1/vehicles", headers=auth(token))
        await http.get("/v1/vehicles/veh_nobody", headers=auth(token))
        await http.get("/v1/vehicles")
    assert value(metrics, 'keygw_http_requests_total{method="GET",route="/v1/vehicles",status="200"}') == 1
    assert value(metrics, 'keygw_http_requests_total{method="GET",route="/v1/vehicles",status="401"}') == 1
    route = 'route="/v1/vehicles/{vehicle_id}"'
    assert value(metrics, f'keygw_http_requests_total{{method="GET",{route},status="404"}}') == 1
    assert value(metrics, f'keygw_http_request_duration_seconds_count{{method="GET",{route}}}') == 1
    assert value(metrics, 'keygw_problems_total{code="unknown_vehicle",status="404"}') == 1
    assert value(metrics, 'keygw_problems_total{code="token_missing",status="401"}') == 1
    assert (
        value(metrics, 'keygw_build_info{python="' + __import__("platform").python_version() + '",version="1.2.3"}')
        == 1
    )


async def test_no_caller_makes_series(world: World, metrics: Metrics, auth: Auth) -> None:
    _, token = await world.app()

    async def storm(http: httpx.AsyncClient, number: int) -> None:
        for path in (
            "/v1/vehicles/veh_{}",
            "/v1/keys/key_{}",
            "/i/inv_{}",
            "/{}",
            "/v1/{}/x",
            "/v1/events?vehicle=veh_{}",
        ):
            await http.get(path.format(number), headers={**auth(token), "X-Request-Id": f"r{number}"})
        await http.request("PUT" if number % 2 else "PROPFIND", f"/v1/vehicles/veh_{number}")
        await http.post(f"/v1/keys/key_{number}:revoke", headers=auth(f"kgw_{number}"))

    async with caller(create_api(replace(world.services, watcher=metrics))) as http:
        for number in range(2):
            await storm(http, number)
        before = series(metrics)
        for number in range(2, 40):
            await storm(http, number)
    assert series(metrics) == before
    assert not re.search(r"veh_|key_\d|inv_|kgw_|r\d+\"", metrics.text().decode())


async def test_commands_links_streams_and_commits(world: World, metrics: Metrics) -> None:
    world.bridge._settlement._ledger._on_settled = metrics.settled
    world.store.database.watch(metrics.committed)
    app, _, _ = await world.owner()
    record, _ = await world.bridge.commands.create(app, world.vehicle.id, action="unlock", idempotency_key="a")
    await world.settled(record)
    assert value(metrics, 'keygw_commands_total{action="unlock",outcome="confirmed"}') == 1
    commits = value(metrics, "keygw_store_commit_works_count")
    assert commits is not None
    assert commits > 3
    assert value(metrics, "keygw_store_commit_duration_seconds_count") == commits
    for state, up in (("linked", 1), ("authenticated", 1), ("disconnected", 0)):
        metrics.link("veh_a", LinkStatus("veh_a", state))
        assert value(metrics, "keygw_links_up") == up
    metrics.streams(lambda: world.hub.consumers)
    with world.hub.subscribe(lambda event: True):
        assert value(metrics, "keygw_event_streams") == 1
    assert value(metrics, "keygw_event_streams") == 0


@pytest.mark.parametrize("page", [1, 2, 3, 2000])
async def test_keys_and_lists_are_counted_page_by_page(world: World, metrics: Metrics, page: int) -> None:
    app, _, owner = await world.owner()
    keys = [await world.give_key(app) for _ in range(4)]
    await world.credentials.suspend(keys[0].id)
    pauses = [0]

    async def pause() -> None:
        pauses[0] += 1

    figures = Figures(world.store.database.fetch, pause, page)
    assert await figures.keys_by_state() == {"active": 4, "suspended": 1}
    assert pauses[0] == 5 // page
    now = int(world.clock())
    assert await figures.lists_waiting(now - 60) == (1, 0)
    assert await figures.lists_waiting(now + 60) == (1, 1)
    for overdue, late in ((61, 0), (59, 1)):
        await sample(metrics, figures, overdue, lambda: now + 60.0)
        assert value(metrics, "keygw_lists_overdue") == late
    assert [value(metrics, f'keygw_keys{{state="{state}"}}') for state in ("active", "suspended", "revoked")] == [
        4,
        1,
        0,
    ]
    assert value(metrics, "keygw_lists_waiting") == 1
    assert abs((value(metrics, "keygw_keys_counted_timestamp_seconds") or 0) - time.time()) < 60
    assert owner.id not in metrics.text().decode()


async def test_what_answers_there_answers_nothing_else(metrics: Metrics) -> None:
    async with caller(Exposition(metrics)) as http:
        good = await http.get("/metrics")
        assert good.status_code == 200
        assert good.headers["content-type"].startswith("text/plain")
        assert "keygw_build_info" in good.text
        assert (await http.head("/metrics")).status_code == 200
        assert (await http.post("/metrics")).status_code == 405
        for path in ("/", "/v1/vehicles", "/metrics/", "/health"):
            assert (await http.get(path)).status_code == 404


async def test_the_api_itself_has_no_metrics(client: httpx.AsyncClient, operator: dict[str, str]) -> None:
    assert (await client.get("/metrics", headers=operator)).status_code == 404


def test_the_page_lists_them_all(metrics: Metrics, repository: Path) -> None:
    page = (repository / "docs/reference/metrics.md").read_text("utf-8")
    told = dict(re.findall(r"^\| `(keygw_\w+)` \| (\w+) \|", page, re.MULTILINE))
    kinds = dict(re.findall(r"^# TYPE (keygw_\w+) (\w+)$", metrics.text().decode(), re.MULTILINE))
    there = {name: kind for name, kind in kinds.items() if not name.endswith("_created")}
    assert told == there
