"""The JWT form of a key token, ours beside PyJWT alone, joserfc (PyPI) and fast-jwt (npm): the same claims, ES256.

Shown, not judged: the others check a signature and the times; ours checks each claim and each byte's spelling as well.
All Python takes turns in one process, with key objects at hand. fast-jwt runs in node, in rounds of its own, so its
figure is also told as a ratio to node's bare signature. Processor time, the median of the rounds.

fast-jwt comes by ``npm ci`` into a temporary folder, in the versions and with the hashes of ``fast_jwt/package-lock``;
no script of a package runs. Where node or npm is missing, or nothing can be fetched, its rows say ``absent``. joserfc
is there after ``make setup``.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jwt as pyjwt
from benchmarks.harness import Figure
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from keygw.crypto.signer import LocalSigner, thumbprint
from keygw.model.digital_key import Role
from keygw.model.entitlement import Entitlement
from keygw.model.ids import format_id
from keygw.token.claims import KeyClaims, StatusReference
from keygw.token.jwt import decode_jwt, encode_jwt
from keygw.token.trust import IssuerKey, TrustedIssuers

GROUP = "token"
ROUNDS, BATCH = 21, 50
_SECRET = 0x5EED
_NOW = 1_700_000_000
_FOLDER = Path(__file__).parent / "fast_jwt"
_SECONDS = 120

Call = Callable[[], object]


def figures() -> Iterator[Figure]:
    private = ec.derive_private_key(_SECRET, ec.SECP256R1())
    signer = LocalSigner.from_secret(_SECRET)
    key = IssuerKey.of("https://keys.example", signer.public_key)
    claims, trusted = _claims(key.issuer), TrustedIssuers([key])
    token = encode_jwt(claims, signer, key.kid)
    header = pyjwt.get_unverified_header(token)
    payload: dict[str, Any] = pyjwt.decode(token, options={"verify_signature": False})
    calls: dict[str, tuple[Call, Call]] = {
        "keygw": (lambda: encode_jwt(claims, signer, key.kid), lambda: decode_jwt(token, trusted, now=time.time())),
        "PyJWT alone": _pyjwt(private, header, payload, token),
    }
    names = {"keygw": "keygw", "PyJWT alone": f"PyJWT {version('pyjwt')} alone"}
    if find_spec("joserfc") is not None:
        calls["joserfc"] = _joserfc(private, header, payload, token)
        names["joserfc"] = f"joserfc {version('joserfc')}"
    found = _turns(calls)
    for name, (sign, verify) in found.items():
        for what, value, ours in (("encode", sign, found["keygw"][0]), ("verify", verify, found["keygw"][1])):
            yield Figure(
                f"JWT {what}: {names[name]}", GROUP, value, "us", detail={"keygw / it": round(ours / value, 2)}
            )
    if "joserfc" not in calls:
        yield from _absent("joserfc", "not installed: make setup")
    yield from _fast_jwt(private, header, payload, found["keygw"])


def _claims(issuer: str) -> KeyClaims:
    device, vehicle = (LocalSigner.from_secret(secret).public_key for secret in (3, 2))
    return KeyClaims(
        issuer=issuer, key_id=format_id("key", b"friend-key"), device_key=device,
        vehicle_id=format_id("veh", b"vehicle-01"), vehicle_thumbprint=thumbprint(vehicle)[:16],
        role=Role.FRIEND, entitlements=Entitlement(2047), index=300, issued_at=_NOW, not_before=_NOW,
        expires_at=2**33, parent_id=format_id("key", b"parent-key"), depth=1, max_depth=2, epoch=300,
        status=StatusReference(700_000, f"{issuer}/v1/status-lists/1"),
    )  # fmt: skip


def _pyjwt(private: ec.EllipticCurvePrivateKey, header: Any, payload: Any, token: str) -> tuple[Call, Call]:
    public = private.public_key()
    return (
        lambda: pyjwt.encode(payload, private, algorithm="ES256", headers=header),
        lambda: pyjwt.decode(token, public, algorithms=["ES256"], options={"verify_aud": False}),
    )


def _joserfc(private: ec.EllipticCurvePrivateKey, header: Any, payload: Any, token: str) -> tuple[Call, Call]:
    from joserfc import jwt as joserfc_jwt  # noqa: PLC0415 - a tool of development, which need not be there
    from joserfc.jwk import ECKey  # noqa: PLC0415

    ours = ECKey.import_key(_pem(private))
    public = ECKey.import_key(_public_pem(private))
    return (
        lambda: joserfc_jwt.encode(header, payload, ours, algorithms=["ES256"]),
        lambda: joserfc_jwt.decode(token, public, algorithms=["ES256"]),
    )


def _turns(calls: dict[str, tuple[Call, Call]]) -> dict[str, tuple[float, float]]:
    """Microseconds of ``(encode, verify)`` by name; in each round everybody has a turn."""

    def timed(call: Call) -> float:
        start = time.process_time()
        for _ in range(BATCH):
            call()
        return (time.process_time() - start) / BATCH * 1e6

    seen: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in calls}
    for _ in range(ROUNDS + 1):
        for name, both in calls.items():
            for values, call in zip(seen[name], both, strict=True):
                values.append(timed(call))
    # The first round warmed everything up.
    return {name: (statistics.median(sign[1:]), statistics.median(check[1:])) for name, (sign, check) in seen.items()}


def _fast_jwt(
    private: ec.EllipticCurvePrivateKey, header: Any, payload: Any, ours: tuple[float, float]
) -> Iterator[Figure]:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        yield from _absent("npm fast-jwt", "no node or no npm on this machine")
        return
    asked = {
        "pem": _pem(private).decode(), "public_pem": _public_pem(private).decode(), "header": header,
        "claims": payload, "rounds": ROUNDS, "batch": BATCH,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "fast_jwt"
        shutil.copytree(_FOLDER, place)
        try:
            _run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], place, "")
            said = json.loads(_run([node, "measure.mjs"], place, json.dumps(asked)))
            number = json.loads((place / "node_modules/fast-jwt/package.json").read_text("utf-8"))["version"]
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            yield from _absent("npm fast-jwt", f"{type(error).__name__}: it could not be fetched or run")
            return
    # What it made is one of ours, or the two have not done the same.
    decode_jwt(
        said["token"], TrustedIssuers([IssuerKey.of(payload["iss"], LocalSigner.from_secret(_SECRET).public_key)])
    )
    for what, name, mine in (("encode", "sign", ours[0]), ("verify", "verify", ours[1])):
        detail: dict[str, object] = {
            "keygw / it": round(mine / said[name], 2), "it / raw node": round(said[name] / said[f"raw_{name}"], 2),
        }  # fmt: skip
        yield Figure(f"JWT {what}: npm fast-jwt {number}", GROUP, said[name], "us", detail=detail)


def _absent(name: str, why: str) -> Iterator[Figure]:
    for what in ("encode", "verify"):
        yield Figure(f"JWT {what}: {name}", GROUP, 0, "absent", detail={"absent": why})


def _run(command: list[str], place: Path, stdin: str) -> str:
    return subprocess.run(
        command, cwd=place, input=stdin, capture_output=True, text=True, check=True, timeout=_SECONDS
    ).stdout


def _pem(private: ec.EllipticCurvePrivateKey) -> bytes:
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _public_pem(private: ec.EllipticCurvePrivateKey) -> bytes:
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
