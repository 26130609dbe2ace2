"""Primitives, signed objects, key tokens and chains."""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from second_reader.cbor import Refused, demand, either, encode, flag, many, measured, nil, row, single, size, uint

LAST_SECOND = 253402300799


CHAIN_REQUIRED = 24
KEY_SHARE = 1 << 9


def name(value: Any) -> bool:
    """Of an issuer."""
    return type(value) is str and re.fullmatch(r"[!#-\[\]-~]{1,60}", value) is not None


U8, U16, U32 = uint(0, 255), uint(0, 65535), uint(0, 2**32 - 1)
COUNT, TIME, AT, ID = uint(1, 2**32 - 1), uint(1, LAST_SECOND), uint(0, LAST_SECOND), size(10)
COMMAND = row(U32, U8)
INTENT = row(size(8), U8, flag, either(COMMAND, nil))
BODIES = {
    0x13: row(U8, either(U32, nil), U32, U32, size(8), U8),
    0x30: COMMAND,
    0x31: row(U32, U8, U32),
    0x32: many(row(U16, measured, AT), 1, 64),
    0x33: row(U32),
    0x34: row(many(size(1, 4096)), flag),
    0x35: row(U32),
    0x43: many(row(size(0, 512), size(0, 1024)), 1, 2),
    0x44: row(uint(1, 2**32 - 1), U8, either(row(U8, either(U16, nil), uint(0, 100), U16), nil)),
    0x45: many(size(0, 224), 1, 16),
}
SIGNED = {0x40: "dkrl", 0x41: "dkra", 0x42: "dktp", 0x47: "dkrl", 0x48: "dkia"}
FROM_VEHICLE = {0x01, 0x11, 0x13, 0x21, 0x31, 0x32, 0x34, 0x41, 0x47, 0x48}
TYPES = {
    "HELLO": 0x01, "HELLO_REQ": 0x02, "MESSAGE_1": 0x10, "MESSAGE_2": 0x11, "MESSAGE_3": 0x12, "RESULT": 0x13,
    "FAST": 0x20, "FAST_RESULT": 0x21, "CMD": 0x30, "RES": 0x31, "EVENT": 0x32, "RECEIPT_GET": 0x33, "RECEIPT": 0x34,
    "RECEIPT_ACK": 0x35, "RL_PUSH": 0x40, "RL_ACK": 0x41, "TIME_PROOF": 0x42, "CRED_PUT": 0x43, "RANGE": 0x44,
    "RL_GET": 0x46, "RL_GIVE": 0x47, "ISSUER_KEY": 0x45, "ISSUER_KEY_ACK": 0x48, "ERROR": 0x7F,
}  # fmt: skip
INFO = row(many(U8, 1, 16), size(6))
PAYLOADS = {
    "dkrl": row(ID, COUNT, TIME, TIME, U16, either(uint(0, 0), TIME), many(U16), many(U16)),
    "dkra": row(ID, COUNT, size(32), U32),
    "dktp": row(ID, size(8), TIME, U32),
    "dkik": row(name, COUNT, size(33), TIME, TIME, TIME),
    "dkia": row(ID, U32, size(8), size(32), U32),
    "dkrc": row(
        ID,
        COUNT,
        U32,
        ID,
        U8,
        U8,
        either(flag, nil),
        either(flag, nil),
        U32,
        size(8),
        size(32),
        either(uint(0, 0), TIME),
    ),
    "dkgr": row(ID, ID, size(32), COUNT, TIME, TIME, TIME, uint(1, 2), uint(1, 2)),
}
PRIVATE = row(
    ID, size(16), U8, U32, U16, either(ID, nil), uint(0, 2), uint(0, 2), U16, either(U32, nil), flag
)  # of a key token


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def mac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


