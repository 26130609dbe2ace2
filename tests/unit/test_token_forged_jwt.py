"""Forged and misshapen key tokens, JWT form: none is accepted, and each is refused with a TokenError.

Two kinds of forger: one without the issuer's key, and (harder) the issuer's own key under something that is not a key
token of this specification: another purpose, another spelling, another meaning.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cbor2
import pytest

from keygw.crypto.signer import LocalSigner, coordinates, thumbprint
from keygw.model.digital_key import Role
from keygw.model.entitlement import Entitlement
from keygw.model.errors import TokenError
from keygw.model.ids import format_id
from keygw.token.claims import KeyClaims
from keygw.token.cwt import encode_cwt
from keygw.token.jwt import decode_jwt, encode_jwt
from keygw.token.trust import IssuerKey, TrustedIssuers, kid_of

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ISSUER = LocalSigner.from_secret(11)
ATTACKER = LocalSigner.from_secret(13)
DEVICE = LocalSigner.from_secret(17)
CAR = LocalSigner.from_secret(19)
VEHICLE = format_id("veh", b"vehicle-01")
NOW = 1_800_000_000
KEY = IssuerKey.of("https://keys.example", ISSUER.public_key)
OTHER = IssuerKey.of("https://other.example", LocalSigner.from_secret(23).public_key)
TRUST = TrustedIssuers([KEY, OTHER])
CLAIMS = KeyClaims(
    issuer=KEY.issuer,
    key_id=format_id("key", b"friend-key"),
    device_key=DEVICE.public_key,
    vehicle_id=VEHICLE,
    vehicle_thumbprint=thumbprint(CAR.public_key)[:16],
    role=Role.FRIEND,
    entitlements=Entitlement.DOOR_UNLOCK | Entitlement.STATUS_READ,
    index=7,
    issued_at=NOW - 60,
    not_before=NOW - 60,
    expires_at=NOW + 3600,
    parent_id=format_id("key", b"parent-key"),
    depth=1,
    max_depth=2,
    epoch=3,
    status_index=900,
    user_verification=True,
)
JWT = encode_jwt(CLAIMS, ISSUER, KEY.kid)
CWT = encode_cwt(CLAIMS, ISSUER, KEY.kid)
Sign = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Forgery:
    name: str
    token: Any
    code: str | None = None
    """The code it must get, where more than "malformed" is promised."""


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


HEADER = {"typ": "dk+jwt", "alg": "ES256", "kid": b64(KEY.kid)}
PAYLOAD: dict[str, Any] = json.loads(unb64(JWT.split(".")[1]))


def spell(value: object) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()


def jws(header: object = None, payload: object = None, sign: Sign = ISSUER.sign) -> str:
    head = b64(spell(HEADER if header is None else header)) + "." + b64(spell(PAYLOAD if payload is None else payload))
    return f"{head}.{b64(sign(head.encode()))}"


def with_header(**changes: object) -> dict[str, object]:
    return {**HEADER, **changes}


def with_claims(**changes: object) -> dict[str, object]:
    return {**PAYLOAD, **changes}


def without(value: dict[str, Any], name: str) -> dict[str, Any]:
    return {other: kept for other, kept in value.items() if other != name}


def der(signature: bytes) -> bytes:
    def integer(data: bytes) -> bytes:
        data = data.lstrip(b"\0")
        data = (b"\0" if data[0] & 0x80 else b"") + data
        return bytes((2, len(data))) + data

    body = integer(signature[:32]) + integer(signature[32:])
    return bytes((0x30, len(body))) + body


def bad_signatures(genuine: bytes, message: bytes) -> Iterator[tuple[str, bytes]]:
    """For ``message``, whose right signature is ``genuine``."""

    def pair(r: int, s: int) -> bytes:
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    r, s = int.from_bytes(genuine[:32], "big"), int.from_bytes(genuine[32:], "big")
    yield "empty", b""
    for name, left, right in (
        ("r=s=0", 0, 0),
        ("r=0", 0, s),
        ("s=0", r, 0),
        ("r=s=1", 1, 1),
        ("r=n", N, s),
        ("s=n", r, N),
        ("r=s=n", N, N),
        ("r=p", P, s),
        ("all ones", 2**256 - 1, 2**256 - 1),
        ("swapped", s, r),
        ("r+1", r + 1, s),
        ("s+1", r, s + 1),
        ("r negated", N - r, s),
    ):
        yield name, pair(left, right)
    yield "DER", der(genuine)
    yield "DER zero", bytes.fromhex("3006020100020100")
    yield "DER by attacker", der(ATTACKER.sign(message))
    yield "by attacker", ATTACKER.sign(message)
    yield "of nothing", ISSUER.sign(b"")
    yield "of the digest", ISSUER.sign(hashlib.sha256(message).digest())
    yield "short by one", genuine[:-1]
    yield "half", genuine[:32]
    yield "long by one", genuine + b"\0"
    yield "led by a zero", b"\0" + genuine
    yield "twice", genuine * 2


def jwt_signatures() -> Iterator[Forgery]:
    head, _, signature = JWT.rpartition(".")
    for name, forged in bad_signatures(unb64(signature), head.encode()):
        yield Forgery(f"signature {name}", f"{head}.{b64(forged)}", "token_signature")
    elsewhere = encode_jwt(dataclasses.replace(CLAIMS, index=8), ISSUER, KEY.kid)
    yield Forgery("signature of another token", f"{head}.{elsewhere.rpartition('.')[2]}", "token_signature")
    yield Forgery("signed by another trusted issuer", jws(sign=LocalSigner.from_secret(23).sign), "token_signature")
    stronger = b64(spell(with_claims(exp=NOW + 10**6)))
    yield Forgery("claims changed", f"{head.split('.')[0]}.{stronger}.{signature}", "token_signature")


def jwt_algorithms() -> Iterator[Forgery]:
    names = [
        "none",
        "None",
        "NONE",
        "nOnE",
        "",
        "HS256",
        "HS384",
        "HS512",
        "RS256",
        "PS256",
        "ES384",
        "ES512",
        "ES256K",
    ]
    odd: list[object] = ["ESP256", "EdDSA", "es256", "Es256", " ES256", "ES256 ", "ES256\0", "dir", 0, -7, True, None]
    signers: dict[str, Sign] = {
        "empty": lambda message: b"",
        "zeros": lambda message: bytes(64),
        "attacker": ATTACKER.sign,
        "issuer": ISSUER.sign,
    }
    shapes: list[object] = [["ES256"], {"alg": "ES256"}]
    for alg, (who, sign) in itertools.product([*names, *odd, *shapes], signers.items()):
        yield Forgery(f"alg {alg!r} signed {who}", jws(with_header(alg=alg), sign=sign))
    yield Forgery("alg missing", jws(without(HEADER, "alg")))
    point = b"\x04" + b"".join(coordinates(ISSUER.public_key))
    secrets = {"compressed": ISSUER.public_key, "point": point, "kid": KEY.kid, "kid text": b64(KEY.kid).encode()}
    for (name, secret), (alg, hash_) in itertools.product(
        {**secrets, "empty": b""}.items(), {"HS256": "sha256", "HS384": "sha384", "ES256": "sha256"}.items()
    ):

        def mac(message: bytes, secret: bytes = secret, hash_: str = hash_) -> bytes:
            return hmac.digest(secret, message, hash_)

        yield Forgery(f"{alg} is HMAC with the public key ({name})", jws(with_header(alg=alg), sign=mac))


def jwt_headers() -> Iterator[Forgery]:
    x, y = coordinates(ATTACKER.public_key)
    extra: dict[str, object] = {
        "jwk": {"kty": "EC", "crv": "P-256", "x": b64(x), "y": b64(y)},
        "jku": "https://attacker.example/jwks.json",
        "x5u": "https://attacker.example/chain.pem",
        "x5c": ["MIIB"],
        "x5t": b64(bytes(20)),
        "x5t#S256": b64(bytes(32)),
        "crit": ["exp"],
        "b64": False,
        "zip": "DEF",
        "cty": "JWT",
        "enc": "A128GCM",
        "epk": {},
        "apu": "",
        "iv": "",
        "tag": "",
        "p2c": 1,
        "url": "https://keys.example",
        "nonce": "1",
        "iss": KEY.issuer,
        "aud": VEHICLE,
        "exp": NOW + 10**9,
        "use": "sig",
        "Alg": "ES256",
        "": "",
    }
    for (name, value), signer in itertools.product(extra.items(), (ISSUER, ATTACKER)):
        who = "issuer" if signer is ISSUER else "attacker"
        yield Forgery(f"header {name!r} by {who}", jws(with_header(**{name: value}), sign=signer.sign))
    # The forger's own key, offered in every way there is, under the kid that it would have.
    for name in ("jwk", "jku", "x5u", "x5c", "x5t#S256"):
        own = with_header(kid=b64(kid_of(ATTACKER.public_key)), **{name: extra[name]})
        yield Forgery(f"header {name!r} under the attacker's kid", jws(own, sign=ATTACKER.sign), "token_malformed")
    for crit in ([], ["b64"], ["alg"], ["unknown"], ["unknown", "unknown"], "b64", None, [1]):
        yield Forgery(f"crit {crit!r}", jws(with_header(crit=crit)))
        yield Forgery(f"crit {crit!r} with b64", jws(with_header(crit=crit, b64=False)))
    body = spell(PAYLOAD).decode()
    head = b64(spell(with_header(b64=False, crit=["b64"])))
    signature = b64(ISSUER.sign(f"{head}.{body}".encode()))
    yield Forgery("b64=false, payload in clear", f"{head}.{body}.{signature}")
    yield Forgery("b64=false, detached", f"{head}..{signature}")
    for typ in (
        *("JWT", "jwt", "", "DK+JWT", "dk+JWT", "dk+jwt ", " dk+jwt", "application/dk+jwt", "statuslist+jwt", "at+jwt"),
        *("dk", "dkrl", "dk+cwt", "secevent+jwt", "JOSE", None, 1, True, ["dk+jwt"], {"typ": "dk+jwt"}),
    ):
        yield Forgery(f"typ {typ!r}", jws(with_header(typ=typ)), "wrong_type")
    yield Forgery("typ missing", jws(without(HEADER, "typ")), "wrong_type")


def jwt_kids() -> Iterator[Forgery]:
    strange: list[object] = [
        *(
            "../../../dev/null",
            "/dev/null",
            "' OR 1=1 --",
            "key|id",
            "$(id)",
            "http://attacker.example",
            "",
            "AA",
            "\0",
        ),
        *(KEY.kid.hex(), b64(KEY.kid) + "=", " " + b64(KEY.kid), b64(KEY.kid) + "\n", b64(KEY.kid)[:-1] + "V"),
        *(
            b64(KEY.kid + b"\0"),
            b64(KEY.kid[:4]),
            b64(bytes(8)),
            b64(kid_of(ATTACKER.public_key)),
            b64(thumbprint(ISSUER.public_key)),
        ),
        *(None, 0, True, [], [b64(KEY.kid)], {"kid": b64(KEY.kid)}),
    ]
    for kid, signer in itertools.product(strange, (ISSUER, ATTACKER)):
        if kid == b64(KEY.kid):
            continue
        who = "issuer" if signer is ISSUER else "attacker"
        yield Forgery(f"kid {kid!r} by {who}", jws(with_header(kid=kid), sign=signer.sign))
    yield Forgery("kid missing", jws(without(HEADER, "kid")))
    yield Forgery("kid of another issuer", jws(with_header(kid=b64(OTHER.kid))), "token_signature")
    theirs = jws(with_header(kid=b64(OTHER.kid)), sign=LocalSigner.from_secret(23).sign)
    yield Forgery("a trusted key speaks for another issuer", theirs, "wrong_issuer")
    yield Forgery("unknown kid", jws(with_header(kid=b64(b"unknown!"))), "unknown_issuer")


def jwt_duplicates() -> Iterator[Forgery]:
    def twice(value: dict[str, Any], name: str, other: object, *, first: bool, escape: bool) -> bytes:
        again = "".join(f"\\u{ord(letter):04x}" for letter in name) if escape else name
        member = f'"{again}":{json.dumps(other)}'
        text = spell(value).decode()
        return (f"{{{member},{text[1:]}" if first else f"{text[:-1]},{member}}}").encode()

    for first, escape in itertools.product((True, False), repeat=2):
        how = f"{'first' if first else 'last'}{', escaped' if escape else ''}"
        for name, value in HEADER.items():
            yield Forgery(f"header {name} twice ({how})", jws(twice(HEADER, name, value, first=first, escape=escape)))
        for name, value in PAYLOAD.items():
            double = twice(PAYLOAD, name, value, first=first, escape=escape)
            yield Forgery(f"claim {name} twice ({how})", jws(payload=double))
        jwk: dict[str, Any] = PAYLOAD["cnf"]["jwk"]
        for name, value in jwk.items():
            inner = twice(jwk, name, value, first=first, escape=escape)
            text = spell(PAYLOAD).replace(spell(jwk), inner)
            yield Forgery(f"jwk {name} twice ({how})", jws(payload=text))


BAD_NUMBERS = (
    *("NaN", "Infinity", "-Infinity", "1e400", "1.8e9", "1800000000.0", "-1", "-0", "253402300800", str(2**63)),
    *(str(2**64), "9" * 400, "true", "false", '"1800000000"', "[1800000000]", "{}", "01", "0x10"),
)


def jwt_claims() -> Iterator[Forgery]:
    def raw(name: str, text: str) -> bytes:
        return spell(with_claims(**{name: "@"})).replace(b'"@"', text.encode())

    for name, text in itertools.product(("iat", "nbf", "exp"), (*BAD_NUMBERS, "0", "null")):
        yield Forgery(f"{name} {text[:20]}", jws(payload=raw(name, text)), "token_malformed")
    for place, text in itertools.product(range(10), (*BAD_NUMBERS, "null")):
        if (place, text) in {(8, "null"), (9, "true"), (9, "false")}:
            continue  # in range
        dk = list(PAYLOAD["dk"])
        dk[place] = "@"
        body = spell(with_claims(dk=dk)).replace(b'"@"', text.encode())
        yield Forgery(f"dk[{place}] {text[:20]}", jws(payload=body), "token_malformed")
    dk = PAYLOAD["dk"]
    for value in ([], dk[:-1], [*dk, None], {str(i): v for i, v in enumerate(dk)}, None, "dk", 1, [dk]):
        yield Forgery(f"dk {str(value)[-40:]}", jws(payload=with_claims(dk=value)), "token_malformed")
    for name in PAYLOAD:
        yield Forgery(f"claim {name} missing", jws(payload=without(PAYLOAD, name)), "token_malformed")
    for name in ("scope", "nonce", "jku", "azp", "act", "Exp", "exp ", "", "crit", "status"):
        yield Forgery(f"claim {name!r} too many", jws(payload=with_claims(**{name: 1})), "token_malformed")
    texts: dict[str, tuple[object, ...]] = {
        "iss": (
            "",
            "x" * 61,
            None,
            1,
            [KEY.issuer],
            "https://keys.example\n",
            'a"b',
            "\ud800",
            "https://keys.ex\u0430mple",
        ),
        "aud": ("", None, [VEHICLE], VEHICLE.upper(), VEHICLE[:-1], VEHICLE + "a", "veh_" + "1" * 16, "*", {"v": 1}),
        "jti": ("", None, 1, CLAIMS.key_id.upper(), CLAIMS.key_id[4:], VEHICLE, CLAIMS.key_id + " ", [CLAIMS.key_id]),
        "sub": ("", None, 1, VEHICLE, CLAIMS.device_id.upper(), format_id("dev", bytes(10)), [CLAIMS.device_id]),
    }
    for name, values in texts.items():
        for value in values:
            yield Forgery(f"{name} {value!r}", jws(payload=with_claims(**{name: value})), "token_malformed")
    for value in ("https://keys.example/", "https://KEYS.example", "keys.example", OTHER.issuer, "*"):
        yield Forgery(f"iss {value!r}", jws(payload=with_claims(iss=value)), "wrong_issuer")
    other_car = format_id("veh", b"vehicle-02")
    yield Forgery("aud another vehicle", jws(payload=with_claims(aud=other_car)), "wrong_audience")
    yield Forgery("expired", jws(payload=with_claims(exp=NOW)), "token_expired")
    yield Forgery("not yet valid", jws(payload=with_claims(nbf=NOW + 1)), "token_not_yet_valid")
    yield Forgery("nbf = exp", jws(payload=with_claims(nbf=NOW, exp=NOW)), "token_malformed")
    yield from jwt_device_keys()


def jwt_device_keys() -> Iterator[Forgery]:
    jwk = PAYLOAD["cnf"]["jwk"]
    x, y = (int.from_bytes(value, "big") for value in coordinates(DEVICE.public_key))
    _, small_y = coordinates(b"\x02" + (5).to_bytes(32, "big"))
    theirs: dict[str, object] = dict(zip("xy", map(b64, coordinates(ATTACKER.public_key)), strict=True))
    changes: dict[str, dict[str, object]] = {
        "of another device": theirs,
        "kty RSA": {"kty": "RSA"},
        "kty oct": {"kty": "oct"},
        "kty OKP": {"kty": "OKP"},
        "kty null": {"kty": None},
        "P-384": {"crv": "P-384"},
        "secp256k1": {"crv": "secp256k1"},
        "with its private half": {"d": b64(bytes(32))},
        "with kid": {"kid": "1"},
        "with key_ops": {"key_ops": ["verify"]},
        "with x5u": {"x5u": "https://attacker.example"},
        "off the curve": {"y": b64(bytes(31) + b"\1")},
        "y + 1": {"y": b64((y + 1).to_bytes(32, "big"))},
        "zero": {"x": b64(bytes(32)), "y": b64(bytes(32))},
        "x = p": {"x": b64(P.to_bytes(32, "big"))},
        "x not reduced": {"x": b64((P + 5).to_bytes(32, "big")), "y": b64(small_y)},
        "x short": {"x": b64(x.to_bytes(32, "big")[:31])},
        "x long": {"x": b64(b"\0" + x.to_bytes(32, "big"))},
        "x padded": {"x": jwk["x"] + "="},
        "x a number": {"x": x},
        "x null": {"x": None},
        "y negated": {"y": b64((P - y).to_bytes(32, "big"))},
    }
    for name, change in changes.items():
        forged = with_claims(cnf={"jwk": {**jwk, **change}})
        yield Forgery(f"device key {name}", jws(payload=forged), "token_malformed")
    for name in jwk:
        yield Forgery(f"device key without {name}", jws(payload=with_claims(cnf={"jwk": without(jwk, name)})))
    shapes: tuple[object, ...] = (None, {}, [], {"kid": "1"}, {"jku": "https://attacker.example"}, {"jwk": None})
    for cnf in (*shapes, {"jwk": jwk, "kid": "1"}, jwk):
        yield Forgery(f"cnf {str(cnf)[:40]}", jws(payload=with_claims(cnf=cnf)), "token_malformed")


def jwt_spellings() -> Iterator[Forgery]:
    parts = JWT.split(".")
    # Every segment in a length that leaves unused bits: the claims get their spare byte from a longer issuer name.
    for place, name in enumerate(("header", "payload", "signature")):
        part = parts[place]
        spare = -len(part) % 4
        forms = {
            "padded": part + "=" * (spare or 4),
            "padded too far": part + "=" * (spare + 1),
            "with a newline": part[:20] + "\n" + part[20:],
            "with a space": part + " ",
            "led by a tab": "\t" + part,
            "with a NUL": part + "\0",
            "with a star": part[:8] + "*" + part[8:],
            "with a wide letter": part[:8] + "\uff21" + part[8:],
            "with a surrogate": part + "\ud800",
            "one letter short": part[:-1],
            "two letters long": part + "AA",
            "standard alphabet": part[:4] + "+/" + part[6:],
        }
        if spare:
            alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
            forms["unused bits set"] = part[:-1] + alphabet[alphabet.index(part[-1]) + 1]
        for form, text in forms.items():
            yield Forgery(f"{name} {form}", ".".join((*parts[:place], text, *parts[place + 1 :])))
    for alg, enc in (
        ("dir", "A128GCM"), ("ECDH-ES", "A256GCM"), ("ECDH-ES+A128KW", "A128CBC-HS256"), ("RSA-OAEP", "A128GCM"),
        ("RSA1_5", "A128GCM"), ("A128KW", "A128GCM"), ("PBES2-HS256+A128KW", "A128GCM"), ("none", "A128GCM"),
    ):  # fmt: skip
        sealed = spell(with_header(alg=alg, enc=enc, p2c=2**31, p2s=b64(bytes(8)), epk={"kty": "EC"}, zip="DEF"))
        yield Forgery(f"JWE {alg} {enc}", ".".join((b64(sealed), "", b64(bytes(12)), parts[1], b64(bytes(16)))))
        yield Forgery(f"JWE {alg} {enc} in three parts", jws(sealed))
    head, body, signature = parts
    whole: dict[str, object] = {
        "nothing": "",
        "two dots": "..",
        "one part": head,
        "two parts": f"{head}.{body}",
        "four parts": JWT + ".",
        "a JWE": ".".join((b64(b'{"alg":"dir","enc":"A128GCM"}'), "", b64(bytes(12)), b64(bytes(40)), b64(bytes(16)))),
        "a JWE that says dk+jwt": f"{b64(spell(with_header(enc='A128GCM')))}..{head}.{body}.{signature}",
        "a nested JWT": jws(payload=JWT.encode()),
        "detached": f"{head}..{signature}",
        "Bearer": f"Bearer {JWT}",
        "newline after": JWT + "\n",
        "space before": " " + JWT,
        "JSON, flattened": json.dumps({"protected": head, "payload": body, "signature": signature}),
        "JSON, general": json.dumps({"payload": body, "signatures": [{"protected": head, "signature": signature}]}),
        "too long": jws(payload=spell(PAYLOAD) + b" " * 3000),
        "parts in another order": f"{body}.{head}.{signature}",
        "the CWT in base64url": b64(CWT),
        "the CWT as three parts": f"{b64(CWT)}.{b64(CWT)}.{b64(CWT)}",
        "bytes": JWT.encode(),
        "None": None,
        "a number": 1,
    }
    for name, token in whole.items():
        yield Forgery(f"form {name}", token)
    deep = {
        "lists": b"[" * 2900,
        "closed lists": b"[" * 1400 + b"]" * 1400,
        "objects": b'{"a":' * 560,
        "a claim": spell(with_claims(dk="@")).replace(b'"@"', b"[" * 900 + b"]" * 900),
        "a header": spell(with_header(kid="@")).replace(b'"@"', b"[" * 900 + b"]" * 900),
    }
    for name, data in deep.items():
        yield Forgery(f"deep {name} as payload", jws(payload=data))
        yield Forgery(f"deep {name} as header", jws(header=data, payload={}))
    plain = spell(PAYLOAD)
    for name, data in {
        "UTF-16": plain.decode().encode("utf-16"),
        "BOM": b"\xef\xbb\xbf" + plain,
        "not UTF-8": plain.replace(b"https", b"\xff\xfe"),
        "overlong UTF-8": plain.replace(b"https", b"\xc0\xafttps"),
        "trailing": plain + b"{}",
        "trailing comma": plain[:-1] + b",}",
        "comment": plain + b"//",
        "single quotes": plain.replace(b'"', b"'"),
        "array": b"[" + plain + b"]",
        "null": b"null",
        "control character": plain.replace(b"https", b"\x01ttps"),
        "CBOR": cbor2.dumps(PAYLOAD),
    }.items():
        yield Forgery(f"payload {name}", jws(payload=data))
        yield Forgery(f"header {name}", jws(header=data.replace(plain, spell(HEADER)) if name != "CBOR" else data))


CORPUS = [
    *itertools.chain(
        jwt_signatures(),
        jwt_algorithms(),
        jwt_headers(),
        jwt_kids(),
        jwt_duplicates(),
        jwt_claims(),
        jwt_spellings(),
    )
]


def test_the_builder_of_the_corpus_makes_tokens_that_are_accepted() -> None:
    """Else a forgery could be refused for a slip of its builder instead of its fault."""
    for token in (jws(), JWT):
        assert decode_jwt(token, TRUST, now=NOW, vehicle_id=VEHICLE) == CLAIMS


def test_the_corpus_says_nothing_twice() -> None:
    assert len({forgery.name for forgery in CORPUS}) == len({repr(forgery.token) for forgery in CORPUS}) == len(CORPUS)
    assert len(CORPUS) >= 490


@pytest.mark.parametrize("forgery", CORPUS, ids=lambda forgery: ascii(forgery.name))
def test_a_forged_jwt_is_refused(forgery: Forgery) -> None:
    with pytest.raises(TokenError) as refusal:
        decode_jwt(forgery.token, TRUST, now=NOW, vehicle_id=VEHICLE)
    if forgery.code is not None:
        assert refusal.value.code == forgery.code
