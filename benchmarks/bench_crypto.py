"""Handshake and fast path, both roles, against the raw operations they cannot do without (``benchmarks.bare``).

The two take turns in the same run, so both meet the same machine, and processor time is what is compared. Ours is HELLO
to RESULT with a first command in EAD_3, or HELLO to FAST_RESULT: everything that either role computes, parses, checks
and frames, from new sessions each time. Long-lived public keys and ids have been read before, as by a car that knows
its issuer and meets its owner again.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator

from benchmarks import bare
from benchmarks.harness import Figure

from keygw.crypto.signer import Signer
from keygw.model.command import Action, Outcome
from keygw.session.core import Session
from keygw.session.device import DeviceSession
from keygw.session.events import Event, SignatureNeeded
from keygw.session.states import State
from keygw.session.vehicle import VehicleSession
from keygw.wire.frame import MAX_FRAME
from keygw.wire.messages import TIME_NONCE_BYTES, Cmd, FastResult, Result, TimeState
from keygw_sim.rehearsal import Stage

GROUP = "crypto"
ROUNDS = 3000
NTH_BEST = 10
COLD_GOAL, FAST_GOAL = 1.5, 2.0
MESSAGE_GOAL = 530
FAST_BYTES_GOAL = 160
ROUND_TRIP_GOAL = 2
UNLOCK = Cmd(0x01020304, Action.UNLOCK)
_DONE = Result(Outcome.DONE, UNLOCK.number, 1, 0, bytes(TIME_NONCE_BYTES), TimeState.TRUSTED)
_FAST_DONE = FastResult(Outcome.DONE, 1, 0)


def handshake(stage: Stage) -> None:
    """HELLO to RESULT with a first command; token, keys and vehicle are those of ``stage``.

    ``Stage`` can do it as well, but takes notes for tests meanwhile.
    """
    device, car = _greeted(stage)
    device.begin(stage.now, UNLOCK)
    (asked,) = _deliver(stage, device, car)
    car.sign(_signature(stage.vehicle_signer, asked))
    _, asked = _deliver(stage, car, device)
    device.sign(_signature(stage.device_signer, asked))
    _deliver(stage, device, car)
    car.answer(_DONE, keep_open=True)
    _deliver(stage, car, device)
    assert device.state is car.state is State.OPEN


def fast_unlock(stage: Stage) -> None:
    """HELLO to FAST_RESULT, with the key that ``stage`` has from an earlier handshake."""
    device, car = _greeted(stage)
    device.begin_fast(stage.now, stage.fast_key, UNLOCK)
    _deliver(stage, device, car)
    car.answer_fast(_FAST_DONE)
    _deliver(stage, car, device)
    assert device.state is car.state is State.QUICK


def _greeted(stage: Stage) -> tuple[DeviceSession, VehicleSession]:
    device = DeviceSession(stage.vehicle, stage.hand, stage.info, os.urandom, stage.now)
    car = stage.new_car(os.urandom)
    car.greet(7)
    _deliver(stage, car, device)
    return device, car


def _deliver(stage: Stage, sender: Session, receiver: Session) -> list[Event]:
    """The one message that waits, in one frame."""
    (frame,) = sender.frames(MAX_FRAME)
    return receiver.receive(frame, stage.now)


def _signature(signer: Signer, asked: Event) -> bytes:
    assert isinstance(asked, SignatureNeeded)
    return signer.sign(asked.message)


def processor_time(
    name: str, goal: float, ours: Callable[[], object], raw: Callable[[], object], count: dict[str, int]
) -> Iterator[Figure]:
    """The tenth best of each: what else the machine does only adds time, and more to an interpreter than to AES.

    The median of the ratios, which a busy machine raises, is in ``detail``.
    """
    ours(), raw()
    laps = [(_microseconds(ours), _microseconds(raw)) for _ in range(ROUNDS)]
    mine, base = (sorted(lap[column] for lap in laps)[NTH_BEST - 1] for column in range(2))
    middle = statistics.median(lap[0] / lap[1] for lap in laps)
    detail = {"us": round(mine, 1), "raw_us": round(base, 1), "median_ratio": round(middle, 3), "raw": count}
    yield Figure(f"{name}, both roles, to raw operations", GROUP, mine / base, "ratio", goal=goal, detail=detail)
    yield Figure(f"{name}, both roles", GROUP, mine / 1000, "ms")


def figures() -> Iterator[Figure]:
    stage = Stage()
    cold = bare.cold_handshake(len(stage.hand.token))
    yield from processor_time("cold handshake", COLD_GOAL, lambda: handshake(stage), cold, bare.COLD_COUNT)
    quick = bare.fast_unlock()
    yield from processor_time("fast unlock", FAST_GOAL, lambda: fast_unlock(stage), quick, bare.FAST_COUNT)
    yield from cold_bytes(Stage())
    yield from fast_bytes(Stage())


def cold_bytes(stage: Stage) -> Iterator[Figure]:
    stage.open(UNLOCK)
    assert stage.device.state is stage.car.state is State.OPEN
    yield Figure(
        "cold unlock, messages after HELLO",
        GROUP,
        stage.device.message_bytes,
        "bytes",
        goal=MESSAGE_GOAL,
        detail={"messages": [list(message) for message in stage.messages], "token": len(stage.hand.token)},
    )
    trips = sum(who == "device" for who, _ in stage.messages)
    yield Figure("cold unlock, round trips after HELLO", GROUP, trips, "count", goal=ROUND_TRIP_GOAL)


def fast_bytes(stage: Stage) -> Iterator[Figure]:
    stage.hurry(UNLOCK)
    assert stage.device.state is stage.car.state is State.QUICK
    sizes = [size for _, size in stage.messages]
    yield Figure("fast unlock, messages with HELLO", GROUP, sum(sizes), "bytes", goal=FAST_BYTES_GOAL)
    trips = sum(who == "device" for who, _ in stage.messages)
    yield Figure("fast unlock, round trips after HELLO", GROUP, trips, "count", goal=1)


def _microseconds(call: Callable[[], object]) -> float:
    """Processor time of one call."""
    start = time.process_time()
    call()
    return (time.process_time() - start) * 1e6
