"""Vehicle time: proofs, and what is allowed without them."""

from __future__ import annotations

from dataclasses import replace

from keygw.model.command import Action, Outcome
from keygw.session.events import Answered
from keygw.wire.messages import Result, TimeState
from keygw_sim.chance import chance
from keygw_sim.conformance.bench import Bench, verifies
from keygw_sim.conformance.talk import Talk
from keygw_sim.conformance.verdict import must
from keygw_sim.rehearsal import Office


async def _opened(bench: Bench) -> tuple[Talk, Result]:
    talk = await bench.meet()
    return talk, await talk.open()


def _proof(bench: Bench, result: Result, **changes: object) -> bytes:
    rig = bench.rig
    return rig.office.prove_time(rig.vehicle, result.time_nonce, rig.now, result.list_sequence, **changes)


@verifies("KS-701")
async def learns_the_time(bench: Bench) -> None:
    talk, result = await _opened(bench)
    after = await talk.prove_time(_proof(bench, result))
    must(after.time is TimeState.TRUSTED, f"after a time proof it says {after.time.label}")
    must(after.number is None, "the RESULT that answers a time proof names a command")
    must(after.outcome is Outcome.DONE, f"the RESULT that answers a time proof says {after.outcome.label}")


@verifies("KS-702")
async def nonce_serves_once(bench: Bench) -> None:
    await bench.hands.reboot()
    talk, result = await _opened(bench)
    wrong = replace(result, time_nonce=bytes(8))
    again = await talk.prove_time(_proof(bench, wrong))
    must(again.time is not TimeState.TRUSTED, "a proof with another nonce is believed")
    must(again.time_nonce != result.time_nonce, "a nonce is given out twice")
    last = await talk.prove_time(_proof(bench, result))
    must(last.time is not TimeState.TRUSTED, "a nonce that was spent by another proof serves again")


@verifies("KS-703")
async def late_proof(bench: Bench) -> None:
    await bench.hands.reboot()
    talk, result = await _opened(bench)
    proof = _proof(bench, result)
    await bench.ground.pass_time(61)
    after = await talk.prove_time(proof)
    must(after.time is not TimeState.TRUSTED, "a proof that comes more than 60 s after its nonce is believed")


@verifies("KS-704")
async def forged_proof(bench: Bench) -> None:
    forger = Office(chance("conformance", "another issuer"), bench.rig.office.key.issuer)
    forger.kid = bench.rig.office.kid
    talk, result = await _opened(bench)
    talk.probe.prove_time(forger.prove_time(bench.rig.vehicle, result.time_nonce, bench.rig.now, 0))
    await talk.flush()
    await talk.refused("a time proof that the issuer has not signed")


@verifies("KS-704")
async def proof_of_another_vehicle(bench: Bench) -> None:
    talk, result = await _opened(bench)
    talk.probe.prove_time(_proof(bench, result, vehicle_id="veh_mfrggzdfmztwq2lk"))
    await talk.flush()
    await talk.refused("another vehicle's time proof")


@verifies("KS-705")
async def withheld_list(bench: Bench) -> None:
    await bench.hands.reboot()
    talk, result = await _opened(bench)
    rig = bench.rig
    newest = result.list_sequence + 1
    proof = rig.office.prove_time(rig.vehicle, result.time_nonce, rig.now, newest)
    after = await talk.prove_time(proof)
    must(after.time is not TimeState.TRUSTED, "the time of a proof counts although the list that it names is missing")
    await talk.push_list(rig.next_list(newest))
    later = await bench.enter()
    state = next(event.result.time for event in later.heard if isinstance(event, Answered))
    must(state is TimeState.TRUSTED, f"with the list that the proof named its time is {state.label}")


@verifies("KS-706")
async def shared_key_without_the_time(bench: Bench) -> None:
    await bench.trusted()
    await bench.locked()
    friend = bench.rig.friend(bench.rig.owner())
    await bench.enter(friend)
    await bench.hands.reboot()
    talk = await bench.meet(friend)
    result = await talk.prove(Action.UNLOCK, bench.rig.number())
    must(
        result.outcome is Outcome.TIME_PROOF_REQUIRED,
        f"a shared key gets {result.outcome.label} while the time is not known",
    )
    answer = await talk.prove_time(_proof(bench, result))
    must(answer.outcome is Outcome.DONE, f"with a time proof it gets {answer.outcome.label}")
    done = await talk.command(Action.LOCK, bench.rig.number())
    must(done.outcome.ok, f"with a time proof its command gets {done.outcome.label}")


@verifies("KS-707")
async def owner_without_the_time(bench: Bench) -> None:
    await bench.hands.reboot()
    outcome = await bench.asks(bench.rig.owner(), Action.LOCK)
    must(outcome.ok, f"an owner gets {outcome.label} while the time is not known")
    outcome = await bench.asks(bench.rig.owner(), Action.ALLOW_PAIRING)
    must(outcome is Outcome.TIME_PROOF_REQUIRED, f"ALLOW_PAIRING gets {outcome.label} while the time is not known")


@verifies("KS-708")
async def floor_survives(bench: Bench) -> None:
    """A key that has ended by the floor has ended after a start as well."""
    now = bench.rig.now
    await bench.enter()
    await bench.hands.reboot()
    key = bench.rig.owner(issued_at=now - 200, not_before=now - 200, expires_at=now - 100)
    outcome = await bench.verdict(key)
    must(outcome is Outcome.KEY_EXPIRED, f"after a start a key that had ended gets {outcome.label}")


@verifies("KS-709")
async def trust_lasts_7_days(bench: Bench) -> None:
    await bench.trusted()
    await bench.ground.pass_time(7 * 86_400 + 5)
    _, result = await _opened(bench)
    must(result.time is TimeState.FLOOR, f"7 days after a time proof it says {result.time.label}")


@verifies("KS-710")
async def due_after_a_day(bench: Bench) -> None:
    await bench.trusted()
    await bench.ground.pass_time(86_400 + 5)
    _, result = await _opened(bench)
    must(result.time is TimeState.DUE, f"a day after a time proof it says {result.time.label}")