def expand(prk: bytes, info: bytes, length: int) -> bytes:
    out, block = b"", b""
    while len(out) < length:
        block = mac(prk, block + info + bytes([len(out) // 32 + 1]))
        out += block
    return out[:length]


def agree(secret: bytes, public: bytes) -> bytes:
    try:
        return X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        raise Refused("low order") from None


def raw_id(text: str) -> bytes:
    return base64.b32decode(text.partition("_")[2].upper())


def verify(public: bytes, signed: bytes, signature: bytes) -> None:
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
        key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
    except (ValueError, InvalidSignature):
        raise Refused("signature") from None


def cose_key(public: bytes) -> dict[int, Any]:
    return {1: 2, -1: 1, -2: public[1:], -3: public[0] == 3}


def thumbprint(public: bytes) -> bytes:
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
    except ValueError:
        raise Refused("no point of the curve") from None
    full = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return sha(encode({1: 2, -1: 1, -2: full[1:33], -3: full[33:]}))


def open_signed(data: bytes, typ: str, public: bytes, kid: bytes | None = None) -> tuple[Any, bytes]:
    """Payload and digest of a COSE_Sign1 of one typ."""
    envelope = single(data)
    demand(row(size(1, 99), lambda value: value == {}, size(1, 4096), size(64))(envelope), "envelope")
    protected, _, payload, signature = envelope
    demand(protected == encode({1: -7, 16: typ} | ({} if kid is None else {4: kid})), "header")
    to_be_signed = encode(["Signature1", protected, b"", payload])
    verify(public, to_be_signed, signature)
    body = single(payload)
    if typ in PAYLOADS:
        demand(PAYLOADS[typ](body), "payload")
    if typ == "dkrl":
        _, _, issued, update, _, _, revoked, suspended = body
        both = revoked + suspended
        demand(issued < update and len(both) == len(set(both)) <= 1024, "list")
        demand(revoked == sorted(revoked) and suspended == sorted(suspended), "list")
    if typ == "dkik":
        demand(body[5] <= body[3] <= body[4], "times of a statement")
        thumbprint(body[2])
    if typ == "dkgr":
        demand(max(body[4], body[5]) < body[6] and body[7] <= body[8], "grant")
    return body, sha(to_be_signed)


class Token:
    """A verified key token."""

    def __init__(self, data: bytes, issuer: bytes, kid: bytes, vehicle: bytes, vehicle_key: bytes) -> None:
        demand(len(data) <= 1024, "token too long")
        claims, _ = open_signed(data, "dk", issuer, kid)
        demand(isinstance(claims, dict) and list(claims) == [4, 5, 6, 7, 8, -65537], "claims")
        self.exp, self.nbf, self.iat, self.id = (claims[label] for label in (4, 5, 6, 7))
        demand(TIME(self.exp) and TIME(self.nbf) and TIME(self.iat) and self.nbf < self.exp and ID(self.id), "claims")
        key: Any = claims[8].get(1) if isinstance(claims[8], dict) else None
        demand(isinstance(key, dict) and size(32)(key.get(-2)) and flag(key.get(-3)), "cnf")
        self.device = bytes([2 + key[-3]]) + key[-2]
        demand(encode(claims[8]) == encode({1: cose_key(self.device)}), "cnf")
        self.thumbprint = thumbprint(self.device)
        demand(PRIVATE(claims[-65537]), "private claim")
        (self.vehicle, bound, self.role, self.rights, self.index) = claims[-65537][:5]
        (self.parent, self.depth, self.max_depth) = claims[-65537][5:8]
        demand((self.parent is None) == (self.depth == 0), "parent")
        demand(self.vehicle == vehicle, "another vehicle")
        demand(bound == thumbprint(vehicle_key)[:16], "another vehicle key")


def follow_chain(leaf: Token, body: Any, parent_of: Callable[[bytes], Token], enrolled: bytes) -> None:
    """Rules 1 to 5 of *Grant and sharing chain*, link by link, up to an owner."""
    demand(len(body) == leaf.depth, "length")
    child = leaf
    for grant_data, token_data in body:
        parent = parent_of(token_data)
        grant, _ = open_signed(grant_data, "dkgr", parent.device)
        vehicle, parent_id, device, rights, issued, start, end, depth, deepest = grant
        demand(vehicle == parent.vehicle == child.vehicle and parent_id == parent.id == child.parent, "foreign")
        demand(device == child.thumbprint, "device")
        demand(bool(parent.rights & KEY_SHARE) and not rights & ~parent.rights, "wider than the parent")
        demand(not child.rights & ~rights, "wider than the grant")
        demand(parent.depth + 1 == depth == child.depth, "depth")
        demand(child.depth <= child.max_depth <= deepest <= parent.max_depth <= 2, "max depth")
        demand(parent.nbf - 300 <= issued < parent.exp, "issued")
        demand(child.nbf >= start and child.exp <= min(end, parent.exp), "life")
        child = parent
    demand(child.role == 1 and child.depth == 0 and child.device == enrolled, "no enrolled owner")


class Issuers:
    """A vehicle's issuer keys, by *Issuer keys*: rows of kid, public key, sequence, end (0 for none) and digest."""

    def __init__(self, issuer: str, kid: bytes, public: bytes) -> None:
        self.issuer, self.floor = issuer, 0
        self.keys: list[tuple[bytes, bytes, int, int, bytes]] = [(kid, public, 0, 0, bytes(32))]

    @property
    def newest(self) -> tuple[bytes, bytes, int, int, bytes]:
        return max(self.keys, key=lambda key: key[2])

    def learn(self, statements: list[bytes]) -> None:
        """All of a message, or nothing."""
        before = self.keys, self.floor
        try:
            for data in statements:
                self._learn(data)
        except Refused:
            self.keys, self.floor = before
            raise

    def _learn(self, data: bytes) -> None:
        envelope = single(data)
        demand(isinstance(envelope, list) and len(envelope) == 4 and type(envelope[0]) is bytes, "envelope")
        header = single(envelope[0])
        demand(isinstance(header, dict) and header.get(16) == "dkik", "header")
        said = single(envelope[2])
        demand(PAYLOADS["dkik"](said) and said[0] == self.issuer, "another issuer")
        kid, public, sequence, _, _ = newest = self.newest
        if header.get(4) != kid:
            return  # its signature is not looked at
        (_, number, successor, _, end, issued), digest = open_signed(data, "dkik", public, kid)
        if number <= sequence:
            return
        former = [key for key in self.keys if key is not newest]
        if successor == public:
            follows = (kid, public, number, 0, digest)
        else:
            follows = (thumbprint(successor)[:8], successor, number, 0, digest)
            demand(all(follows[0] != key[0] and successor != key[1] for key in self.keys), "a key that is known")
            former.append(newest)
        self.keys = [(*key[:3], min(key[3] or end, end), key[4]) for key in former] + [follows]
        self.floor = max(self.floor, issued)

    @property
    def living(self) -> list[bytes]:
        """The public keys that still count, by the floor alone, the newest last."""
        return [key[1] for key in self.keys if not key[3] or self.floor < key[3]]
