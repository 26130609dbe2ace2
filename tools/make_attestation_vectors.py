"""Write ``protocols/attestation/vectors``: good statements and proofs, and such as must be refused, with their codes.

``python tools/make_attestation_vectors.py [DIRECTORY]``. Keys, certificates and signatures are deterministic, so a
second run gives the same bytes; a test holds this script to the frozen file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from attestation_cast import (
    AAGUID,
    AAGUID_OID,
    AUTHENTICATOR,
    CHAIN,
    CHALLENGE,
    DEVICE,
    END,
    MAKER,
    MAKER_NAME,
    NOW,
    OTHER_DEVICE,
    OTHER_ROOT,
    PARTY,
    ROOT_CERTIFICATE,
    START,
    UNIT,
    Making,
    der,
    maker,
    model,
    names,
    own,
    pem,
    self_attested,
)
from kept import write_vectors

from keygw.crypto import cbor
from keygw.crypto.kdf import sha256
from keygw.token.possession import sign_registration
from keygw.token.webauthn import Flag

DIRECTORY = Path(__file__).resolve().parent.parent / "protocols" / "attestation" / "vectors"
_UP, _UV, _BE, _BS, _AT, _ED = Flag.UP, Flag.UV, Flag.BE, Flag.BS, Flag.AT, Flag.ED
GOOD = Making()
SELF = self_attested()

Bad = tuple[str, str, bytes]


def good() -> Iterator[tuple[str, str, Making]]:
    yield "under a root", "basic", GOOD
    yield "under a root that comes along", "basic", replace(GOOD, chain=(*CHAIN, ROOT_CERTIFICATE))
    yield "self attestation", "self", SELF
    yield (
        "with extensions",
        "basic",
        replace(GOOD, flags=_UP | _UV | _AT | _ED, extensions=cbor.encode({"credProtect": 2})),
    )
    yield "another origin of the list", "self", replace(SELF, client={"origin": "android:apk-key-hash:test"})
    yield "client data with a member of tomorrow", "self", replace(SELF, client={"extra": "x"})
    yield "client data without crossOrigin", "self", replace(SELF, client={"crossOrigin": None})
    yield "the longest credential id", "self", replace(SELF, credential_id=bytes(1023))


def chains() -> Iterator[tuple[str, str, tuple[bytes, ...]]]:
    """Certificates that do not do, all with signatures that hold."""
    other = maker(by=OTHER_ROOT)
    for name, code, leaf in (
        ("no aaguid extension", "certificate", own(extensions=())),
        ("an aaguid extension of another model", "certificate", own(extensions=model(bytes(16)))),
        ("a critical aaguid extension", "untrusted", own(extensions=model(critical=True))),
        ("an aaguid extension without its inner tag", "certificate", own(extensions=((AAGUID_OID, False, AAGUID),))),
        ("no basic constraints", "certificate", own(ca=None)),
        ("the key of a CA", "certificate", own(ca=True, path_length=None)),
        ("another OU", "certificate", own(subject=names("Test", ("2.5.4.11", "authenticator attestation")))),
        ("no OU", "certificate", own(subject=names("Test"))),
        ("two OUs", "certificate", own(subject=names("Test", UNIT, UNIT))),
        ("no CN", "certificate", own(subject=(("2.5.4.6", "DE"), ("2.5.4.10", "keygw tests"), UNIT))),
        ("no O", "certificate", own(subject=(("2.5.4.6", "DE"), UNIT, ("2.5.4.3", "Test")))),
        ("no C", "certificate", own(subject=(("2.5.4.10", "keygw tests"), UNIT, ("2.5.4.3", "Test")))),
        ("a country of small letters", "certificate", own(subject=(("2.5.4.6", "de"), *names("Test", UNIT)[1:]))),
        ("over at that time", "untrusted", own(not_after=NOW - 1)),
        ("not begun at that time", "untrusted", own(not_before=NOW + 1)),
        (
            "a critical extension that nobody knows",
            "untrusted",
            own(extensions=(*model(), ("1.2.3.4", True, b"\x05\x00"))),
        ),
    ):
        yield f"certificate: {name}", code, (leaf, maker())
    yield "chain: another root of the same name", "untrusted", (own(), other)
    yield "chain: the maker's certificate is missing", "untrusted", (own(),)
    yield "chain: the maker is no CA", "untrusted", (own(), maker(ca=False, path_length=None))
    yield "chain: the maker may not sign certificates", "untrusted", (own(), maker(may_sign=False))
    yield "chain: the maker is over", "untrusted", (own(), maker(not_after=NOW - 1))
    yield "chain: the root alone", "certificate", (ROOT_CERTIFICATE,)
    lower = names("Lower")
    below = maker(subject=lower, issuer=MAKER_NAME, by=MAKER, serial=9)
    yield "chain: deeper than the maker allows", "untrusted", (own(issuer=lower), below, maker())
    yield "chain: five certificates", "untrusted", (own(), maker(), maker(), maker(), maker())
    yield "chain: a certificate with a byte behind it", "untrusted", (own() + b"\0", maker())
    yield "chain: no certificate at all", "untrusted", (b"\x30\x00", maker())


def bad() -> Iterator[Bad]:
    for name, code, made in (
        ("another challenge", "challenge", replace(SELF, challenge=bytes(32))),
        ("another key", "key", self_attested(OTHER_DEVICE)),
        ("another relying party", "party", replace(SELF, rp_id="example")),
        ("another origin", "party", replace(SELF, client={"origin": "https://keys.example.org"})),
        ("no origin", "party", replace(SELF, client={"origin": None})),
        ("a page in a frame", "party", replace(SELF, client={"crossOrigin": True})),
        ("crossOrigin is a number", "party", replace(SELF, client={"crossOrigin": 0})),
        ("a page on top of it", "party", replace(SELF, client={"topOrigin": "https://keys.example"})),
        ("nobody was there", "user", replace(SELF, flags=_UV | _AT)),
        ("the user was not verified", "user", replace(SELF, flags=_UP | _AT)),
        ("a key that may be copied", "copyable", replace(SELF, flags=_UP | _UV | _AT | _BE)),
        ("a key that has been copied", "copyable", replace(SELF, flags=_UP | _UV | _AT | _BE | _BS)),
        ("copied, and not to be copied", "malformed", replace(SELF, flags=_UP | _UV | _AT | _BS)),
        ("a reserved flag", "malformed", replace(SELF, flags=_UP | _UV | _AT | 0x20)),
        ("no key by the flags", "malformed", replace(SELF, flags=_UP | _UV)),
        ("extensions by the flags alone", "malformed", replace(SELF, flags=_UP | _UV | _AT | _ED)),
        ("extensions not by the flags", "malformed", replace(SELF, extensions=b"\xa0")),
        ("extensions that are no map", "malformed", replace(SELF, flags=_UP | _UV | _AT | _ED, extensions=b"\x80")),
        ("an empty credential id", "malformed", replace(SELF, credential_id=b"")),
        ("a credential id of 1024", "malformed", replace(SELF, credential_id=bytes(1024))),
        ("client data of a sign-in", "malformed", replace(SELF, client={"type": "webauthn.get"})),
        ("signed by another key", "signature", replace(SELF, signer=AUTHENTICATOR)),
        ("signed by the device instead of the authenticator", "signature", replace(GOOD, signer=DEVICE)),
    ):
        yield name, code, made.evidence
    for name, code, chain in chains():
        yield name, code, replace(GOOD, chain=chain).evidence
    yield from rewritten()


def rewritten() -> Iterator[Bad]:
    """Good ones, bent after they were signed."""
    said = SELF.statement
    raw = DEVICE.sign(said.authenticator + sha256(said.client_data))
    for name, code, statement in (
        ("a signature of 64 bytes", "signature", replace(said, signature=raw)),
        ("a signature with a byte behind it", "signature", replace(said, signature=der(raw) + b"\0")),
        ("client data that is no JSON", "malformed", replace(said, client_data=b"{")),
        ("client data that is no object", "malformed", replace(said, client_data=b"[]")),
        ("client data with a name twice", "malformed", replace(said, client_data=b'{"a":1,"a":1}')),
        ("client data of 1025 bytes", "malformed", replace(said, client_data=said.client_data.ljust(1025))),
        ("authenticator data cut short", "malformed", replace(said, authenticator=said.authenticator[:-1])),
        ("authenticator data of 54 bytes", "malformed", replace(said, authenticator=said.authenticator[:54])),
        ("a byte behind authenticator data", "malformed", replace(said, authenticator=said.authenticator + b"\0")),
        ("a counter that was changed", "signature", replace(said, authenticator=_at(said.authenticator, 36, 1))),
        ("another model than was signed for", "signature", replace(said, authenticator=_at(said.authenticator, 40, 1))),
    ):
        yield name, code, statement.encode()
    start = said.authenticator[:71]
    x, y = DEVICE.public_key[1:], said.authenticator[-32:]
    for name, key in (
        ("alg -8", {1: 2, 3: -8, -1: 1, -2: x, -3: y}),
        ("curve 2", {1: 2, 3: -7, -1: 2, -2: x, -3: y}),
        ("no alg", {1: 2, -1: 1, -2: x, -3: y}),
        ("a sixth member", {1: 2, 2: b"", 3: -7, -1: 1, -2: x, -3: y}),
        ("kty 2.0", {1: 2.0, 3: -7, -1: 1, -2: x, -3: y}),
        ("y as a sign bit", {1: 2, 3: -7, -1: 1, -2: x, -3: True}),
        ("a point off the curve", {1: 2, 3: -7, -1: 1, -2: x, -3: bytes(32)}),
        ("x of 31 bytes", {1: 2, 3: -7, -1: 1, -2: x[1:], -3: y}),
        ("no map", [2, -7, 1, x, y]),
    ):
        yield f"key: {name}", "malformed", replace(said, authenticator=start + cbor.encode(key)).encode()
    inner: dict[str, object] = {"alg": -7, "sig": said.signature}
    for name, code, changed in (
        ("alg -257", "algorithm", {**inner, "alg": -257}),
        ("alg -7.0", "algorithm", {**inner, "alg": -7.0}),
        ("no alg", "algorithm", {"sig": said.signature}),
        ("no sig", "malformed", {"alg": -7}),
        ("an ecdaaKeyId", "malformed", {**inner, "ecdaaKeyId": b"x"}),
        ("x5c is empty", "malformed", {**inner, "x5c": []}),
        ("x5c is a byte string", "malformed", {**inner, "x5c": CHAIN[0]}),
        ("x5c holds a text", "malformed", {**inner, "x5c": ["MII"]}),
    ):
        whole = cbor.encode({"fmt": "packed", "attStmt": changed, "authData": said.authenticator})
        yield f"statement: {name}", code, cbor.encode([whole, said.client_data])
    whole = cbor.encode({"fmt": "packed", "attStmt": inner, "authData": said.authenticator})
    for name, evidence in (
        ("fmt none", cbor.encode([cbor.encode({"fmt": "none", "attStmt": {}, "authData": said.authenticator}), b"{}"])),
        ("no client data", cbor.encode([whole])),
        ("a third element", cbor.encode([whole, said.client_data, None])),
        ("the object alone", whole),
        ("the object is not wrapped", cbor.encode([{"fmt": "packed"}, said.client_data])),
        ("indefinite length", b"\x9f" + cbor.encode(whole) + cbor.encode(said.client_data) + b"\xff"),
        ("a byte behind it", cbor.encode([whole, said.client_data]) + b"\0"),
        ("nothing", b""),
        ("3073 bytes", SELF.evidence.ljust(3073, b"\0")),
    ):
        yield f"evidence: {name}", "malformed", evidence
    turned = b"\xa3" + b"".join(
        cbor.encode(name) + cbor.encode(value)
        for name, value in (("authData", said.authenticator), ("fmt", "packed"), ("attStmt", inner))
    )
    yield "evidence: members in another order", "malformed", cbor.encode([turned, said.client_data])


def _at(data: bytes, place: int, plus: int) -> bytes:
    return data[:place] + bytes((data[place] + plus & 0xFF,)) + data[place + 1 :]


def packed() -> dict[str, object]:
    return {
        "about": "WebAuthn packed attestations of made-up authenticators. The secrets are public: trust none of it.",
        "rp_id": PARTY.id,
        "origins": sorted(PARTY.origins),
        "user_verification": PARTY.user_verification,
        "roots": pem(ROOT_CERTIFICATE).decode(),
        "now": NOW,
        "challenge": CHALLENGE.hex(),
        "device_key": DEVICE.public_key.hex(),
        "device_secret": f"{DEVICE.secret:064x}",
        "maker_secret": f"{MAKER.secret:064x}",
        "aaguid": AAGUID.hex(),
        "valid": [
            {"name": name, "level": level, "evidence": made.evidence.hex(), "client_data": made.client_data.decode()}
            for name, level, made in good()
        ],
        "outside_time": [{"name": "before the chain begins", "now": START - 1}, {"name": "after it", "now": END + 1}],
        "invalid": [
            {"name": name, "code": f"attestation_{code}", "evidence": evidence.hex()} for name, code, evidence in bad()
        ],
    }


def registration() -> dict[str, object]:
    rows = []
    for name, attestation in (("without an attestation", None), ("with an attestation", ("packed", b"evidence"))):
        proof = sign_registration(CHALLENGE, attestation, DEVICE)
        row = {"name": name, "format": None, "evidence": None, "proof": proof.hex()}
        if attestation is not None:
            row |= {"format": attestation[0], "evidence": attestation[1].hex()}
        rows.append(row)
    return {
        "about": "Device proofs: typ dkdp, ES256 with the nonce of RFC 6979, by a key whose secret is public.",
        "challenge": CHALLENGE.hex(),
        "device_key": DEVICE.public_key.hex(),
        "device_secret": f"{DEVICE.secret:064x}",
        "valid": rows,
    }


def documents() -> dict[str, str]:
    return {"packed.json": as_text(packed()), "registration.json": as_text(registration())}


def as_text(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=True) + "\n"


if __name__ == "__main__":
    write_vectors(DIRECTORY, documents, __doc__)
