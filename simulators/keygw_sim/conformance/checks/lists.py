"""Revocation lists, keys that end, and keys that stand on others."""

from __future__ import annotations

from dataclasses import replace

from keygw.model.command import Action, Outcome
from keygw.model.entitlement import PROFILES, Entitlement
from keygw.model.errors import KeygwError
from keygw.session.events import Ended
from keygw.token.revocation import list_hash, verify_ack
from keygw.wire.messages import Cmd, ErrorCode
from keygw_sim.chance import chance
from keygw_sim.conformance.bench import Bench, verifies
from keygw_sim.conformance.verdict import Failed, must
from keygw_sim.rehearsal import Office

FRIENDS = PROFILES["access"] | Entitlement.KEY_SHARE


@verifies("KS-501")
async def takes_a_newer_list(bench: Bench) -> None:
    talk = await bench.meet()
    before = (await talk.open()).list_sequence
    signed = bench.rig.next_list(before + 1)
    await talk.push_list(signed)
    given = await talk.list_in_force()
    must(given == signed, "the list in force is not the one that was pushed")
    must(await bench.list_sequence() == before + 1, "RESULT names another list than the newest")


@verifies("KS-502")
async def acknowledges_under_the_vehicle_key(bench: Bench) -> None:
    talk = await bench.meet()
    signed = bench.rig.next_list((await talk.open()).list_sequence + 1)
    acknowledged = await talk.push_list(signed)
    try:
        ack = verify_ack(acknowledged, bench.rig.vehicle.public_key)
    except KeygwError as error:
        raise Failed(f"RL_ACK does not verify under the vehicle key: {error}") from error
    must(ack.vehicle_id == bench.rig.vehicle.id, "RL_ACK names another vehicle")
    must(ack.list_hash == list_hash(signed), "RL_ACK names another list")


@verifies("KS-503")
async def older_list_changes_nothing(bench: Bench) -> None:
    key = bench.rig.owner()
    await bench.enter(key)
    old = bench.rig.next_list(await bench.list_sequence() + 1)
    acknowledged = await bench.bars(revoked=(key.claims.index,))
    talk = await bench.enter()
    again = await talk.push_list(old)
    public = bench.rig.vehicle.public_key
    same = verify_ack(again, public).list_hash == verify_ack(acknowledged, public).list_hash
    must(same, "a list of the same sequence replaces the one in force")
    must(await bench.verdict(key) is Outcome.KEY_REVOKED, "an older list brings a revoked key back")


@verifies("KS-504")
async def list_that_does_not_verify(bench: Bench) -> None:
    forger = Office(chance("conformance", "another issuer"), bench.rig.office.key.issuer)
    forger.kid = bench.rig.office.kid
    sequence = await bench.list_sequence()
    talk = await bench.enter()
    talk.probe.push_list(bench.rig.next_list(sequence + 5, by=forger))
    await talk.flush()
    await talk.refused("a list that the issuer has not signed")
    must(await bench.list_sequence() == sequence, "a forged list is in force")


@verifies("KT-301")
async def list_of_another_vehicle(bench: Bench) -> None:
    other = replace(bench.rig.vehicle, id="veh_mfrggzdfmztwq2lk")
    sequence = await bench.list_sequence()
    talk = await bench.enter()
    talk.probe.push_list(bench.rig.next_list(sequence + 5, vehicle=other))
    await talk.flush()
    await talk.refused("another vehicle's list")
    must(await bench.list_sequence() == sequence, "another vehicle's list is in force")


@verifies("KS-505", "KT-302")
async def revoked_key(bench: Bench) -> None:
    await bench.locked()
    key = bench.rig.owner()
    await bench.enter(key)
    await bench.bars(revoked=(key.claims.index,))
    outcome = await bench.asks(key, Action.UNLOCK)
    must(outcome is Outcome.KEY_REVOKED, f"a revoked key gets {outcome.label}")
    await bench.untouched("by a revoked key")


