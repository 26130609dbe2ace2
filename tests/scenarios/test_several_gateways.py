"""Two gateways on one PostgreSQL: each vehicle is met by one of them, and nobody sees which."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import pytest

from keygw.bridge.apps import Unauthenticated
from keygw.bridge.leases import HeldElsewhere
from keygw.bridge.records import CommandRecord
from keygw.model.command import CommandState
from keygw.model.errors import Conflict, LinkError, NotFound
from keygw.vehicle.ports import Link, Sighting
from keygw.wire.messages import MessageType
from town import DEATH, GatewayAir, Town

Pair = tuple[Town, Town]
Owner = tuple[str, str]


@pytest.fixture
async def two(tmp_path: Path, new_database: Callable[[], str]) -> AsyncIterator[Pair]:
    first = Town(tmp_path, new_database())
    await first.start()
    second = await first.beside()
    yield first, second
    await second.aclose()
    await first.aclose()
    await first.road.close()


async def until(true: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(5):
        while not await true():  # noqa: ASYNC110 - the store tells nobody
            await asyncio.sleep(0.002)


async def command(town: Town, owner: Owner, action: str, **more: Any) -> CommandRecord:
    """Asked of that gateway; as it stands once it is written down."""
    app = await town.bridge.apps.authenticate(owner[0])
    record, _ = await town.bridge.commands.create(
        app, town.vehicle.id, action=action, idempotency_key=town.random(8).hex(), **more
    )
    return record


async def part(town: Town, owner: Owner) -> None:
    """End the link to the car."""
    app = await town.bridge.apps.authenticate(owner[0])
    await town.bridge.vehicles.disconnect(app, town.vehicle.id)


async def left_waiting(town: Town, owner: Owner) -> CommandRecord:
    """A command for the car, which that gateway has and does not reach."""
    await part(town, owner)
    town.air.near = False
    return await command(town, owner, "lock", expires_at=town.now + 600)


async def silence(town: Town, other: Town) -> None:
    """``town`` shows no sign of life until ``other`` takes it for dead."""
    await other.bridge.leases.round()
    other.ticks += DEATH
    await other.bridge.leases.round()


def holder(*towns: Town) -> list[bool]:
    return [town.bridge.leases.of(town.vehicle.id) is not None for town in towns]


async def states(town: Town, record: CommandRecord) -> list[CommandState]:
    found = await town.store.bridge.command(record.id)
    assert found is not None
    return [state for state, _ in found.timeline]


async def test_a_command_is_carried_by_the_gateway_that_has_the_car(two: Pair) -> None:
    first, second = two
    owner = await first.owner()
    assert holder(first, second) == [True, False]
    links = first.road.opened
    first.air.near = second.air.near = False  # no new link: only the one that is up can carry it
    assert await second.unlocks(*owner) == ("confirmed", None)
    assert first.road.opened == links
    assert holder(first, second) == [True, False]


async def test_each_gateway_tells_its_streams_of_commands_that_another_carries(two: Pair) -> None:
    first, second = two
    owner = await first.owner()
    with second.hub.subscribe(lambda event: event.type == "keygw.command.updated") as stream:
        await first.unlocks(*owner)
        told: list[str] = []
        while "confirmed" not in told:
            event = await stream.next(5)
            assert event is not None
            told.append(event.data["state"])
    assert told.count("confirmed") == 1


async def test_a_revocation_at_one_reaches_the_car_over_the_others_link(two: Pair) -> None:
    first, second = two
    owner = await first.owner()
    friend = await first.friend(owner, "Ann")
    assert await friend.tries() == "done"
    assert await first.unlocks(*owner) == ("confirmed", None)
    second.air.near = False
    revoked = await second.ask("POST", f"/keys/{friend.key_id}:revoke", owner[0])
    assert revoked["stage"] == "revoking"
    await first.eventually(revoked["list"]["current"])
    assert (await second.key(friend.key_id))["stage"] == "revoked"
    assert await friend.tries() == "key_revoked"


async def test_events_are_told_by_both_in_one_order(two: Pair) -> None:
    first, second = two
    heard: list[list[str]] = [[], []]
    streams = [town.hub.subscribe(lambda event: event.type.startswith("keygw.key.")) for town in two]
    owner = await first.owner()
    keys = [await first.friend(owner, "Ann"), await second.friend(owner, "Ben")]
    await asyncio.gather(
        *(
            town.ask("POST", f"/keys/{friend.key_id}:{verb}", owner[0])
            for verb, town in (("suspend", first), ("suspend", second))
            for friend in keys[:: 1 if town is first else -1]
        )
    )
    last = await second.ask("POST", f"/keys/{keys[0].key_id}:revoke", owner[0])
    for stream, events in zip(streams, heard, strict=True):
        while not any(each.startswith("keygw.key.revoking") for each in events):
            event = await stream.next(5)
            assert event is not None
            if event.type in ("keygw.key.shared", "keygw.key.suspended", "keygw.key.revoking"):
                events.append(f"{event.type} {event.data['key_id']}")
        stream.close()
    assert last["id"] == keys[0].key_id
    assert heard[0] == heard[1]
    assert len(heard[0]) == len(set(heard[0])) == 5


async def test_an_idle_car_goes_to_whoever_meets_it_next(two: Pair) -> None:
    first, second = two
    owner = await first.owner()
    await first.bridge.leases.round()
    assert holder(first, second) == [True, False]  # its link is up
    await part(first, owner)
    await first.bridge.leases.round()
    assert holder(first, second) == [False, False]
    first.air.near = False
    assert await second.unlocks(*owner) == ("confirmed", None)
    assert holder(first, second) == [False, True]


async def test_a_gateway_that_wakes_up_too_late_writes_and_sends_nothing(two: Pair) -> None:
    """It froze before it reached the car: another carries the command, and the car acts once."""
    first, second = two
    owner = await first.owner()
    await part(first, owner)
    frozen = Frozen(first)
    first.brain.set_body({"locked": True})
    acted = first.brain.memory.receipt_sequence
    record = await command(first, owner, "open_trunk", expires_at=first.now + 60)
    await frozen.reached.wait()
    await silence(first, second)
    async with asyncio.timeout(5):
        app = await second.bridge.apps.authenticate(owner[0])
        done = await second.bridge.commands.wait(await second.bridge.commands.get(app, first.vehicle.id, record.id), 5)
    assert done.state is CommandState.CONFIRMED
    frozen.go.set()
    await until(lambda: _none(first.bridge.commands, record))
    assert await states(second, record) == [CommandState.ACCEPTED, CommandState.SENT, CommandState.ACKNOWLEDGED,
                                            CommandState.CONFIRMED]  # fmt: skip
    assert first.brain.memory.receipt_sequence == acted + 1
    await first.bridge.leases.round()  # and learns that it was taken for dead
    assert holder(first, second) == [False, True]
    assert await first.unlocks(*owner) == ("confirmed", None)


async def test_what_may_have_left_is_settled_by_the_next_and_never_sent_again(two: Pair) -> None:
    """The first froze when the car had the command and it had no answer."""
    first, second = two
    owner = await first.owner()
    acted = first.brain.memory.receipt_sequence
    first.road.mute = MessageType.CMD
    record = await command(first, owner, "open_trunk")

    async def has_acted() -> bool:
        return first.brain.memory.receipt_sequence > acted

    await until(has_acted)
    assert (await states(first, record))[-1] is CommandState.SENT
    first.road.mute = None
    await silence(first, second)
    app = await second.bridge.apps.authenticate(owner[0])
    done = await second.bridge.commands.wait(await second.bridge.commands.get(app, first.vehicle.id, record.id), 5)
    assert done.state is CommandState.CONFIRMED
    assert await states(second, record) == [CommandState.ACCEPTED, CommandState.SENT, CommandState.UNKNOWN,
                                            CommandState.CONFIRMED]  # fmt: skip
    assert first.brain.memory.receipt_sequence == acted + 1


async def test_a_command_that_waits_elsewhere_can_be_taken_back(two: Pair) -> None:
    first, second = two
    owner = await first.owner()
    record = await left_waiting(first, owner)
    app = await second.bridge.apps.authenticate(owner[0])
    cancelled = await second.bridge.commands.cancel(app, first.vehicle.id, record.id)
    assert cancelled.state is CommandState.CANCELLED
    first.air.near = True
    assert await first.unlocks(*owner) == ("confirmed", None)
    assert (await states(first, record))[-1] is CommandState.CANCELLED


async def test_a_gateway_that_ends_in_good_order_leaves_what_waits_to_the_other(two: Pair) -> None:
    first, second = two
    owner = await first.owner()
    record = await left_waiting(first, owner)
    await first.bridge.stop()
    await until(lambda: _state(second, record, CommandState.CONFIRMED))


async def test_what_was_left_while_nobody_listened_is_found_at_the_next_look(two: Pair) -> None:
    first, second = two
    owner = await first.owner()
    record = await left_waiting(first, owner)
    second.bridge.neighbours._stopped = True  # its connection is down just then
    await first.bridge.stop()
    second.bridge.neighbours._stopped = False
    second.bridge.neighbours.hear(None)
    await until(lambda: _state(second, record, CommandState.CONFIRMED))


async def test_the_car_is_left_alone_by_who_does_not_have_it(two: Pair) -> None:
    first, second = two
    owner = await first.owner()
    app = await second.bridge.apps.authenticate(owner[0])
    with pytest.raises(HeldElsewhere):
        await second.bridge.vehicles.sync(app, first.vehicle.id)


async def test_what_one_hears_of_the_car_is_known_at_the_other(two: Pair) -> None:
    first, second = two
    owner = await first.owner()
    with second.hub.subscribe(lambda event: event.type == "keygw.signal.changed") as stream:
        assert await first.unlocks(*owner) == ("confirmed", None)
        path = "Vehicle.Private.KeyGW.CentralLock.IsLocked"
        told: dict[str, Any] = {}
        while (told.get("path"), told.get("value")) != (path, False):
            event = await stream.next(5)
            assert event is not None
            told = dict(event.data)
    assert told["quality"] == "live"
    assert (await second.ask("GET", f"/vehicles/{first.vehicle.id}/link", owner[0]))["state"] == "authenticated"
    asked = await second.ask("POST", f"/vehicles/{first.vehicle.id}/link:connect", owner[0])
    assert asked["state"] == "authenticated"
    await part(first, owner)

    async def known_to_be_gone() -> bool:
        link = await second.ask("GET", f"/vehicles/{first.vehicle.id}/link", owner[0])
        return bool(link["state"] == "disconnected")

    await until(known_to_be_gone)


async def test_a_rotation_at_one_is_known_to_the_other_at_once(two: Pair) -> None:
    first, second = two
    kid = str((await first.ask("POST", "/admin/issuer-keys", place="file"))["kid"])
    await first.ask("POST", f"/admin/issuer-keys/{kid}/activate", overlap_seconds=3600)

    async def signs_with_it() -> bool:
        return second.rotation.keyring.kid == first.rotation.keyring.kid

    await until(signs_with_it)


async def test_an_app_that_is_removed_at_one_is_out_at_the_other(two: Pair) -> None:
    first, second = two
    app_id, token = await first.app("Guest", "vehicle.read")
    app = await second.bridge.apps.authenticate(token)
    ended = asyncio.Event()
    with second.bridge.apps.holding(app, ended.set):
        await first.bridge.apps.revoke(app_id)
        async with asyncio.timeout(5):
            await ended.wait()
    with pytest.raises(Unauthenticated):
        await second.bridge.apps.authenticate(token)


async def test_a_stream_goes_on_at_the_other(two: Pair) -> None:
    first, second = two
    owner = await first.owner()
    here = first.hub.subscribe(lambda event: event.type == "keygw.command.updated")
    await command(first, owner, "lock")
    seen = await here.next()
    assert seen is not None
    done = await command(first, owner, "unlock")
    await first.bridge.commands.wait(done, 5)

    async def told_there() -> bool:
        return second.hub.position == first.hub.position

    await until(told_there)
    stream = second.hub.subscribe(lambda event: True, after=seen.id)
    told = [event async for event in second.bridge.history.missed(stream)]
    assert (told.pop().data["reason"], stream.missed) == ("not_recorded", seen.id.partition("-")[0])
    steps = [each.data["state"] for each in told if each.data.get("id") == done.id]
    assert steps == [state.value for state in await states(first, done)]
    assert steps[-1] == "confirmed"
    assert len({each.id for each in told}) == len(told)


async def test_a_pairing_is_shown_and_taken_back_at_the_other(two: Pair) -> None:
    first, second = two
    _, token = await first.app("Owner", "key.manage")
    searching = asyncio.Event()

    async def scan(seconds: float) -> Sequence[Sighting]:
        searching.set()
        await asyncio.Event().wait()
        return []

    first.air.scan = scan  # type: ignore[method-assign]
    made = await first.ask("POST", "/pairings", token, code="31415926", name="Car")
    await searching.wait()
    assert await second.ask("GET", f"/pairings/{made['id']}", token) == made
    app = await second.bridge.apps.authenticate(token)
    with pytest.raises(Conflict) as again:
        await second.bridge.pairings.start(app, "31415926", "Car")
    assert again.value.code == "pairing_under_way"
    await second.bridge.pairings.cancel(app, made["id"])
    async with asyncio.timeout(5):
        await first.bridge.pairings.wait(made["id"])
    with pytest.raises(NotFound):
        await first.bridge.pairings.get(app, made["id"])


async def test_wrong_codes_are_counted_wherever_they_are_tried(two: Pair) -> None:
    first, _ = two
    _, token = await first.app("Guesser", "key.manage")
    app = await first.bridge.apps.authenticate(token)
    for tries in range(5):
        await two[tries % 2].store.bridge.note_guess(app.id, True, int(first.now), 5)
    for town in two:
        with pytest.raises(Conflict) as locked:
            await town.bridge.pairings.start(app, "31415926", "Car")
        assert locked.value.code == "pairing_locked"


class Frozen(GatewayAir):
    """A radio that stands still at the next link until ``go``."""

    def __init__(self, town: Town) -> None:
        super().__init__(town.road)
        self.reached, self.go = asyncio.Event(), asyncio.Event()
        self._real = town.air.open
        town.air.open = self.open  # type: ignore[method-assign]

    async def open(self, wanted: Callable[[bytes], bool], timeout: float, avoid: Collection[str] = ()) -> Link:
        self.reached.set()
        await self.go.wait()
        return await self._real(wanted, timeout, avoid)


async def _state(town: Town, record: CommandRecord, state: CommandState) -> bool:
    return (await states(town, record))[-1] is state


async def _none(commands: Any, record: CommandRecord) -> bool:
    return commands._lanes.job(record.id) is None


async def test_a_link_is_lent_by_the_gateway_that_has_the_car(two: Pair) -> None:
    first, second = two
    owner = await first.owner()
    friend = await first.friend(owner, "Ann", "vehicle.read")
    assert holder(first, second) == [True, False]
    app = await second.bridge.apps.authenticate(friend.token)
    with pytest.raises(HeldElsewhere):
        async with second.bridge.relays.lending(app, first.vehicle.id):
            pass
    app = await first.bridge.apps.authenticate(friend.token)
    async with first.bridge.relays.lending(app, first.vehicle.id) as relay:
        assert await relay.receive(), "the car greets"
        assert holder(first, second) == [True, False]
        with pytest.raises(LinkError) as caught:
            async with asyncio.timeout(5), first.bridge.relays.lending(app, first.vehicle.id):
                pass
        assert caught.value.code == "busy"
