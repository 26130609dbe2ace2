"""Runs the checks of a device, at a vehicle that the kit plays."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from typing import Protocol

from keygw.crypto.signer import LocalSigner
from keygw.model.errors import KeygwError, LinkError
from keygw.vehicle.ports import Air
from keygw_sim.conformance import phones, phones_open
from keygw_sim.conformance.bench import lost
from keygw_sim.conformance.counter import PHONE_CHECKS, Counter, PhoneEntry, PhoneUser
from keygw_sim.conformance.kit import Report, Told, Tried, Verdict, chosen, judge
from keygw_sim.conformance.mutants.plant import Bed
from keygw_sim.conformance.registry import Requirement, Role
from keygw_sim.conformance.rig import in_memory
from keygw_sim.conformance.rig_device import DeviceRig
from keygw_sim.conformance.showroom import Player, Showroom, Watched
from keygw_sim.conformance.showroom_memory import MemoryAir, MemoryShowroom
from keygw_sim.conformance.simulated import SimulatedVehicle
from keygw_sim.conformance.tape import Line, Tape
from keygw_sim.conformance.verdict import Failed, Skip, Unplugged, Word
from keygw_sim.phone.phone import Phone
from keygw_sim.vehicle import brain

CHECKS = (phones, phones_open)
"""Importing them enters what they try."""
CHECK_SECONDS = 60.0


class DeviceStand(Protocol):
    """Where a device is tested. ``seconds``: for one check, at most."""

    in_memory: bool
    seconds: float

    def counter(self, bed: Bed) -> contextlib.AbstractAsyncContextManager[Counter]:
        """For one check."""


class MemoryStand:
    """A phone fresh from the shop at a vehicle fresh from the factory, for each check."""

    in_memory = True
    seconds = CHECK_SECONDS

    @contextlib.asynccontextmanager
    async def counter(self, bed: Bed) -> AsyncIterator[Counter]:
        room = MemoryShowroom()
        sim = room.sim = SimulatedVehicle(lambda: 100.0, make=lambda *parts: Player(room, *parts))
        plain = in_memory(sim.vehicle, sim.unix)
        signer = plain.stranger()
        rig = DeviceRig(plain, signer.public_key)
        rig.trusted_by(sim)
        tape = Tape(sim.now)
        room.new(tape)
        phone = simulated_phone(MemoryAir(room), signer, rig, room)
        try:
            yield Counter(room, rig, bed, PhoneUser(phone), tape)
        finally:
            await phone.leave()
            await room.close()


async def run_device(
    stand: DeviceStand, target: str, only: Collection[str] = (), told: Told = lambda verdict: None
) -> Report:
    """Every requirement of a device. On a radio it has to get in first: else every check would say so."""
    report = Report(target, Role.DEVICE, [])
    if not stand.in_memory:
        await _gets_in(stand, report)
    for requirement in chosen(Role.DEVICE, only):
        report.verdicts.append(await _one(stand, requirement, report))
        told(report.verdicts[-1])
    return report


async def _one(stand: DeviceStand, requirement: Requirement, report: Report) -> Verdict:
    if requirement.hidden:
        return Verdict(requirement, Word.HIDDEN, requirement.hidden)
    if report.broken_off:
        return Verdict(requirement, Word.SKIPPED, f"not tried: {report.broken_off}")
    tried = []
    for entry in phone_checks_of(requirement.id):
        try:
            tried.append(await try_phone(stand, entry))
        except Unplugged as gone:
            report.break_off(gone)
            return Verdict(requirement, Word.SKIPPED, f"not tried: {gone}", tuple(tried))
    return judge(requirement, tried)


async def _gets_in(stand: DeviceStand, report: Report) -> None:
    async def gets_in(counter: Counter) -> None:
        await counter.works()

    try:
        tried = await try_phone(stand, PhoneEntry("", gets_in))
    except Unplugged as gone:
        report.break_off(gone)
        return
    if tried.word is not Word.PASS:
        report.break_off(
            Unplugged(tried.why, "has the app taken in key.json of this very rig? Is it near, and its Bluetooth on?")
        )


def phone_checks_of(number: str) -> list[PhoneEntry]:
    """Of a device's requirement."""
    return [entry for entry in PHONE_CHECKS if entry.requirement == number]


async def try_phone(stand: DeviceStand, entry: PhoneEntry) -> Tried:
    """``Unplugged`` once there is nothing left to try it with."""
    bed = Bed()
    bed.set(brain, "VehicleSession", Watched)
    word, why = Word.PASS, ""
    lines: tuple[Line, ...] = ()
    try:
        if entry.radio and stand.in_memory:
            raise Skip("it shows on a radio alone; links in memory have none")
        async with stand.counter(bed) as counter:
            try:
                async with asyncio.timeout(stand.seconds):
                    await entry.run(counter)
            finally:
                lines = tuple(counter.tape.lines)
    except Skip as skipped:
        word, why = Word.SKIPPED, str(skipped)
    except Failed as failed:
        word, why = Word.FAIL, str(failed)
    except TimeoutError:
        word, why = Word.FAIL, f"not done after {stand.seconds:g} s"
    except LinkError as error:
        if lost(error):
            raise Unplugged(str(error)) from error
        word, why = Word.FAIL, f"the link failed: {error}"
    except KeygwError as error:
        word, why = Word.FAIL, f"the device broke down: {error}"
    finally:
        bed.clear()
    return Tried(entry.run.__name__, word, why, lines)


def simulated_phone(air: Air, signer: LocalSigner, rig: DeviceRig, room: Showroom) -> Phone:
    """With an owner's key of that rig, and a clock that the room can set ahead."""
    phone = Phone(air, signer, rig.rig.random, lambda: room.sim.now() + room.lateness)
    phone.subscribe = True
    phone.accept(rig.owner())
    return phone