@verifies("KS-506")
async def list_ends_sessions(bench: Bench) -> None:
    key = bench.rig.owner()
    talk = await bench.enter(key)
    await bench.bars(revoked=(key.claims.index,))
    await talk.until(Ended)
    ended = next(event for event in talk.heard if isinstance(event, Ended))
    must(ended.code is ErrorCode.SESSION_OVER, "the session of a revoked key does not end with ERROR 2")


@verifies("KS-507")
async def moving_vehicle_keeps_sessions(bench: Bench) -> None:
    key = bench.rig.owner()
    talk = await bench.enter(key)
    await bench.hands.set_body(speed=30.0)
    try:
        await bench.bars(revoked=(key.claims.index,))
        await talk.silent("a list that bars the key, on a moving vehicle,")
        answer = await talk.command(Action.FLASH_LIGHTS, bench.rig.number())
        must(answer.outcome is Outcome.KEY_REVOKED, f"its command gets {answer.outcome.label}")
    finally:
        await bench.hands.set_body(speed=0.0)


@verifies("KT-303")
async def watermark(bench: Bench) -> None:
    now = bench.rig.now
    old = bench.rig.owner(issued_at=now - 200, not_before=now - 200)
    await bench.enter(old)
    await bench.bars(issued_before=now - 100)
    outcome = await bench.verdict(old)
    must(outcome is Outcome.KEY_REVOKED, f"a token from before the watermark gets {outcome.label}")
    outcome = await bench.verdict(bench.rig.owner())
    must(outcome is Outcome.DONE, f"a token from after the watermark gets {outcome.label}")


@verifies("KT-304")
async def epochs(bench: Bench) -> None:
    old = bench.rig.owner()
    await bench.enter(old)
    bench.rig.counters.epoch += 1
    new = bench.rig.owner()  # keeps the device an owner's
    await bench.enter(new)
    await bench.bars()
    outcome = await bench.verdict(old)
    must(outcome is Outcome.KEY_REVOKED, f"a key of an ended epoch gets {outcome.label}")
    outcome = await bench.verdict(new)
    must(outcome is Outcome.DONE, f"a key of the new epoch gets {outcome.label}")


@verifies("KS-508", "KT-305")
async def expired_key(bench: Bench) -> None:
    await bench.locked()
    now = bench.rig.now
    key = bench.rig.owner(issued_at=now - 200, not_before=now - 200, expires_at=now - 100)
    outcome = await bench.asks(key, Action.UNLOCK)
    must(outcome is Outcome.KEY_EXPIRED, f"a key that has ended gets {outcome.label}")
    await bench.untouched("by a key that has ended")


@verifies("KS-509", "KT-305")
async def key_of_tomorrow(bench: Bench) -> None:
    await bench.trusted()
    await bench.locked()
    now = bench.rig.now
    key = bench.rig.owner(not_before=now + 1800)
    outcome = await bench.asks(key, Action.UNLOCK)
    must(outcome is Outcome.KEY_NOT_YET_VALID, f"a key of tomorrow gets {outcome.label}")
    await bench.untouched("by a key of tomorrow")


@verifies("KS-510")
async def stale_list(bench: Bench) -> None:
    await bench.trusted()
    owner = bench.rig.owner()
    await bench.enter(owner)
    await bench.bars()
    driver = bench.rig.friend(
        bench.rig.sign(replace(owner.claims, expires_at=bench.rig.now + 20 * 86_400), owner.signer),
        entitlements=FRIENDS | Entitlement.ENGINE_START,
    )
    await bench.enter(driver)
    outcome = await bench.asks(driver, Action.START_ENGINE)
    must(outcome.ok, f"a friend with a fresh list gets {outcome.label} for START_ENGINE")
    await bench.ground.pass_time(7 * 86_400 + 5)
    await bench.trusted()
    outcome = await bench.asks(driver, Action.START_ENGINE)
    must(outcome is Outcome.LIST_STALE, f"a friend with a list of 7 days ago gets {outcome.label} for START_ENGINE")
    outcome = await bench.asks(bench.rig.owner(), Action.START_ENGINE)
    must(outcome.ok, f"an owner with a list of 7 days ago gets {outcome.label} for START_ENGINE")


