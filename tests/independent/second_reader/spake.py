"""SPAKE2+ (RFC 9383) as the prover, in the plainest way: for vectors alone, nothing here is constant-time."""

import hashlib
import hmac

from second_reader.objects import expand, mac

P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
G = "036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
M = "02886e2f97ace46e55ba9dd7242579f2993b64e16ef3dcab95afd497333d8fa12f"
N = "03d8bbd6c639c62937b04d997f38c3770719c629d7014d49a24b4f98baa1292b49"

Point = tuple[int, int]


def point(data: bytes) -> Point:
    """A point in either SEC1 form."""
    x = int.from_bytes(data[1:33], "big")
    y = pow(x**3 - 3 * x + B, (P + 1) // 4, P)
    if data[0] == 4:
        y = int.from_bytes(data[33:], "big")
    elif y & 1 != data[0] & 1:
        y = P - y
    assert (y * y - (x**3 - 3 * x + B)) % P == 0
    return x, y


def raw(at: Point) -> bytes:
    return b"\x04" + at[0].to_bytes(32, "big") + at[1].to_bytes(32, "big")


def add(one: Point | None, two: Point | None) -> Point | None:
    if one is None or two is None:
        return one or two
    if one[0] == two[0] and (one[1] + two[1]) % P == 0:
        return None
    if one == two:
        slope = 3 * (one[0] ** 2 - 1) * pow(2 * one[1], -1, P) % P
    else:
        slope = (two[1] - one[1]) * pow(two[0] - one[0], -1, P) % P
    x = (slope**2 - one[0] - two[0]) % P
    return x, (slope * (one[0] - x) - one[1]) % P


def times(scalar: int, at: Point) -> Point:
    total: Point | None = None
    step: Point | None = at
    while scalar:
        if scalar & 1:
            total = add(total, step)
        step, scalar = add(step, step), scalar >> 1
    assert total is not None
    return total


def stretch(code: str, salt: bytes) -> tuple[int, int]:
    """w0 and w1."""
    parts = (code.encode(), b"device", b"vehicle")
    password = b"".join(len(part).to_bytes(8, "little") + part for part in parts)
    long = hashlib.scrypt(password, salt=salt, n=1 << 14, r=8, p=1, dklen=80, maxmem=1 << 26)
    return int.from_bytes(long[:40], "big") % ORDER, int.from_bytes(long[40:], "big") % ORDER


class Prover:
    """The device's side: its share, and all that follows from the vehicle's."""

    def __init__(self, code: str, salt: bytes, x: int, context: bytes, share_v: bytes) -> None:
        w0, w1 = stretch(code, salt)
        g, m, n = (point(bytes.fromhex(text)) for text in (G, M, N))
        share_p = add(times(x, g), times(w0, m))
        minus = times(w0, n)
        bare = add(point(share_v), (minus[0], P - minus[1]))
        assert share_p is not None
        assert bare is not None
        self.share = raw(share_p)
        z, v = times(x, bare), times(w1, bare)
        parts = (context, b"device", b"vehicle", raw(m), raw(n), self.share, share_v, raw(z), raw(v))
        transcript = b"".join(len(part).to_bytes(8, "little") + part for part in (*parts, w0.to_bytes(32, "big")))
        main = mac(bytes(32), hashlib.sha256(transcript).digest())  # HKDF-Extract with no salt
        confirm = expand(main, b"ConfirmationKeys", 64)
        self.k_shared = expand(main, b"SharedKey", 32)
        self.confirm_p = hmac.digest(confirm[:32], share_v, "sha256")
        self.confirm_v = hmac.digest(confirm[32:], self.share, "sha256")
