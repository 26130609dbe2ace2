"""Stands between a host and its controller: the host attaches here instead, and every packet is seen on its way.

The controller is any Bumble transport, the virtual radio's included; the host is whatever speaks HCI over TCP, so a
gateway with ``--radio tcp-client:HOST:PORT``. One host at a time; when it goes, the controller is reset.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from bumble import hci
from bumble.core import InvalidPacketError
from bumble.transport import open_transport
from bumble.transport.common import PacketParser, TransportSink

from keygw.ble.faults import RADIO_UNAVAILABLE, fault, link_error
from keygw.ble.trace.packet import Kind, Packet

OPEN_S = 5.0
UNREAD_BYTES = 1 << 20
"""A host that leaves this much unread is stuck, and is sent away."""


class Between:
    """``async with`` is not needed: ``run`` serves until the controller is gone or it is cancelled, and cleans up."""

    def __init__(self, radio: str, host: str, port: int, seen: Callable[[Packet], None]) -> None:
        self._radio, self._host, self._port = radio, host, port
        self._seen = seen
        self._writer: asyncio.StreamWriter | None = None
        self._controller: TransportSink | None = None

    async def run(self, ready: Callable[[str], None]) -> None:
        """``ready`` is told the transport for hosts. ``LinkError`` radio_unavailable, ``OSError`` for the port."""
        try:
            async with asyncio.timeout(OPEN_S):
                transport = await open_transport(self._radio)
        except TimeoutError:
            raise fault(RADIO_UNAVAILABLE, "it does not open") from None
        except Exception as error:
            raise link_error(error) from error
        gone = transport.source.terminated
        try:
            self._controller = transport.sink
            transport.source.set_packet_sink(self)
            server = await asyncio.start_server(self._serve, self._host, self._port)
            async with server:
                ready(f"tcp-client:{self._host}:{server.sockets[0].getsockname()[1]}")
                await asyncio.wait({gone})
                raise fault(RADIO_UNAVAILABLE, "the HCI transport was lost")
        finally:
            if self._writer is not None:
                self._writer.transport.abort()
            with contextlib.suppress(Exception):
                await transport.close()

    def on_packet(self, packet: bytes) -> None:
        """From the controller."""
        self._see(packet, sent=False)
        writer = self._writer
        if writer is None or writer.transport.is_closing():
            return
        if writer.transport.get_write_buffer_size() > UNREAD_BYTES:
            writer.transport.abort()
            return
        writer.write(packet)

    def _see(self, packet: bytes, *, sent: bool) -> None:
        self._seen(Packet(Kind.HCI, bytes(packet), time.time(), sent))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._writer is not None:
            writer.transport.abort()
            return
        self._writer = writer
        parser = PacketParser(_Up(self))
        try:
            while data := await reader.read(1 << 16):
                parser.feed_data(data)
        except (OSError, InvalidPacketError):
            pass  # gone, or speaks no HCI: it is over with this host
        finally:
            self._writer = None
            writer.transport.abort()
            self.to_controller(bytes(hci.HCI_Reset_Command()))  # its connections and its advertising end with it

    def to_controller(self, packet: bytes) -> None:
        self._see(packet, sent=True)
        if self._controller is not None:
            self._controller.on_packet(packet)


class _Up:
    """From the host."""

    def __init__(self, between: Between) -> None:
        self._between = between

    def on_packet(self, packet: bytes) -> None:
        self._between.to_controller(packet)
