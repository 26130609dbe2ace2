"""The fast path: one round trip with a key that an earlier handshake left."""

from __future__ import annotations

from keygw.model.command import Action, Outcome
from keygw.session.events import Greeted
from keygw.session.fast import FastKey
from keygw.wire.messages import Cmd, Fast, MessageType
from keygw_sim.conformance.bench import Bench, verifies
from keygw_sim.conformance.rig import Key
from keygw_sim.conformance.talk import Talk
from keygw_sim.conformance.verdict import Failed, must


async def _pair(bench: Bench, key: Key) -> FastKey:
    """What a full handshake leaves."""
    talk = await bench.enter(key)
    pair = talk.probe.fast_key
    await talk.leave()
    if pair is None:
        raise Failed("the handshake leaves no fast key")
    return pair


async def _fast(bench: Bench, key: Key, pair: FastKey, action: Action) -> tuple[Talk, Outcome | None]:
    talk = await bench.meet(key)
    result = await talk.hurry(pair, action, bench.rig.number())
    return talk, None if result is None else result.outcome


@verifies("KS-901")
async def does_it_in_one_round_trip(bench: Bench) -> None:
    await bench.locked()
    key = bench.rig.owner()
    pair = await _pair(bench, key)
    talk, outcome = await _fast(bench, key, pair, Action.UNLOCK)
    must(outcome is Outcome.DONE, f"FAST with UNLOCK gets {outcome.label if outcome else 'a refusal'}")
    sizes = [len(message) for message in talk.messages if message[0] == MessageType.FAST_RESULT]
    must(sizes == [26], f"FAST_RESULT has {sizes} bytes")
    answer = await talk.command(Action.LOCK, bench.rig.number())
    must(answer.outcome is Outcome.DONE, f"LOCK in the QUICK session gets {answer.outcome.label}")


@verifies("KS-902")
async def unknown_pair(bench: Bench) -> None:
    await bench.locked()
    random = bench.rig.random
    talk, outcome = await _fast(bench, bench.rig.owner(), FastKey("", random(32), random(32)), Action.UNLOCK)
    must(outcome is None, "FAST under a key that nobody has is accepted")
    sizes = [len(message) for message in talk.messages if message[0] == MessageType.FAST_RESULT]
    must(sizes == [26], f"the refusal of a FAST has {sizes} bytes, an answer 26")
    await bench.untouched("by a FAST that nobody vouches for")


@verifies("KS-902")
async def spoilt_tag(bench: Bench) -> None:
    await bench.locked()
    key = bench.rig.owner()
    pair = await _pair(bench, key)
    talk = await bench.meet(key)
    await _spoilt(talk, pair, bench)
    message = await talk.next()
    must(message is not None and len(message) == 26, "a FAST with a spoilt tag is not answered like an unknown one")
    await bench.untouched("by a FAST with a spoilt tag")


async def _spoilt(talk: Talk, pair: FastKey, bench: Bench) -> None:
    talk.probe.begin_fast(bench.ground.clock(), pair, Cmd(bench.rig.number(), Action.UNLOCK))
    message = talk.probe._outbox.pop()
    talk.probe.put(message[:-1] + bytes((message[-1] ^ 1,)))
    await talk.flush()


@verifies("KS-903")
async def falls_back(bench: Bench) -> None:
    random = bench.rig.random
    talk, _ = await _fast(bench, bench.rig.owner(), FastKey("", random(32), random(32)), Action.LOCK)
    talk.probe.request_hello()
    await talk.flush()
    await talk.until(Greeted)
    await talk.open(Action.LOCK, bench.rig.number())


@verifies("KS-904")
async def one_fast_for_each_hello(bench: Bench) -> None:
    await bench.locked()
    key = bench.rig.owner()
    pair = await _pair(bench, key)
    talk = await bench.meet(key)
    await _spoilt(talk, pair, bench)
    await talk.next()
    talk.probe.put(b"\x20" + Fast(bytes(8), bytes(range(1, 33)), bytes(22)).encode())
    await talk.flush()
    await talk.refused("a second FAST to one HELLO")