# -- chains ------------------------------------------------------------------------------------------------------


@verifies("KS-520")
async def asks_for_the_chain(bench: Bench) -> None:
    await bench.trusted()
    await bench.locked()
    friend = bench.rig.friend(bench.rig.owner())
    talk = await bench.meet(friend)
    result = await talk.prove(Action.UNLOCK, bench.rig.number(), cure=False)
    must(
        result.outcome is Outcome.CHAIN_REQUIRED, f"a shared key on the issuer's word alone gets {result.outcome.label}"
    )
    must(result.receipt == 0, "what is not decided leaves a receipt")
    answer = await talk.command(Action.UNLOCK, bench.rig.number())
    must(
        answer.outcome is Outcome.CHAIN_REQUIRED, f"its command gets {answer.outcome.label} while the chain is missing"
    )
    await talk.leave()
    await bench.untouched("by a key whose chain it has not seen")


@verifies("KS-521")
async def lets_in_with_a_chain(bench: Bench) -> None:
    await bench.trusted()
    await bench.locked()
    owner = bench.rig.owner()
    friend = bench.rig.friend(owner)
    number = bench.rig.number()
    talk = await bench.meet(friend)
    result = await talk.prove(Action.UNLOCK, number)
    must(result.outcome is Outcome.DONE, f"a key with a good chain gets {result.outcome.label}")
    answer = await talk.command(Action.UNLOCK, number)
    must(answer.outcome is Outcome.DONE, f"its command, sent again, gets {answer.outcome.label}")
    await talk.command(Action.LOCK, bench.rig.number())
    await talk.leave()
    outcome = await bench.verdict(replace(friend, hand=replace(friend.hand, chain=())))
    must(outcome is Outcome.DONE, f"the second time, without its chain, it gets {outcome.label}")


@verifies("KS-522")
async def chain_of_two(bench: Bench) -> None:
    await bench.trusted()
    friend = bench.rig.friend(bench.rig.owner())
    outcome = await bench.verdict(bench.rig.friend(friend, entitlements=PROFILES["access"]))
    must(outcome is Outcome.DONE, f"a key of depth 2 with a good chain gets {outcome.label}")


@verifies("KS-523")
async def chain_unasked(bench: Bench) -> None:
    await bench.trusted()
    friend = bench.rig.friend(bench.rig.owner())
    talk = await bench.enter(friend)
    talk.probe.bring_chain()
    await talk.flush()
    await talk.refused("CRED_PUT although no chain was asked for")


@verifies("KT-401")
async def grants_by_others(bench: Bench) -> None:
    await bench.trusted()
    owner, rig = bench.rig.owner(), bench.rig
    friend = rig.friend(owner)
    forged = rig.office.link(owner.claims, rig.stranger(), friend.claims)
    outcome = await bench.verdict(rig.sign(friend.claims, friend.signer, (forged,)))
    must(outcome is Outcome.CHAIN_REFUSED, f"a grant that the parent's device has not signed gets {outcome.label}")


@verifies("KT-402")
async def grant_for_another_device(bench: Bench) -> None:
    await bench.trusted()
    owner, rig = bench.rig.owner(), bench.rig
    friend, other = rig.friend(owner), rig.friend(owner)
    outcome = await bench.verdict(rig.sign(friend.claims, friend.signer, other.hand.chain))
    must(outcome is Outcome.CHAIN_REFUSED, f"a grant for another device gets {outcome.label}")


@verifies("KT-403")
async def wider_than_the_grant(bench: Bench) -> None:
    await bench.trusted()
    narrow = {"entitlements": Entitlement.DOOR_LOCK}
    outcome = await bench.verdict(bench.rig.friend(bench.rig.owner(), grant=narrow))
    must(outcome is Outcome.CHAIN_REFUSED, f"a token wider than its grant gets {outcome.label}")
    parent = bench.rig.owner(entitlements=FRIENDS)
    wide = FRIENDS | Entitlement.ENGINE_START
    outcome = await bench.verdict(bench.rig.friend(parent, entitlements=wide))
    must(outcome is Outcome.CHAIN_REFUSED, f"a grant wider than the parent's rights gets {outcome.label}")


