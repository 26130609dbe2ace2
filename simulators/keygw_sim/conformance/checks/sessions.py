"""Messages and sessions: what opens, what waits, what ends."""

from __future__ import annotations

from keygw.model.command import Action, Outcome
from keygw.session.events import Answered, Ended
from keygw.wire import cbor
from keygw.wire.messages import Cmd, ErrorCode, MessageType
from keygw_sim.conformance.bench import Bench, sign_3, verifies
from keygw_sim.conformance.checks.handshakes import broken_proofs
from keygw_sim.conformance.verdict import must

UNKNOWN = 0x60
_OWN = (MessageType.RES, MessageType.EVENT, MessageType.RECEIPT, MessageType.RL_ACK, MessageType.RL_GIVE)


@verifies("KS-301")
async def unknown_type_in_clear(bench: Bench) -> None:
    for kind in (UNKNOWN, 0x44, 0x03):
        talk = await bench.meet()
        await talk.message(bytes((kind, 0)))
        await talk.refused(f"a message of type {kind:02x}")


@verifies("KS-301")
async def unknown_type_in_session(bench: Bench) -> None:
    talk = await bench.enter()
    await talk.message(talk.probe.seal(UNKNOWN, b"\x80"))
    await talk.refused("a sealed message of an unknown type")


@verifies("KS-302")
async def out_of_turn_in_clear(bench: Bench) -> None:
    for kind in (MessageType.MESSAGE_3, MessageType.CMD, MessageType.HELLO, MessageType.PAIR_SHARE):
        talk = await bench.meet()
        await talk.message(bytes((kind,)) + bytes(20))
        await talk.refused(f"{kind.name} in state GREETED")


@verifies("KS-302")
async def out_of_turn_in_session(bench: Bench) -> None:
    for kind in _OWN:
        talk = await bench.enter()
        await talk.message(talk.probe.seal(kind, cbor.encode([1, 0, 0])))
        await talk.refused(f"{kind.name} from a device")


@verifies("KS-303")
async def hello_on_request(bench: Bench) -> None:
    talk = await bench.meet()
    talk.probe.request_hello()
    await talk.flush()
    message = await talk.next()
    must(message is not None and message[0] == MessageType.HELLO, "HELLO_REQ gets no HELLO")
    await talk.open()


@verifies("KS-304")
async def hello_on_request_in_session(bench: Bench) -> None:
    talk = await bench.enter()
    await talk.message(b"\x02")
    await talk.refused("HELLO_REQ in an open session")


@verifies("KS-305")
async def hello_request_with_a_body(bench: Bench) -> None:
    talk = await bench.meet()
    await talk.message(b"\x02\x02")
    await talk.refused("HELLO_REQ that asks for version 2")


@verifies("KS-306")
async def result_answers_the_command(bench: Bench) -> None:
    number = bench.rig.number()
    talk = await bench.meet()
    result = await talk.prove(Action.LOCK, number)
    must(result.number == number, f"RESULT names the command {result.number}, not {number}")
    talk = await bench.meet()
    result = await talk.prove()
    must(result.number is None, f"RESULT names the command {result.number}, and there was none")
    must(result.outcome is Outcome.DONE, f"RESULT says {result.outcome.label} of a good key")


@verifies("KS-307")
async def refused_key_is_sent_away(bench: Bench) -> None:
    talk = await bench.meet(bench.rig.key(bench.rig.stranger()))
    result = await talk.prove()
    must(not result.outcome.ok, "a device that nobody enrolled is let in")
    message = await talk.next()
    must(message == b"\x7f\x02", "no ERROR 2 comes behind the refusal of the key")
    await talk.ends("after the key was refused")


@verifies("KS-308")
async def suspended_key_waits(bench: Bench) -> None:
    key = bench.rig.owner()
    await bench.enter(key)
    await bench.bars(suspended=(key.claims.index,))
    talk = await bench.meet(key)
    result = await talk.prove()
    must(result.outcome is Outcome.KEY_SUSPENDED, f"a suspended key gets {result.outcome.label}")
    answer = await talk.command(Action.UNLOCK, bench.rig.number())
    must(answer.outcome is Outcome.KEY_SUSPENDED, f"its command gets {answer.outcome.label}")
    receipts = await talk.receipts(0)
    must(not receipts.signed, "it reads receipts while it waits")
    await talk.push_list(bench.rig.next_list(result.list_sequence + 1))
    again = await talk.result()
    must(again.outcome is Outcome.DONE, f"resumed, it gets {again.outcome.label}")
    must(again.number is None, "the second RESULT names a command")
    answer = await talk.command(Action.LOCK, bench.rig.number())
    must(answer.outcome.ok, f"resumed, its command gets {answer.outcome.label}")


