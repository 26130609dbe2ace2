"""What an unlock costs on the air, byte for byte: a change that makes it dearer has to say so here and in the docs."""

from __future__ import annotations

import pytest
from benchmarks.bench_air import MTUS, measure

COLD, OPEN, FAST, KEPT = "cold", "in an open session", "fast", "cold, token kept"
ONE, TWO = "chain of one, first meeting", "chain of two, first meeting"
ACL_BYTES = {
    23: {COLD: 715, OPEN: 78, FAST: 142, KEPT: 416, ONE: 1422, TWO: 1959},
    115: {COLD: 547, OPEN: 62, FAST: 110, KEPT: 320, ONE: 1086, TWO: 1487},
    247: {COLD: 539, OPEN: 62, FAST: 110, KEPT: 320, ONE: 1062, TWO: 1455},
    517: {COLD: 531, OPEN: 62, FAST: 110, KEPT: 320, ONE: 1046, TWO: 1431},
}
"""Payloads of ACL packets, both directions, after HELLO (which is 62 more, at MTU 23 78)."""
MESSAGE_BYTES = {COLD: 489, OPEN: 41, FAST: 89, KEPT: 278, ONE: 962, TWO: 1339}
"""Without frame, ATT and L2CAP headers, so the same at every MTU."""
ROUND_TRIPS = {COLD: 2, OPEN: 1, FAST: 1, KEPT: 2, ONE: 4, TWO: 4}


@pytest.mark.parametrize("mtu", MTUS)
async def test_the_air_carries_no_more_than_it_says(mtu: int) -> None:
    rows = await measure(mtu)
    assert {row.name: row.acl_bytes for row in rows} == ACL_BYTES[mtu]
    assert {row.name: row.message_bytes for row in rows} == MESSAGE_BYTES
    assert {row.name: row.round_trips for row in rows} == ROUND_TRIPS
    assert all(row.reply.outcome.ok for row in rows)