@verifies("KT-404")
async def parent_may_not_share(bench: Bench) -> None:
    await bench.trusted()
    parent = bench.rig.owner(entitlements=PROFILES["access"])
    outcome = await bench.verdict(bench.rig.friend(parent, entitlements=PROFILES["access"]))
    must(outcome is Outcome.CHAIN_REFUSED, f"a grant by a key without key.share gets {outcome.label}")


@verifies("KT-405")
async def outlives_its_grant(bench: Bench) -> None:
    await bench.trusted()
    short = {"expires_at": bench.rig.now + 600}
    outcome = await bench.verdict(bench.rig.friend(bench.rig.owner(), grant=short))
    must(outcome is Outcome.CHAIN_REFUSED, f"a token that outlives its grant gets {outcome.label}")


@verifies("KT-406")
async def chain_without_an_owner(bench: Bench) -> None:
    await bench.trusted()
    stranger = bench.rig.key(bench.rig.stranger())
    outcome = await bench.verdict(bench.rig.friend(stranger))
    must(outcome is Outcome.CHAIN_REFUSED, f"a chain that ends at a device nobody enrolled gets {outcome.label}")


@verifies("KS-524")
async def revoked_parent(bench: Bench) -> None:
    await bench.trusted()
    owner = bench.rig.owner()
    friend = bench.rig.friend(owner)
    await bench.enter(friend)
    await bench.bars(revoked=(owner.claims.index,))
    outcome = await bench.verdict(friend)
    must(outcome is Outcome.PARENT_ENDED, f"a key whose parent is revoked gets {outcome.label}")


@verifies("KS-525")
async def rights_are_cut(bench: Bench) -> None:
    """A token that says more than was granted is not covered by what is kept: the chain is asked for again."""
    await bench.trusted()
    owner = bench.rig.owner()
    friend = bench.rig.friend(owner)
    await bench.enter(friend)
    wider = bench.rig.sign(
        replace(friend.claims, entitlements=FRIENDS | Entitlement.TRUNK_OPEN, issued_at=bench.rig.now + 1),
        friend.signer,
    )
    talk = await bench.meet(wider)
    result = await talk.prove(Action.OPEN_TRUNK, bench.rig.number(), cure=False)
    must(not result.outcome.ok, "a token wider than the kept grant opens the trunk")
    must(result.outcome is Outcome.CHAIN_REQUIRED, f"a token wider than the kept grant gets {result.outcome.label}")


@verifies("KS-526")
async def removed_in_the_vehicle(bench: Bench) -> None:
    key = bench.rig.owner()
    other = bench.rig.owner()
    await bench.enter(other)
    talk = await bench.enter(key)
    await bench.hands.remove_key(key.id)
    await talk.until(Ended)
    await bench.bars()
    outcome = await bench.verdict(key)
    must(outcome is Outcome.KEY_REVOKED, f"a key that was removed in the vehicle gets {outcome.label}")


@verifies("KS-527")
async def command_is_judged_anew(bench: Bench) -> None:
    """A key that ends in the middle of its session."""
    await bench.trusted()
    key = bench.rig.owner(expires_at=bench.rig.now + 60)
    talk = await bench.enter(key)
    await bench.ground.pass_time(65)
    talk.probe.command(Cmd(bench.rig.number(), Action.UNLOCK))
    await talk.flush()
    message = await talk.next()
    answered = [event.response.outcome for event in talk.heard if hasattr(event, "response")]
    must(not answered or answered[-1] is Outcome.KEY_EXPIRED, "a key that has ended meanwhile is obeyed")
    must(bool(answered) or message is None or message[0] == 0x7F, "a key that has ended meanwhile is obeyed")
