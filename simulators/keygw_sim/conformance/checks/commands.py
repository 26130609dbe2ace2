"""Commands, their numbers, receipts and events."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from keygw.model.command import Action, Outcome
from keygw.model.digital_key import Role
from keygw.model.entitlement import PROFILES, Entitlement
from keygw.token.receipt import receipt_hash, verify_receipt
from keygw.wire import cbor
from keygw.wire.messages import Cmd, MessageType
from keygw_sim.conformance.bench import Bench, verifies
from keygw_sim.conformance.verdict import must


@verifies("KS-401")
async def does_what_it_is_told(bench: Bench) -> None:
    await bench.locked()
    talk = await bench.enter()
    opened = await talk.command(Action.UNLOCK, bench.rig.number())
    must(opened.outcome is Outcome.DONE, f"UNLOCK gets {opened.outcome.label}")
    again = await talk.command(Action.UNLOCK, bench.rig.number())
    must(again.outcome is Outcome.ALREADY_IN_STATE, f"UNLOCK once more gets {again.outcome.label}")
    shut = await talk.command(Action.LOCK, bench.rig.number())
    must(shut.outcome is Outcome.DONE, f"LOCK gets {shut.outcome.label}")


@verifies("KS-402")
async def retry_is_answered_not_repeated(bench: Bench) -> None:
    await bench.locked()
    key, number = bench.rig.owner(), bench.rig.number()
    talk = await bench.enter(key)
    first = await talk.command(Action.UNLOCK, number)
    await talk.command(Action.LOCK, bench.rig.number())
    again = await talk.command(Action.UNLOCK, number)
    must(again == first, f"a retry gets {again.outcome.label}, receipt {again.receipt}, and not its old answer")
    talk = await bench.meet(key)
    result = await talk.prove(Action.UNLOCK, number)
    must(result.outcome is first.outcome, f"a retry in message_3 gets {result.outcome.label}")
    await bench.untouched("by a retry")


@verifies("KS-403")
async def remembers_32_numbers(bench: Bench) -> None:
    key, first = bench.rig.owner(), bench.rig.number()
    talk = await bench.enter(key)
    answer = await talk.command(Action.FLASH_LIGHTS, first)
    for _ in range(31):
        await talk.command(Action.FLASH_LIGHTS, bench.rig.number())
    again = await talk.command(Action.FLASH_LIGHTS, first)
    must(again == answer, "the 32nd last number of a key is forgotten")


@verifies("KS-404")
async def remembers_across_a_start(bench: Bench) -> None:
    await bench.locked()
    key, number = bench.rig.owner(), bench.rig.number()
    talk = await bench.enter(key)
    first = await talk.command(Action.UNLOCK, number)
    await talk.command(Action.LOCK, bench.rig.number())
    await bench.hands.reboot()
    talk = await bench.meet(key)
    result = await talk.prove(Action.UNLOCK, number)
    must(result.outcome is first.outcome, f"a retry after a start gets {result.outcome.label}")
    await bench.untouched("by a retry after a start")


@verifies("KS-405")
async def number_with_another_action(bench: Bench) -> None:
    number = bench.rig.number()
    await bench.locked()
    talk = await bench.enter()
    await talk.command(Action.LOCK, number)
    answer = await talk.command(Action.UNLOCK, number)
    must(answer.outcome is Outcome.NUMBER_REUSED, f"the number with another action gets {answer.outcome.label}")
    must(answer.receipt == 0, "NUMBER_REUSED leaves a receipt")
    await bench.untouched("by a number that was used before")


@verifies("KS-406")
async def unknown_action(bench: Bench) -> None:
    talk = await bench.enter()
    for action in (77, 128):
        answer = await talk.command(Action(action), bench.rig.number())
        must(answer.outcome is Outcome.UNKNOWN_ACTION, f"action {action} gets {answer.outcome.label}")
        must(answer.receipt > 0, f"action {action} leaves no receipt")


@verifies("KS-407")
async def what_the_token_does_not_hold(bench: Bench) -> None:
    only = bench.rig.owner(entitlements=Entitlement.DOOR_LOCK)
    for action in (Action.UNLOCK, Action.OPEN_TRUNK, Action.START_ENGINE):
        outcome = await bench.asks(replace(only), action)
        must(outcome is Outcome.NOT_ENTITLED, f"{action.label} without its entitlement gets {outcome.label}")


@verifies("KS-408")
async def passive_unlock(bench: Bench) -> None:
    outcome = await bench.asks(bench.rig.owner(), Action.PASSIVE_UNLOCK)
    must(outcome is Outcome.PROXIMITY_REQUIRED, f"PASSIVE_UNLOCK gets {outcome.label}")


@verifies("KS-409")
async def unknown_entitlements(bench: Bench) -> None:
    rights = Entitlement(int(PROFILES["owner"]) | 1 << 30)
    outcome = await bench.asks(bench.rig.owner(entitlements=rights), Action.LOCK)
    must(outcome.ok, f"a token with an entitlement bit that nobody knows gets {outcome.label}")
    outcome = await bench.asks(bench.rig.owner(entitlements=Entitlement(1 << 30)), Action.UNLOCK)
    must(outcome is Outcome.NOT_ENTITLED, f"an unknown entitlement bit alone gets {outcome.label}")


@verifies("KS-410")
async def open_door(bench: Bench) -> None:
    outcome = await bench.asks(bench.rig.owner(), Action.UNLOCK)
    must(outcome.ok, f"an owner's UNLOCK, so that a door can be opened, gets {outcome.label}")
    await bench.hands.set_body(driver_door_open=True)
    try:
        outcome = await bench.asks(bench.rig.owner(), Action.LOCK)
        must(outcome is Outcome.DOOR_OPEN, f"LOCK with an open door gets {outcome.label}")
    finally:
        await bench.hands.set_body(driver_door_open=False)


@verifies("KS-411")
async def moving(bench: Bench) -> None:
    await bench.hands.set_body(speed=30.0)
    try:
        for action in (Action.UNLOCK, Action.OPEN_TRUNK):
            outcome = await bench.asks(bench.rig.owner(), action)
            must(outcome is Outcome.IN_MOTION, f"{action.label} at 30 km/h gets {outcome.label}")
    finally:
        await bench.hands.set_body(speed=0.0)


@verifies("KS-412")
async def malformed_commands(bench: Bench) -> None:
    cases: tuple[tuple[str, bytes], ...] = (
        ("with three items", cbor.encode([1, 1, 1])),
        ("with a number beyond 32 bits", cbor.encode([2**32, 1])),
        ("with action true", cbor.encode([1, True])),
        ("in a longer form than it needs", b"\x82\x18\x01\x01"),
        ("with something behind it", cbor.encode([1, 2]) + b"\x00"),
        ("of indefinite length", b"\x9f\x01\x02\xff"),
        ("with a tag", b"\xc1" + cbor.encode([1, 2])),
        ("that is no CBOR", b"\xff"),
    )
    for what, plaintext in cases:
        talk = await bench.enter()
        await talk.message(talk.probe.seal(MessageType.CMD, plaintext))
        await talk.refused(f"a command {what}")


@verifies("KS-413")
async def requests_without_a_wait(bench: Bench) -> None:
    talk = await bench.enter()
    numbers = [bench.rig.number() for _ in range(3)]
    for number in numbers:
        talk.probe.command(Cmd(number, Action.LOCK))
    await talk.flush()
    answered = []
    for _ in numbers:
        await talk.next()
        answered = [event.response.number for event in talk.heard if hasattr(event, "response")]
    must(answered == numbers, f"three commands in a row are answered in the order {answered}")


@verifies("KT-201")
async def receipt_for_every_command(bench: Bench) -> None:
    key = bench.rig.owner()
    talk = await bench.enter(key)
    number = bench.rig.number()
    answer = await talk.command(Action.LOCK, number)
    refused = await talk.command(Action(77), bench.rig.number())
    must(answer.receipt > 0, "a command leaves no receipt")
    must(refused.receipt == answer.receipt + 1, "a refused command leaves no receipt")
    given = await talk.receipts(answer.receipt - 1)
    receipts = [verify_receipt(signed, bench.rig.vehicle.public_key) for signed in given.signed]
    must([each.sequence for each in receipts] == [answer.receipt, refused.receipt], "the receipts are not those")
    first = receipts[0]
    must(first.number == number, f"the receipt names command {first.number}")
    must(first.key_id == key.id, f"the receipt names {first.key_id}")
    must(first.action is Action.LOCK, f"the receipt names {first.action.label}")
    must(first.outcome is answer.outcome, f"the receipt says {first.outcome.label}, RES {answer.outcome.label}")
    must(first.vehicle_id == bench.rig.vehicle.id, "the receipt names another vehicle")
    must(first.after is True, "the receipt of a LOCK does not say that it is locked")


@verifies("KT-202")
async def receipts_are_chained(bench: Bench) -> None:
    talk = await bench.enter()
    first = await talk.command(Action.LOCK, bench.rig.number())
    for _ in range(2):
        await talk.command(Action.FLASH_LIGHTS, bench.rig.number())
    given = await talk.receipts(first.receipt - 1)
    must(len(given.signed) == 3, f"{len(given.signed)} receipts of 3 are given out")
    for before, signed in zip(given.signed, given.signed[1:], strict=False):
        receipt: Any = verify_receipt(signed, bench.rig.vehicle.public_key)
        must(receipt.previous == receipt_hash(before), f"receipt {receipt.sequence} does not follow the one before it")


@verifies("KS-423")
async def receipt_names_the_session(bench: Bench) -> None:
    talk = await bench.meet()
    result = await talk.open(Action.LOCK, bench.rig.number())
    given = await talk.receipts(result.receipt - 1)
    receipt: Any = verify_receipt(given.signed[0], bench.rig.vehicle.public_key)
    must(receipt.session == talk.probe._session_hash, "a receipt names another session")


@verifies("KS-414")
async def who_reads_which_receipts(bench: Bench) -> None:
    await bench.trusted()
    owner = bench.rig.owner()
    await bench.enter(owner)
    await bench.asks(owner, Action.LOCK)
    friend = bench.rig.friend(owner)
    talk = await bench.enter(friend)
    await talk.command(Action.LOCK, bench.rig.number())
    after = 0
    while True:
        given = await talk.receipts(after)
        for signed in given.signed:
            receipt: Any = verify_receipt(signed, bench.rig.vehicle.public_key)
            after = receipt.sequence
            own = receipt.key_id == friend.id or receipt.removes_key
            must(own, f"a friend reads the receipt of {receipt.key_id}")
        if not given.more:
            break
    must(after > 0, "a friend does not read its own receipt")


@verifies("KS-415")
async def receipts_after_the_last(bench: Bench) -> None:
    talk = await bench.enter()
    given = await talk.receipts(2**32 - 1)
    must(not given.signed and not given.more, "there are receipts after the last")


@verifies("KS-416")
async def acknowledged_by_a_friend(bench: Bench) -> None:
    await bench.trusted()
    owner = bench.rig.owner()
    talk = await bench.enter(owner)
    sequence = (await talk.command(Action.LOCK, bench.rig.number())).receipt
    await talk.command(Action.LOCK, bench.rig.number())
    friend = await bench.enter(bench.rig.friend(owner))
    await friend.command(Action.LOCK, bench.rig.number())
    await friend.receipts(0)
    friend.probe.acknowledge_receipts(2**32 - 1)
    await friend.flush()
    await friend.silent("RECEIPT_ACK")
    await bench.receipt(sequence)


@verifies("KS-417")
async def event_for_who_asks(bench: Bench) -> None:
    await bench.locked()
    talk = await bench.meet(subscribe=True)
    await talk.open()
    told = await talk.readings()
    must(told.get(1) is True, f"of a locked vehicle the first EVENT says {told.get(1)}")
    await talk.command(Action.UNLOCK, bench.rig.number())
    told = await talk.readings()
    must(told.get(1) is False, "what a command changes is not told")
    await talk.command(Action.LOCK, bench.rig.number())


@verifies("KS-418")
async def no_event_unasked(bench: Bench) -> None:
    await bench.locked()
    for key in (bench.rig.owner(), bench.rig.owner(entitlements=Entitlement.DOOR_LOCK | Entitlement.DOOR_UNLOCK)):
        talk = await bench.meet(key, subscribe=key.claims.entitlements != PROFILES["owner"])
        await talk.open()
        await talk.command(Action.UNLOCK, bench.rig.number())
        await talk.command(Action.LOCK, bench.rig.number())
        await talk.drain()
        must(
            not any(m[0] == MessageType.EVENT for m in talk.messages), "EVENT comes to who did not ask, or may not read"
        )


@verifies("KS-419")
async def refused_key_leaves_64_receipts(bench: Bench) -> None:
    """A suspended key stays connected and may ask as often as it likes."""
    key = bench.rig.owner()
    await bench.enter(key)
    await bench.bars(suspended=(key.claims.index,))
    talk = await bench.meet(key)
    await talk.prove()
    left = 0
    for _ in range(70):
        left += (await talk.command(Action.LOCK, bench.rig.number())).receipt > 0
    must(left <= 64, f"a refused key leaves {left} receipts")
    await bench.bars()


@verifies("KS-420")
async def unknown_role(bench: Bench) -> None:
    await bench.trusted()
    outcome = await bench.verdict(bench.rig.owner(role=Role(9)))
    must(outcome is Outcome.NOT_ENROLLED, f"a key of an unknown role gets {outcome.label}")


@verifies("KS-421")
async def device_that_nobody_enrolled(bench: Bench) -> None:
    await bench.locked()
    outcome = await bench.asks(bench.rig.key(bench.rig.stranger()), Action.UNLOCK)
    must(outcome is Outcome.NOT_ENROLLED, f"an owner's token for a device that never paired gets {outcome.label}")
    await bench.untouched("by a device that nobody enrolled")
