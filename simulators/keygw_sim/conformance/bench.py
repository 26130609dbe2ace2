"""What every check of a vehicle is given: the ground, the rig, the hands, the tape, and short ways to meet the vehicle.

And the list of checks: ``@verifies("KS-...")`` enters a function there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from keygw.crypto.signer import LocalSigner
from keygw.model.command import Action, Outcome
from keygw.model.errors import LinkError
from keygw.model.receipt import Receipt
from keygw.session.events import Answered
from keygw.token.receipt import verify_receipt
from keygw.wire.messages import LinkKind, Result
from keygw_sim.conformance.ports import Ground, Hands
from keygw_sim.conformance.probe import PairingProbe, Probe
from keygw_sim.conformance.rig import Key, Rig
from keygw_sim.conformance.talk import Talk
from keygw_sim.conformance.tape import Tape
from keygw_sim.conformance.verdict import Skip, must

Check = Callable[["Bench"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Entry:
    """One check of one requirement. ``radio``: it looks at what only a radio has (advertising, GATT)."""

    requirement: str
    name: str
    run: Check
    radio: bool = False


CHECKS: list[Entry] = []


def verifies(*numbers: str, radio: bool = False) -> Callable[[Check], Check]:
    """Enter a check under every requirement that it shows to hold or not to hold."""

    def enter(check: Check) -> Check:
        CHECKS.extend(Entry(number, check.__name__, check, radio) for number in numbers)
        return check

    return enter


class Bench:
    """One for each check; ``leave`` ends what it left open."""

    def __init__(self, ground: Ground, rig: Rig, hands: Hands, tape: Tape) -> None:
        self.ground, self.rig, self.hands, self.tape = ground, rig, hands, tape
        self._talks: list[Talk] = []

    async def leave(self) -> None:
        for talk in self._talks:
            await talk.leave()

    async def link(
        self, key: Key, *, link: LinkKind = LinkKind.DIRECT, subscribe: bool = False, signer: LocalSigner | None = None
    ) -> Talk:
        """Connected, INFO read, nothing said yet. ``signer``: who signs in the device's place."""
        wire = await self.ground.connect()
        info = await wire.read_info()
        self.tape.note(f"connected as {key.claims.role.label} {key.id}; INFO {info.hex()}")
        probe = Probe(self.rig.vehicle, key.hand, info, self.rig.random, self.ground.clock(), link, subscribe)
        return self._kept(Talk(self.ground, wire, probe, signer or key.signer, self.tape))

    async def meet(self, key: Key | None = None, **how: Any) -> Talk:
        """``link``, and HELLO has been heard."""
        talk = await self.link(key or self.rig.owner(), **how)
        await talk.hello()
        return talk

    async def enter(self, key: Key | None = None, **how: Any) -> Talk:
        """``meet``, and the session is open."""
        talk = await self.meet(key, **how)
        await talk.open()
        return talk

    async def pairing(self, signer: LocalSigner) -> Talk:
        """A device that wants to pair, HELLO heard."""
        wire = await self.ground.connect()
        info = await wire.read_info()
        self.tape.note(f"connected to pair; INFO {info.hex()}")
        session = PairingProbe(signer.public_key, info, self.rig.random, self.ground.clock())
        talk = self._kept(Talk(self.ground, wire, session, signer, self.tape))
        await talk.hello()
        return talk

    def _kept(self, talk: Talk) -> Talk:
        self._talks.append(talk)
        return talk

    # -- states that checks begin from -------------------------------------------------------------------------

    async def asks(self, key: Key, action: Action, number: int | None = None, **how: Any) -> Outcome:
        """Meet, prove, command, leave: the outcome."""
        talk = await self.meet(key, **how)
        result = await talk.prove(action, self.rig.number() if number is None else number)
        await talk.leave()
        return result.outcome

    async def verdict(self, key: Key) -> Outcome:
        """What RESULT says of a key that proves itself, after its chain where it has one."""
        talk = await self.meet(key)
        result = await talk.prove()
        await talk.leave()
        return result.outcome

    async def locked(self) -> None:
        """The vehicle is locked, by an owner's command."""
        outcome = await self.asks(self.rig.owner(), Action.LOCK)
        if outcome is Outcome.DOOR_OPEN:
            raise Skip("a door of the vehicle is open: close it")
        must(outcome.ok, f"an owner's LOCK is answered with {outcome.label}")

    async def is_locked(self) -> bool:
        """What an owner learns by locking once more."""
        return await self.asks(self.rig.owner(), Action.LOCK) is Outcome.ALREADY_IN_STATE

    async def untouched(self, what: str) -> None:
        """Nothing has unlocked it meanwhile."""
        must(await self.is_locked(), f"the vehicle was unlocked {what}")

    async def trusted(self) -> Result:
        """The vehicle knows the time, told by an owner's device."""
        talk = await self.enter()
        result = [event.result for event in talk.heard if isinstance(event, Answered)][-1]
        if int(result.time) > 1:
            proof = self.rig.office.prove_time(self.rig.vehicle, result.time_nonce, self.rig.now, result.list_sequence)
            result = await talk.prove_time(proof)
            must(int(result.time) == 0, f"after a time proof its time is {result.time.label}")
        await talk.leave()
        return result

    async def list_sequence(self) -> int:
        """Of the list in force."""
        talk = await self.meet()
        result = await talk.open()
        await talk.leave()
        return result.list_sequence

    async def bars(self, **changes: Any) -> bytes:
        """An owner's device brings the next list with these changes; the acknowledgement."""
        talk = await self.meet()
        result = await talk.open()
        ack = await talk.push_list(self.rig.next_list(result.list_sequence + 1, **changes))
        await talk.leave()
        return ack

    async def receipt(self, sequence: int, key: Key | None = None) -> Receipt:
        """The receipt of that sequence, verified with the vehicle key."""
        talk = await self.enter(key)
        given = await talk.receipts(sequence - 1)
        must(bool(given.signed), f"receipt {sequence} is not given out")
        await talk.leave()
        return verify_receipt(given.signed[0], self.rig.vehicle.public_key)


async def sign_3(talk: Talk) -> None:
    """What ``proven`` left unsigned goes out as message_3."""
    needed: Any = talk.heard[-1]
    talk.probe.sign(talk.signer.sign(needed.message))
    await talk.flush()


def lost(error: LinkError) -> bool:
    """Whether it is the radio that has gone, and not the vehicle that has hung up."""
    return error.code == "radio_unavailable"
