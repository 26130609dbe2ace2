"""Write ``protocols/status_list/vectors/*.json``: the draft's own examples, our signed lists, and what must be refused.

``python tools/make_status_vectors.py [DIRECTORY]``. Nothing is compressed here: the ``lst`` texts are those of the
draft, so the files are the same whatever zlib this Python has. The files are the frozen truth; a test holds this script
to them.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import zlib
from collections.abc import Mapping
from pathlib import Path

from fixed_signer import FixedSigner
from kept import write_vectors
from token_cast import FRIEND, ISSUER, KEY, NOW, STRANGER

from keygw.token.claims import StatusReference
from keygw.token.jws import sign_jws
from keygw.token.jwt import encode_jwt

DIRECTORY = Path(__file__).resolve().parent.parent / "protocols" / "status_list" / "vectors"
SOURCE = "draft-ietf-oauth-status-list-21"
URI, OTHER_URI, INDEX = (f"https://keys.example/v1/status-lists{end}" for end in ("/1", "/2", ""))
TTL, LIFETIME = 300, 3600

LONG_1 = (
    "eNrt3AENwCAMAEGogklACtKQPg9LugC9k_ACvreiogEAAKkeCQAAAAAAAAAAAAAAAAAAAIBylgQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAXG9IAAAAAAAAAPwsJAAAAAAAAAAAAAAAvhsSAAAAAAAAAAAA7KpLAAAAAAAAAAAAAAAAAAAAAJsLCQAAAAAAAAAAADjelAAA"
    "AAAAAAAAKjDMAQAAAACAZC8L2AEb"
)
LONG_2 = (
    "eNrt2zENACEQAEEuoaBABP5VIO01fCjIHTMStt9ovGVIAAAAAABAbiEBAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEB5WwIAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAID0ugQAAAAAAAAA"
    "AAAAAAAAQG12SgAAAAAAAAAAAAAAAAAAAAAAAAAAAOCSIQEAAAAAAAAAAAAAAAAAAAAAAAD8ExIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAwJEuAQAAAAAAAAAAAAAAAAAAAAAAAMB9SwIAAAAAAAAAAAAAAAAAAACoYUoAAAAAAAAAAAAAAEBqH81gAQw"
)
EXAMPLES: tuple[tuple[str, int, int, str, dict[int, int]], ...] = (
    (
        "1 bit, sections 4.1 and 4.2", 1, 16, "eNrbuRgAAhcBXQ",
        dict.fromkeys((0, 3, 4, 5, 7, 8, 9, 13, 15), 1),
    ),
    (
        "2 bits, sections 4.1 and 4.2", 2, 12, "eNo76fITAAPfAgc",
        {0: 1, 1: 2, 3: 3, 5: 1, 7: 1, 8: 1, 9: 2, 10: 3, 11: 3},
    ),
    (
        "1 bit, appendix C.1", 1, 2**20, LONG_1,
        dict.fromkeys(
            (0, 1993, 25460, 159495, 495669, 554353, 645645, 723232, 854545, 934534, 1000345), 1
        ),
    ),
    (
        "2 bits, appendix C.2", 2, 2**20, LONG_2,
        {0: 1, 1993: 2, 25460: 1, 159495: 3, 495669: 1, 554353: 1, 645645: 2, 723232: 1, 854545: 1, 934534: 2,
         1000345: 3},
    ),
)  # fmt: skip
"""Name, bits, how many statuses, ``lst``, and those that are not 0."""
SMALL, LONG = EXAMPLES[1], EXAMPLES[3]


def claims(example: tuple[str, int, int, str, dict[int, int]], **more: object) -> dict[str, object]:
    """Of a list; ``more`` replaces claims, None takes one away."""
    listed = {"bits": example[1], "lst": example[3], "aggregation_uri": INDEX}
    found = {"sub": URI, "iat": NOW, "exp": NOW + LIFETIME, "ttl": TTL, "status_list": listed, **more}
    return {name: value for name, value in found.items() if value is not None}


def signed(payload: Mapping[str, object], signer: FixedSigner = ISSUER, typ: str = "statuslist+jwt") -> str:
    return sign_jws(typ, dict(payload), signer, KEY.kid)


def draft() -> dict[str, object]:
    rows = [
        {"name": name, "bits": bits, "size": size, "lst": lst, "statuses": {str(at): to for at, to in set_.items()}}
        for name, bits, size, lst, set_ in EXAMPLES
    ]
    return {"about": f"Examples of {SOURCE}. Statuses that are not named are 0.", "source": SOURCE, "lists": rows}


def lists() -> dict[str, object]:
    rows = []
    for example in (SMALL, LONG):
        payload = claims(example)
        rows.append({"name": example[0], "claims": payload, "signed": signed(payload)})
    places = (
        ("valid", 2, URI, None),
        ("invalid", 0, URI, "status_invalid"),
        ("suspended", 1, URI, "status_suspended"),
        ("application specific", 3, URI, "status_invalid"),
        ("outside of the list", 12, URI, "status_unknown"),
        ("another list", 2, OTHER_URI, "status_unknown"),
    )
    tokens: list[dict[str, object]] = []
    for name, index, uri, code in places:
        place = StatusReference(index, uri)
        jwt = encode_jwt(dataclasses.replace(FRIEND, status_index=None, status=place), ISSUER, KEY.kid)
        tokens.append({"name": name, "idx": index, "uri": uri, "jwt": jwt, "code": code})
    unlisted = encode_jwt(dataclasses.replace(FRIEND, status_index=None), ISSUER, KEY.kid)
    tokens.append({"name": "no status", "idx": None, "uri": None, "jwt": unlisted, "code": "status_unknown"})
    return {
        "about": "Lists by the issuer of key_token/vectors/keys.json, and key tokens looked up in the first of them. "
        "'code': the refusal, null for none.",
        "uri": URI,
        "now": NOW + 1,
        "lists": rows,
        "tokens": tokens,
    }


def invalid() -> dict[str, object]:
    rows: list[dict[str, str]] = []

    def add(name: str, data: str, code: str = "token_malformed") -> None:
        rows.append({"name": name, "data": data, "code": code})

    def refused(name: str, code: str = "token_malformed", **more: object) -> None:
        add(name, signed(claims(SMALL, **more)), code)

    def listed(name: str, **more: object) -> None:
        base: dict[str, object] = {"bits": 2, "lst": SMALL[3], **more}
        refused(name, status_list={key: value for key, value in base.items() if value is not None})

    good = claims(SMALL)
    refused("another list", "wrong_audience", sub=OTHER_URI)
    refused("expired", "token_expired", iat=NOW - 3600, exp=NOW + 1)
    refused("of the future", "token_not_yet_valid", iat=NOW + 62)
    add("signed by a stranger", signed(good, STRANGER), "token_signature")
    add("kid nobody trusts", sign_jws("statuslist+jwt", good, ISSUER, bytes(8)), "unknown_issuer")
    add("typ of a key token", signed(good, typ="dk+jwt"), "wrong_type")
    add("a CWT's typ", signed(good, typ="statuslist+cwt"), "wrong_type")
    for name in ("sub", "iat", "exp", "ttl", "status_list"):
        refused(f"no {name}", **{name: None})
        refused(f"{name} is a list", **{name: []})
    refused("one claim too many", iss="https://keys.example")
    refused("sub is no URI", sub="1")
    refused("ttl is 0", ttl=0)
    refused("ttl is more than 31 days", ttl=31 * 86400 + 1)
    refused("ttl is true", ttl=True)
    refused("exp is iat", exp=NOW)
    refused("exp after the year 9999", exp=253402300800)
    for bits in (0, 3, 16, True, "2", None):
        listed(f"bits {bits!r}", bits=bits)
    listed("no lst", lst=None)
    listed("lst is a number", lst=7)
    listed("a member too many", size=12)
    listed("aggregation_uri is a number", aggregation_uri=1)
    raw = base64.urlsafe_b64decode(SMALL[3] + "=")
    for why, data in (
        ("empty", b""),
        ("no zlib", b"not zlib"),
        ("raw deflate without its frame", raw[2:-4]),
        ("cut short", raw[:-1]),
        ("wrong check value", raw[:-1] + bytes([raw[-1] ^ 1])),
        ("a byte behind the stream", raw + b"\0"),
        ("nothing inside", base64.b64decode("eJwDAAAAAAE=")),
        ("2 MiB and one byte", bomb()),
    ):
        listed(f"lst: {why}", lst=base64.urlsafe_b64encode(data).rstrip(b"=").decode())
    listed("lst padded", lst=SMALL[3] + "=")
    listed("lst with unused bits set", lst=SMALL[3][:-1] + "d")
    return {
        "about": "None of these may be accepted by who trusts the issuer and asks for 'uri' at 'now'.",
        "uri": URI,
        "now": NOW + 1,
        "cases": rows,
    }


def bomb() -> bytes:
    """A zlib stream of 2 MiB and one byte, all zero, put together by hand: see RFC 1951 section 3.2.6.

    One literal zero, then matches of length 258 (symbol 285, code 11000101) at distance 1 (code 00000): 13 bits each,
    and the rest as shorter matches.
    """
    bits = "1" + "01"[::-1]  # last block, fixed codes
    bits += "00110000"  # literal 0
    whole, rest = divmod(2 * 2**20, 258)
    bits += ("11000101" + "00000") * whole
    bits += "11000000" + f"{rest - 115:04b}"[::-1] + "00000"  # symbol 280: 115, and what four more bits say
    bits += "0000000"  # end of the block
    bits += "0" * (-len(bits) % 8)
    body = bytes(int(bits[at : at + 8][::-1], 2) for at in range(0, len(bits), 8))
    return b"\x78\x9c" + body + zlib.adler32(bytes(2 * 2**20 + 1)).to_bytes(4, "big")


FILES = {"draft.json": draft, "lists.json": lists, "invalid.json": invalid}


def documents() -> dict[str, str]:
    """File name -> exact text."""
    return {name: json.dumps(make(), indent=2) + "\n" for name, make in FILES.items()}


if __name__ == "__main__":
    write_vectors(DIRECTORY, documents, __doc__)
