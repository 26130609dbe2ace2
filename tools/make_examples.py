"""Write the worked examples of the specifications: ``protocols/*/examples.md``, from the frozen vectors alone.

``python tools/make_examples.py`` (``--check`` only compares). Each message and each signed object is shown byte by
byte, with the names of its CDDL. What a message looks like stands in ``tools/shapes.py``, a few lines each; a message
of this version without a shape, and a vector that does not fit its shape, are errors.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from annotate import Line, Packed, packed, render, walk, walk_sequence
from kept import keep
from shapes import INFO, MESSAGES, OBJECTS, PLAINTEXT_2, PLAINTEXT_3, PLAINTEXT_3_KEPT, SIGNED, Shape, signed_structure

from keygw.wire.messages import MessageType

PROTOCOLS = Path(__file__).resolve().parent.parent / "protocols"
LISTED = ("signed", "tokens", "lists", "receipts", "time_proofs", "grants", "statements", "acks")
"""Names in the vectors that tell no more than the rows below them do."""
WAYS = {"D>V": "device to vehicle", "V>D": "vehicle to device"}
NOTE = "Made by `tools/make_examples.py` from [`vectors/`](vectors); a test holds it to them. Do not edit it."
READING = (
    "Each line: offset, bytes in hexadecimal, what they are. Names are those of the CDDL in [`README.md`](README.md);"
    " items inside others are set in, and long strings go on in the next line."
)


def load(specification: str, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((PROTOCOLS / specification / "vectors" / name).read_text(encoding="utf-8"))
    return content


def block(lines: Sequence[Line]) -> str:
    return f"```text\n{render(lines)}\n```\n"


def message(title: str, raw: bytes, way: str, source: str, shape: Shape) -> Iterator[str]:
    """Heading, facts, and the bytes as they travel."""
    yield f"### {title}\n"
    size = f"{len(raw)} byte{'' if len(raw) == 1 else 's'}"
    cddl = f"CDDL `{shape.cddl}`, " if shape.cddl else ""
    yield f"{WAYS[way].capitalize()}, {size}, {cddl}from `{source}`.\n"
    kind = Line(raw[:1], f"type: {MessageType(raw[0]).name}")
    body = raw[1:]
    if isinstance(shape.body, Packed):
        yield block([kind, *packed(body, shape.body.parts)])
    elif shape.body is None:
        yield block([kind, *packed(body, (("ciphertext", -16), ("tag", None)))])
    else:
        yield block([kind, *walk_sequence(body, shape.body)])


def opened(plaintext: bytes, shape: Shape, how: str) -> Iterator[str]:
    """What was sealed."""
    if not plaintext:
        yield f"Opened, {how}: nothing is inside.\n"
        return
    inside = shape.plaintext
    assert inside is not None, how  # noqa: S101 - a shape that forgets it cannot be drawn
    yield f"Opened, {how}:\n"
    yield block(packed(plaintext, inside.parts) if isinstance(inside, Packed) else walk(plaintext, inside))


def conversation(name: str, wanted: Sequence[int] | None = None) -> Iterator[str]:
    """The messages of one conversation of key_session; ``wanted``: which of them, else all."""
    told = load("key_session", name)
    derived, counters = told["derived"], {"D>V": 0, "V>D": 0}
    for index, row in enumerate(told["messages"]):
        raw, way, shape = bytes.fromhex(row["message"]), row["direction"], MESSAGES[row["name"]]
        how = ""
        if "plaintext" in row:
            nonce = (int(derived[f"iv {way}"], 16) ^ counters[way]).to_bytes(12, "big").hex()
            how = f"message {counters[way]} of this direction, nonce `{nonce}`"
            counters[way] += 1
        if wanted is not None and index not in wanted:
            continue
        yield from message(f"`{raw[0]:02x}` {row['name']}", raw, way, name, shape)
        if row["name"] == "MESSAGE_2":
            yield "plaintext_2, after the KEYSTREAM_2 of RFC 9528 is taken off, CDDL `plaintext_2`:\n"
            yield block(walk_sequence(bytes.fromhex(derived["plaintext_2"]), PLAINTEXT_2))
        if row["name"] == "MESSAGE_3":
            plain = bytes.fromhex(derived["plaintext_3"])
            yield f"plaintext_3, opened with K_3 `{derived['K_3']}` and IV_3 `{derived['IV_3']}`, CDDL `plaintext_3`:\n"
            yield block(walk_sequence(plain, PLAINTEXT_3 if plain[0] == 0xA1 else PLAINTEXT_3_KEPT))
        if how:
            yield from opened(bytes.fromhex(row["plaintext"]), shape, how)


def framed(name: str, index: int) -> Iterator[str]:
    row = load("key_session", name)["messages"][index]
    yield f"### The frames of {row['name']} at ATT_MTU 23\n"
    for frame in row["frames_at_mtu_23"]:
        raw = bytes.fromhex(frame)
        marks = [mark for bit, mark in ((0x80, "FIRST"), (0x40, "LAST")) if raw[0] & bit]
        said = ", ".join([*marks, f"sequence {raw[0] & 63}"])
        yield block([Line(raw[:1], said), Line(raw[1:], f"{len(raw) - 1} bytes of the message")])


def key_session() -> Iterator[str]:
    yield f"# Key session: worked examples\n\n{NOTE} {READING}\n"
    told = load("key_session", "conversation.json")
    yield "## Before the first message\n"
    yield "### Advertisement\n\n31 bytes; the rotating id is the one of INFO.\n"
    parts = (("length", 1), ("AD type, flags", 1), ("general discoverable, no BR/EDR", 1), ("length", 1),
             ("AD type, complete list of 128-bit UUIDs", 1), ("service, least significant byte first", 16),
             ("length", 1), ("AD type, complete local name", 1), ("ASCII of base64url(rotating id)", None))  # fmt: skip
    yield block(packed(bytes.fromhex(told["derived"]["advertisement"]), parts))
    yield "### INFO\n\nRead by the device, CDDL `info`.\n"
    yield block(walk(bytes.fromhex(told["inputs"]["info"]), INFO))
    yield "## A session, by the long way\n"
    yield from conversation("conversation.json")
    yield from framed("conversation.json", 0)
    kept = [row["name"] for row in load("key_session", "kept.json")["messages"]]
    yield "## A token named by its kid, and a key that is resumed while the session waits\n"
    yield f"The whole is in `kept.json`: {', '.join(kept)}.\n"
    results = [index for index, name in enumerate(kept) if name == "RESULT"]
    yield from conversation("kept.json", [kept.index("HELLO_REQ"), kept.index("MESSAGE_3"), *results])
    yield "## The first meeting of a shared key\n"
    told = [row["name"] for row in load("key_session", "chain.json")["messages"]]
    yield f"The whole is in `chain.json`: {', '.join(told)}.\n"
    asked = told.index("CRED_PUT")
    yield from conversation("chain.json", [asked - 1, asked, asked + 1])
    yield "## New issuer keys\n"
    told = [row["name"] for row in load("key_session", "rotation.json")["messages"]]
    yield f"The whole is in `rotation.json`: {', '.join(told)}.\n"
    yield from conversation("rotation.json", [told.index("ISSUER_KEY"), told.index("ISSUER_KEY_ACK")])
    yield "## How near\n"
    told = [row["name"] for row in load("key_session", "ranging.json")["messages"]]
    yield f"The whole is in `ranging.json`: {', '.join(told)}.\n"
    yield from conversation("ranging.json", [index for index, name in enumerate(told) if name == "RANGE"][2:])
    yield "## The fast path\n"
    fast = load("key_session", "fast.json")
    yield "HELLO is like any; FAST is bound to it.\n"
    for row in fast["messages"][1:]:
        raw, way, shape = bytes.fromhex(row["message"]), row["direction"], MESSAGES[row["name"]]
        yield from message(f"`{raw[0]:02x}` {row['name']}", raw, way, "fast.json", shape)
        how = f"message 0 of this direction, key `{fast['derived'][f'key {way}']}`"
        yield from opened(bytes.fromhex(row["plaintext"]), shape, how)


def key_token() -> Iterator[str]:
    """Everything in the vectors that is a signed object: one that a later file adds is found by itself."""
    yield f"# Key token and its kin: worked examples\n\n{NOTE} {READING}\n"
    files = [("key_token", path.name) for path in sorted((PROTOCOLS / "key_token" / "vectors").iterdir())]
    shown = False
    for specification, name in (*files, ("attestation", "registration.json")):
        if name in ("keys.json", "invalid.json"):
            continue
        for path, text in leaves(load(specification, name), name.removesuffix(".json")):
            if text.startswith("eyJ"):
                yield f"### JWT form: {path}\n\n{len(text)} characters, CDDL `JWT_Header` and `JWT_Claims`.\n"
                yield from jwt(text)
            elif text.startswith("84") and typ_of(bytes.fromhex(text)) is not None:
                raw = bytes.fromhex(text)
                typ = typ_of(raw)
                yield f"### `{typ}`: {path}\n\n{len(raw)} bytes, CDDL `{OBJECTS[str(typ)][0]}`.\n"
                yield block(walk(raw, SIGNED))
                if not shown:
                    shown = True
                    yield "What ES256 signs of it, its `Sig_structure`:\n"
                    yield block(walk(sig_structure(raw), signed_structure(str(typ))))


def leaves(value: object, path: str) -> Iterator[tuple[str, str]]:
    """Every text in a JSON value, with the names that lead to it."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        called = value.get("name", "")
        for key, inner in value.items():
            if key in ("invalid", "chains", "meetings"):
                continue
            step = "" if key in LISTED else key
            yield from leaves(inner, ", ".join(part for part in (path, called, step) if part))
    elif isinstance(value, list):
        for number, inner in enumerate(value, 1):
            numbered = not (isinstance(inner, dict) and "name" in inner)
            yield from leaves(inner, f"{path}, {number}" if numbered else path)


