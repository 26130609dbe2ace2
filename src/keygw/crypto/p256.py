"""P-256 points for SPAKE2+: what ``cryptography`` leaves out, and nothing more.

``cryptography`` multiplies points but never adds two, and of a product with a foreign point it gives the x alone. So
every multiplication by a secret stays in its constant-time code; here y is found again from two such x (Brier and Joye,
"Weierstrass elliptic curves and side-channel attacks", PKC 2002, section 4), and two affine points are added.

The additions are Python's big integers and so are not constant-time. They see intermediate points, which are as
unpredictable as the ephemeral secrets, and w0*M or w0*N, which depend on the code alone: an observer who can time
single additions inside the process could learn about a code that lives for 120 seconds and five tries.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec

from keygw.crypto.errors import CryptoError

P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
POINT_BYTES = 65
_A = P - 3
_CURVE = ec.SECP256R1()


@dataclass(frozen=True, slots=True)
class Point:
    """A point of the curve that is not the point at infinity. Made by the functions below, which see to that."""

    x: int
    y: int

    def encode(self) -> bytes:
        """SEC1, uncompressed: 65 bytes."""
        return b"\x04" + self.x.to_bytes(32, "big") + self.y.to_bytes(32, "big")

    def __repr__(self) -> str:
        return "Point(...)"


def decode(data: bytes) -> Point:
    """The point in SEC1 form, compressed or not; ``CryptoError`` unless it is on the curve (which excludes infinity).

    The curve's cofactor is 1, so there is no small subgroup to check for.
    """
    try:
        numbers = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, data).public_numbers()
    except ValueError as error:
        raise CryptoError("the point is not on P-256") from error
    return Point(numbers.x, numbers.y)


def base(scalar: int) -> Point:
    """``scalar`` times the generator; ``CryptoError`` unless 0 < scalar < order."""
    numbers = _private(scalar).public_key().public_numbers()
    return Point(numbers.x, numbers.y)


def multiply(point: Point, scalar: int) -> Point:
    """``scalar`` times ``point``; ``CryptoError`` unless 0 < scalar < order."""
    if scalar == ORDER - 1:  # the neighbour that the formula needs would be the point at infinity
        return negate(point)
    public = ec.EllipticCurvePublicNumbers(point.x, point.y, _CURVE).public_key()
    x1 = _x(scalar, public)
    x2 = _x(scalar + 1, public)
    top = 2 * B + (_A + point.x * x1) * (point.x + x1) - x2 * (point.x - x1) ** 2
    return _checked(x1, top * pow(2 * point.y, -1, P) % P)


def negate(point: Point) -> Point:
    return Point(point.x, P - point.y)


def add(left: Point, right: Point) -> Point:
    """``CryptoError`` if the sum is the point at infinity, which no step of SPAKE2+ may meet."""
    if left.x == right.x:
        if left.y != right.y:
            raise CryptoError("the sum is the point at infinity")
        slope = (3 * left.x * left.x + _A) * pow(2 * left.y, -1, P) % P
    else:
        slope = (right.y - left.y) * pow(right.x - left.x, -1, P) % P
    x = (slope * slope - left.x - right.x) % P
    return _checked(x, (slope * (left.x - x) - left.y) % P)


def _private(scalar: int) -> ec.EllipticCurvePrivateKey:
    if not 0 < scalar < ORDER:
        raise CryptoError("the scalar is out of range")
    return ec.derive_private_key(scalar, _CURVE)


def _x(scalar: int, public: ec.EllipticCurvePublicKey) -> int:
    return int.from_bytes(_private(scalar).exchange(ec.ECDH(), public), "big")


def _checked(x: int, y: int) -> Point:
    """Nothing off the curve leaves this room: a fault in the arithmetic shows here, not in a key."""
    if (y * y - (x * x * x + _A * x + B)) % P:
        raise CryptoError("the point is not on P-256")
    return Point(x, y)