@verifies("KS-309")
async def no_second_result_unasked(bench: Bench) -> None:
    talk = await bench.enter()
    await talk.command(Action.LOCK, bench.rig.number())
    await talk.push_list(bench.rig.next_list(await bench.list_sequence() + 1))
    await talk.drain()
    results = [event for event in talk.heard if isinstance(event, Answered)]
    must(len(results) == 1, "RESULT comes again without a reason")


@verifies("KS-310")
async def one_session_a_key(bench: Bench) -> None:
    key = bench.rig.owner()
    first = await bench.enter(key)
    await bench.enter(key)
    await first.until(Ended)
    ended = next(event for event in first.heard if isinstance(event, Ended))
    must(ended.code is ErrorCode.SESSION_OVER, "a session that another one of its key ends is not told ERROR 2")


@verifies("KS-311")
async def old_hello_after_a_proof(bench: Bench) -> None:
    key = bench.rig.owner()
    await bench.locked()
    held = await bench.meet(key)
    await held.begin(Cmd(bench.rig.number(), Action.UNLOCK))
    await held.proven()
    await bench.ground.pass_time(0.05)
    newer = await bench.enter(key)
    await newer.leave()
    await sign_3(held)
    await held.refused("a message_3 that answers a HELLO from before the key proved itself elsewhere")
    await bench.untouched("by a message_3 that was held back")


@verifies("KS-312")
async def session_lives_600_seconds(bench: Bench) -> None:
    talk = await bench.enter()
    await bench.ground.pass_time(601)
    talk.probe.command(Cmd(bench.rig.number(), Action.LOCK))
    await talk.flush()
    await talk.refused("a command after 600 s of session")


@verifies("KS-313")
async def handshake_takes_10_seconds(bench: Bench) -> None:
    await bench.locked()
    talk = await bench.meet()
    await talk.begin(Cmd(bench.rig.number(), Action.UNLOCK))
    await talk.proven()
    await bench.ground.pass_time(10.6)
    await sign_3(talk)
    await talk.refused("a message_3 more than 10 s after message_1")
    await bench.untouched("by a message_3 that came too late")


@verifies("KS-314")
async def link_without_a_handshake(bench: Bench) -> None:
    talk = await bench.meet()
    for _ in range(2):
        await bench.ground.pass_time(61)
        talk.probe.put(b"\x02")
        await talk.flush()
    await talk.drain()
    await talk.ends("after 120 s without message_1, HELLO_REQ in between")


@verifies("KS-315")
async def closed_for_good(bench: Bench) -> None:
    talk = await bench.meet()
    await talk.message(bytes((UNKNOWN, 0)))
    message = await talk.next()
    must(message is not None and message[0] == MessageType.ERROR, "a breach is not answered with ERROR")
    must(message is not None and message[1:] == b"\x01", "a breach before authentication gets another code than 1")
    await talk.message(b"\x02")
    message = await talk.next()
    must(message is None, "it goes on after its ERROR")
    await talk.ends("after ERROR")


@verifies("KS-316")
async def error_is_not_answered(bench: Bench) -> None:
    talk = await bench.meet()
    await talk.message(b"\x7f\x01")
    message = await talk.next(bench.ground.quiet_s)
    must(message is None, "ERROR is answered")


@verifies("KS-317")
async def refusals_look_alike(bench: Bench) -> None:
    """An unknown issuer, another vehicle, a bad signature, another HELLO: one answer."""
    answers = {}
    for what, spoil in broken_proofs(bench).items():
        talk = await spoil()
        await talk.drain()
        answers[what] = tuple(message.hex() for message in talk.messages[2:])
    must(set(answers.values()) == {("7f01",)}, f"they are answered differently: {answers}")
