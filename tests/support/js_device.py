"""A phone made of ``keygw/web/js`` under Node, as the user of the conformance kit: its link runs to our car."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from keygw.crypto.signer import thumbprint
from keygw.model.base64url import decode_base64url, encode_base64url
from keygw.model.command import Action
from keygw.model.errors import KeygwError
from keygw.vehicle.ports import Air, Link
from keygw_sim.conformance.counter import Counter, Shown
from keygw_sim.conformance.mutants.plant import Bed
from keygw_sim.conformance.rig import in_memory
from keygw_sim.conformance.rig_device import DeviceRig, key_json
from keygw_sim.conformance.showroom import Player
from keygw_sim.conformance.showroom_memory import MemoryAir, MemoryShowroom
from keygw_sim.conformance.simulated import SimulatedVehicle
from keygw_sim.conformance.tape import Tape
from keygw_sim.phone.phone import Invitation
from keygw_sim.phone.satchel import CarriedList

NODE = shutil.which("node")
PROGRAM = Path(__file__).parents[1] / "web/js/device.mjs"
ANSWER_S = 40.0
Prove = Callable[[bytes], Awaitable[dict[str, Any] | None]]


class JsDevice:
    """The process. ``air``: where its links come from; ``late``: seconds by which its clock runs ahead."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.air: Air
        self.late: Callable[[], float] = lambda: 0.0
        self.prove: Prove | None = None
        self._process = process
        self._links: dict[int, Link] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._opened = 0
        self._start(self._read())

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls) -> AsyncIterator[JsDevice]:
        assert NODE is not None
        process = await asyncio.create_subprocess_exec(
            NODE, str(PROGRAM), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 20
        )
        device = cls(process)
        try:
            yield device
        finally:
            for task in list(device._tasks):
                task.cancel()
            await asyncio.gather(*device._tasks, return_exceptions=True)
            process.kill()
            await process.wait()

    async def ask(self, do: str, **more: Any) -> dict[str, Any]:
        self._say({"do": do, **more})
        async with asyncio.timeout(ANSWER_S):
            answer = await self._answers.get()
        assert "broken" not in answer, answer["broken"]
        return answer

    def _say(self, line: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({**line, "late": self.late()}).encode() + b"\n")

    def _start(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for raw in self._process.stdout:
            line = json.loads(raw)
            if "scan" in line:
                self._start(self._scan())
            elif "open" in line:
                self._start(self._open(bytes.fromhex(line["open"])))
            elif "prove" in line:
                self._start(self._prove(line["prove"]))
            elif "frame" in line:
                await self._send(line["link"], bytes.fromhex(line["frame"]))
            elif "closed" in line:
                if (link := self._links.pop(line["link"], None)) is not None:
                    await link.close()
            else:
                self._answers.put_nowait(line)

    async def _scan(self) -> None:
        self._say({"seen": [each.rotating_id.hex() for each in await self.air.scan(1.0)]})

    async def _open(self, chosen: bytes) -> None:
        try:
            link = await self.air.open(lambda rotating_id: rotating_id == chosen, 5.0)
        except KeygwError as error:
            self._say({"opened": {"code": error.code}})
            return
        self._opened += 1
        number = self._opened
        self._links[number] = link
        told = {"id": number, "info": link.info.hex(), "max_frame": link.max_frame, "kind": 0}
        self._say({"opened": told})
        with contextlib.suppress(KeygwError):
            while True:
                frame = await link.receive()
                self._say({"link": number, "frame": frame.hex()})
        self._say({"link": number, "lost": "link_lost"})

    async def _prove(self, nonce: str) -> None:
        self._say({"proven": None if self.prove is None else await self.prove(decode_base64url(nonce))})

    async def _send(self, number: int, frame: bytes) -> None:
        with contextlib.suppress(KeygwError):
            if (link := self._links.get(number)) is not None:
                await link.send(frame)


class JsUser:
    """``keygw_sim.conformance.counter.User``."""

    def __init__(self, device: JsDevice) -> None:
        self._device = device

    async def tap(self, action: Action) -> Shown:
        told = await self._device.ask("tap", action=action.label)
        return Shown(bool(told["ok"]), str(told["outcome"]))

    async def take(self, invitation: Invitation) -> None:
        await self._device.ask("accept", key=key_json(invitation))

    async def carry(self, carried: CarriedList) -> None:
        told = {"vehicle_id": carried.vehicle_id, "sequence": carried.sequence}
        await self._device.ask("carry", list={**told, "signed": encode_base64url(carried.signed)})


class JsStand:
    """``keygw_sim.conformance.device_kit.DeviceStand``: for each check a phone and a vehicle fresh from the shop."""

    in_memory = True
    seconds = 60.0

    def __init__(self, device: JsDevice) -> None:
        self._device = device

    @contextlib.asynccontextmanager
    async def counter(self, bed: Bed) -> AsyncIterator[Counter]:
        room = MemoryShowroom()
        sim = room.sim = SimulatedVehicle(lambda: 100.0, make=lambda *parts: Player(room, *parts))
        device = decode_base64url((await self._device.ask("new"))["public_key"])
        rig = DeviceRig(in_memory(sim.vehicle, sim.unix), device)
        rig.trusted_by(sim)
        assert thumbprint(device)
        tape = Tape(sim.now)
        room.new(tape)
        self._device.air, self._device.late = MemoryAir(room), lambda: room.lateness
        user = JsUser(self._device)
        await user.take(rig.owner())
        try:
            yield Counter(room, rig, bed, user, tape)
        finally:
            await room.close()
