"""A car in the world: a real brain, flash without a disk, power that fails, and who is in reach of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from keygw.model.ids import Random
from keygw.model.vehicle import Vehicle
from keygw.wire.frame import FIRST
from keygw_sim.chance import chance
from keygw_sim.vehicle.brain import Brain
from keygw_sim.vehicle.flash import Answer, Issuer, Memory
from keygw_sim.vehicle.runner import new_vehicle
from keygw_sim.world.air import Wire
from keygw_sim.world.flash import FragileFlash

OnDone = Callable[["SimulatedCar", str, Answer, int], None]
"""The key id, what is answered for its number, and the sequence of the list on flash."""
OnLog = Callable[["SimulatedCar", str, dict[str, object]], None]
GATEWAY = "gateway"
"""How a gateway's radio is called, whichever life of it."""


class SimulatedCar:
    """``on_log``: told what the brain logs; ``on_done``: what the car has done, once that is on flash."""

    def __init__(self, name: str, seed: str, drift: float, on_log: OnLog, on_done: OnDone) -> None:
        self.name = name
        self.drift = drift
        """Seconds that its own clock gains or loses in each."""
        self.wires: dict[int, Wire] = {}
        self.away: set[str] = set()
        """Whom it does not hear; ``*`` for everybody."""
        self.boots = 0
        self.hearing = 0
        """The type of the message that it hears, or heard last."""
        self._types: dict[int, int] = {}
        self._random: Random = chance(seed, f"car {name}")
        self._on_log = on_log
        self._on_done = on_done
        self._answered: dict[str, Answer] = {}
        self._conns = 0
        self._powered = True
        self.flash = FragileFlash(self._saved, self._power_cut)
        self.first = new_vehicle(name, self._random)
        self.brain: Brain

    @property
    def vehicle(self) -> Vehicle:
        memory = self.first
        return Vehicle(memory.vehicle_id, memory.name, memory.signer.public_key, memory.advertising_key)

    @property
    def memory(self) -> Memory:
        """What is on flash now."""
        return self.brain.memory

    def leave_the_factory(self, issuer: Issuer, owner: bytes) -> None:
        """``owner``: thumbprint of the first owner's device key."""
        self.first.issuers.append(issuer)
        self.first.owners.append(owner)
        self._start(self.first)

    def hears(self, who: str) -> bool:
        return self._powered and self.away.isdisjoint((who, "*"))

    def drive_off(self, who: str) -> None:
        """Out of that one's reach; ``*``: out of everybody's."""
        self.away.add(who)
        for wire in list(self.wires.values()):
            if who in ("*", wire.who):
                wire.cut("out of reach")

    def relock(self) -> None:
        if self._powered:
            with contextlib.suppress(OSError):
                self.brain.set_body({"locked": True})
                self._pump()

    def remove_key(self, key_id: str) -> bool:
        """Somebody in it removes that key; whether it is barred now. ``Conflict`` if the car does not know it."""
        if self._powered:
            with contextlib.suppress(OSError):
                self.brain.remove_key(key_id)
                self._pump()
        kept = self.flash.load()
        return kept is not None and any(removed.key_id == key_id for removed in kept.removed.values())

    def tick(self) -> None:
        if self._powered:
            self.brain.tick()
            self._pump()

    def reboot(self) -> None:
        """Off and on again: all that is left is what was on the flash."""
        for wire in list(self.wires.values()):
            wire.cut("the car is gone")
        self._powered = False
        with contextlib.suppress(OSError):  # the power goes again
            self._start(self.flash.load() or self.first)
            self._powered = True

    # Links

    def connected(self, wire: Wire) -> tuple[int, bytes]:
        """The number of that connection, and INFO. The car begins to speak."""
        self._conns += 1
        conn = self._conns
        self.wires[conn] = wire
        self.brain.connected(conn)
        info = self.brain.info(conn)
        self.brain.subscribed(conn)
        asyncio.get_running_loop().call_soon(self._pump)
        return conn, info

    def disconnected(self, conn: int) -> None:
        if self.wires.pop(conn, None) is not None:
            self.brain.disconnected(conn)
            self._types.pop(conn, None)

    def hear(self, conn: int, frame: bytes) -> None:
        if self._powered:
            if frame[0] & FIRST:
                self._types[conn] = frame[1]
            self.hearing = self._types.get(conn, 0)
            self.brain.frame(conn, frame)
            self._pump()

    def _pump(self) -> None:
        """Send what the brain has to say, and end what is over. One whose power has gone says nothing."""
        if not self._powered:
            return
        for conn in sorted(self.brain.dirty):
            wire = self.wires.get(conn)
            for frame in self.brain.outgoing(conn, wire.max_frame if wire is not None else 512):
                if wire is not None and wire.ended is None:
                    wire.answer(frame)
        for conn in self.brain.finished:
            if conn in self.wires:
                self.wires[conn].finish()

    def _start(self, memory: Memory) -> None:
        self.boots += 1
        loop, drift = asyncio.get_running_loop(), 1 + self.drift
        began = loop.time()
        self.brain = Brain(
            memory,
            self.flash,
            self._random,
            lambda: (loop.time() - began) * drift,
            lambda what, data: self._on_log(self, what, data),
        )

    def _saved(self, memory: Memory) -> None:
        for key_id, answers in memory.answers.items():
            if self._answered.get(key_id) is not answers[-1]:
                self._answered[key_id] = answers[-1]
                self._on_done(self, key_id, answers[-1], memory.list_sequence)

    def _power_cut(self) -> None:
        """In the middle of a save. Nobody hears a word of what it was about; it starts again in a moment."""
        self._powered = False
        asyncio.get_running_loop().call_soon(self.reboot)
