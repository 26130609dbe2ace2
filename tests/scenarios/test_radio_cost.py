"""What an unlock costs on the air, byte for byte: a change that makes it dearer has to say so here and in the docs."""

from __future__ import annotations

import pytest
from benchmarks.bench_air import MTUS, measure

COLD, OPEN, FAST, KEPT = "cold", "in an open session", "fast", "cold, token kept"
ACL_BYTES = {
    23: {COLD: 714, OPEN: 78, FAST: 142, KEPT: 415},
    115: {COLD: 546, OPEN: 62, FAST: 110, KEPT: 319},
    247: {COLD: 538, OPEN: 62, FAST: 110, KEPT: 319},
    517: {COLD: 530, OPEN: 62, FAST: 110, KEPT: 319},
}
"""Payloads of ACL packets, both directions, after HELLO (which is 62 more, at MTU 23 78)."""
ROUND_TRIPS = {COLD: 2, OPEN: 1, FAST: 1, KEPT: 2}


@pytest.mark.parametrize("mtu", MTUS)
async def test_the_air_carries_no_more_than_it_says(mtu: int) -> None:
    rows = await measure(mtu)
    assert {row.name: row.acl_bytes for row in rows} == ACL_BYTES[mtu]
    assert {row.name: row.round_trips for row in rows} == ROUND_TRIPS
    assert all(row.reply.outcome.ok for row in rows)
