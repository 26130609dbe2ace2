"""Owner pairing."""

from __future__ import annotations

from typing import Any

from keygw.crypto.signer import LocalSigner
from keygw.model.command import Action, Outcome
from keygw.model.entitlement import PROFILES
from keygw.model.errors import Conflict
from keygw.session.events import OwnerTokenAnswered, PairingOffered, SignatureNeeded, Ticketed
from keygw.session.pairing import secret_for
from keygw.wire.messages import MessageType
from keygw_sim.conformance.bench import Bench, verifies
from keygw_sim.conformance.probe import PairingProbe
from keygw_sim.conformance.talk import Talk
from keygw_sim.conformance.verdict import must

WRONG = "00000000"


async def _code(bench: Bench) -> str:
    """An owner allows it, and somebody in the vehicle opens pairing mode."""
    await bench.trusted()
    outcome = await bench.asks(bench.rig.owner(), Action.ALLOW_PAIRING)
    must(outcome is Outcome.DONE, f"an owner's ALLOW_PAIRING gets {outcome.label}")
    return await bench.hands.open_pairing()


def _session(talk: Talk) -> PairingProbe:
    session: Any = talk.session
    assert isinstance(session, PairingProbe)  # noqa: S101 - for the type checker
    return session


async def _ask(bench: Bench, signer: LocalSigner) -> tuple[Talk, bytes]:
    """Up to PAIR_OFFER; the salt."""
    talk = await bench.pairing(signer)
    _session(talk).ask(bench.ground.clock())
    await talk.flush()
    event: Any = await talk.until(PairingOffered)
    return talk, event.salt


async def _share(bench: Bench, code: str, signer: LocalSigner) -> Talk:
    """Up to PAIR_SHARE."""
    talk, salt = await _ask(bench, signer)
    _session(talk).share(secret_for(code, salt))
    await talk.flush()
    return talk


async def _ticket(bench: Bench, code: str, signer: LocalSigner) -> tuple[Talk, Any]:
    talk = await _share(bench, code, signer)
    return talk, await talk.until(Ticketed)


@verifies("OP-101")
async def no_code_no_pairing(bench: Bench) -> None:
    talk = await bench.pairing(bench.rig.stranger())
    _session(talk).ask(bench.ground.clock())
    await talk.flush()
    await talk.refused("PAIR_ASK while no code is shown")


@verifies("OP-102")
async def unknown_suite(bench: Bench) -> None:
    await _code(bench)
    talk = await bench.pairing(bench.rig.stranger())
    await talk.message(b"\x50\x02")
    await talk.refused("PAIR_ASK for suite 2")


@verifies("OP-103")
async def enrols_an_owner(bench: Bench) -> None:
    code, signer = await _code(bench), bench.rig.stranger()
    talk, ticketed = await _ticket(bench, code, signer)
    must(ticketed.credential.vehicle_id == bench.rig.vehicle.id, "PAIR_TICKET names another vehicle")
    must(ticketed.credential.public_key == bench.rig.vehicle.public_key, "PAIR_TICKET names another vehicle key")
    key = bench.rig.key(signer)
    _session(talk).bring(key.hand.token)
    await talk.flush()
    event: Any = await talk.until(OwnerTokenAnswered)
    must(event.outcome is Outcome.DONE, f"the owner token of the ticketed device gets {event.outcome.label}")
    outcome = await bench.verdict(key)
    must(outcome is Outcome.DONE, f"the new owner's key gets {outcome.label}")


@verifies("OP-104")
async def token_for_another_device(bench: Bench) -> None:
    code, signer = await _code(bench), bench.rig.stranger()
    talk, _ = await _ticket(bench, code, signer)
    other = bench.rig.key(bench.rig.stranger())
    _session(talk).bring(other.hand.token)
    await talk.flush()
    event: Any = await talk.until(OwnerTokenAnswered)
    must(event.outcome is Outcome.NOT_ENROLLED, f"an owner token for another device gets {event.outcome.label}")
    outcome = await bench.verdict(other)
    must(not outcome.ok, "a device that did not pair is an owner's")


@verifies("OP-105")
async def forged_token(bench: Bench) -> None:
    code, signer = await _code(bench), bench.rig.stranger()
    talk, _ = await _ticket(bench, code, signer)
    key = bench.rig.key(signer)
    _session(talk).bring(key.hand.token[:-1] + bytes((key.hand.token[-1] ^ 1,)))
    await talk.flush()
    await talk.refused("an owner token that does not verify")


@verifies("OP-106")
async def five_tries(bench: Bench) -> None:
    code = await _code(bench)
    wrong = WRONG if code != WRONG else "11111111"
    for _ in range(5):
        talk = await _share(bench, wrong, bench.rig.stranger())
        await talk.next()
        await talk.leave()
    talk = await bench.pairing(bench.rig.stranger())
    _session(talk).ask(bench.ground.clock())
    await talk.flush()
    await talk.refused("a sixth try")


