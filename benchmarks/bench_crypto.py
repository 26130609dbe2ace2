"""Handshake and fast path, both roles, against the bare `cryptography` operations they cannot do without.

Counted as bare, by hand from the protocol: 2 ES256 signatures (vehicle, device), 3 verifications (token, device,
vehicle), 3 X25519 key pairs (G_V, G_X, G_Y), 2 agreements, 4 AEAD calls (message_3 and RESULT, each sealed and opened).
They run with key objects at hand and DER signatures, the fastest the library can do; hashing is not counted. Both take
turns in the same run, so both meet the same machine.

The fast path, HELLO included: 2 X25519 key pairs (G_V, G_D), 2 agreements, 4 AEAD calls. Its HMACs count as ours.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator

from benchmarks.harness import Figure
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keygw.crypto.signer import LocalSigner
from keygw.model.command import Action
from keygw.session.device import DeviceSession
from keygw.session.states import State
from keygw.session.vehicle import VehicleSession
from keygw.wire.messages import Cmd
from keygw_sim.rehearsal import Stage

GROUP = "crypto"
ROUNDS = 61
BATCH = 10
SIGNS, VERIFIES, KEY_PAIRS, AGREEMENTS, AEADS = 2, 3, 3, 2, 4
MESSAGE_GOAL = 530
ROUND_TRIP_GOAL = 2
FAST_KEY_PAIRS, FAST_AGREEMENTS, FAST_AEADS = 2, 2, 4
FAST_GOAL, FAST_BYTES_GOAL = 2.0, 160
UNLOCK = Cmd(0x01020304, Action.UNLOCK)


def handshake(stage: Stage) -> Stage:
    """HELLO to RESULT with a first command; token, keys and vehicle are those of ``stage``."""
    stage.messages.clear()
    stage.heard_by_car.clear()
    stage.heard_by_device.clear()
    stage.device = DeviceSession(stage.vehicle, stage.hand, stage.info, os.urandom, stage.now)
    stage.car = VehicleSession(
        stage.vehicle.id, stage.vehicle.public_key, stage.verify, stage.info, os.urandom, stage.now
    )
    return stage.open(UNLOCK)


def bare() -> Callable[[], None]:
    """The raw operations of one handshake; making their inputs is not measured."""
    key, es256, message = ec.generate_private_key(ec.SECP256R1()), ec.ECDSA(hashes.SHA256()), bytes(300)
    public, signature = key.public_key(), key.sign(message, es256)
    ours, theirs = X25519PrivateKey.generate(), X25519PrivateKey.generate().public_key().public_bytes_raw()
    aead, nonce, aad, plain = AESGCM(bytes(16)), bytes(12), bytes(45), bytes(280)
    sealed = aead.encrypt(nonce, plain, aad)

    def run() -> None:
        for _ in range(SIGNS):
            key.sign(message, es256)
        for _ in range(VERIFIES):
            public.verify(signature, message, es256)
        for _ in range(KEY_PAIRS):
            X25519PrivateKey.from_private_bytes(os.urandom(32)).public_key().public_bytes_raw()
        for _ in range(AGREEMENTS):
            ours.exchange(X25519PublicKey.from_public_bytes(theirs))
        for _ in range(AEADS // 2):
            aead.encrypt(nonce, plain, aad)
            aead.decrypt(nonce, sealed, aad)

    return run


def fast_unlock(stage: Stage) -> Stage:
    """HELLO to FAST_RESULT; sessions made anew as for ``handshake``."""
    stage.messages.clear()
    stage.heard_by_car.clear()
    stage.heard_by_device.clear()
    stage.device = DeviceSession(stage.vehicle, stage.hand, stage.info, os.urandom, stage.now)
    stage.car = stage.new_car(os.urandom)
    return stage.hurry(UNLOCK)


def bare_fast() -> Callable[[], None]:
    """The raw operations of one fast unlock. AES keys are new in every one, so setting them up is counted."""
    ours, theirs = X25519PrivateKey.generate(), X25519PrivateKey.generate().public_key().public_bytes_raw()
    nonce, aad, plain = bytes(12), bytes(42), bytes(9)
    sealed = AESGCM(bytes(16)).encrypt(nonce, plain, aad)

    def run() -> None:
        for _ in range(FAST_KEY_PAIRS):
            X25519PrivateKey.from_private_bytes(os.urandom(32)).public_key().public_bytes_raw()
        for _ in range(FAST_AGREEMENTS):
            ours.exchange(X25519PublicKey.from_public_bytes(theirs))
        for _ in range(FAST_AEADS // 2):
            AESGCM(bytes(16)).encrypt(nonce, plain, aad)
            AESGCM(bytes(16)).decrypt(nonce, sealed, aad)

    return run


def fast_figures(stage: Stage) -> Iterator[Figure]:
    calls = (lambda: fast_unlock(stage), bare_fast())
    for call in calls:
        call()
    laps = [tuple(_microseconds(call) for call in calls) for _ in range(ROUNDS)]
    ours, raw = (statistics.median(lap[column] for lap in laps) for column in range(2))
    yield Figure(
        "fast unlock, both roles, to raw operations",
        GROUP,
        statistics.median(lap[0] / lap[1] for lap in laps),
        "ratio",
        goal=FAST_GOAL,
        detail={
            "fast_us": round(ours, 1),
            "raw_us": round(raw, 1),
            "x25519_key_pairs": FAST_KEY_PAIRS,
            "x25519_agreements": FAST_AGREEMENTS,
            "aead_calls": FAST_AEADS,
        },
    )
    yield Figure("fast unlock, both roles", GROUP, ours / 1000, "ms")
    fast_unlock(stage)
    assert stage.device.state is stage.car.state is State.QUICK
    sizes = [size for _, size in stage.messages]
    yield Figure("fast unlock, messages with HELLO", GROUP, sum(sizes), "bytes", goal=FAST_BYTES_GOAL)
    trips = sum(who == "device" for who, _ in stage.messages)
    yield Figure("fast unlock, round trips after HELLO", GROUP, trips, "count", goal=1)


def reading_points() -> Callable[[], None]:
    """What the bare operations leave out: the verifiers' public keys arrive as compressed points."""
    point = LocalSigner.generate().public_key

    def run() -> None:
        for _ in range(VERIFIES):
            ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)

    return run


