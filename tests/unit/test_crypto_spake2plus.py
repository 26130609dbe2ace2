"""SPAKE2+ and the point arithmetic under it: what must agree, and what must be refused."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from keygw.crypto import p256, spake2plus
from keygw.crypto.errors import CryptoError
from keygw.crypto.p256 import ORDER, Point
from keygw.crypto.spake2plus import Prover, Record, Secret, Verifier, secret_of

IDS = (b"context", b"device", b"vehicle")
SECRET = Secret(1234567, 7654321)


def pair(rng: random.Random, prover: Secret = SECRET, record: Record | None = None) -> tuple[Prover, Verifier]:
    return (
        Prover(prover, rng.randbytes(spake2plus.SECRET_BYTES), *IDS),
        Verifier(record or SECRET.record(), rng.randbytes(spake2plus.SECRET_BYTES), *IDS),
    )


def test_products_agree_with_sums(rng: random.Random) -> None:
    """The recovered y is checked against what only additions say, near both ends of the group and in its middle."""
    point = p256.base(rng.randrange(1, ORDER))
    total = point
    for count in range(2, 20):
        total = p256.add(total, point)
        assert p256.multiply(point, count) == total
        assert p256.multiply(point, ORDER - count) == p256.negate(total)
    assert p256.multiply(point, 1) == point
    assert p256.multiply(point, ORDER - 1) == p256.negate(point)
    left, right = rng.randrange(1, ORDER), rng.randrange(1, ORDER)
    assert p256.multiply(p256.base(left), right) == p256.base(left * right % ORDER)
    assert p256.add(p256.base(left), p256.base(right)) == p256.base((left + right) % ORDER)


@pytest.mark.parametrize("scalar", [0, ORDER, ORDER + 1, -1])
def test_a_scalar_out_of_range_is_refused(scalar: int) -> None:
    with pytest.raises(CryptoError):
        p256.base(scalar)
    with pytest.raises(CryptoError):
        p256.multiply(spake2plus.M, scalar)


def test_no_sum_is_the_point_at_infinity() -> None:
    with pytest.raises(CryptoError, match="infinity"):
        p256.add(spake2plus.M, p256.negate(spake2plus.M))


def test_a_fault_in_the_arithmetic_does_not_pass_for_a_point() -> None:
    with pytest.raises(CryptoError):
        p256.add(spake2plus.M, Point(spake2plus.N.x, spake2plus.N.y ^ 1))


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda share: b"", id="empty"),
        pytest.param(lambda share: share[:-1], id="short"),
        pytest.param(lambda share: share + b"\x00", id="long"),
        pytest.param(lambda share: b"\x00", id="infinity"),
        pytest.param(lambda share: bytes((2 + share[-1] % 2,)) + share[1:33], id="compressed"),
        pytest.param(lambda share: share[:-1] + bytes((share[-1] ^ 1,)), id="off-the-curve"),
        pytest.param(lambda share: b"\x06" + share[1:], id="hybrid"),
        pytest.param(lambda share: b"\x04" + bytes(64), id="zeros"),
    ],
)
def test_a_share_that_is_no_point_is_refused(rng: random.Random, spoil: Callable[[bytes], bytes]) -> None:
    prover, verifier = pair(rng)
    with pytest.raises(CryptoError):
        prover.finish(spoil(verifier.share))
    with pytest.raises(CryptoError):
        verifier.finish(spoil(prover.share))


def test_the_share_that_cancels_the_code_is_refused(rng: random.Random) -> None:
    """w0*N as the verifier's share (and w0*M as the prover's) would make every later point the point at infinity."""
    prover, verifier = pair(rng)
    with pytest.raises(CryptoError, match="infinity"):
        prover.finish(p256.multiply(spake2plus.N, SECRET.w0).encode())
    with pytest.raises(CryptoError, match="infinity"):
        verifier.finish(p256.multiply(spake2plus.M, SECRET.w0).encode())


def test_another_code_confirms_nothing(rng: random.Random) -> None:
    for other in (Secret(SECRET.w0 + 1, SECRET.w1), Secret(SECRET.w0, SECRET.w1 + 1)):
        prover, verifier = pair(rng, prover=other)
        device, vehicle = prover.finish(verifier.share), verifier.finish(prover.share)
        with pytest.raises(CryptoError):
            device.check_verifier(vehicle.confirm_verifier)
        with pytest.raises(CryptoError):
            vehicle.check_prover(device.confirm_prover)
        assert device.shared != vehicle.shared


def test_who_stole_the_record_cannot_play_the_prover(rng: random.Random) -> None:
    """w0 alone is not enough: V needs w1, which the record does not hold."""
    prover, verifier = pair(rng, prover=Secret(SECRET.w0, 1))
    with pytest.raises(CryptoError):
        verifier.finish(prover.share).check_prover(prover.finish(verifier.share).confirm_prover)


def test_one_sides_confirmation_is_not_the_others(rng: random.Random) -> None:
    prover, verifier = pair(rng)
    keys = prover.finish(verifier.share)
    with pytest.raises(CryptoError):
        keys.check_verifier(keys.confirm_prover)


def test_names_and_context_are_part_of_it(rng: random.Random) -> None:
    for changed in ((b"other", *IDS[1:]), (IDS[0], b"vehicle", b"device")):
        _, verifier = pair(rng)
        prover = Prover(SECRET, rng.randbytes(spake2plus.SECRET_BYTES), *changed)
        assert prover.finish(verifier.share).shared != verifier.finish(prover.share).shared


def test_the_code_is_stretched_with_its_salt_and_names() -> None:
    made = {
        secret_of(code, who, b"vehicle", salt)
        for code in (b"00000000", b"00000001")
        for who in (b"device", b"devic")
        for salt in (bytes(16), bytes(15) + b"\x01")
    }
    assert len(made) == 8
    with pytest.raises(CryptoError):
        secret_of(b"00000000", b"device", b"vehicle", bytes(15))


def test_a_record_reads_back_and_nothing_else_does() -> None:
    data = SECRET.record().encode()
    assert Record.decode(data) == SECRET.record()
    for bad in (data[:-1], data + b"\x00", bytes(32) + data[32:], b"\xff" * 32 + data[32:], data[:-1] + b"\x00"):
        with pytest.raises(CryptoError):
            Record.decode(bad)


def test_nothing_secret_shows_in_a_repr(rng: random.Random) -> None:
    prover, verifier = pair(rng)
    shown = f"{SECRET} {SECRET.record()} {prover.finish(verifier.share)} {prover} {verifier}"
    assert not any(character.isdigit() for character in shown.replace("spake2plus", "").split(" object at ")[0])
