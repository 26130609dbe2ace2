"""New issuer keys, and what becomes of the former ones."""

from __future__ import annotations

from keygw.model.command import Outcome
from keygw.model.errors import KeygwError
from keygw.token.issuer_key import verify_issuer_key_ack
from keygw_sim.chance import chance, new_signer
from keygw_sim.conformance.bench import Bench, sign_3, verifies
from keygw_sim.conformance.verdict import Failed, must
from keygw_sim.rehearsal import Office


@verifies("KS-601")
async def learns_the_next_key(bench: Bench) -> None:
    talk = await bench.enter()
    statement = bench.rig.next_issuer_key()
    acknowledged = await talk.issuer_keys(statement)
    bench.rig.rotated()
    try:
        ack = verify_issuer_key_ack(acknowledged, bench.rig.vehicle.public_key)
    except KeygwError as error:
        raise Failed(f"ISSUER_KEY_ACK does not verify under the vehicle key: {error}") from error
    must(ack.kid == bench.rig.office.kid, "ISSUER_KEY_ACK names another key than the new one")
    must(ack.sequence == bench.rig.office.sequence, f"ISSUER_KEY_ACK names sequence {ack.sequence}")
    outcome = await bench.verdict(bench.rig.owner())
    must(outcome is Outcome.DONE, f"a token by the new issuer key gets {outcome.label}")


@verifies("KS-602")
async def former_key_brings_none(bench: Bench) -> None:
    """Somebody has the key of before: what it signs of a successor is passed over."""
    await bench.trusted()
    before = Office(chance("conformance", "spare"), bench.rig.office.key.issuer)
    before.signer, before.kid, before.sequence = bench.rig.office.signer, bench.rig.office.kid, 40_000
    talk = await bench.enter()
    await talk.issuer_keys(bench.rig.next_issuer_key())
    bench.rig.rotated()
    thief = new_signer(chance("conformance", "thief"))
    acknowledged = await talk.issuer_keys(before.state(thief.public_key, bench.rig.now))
    ack = verify_issuer_key_ack(acknowledged, bench.rig.vehicle.public_key)
    must(ack.kid == bench.rig.office.kid, "a former issuer key has brought another one")


@verifies("KS-603")
async def forged_statement(bench: Bench) -> None:
    forger = Office(chance("conformance", "another issuer"), bench.rig.office.key.issuer)
    forger.kid, forger.sequence = bench.rig.office.kid, bench.rig.office.sequence
    thief = new_signer(chance("conformance", "thief"))
    talk = await bench.enter()
    talk.probe.bring_issuer_keys([forger.state(thief.public_key, bench.rig.now)])
    await talk.flush()
    await talk.refused("a statement that the newest issuer key has not signed")
    outcome = await bench.verdict(bench.rig.owner())
    must(outcome is Outcome.DONE, f"after a forged statement a good key gets {outcome.label}")


@verifies("KS-604")
async def statement_of_another_issuer(bench: Bench) -> None:
    stranger = Office(chance("conformance", "stranger"), "https://stranger.example")
    talk = await bench.enter()
    talk.probe.bring_issuer_keys([stranger.state(new_signer(chance("conformance", "thief")).public_key)])
    await talk.flush()
    await talk.refused("a statement of an issuer that it does not know")


@verifies("KS-605")
async def brought_again(bench: Bench) -> None:
    await bench.trusted()
    talk = await bench.enter()
    statement = bench.rig.next_issuer_key()
    first = await talk.issuer_keys(statement)
    bench.rig.rotated()
    again = await talk.issuer_keys(statement)
    public = bench.rig.vehicle.public_key
    must(
        verify_issuer_key_ack(first, public) == verify_issuer_key_ack(again, public),
        "a statement that comes again is answered differently",
    )


@verifies("KS-606")
async def retired_at_once(bench: Bench) -> None:
    old = bench.rig.owner()
    await bench.enter(old)
    then = bench.rig.now - 600
    talk = await bench.enter()
    await talk.issuer_keys(bench.rig.next_issuer_key(not_before=then, retire_at=then, issued_at=then))
    bench.rig.rotated()
    await talk.leave()
    talk = await bench.meet(old)
    await talk.begin()
    await talk.proven()
    await sign_3(talk)
    await talk.refused("a token by an issuer key that has ended")
    outcome = await bench.verdict(bench.rig.owner())
    must(outcome is Outcome.DONE, f"a token by the new issuer key gets {outcome.label}")


@verifies("KS-607")
async def signed_before_its_time(bench: Bench) -> None:
    now = bench.rig.now
    talk = await bench.enter()
    await talk.issuer_keys(bench.rig.next_issuer_key(not_before=now - 600, retire_at=now + 86_400))
    bench.rig.rotated()
    early = bench.rig.owner(issued_at=now - 700, not_before=now - 700)
    talk = await bench.meet(early)
    await talk.begin()
    await talk.proven()
    await sign_3(talk)
    await talk.refused("a token from before its issuer key's time")
