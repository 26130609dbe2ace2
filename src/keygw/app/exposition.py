"""Where Prometheus reads: an address of its own, apart from the API, so that no phone and no stranger comes by it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import structlog
import uvicorn

from keygw.app.addresses import host_and_port, is_loopback
from keygw.app.listen import address, listen
from keygw.telemetry.metrics import CONTENT_TYPE, Metrics

MAX_CONNECTIONS = 16

log = structlog.get_logger(__name__)


class Exposition:
    """The ASGI application: GET and HEAD of /metrics, and nothing else."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def __call__(self, scope: dict[str, Any], _receive: object, send: Callable[[Any], Awaitable[None]]) -> None:
        if scope["type"] != "http":
            return
        known = scope["path"] == "/metrics"
        allowed = scope["method"] in ("GET", "HEAD")
        status = 200 if known and allowed else 405 if known else 404
        body = self._metrics.text() if status == 200 else b""
        headers = [
            (b"content-type", CONTENT_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"x-content-type-options", b"nosniff"),
        ]
        if status == 405:
            headers.append((b"allow", b"GET, HEAD"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class _Server(uvicorn.Server):
    """A second server in the process: signals are the first one's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def metrics_listener(where: str | None) -> socket.socket | None:
    """Bound before anything else is opened; ``None`` without an address."""
    return None if where is None else listen(*host_and_port(where), option="--metrics")


@contextlib.asynccontextmanager
async def exposed(metrics: Metrics | None, listener: socket.socket | None) -> AsyncIterator[str | None]:
    """Serve it while the block lasts; its URL."""
    if metrics is None or listener is None:
        yield None
        return
    url = f"{address(listener, 'http')}/metrics"
    if not is_loopback(listener.getsockname()[0]):
        log.warning("metrics_in_the_open", url=url, advice="whoever reaches it reads the figures; they hold no ids")
    server = _Server(
        uvicorn.Config(
            Exposition(metrics),
            log_config=None,
            access_log=False,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_graceful_shutdown=1,
            lifespan="off",
            server_header=False,
            proxy_headers=False,
            ws="none",
        )
    )
    task = asyncio.get_running_loop().create_task(server.serve(sockets=[listener]), name="metrics")
    try:
        yield url
    finally:
        server.should_exit = True
        await asyncio.gather(task, return_exceptions=True)
