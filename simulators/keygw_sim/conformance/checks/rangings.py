"""Ranging: the order of rounds, and what a vehicle says where it has measured nothing.

The kit has no ranging radio, so no vehicle finds it near: what a true distance does is for ``keygw_sim.ranging``.
"""

from __future__ import annotations

from typing import Any

from keygw.wire import cbor
from keygw.wire.messages import LinkKind, MessageType
from keygw_sim.conformance.bench import Bench, verifies
from keygw_sim.conformance.talk import Talk
from keygw_sim.conformance.verdict import must

UWB, UNKNOWN_METHOD = 1, 99
ANSWER_S = 1.5


async def _round(bench: Bench, talk: Talk, number: int, method: int = UWB) -> list[Any]:
    """The vehicle's RANGE to ours."""
    await talk.message(talk.probe.seal(MessageType.RANGE, cbor.encode([number, method, None])))
    message = await talk.next(ANSWER_S if not bench.ground.in_memory else 0.0)
    must(message is not None and message[0] == MessageType.RANGE, "RANGE is not answered with RANGE within a second")
    told: list[Any] = cbor.decode(talk.probe.unsealed(message or b""))
    must(told[:2] == [number, method], f"round {number} of method {method} is answered with {told[:2]}")
    must(told[2] is not None, "a vehicle's RANGE has no finding")
    return list(told[2])


@verifies("KS-351")
async def answers_a_round(bench: Bench) -> None:
    talk = await bench.enter()
    for number in (1, 2, 9):
        zone, bound, _, valid = await _round(bench, talk, number)
        must(zone not in (2, 3), "it finds a device near that has no ranging radio")
        must(zone != 0 or (bound is None and valid == 0), "UNMEASURED comes with a bound or a validity")


@verifies("KS-352")
async def round_twice(bench: Bench) -> None:
    for second in (5, 4):
        talk = await bench.enter()
        await _round(bench, talk, 5)
        await talk.message(talk.probe.seal(MessageType.RANGE, cbor.encode([second, UWB, None])))
        await talk.refused(f"round {second} after round 5")


@verifies("KS-353")
async def finding_from_a_device(bench: Bench) -> None:
    talk = await bench.enter()
    await talk.message(talk.probe.seal(MessageType.RANGE, cbor.encode([1, UWB, [2, 50, 100, 1000]])))
    await talk.refused("a finding that the device brings itself")


@verifies("KS-354")
async def unknown_method(bench: Bench) -> None:
    zone, *_ = await _round(bench, await bench.enter(), 1, UNKNOWN_METHOD)
    must(zone == 0, f"by a method that nobody knows it finds zone {zone}")


@verifies("KS-355")
async def link_that_is_not_direct(bench: Bench) -> None:
    zone, *_ = await _round(bench, await bench.enter(link=LinkKind.RELAYED), 1)
    must(zone == 0, f"over a relayed link it finds zone {zone}")
