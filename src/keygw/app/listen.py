"""What the process is given by the system: standard files, a socket to listen on, a loop."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable
from typing import TextIO

from keygw.model.errors import KeygwError


def listen(host: str, port: int, option: str = "--port") -> socket.socket:
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
            f"{host}:{port} cannot be listened on ({error.strerror}); choose another with {option}", code="port_taken"
        ) from error
    listener.setblocking(False)
    return listener


def address(listener: socket.socket, scheme: str) -> str:
    """The URL of a listener."""
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def say(said: str) -> None:
    """A line on stdout. Nobody could find a gateway that cannot say where it listens, so it does not start without."""
    stdout = open_stdout()
    try:
        stdout.write(f"{said}\n")
        stdout.flush()
    except OSError as error:
        # Python would try once more, and complain, while flushing at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
        raise _unwritable(str(error.strerror)) from error


def open_stdout() -> TextIO:
    stdout: TextIO | None = sys.stdout  # None if the process was started with it closed
    if stdout is None:
        raise _unwritable("it is closed")
    return stdout


def _unwritable(reason: str) -> KeygwError:
    return KeygwError(
        f"stdout cannot be written ({reason}), so nobody would hear the address: give it a file, pipe or terminal",
        code="stdout_unwritable",
    )


def fill_standard_files() -> None:
    """Put nothing where stdin, stdout or stderr was closed: else a socket takes the number, which uvloop dies of."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it exists; asyncio's own loop elsewhere."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
