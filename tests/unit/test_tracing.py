"""Traces: what has a span, what continues a trace, what a span never holds, and a real delivery over OTLP/HTTP."""

from __future__ import annotations

import asyncio
import builtins
import gzip
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

pytest.importorskip("opentelemetry.sdk", reason="the extra otel is not installed")

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from keygw.app.settings import Settings
from keygw.app.watch import Watch
from keygw.model.errors import KeygwError, NotFound
from keygw.telemetry.tracing import Tracing, trace_ids

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def kept() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracing(kept: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch) -> Tracing:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    return Tracing("1.2.3", SimpleSpanProcessor(kept))


class Service:
    """Stands where the credential service or the fleet does."""

    async def key(self, key_id: str) -> str:
        return key_id

    async def revoke(self, key_id: str) -> None:
        raise NotFound(f"secret-words about {key_id}", code="unknown_key")

    async def _inner(self) -> None:
        pass

    def link(self) -> str:
        return "up"


def spans(kept: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in kept.get_finished_spans()}


async def call(
    tracing: Tracing, app: Callable[..., Any], path: str = "/v1/keys/key_secret?q=secret", **headers: str
) -> int:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(tracing.requests(app)),
        base_url="http://inside",
    ) as http:
        return (await http.get(path, headers=headers)).status_code


def app(status: int, then: Callable[[], Any] | None = None) -> Callable[..., Any]:
    async def answer(scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = SimpleNamespace(path="/v1/keys/{key_id}")
        if then is not None:
            await then()
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return answer


async def test_a_request_and_what_it_does_are_one_trace(tracing: Tracing, kept: InMemorySpanExporter) -> None:
    service = tracing.around(Service(), "credentials")

    async def then() -> None:
        assert await service.key("key_secret") == "key_secret"
        with pytest.raises(NotFound):
            await service.revoke("key_secret")

    await call(tracing, app(200, then), traceparent=PARENT)
    found = spans(kept)
    request = found["GET /v1/keys/{key_id}"]
    assert request.context is not None
    assert request.parent is not None
    assert f"{request.context.trace_id:032x}" == PARENT.split("-")[1], "the caller's trace goes on"
    assert f"{request.parent.span_id:016x}" == PARENT.split("-")[2]
    assert dict(request.attributes or {}) == {
        "http.request.method": "GET", "url.scheme": "http", "http.route": "/v1/keys/{key_id}",
        "http.response.status_code": 200,
    }  # fmt: skip
    for name in ("credentials.key", "credentials.revoke"):
        assert found[name].parent is not None
        assert found[name].parent.span_id == request.context.span_id  # type: ignore[union-attr]
    assert dict(found["credentials.revoke"].attributes or {}) == {"error.type": "unknown_key"}
    assert not found["credentials.revoke"].events
    assert "secret" not in "".join(span.to_json() for span in kept.get_finished_spans())


@pytest.mark.parametrize(
    "header", ["", "00-zz-00f067aa0ba902b7-01", "x" * 300, PARENT.upper().replace("00-", "ff-", 1)]
)
async def test_a_strange_parent_begins_a_new_trace(tracing: Tracing, kept: InMemorySpanExporter, header: str) -> None:
    assert await call(tracing, app(503), traceparent=header) == 503
    (span,) = kept.get_finished_spans()
    assert span.parent is None
    assert not span.status.is_ok


async def test_only_what_is_named_is_traced_and_nothing_is_lost(tracing: Tracing, kept: InMemorySpanExporter) -> None:
    fleet = tracing.around(Service(), "vehicle", {"revoke"})
    assert fleet.link() == "up"
    await fleet.key("a")
    await fleet._inner()
    assert spans(kept) == {}
    with pytest.raises(NotFound):
        await fleet.revoke("a")
    assert list(spans(kept)) == ["vehicle.revoke"]


async def test_a_commit_is_a_span_of_its_length(tracing: Tracing, kept: InMemorySpanExporter) -> None:
    tracing.committed(12, 0.25)
    span = spans(kept)["store.commit"]
    assert span.start_time is not None
    assert span.end_time is not None
    assert span.end_time - span.start_time == 250_000_000
    assert dict(span.attributes or {}) == {"works": 12}


async def test_lines_of_the_log_name_the_trace(tracing: Tracing) -> None:
    seen: list[dict[str, Any]] = []

    async def then() -> None:
        seen.append(dict(trace_ids(None, "", {})))

    await call(tracing, app(200, then), traceparent=PARENT)
    assert seen[0]["otel_trace_id"] == PARENT.split("-")[1]
    assert trace_ids(None, "", {}) == {}


async def test_without_an_address_nothing_is_wrapped() -> None:
    watch, service = Watch(Settings(data=Path("x"))), Service()
    assert watch.operations(service) is service
    assert watch.contacts(service) is service
    assert watch.requests(service) is service
    assert watch.links(print) is print
    await watch.close()


def test_without_the_extra_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any) -> Any:
        if name.startswith("opentelemetry"):
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.delitem(sys.modules, "keygw.telemetry.tracing")
    monkeypatch.delattr("keygw.telemetry.tracing")
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(KeygwError) as caught:
        Watch(Settings(data=Path("x"), otel_endpoint="http://127.0.0.1:1"))
    assert caught.value.code == "extra_missing"
    assert "keygw[otel]" in str(caught.value)


