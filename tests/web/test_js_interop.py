"""The JavaScript device at the Python car: what a day brings, beside what the conformance kit tries."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest

from js_device import NODE, JsDevice, JsStand
from keygw.model.base64url import encode_base64url
from keygw.wire.messages import MessageType
from keygw_sim.conformance.counter import Counter
from keygw_sim.conformance.mutants.plant import Bed
from keygw_sim.conformance.showroom import Watched
from keygw_sim.phone.phone import Invitation
from keygw_sim.vehicle import brain

if TYPE_CHECKING:
    from tests.conftest import Require

Scene = tuple[JsDevice, Counter]
MESSAGE_3 = MessageType.MESSAGE_3
BEFORE = (MessageType.HELLO, MessageType.MESSAGE_2)


@pytest.fixture
async def scene(require: Require) -> AsyncIterator[Scene]:
    require("node", NODE is not None, "no Node.js 20 or newer here: apt-get install nodejs")
    bed = Bed()
    bed.set(brain, "VehicleSession", Watched)
    try:
        async with JsDevice.running() as device, JsStand(device).counter(bed) as counter:
            yield device, counter
    finally:
        bed.clear()


def issuer(counter: Counter, sequence: int = 1) -> Callable[[bytes], Awaitable[dict[str, Any]]]:
    """``POST .../time-proofs``, as the rig's issuer answers it; with a list of that sequence."""
    rig = counter.rig.rig

    async def prove(nonce: bytes) -> dict[str, Any]:
        proof = rig.office.prove_time(rig.vehicle, nonce, rig.now, sequence)
        carried = counter.rig.next_list(sequence)
        told = {"vehicle_id": carried.vehicle_id, "sequence": sequence, "signed": encode_base64url(carried.signed)}
        return {"proof": encode_base64url(proof), "revocation_list": told}

    return prove


async def tap(device: JsDevice, action: str = "unlock", number: int | None = None) -> dict[str, Any]:
    return await device.ask("tap", action=action, number=number)


async def test_cold_then_fast_then_cold_after_a_start(scene: Scene) -> None:
    device, counter = scene
    roads = [(await tap(device, action))["road"] for action in ("unlock", "lock", "open_trunk")]
    assert roads == ["full", "fast", "fast"]
    await counter.room.reboot()
    told = await tap(device)
    assert (told["outcome"], told["road"]) == ("done", "full"), "the pair has died, and the command was done once"
    assert told["receipt"] == {"outcome": 0, "action": 1}


async def test_a_friend_brings_time_list_and_chain(scene: Scene) -> None:
    device, counter = scene
    await counter.user.take(counter.rig.friend())
    told = await tap(device)
    assert (told["outcome"], told["ok"]) == ("time_proof_required", False), "offline"
    device.prove = issuer(counter)
    told = await tap(device)
    assert (told["outcome"], told["ok"]) == ("done", True), told
    assert {MessageType.TIME_PROOF, MessageType.RL_PUSH, MessageType.CRED_PUT} <= set(counter.room.kinds())
    assert counter.room.memory.list_sequence == 1
    assert not counter.room.sim.brain.body.locked
    assert (await tap(device, "lock"))["road"] == "fast"


async def test_a_suspended_key_comes_back_with_the_list_that_its_device_carries(scene: Scene) -> None:
    device, counter = scene
    rig, room = counter.rig.rig, counter.room
    claims = rig.claims(counter.rig.device)
    await counter.user.take(Invitation(claims.key_id, rig.office.hand(claims).token, rig.vehicle))
    assert (await tap(device))["outcome"] == "done"
    for sequence, suspended in ((1, (claims.index,)), (2, ())):
        signed = rig.next_list(sequence, suspended=suspended)
        wish = {"vehicle_id": rig.vehicle.id, "sequence": sequence, "signed": encode_base64url(signed)}
        if suspended:
            room.sim.brain._keeper.accept_list(signed)  # others have brought it
            assert (await tap(device, "lock"))["outcome"] == "key_suspended"
            assert not room.sim.brain.body.locked
            continue
        await device.ask("carry", list=wish)
        told = await tap(device, "lock")
        assert (told["outcome"], told["listCarried"]) == ("done", True), told
        assert (await device.ask("carry", list=wish))["acks"] != []
    assert room.sim.brain.body.locked


async def test_a_refused_command_leaves_a_receipt(scene: Scene) -> None:
    device, counter = scene
    await counter.room.sim.set_body(driver_door_open=True)
    told = await tap(device, "lock")
    assert (told["outcome"], told["ok"], told["receipt"]["outcome"]) == ("door_open", False, 32), told


async def test_a_link_that_is_lost_behind_the_command_says_so_and_the_retry_does_it_once(scene: Scene) -> None:
    device, counter = scene
    before = counter.room.memory.receipt_sequence
    counter.room.down = lambda message: [message] if message[0] in BEFORE else []

    async def cut() -> None:
        await counter.room.until(lambda: MESSAGE_3 in counter.room.kinds(), 10)
        for link in list(device._links.values()):
            await link.close()

    device._start(cut())
    told = await tap(device)
    assert (told["outcome"], told["step"], told["may_have_happened"]) == ("link_lost", "asked", True), told
    counter.room.down = lambda message: [message]
    again = await tap(device, number=told["number"])
    assert (again["outcome"], again["number"]) == ("done", told["number"])
    assert counter.room.memory.receipt_sequence == before + 1
