"""Write ``protocols/key_session/vectors/chain.json``: a key of depth 2 meets a vehicle that knows none of its parents.

``python tools/make_chain_vectors.py [FILE]``. Keys and chain are those of ``protocols/key_token/vectors``; randomness
is fixed and signatures are deterministic (RFC 6979), so no byte moves. A test holds this script to the frozen file.
"""

from __future__ import annotations

import json
from typing import Any

from kept import write_vector
from make_token_vectors import DIRECTORY
from meeting import Meeting
from token_cast import FRIEND_KEY, OWNER_DEVICE, OWNER_KEY, THIRD, THIRD_DEVICE

from keygw.crypto.signer import thumbprint
from keygw.model.command import Action, Outcome
from keygw.session.device import KeyInHand
from keygw.session.events import ChainBrought
from keygw.session.states import Side
from keygw.wire.messages import Cmd, Res, decode_chain
from keygw_sim.rehearsal import first_of
from keygw_sim.vehicle import chain

FILE = DIRECTORY.parent.parent / "key_session" / "vectors" / "chain.json"
UNLOCK = Cmd(0x01020304, Action.UNLOCK)


def build() -> dict[str, Any]:
    row = next(
        row for row in json.loads((DIRECTORY / "grants.json").read_text("utf-8"))["chains"] if row["name"] == "third"
    )
    token, body = bytes.fromhex(row["token"]), bytes.fromhex(row["body"])
    hand = KeyInHand(THIRD.key_id, token, THIRD_DEVICE.public_key, decode_chain(body))
    meeting = Meeting(b"keygw chain vector", hand, THIRD_DEVICE)
    claims = meeting.open(UNLOCK)
    meeting.answer(Outcome.CHAIN_REQUIRED, UNLOCK.number, b"nonce..1")
    meeting.device.bring_chain()
    brought = first_of(meeting.carry(Side.DEVICE, body), ChainBrought).chain
    links = chain.verify(claims, brought, meeting.verify, [thumbprint(OWNER_DEVICE.public_key)])
    assert [parent.key_id for _, _, parent in links] == [FRIEND_KEY, OWNER_KEY]  # noqa: S101 - a tool for us
    meeting.answer(Outcome.DONE, None, b"nonce..2")
    meeting.device.command(UNLOCK)
    meeting.carry(Side.DEVICE, UNLOCK.encode())
    response = Res(UNLOCK.number, Outcome.DONE, 1)
    meeting.car.respond(response)
    meeting.carry(Side.VEHICLE, response.encode())
    return meeting.document(
        "A key of depth 2 at its first meeting: RESULT asks for the chain, CRED_PUT brings it, the command "
        "comes again. Keys, token and chain 'third' are those of key_token/vectors. Every value is hex but the ids."
    )


if __name__ == "__main__":
    write_vector(FILE, build, __doc__)
