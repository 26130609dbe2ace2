"""The gateway cannot read or forge what it relays: every byte that passes it is recorded here, bent, and played again.

All is real but the radio: the API on a socket, the relay, the phone with its device key, the car.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest

from keygw.client.relay import RelayAir
from keygw.crypto import aead
from keygw.model.command import Action
from keygw.model.errors import LinkError
from keygw.vehicle.ports import AirCount, Link
from keygw.wire.messages import Cmd, LinkKind, MessageType
from keygw_sim.phone.phone import Phone
from listening import listening
from town import Friend, GatewayAir, Town

Bend = Callable[[bytes], bytes]
UP, DOWN = "up", "down"


@dataclass
class Gateway:
    """What a gateway that means harm sees and does: ``bend[direction, number]`` changes that frame on its way."""

    frames: dict[str, list[bytes]] = field(default_factory=lambda: {UP: [], DOWN: []})
    bend: dict[tuple[str, int], Bend] = field(default_factory=dict)

    def passes(self, direction: str, frame: bytes) -> bytes:
        seen = self.frames[direction]
        seen.append(frame)
        bend = self.bend.get((direction, len(seen) - 1))
        return frame if bend is None else bend(frame)

    @property
    def transcript(self) -> bytes:
        """Messages in one piece: without the headers of their frames."""
        return b"".join(frame[1:] for frame in (*self.frames[UP], *self.frames[DOWN]))

    @property
    def handshake(self) -> int:
        """How many frames went up until the command was with the car: it rides in message_3."""
        starts = [at for at, frame in enumerate(self.frames[UP]) if frame[0] & 0x80]
        third = next(at for at in starts if MessageType(self.frames[UP][at][1]) is MessageType.MESSAGE_3)
        return next(at for at in starts if at > third)


class Tapped:
    """``Link``: the gateway's own, where it has both hands on it."""

    def __init__(self, link: Link, gateway: Gateway) -> None:
        self._link = link
        self._gateway = gateway
        self.peer, self.info = link.peer, link.info

    @property
    def max_frame(self) -> int:
        return self._link.max_frame

    @property
    def count(self) -> AirCount:
        return self._link.count

    async def send(self, frame: bytes) -> None:
        await self._link.send(self._gateway.passes(UP, frame))

    async def receive(self) -> bytes:
        return self._gateway.passes(DOWN, await self._link.receive())

    async def close(self) -> None:
        await self._link.close()


class TappedAir(GatewayAir):
    gateway: Gateway | None = None

    async def open(self, wanted: Callable[[bytes], bool], timeout: float, avoid: Collection[str] = ()) -> Link:
        link = await super().open(wanted, timeout, avoid)
        return link if self.gateway is None else Tapped(link, self.gateway)


@dataclass
class Scene:
    town: Town
    air: TappedAir
    friend: Friend

    async def unlocks(self, gateway: Gateway) -> tuple[str, bool]:
        """What the phone was told through that gateway, by a full handshake; and whether the car opened."""
        self.town.brain.set_body({"locked": True})
        self.friend.phone._fast_key, self.friend.phone._kept = None, False
        self.air.gateway = gateway
        try:
            outcome = (await self.friend.phone.command(Action.UNLOCK)).outcome
        finally:
            self.air.gateway = None
        return outcome, not self.town.brain.body.locked


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    monkeypatch.setattr("keygw.vehicle.conversation.ANSWER_SECONDS", 0.2)  # who gets no answer need not wait long
    town = Town(tmp_path)
    town.air = air = TappedAir(town.road)
    await town.start()
    async with listening(town.services) as url:
        owner = await town.owner()
        friend = await town.friend(owner, "Ann", "vehicle.read")
        assert await friend.tries() == "done"  # over its own radio: from now on the car knows the time and the chain
        await town.disconnect()
        friend.phone = Phone(
            RelayAir(url, friend.token, town.vehicle.id),
            friend.phone._signer,
            town.random,
            kind=LinkKind.RELAYED,
        )
        await friend.fetch_key()
        yield Scene(town, air, friend)
    await town.aclose()
    await town.road.close()


