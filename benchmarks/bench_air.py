"""What an unlock costs on the air: bytes of ACL data and round trips after HELLO, at four ATT MTUs.

Also the one dear unlock of a shared key, the first: the vehicle asks what it stands on (CRED_PUT).

Counted are the payloads of every ACL packet in both directions, from the first after HELLO to the one that ends the
answer: L2CAP and ATT headers, frame headers and the acknowledgements of writes are in it. bleak and Bumble's two host
stacks carry them over the virtual radio, as they would over a board.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness import Figure

from keygw.ble.air import BleAir
from keygw.model.command import Action
from keygw.session.fast import FastKey
from keygw.vehicle.conversation import Conversation, Reply
from keygw.vehicle.ports import HeldKey
from keygw.wire.messages import Cmd
from keygw_sim.garage import Garage
from keygw_sim.radio.virtual import VirtualRadio
from keygw_sim.vehicle.runner import VehicleOnAir

GROUP = "air"
MTUS = (23, 115, 247, 517)
PATIENCE = 5.0
VISITS = (
    ("owner", "cold", "in an open session"),
    ("owner", "fast"),
    ("owner", "cold, token kept"),
    ("friend", "chain of one, first meeting"),
    ("grandchild", "chain of two, first meeting"),
)
"""Who comes on a new connection, and what to call each of its unlocks."""


class Counted:
    """ACL bytes that the radio has carried."""

    def __init__(self, radio: VirtualRadio) -> None:
        self.bytes = 0
        self._send = radio.link.send_acl_data
        radio.link.send_acl_data = self._count  # type: ignore[method-assign, assignment]  # the ether has no other place to listen

    def _count(self, sender: Any, to: Any, transport: Any, data: bytes) -> None:
        self.bytes += len(data)
        self._send(sender, to, transport, data)


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one unlock. Bytes count both directions; ``message_bytes`` exclude every header."""

    name: str
    reply: Reply
    acl_bytes: int
    message_bytes: int
    round_trips: int


async def measure(mtu: int) -> list[Cost]:
    """A cold unlock, another command in the session; after new connections a fast one, and one that names the token.

    Then two shared keys meet the vehicle, one of them shared by the other.
    """
    async with AsyncExitStack() as stack:
        garage = Garage(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        radio = await stack.enter_async_context(VirtualRadio())
        count = Counted(radio)
        vehicle = VehicleOnAir(garage.brain, (await radio.add_controller()).transport, max_mtu=mtu)
        await vehicle.start()
        stack.push_async_callback(vehicle.stop)
        air = BleAir.bumble((await radio.add_controller()).transport)
        stack.push_async_callback(air.close)
        rows: list[Cost] = []
        fast: FastKey | None = None
        number = 0
        keys = {who: _key(garage, who) for who, *_ in VISITS}
        for who, *names in VISITS:
            key, met = keys[who], who == "owner" and number > 0
            fast = fast if met else None
            talk = await Conversation.open(air, garage.vehicle, key, os.urandom, PATIENCE)
            for name in names:
                number += 1
                before, tally = count.bytes, talk.answered
                reply = await talk.ask(Cmd(number, Action.UNLOCK), fast, kept=met)
                spent = talk.answered
                rows.append(
                    Cost(
                        name,
                        reply,
                        count.bytes - before,
                        spent.message_bytes - tally.message_bytes,
                        spent.round_trips - tally.round_trips,
                    )
                )
            fast = talk.session.fast_key if number == len(VISITS[0]) - 1 else None
            await talk.close()
        return rows


def _key(garage: Garage, who: str) -> HeldKey:
    claims = garage.claims(who)
    return HeldKey(garage.office.hand(claims, garage.chain(claims)), garage.signers[who])


def figures() -> Iterator[Figure]:
    for mtu in MTUS:
        for cost in asyncio.run(measure(mtu)):
            detail = {
                "mtu": mtu,
                "message_bytes": cost.message_bytes,
                "round_trips": cost.round_trips,
                "road": str(cost.reply.road),
            }
            yield Figure(f"unlock {cost.name}, MTU {mtu}: ACL data", GROUP, cost.acl_bytes, "bytes", detail=detail)
