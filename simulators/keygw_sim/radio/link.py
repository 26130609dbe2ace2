"""The ether: Bumble's ``LocalLink`` and ``Controller``, corrected where a real radio behaves otherwise, and breakable.

What is corrected, each found by a hang or by reading bumble 0.0.236:

* a cancelled connection attempt ends (there: it stays pending, and refuses the next one);
* a connection request that its advertiser no longer answers fails with 0x3E (there: the central believes it);
* a second connection to the same address is refused with 0x0B (there: it hangs);
* HCI reset ends connections, advertising and scanning (there: nothing happens);
* a vehicle may change its random address while connected (there: its frames stop arriving);
* a host that asks for no duplicates is told of each advertisement once (there: of every one, which drowns bluetoothd);
* advertisements reach only those who scan or want to connect (there: everybody, which grows with the square).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from bumble import hci, ll
from bumble.controller import Connection, Controller
from bumble.core import PhysicalTransport
from bumble.link import LocalLink

SUPERVISION_TIMEOUT = 0x08
FAILED_TO_BE_ESTABLISHED = 0x3E
ACL_BYTES = 251
MAX_TOLD = 1024

_ATT_CID = 4
_NOTIFICATION = 0x1B
_WRITES = frozenset({0x12, 0x52})


class Carried(StrEnum):
    """Kinds of ATT packets that carry our frames. The write that subscribes to TX counts as a write too."""

    NOTIFICATIONS = "notifications"
    WRITES = "writes"
    ANY = "any"


def carried(pdu: bytes) -> Carried | None:
    """What an L2CAP packet carries: length (2), channel (2), ATT opcode (1). ``None``: none of our frames."""
    if len(pdu) < 5 or int.from_bytes(pdu[2:4], "little") != _ATT_CID:
        return None
    if pdu[4] == _NOTIFICATION:
        return Carried.NOTIFICATIONS
    return Carried.WRITES if pdu[4] in _WRITES else None


@dataclass(slots=True)
class Trap:
    """Lets ``remaining`` more packets of a kind pass, then drops the next one and cuts the link it was on.

    ``mine`` says whether a controller is one whose links count; asked each time, because hosts come and go.
    """

    remaining: int
    of: Carried
    mine: Callable[[Controller], bool]
    sprung: Callable[[], None]

    def catches(self, ends: tuple[Controller, Controller], pdu: bytes) -> bool:
        kind = carried(pdu)
        if kind is None or (self.of is not Carried.ANY and kind is not self.of):
            return False
        if not any(self.mine(end) for end in ends):
            return False
        self.remaining -= 1
        return self.remaining < 0


@dataclass(frozen=True, slots=True)
class Weather:
    """``delay``: seconds that every packet is on its way. ``loss``: how often one is not heard, 0 to 1. The link layer
    says such a packet again an interval later, and the packets behind it wait; after ``MAX_UNHEARD`` times in a row the
    supervision time-out has come (Core 5.4, Vol 6, Part B, 4.5.2 and 4.5.9)."""

    delay: float = 0.0
    loss: float = 0.0


CALM = Weather()
INTERVAL_SECONDS = 0.03
MAX_UNHEARD = 20


class RadioController(Controller):
    """One virtual controller. Belongs to one host; a new host gets a new one."""

    le_acl_data_packet_length = ACL_BYTES
    link: RadioLink

    def __init__(self, name: str, link: RadioLink, public_address: str) -> None:
        super().__init__(name, link=link, public_address=public_address)
        self._told: set[tuple[hci.Address, bytes]] = set()
        """Advertisements of this scan that the host knows, if it wants no duplicates."""

    def quiesce(self) -> None:
        """As if its power had gone: every connection ends on the other side by supervision time-out."""
        for connection in list(self.le_connections.values()):
            self.link.cut(self, connection)
        for advertising_set in self.advertising_sets.values():
            advertising_set.stop()
        self.advertising_sets.clear()
        self.le_legacy_advertiser.stop()
        self.le_scan_enable = False
        self.pending_le_connection = None

    def on_hci_le_set_scan_enable_command(
        self, command: hci.HCI_LE_Set_Scan_Enable_Command
    ) -> hci.HCI_StatusReturnParameters:
        self._told.clear()
        return super().on_hci_le_set_scan_enable_command(command)

    def on_hci_le_set_extended_scan_enable_command(
        self, command: hci.HCI_LE_Set_Extended_Scan_Enable_Command
    ) -> hci.HCI_StatusReturnParameters:
        self._told.clear()
        return super().on_hci_le_set_extended_scan_enable_command(command)

    def on_advertising_pdu(self, pdu: ll.AdvInd | ll.AdvExtInd) -> None:
        if self.filter_duplicates and self.pending_le_connection is None:
            if (pdu.advertiser_address, pdu.data) in self._told:
                return
            if len(self._told) >= MAX_TOLD:
                self._told.clear()
            self._told.add((pdu.advertiser_address, pdu.data))
        super().on_advertising_pdu(pdu)

    def on_hci_reset_command(self, _command: hci.HCI_Reset_Command) -> hci.HCI_StatusReturnParameters:
        self.quiesce()
        return super().on_hci_reset_command(_command)

    def on_hci_le_create_connection_command(self, command: hci.HCI_LE_Create_Connection_Command) -> None:
        if command.peer_address in self.le_connections:
            self._send_hci_command_status(hci.HCI_ErrorCode.CONNECTION_ALREADY_EXISTS_ERROR, command.op_code)
            return
        super().on_hci_le_create_connection_command(command)

    def on_hci_le_create_connection_cancel_command(
        self, _command: hci.HCI_LE_Create_Connection_Cancel_Command
    ) -> hci.HCI_StatusReturnParameters:
        pending, self.pending_le_connection = self.pending_le_connection, None
        if pending is None:
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        event = hci.HCI_LE_Connection_Complete_Event(
            status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
            connection_handle=0,
            role=hci.Role.CENTRAL,
            peer_address_type=pending.peer_address.address_type,
            peer_address=pending.peer_address,
            connection_interval=0,
            peripheral_latency=0,
            supervision_timeout=0,
            central_clock_accuracy=0,
        )
        # After the command's own answer (Core 5.4, Vol 4 Part E section 7.8.13).
        asyncio.get_running_loop().call_soon(self.send_hci_packet, event)
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)

    def create_le_connection(self, peer_address: hci.Address) -> None:
        super().create_le_connection(peer_address)
        connection = self.le_connections.get(peer_address)
        if connection is not None and self.link.other_end(connection) is None:
            self.on_le_disconnected(connection, FAILED_TO_BE_ESTABLISHED)


class RadioLink(LocalLink):
    """Carries packets between controllers, until told to drop one."""

    controllers: set[Controller]

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.traps: list[Trap] = []
        self.weather = CALM
        self.chance = random.Random()  # noqa: S311 - weather, not a key
        self._last: dict[tuple[hci.Address, hci.Address], float] = {}

    def other_end(self, connection: Connection) -> tuple[Controller, Connection] | None:
        """The controller at the far end of a connection, and the connection as that one knows it."""
        for controller in self.controllers:
            far = controller.le_connections.get(connection.self_address)
            if far is not None and far.self_address == connection.peer_address and far is not connection:
                return controller, far
        return None

    def cut(self, controller: Controller, connection: Connection) -> None:
        """End a connection as if its two ends had drifted apart: both hosts see a supervision time-out."""
        end = self.other_end(connection)
        if controller.le_connections.get(connection.peer_address) is connection:
            controller.on_le_disconnected(connection, SUPERVISION_TIMEOUT)
        if end is not None:
            end[0].on_le_disconnected(end[1], SUPERVISION_TIMEOUT)

    def cut_all(self, only: Controller | None = None) -> int:
        """Cut every connection (of ``only``); how many there were."""
        cut = 0
        for controller in list(self.controllers) if only is None else [only]:
            for connection in list(controller.le_connections.values()):
                if controller.le_connections.get(connection.peer_address) is connection:
                    self.cut(controller, connection)
                    cut += 1
        return cut

    def send_acl_data(
        self,
        sender_controller: Controller,
        destination_address: hci.Address,
        transport: PhysicalTransport,
        data: bytes,
    ) -> None:
        connection = sender_controller.le_connections.get(destination_address)
        end = self.other_end(connection) if connection is not None else None
        if connection is None or end is None or transport is not PhysicalTransport.LE:
            return
        for trap in list(self.traps):
            if trap.catches((sender_controller, end[0]), data):
                self.traps.remove(trap)
                self.cut(sender_controller, connection)
                trap.sprung()
                return
        loop = asyncio.get_running_loop()
        late = self._late(connection, loop.time())
        if late is None:
            self.cut(sender_controller, connection)
        elif late:
            loop.call_at(late, self._arrive, end, connection.self_address, transport, data)
        else:
            loop.call_soon(end[0].on_link_acl_data, connection.self_address, transport, data)

    def _late(self, connection: Connection, now: float) -> float | None:
        """When a packet arrives that is sent now, behind those before it; 0: at once; ``None``: never."""
        way = (connection.self_address, connection.peer_address)
        last = self._last.pop(way, 0.0)
        if self.weather is CALM and last <= now:
            return 0.0
        unheard = 0
        while self.weather.loss and self.chance.random() < self.weather.loss:
            unheard += 1
            if unheard >= MAX_UNHEARD:
                return None
        at = max(last, now + self.weather.delay + unheard * INTERVAL_SECONDS)
        self._last = {each: then for each, then in self._last.items() if then > now} | {way: at}
        return at

    def _arrive(
        self,
        end: tuple[Controller, Connection],
        sender: hci.Address,
        transport: PhysicalTransport,
        data: bytes,
    ) -> None:
        """Unless the connection has ended meanwhile."""
        controller, connection = end
        if controller.le_connections.get(connection.peer_address) is connection:
            controller.on_link_acl_data(sender, transport, data)

    def send_advertising_pdu(self, sender_controller: Controller, packet: ll.AdvertisingPdu) -> None:
        loop = asyncio.get_running_loop()
        for controller in self.controllers:
            if controller is sender_controller:
                continue
            if isinstance(packet, ll.ConnectInd):
                controller.on_ll_advertising_pdu(packet)  # At once: the caller looks whether it was answered.
            elif controller.le_scan_enable or controller.pending_le_connection is not None:
                loop.call_soon(controller.on_ll_advertising_pdu, packet)

    def send_ll_control_pdu(
        self, sender_address: hci.Address, receiver_address: hci.Address, packet: ll.ControlPdu
    ) -> None:
        for controller in self.controllers:
            connection = controller.le_connections.get(sender_address)
            if connection is not None and connection.self_address == receiver_address:
                asyncio.get_running_loop().call_soon(controller.on_ll_control_pdu, sender_address, packet)
                return
