"""Runs the checks of a device: the simulated phone, at a vehicle that the kit plays on links in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from keygw.model.errors import KeygwError
from keygw_sim.conformance.kit import Report, Told, Tried, Verdict, chosen, judge
from keygw_sim.conformance.mutants.plant import Bed
from keygw_sim.conformance.phones import PHONE_CHECKS, Counter, PhoneCheck, counter_invitation
from keygw_sim.conformance.registry import Requirement, Role
from keygw_sim.conformance.showroom import Showroom
from keygw_sim.conformance.simulated import SimulatedVehicle
from keygw_sim.conformance.tape import Tape
from keygw_sim.conformance.targets import factory
from keygw_sim.conformance.verdict import Failed, Word
from keygw_sim.phone.phone import Phone

CHECK_SECONDS = 30.0
UNTRIED = "the kit has no check of it on a device yet"


async def run_device(target: str, only: Collection[str] = (), told: Told = lambda verdict: None) -> Report:
    """Every requirement of a device, on the simulated phone."""
    report = Report(target, Role.DEVICE, [])
    for requirement in chosen(Role.DEVICE, only):
        report.verdicts.append(await _one(requirement))
        told(report.verdicts[-1])
    return report


async def _one(requirement: Requirement) -> Verdict:
    if requirement.hidden:
        return Verdict(requirement, Word.HIDDEN, requirement.hidden)
    tried = [await try_phone(check) for number, check in PHONE_CHECKS if number == requirement.id]
    return judge(requirement, tried) if tried else Verdict(requirement, Word.SKIPPED, UNTRIED)


async def try_phone(check: PhoneCheck) -> Tried:
    """A phone fresh from the shop, with a key for a vehicle fresh from the factory."""
    sim = SimulatedVehicle(lambda: 100.0)
    rig = factory(sim)
    tape, bed = Tape(sim.now), Bed()
    room = Showroom(sim, tape)
    phone = Phone(room, rig.owner_device, rig.random)
    phone.accept(counter_invitation(rig, phone))
    word, why = Word.PASS, ""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check(Counter(room, rig, bed, phone, tape))
    except Failed as failed:
        word, why = Word.FAIL, str(failed)
    except TimeoutError:
        word, why = Word.FAIL, f"not done after {CHECK_SECONDS:g} s"
    except KeygwError as error:
        word, why = Word.FAIL, f"the device broke down: {error}"
    finally:
        bed.clear()
        await phone.leave()
        await room.close()
    return Tried(check.__name__, word, why, tuple(tape.lines))