async def test_what_passes_the_gateway_tells_it_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every plaintext that phone or car sealed, the key token, the receipt: none of it is in the bytes on the way."""
    sealed: list[tuple[bytes, bytes]] = []
    seal = aead.GcmKey.seal

    def noting(self: aead.GcmKey, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
        sealed.append((plaintext, seal(self, nonce, plaintext, aad)))
        return sealed[-1][1]

    monkeypatch.setattr(aead.GcmKey, "seal", noting)
    gateway, phone = Gateway(), scene.friend.phone
    assert await scene.unlocks(gateway) == ("done", True)
    scene.air.gateway = gateway
    talk = await phone.meet()
    for action in (Action.LOCK, Action.UNLOCK, Action.OPEN_TRUNK):
        assert (await talk.command(Cmd(phone.number(), action))).outcome.ok
    await talk.close()
    transcript, invitation = gateway.transcript, phone._invitation
    assert invitation is not None
    assert len([plain for plain, cipher in sealed if cipher in transcript]) >= 8, "what was sealed has passed here"
    secrets = [plain for plain, _ in sealed if len(plain) >= 4]
    assert len(secrets) >= 8
    secrets += [invitation.cwt[at : at + 16] for at in range(0, len(invitation.cwt) - 16, 16)]
    secrets += [phone.public_key[1:], scene.friend.key_id.encode(), scene.town.vehicle.id.encode()]
    for secret in secrets:
        assert secret not in transcript, secret.hex()


async def test_a_frame_that_was_bent_anywhere_is_refused(scene: Scene, seed: int) -> None:
    """One bit in each byte of each frame to the car, which one is by the seed: it never opens, nor says that it did."""
    whole = Gateway()
    assert await scene.unlocks(whole) == ("done", True)
    rng, cases = Random(f"relay {seed}"), 0
    ends = whole.handshake
    places = [(at, byte) for at in range(ends) for byte in range(len(whole.frames[UP][at]))]
    for at, byte in rng.sample(places, 160) + [(at, each) for at in range(ends) for each in (0, 1)]:
        bit = 1 << rng.randrange(8)

        def flip(frame: bytes, byte: int = byte, bit: int = bit) -> bytes:
            byte %= len(frame)
            return frame[:byte] + bytes((frame[byte] ^ bit,)) + frame[byte + 1 :]

        outcome, opened = await scene.unlocks(Gateway(bend={(UP, at): flip}))
        assert not opened, f"frame {at}, byte {byte}, bit {bit}"
        assert outcome != "done", f"frame {at}, byte {byte}, bit {bit}"
        cases += 1
    assert cases >= 160
    assert await scene.unlocks(Gateway()) == ("done", True), "and it still works"


async def test_an_answer_that_was_bent_is_not_believed(scene: Scene, seed: int) -> None:
    """The car has acted or not; the phone never takes a bent answer for the car's word."""
    whole = Gateway()
    assert await scene.unlocks(whole) == ("done", True)
    rng = Random(f"relay down {seed}")
    until = next(
        at
        for at, frame in enumerate(whole.frames[DOWN])
        if frame[0] & 0x80 and MessageType(frame[1]) is MessageType.RESULT
    )
    places = [(at, byte) for at in range(until + 1) for byte in range(len(whole.frames[DOWN][at]))]
    for at, byte in rng.sample(places, min(100, len(places))):
        bit = 1 << rng.randrange(8)

        def flip(frame: bytes, byte: int = byte, bit: int = bit) -> bytes:
            return (
                frame[: byte % len(frame)] + bytes((frame[byte % len(frame)] ^ bit,)) + frame[byte % len(frame) + 1 :]
            )

        outcome, _ = await scene.unlocks(Gateway(bend={(DOWN, at): flip}))
        assert outcome != "done", f"frame {at}, byte {byte}, bit {bit}"


async def test_frames_that_are_played_again_are_refused(scene: Scene) -> None:
    """By the gateway alone, without the phone: all of them, the command alone, or one of them twice."""
    gateway = Gateway()
    assert await scene.unlocks(gateway) == ("done", True)
    recorded = list(gateway.frames[UP])
    before = scene.town.brain.memory.receipt_sequence
    starts = [at for at, frame in enumerate(recorded) if frame[0] & 0x80]
    parts = [recorded, *(recorded[at:] for at in starts[1:])]
    for part in parts:
        scene.town.brain.set_body({"locked": True})
        link = await scene.town.road.open(lambda rotating_id: True, 1.0)
        await link.receive()  # HELLO
        answers: list[Any] = []
        try:
            for number, frame in enumerate(part):
                await link.send(bytes((frame[0] & 0xC0 | number & 0x3F,)) + frame[1:])  # the header anybody can make
            while True:
                answers.append(await link.receive())
        except LinkError:
            pass
        kinds = {MessageType(each[1]) for each in answers if each[0] & 0x80}
        assert kinds <= {MessageType.MESSAGE_2, MessageType.ERROR}, kinds
        assert scene.town.brain.body.locked
    assert scene.town.brain.memory.receipt_sequence == before

    for at in range(1, gateway.handshake):
        outcome, opened = await scene.unlocks(Twice(at))
        assert (outcome != "done", opened) == (True, False), at
    assert scene.town.brain.memory.receipt_sequence == before


class Twice(Gateway):
    """A frame is played again within its own session, in the place of the one behind it."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.bend[UP, at] = lambda frame: self.frames[UP][at - 1]
