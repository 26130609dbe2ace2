"""A peripheral that sends every frame back: the smallest vehicle, for measuring the air and testing what carries it.

``python -m keygw_sim.vehicle.echo --transport tcp-client:127.0.0.1:PORT --rotating-id 0102030405ff`` prints one JSON
line when it advertises, and ends (exit 3) when its radio does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Sequence

from keygw.ble.bumble_host import HciOpener
from keygw.model.errors import LinkError
from keygw.wire import gatt as layout
from keygw_sim.vehicle.gatt import GattPeripheral


class EchoVehicle:
    """``async with EchoVehicle(transport, rotating_id) as vehicle``. ``events`` tells what happened, oldest first.

    With ``echo=False`` frames are only collected in ``frames``.
    """

    def __init__(
        self,
        transport: str | HciOpener,
        rotating_id: bytes,
        *,
        info: bytes = b"\x01",
        echo: bool = True,
        max_mtu: int = layout.PREFERRED_MTU,
        interval_ms: float = 20.0,
    ) -> None:
        self.rotating_id = rotating_id
        self.peripheral = GattPeripheral(transport, self, max_mtu=max_mtu, interval_ms=interval_ms)
        self.events: asyncio.Queue[tuple[str, int]] = asyncio.Queue()
        self.frames: asyncio.Queue[bytes] = asyncio.Queue()
        self._info = info
        self._echo = echo

    async def __aenter__(self) -> EchoVehicle:
        await self.peripheral.advertise(self.rotating_id)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.peripheral.stop()

    def connected(self, conn_id: int) -> None:
        self.events.put_nowait(("connected", conn_id))

    def subscribed(self, conn_id: int) -> None:
        self.events.put_nowait(("subscribed", conn_id))

    async def frame(self, conn_id: int, data: bytes) -> None:
        if not self._echo:
            self.frames.put_nowait(data)
            return
        try:
            await self.peripheral.notify(conn_id, data)
        except LinkError as error:
            self.events.put_nowait((error.code, conn_id))

    def disconnected(self, conn_id: int) -> None:
        self.events.put_nowait(("disconnected", conn_id))

    def info(self, conn_id: int) -> bytes:
        return self._info

    def privileged(self, conn_id: int) -> bool:
        return False


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="keygw_sim.vehicle.echo", description="A peripheral that echoes frames.")
    parser.add_argument("--transport", required=True, help="Bumble transport of an HCI controller")
    parser.add_argument("--rotating-id", required=True, type=bytes.fromhex, help="6 bytes in hex")
    parser.add_argument("--mtu", type=int, default=layout.PREFERRED_MTU)
    args = parser.parse_args(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.CRITICAL)
    return asyncio.run(_run(args))


async def _run(args: argparse.Namespace) -> int:
    try:
        async with EchoVehicle(args.transport, args.rotating_id, max_mtu=args.mtu) as vehicle:
            sys.stdout.write(json.dumps({"ready": True}) + "\n")
            sys.stdout.flush()
            await vehicle.peripheral.wait_lost()
    except LinkError as error:
        sys.stderr.write(f"{error}\n")
    return 3


if __name__ == "__main__":
    sys.exit(main())
