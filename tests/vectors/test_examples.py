"""The worked examples of the specifications are those of the vectors, and leave nothing out."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import annotate
import pytest
import shapes

from keygw.token import envelope
from keygw.wire.messages import MessageType

ROOT = Path(__file__).resolve().parent.parent.parent
PROTOCOLS = ROOT / "protocols"
PAGES = {
    name: (PROTOCOLS / name / "examples.md").read_text("utf-8")
    for name in ("key_session", "key_token", "owner_pairing")
}
ALL = "\n".join(PAGES.values())
BLOCKS = re.findall(r"```text\n(.*?)```", ALL, re.S)


def shown(block: str) -> bytes:
    """The bytes of a block; its offsets must be theirs."""
    raw = b""
    for line in block.splitlines():
        assert int(line[:4], 16) == len(raw)
        raw += bytes.fromhex(line[6 : 6 + annotate.HEX_WIDTH])
    return raw


def test_the_pages_are_current() -> None:
    """After a change of the vectors: ``python tools/make_examples.py``."""
    done = subprocess.run(
        [sys.executable, "tools/make_examples.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_message_of_this_version_is_shown() -> None:
    for message in MessageType:
        assert f"### `{message:02x}` {message.name}\n" in ALL
        assert message.name in shapes.MESSAGES


def test_every_typ_of_signed_object_is_shown() -> None:
    typs = {value.typ for value in vars(envelope).values() if isinstance(value, envelope.Purpose)}
    typs -= {envelope.AUDIT_CHECKPOINT.typ}  # seals a gateway's audit trail; no phone or vehicle ever sees one
    assert typs == {typ for typ in shapes.OBJECTS if " " not in typ}
    for typ in typs:
        assert f'16: typ: "{typ}"\n' in ALL
    assert "JWT form" in ALL


def test_every_message_of_the_conversation_is_shown_whole() -> None:
    raw = {shown(block).hex() for block in BLOCKS}
    told = json.loads((PROTOCOLS / "key_session" / "vectors" / "conversation.json").read_text("utf-8"))
    for row in told["messages"]:
        assert row["message"] in raw
        assert (row.get("plaintext") or row["message"]) in raw
    assert {told["derived"]["plaintext_2"], told["derived"]["plaintext_3"], told["inputs"]["info"]} <= raw


def test_every_name_of_cddl_is_one_of_the_readmes() -> None:
    readmes = "\n".join((PROTOCOLS / name / "README.md").read_text("utf-8") for name in (*PAGES, "attestation"))
    for rule in re.findall(r"CDDL `(\w+)`", ALL):
        assert re.search(rf"^{rule} +=", readmes, re.M), rule


def test_the_pages_are_readable() -> None:
    for block in BLOCKS:
        assert max(len(line) for line in block.splitlines()) <= 120


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (b"\x01\x01", annotate.Field()),  # something behind the item
        (b"\x82\x01\x02", shapes.array("one", "first")),  # an element without a name
        (b"\xa1\x05\x01", annotate.Field("map", annotate.Map({4: annotate.Field("four")}))),  # a key without a name
    ],
)
def test_what_does_not_fit_its_shape_is_not_drawn(data: bytes, field: annotate.Field) -> None:
    with pytest.raises((ValueError, KeyError)):
        annotate.walk(data, field)