def figures() -> Iterator[Figure]:
    stage = Stage()
    calls = (lambda: handshake(stage), bare(), reading_points())
    for call in calls:
        call()
    laps = [tuple(_microseconds(call) for call in calls) for _ in range(ROUNDS)]
    ours, raw, points = (statistics.median(lap[column] for lap in laps) for column in range(3))
    detail: dict[str, object] = {
        "handshake_us": round(ours, 1),
        "raw_us": round(raw, 1),
        "reading_points_us": round(points, 1),
        "signs": SIGNS,
        "verifies": VERIFIES,
        "x25519_key_pairs": KEY_PAIRS,
        "x25519_agreements": AGREEMENTS,
        "aead_calls": AEADS,
    }
    yield Figure(
        "cold handshake, both roles, to raw operations",
        GROUP,
        statistics.median(lap[0] / lap[1] for lap in laps),
        "ratio",
        detail=detail,
    )
    yield Figure(
        "the same, to raw operations and reading points",
        GROUP,
        statistics.median(lap[0] / (lap[1] + lap[2]) for lap in laps),
        "ratio",
        detail=detail,
    )
    yield Figure("cold handshake, both roles", GROUP, ours / 1000, "ms")
    handshake(stage)
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
    yield from fast_figures(stage)


def _microseconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    for _ in range(BATCH):
        call()
    return (time.perf_counter() - start) / BATCH * 1e6
