"""``VirtualRadio``: controllers on one ether, each behind a port to which one host at a time may attach.

A host attaches over TCP or, in a test, inside the process. When it goes away in whatever manner, SIGKILL included,
its connections end on the other side by supervision time-out, its advertising stops, and the port has a fresh
controller for the next host: a restarted program can attach at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol

from bumble.controller import Controller
from bumble.core import InvalidPacketError
from bumble.transport.common import BaseSource, PacketParser, Transport

from keygw_sim.radio.link import Carried, RadioController, RadioLink, Trap

TAKEOVER_S = 0.5
"""A killed host's connection and its successor's may be seen in either order; this long the successor waits."""
UNREAD_BYTES = 1 << 20
"""A host that leaves this much unread is stuck, and treated as dead."""


class _HostSink(Protocol):
    def on_packet(self, packet: bytes) -> None: ...


class RadioPort:
    """One place on the radio for one host."""

    def __init__(self, radio: VirtualRadio, index: int) -> None:
        self._radio = radio
        self.index = index
        self.controller: RadioController | None = None
        self._free = asyncio.Event()
        self._free.set()
        self._server: asyncio.Server | None = None
        self._evict: Callable[[], None] | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def transport(self) -> str:
        """The Bumble transport name for a host in another process."""
        return f"tcp-client:{self._radio.host}:{self.port}"

    async def listen(self, port: int) -> None:
        self._server = await asyncio.start_server(self._serve, self._radio.host, port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def open(self) -> Transport:
        """Attach a host of this process (an ``HciOpener``). ``ConnectionRefusedError`` once the radio is off."""
        source = BaseSource()
        controller = await self._attach(_Deliver(source), source.on_transport_lost)
        return Transport(source, _InProcess(self, controller, source))

    async def serve(self, transport: Transport) -> None:
        """Attach the host at the far end of a transport, such as this machine's kernel at ``vhci``; until it goes.

        ``ConnectionRefusedError`` as for ``open``. The transport stays the caller's to close.
        """
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def evict() -> None:
            if not gone.done():
                gone.set_result(None)

        controller = await self._attach(transport.sink, evict)
        try:
            transport.source.set_packet_sink(controller)
            await asyncio.wait({gone, transport.source.terminated}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.detach(controller)

    def detach(self, controller: RadioController) -> None:
        """The host of ``controller`` has gone."""
        if self.controller is not controller:
            return
        controller.host = None
        controller.quiesce()
        self._radio.link.remove_controller(controller)
        self.controller = None
        self._evict = None
        self._free.set()

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        if self._evict is not None:
            self._evict()
        if self._serving:
            await asyncio.wait(self._serving)
        if self.controller is not None:
            self.detach(self.controller)

    async def _attach(self, sink: _HostSink, evict: Callable[[], None]) -> RadioController:
        try:
            async with asyncio.timeout(TAKEOVER_S):
                while self.controller is not None:
                    await self._free.wait()
        except TimeoutError as error:
            raise ConnectionRefusedError(f"controller {self.index} has a host already") from error
        if self._radio.off:
            raise ConnectionRefusedError("the virtual radio is off")
        self._free.clear()
        name = f"radio-{self.index}"
        self.controller = RadioController(name, self._radio.link, f"F0:F1:F2:00:00:{self.index:02X}")
        self.controller.host = sink
        self._evict = evict
        return self.controller

    def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._host(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _host(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        controller: RadioController | None = None
        try:
            controller = await self._attach(_Write(writer), writer.transport.abort)
            parser = PacketParser(controller)
            while data := await reader.read(1 << 16):
                parser.feed_data(data)
        except (OSError, InvalidPacketError):
            pass  # Refused, died, or speaks no HCI: in every case it is gone.
        finally:
            if controller is not None:
                self.detach(controller)
            writer.transport.abort()


class _Write:
    """Controller to host, over TCP."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def on_packet(self, packet: bytes) -> None:
        transport = self._writer.transport
        if transport.is_closing():
            return
        if transport.get_write_buffer_size() > UNREAD_BYTES:
            transport.abort()
            return
        self._writer.write(packet)


class _Deliver:
    """Controller to host, inside the process."""

    def __init__(self, source: BaseSource) -> None:
        self._source = source

    def on_packet(self, packet: bytes) -> None:
        if self._source.sink is not None:
            self._source.sink.on_packet(packet)


class _InProcess:
    """Host to controller, inside the process."""

    def __init__(self, port: RadioPort, controller: RadioController, source: BaseSource) -> None:
        self._port = port
        self._controller = controller
        self._source = source

    def on_packet(self, packet: bytes) -> None:
        if self._port.controller is self._controller:
            asyncio.get_running_loop().call_soon(self._controller.on_packet, packet)

    def close(self) -> None:
        self._port.detach(self._controller)
        self._source.on_transport_lost()


class VirtualRadio:
    """The radio itself. ``async with VirtualRadio() as radio: port = await radio.add_controller()``."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.host = host
        self.off = False
        self.ports: list[RadioPort] = []
        self.link = RadioLink()

    async def __aenter__(self) -> VirtualRadio:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def add_controller(self, *, tcp: bool = True, port: int = 0) -> RadioPort:
        """One more port; served over TCP (an ephemeral port unless given) or inside this process only.

        ``OSError`` when the TCP port is taken.
        """
        added = RadioPort(self, len(self.ports))
        if tcp:
            await added.listen(port)
        self.ports.append(added)
        return added

    def cut(self, port: RadioPort | None = None) -> int:
        """Cut every active link (of one port); how many."""
        if port is not None and port.controller is None:
            return 0
        return self.link.cut_all(port.controller if port is not None else None)

    def cut_after(
        self,
        frames: int,
        *,
        of: Carried = Carried.ANY,
        port: RadioPort | None = None,
        sprung: Callable[[], None] | None = None,
    ) -> None:
        """Let ``frames`` more frames pass, then drop the next and cut the link it was on; then call ``sprung``.

        ``of``: count notifications (vehicle to device) or writes only. ``port``: count only links of the host that is
        at this port by then.
        """

        def mine(controller: Controller) -> bool:
            return port is None or port.controller is controller

        self.link.traps.append(Trap(frames, of, mine, sprung or _nothing))

    async def close(self) -> None:
        """Switch off: every host sees its transport end."""
        self.off = True
        for port in self.ports:
            with contextlib.suppress(OSError):
                await port.close()


def _nothing() -> None:
    return