@verifies("OP-107")
async def code_serves_once(bench: Bench) -> None:
    code, signer = await _code(bench), bench.rig.stranger()
    first, _ = await _ticket(bench, code, signer)
    second = await bench.pairing(bench.rig.stranger())
    _session(second).ask(bench.ground.clock())
    await second.flush()
    await second.refused("PAIR_ASK after the code has served")
    await first.leave()


@verifies("OP-107")
async def who_enrols_second(bench: Bench) -> None:
    code = await _code(bench)
    one, two = bench.rig.stranger(), bench.rig.stranger()
    late = await _share(bench, code, two)
    while not any(isinstance(event, SignatureNeeded) for event in late.heard):
        must(await late.next() is not None, "no PAIR_PROOF comes")
    await _ticket(bench, code, one)
    needed: Any = next(event for event in late.heard if isinstance(event, SignatureNeeded))
    _session(late).sign(two.sign(needed.message))
    await late.flush()
    await late.refused("ENROL after another device has enrolled with the code")


@verifies("OP-108")
async def possession_of_the_device_key(bench: Bench) -> None:
    code = await _code(bench)
    talk = await _share(bench, code, bench.rig.stranger())
    talk.signer = bench.rig.stranger()
    while not any(isinstance(event, SignatureNeeded) for event in talk.heard):
        must(await talk.next() is not None, "no PAIR_PROOF comes")
    needed: Any = next(event for event in talk.heard if isinstance(event, SignatureNeeded))
    _session(talk).sign(talk.signer.sign(needed.message))
    await talk.flush()
    await talk.refused("ENROL signed by another key than it enrols")


@verifies("OP-109")
async def wrong_share(bench: Bench) -> None:
    await _code(bench)
    for what, share in (("off the curve", b"\x04" + bytes(63) + b"\x01"), ("compressed", b"\x02" + bytes(64))):
        talk, _ = await _ask(bench, bench.rig.stranger())
        await talk.message(b"\x52" + share)
        await talk.refused(f"a share that is {what}")


@verifies("OP-110")
async def code_lives_120_seconds(bench: Bench) -> None:
    await _code(bench)
    await bench.ground.pass_time(121)
    talk = await bench.pairing(bench.rig.stranger())
    _session(talk).ask(bench.ground.clock())
    await talk.flush()
    await talk.refused("PAIR_ASK after 120 s")


@verifies("OP-111")
async def owners_are_asked(bench: Bench) -> None:
    await bench.hands.reboot()  # a permission of before ends with it
    try:
        await bench.hands.open_pairing()
    except Conflict:
        return
    must(False, "pairing mode opens although the vehicle has an owner who has not allowed it")


@verifies("OP-112")
async def only_owners_allow(bench: Bench) -> None:
    await bench.trusted()
    friend = bench.rig.friend(bench.rig.owner(), entitlements=PROFILES["owner"])
    await bench.enter(friend)
    outcome = await bench.asks(friend, Action.ALLOW_PAIRING)
    must(outcome is Outcome.NOT_ENTITLED, f"a friend's ALLOW_PAIRING gets {outcome.label}")


@verifies("OP-113")
async def silent_about_who_it_is(bench: Bench) -> None:
    code = await _code(bench)
    talk = await _share(bench, code, bench.rig.stranger())
    await talk.next()
    identity = bench.rig.vehicle.public_key[1:], bench.rig.vehicle.id.encode()
    said = b"".join(message for message in talk.messages)
    must(not any(part in said for part in identity), "it names itself before it is proven who asks")
    must(talk.messages[-1][0] == MessageType.PAIR_PROOF, "no PAIR_PROOF comes")


@verifies("OP-114")
async def not_while_it_moves(bench: Bench) -> None:
    await bench.trusted()
    await bench.asks(bench.rig.owner(), Action.ALLOW_PAIRING)
    await bench.hands.set_body(speed=30.0)
    try:
        await bench.hands.open_pairing()
    except Conflict:
        return
    finally:
        await bench.hands.set_body(speed=0.0)
    must(False, "pairing mode opens while the vehicle moves")


@verifies("OP-115")
async def wrong_code_learns_nothing(bench: Bench) -> None:
    """A wrong code: confirmV does not verify, and an ENROL sent all the same is refused."""
    code = await _code(bench)
    wrong = WRONG if code != WRONG else "11111111"
    talk = await _share(bench, wrong, bench.rig.stranger())
    message = await talk.next()
    must(message is not None and message[0] == MessageType.PAIR_PROOF, "a try is not answered with PAIR_PROOF")
    must(talk.broken is not None, "confirmV verifies under a wrong code")
    await talk.message(b"\x54" + bytes(150))
    await talk.refused("ENROL with a confirmation that does not hold")
