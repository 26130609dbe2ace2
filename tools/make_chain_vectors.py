"""Write ``protocols/key_session/vectors/chain.json``: a key of depth 2 meets a vehicle that knows none of its parents.

``python tools/make_chain_vectors.py [FILE]``. Keys and chain are those of ``protocols/key_token/vectors``; randomness
is fixed and signatures are deterministic (RFC 6979), so no byte moves. A test holds this script to the frozen file.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from make_session_vectors import draws, exported
from make_token_vectors import DIRECTORY
from token_cast import CAR, FRIEND_KEY, KEY, OWNER_DEVICE, OWNER_KEY, THIRD, THIRD_DEVICE, VEHICLE

from keygw.crypto.kdf import sha256
from keygw.crypto.signer import thumbprint
from keygw.model.command import Action, Outcome
from keygw.model.ids import id_bytes
from keygw.model.vehicle import Vehicle
from keygw.session.device import DeviceSession, KeyInHand
from keygw.session.events import ChainBrought, Presented, SignatureNeeded
from keygw.session.identity import rotating_id
from keygw.session.states import Side
from keygw.session.vehicle import VehicleSession
from keygw.token.cwt import decode_cwt
from keygw.token.trust import TrustedIssuers
from keygw.wire.messages import Cmd, MessageType, Res, Result, TimeState, decode_chain, encode_info
from keygw_sim.rehearsal import first_of
from keygw_sim.vehicle import chain

FILE = DIRECTORY.parent.parent / "key_session" / "vectors" / "chain.json"
UNLOCK = Cmd(0x01020304, Action.UNLOCK)
DRAWN = {name: sha256(b"keygw chain vector " + name.encode()) for name in ("n_v", "G_V", "G_X", "G_Y", "advertising")}


def build() -> dict[str, Any]:
    row = next(
        row for row in json.loads((DIRECTORY / "grants.json").read_text("utf-8"))["chains"] if row["name"] == "third"
    )
    token, body = bytes.fromhex(row["token"]), bytes.fromhex(row["body"])
    vehicle = Vehicle(VEHICLE, "Car", CAR.public_key, DRAWN["advertising"][:16])
    info = encode_info(rotating_id(vehicle.advertising_key, b"\x01\x02\x03"))
    hand = KeyInHand(THIRD.key_id, token, THIRD_DEVICE.public_key, decode_chain(body))
    device = DeviceSession(vehicle, hand, info, draws(DRAWN["G_X"]), 0.0)
    owners = [thumbprint(OWNER_DEVICE.public_key)]

    def verify(cwt: bytes) -> Any:
        return decode_cwt(cwt, TrustedIssuers([KEY]), vehicle_id=VEHICLE)

    random = draws(DRAWN["n_v"][:16], DRAWN["G_V"], DRAWN["G_Y"])
    car = VehicleSession(VEHICLE, CAR.public_key, verify, info, random, 0.0)
    sent: list[dict[str, str]] = []

    def carry(side: Side, plaintext: bytes | None = None) -> list[Any]:
        """Move the one message that waits on that side."""
        source, target = (device, car) if side is Side.DEVICE else (car, device)
        frames = list(source.frames(512))
        message = b"".join(frame[1:] for frame in frames)
        direction = "D>V" if side is Side.DEVICE else "V>D"
        row = {"name": MessageType(message[0]).name, "direction": direction, "message": message.hex()}
        sent.append(row if plaintext is None else {**row, "plaintext": plaintext.hex()})
        return [event for frame in frames for event in target.receive(frame, 0.0)]

    def answer(outcome: Outcome, number: int | None, nonce: bytes) -> None:
        result = Result(outcome, number, 0, 0, nonce, TimeState.TRUSTED)
        car.answer(result, keep_open=True)
        carry(Side.VEHICLE, result.encode())

    car.greet(7)
    carry(Side.VEHICLE)
    device.begin(0.0, UNLOCK)
    car.sign(CAR.sign(first_of(carry(Side.DEVICE), SignatureNeeded).message))
    device.sign(THIRD_DEVICE.sign(first_of(carry(Side.VEHICLE), SignatureNeeded).message))
    claims = first_of(carry(Side.DEVICE), Presented).claims
    answer(Outcome.CHAIN_REQUIRED, UNLOCK.number, b"nonce..1")
    device.bring_chain()
    links = chain.verify(claims, first_of(carry(Side.DEVICE, body), ChainBrought).chain, verify, owners)
    assert [parent.key_id for _, _, parent in links] == [FRIEND_KEY, OWNER_KEY]  # noqa: S101 - a tool for us
    answer(Outcome.DONE, None, b"nonce..2")
    device.command(UNLOCK)
    carry(Side.DEVICE, UNLOCK.encode())
    response = Res(UNLOCK.number, Outcome.DONE, 1)
    car.respond(response)
    carry(Side.VEHICLE, response.encode())

    party = device._edhoc
    assert party is not None  # noqa: S101 - a tool for us
    context = sha256(info + bytes.fromhex(sent[0]["message"])[1:]) + id_bytes(VEHICLE, "veh") + id_bytes(THIRD.key_id)
    return {
        "about": "A key of depth 2 at its first meeting: RESULT asks for the chain, CRED_PUT brings it, the command "
        "comes again. Keys, token and chain 'third' are those of key_token/vectors. Every value is hex but the ids.",
        "inputs": {
            "vehicle_id": VEHICLE,
            "key_id": THIRD.key_id,
            "info": info.hex(),
            "token": token.hex(),
            **{f"{name.lower()}_secret": DRAWN[name].hex() for name in ("G_V", "G_X", "G_Y")},
            "n_v": DRAWN["n_v"][:16].hex(),
        },
        "derived": {
            "TH_4": party.schedule.th_4.hex(),
            "exporter context": context.hex(),
            **exported(party.schedule, context),
        },
        "messages": sent,
    }


def main() -> None:
    if sys.argv[1:] and sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else FILE
    path.write_text(json.dumps(build(), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
