"""EDHOC in the profile of the key session, the token it carries, and the keys of the channel."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from keygw.crypto.signer import thumbprint
from keygw.model.command import Action, Outcome
from keygw.session.core import EAD_INTENT
from keygw.session.edhoc import Ead
from keygw.wire import cbor
from keygw.wire.messages import Cmd, LinkKind, MessageType
from keygw_sim.chance import chance, new_signer
from keygw_sim.conformance.bench import Bench, sign_3, verifies
from keygw_sim.conformance.probe import Eads, binding
from keygw_sim.conformance.rig import Key
from keygw_sim.conformance.talk import Talk
from keygw_sim.conformance.verdict import must
from keygw_sim.rehearsal import Office, twin

Broken = Callable[[], Awaitable[Talk]]
UNKNOWN_LABEL = 4242


def _message_1(
    method: bytes = b"\x00", suites: bytes = b"\x06", g_x: bytes = b"", c_i: bytes = b"\x00", ead: bytes = b""
) -> bytes:
    return b"\x10" + method + suites + cbor.byte_string(g_x or bytes(range(1, 33))) + c_i + ead


async def _refuses(bench: Bench, message: bytes, what: str) -> None:
    talk = await bench.meet()
    await talk.message(message)
    await talk.refused(what)


async def _accepts(bench: Bench, message: bytes, what: str) -> None:
    talk = await bench.meet()
    await talk.message(message)
    answer = await talk.next()
    must(answer is not None and answer[0] == MessageType.MESSAGE_2, f"{what} is refused")


@verifies("KS-801")
async def method(bench: Bench) -> None:
    for number in (1, 2, 3):
        await _refuses(bench, _message_1(method=bytes((number,))), f"method {number}")


@verifies("KS-802")
async def suites(bench: Bench) -> None:
    for suite in (0, 2, 5):
        await _refuses(bench, _message_1(suites=cbor.encode(suite)), f"suite {suite}")
    await _refuses(bench, _message_1(suites=cbor.encode([6])), "an array of one suite")
    await _refuses(bench, _message_1(suites=cbor.encode([6, 2])), "an array that selects suite 2")


@verifies("KS-803")
async def suites_in_an_array(bench: Bench) -> None:
    await _accepts(bench, _message_1(suites=cbor.encode([2, 6])), "an array of suites that ends with 6")


@verifies("KS-804")
async def connection_ids(bench: Bench) -> None:
    for c_i in (b"\x17", b"\x37", cbor.byte_string(b""), cbor.byte_string(b"\x18"), cbor.byte_string(b"long")):
        await _accepts(bench, _message_1(c_i=c_i), f"C_I {c_i.hex()}")


@verifies("KS-805")
async def connection_id_in_long_form(bench: Bench) -> None:
    for c_i in (b"\x41\x00", b"\x41\x37", b"\x18\x18"):
        await _refuses(bench, _message_1(c_i=c_i), f"C_I {c_i.hex()}")


@verifies("KS-806")
async def ead_1(bench: Bench) -> None:
    for ead in (b"\x01", b"\x20", b"\x19\x10\x92\x40"):
        await _refuses(bench, _message_1(ead=ead), f"EAD_1 {ead.hex()}")


@verifies("KS-807")
async def low_order_point(bench: Bench) -> None:
    for g_x in (bytes(32), b"\x01" + bytes(31)):
        await _refuses(bench, _message_1(g_x=g_x), f"G_X {g_x.hex()[:8]}.. of low order")


@verifies("KS-808")
async def id_cred_r_is_constant(bench: Bench) -> None:
    """The honest session knows of no other, and refuses any."""
    talk = await bench.meet()
    await talk.begin()
    await talk.proven()


@verifies("KS-809")
async def proves_the_vehicle_key(bench: Bench) -> None:
    """message_2 verifies under the vehicle key of the rig, over CRED_R; RESULT verifies under keys of this HELLO."""
    talk = await bench.enter()
    must(talk.session.last_heard is not None, "RESULT does not open")


def broken_proofs(bench: Bench) -> dict[str, Broken]:
    """message_3 that is wrong in one thing, with UNLOCK as its first command; each gives the talk, nothing heard."""
    rig = bench.rig

    async def shown(key: Key, eads: Eads = binding, signer: Any = None) -> Talk:
        talk = await bench.meet(key, signer=signer)
        talk.probe.eads = eads
        await talk.begin(Cmd(rig.number(), Action.UNLOCK))
        await talk.proven()
        await sign_3(talk)
        return talk

    def changed(**changes: Any) -> Key:
        return rig.owner(**changes)

    def foreign() -> Key:
        """By an issuer of the same name that the vehicle does not know."""
        office = Office(chance("conformance", "another issuer"), rig.office.key.issuer)
        key = rig.owner()
        return replace(key, hand=office.hand(key.claims))

    def in_its_name() -> Key:
        key = foreign()
        office = Office(chance("conformance", "another issuer"), rig.office.key.issuer)
        office.kid = rig.office.kid
        return replace(key, hand=office.hand(key.claims))

    other = new_signer(chance("conformance", "another vehicle"))

    def unbound(intent: Any) -> list[Ead]:
        return [Ead(-EAD_INTENT, replace(intent, hello_hash=bytes(8)).encode())]

    return {
        "a token of an unknown issuer": lambda: shown(foreign()),
        "a token in the issuer's name": lambda: shown(in_its_name()),
        "a token for another vehicle": lambda: shown(changed(vehicle_id="veh_mfrggzdfmztwq2lk")),
        "a token for another vehicle key": lambda: shown(changed(vehicle_thumbprint=thumbprint(other.public_key)[:16])),
        "a signature by another device key": lambda: shown(rig.owner(), signer=rig.stranger()),
        "another HELLO": lambda: shown(rig.owner(), unbound),
    }


async def _one(bench: Bench, what: str) -> None:
    await bench.locked()
    talk = await broken_proofs(bench)[what]()
    await talk.refused(what)
    await bench.untouched(f"by {what}")


@verifies("KT-101")
async def unknown_issuer(bench: Bench) -> None:
    await _one(bench, "a token of an unknown issuer")


@verifies("KT-102")
async def forged_token(bench: Bench) -> None:
    await _one(bench, "a token in the issuer's name")


@verifies("KT-103")
async def another_vehicle(bench: Bench) -> None:
    await _one(bench, "a token for another vehicle")


@verifies("KT-104")
async def another_vehicle_key(bench: Bench) -> None:
    await _one(bench, "a token for another vehicle key")


@verifies("KS-810", "KT-105")
async def device_key_is_not_proven(bench: Bench) -> None:
    await _one(bench, "a signature by another device key")


@verifies("KS-811")
async def hello_is_bound(bench: Bench) -> None:
    await _one(bench, "another HELLO")


async def _with_eads(bench: Bench, eads: Eads) -> Talk:
    talk = await bench.meet()
    talk.probe.eads = eads
    await talk.begin()
    return talk


@verifies("KS-812")
async def unknown_critical_ead(bench: Bench) -> None:
    talk = await _with_eads(bench, lambda intent: [*binding(intent), Ead(-UNKNOWN_LABEL, b"?")])
    await talk.proven()
    await sign_3(talk)
    await talk.refused("a critical item in EAD_3 that nobody knows")


@verifies("KS-813")
async def unknown_ead(bench: Bench) -> None:
    talk = await _with_eads(bench, lambda intent: [Ead(UNKNOWN_LABEL, b"?"), *binding(intent)])
    result = await talk.result()
    must(result.outcome is Outcome.DONE, "an item in EAD_3 that is not critical is not ignored")


@verifies("KS-814")
async def no_binding(bench: Bench) -> None:
    talk = await _with_eads(bench, lambda intent: [])
    await talk.proven()
    await sign_3(talk)
    await talk.refused("a message_3 that binds no HELLO")


@verifies("KS-815")
async def kept_token(bench: Bench) -> None:
    key = bench.rig.owner()
    await bench.enter(key)
    talk = await bench.meet(key)
    result = await talk.prove(kept=True)
    must(result.outcome is Outcome.DONE, f"a token that it has accepted, named by its kid, gets {result.outcome.label}")


@verifies("KS-816")
async def token_that_is_not_kept(bench: Bench) -> None:
    talk = await bench.meet(bench.rig.owner())
    await talk.begin(kept=True)
    await talk.proven()
    await sign_3(talk)
    await talk.refused("a kid under which nothing is kept")


@verifies("KS-817")
async def kept_across_a_start(bench: Bench) -> None:
    key = bench.rig.owner()
    await bench.enter(key)
    await bench.hands.reboot()
    talk = await bench.meet(key)
    result = await talk.prove(kept=True)
    must(result.outcome is Outcome.DONE, f"after a start a kept token gets {result.outcome.label}")


@verifies("KS-818")
async def what_is_not_direct_is_not_near(bench: Bench) -> None:
    for link in (LinkKind.RELAYED, LinkKind.HOSTED, LinkKind(99)):
        outcome = await bench.asks(bench.rig.owner(), Action.START_ENGINE, link=link)
        must(outcome is Outcome.PROXIMITY_REQUIRED, f"START_ENGINE over link {int(link)} gets {outcome.label}")


@verifies("KT-106")
async def closed_shapes(bench: Bench) -> None:
    """A token with a claim more, or with another typ, signed by the very issuer."""
    from keygw.crypto.signer import cose_key  # noqa: PLC0415 - for this one token

    rig = bench.rig
    for what, typ, extra in (("an unknown claim", "dk", {99: 1}), ("an unknown typ", "dk9", {})):
        key = rig.owner()
        claims = key.claims
        _, payload = _parts(key.hand.token)
        body = cbor.decode(payload) | extra
        token = _envelope(rig.office, typ, cbor.encode(body))
        must(cose_key(claims.device_key)[1] == 2, "the device key is no EC2 key")
        talk = await bench.meet(replace(key, hand=replace(key.hand, token=token)))
        await talk.begin()
        await talk.proven()
        await sign_3(talk)
        await talk.refused(f"a token with {what}")


def _parts(token: bytes) -> tuple[bytes, bytes]:
    protected, _, payload, _ = cbor.decode(token)
    return protected, payload


def _envelope(office: Office, typ: str, payload: bytes) -> bytes:
    """An issuer-signed object of any typ and body."""
    protected = cbor.encode({1: -7, 4: office.kid, 16: typ})
    signature = office.signer.sign(cbor.encode(["Signature1", protected, b"", payload]))
    return cbor.encode([protected, {}, payload, signature])


@verifies("KT-107")
async def malleable_signature(bench: Bench) -> None:
    """(r, n - s) verifies as well; the token is the same one."""
    key = bench.rig.owner()
    await bench.enter(key)
    other = replace(key, hand=replace(key.hand, token=twin(key.hand.token)))
    outcome = await bench.verdict(other)
    must(outcome is Outcome.DONE, f"a token with the other of its two signatures gets {outcome.label}")


@verifies("KS-819")
async def channel_counts(bench: Bench) -> None:
    talk = await bench.enter()
    message = talk.probe.seal(MessageType.CMD, Cmd(bench.rig.number(), Action.LOCK).encode())
    await talk.message(message)
    await talk.next()
    await talk.message(message)
    await talk.refused("a sealed message that comes twice")


@verifies("KS-819")
async def channel_binds_the_type(bench: Bench) -> None:
    talk = await bench.enter()
    message = talk.probe.seal(MessageType.RECEIPT_GET, cbor.encode([0]))
    await talk.message(bytes((MessageType.RECEIPT_ACK,)) + message[1:])
    await talk.refused("a sealed message that is moved to another type")


@verifies("KS-819")
async def channel_refuses_a_spoilt_tag(bench: Bench) -> None:
    talk = await bench.enter()
    message = talk.probe.seal(MessageType.CMD, Cmd(bench.rig.number(), Action.LOCK).encode())
    await talk.message(message[:-1] + bytes((message[-1] ^ 1,)))
    await talk.refused("a sealed message with a spoilt tag")
