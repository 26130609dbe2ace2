"""The public status list at its full size, against what no implementation can do without: zlib of the same bytes.

The list has a million places, and one key in a hundred is revoked, at random, as places are given. The baseline is
``zlib.compress`` at level 6 of the same quarter of a megabyte; ours changes one status in place, compresses, writes the
claims and signs. The entropy is that of a million independent keys of which one in a hundred is revoked.
"""

from __future__ import annotations

import math
import random
import statistics
import time
import zlib
from collections.abc import Callable, Iterator

from benchmarks.harness import Figure, microseconds

from keygw.crypto.signer import LocalSigner
from keygw.token.status_list import LEVEL, Status, StatusArray, compress, sign_status_list, verify_status_list
from keygw.token.trust import IssuerKey, TrustedIssuers

GROUP = "credentials"
TIME_GOAL = 1.3
SIZE_GOAL = 1.8
KEYS = 1_000_000
REVOKED = KEYS // 100
ROUNDS, BATCH = 15, 4
_URI = "https://keys.example/v1/status-lists/1"
_NOW = 1_800_000_000


def figures() -> Iterator[Figure]:
    signer = LocalSigner.from_secret(0x5EED)
    key = IssuerKey.of("https://keys.example", signer.public_key)
    trusted = TrustedIssuers([key])
    chance = random.Random(21)  # noqa: S311 - places of a benchmark, the same in every run
    places = chance.sample(range(KEYS), REVOKED)
    turn = iter(chance.sample(range(KEYS), ROUNDS * BATCH + BATCH))

    def start() -> StatusArray:
        statuses = StatusArray(KEYS)
        for place in places:
            statuses[place] = Status.INVALID
        return statuses

    def sign(statuses: StatusArray) -> str:
        return sign_status_list(
            statuses, _URI, signer, key.kid, issued_at=_NOW, expires_at=_NOW + 3600, ttl=300, aggregation_uri=_URI[:-2]
        )

    def change_and_sign() -> str:
        statuses[next(turn)] = Status.SUSPENDED
        return sign(statuses)

    statuses = start()
    plain, text = bytes(statuses), sign(statuses)
    size, least = len(compress(plain)), entropy(KEYS, REVOKED / KEYS)
    value, ours, bare = ratio(change_and_sign, lambda: zlib.compress(plain, LEVEL))
    name = "status list, 1 M keys, 1% revoked"
    yield Figure(
        f"{name}: rebuild + sign / zlib", GROUP, value, "x", TIME_GOAL,
        detail={"ms": round(ours * 1e3, 3), "zlib_ms": round(bare * 1e3, 3), "zlib": zlib.ZLIB_RUNTIME_VERSION},
    )  # fmt: skip
    yield Figure(
        f"{name}: compressed / entropy", GROUP, size / least, "x", SIZE_GOAL,
        detail={"bytes": size, "entropy_bytes": round(least), "plain_bytes": len(plain)},
    )  # fmt: skip
    yield Figure(f"{name}: as it travels", GROUP, len(text), "characters")
    yield Figure(f"{name}: verify", GROUP, microseconds(lambda: verify_status_list(text, trusted, _URI, _NOW)), "us")
    yield Figure(f"{name}: a process that starts", GROUP, microseconds(lambda: sign(start()), rounds=3), "us")


def entropy(count: int, share: float) -> float:
    """Bytes that so many independent yes or no need at least, of which that share is yes."""
    return -count * (share * math.log2(share) + (1 - share) * math.log2(1 - share)) / 8


def ratio(ours: Callable[[], object], bare: Callable[[], object]) -> tuple[float, float, float]:
    """``(median ratio, our seconds, bare seconds)`` of processor time; the two take turns."""

    def timed(call: Callable[[], object]) -> float:
        begun = time.process_time()
        for _ in range(BATCH):
            call()
        return (time.process_time() - begun) / BATCH

    timed(ours), timed(bare)
    pairs = [(timed(ours), timed(bare)) for _ in range(ROUNDS)]
    return (
        statistics.median(mine / base for mine, base in pairs),
        statistics.median(mine for mine, _ in pairs),
        statistics.median(base for _, base in pairs),
    )
