"""A Bumble host on an HCI transport: opened when needed, known to be dead when it is dead, opened again on next use.

The transport is a Bumble name (``tcp-client:127.0.0.1:9001`` for the virtual radio, ``usb:0`` or
``serial:/dev/ttyACM0,1000000`` for a board) or an opener, for a controller that lives in this process.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from bleak.exc import BleakError
from bumble import hci, smp
from bumble.core import PhysicalTransport
from bumble.device import Connection, ConnectionParametersPreferences, Device, DeviceConfiguration
from bumble.host import Host
from bumble.transport import open_transport
from bumble.transport.common import Transport

from keygw.ble.faults import bleak_error, radio_gone
from keygw.ble.guard import Gone, first_of, guarded
from keygw.ble.pace import BRISK

T = TypeVar("T")

HciOpener = Callable[[], Awaitable[Transport]]

OPEN_S = 5.0
COMMAND_S = 2.0
"""A controller answers an HCI command within milliseconds; two seconds mean it is dead."""
FAREWELL_S = 0.5


class NoPairing(smp.Session):
    """Refuses to pair, whatever the peer begins with.

    The key session authenticates by itself. Pairing would hand our identity address, and a public key that stays the
    same while the controller is powered, to anybody who asks. A delegate that declines is not enough: it is only asked
    about a Pairing Request, and a peer may begin with its public key.
    """

    def on_smp_command(self, command: smp.SMP_Command) -> None:
        if not isinstance(command, smp.SMP_Pairing_Failed_Command):
            self.send_command(smp.SMP_Pairing_Failed_Command(reason=smp.ErrorCode.PAIRING_NOT_SUPPORTED))


class BumbleHost:
    """One HCI controller in our hands. Every method raises bleak errors only.

    ``configure`` is called with the fresh ``Device`` before it is powered on (a GATT server adds its services there).
    """

    def __init__(
        self, transport: str | HciOpener, *, name: str = "keygw", configure: Callable[[Device], None] | None = None
    ) -> None:
        self._transport_name = transport
        self._name = name
        self._configure = configure
        self._transport: Transport | None = None
        self._device: Device | None = None
        self._lost: asyncio.Future[None] | None = None
        self._opening = asyncio.Lock()
        self._connecting = asyncio.Lock()
        self._watchers: list[Callable[[], None]] = []

    @classmethod
    async def open(cls, transport: str | HciOpener) -> BumbleHost:
        """A host that is ready to scan and connect."""
        host = cls(transport)
        await host.ready()
        return host

    @property
    def lost(self) -> asyncio.Future[None]:
        """Done once the present transport is gone (or when none is open)."""
        if self._lost is None:
            self._lost = asyncio.get_running_loop().create_future()
            self._lost.set_result(None)
        return self._lost

    def on_lost(self, watcher: Callable[[], None]) -> None:
        """Call ``watcher`` each time an open transport dies (also when ``close`` ends it)."""
        self._watchers.append(watcher)

    async def ready(self) -> Device:
        """The powered-on device; opens the transport when there is none or the last one died.

        ``BleakBluetoothNotAvailableError`` when that cannot be done.
        """
        async with self._opening:
            if self._device is not None and not self.lost.done():
                return self._device
            await self._drop()
            try:
                async with asyncio.timeout(OPEN_S):
                    return await self._open()
            except TimeoutError as error:
                await self._drop()
                raise radio_gone("the HCI controller does not answer") from error
            except BaseException as error:
                await self._drop()
                if isinstance(error, Exception):
                    raise bleak_error(error) from error
                raise

    async def command(self, work: Coroutine[Any, Any, T], seconds: float = COMMAND_S) -> T:
        """Run one exchange with the controller; bumble itself would wait for ever for a lost answer."""
        try:
            return await guarded(work, self.lost, seconds)
        except Gone as error:
            raise radio_gone("the HCI transport was lost") from error
        except TimeoutError as error:
            raise radio_gone("the HCI controller does not answer") from error
        except Exception as error:
            raise bleak_error(error) from error

    async def connect(self, address: hci.Address, seconds: float) -> Connection:
        """A connection to a peripheral heard a moment ago, from a fresh address of our own, while nothing scans.

        ``TimeoutError`` when it does not answer.
        """
        async with self._connecting:
            device = await self.ready()
            await self._change_address(device)
            task = asyncio.ensure_future(
                device.connect(address, PhysicalTransport.LE, {hci.Phy.LE_1M: _brisk()}, timeout=None)
            )
            try:
                await first_of(task, self.lost, seconds)
            except asyncio.CancelledError:
                await self._give_up(device, task)
                raise
            if not task.done():
                await self._give_up(device, task)
                raise radio_gone("the HCI transport was lost") if self.lost.done() else TimeoutError
            if task.cancelled() or self.lost.done():
                raise radio_gone("the HCI transport was lost")
            try:
                return task.result()
            except Exception as error:
                raise bleak_error(error) from error

    async def close(self) -> None:
        """End connections and the transport. Never raises; may be called twice; ``ready`` opens it again."""
        async with self._opening:
            await self._drop()

    async def _open(self) -> Device:
        name = self._transport_name
        self._transport = transport = await (open_transport(name) if isinstance(name, str) else name())
        self._lost = lost = asyncio.get_running_loop().create_future()
        transport.source.terminated.add_done_callback(lambda _: self._on_terminated(lost))
        # Random each time, and used for no connection: see _change_address.
        config = DeviceConfiguration(name=self._name, address=hci.Address.generate_static_address())
        device = Device(config=config, host=Host(transport.source, transport.sink))
        device.smp_session_proxy = NoPairing
        if self._configure is not None:
            self._configure(device)
        try:
            await guarded(device.power_on(), lost, None)
        except Gone as error:
            raise radio_gone("the HCI transport was lost while opening") from error
        self._device = device
        return device

    async def _change_address(self, device: Device) -> None:
        """Non-resolvable, and for one connection only: by a lasting one, false cars could follow us around."""
        address = device.random_address = hci.Address.generate_private_address()
        await self.command(device.send_sync_command(hci.HCI_LE_Set_Random_Address_Command(random_address=address)))

    def _on_terminated(self, lost: asyncio.Future[None]) -> None:
        if lost.done():
            return
        lost.set_result(None)
        for watcher in self._watchers:
            watcher()

    async def _drop(self) -> None:
        device, transport, lost = self._device, self._transport, self._lost
        self._device = self._transport = None
        if transport is None:
            return
        if device is not None and lost is not None and not lost.done():
            with contextlib.suppress(Exception):
                async with asyncio.timeout(FAREWELL_S):
                    for connection in list(device.connections.values()):
                        await connection.disconnect()
        with contextlib.suppress(Exception):
            await transport.close()
        if lost is not None:
            self._on_terminated(lost)

    async def _give_up(self, device: Device, task: asyncio.Task[Connection]) -> None:
        """Take back a connection attempt: a controller left with one would refuse the next, or connect much later."""
        if not task.done():
            with contextlib.suppress(BleakError):  # Refused: it has just connected, or never began.
                await self.command(device.host.send_sync_command(hci.HCI_LE_Create_Connection_Cancel_Command()))
        await first_of(task, self.lost, FAREWELL_S)
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
            # The controller is in a state we do not know; the next use starts it afresh.
            self._on_terminated(self.lost)
        if not task.cancelled() and task.exception() is None:
            with contextlib.suppress(BleakError):
                await self.command(task.result().disconnect())


def _brisk() -> ConnectionParametersPreferences:
    """What a connection begins with: there is much to say."""
    return ConnectionParametersPreferences(
        connection_interval_min=BRISK.least_ms,
        connection_interval_max=BRISK.most_ms,
        max_latency=BRISK.latency,
        supervision_timeout=int(BRISK.supervision_ms),
    )
