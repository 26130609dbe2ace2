"""Write ``protocols/key_session/vectors/rotation.json``: an owner's device brings a vehicle two new issuer keys.

``python tools/make_rotation_vectors.py [FILE]``. Keys and statements are those of ``protocols/key_token/vectors``;
randomness is fixed and signatures are deterministic (RFC 6979). A test holds this script to the frozen file.
"""

from __future__ import annotations

from typing import Any

from kept import write_vector
from make_token_vectors import DIRECTORY
from meeting import Meeting
from rotation_vectors import SECOND, STATEMENTS, THIRD_ISSUER, ack_of, signed
from token_cast import CAR, ISSUER, KEY, OWNER, OWNER_DEVICE

from keygw.model.command import Outcome
from keygw.session.device import KeyInHand
from keygw.session.events import IssuerKeyAcknowledged, IssuerKeysBrought
from keygw.session.states import Side
from keygw.token.cwt import encode_cwt
from keygw.token.issuer_key import sign_issuer_key_ack
from keygw.wire.messages import encode_statements
from keygw_sim.rehearsal import first_of

FILE = DIRECTORY.parent.parent / "key_session" / "vectors" / "rotation.json"


def build() -> dict[str, Any]:
    hand = KeyInHand(OWNER.key_id, encode_cwt(OWNER, ISSUER, KEY.kid), OWNER_DEVICE.public_key)
    meeting = Meeting(b"keygw rotation vector", hand, OWNER_DEVICE)
    meeting.open()
    meeting.answer(Outcome.DONE, None, b"nonce..1")
    statements = [signed(STATEMENTS["second"], ISSUER), signed(STATEMENTS["third"], SECOND)]
    meeting.device.bring_issuer_keys(statements)
    brought = first_of(meeting.carry(Side.DEVICE, encode_statements(statements)), IssuerKeysBrought).signed
    assert list(brought) == statements  # noqa: S101 - a tool for us
    ack = sign_issuer_key_ack(ack_of("third", SECOND, THIRD_ISSUER, boot_epoch=7), CAR)
    meeting.car.acknowledge_issuer_key(ack)
    assert first_of(meeting.carry(Side.VEHICLE, ack), IssuerKeyAcknowledged).signed == ack  # noqa: S101 - see above
    return meeting.document(
        "An owner's device brings the statements 'second' and 'third' in one ISSUER_KEY; the vehicle, which knew the"
        " first issuer key, signs that the third is its newest. Keys, token and statements are those of"
        " key_token/vectors. Every value is hex but the ids."
    )


if __name__ == "__main__":
    write_vector(FILE, build, __doc__)
