"""Key tokens against the bare `cryptography` operation they rest on, measured turn by turn in the same run.

The baseline is ``private_key.sign`` / ``public_key.verify`` with key objects at hand and DER signatures, the fastest
the library can do; what is measured carries encoding, strict parsing and every check on top.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

from benchmarks.harness import Figure
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from keygw.crypto.signer import LocalSigner, thumbprint
from keygw.model.digital_key import Role
from keygw.model.entitlement import Entitlement
from keygw.model.ids import format_id
from keygw.token.claims import KeyClaims
from keygw.token.cwt import decode_cwt, encode_cwt
from keygw.token.jwt import decode_jwt, encode_jwt
from keygw.token.trust import IssuerKey, TrustedIssuers

GROUP = "token"
ENCODE_GOAL = 1.35
DECODE_GOAL = 1.5
ROUNDS = 41
BATCH = 50
DEVICES = 1024
_SECRET = 0x5EED
_NOW = 1_800_000_000


def ratio(ours: Callable[[], object], bare: Callable[[], object]) -> tuple[float, float, float]:
    """``(median ratio, our microseconds, bare microseconds)``: the two take turns, so both meet the same machine."""

    def timed(call: Callable[[], object]) -> float:
        start = time.process_time()
        for _ in range(BATCH):
            call()
        return (time.process_time() - start) / BATCH * 1e6

    timed(ours), timed(bare)
    pairs = [(timed(ours), timed(bare)) for _ in range(ROUNDS)]
    return (
        statistics.median(mine / base for mine, base in pairs),
        statistics.median(mine for mine, _ in pairs),
        statistics.median(base for _, base in pairs),
    )


def figures() -> Iterator[Figure]:
    bare_key, es256 = ec.derive_private_key(_SECRET, ec.SECP256R1()), ec.ECDSA(hashes.SHA256())
    bare_public, message = bare_key.public_key(), bytes(200)
    bare_signature = bare_key.sign(message, es256)
    signer, car = LocalSigner.from_secret(_SECRET), LocalSigner.from_secret(2)
    key = IssuerKey.of("https://keys.example", signer.public_key)
    trusted = TrustedIssuers([key])
    head = thumbprint(car.public_key)[:16]

    def claims(device: bytes) -> KeyClaims:
        return KeyClaims(
            issuer=key.issuer,
            key_id=format_id("key", b"friend-key"),
            device_key=device,
            vehicle_id=format_id("veh", b"vehicle-01"),
            vehicle_thumbprint=head,
            role=Role.FRIEND,
            entitlements=Entitlement(2047),
            index=300,
            issued_at=_NOW,
            not_before=_NOW + 60,
            expires_at=_NOW + 3600,
            parent_id=format_id("key", b"parent-key"),
            depth=1,
            max_depth=2,
            epoch=300,
            status_index=70_000,
            user_verification=True,
        )

    sample = claims(LocalSigner.from_secret(3).public_key)
    cwt, jwt = encode_cwt(sample, signer, key.kid), encode_jwt(sample, signer, key.kid)
    many = [encode_cwt(claims(LocalSigner.from_secret(9 + n).public_key), signer, key.kid) for n in range(DEVICES)]
    turn = iter(many * (ROUNDS * BATCH // DEVICES + 2))

    def sign() -> object:
        return bare_key.sign(message, es256)

    def verify() -> object:
        return bare_public.verify(bare_signature, message, es256)

    pyjwt = "goes through PyJWT, which parses once more what the strict reader has parsed; no goal while it does"
    cases: tuple[tuple[str, Callable[[], object], Callable[[], object], float | None, str], ...] = (
        ("encode_cwt / raw ES256 sign", lambda: encode_cwt(sample, signer, key.kid), sign, ENCODE_GOAL, ""),
        ("decode_cwt / raw ES256 verify", lambda: decode_cwt(cwt, trusted), verify, DECODE_GOAL, "device seen before"),
        (
            "decode_cwt of a new device / raw ES256 verify",
            lambda: decode_cwt(next(turn), trusted),
            verify,
            None,
            f"{DEVICES} devices in turn: each device key is checked to be a point of the curve (a square root)",
        ),
        ("encode_jwt / raw ES256 sign", lambda: encode_jwt(sample, signer, key.kid), sign, None, pyjwt),
        ("decode_jwt / raw ES256 verify", lambda: decode_jwt(jwt, trusted), verify, None, pyjwt),
    )
    for name, ours, bare, goal, note in cases:
        value, mine, base = ratio(ours, bare)
        detail: dict[str, object] = {"us": round(mine, 2), "raw_us": round(base, 2), "rounds": ROUNDS, "batch": BATCH}
        yield Figure(name, GROUP, value, "x", goal=goal, detail=detail | ({"note": note} if note else {}))
    yield Figure("CWT, every claim present", GROUP, len(cwt), "bytes", goal=230)
    yield Figure("JWT, every claim present", GROUP, len(jwt), "characters", goal=760)
