"""A flood of half-open sessions: what each may cost the car, in every state before authentication.

Against a real ``Brain``, with the largest unfinished message that is legal there. The bound is the one that
``protocols/key_session`` states. What OpenSSL keeps of a key beside it is not counted.
"""

from __future__ import annotations

import gc
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from keygw.crypto import cbor, p256
from keygw.model.command import Outcome
from keygw.session.states import State
from keygw.wire.frame import AFTER_AUTHENTICATION, BEFORE_AUTHENTICATION, INACTIVITY_SECONDS
from keygw.wire.messages import Fast, MessageType
from keygw_sim.garage import Garage
from keygw_sim.vehicle.brain import Brain
from keygw_sim.vehicle.pairing import MOST_TRIES

POINT = b"\x09" + bytes(31)
"""X25519's base point: a good G_X and G_D."""
MESSAGE_1 = bytes((MessageType.MESSAGE_1, 0, 6)) + cbor.encode(POINT) + b"\x00"
REFUSED_FAST = bytes((MessageType.FAST,)) + Fast(bytes(8), POINT, bytes(22)).encode()
ASK = bytes((MessageType.PAIR_ASK, 1))
SHARE = bytes((MessageType.PAIR_SHARE,)) + p256.base(5).encode()
ROADS: dict[State, list[bytes]] = {
    State.GREETED: [],
    State.PROVEN: [MESSAGE_1],
    State.QUICK: [REFUSED_FAST],
    State.OFFERED: [ASK],
    State.CONFIRMED: [ASK, SHARE],
}
"""Where a session rests before anybody has proven anything (QUICK: refused), and what an attacker says to get there."""


@pytest.fixture
def garage(tmp_path: Path) -> Garage:
    return Garage(tmp_path).enrol("owner")


@pytest.fixture
def bounds(repository: Path) -> tuple[int, int]:
    """Bytes, before and after PAIR_PROOF, as the specification has them."""
    text = (repository / "protocols" / "key_session" / "README.md").read_text()
    found = re.search(r"\| memory of a half-open session \| (\d+) KiB; (\d+) KiB after PAIR_PROOF", text)
    assert found is not None
    return int(found[1]) * 1024, int(found[2]) * 1024


def half_open(brain: Brain, conn: int, said: list[bytes], size: int) -> int:
    """Connect, say that, and begin a message that never ends, in frames of ``size``. Returns how much of it is kept."""
    brain.connected(conn)
    brain.subscribed(conn)
    for number, message in enumerate(said):
        brain.frame(conn, bytes((0xC0 | number,)) + message)
    list(brain.outgoing(conn, 512))
    number, kept = len(said), 0
    limit = AFTER_AUTHENTICATION if SHARE in said else BEFORE_AUTHENTICATION
    while kept + size - 1 <= limit:
        first = 0x80 if kept == 0 else 0
        brain.frame(conn, bytes((first | number & 0x3F,)) + bytes((MessageType.MESSAGE_1,)) * (size - 1))
        number, kept = number + 1, kept + size - 1
    return kept


def traced(grow: Callable[[], None]) -> int:
    """Bytes that are held after it and were not before."""
    gc.collect()
    tracemalloc.start()
    try:
        grow()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("size", [20, 200, 512])
@pytest.mark.parametrize("state", ROADS)
def test_a_half_open_session_costs_no_more_than_is_stated(
    garage: Garage, bounds: tuple[int, int], state: State, size: int
) -> None:
    brain = garage.brain
    if state in (State.OFFERED, State.CONFIRMED):
        brain.memory.owners.clear()
        brain.open_pairing()
    count = MOST_TRIES - 1 if state is State.CONFIRMED else 60
    half_open(brain, 1000, ROADS[state], size)  # so that memos and tables are there
    kept: list[int] = []
    held = traced(lambda: kept.extend(half_open(brain, 2000 + n, ROADS[state], size) for n in range(count)))
    assert [guest.session.state for guest in brain._guests.values()] == [state] * (count + 1)
    limit = AFTER_AUTHENTICATION if state is State.CONFIRMED else BEFORE_AUTHENTICATION
    assert min(kept) > limit - size
    bound = bounds[1] if state is State.CONFIRMED else bounds[0]
    assert held / count <= bound
    assert held / count > limit / 2, "the flood is not where it should be"


def test_a_flood_gives_everything_back_and_locks_nobody_out(garage: Garage) -> None:
    """The attackers' time ends, or they leave; and an owner gets in between them."""
    brain = garage.brain

    def flood(first: int, count: int) -> None:
        for n in range(first, first + count):
            half_open(brain, n, [MESSAGE_1], 20)
        garage.monotonic += INACTIVITY_SECONDS + 0.001
        brain.tick()
        assert len(brain.finished) == count, "a message that stays unfinished ends its session"
        for n in range(first, first + count):
            brain.disconnected(n)
        garage.log.clear()

    flood(1000, 5)
    # Memos and logs may fill a little; what each session held, more than 3 KiB, must be gone.
    assert traced(lambda: flood(2000, 100)) < 100 * 512
    for n in range(3000, 3100):
        half_open(brain, n, [MESSAGE_1], 20)
    assert garage.tries("owner") is Outcome.DONE


def test_no_state_before_authentication_lets_a_message_grow_beyond_its_limit(garage: Garage) -> None:
    for conn, said in enumerate(road for state, road in ROADS.items() if state is not State.CONFIRMED):
        if ASK in said:
            garage.brain.memory.owners.clear()
            garage.brain.open_pairing()
        kept = half_open(garage.brain, conn, said, 20)
        number = len(said) + kept // 19
        garage.brain.frame(conn, bytes((number & 0x3F,)) + bytes(19))
        assert conn in garage.brain.finished
