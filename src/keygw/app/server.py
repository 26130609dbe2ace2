"""uvicorn, as the gateway runs it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

import structlog
import uvicorn

from keygw.api.streams.wire import ws_options
from keygw.app.doorway import bounded
from keygw.app.settings import Settings
from keygw.app.tls import load_certificate
from keygw.model.errors import KeygwError

GRACE_SECONDS = 5

log = structlog.get_logger(__name__)


def api_config(http: object, tls: ssl.SSLContext | None) -> uvicorn.Config:
    """How the API is served."""
    ws = ws_options()
    return uvicorn.Config(
        http,  # type: ignore[arg-type]  # an ASGI application; uvicorn's alias lists frameworks
        log_config=None,
        access_log=False,
        http=bounded(streams=ws["ws"].streams),
        timeout_graceful_shutdown=GRACE_SECONDS,
        server_header=False,
        proxy_headers=False,  # the API decides by itself whom to believe
        **ws,
        ssl_context_factory=None if tls is None else lambda _config, _default: tls,
    )


@contextlib.contextmanager
def reload_on_hangup(tls: ssl.SSLContext | None, settings: Settings) -> Iterator[None]:
    """SIGHUP reads the certificate and its key again; what cannot be used is logged, and the old one stays.

    Without TLS the signal keeps its meaning: a terminal that is closed ends the gateway.
    """
    cert, key = settings.tls_cert, settings.tls_key
    here = hasattr(signal, "SIGHUP") and threading.current_thread() is threading.main_thread()
    if tls is None or cert is None or key is None or not here:
        yield
        return

    def reload() -> None:
        try:
            load_certificate(tls, cert, key)
            log.info("certificate_read")
        except KeygwError as error:
            log.error("certificate_refused", code=error.code, why=str(error))

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, reload)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)


class Server(uvicorn.Server):
    """uvicorn, which says when it is ready and ends the event streams before it waits for open requests."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None], on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready
        self._on_stop = on_stop

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Like uvicorn's, without raising the signal anew at the end: it would kill us before everything is closed."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        try:
            self._on_ready()
        except BaseException:
            await self.shutdown(sockets)
            raise

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_stop()
        await super().shutdown(sockets)
