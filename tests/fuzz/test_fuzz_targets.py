"""Every target against its invariant: what was kept, bare bytes, bent seeds; and what one input may cost.

Deterministic, as all of the suite: ``KEYGW_SEED`` lets hypothesis look elsewhere. ``make fuzz`` looks much longer.
"""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keygw.model.errors import ProtocolError
from keygw_fuzz import corpus
from keygw_fuzz.mutate import KINDS, Edit, apply
from keygw_fuzz.registry import TARGETS, ordered
from keygw_fuzz.target import PROTOCOL, Broken, Target, check
from keygw_fuzz.vectors import seeds_of, vectors

EDITS = st.lists(
    st.builds(Edit, st.integers(0, len(KINDS) - 1), st.integers(0, 2000), st.integers(0, 2000), st.integers(0, 255)),
    min_size=1,
    max_size=3,
)
STEPS_A_BYTE = 60
MEMORY_BYTES, MEMORY_A_BYTE = 256 * 1024, 200
"""What one input may hold at its peak, beside what the target needs to set its scene."""
EVERY = pytest.mark.parametrize("target", ordered(), ids=lambda target: target.name)

seeds = cache(seeds_of)


def test_the_kept_corpora_are_small_and_belong_to_somebody() -> None:
    files = list(corpus.FOLDER.glob("*.hex"))
    assert len(files) > 60, "make fuzz ARGS=--keep fills them"
    assert sum(path.stat().st_size for path in files) < 300_000
    assert [path.name for path in files if not any(path.name.startswith(f"{name}.") for name in TARGETS)] == []


@EVERY
def test_what_was_kept_holds(target: Target) -> None:
    """Every input that once showed something new, and every crash there ever was."""
    for data in corpus.kept(target.name):
        check(target, data)


@EVERY
def test_the_seeds_are_good(target: Target) -> None:
    """Else nothing behind the first refusal would ever be reached."""
    taken = [check(target, data) for data in seeds(target)]
    assert any(taken), "no seed is taken"


@EVERY
def test_every_vector_is_taken_or_refused(target: Target) -> None:
    """Those of other objects too: what is good in one place is hostile in another."""
    every = vectors()
    for data in every if not target.slow else every[:: max(1, len(every) // 20)]:
        if len(data) <= target.longest:
            check(target, data)


def some(target: Target, count: int) -> settings:
    return settings(max_examples=max(10, count // 8) if target.slow else count)


@EVERY
def test_any_bytes_hold(target: Target) -> None:
    @some(target, 60)
    @given(st.binary(max_size=min(target.longest, 200)))
    def holds(data: bytes) -> None:
        check(target, data)

    holds()


@EVERY
def test_bent_seeds_hold(target: Target) -> None:
    """Flipped, cut, stretched, spliced; CBOR with entries twice, missing, in another order, in longer forms."""
    good = seeds(target)

    @some(target, 120)
    @given(st.sampled_from(good), EDITS, st.sampled_from(good))
    def holds(data: bytes, edits: list[Edit], other: bytes) -> None:
        check(target, apply(data, edits, other)[: target.longest])

    holds()


# -- what it may cost ------------------------------------------------------------------------------------------------

BOMBS = (
    b"\x81" * 4000, b"\x9b" + b"\xff" * 8, b"\xbb" + b"\xff" * 8, b"\x5b" + b"\xff" * 8, b"\xba\x00\x0f\xff\xff" * 800,
    b"\xa1\x00" * 2000, b"\x84" * 4000, b"\x00" * 4096, b"\xff" * 4096, b"[" * 4000, b'{"a":' * 800, b"9" * 4000,
    b"A" * 4000, b"\x40\x00\x01" * 1300, b"\xc0\x00\xffx" * 900,
)  # fmt: skip


def cost(target: Target, data: bytes) -> tuple[int, int]:
    """Calls made, and bytes held at the peak, by one input whose scene is set."""
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        check(target, data)
    finally:
        sys.setprofile(None)
    tracemalloc.start()
    try:
        check(target, data)
        return calls, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@EVERY
def test_one_input_costs_a_bounded_amount(target: Target) -> None:
    """Calls stand for time, so that no clock is read: none may grow faster than the input."""
    good = seeds(target)
    dearest = max(good, key=len)
    for data in (*BOMBS, dearest, dearest * 4, *corpus.kept(target.name)[-3:]):
        bomb = data[: target.longest]
        check(target, bomb)  # so that memos are warm
        calls, peak = cost(target, bomb)
        assert calls <= target.steps + STEPS_A_BYTE * len(bomb), (calls, bomb[:40])
        assert peak <= MEMORY_BYTES + target.unpacks + MEMORY_A_BYTE * len(bomb), (peak, bomb[:40])


# -- can it fail? ----------------------------------------------------------------------------------------------------


def broken(take: Callable[[bytes], object], write: Callable[[object], bytes] | None = None) -> Target:
    return Target("broken", take, PROTOCOL, lambda: [b""], write)


def refuse(data: bytes) -> object:
    raise ProtocolError("no")


def test_a_parser_that_breaks_its_promise_is_caught() -> None:
    assert check(broken(refuse), b"") is False
    assert check(broken(bytes, lambda value: b"x"), b"x") is True
    for bad in (broken(lambda data: data[0]), broken(bytes, lambda value: b"y"), broken(lambda data: 1 // len(data))):
        with pytest.raises(Broken):
            check(bad, b"")


def test_the_edits_do_what_they_say() -> None:
    """A map in a byte string in an array: twice, gone, longer, with every length around it right."""
    good = bytes.fromhex("8245a2010203f500")
    bent = {apply(good, [Edit(kind, at, size, 0)]) for kind in range(9, 13) for at in range(9) for size in range(11)}
    wanted = (
        "8246a218010203f500 8247a30102010203f500 8243a103f500 9f45a2010203f500ff 825805a2010203f500 8245a203f5010200"
    )
    assert {bytes.fromhex(one) for one in wanted.split()} - bent == set()