@verifies("KS-905")
async def replayed_to_another_hello(bench: Bench) -> None:
    await bench.locked()
    key = bench.rig.owner()
    pair = await _pair(bench, key)
    talk = await bench.meet(key)
    talk.probe.begin_fast(bench.ground.clock(), pair, Cmd(bench.rig.number(), Action.UNLOCK))
    message = talk.probe._outbox.pop()
    await talk.leave()
    other = await bench.meet(key)
    other.probe.put(message)
    await other.flush()
    await other.drain()
    await other.leave()
    await bench.untouched("by a FAST for another HELLO")


@verifies("KS-906")
async def low_order_point(bench: Bench) -> None:
    talk = await bench.meet()
    talk.probe.put(b"\x20" + Fast(bytes(8), bytes(32), bytes(22)).encode())
    await talk.flush()
    await talk.refused("a FAST with a G_D of low order")


@verifies("KS-907")
async def no_driving(bench: Bench) -> None:
    key = bench.rig.owner()
    pair = await _pair(bench, key)
    talk, outcome = await _fast(bench, key, pair, Action.START_ENGINE)
    must(
        outcome is Outcome.FULL_HANDSHAKE_REQUIRED,
        f"FAST with START_ENGINE gets {outcome.label if outcome else 'a refusal'}",
    )
    answer = await talk.command(Action.FLASH_LIGHTS, bench.rig.number())
    must(answer.outcome is Outcome.FULL_HANDSHAKE_REQUIRED, f"FLASH_LIGHTS in QUICK gets {answer.outcome.label}")


@verifies("KS-908")
async def dies_with_the_key(bench: Bench) -> None:
    await bench.locked()
    key = bench.rig.owner()
    pair = await _pair(bench, key)
    await bench.bars(revoked=(key.claims.index,))
    _, outcome = await _fast(bench, key, pair, Action.UNLOCK)
    must(outcome is None, f"FAST of a revoked key gets {outcome.label if outcome else ''}")
    await bench.untouched("by the fast key of a revoked key")


@verifies("KS-909")
async def does_not_come_back(bench: Bench) -> None:
    key = bench.rig.owner()
    pair = await _pair(bench, key)
    await bench.bars(suspended=(key.claims.index,))
    await bench.bars()
    _, outcome = await _fast(bench, key, pair, Action.LOCK)
    must(outcome is None, "resuming a key brings its fast key back")


@verifies("KS-910")
async def lives_7_days(bench: Bench) -> None:
    now = bench.rig.now
    key = bench.rig.owner(expires_at=now + 20 * 86_400)
    pair = await _pair(bench, key)
    await bench.ground.pass_time(7 * 86_400 + 5)
    _, outcome = await _fast(bench, key, pair, Action.LOCK)
    must(outcome is None, "a fast key of 7 days ago is accepted")


@verifies("KS-911")
async def ends_with_the_token(bench: Bench) -> None:
    await bench.trusted()
    key = bench.rig.owner(expires_at=bench.rig.now + 60)
    pair = await _pair(bench, key)
    await bench.ground.pass_time(65)
    _, outcome = await _fast(bench, key, pair, Action.LOCK)
    must(outcome in (None, Outcome.KEY_EXPIRED), "the fast key outlives its token")


@verifies("KS-912")
async def ends_with_a_start(bench: Bench) -> None:
    key = bench.rig.owner()
    pair = await _pair(bench, key)
    await bench.hands.reboot()
    _, outcome = await _fast(bench, key, pair, Action.LOCK)
    must(outcome is None, "a fast key survives a start of the vehicle")


@verifies("KS-913")
async def serves_100_times(bench: Bench) -> None:
    key = bench.rig.owner()
    pair = await _pair(bench, key)
    for use in range(100):
        talk, outcome = await _fast(bench, key, pair, Action.LOCK)
        must(outcome is not None, f"the fast key is refused at use {use + 1}")
        await talk.leave()
    _, outcome = await _fast(bench, key, pair, Action.LOCK)
    must(outcome is None, "a fast key opens for the 101st time")


@verifies("KS-914")
async def keeps_the_old_pair(bench: Bench) -> None:
    """Until the new one has been used: the device may never have seen that RESULT."""
    key = bench.rig.owner()
    pair = await _pair(bench, key)
    await _pair(bench, key)
    _, outcome = await _fast(bench, key, pair, Action.LOCK)
    must(outcome is not None, "the fast key of the handshake before is refused")
