"""Writes down what goes between a Bumble host and its controller: ``--trace FILE`` of gateway and simulators."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from bumble.snoop import Snooper
from bumble.transport import open_transport
from bumble.transport.common import SnoopingTransport, Transport

from keygw.ble.bumble_host import HciOpener
from keygw.ble.trace.btsnoop import Writer
from keygw.ble.trace.packet import Kind, Packet
from keygw.model.errors import KeygwError

MAX_TRACE_BYTES = 1 << 30
"""A trace that has grown so large is left as it is: a disk that is full of it would stop the car."""


class TraceFileError(KeygwError):
    """The trace file cannot be made."""

    code = "trace_not_writable"


class TraceFile(Snooper):
    """A btsnoop file, new, for its owner alone (addresses and what opens nothing are in it, still they are people's).

    Every packet is in the file when ``snoop`` returns. Never raises once it is open: a full disk ends the trace, not
    the gateway.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._written = 0
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise TraceFileError(f"{path} cannot be made: {error.strerror}; name a new file") from error
        self._file: BinaryIO | None = os.fdopen(handle, "wb", buffering=0)
        self._writer = Writer(self._file)

    def snoop(self, hci_packet: bytes, direction: Snooper.Direction) -> None:
        if self._file is None:
            return
        sent = direction is Snooper.Direction.HOST_TO_CONTROLLER
        try:
            self._writer.write(Packet(Kind.HCI, bytes(hci_packet), self._clock(), sent))
        except (OSError, ValueError):
            self.close()
            return
        self._written += len(hci_packet) + 24
        if self._written > MAX_TRACE_BYTES:
            self.close()

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                file.close()


def tapped(transport: str | HciOpener, snooper: Snooper) -> HciOpener:
    """An opener of the same transport, whose packets ``snooper`` gets to see. Opened again, it goes on in the same."""

    async def open_tapped() -> Transport:
        opened = await (open_transport(transport) if isinstance(transport, str) else transport())
        return SnoopingTransport(opened, snooper)

    return open_tapped
