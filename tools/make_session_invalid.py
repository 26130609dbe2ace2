"""Write ``protocols/key_session/vectors/invalid.json``: what a reader of the frozen conversations must refuse.

``python tools/make_session_invalid.py [DIRECTORY]``. Each message stands in place of the good one, sealed and signed
with the keys of that conversation where it takes some, so that what is wrong is what the case says and nothing else. No
byte moves from run to run; a test holds this script to the file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fixed_signer import FixedSigner
from kept import write_vectors
from malformed import Refusal, malformed, numbers, texts

from keygw.crypto import aead, cbor
from keygw.session.edhoc import SUITE_6, Credential, Ead, Initiator, Responder
from keygw.session.identity import vehicle_credential
from keygw.wire.frame import AFTER_AUTHENTICATION, BEFORE_AUTHENTICATION
from keygw.wire.messages import MessageType

DIRECTORY = Path(__file__).resolve().parent.parent / "protocols" / "key_session" / "vectors"
INTENT = -65001
BIG = 2**32
LATE = 253402300800
"""One second after the year 9999."""
STRANGER = FixedSigner(0x1003)
Json = dict[str, Any]


class Told:
    """A frozen conversation, and the keys to make other messages for it."""

    def __init__(self, name: str) -> None:
        self.name = name
        content = json.loads((DIRECTORY / name).read_text(encoding="utf-8"))
        self.inputs: dict[str, Any] = content["inputs"]
        self.rows: list[Json] = content["messages"]
        self.derived = {key: bytes.fromhex(value) for key, value in content["derived"].items()}

    def message(self, name: str) -> bytes:
        return bytes.fromhex(next(row["message"] for row in self.rows if row["name"] == name))

    def given(self, name: str) -> bytes:
        return bytes.fromhex(self.inputs[name])

    def seal(self, name: str, plaintext: bytes) -> bytes:
        """``plaintext`` as the first message of that name, with its key and counter."""
        at = next(at for at, row in enumerate(self.rows) if row["name"] == name)
        way = self.rows[at]["direction"]
        counter = sum(row["direction"] == way and "plaintext" in row for row in self.rows[:at]).to_bytes(8, "big")
        kind = self.message(name)[:1]
        nonce = bytes(a ^ b for a, b in zip(self.derived[f"iv {way}"], bytes(4) + counter, strict=True))
        aad = self.derived["TH_4"] + (b"\x00" if way == "D>V" else b"\x01") + kind + counter
        return kind + aead.seal(self.derived[f"key {way}"], nonce, plaintext, aad)


TOLD, FAST, CHAIN, ROTATION, RANGING = (
    Told(f"{name}.json") for name in ("conversation", "fast", "chain", "rotation", "ranging")
)


def sealed() -> dict[str, list[Refusal]]:
    """By message name, plaintexts that must be refused."""
    result = [0, 0x01020304, 1, 0, b"nonce..8", 1]
    command, response = [0x01020305, 2], [0x01020305, 0, 2]
    reading = [1, False, 1_800_000_000]
    return {
        "RESULT": [
            *malformed(result),
            *numbers(result, 0, 256, "outcome"),
            *numbers(result, 1, BIG, "number", nil=True),
            *numbers(result, 2, BIG, "receipt"),
            *numbers(result, 3, BIG, "list"),
            *texts(result, 4, "the time nonce"),
            *numbers(result, 5, 256, "time"),
            ("number is another than the command's", cbor.encode([0, 5, 1, 0, b"nonce..8", 1])),
            ("number is nil, though there was a command", cbor.encode([0, None, 1, 0, b"nonce..8", 1])),
        ],
        "CMD": [*malformed(command), *numbers(command, 0, BIG, "number"), *numbers(command, 1, 256, "action")],
        "RES": [
            *malformed(response),
            *numbers(response, 0, BIG, "number"),
            *numbers(response, 1, 256, "outcome"),
            *numbers(response, 2, BIG, "receipt"),
            ("a command that was not asked", cbor.encode([5, 0, 2])),
        ],
        "EVENT": [
            *malformed([reading])[:4],
            ("no readings", b"\x80"),
            ("65 readings", cbor.encode([reading] * 65)),
            ("a reading of two", cbor.encode([reading[:2]])),
            ("a reading of four", cbor.encode([[*reading, 0]])),
            ("a reading that is no array", cbor.encode([1, False, 1_800_000_000])),
            *((f"reading: {why}", b"\x81" + body) for why, body in numbers(reading, 0, 2**16, "signal")),
            *((f"reading: {why}", b"\x81" + body) for why, body in numbers(reading, 2, LATE, "at")),
            ("value is nil", cbor.encode([[1, None, 1]])),
            ("value is a byte string", cbor.encode([[1, b"", 1]])),
            ("value is an array", cbor.encode([[1, [], 1]])),
            ("value is undefined", bytes.fromhex("818301f701")),
            ("value is not a number", bytes.fromhex("818301f97e0001")),
            ("value is infinite", bytes.fromhex("818301f97c0001")),
            ("value is a float not in its shortest form", bytes.fromhex("818301fa0000000001")),
            ("value is a text that is not UTF-8", bytes.fromhex("81830161ff01")),
        ],
        "RECEIPT_GET": [*malformed([1]), *numbers([1], 0, BIG, "sequence")],
        "RECEIPT": [
            *malformed([[b"receipt"], False]),
            ("receipts is no array", cbor.encode([b"receipt", False])),
            ("a receipt is a text", cbor.encode([["receipt"], False])),
            ("a receipt is nil", cbor.encode([[None], False])),
            ("more is 0", cbor.encode([[], 0])),
            ("more is nil", cbor.encode([[], None])),
        ],
        "RECEIPT_ACK": [*malformed([2]), *numbers([2], 0, BIG, "sequence")],
        "RL_GET": [("it says something", b"\x00"), ("it holds nil", b"\xf6")],
    }


def suites(value: object, *, rest: bytes = b"") -> bytes:
    """message_1 with another SUITES_I."""
    good = TOLD.message("MESSAGE_1")[1:]
    return good[:1] + cbor.encode(value) + good[2:] + rest


def clear() -> dict[str, list[Refusal]]:
    """By message name, whole bodies that must be refused: what travels before there is a channel."""
    hello, asked = TOLD.message("HELLO")[1:], TOLD.message("MESSAGE_1")[1:]
    g_x = asked[4:36]

    def message_1(
        method: bytes = b"\x00", g_x: bytes = b"\x58\x20" + g_x, c_i: bytes = b"\x00", ead: bytes = b""
    ) -> bytes:
        return method + b"\x06" + g_x + c_i + ead

    return {
        "HELLO": [
            ("nothing", b""),
            ("the last byte is missing", hello[:-1]),
            ("one byte too many", hello + b"\x00"),
            ("version 0", b"\x00" + hello[1:]),
            ("version 2", b"\x02" + hello[1:]),
        ],
        "HELLO_REQ": [("it has a body", b"\x00"), ("it asks for version 2", b"\x02")],
        "MESSAGE_1": [
            ("nothing", b""),
            ("method 1", message_1(method=b"\x01")),
            ("method 2", message_1(method=b"\x02")),
            ("method 3", message_1(method=b"\x03")),
            ("method -1", message_1(method=b"\x20")),
            ("method false", message_1(method=b"\xf4")),
            ("method not in its shortest form", message_1(method=b"\x18\x00")),
            ("suite 2", suites(2)),
            ("suite 0", suites(0)),
            ("suite 6 in an array of one", suites([6])),
            ("suite 6 twice", suites([6, 6])),
            ("an array that selects 2", suites([6, 2])),
            ("an array of 17", suites([*range(100, 116), 6])),
            ("suite true", suites(True)),
            ("no suite", asked[:1] + asked[2:]),
            ("G_X is a byte short", message_1(g_x=cbor.byte_string(g_x[:-1]))),
            ("G_X is a byte long", message_1(g_x=cbor.byte_string(g_x + b"\x00"))),
            ("G_X is a text", message_1(g_x=cbor.encode("x" * 32))),
            ("G_X of low order: zero", message_1(g_x=cbor.byte_string(bytes(32)))),
            ("G_X of low order: one", message_1(g_x=cbor.byte_string(b"\x01" + bytes(31)))),
            ("no C_I", asked[:-1]),
            ("C_I not in its shortest form", message_1(c_i=b"\x41\x00")),
            ("C_I is 24", message_1(c_i=b"\x18\x18")),
            ("C_I is a text", message_1(c_i=b"\x60")),
            ("EAD_1 that is not critical", message_1(ead=b"\x01")),
            ("EAD_1 that is critical", message_1(ead=b"\x20")),
            ("EAD_1 that is padding", message_1(ead=b"\x00")),
            ("a byte string that belongs to no EAD label", message_1(ead=b"\x40")),
        ],
        "MESSAGE_2": answered(),
        "MESSAGE_3": proven(),
        "ERROR": [("no code", b""), ("two codes", b"\x02\x02")],
    }


def answered() -> list[Refusal]:
    """message_2 in other words."""
    good = TOLD.message("MESSAGE_2")[1:]
    body = good[2:]
    own = vehicle_credential(TOLD.inputs["vehicle_id"], TOLD.given("vehicle_public"))
    car = FixedSigner(int(TOLD.inputs["vehicle_secret"], 16))

    def with_ead(*items: Ead) -> bytes:
        party = Responder(SUITE_6, TOLD.given("g_y_secret"), b"\x01", own)
        party.receive_1(TOLD.message("MESSAGE_1")[1:])
        return party.message_2(car.sign(party.to_be_signed(items)))

    def plain(plaintext: bytes) -> bytes:
        # The length is in the expansion's info (RFC 9528 section 4.1.2): another length is another keystream.
        party = Responder(SUITE_6, TOLD.given("g_y_secret"), b"\x01", own)
        party.receive_1(TOLD.message("MESSAGE_1")[1:])
        party.to_be_signed()
        stream = party.schedule.keystream_2(len(plaintext))
        return cbor.byte_string(body[:32] + bytes(a ^ b for a, b in zip(plaintext, stream, strict=True)))

    start, signature = TOLD.derived["plaintext_2"][:2], TOLD.derived["signature 2"]
    return [
        ("nothing", b""),
        ("the last byte is missing", good[:-1]),
        ("one byte too many", good + b"\x00"),
        ("not a byte string", cbor.encode([body])),
        ("not in its shortest form", b"\x59" + len(body).to_bytes(2, "big") + body),
        ("G_Y alone", cbor.byte_string(body[:32])),
        ("G_Y of low order: zero", cbor.byte_string(bytes(32) + body[32:])),
        ("another C_R, under the old signature", plain(b"\x02" + start[1:] + cbor.byte_string(signature))),
        ("another ID_CRED_R", plain(b"\x01\x01" + cbor.byte_string(signature))),
        ("C_R not in its shortest form", plain(b"\x41\x01\x00" + cbor.byte_string(signature[:-1]))),
        ("a signature that is a byte short", plain(start + cbor.byte_string(signature[:-1]))),
        ("no signature", plain(start)),
        ("the signature with one bit changed", good[:-1] + bytes((good[-1] ^ 1,))),
        ("a critical item in EAD_2", with_ead(Ead(-1))),
    ]


def proven() -> list[Refusal]:
    """message_3 in other words."""
    good, token = TOLD.message("MESSAGE_3")[1:], TOLD.given("token")
    device = FixedSigner(int(TOLD.inputs["device_secret"], 16))
    peer = vehicle_credential(TOLD.inputs["vehicle_id"], TOLD.given("vehicle_public"))
    hello, command = TOLD.derived["hello_hash"][:8], [0x01020304, 1]
    intent = [hello, 0, True, command]
    item = Ead(INTENT, cbor.encode(intent))

    def said(*ead: Ead, own: Credential | None = None, signer: FixedSigner = device) -> bytes:
        party = Initiator(
            SUITE_6, TOLD.given("g_x_secret"), b"\x00", own or Credential.by_token(token, device.public_key), peer
        )
        party.receive_2(TOLD.message("MESSAGE_2")[1:])
        return party.message_3(signer.sign(party.to_be_signed(ead)))

    def intended(value: object) -> bytes:
        return said(Ead(INTENT, value if isinstance(value, bytes) else cbor.encode(value)))

    def plain(plaintext: bytes) -> bytes:
        derived = TOLD.derived
        return cbor.byte_string(aead.seal(derived["K_3"], derived["IV_3"], plaintext, derived["A_3"]))

    def shown(changed: bytes) -> bytes:
        return said(item, own=Credential.by_token(changed, device.public_key))

    def kid(value: bytes) -> bytes:
        return said(item, own=Credential.by_kid(value, token, device.public_key))

    head = b"\xa1\x0d" + token
    proof, ead = (
        cbor.byte_string(TOLD.derived["signature 3"]),
        cbor.encode(INTENT) + cbor.byte_string(item.value or b""),
    )
    bare = cbor.encode({8: {1: {1: 2, -1: 1, -2: token[-32:], -3: True}}})
    return [
        ("nothing", b""),
        ("the last byte is missing", good[:-1]),
        ("one byte too many", good + b"\x00"),
        ("not in its shortest form", b"\x5a\x00\x00" + good[1:]),
        ("the tag with one bit changed", good[:-1] + bytes((good[-1] ^ 1,))),
        ("no signature", plain(head)),
        ("a signature that is a byte short", plain(head + cbor.byte_string(TOLD.derived["signature 3"][:-1]) + ead)),
        ("a signature of zeros", plain(head + cbor.byte_string(bytes(64)) + ead)),
        ("signed by another key", said(item, signer=STRANGER)),
        ("signed, but EAD_3 was taken away", plain(head + proof)),
        ("the key token with one bit of its signature changed", shown(token[:-1] + bytes((token[-1] ^ 1,)))),
        ("the key token with a byte behind it", plain(b"\xa1\x0d" + token + b"\x00" + proof + ead)),
        ("the key token cut in half", plain(b"\xa1\x0d" + token[: len(token) // 2] + proof + ead)),
        ("a bare key in place of the token", said(item, own=Credential(b"\xa1\x0e" + bare, bare, device.public_key))),
        ("a kid under which nothing is kept", kid(b"\x05")),
        ("a kid of two bytes under which nothing is kept", kid(b"\x01\x2c")),
        ("a kid in a map, where an identifier is shorter", plain(b"\xa1\x04\x41\x01" + proof + ead)),
        ("an empty ID_CRED_I", plain(b"\xa0" + proof + ead)),
        ("no EAD_3", said()),
        ("EAD_3 not marked critical", said(Ead(-INTENT, item.value))),
        ("EAD_3 twice", said(item, item)),
        ("EAD_3 without a value", said(Ead(INTENT))),
        ("another critical item", said(item, Ead(-1))),
        ("EAD_3 answers another HELLO", intended([bytes(8), 0, True, command])),
        *((f"EAD_3: {why}", intended(body)) for why, body in malformed(intent)),
        *((f"EAD_3: {why}", intended(body)) for why, body in texts(intent, 0, "hello")),
        *((f"EAD_3: {why}", intended(body)) for why, body in numbers(intent, 1, 256, "link")),
        ("EAD_3: subscribe is 1", intended([hello, 0, 1, command])),
        ("EAD_3: command is false", intended([hello, 0, True, False])),
        *(
            (f"EAD_3: command: {why}", intended(b"\x84" + cbor.encode(intent[:3])[1:] + body))
            for why, body in (*numbers(command, 0, BIG, "number"), *numbers(command, 1, 256, "action"))
        ),
    ]


def fast() -> dict[str, list[Refusal]]:
    asked, answer = FAST.message("FAST")[1:], FAST.message("FAST_RESULT")[1:]
    low = [bytes(32), b"\x01" + bytes(31)]
    return {
        "FAST": [
            ("nothing", b""),
            ("the last byte is missing", asked[:-1]),
            ("one byte too many", asked + b"\x00"),
            *((f"G_D of low order: {point[0]}", asked[:8] + point + asked[40:]) for point in low),
        ],
        "FAST_RESULT": [
            ("nothing", b""),
            ("the last byte is missing", answer[:-1]),
            ("one byte too many", answer + b"\x00"),
        ],
    }


def chained() -> list[Refusal]:
    """Bodies of CRED_PUT that are no chain. What a well-formed one may not say is in ``grants.json`` of key_token."""
    links = cbor.decode(bytes.fromhex(next(row["plaintext"] for row in CHAIN.rows if row["name"] == "CRED_PUT")))
    (grant, token), second = links
    return [
        *(row for row in malformed(links) if not row[0].startswith("one element")),
        ("no link", b"\x80"),
        ("three links", cbor.encode([*links, second])),
        ("a link of one", cbor.encode([[grant], second])),
        ("a link of three", cbor.encode([[grant, token, token], second])),
        ("a link that is a map", cbor.encode([{0: grant, 1: token}])),
        ("the grant is nil", cbor.encode([[None, token]])),
        ("the grant is an array, not a byte string", cbor.encode([[cbor.decode(grant), token]])),
        ("a grant of 513 bytes", cbor.encode([[bytes(513), token]])),
        ("the token is a text", cbor.encode([[grant, "token"]])),
        ("a token of 1025 bytes", cbor.encode([[grant, bytes(1025)]])),
    ]


def rotated() -> list[Refusal]:
    """Bodies of ISSUER_KEY that are no statements. What a statement may not say is in ``issuer_keys.json``."""
    plaintext = next(row["plaintext"] for row in ROTATION.rows if row["name"] == "ISSUER_KEY")
    second, third = statements = cbor.decode(bytes.fromhex(plaintext))
    return [
        *(row for row in malformed(statements) if not row[0].startswith("one element")),
        ("no statement", b"\x80"),
        ("17 statements", cbor.encode([second] * 17)),
        ("a statement of 225 bytes", cbor.encode([second, bytes(225)])),
        ("a statement is nil", cbor.encode([second, None])),
        ("a statement is an array, not a byte string", cbor.encode([cbor.decode(second), third])),
        ("a statement is a text", cbor.encode([second, "statement"])),
        ("the statement without the array", second),
    ]


def ranged() -> list[Refusal]:
    """What a device may not say in RANGE. The first of the conversation asks for round 1, by Channel Sounding."""
    good, found = [1, 2, None], [2, 140, 100, 1000]
    return [
        *malformed(good),
        *numbers(good, 0, BIG, "round"),
        *numbers(good, 1, 256, "method"),
        ("round 0", cbor.encode([0, 2, None])),
        ("the finding is false", cbor.encode([1, 2, False])),
        *((f"finding: {why}", b"\x83\x01\x02" + body) for why, body in malformed(found) if body[:1] != b"\xf6"),
        *((f"finding: {why}", b"\x83\x01\x02" + body) for why, body in numbers(found, 0, 256, "zone")),
        *((f"finding: {why}", b"\x83\x01\x02" + body) for why, body in numbers(found, 1, 2**16, "bound", nil=True)),
        *((f"finding: {why}", b"\x83\x01\x02" + body) for why, body in numbers(found, 2, 101, "quality")),
        *((f"finding: {why}", b"\x83\x01\x02" + body) for why, body in numbers(found, 3, 2**16, "valid")),
        ("the device says where it is", cbor.encode([1, 2, found])),
        ("the device says that it is nowhere", cbor.encode([1, 2, [0, None, 0, 0]])),
    ]


def refused() -> list[Json]:
    """No breach, but not taken either: the answer to such a FAST is 25 random bytes, and such an answer a refusal."""
    asked, answer = FAST.message("FAST"), FAST.message("FAST_RESULT")

    def flipped(message: bytes, at: int) -> bytes:
        return message[:at] + bytes((message[at] ^ 1,)) + message[at + 1 :]

    return [
        {"name": name, "instead_of": MessageType(message[0]).name, "message": message.hex()}
        for name, message in (
            ("a ktag that nobody has", flipped(asked, 1)),
            ("another G_D", flipped(asked, 9)),
            ("the sealed command with one bit changed", flipped(asked, 41)),
            ("the tag with one bit changed", flipped(asked, len(asked) - 1)),
            ("25 random bytes", b"\x21" + bytes(range(25))),
            ("the result with one bit changed", flipped(answer, 1)),
        )
    ]


def infos() -> list[Json]:
    good = [[1], bytes.fromhex("010203040506")]
    rows = [
        *malformed(good),
        ("no version", cbor.encode([[], good[1]])),
        ("17 versions", cbor.encode([list(range(1, 18)), good[1]])),
        ("version 256", cbor.encode([[1, 256], good[1]])),
        ("version -1", cbor.encode([[1, -1], good[1]])),
        ("version true", cbor.encode([[True], good[1]])),
        ("versions is no array", cbor.encode([1, good[1]])),
        *texts(good, 1, "the rotating id"),
        ("version 2 alone", cbor.encode([[2], good[1]])),
    ]
    return [{"name": why, "info": body.hex()} for why, body in rows]


def frames() -> list[Json]:
    """Frames in order; the last one must be refused. ``limit``: the largest message that is accepted now."""

    def row(name: str, *parts: bytes, limit: int = BEFORE_AUTHENTICATION) -> Json:
        return {"name": name, "limit": limit, "frames": [part.hex() for part in parts]}

    full = [bytes((at & 63 | (0x80 if at == 0 else 0),)) + bytes(511) for at in range(9)]
    return [
        row("nothing", b""),
        row("a header alone", b"\xc0"),
        row("513 bytes", b"\xc0" + bytes(512)),
        row("a first sequence of 1", b"\xc1\x02"),
        row("a sequence twice", b"\xc0\x02", b"\xc0\x02"),
        row("a sequence left out", b"\x80\x30", b"\x42\x00"),
        row("two frames in the wrong order", b"\x80\x30", b"\x02\x00"),
        row("a middle without a beginning", b"\x00\x30"),
        row("an end without a beginning", b"\x40\x30"),
        row("a beginning inside a message", b"\x80\x30", b"\x81\x30"),
        row("a whole message inside a message", b"\x80\x30", b"\xc1\x02"),
        row("a message of 513 bytes before authentication", full[0], bytes((0x41, 0, 0))),
        row("a message of 4097 bytes", *full[:8], bytes((0x48,)) + bytes(10), limit=AFTER_AUTHENTICATION),
    ]


def build() -> Json:
    rows: list[Json] = []

    def add(of: str, name: str, why: str, message: bytes, plaintext: bytes | None = None) -> None:
        row = {"name": why, "in": of, "instead_of": name, "message": message.hex()}
        rows.append(row if plaintext is None else row | {"plaintext": plaintext.hex()})

    for name, refusals in clear().items():
        where = "kept.json" if name == "HELLO_REQ" else TOLD.name
        for why, body in refusals:
            add(where, name, why, bytes((MessageType[name],)) + body)
    for name, refusals in sealed().items():
        for why, plaintext in refusals:
            add(TOLD.name, name, why, TOLD.seal(name, plaintext), plaintext)
    for why, plaintext in chained():
        add(CHAIN.name, "CRED_PUT", why, CHAIN.seal("CRED_PUT", plaintext), plaintext)
    for why, plaintext in rotated():
        add(ROTATION.name, "ISSUER_KEY", why, ROTATION.seal("ISSUER_KEY", plaintext), plaintext)
    for why, plaintext in ranged():
        add(RANGING.name, "RANGE", why, RANGING.seal("RANGE", plaintext), plaintext)
    for name, refusals in fast().items():
        for why, body in refusals:
            add(FAST.name, name, why, bytes((MessageType[name],)) + body)
    for kind in (0x00, 0x03, 0x14, 0x22, 0x36, 0x44, 0x49, 0x57, 0x7E, 0x80, 0xFF):
        add(TOLD.name, "CMD", f"a message of type {kind:02x}", bytes((kind,)) + TOLD.message("CMD")[1:])
    return {
        "about": "Each message of 'breaches', in place of the first of its name in the named conversation, ends the"
        " session. Where there is a plaintext, the message is sealed correctly. Those of 'refused' (fast.json) do not.",
        "origin": "tools/make_session_invalid.py",
        "breaches": rows,
        "refused": refused(),
        "infos": infos(),
        "frames": frames(),
    }


def documents() -> dict[str, str]:
    """File name -> exact text."""
    return {"invalid.json": json.dumps(build(), indent=1) + "\n"}


if __name__ == "__main__":
    write_vectors(DIRECTORY, documents, __doc__)