def typ_of(raw: bytes) -> str | None:
    """The ``typ`` of a COSE_Sign1 in the form of key_token, or ``None`` for anything else."""
    header = raw[2 : 2 + (raw[1] & 31)]
    typ = header.partition(b"\x10")[2]
    found = typ[1:].decode("ascii", "replace")
    return found if found in OBJECTS else None


def sig_structure(raw: bytes) -> bytes:
    """``["Signature1", protected, h'', payload]``, cut from the object."""
    after = 2 + (raw[1] & 31)
    return b"\x84\x6aSignature1" + raw[1:after] + b"\x40" + raw[after + 1 : -66]


def jwt(text: str) -> Iterator[str]:
    head, claims, signature = text.split(".")
    for part in (head, claims):
        yield f"```json\n{json.dumps(json.loads(unpadded(part)), indent=2)}\n```\n"
    yield block([Line(unpadded(signature)[:32], "r"), Line(unpadded(signature)[32:], "s")])


def unpadded(text: str) -> bytes:
    import base64  # noqa: PLC0415 - here alone

    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def owner_pairing() -> Iterator[str]:
    yield f"# Owner pairing: worked examples\n\n{NOTE} {READING}\n"
    told = load("owner_pairing", "pairing.json")["pairing"]
    yield f"The code is `{told['code']}`. HELLO is like any (`../key_session/examples.md`).\n"
    plain = {
        "enrol": ("enrol_plaintext", "device"), "ticket": ("ticket_plaintext", "vehicle"),
        "token": ("owner_token", "device"), "answer": ("answer_plaintext", "vehicle"),
    }  # fmt: skip
    counters = {"device": 0, "vehicle": 0}
    for name, text in told["messages"].items():
        if name == "hello":
            continue
        raw = bytes.fromhex(text)
        way = "D>V" if name in ("ask", "share", "enrol", "token") else "V>D"
        shape = MESSAGES["OWNER_TOKEN answer" if name == "answer" else MessageType(raw[0]).name]
        yield from message(f"`{raw[0]:02x}` {MessageType(raw[0]).name}", raw, way, "pairing.json", shape)
        if name in plain:
            field, side = plain[name]
            yield from opened(bytes.fromhex(told[field]), shape, f"message {counters[side]} of this direction")
            counters[side] += 1
        if name == "enrol":
            yield "What the device key signs:\n"
            yield block(walk(bytes.fromhex(told["device_signs"]), OBJECTS["enrol to be signed"][1]))
            yield "What is sealed when there is an attestation:\n"
            attested = bytes.fromhex(told["attested"]["enrol_plaintext"])
            yield block(walk(attested, MESSAGES["ENROL attested"].plaintext))  # type: ignore[arg-type]


PAGES = {"key_session": key_session, "key_token": key_token, "owner_pairing": owner_pairing}


def documents() -> dict[Path, str]:
    """Page -> exact text."""
    return {PROTOCOLS / name / "examples.md": "\n".join(make()) for name, make in PAGES.items()}


if __name__ == "__main__":
    sys.exit(keep(documents(), "make_examples"))
