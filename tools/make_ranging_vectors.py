"""Write ``protocols/key_session/vectors/ranging.json``: an owner's device ranges twice, and is let in.

``python tools/make_ranging_vectors.py [FILE]``. Keys and token are those of ``protocols/key_token/vectors``; randomness
is fixed and signatures are deterministic (RFC 6979). A test holds this script to the frozen file.
"""

from __future__ import annotations

from typing import Any

from kept import write_vector
from make_token_vectors import DIRECTORY
from meeting import Meeting
from token_cast import ISSUER, KEY, OWNER, OWNER_DEVICE

from keygw.model.command import Action, Outcome
from keygw.session.device import KeyInHand
from keygw.session.events import Commanded, RangeAsked, Ranged, Responded
from keygw.session.ranging import LABEL_RANGING, SECRET_BYTES
from keygw.session.states import Side
from keygw.token.cwt import encode_cwt
from keygw.wire.messages import Cmd, Res
from keygw.wire.ranging import Finding, Range, RangingMethod, Zone
from keygw_sim.rehearsal import first_of

FILE = DIRECTORY.parent.parent / "key_session" / "vectors" / "ranging.json"
ROUNDS = (
    Range(1, RangingMethod.CHANNEL_SOUNDING, Finding(Zone.FAR, 1234, 97, 1000)),
    Range(2, RangingMethod.UWB, Finding(Zone.NEAR, 140, 100, 1000)),
)
COMMAND = Cmd(0x01020305, Action.PASSIVE_UNLOCK)


def build() -> dict[str, Any]:
    hand = KeyInHand(OWNER.key_id, encode_cwt(OWNER, ISSUER, KEY.kid), OWNER_DEVICE.public_key)
    meeting = Meeting(b"keygw ranging vector", hand, OWNER_DEVICE)
    meeting.open()
    meeting.answer(Outcome.DONE, None, b"nonce..1")
    keys = {}
    for told in ROUNDS:
        assert told.finding is not None  # noqa: S101 - a tool for us
        key = meeting.device.next_round(told.method)
        meeting.device.ask_range(told.method)
        asked = first_of(meeting.carry(Side.DEVICE, Range(told.round, told.method).encode()), RangeAsked)
        assert asked == RangeAsked(told.method, key)  # noqa: S101 - see above
        meeting.car.answer_range(told.finding)
        found = first_of(meeting.carry(Side.VEHICLE, told.encode()), Ranged)
        assert found.finding == told.finding  # noqa: S101 - see above
        keys[f"key of round {told.round}, {told.method.label}"] = key.hex()
    meeting.device.command(COMMAND)
    assert first_of(meeting.carry(Side.DEVICE, COMMAND.encode()), Commanded).command == COMMAND  # noqa: S101 - see above
    answer = Res(COMMAND.number, Outcome.DONE, 1)
    meeting.car.respond(answer)
    assert first_of(meeting.carry(Side.VEHICLE, answer.encode()), Responded).response == answer  # noqa: S101 - see above
    document = meeting.document(
        "An owner's device asks for a round of Channel Sounding and is told that it is far, then for one of UWB and is"
        " near, and sends PASSIVE_UNLOCK. Keys and token are those of key_token/vectors. Every value is hex but the"
        " ids."
    )
    party, context = meeting.device._edhoc, bytes.fromhex(document["derived"]["exporter context"])
    assert party is not None  # noqa: S101 - see above
    secret = party.schedule.export(LABEL_RANGING, context, SECRET_BYTES)
    document["derived"] |= {"K_range": secret.hex(), **keys}
    return document


if __name__ == "__main__":
    write_vector(FILE, build, __doc__)
