"""``keygw serve``: the gateway under uvicorn, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TextIO

import structlog
import uvicorn

from keygw.app.config import ServeOptions
from keygw.app.gateway import gateway
from keygw.model.errors import KeygwError

EXIT_OK, EXIT_ENVIRONMENT = 0, 3
GRACE_SECONDS = 5
MAX_CONNECTIONS = 512


def serve(options: ServeOptions) -> int:
    """Run until SIGINT or SIGTERM. Returns 0, or 3 with one line on stderr if it cannot start."""
    _fill_standard_files()
    _log_to_stderr(options.log_level)
    try:
        _stdout()
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(_serve(options))
    except KeygwError as error:
        sys.stderr.write(f"keygw cannot start: {error} [{error.code}]\n")
        return EXIT_ENVIRONMENT
    except KeyboardInterrupt:
        return EXIT_OK


async def _serve(options: ServeOptions) -> int:
    listener = _listen(options.host, options.port)
    with listener:
        url = _address(listener)
        async with gateway(options, url) as running:
            server = _Server(
                uvicorn.Config(
                    running.http,  # type: ignore[arg-type]  # an ASGI application; uvicorn's alias lists frameworks
                    log_config=None,
                    access_log=False,
                    limit_concurrency=MAX_CONNECTIONS,
                    timeout_graceful_shutdown=GRACE_SECONDS,
                    server_header=False,
                    ws="none",
                ),
                on_ready=lambda: _say_ready(options, url, running.operator_token_file.name),
                on_stop=running.hub.close,
            )
            if options.follow_stdin:
                _follow_stdin(server)
            await server.serve(sockets=[listener])
    return EXIT_OK


class _Server(uvicorn.Server):
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


def _follow_stdin(server: uvicorn.Server) -> None:
    """Let the server end when stdin does. A thread, because asyncio has no portable way to a pipe."""

    def wait() -> None:
        while os.read(0, 4096):
            pass
        server.should_exit = True

    threading.Thread(target=wait, name="stdin", daemon=True).start()


def _listen(host: str, port: int) -> socket.socket:
    """Bind before anything else is opened, so that a taken port is one clear line."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        if sys.platform != "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        raise KeygwError(
            f"{host}:{port} cannot be listened on ({error.strerror}); choose another with --port", code="port_taken"
        ) from error
    listener.setblocking(False)
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _say_ready(options: ServeOptions, url: str, token_file: str) -> None:
    operator = options.data / token_file
    if options.json_ready:
        ready = {"ready": True, "url": url, "data": str(options.data), "operator_token_file": str(operator)}
        said = json.dumps(ready)
    else:
        said = f"keygw is up at {url}   API page: {url}/docs\noperator's token: {operator}   stop with Ctrl-C"
    _print(said)


def _print(said: str) -> None:
    """A line on stdout. Nobody could find a gateway that cannot say where it listens, so it does not start without."""
    stdout = _stdout()
    try:
        stdout.write(f"{said}\n")
        stdout.flush()
    except OSError as error:
        # Python would try once more, and complain, while flushing at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
        raise _unwritable(str(error.strerror)) from error


def _stdout() -> TextIO:
    stdout: TextIO | None = sys.stdout  # None if the process was started with it closed
    if stdout is None:
        raise _unwritable("it is closed")
    return stdout


def _unwritable(reason: str) -> KeygwError:
    return KeygwError(
        f"stdout cannot be written ({reason}), so nobody would hear the address: give it a file, pipe or terminal",
        code="stdout_unwritable",
    )


def _fill_standard_files() -> None:
    """Put nothing where stdin, stdout or stderr was closed: else a socket takes the number, which uvloop dies of."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it exists; asyncio's own loop elsewhere."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _log_to_stderr(level: str) -> None:
    """One line a record on stderr; nothing here logs tokens, bodies or keys."""
    number = logging.getLevelNamesMapping().get(level.upper(), logging.WARNING)
    logging.basicConfig(stream=sys.stderr, level=number, format="%(levelname)s %(name)s %(message)s")
    # Bumble prints tracebacks for every ordinary loss of a link; we map those losses to errors of our own.
    logging.getLogger("bumble").setLevel(logging.CRITICAL)
    # aiosqlite's debug lines hold the parameters of every statement, key tokens among them.
    logging.getLogger("aiosqlite").setLevel(logging.WARNING)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
    )