class Receiver:
    """A collector: OTLP over HTTP, protobuf."""

    def __init__(self) -> None:
        got = self.got = []  # type: list[ExportTraceServiceRequest]

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                assert self.path == "/v1/traces"
                assert self.headers["Content-Type"] == "application/x-protobuf"
                got.append(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def spans(self) -> dict[str, Any]:
        return {
            span.name: span
            for request in self.got
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        }


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def test_a_gateway_delivers_its_traces(tmp_path: Path, receiver: Receiver) -> None:
    line = [sys.executable, "-m", "keygw", "serve", "--data", str(tmp_path), "--radio", "none", "--port", "0", "--json"]
    line += ["--metrics", "127.0.0.1:0", "--log-level", "info", "--log-format", "json"]
    env = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_TRACES_SAMPLER": "parentbased_always_on"}
    with subprocess.Popen(
        line, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            ready = json.loads(process.stdout.readline())
            token = (tmp_path / "operator.token").read_text().strip()
            headers = {"Authorization": f"Bearer {token}", "traceparent": PARENT, "X-Request-Id": "mine"}
            body = {"name": "App", "scopes": ["vehicle.read"]}
            assert httpx.post(f"{ready['url']}/v1/apps", json=body, headers=headers).status_code == 201
            assert httpx.get(f"{ready['url']}/v1/vehicles", headers=headers).status_code == 200
            figures = httpx.get(ready["metrics"]).text
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
            lines = [json.loads(each) for each in process.stderr.read().splitlines() if each.startswith("{")]
        finally:
            process.kill()
    found = receiver.spans()
    assert {"POST /v1/apps", "GET /v1/vehicles", "store.commit", "credentials.vehicles"} <= found.keys()
    assert found["POST /v1/apps"].trace_id.hex() == PARENT.split("-")[1]
    assert found["POST /v1/apps"].parent_span_id.hex() == PARENT.split("-")[2]
    assert found["credentials.vehicles"].parent_span_id == found["GET /v1/vehicles"].span_id
    assert token not in str(found)
    assert 'keygw_http_requests_total{method="POST",route="/v1/apps",status="201"} 1.0' in figures
    told = next(each for each in lines if each["event"] == "request")
    assert (told["request_id"], told["otel_trace_id"]) == ("mine", PARENT.split("-")[1])


async def test_a_collector_that_is_gone_holds_nobody_up() -> None:
    watch = Watch(Settings(data=Path("x"), otel_endpoint="http://127.0.0.1:1"))
    service = watch.operations(Service())
    assert await service.key("a") == "a"
    async with asyncio.timeout(20):
        await watch.close()
