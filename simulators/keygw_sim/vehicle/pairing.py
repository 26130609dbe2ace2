"""The car's pairing desk: shows a code, counts the tries, signs the ticket, takes in the owner.

Rules (``protocols/owner_pairing``): somebody in the car opens pairing mode; an owned car opens only after an owner has
allowed it in a session of its own; the code lives 120 seconds and serves once; a try is counted before the car's answer
to it leaves; after five tries the mode is closed until somebody opens it again. Seconds are counted since the start, so
the power's end ends a code and a permission; a ticket and an owner outlive it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace

from keygw.crypto.signer import thumbprint
from keygw.crypto.spake2plus import SALT_BYTES, Record
from keygw.model.digital_key import Role
from keygw.model.errors import Conflict, ProtocolError
from keygw.model.ids import Random
from keygw.session.events import Enrolled
from keygw.session.pairing import CODE_DIGITS, secret_for
from keygw.token.claims import KeyClaims
from keygw.token.ticket import PairingTicket, sign_ticket
from keygw_sim.vehicle.flash import Memory, PairingMemory

CODE_SECONDS = 120
ALLOWED_SECONDS = 600
"""How long an owner's permission waits for somebody to open pairing mode."""
MOST_TRIES = 5


class PairingDesk:
    """On the ``Keeper``'s memory: ``memory()`` is what is on flash, ``durably()`` drafts a change of it.

    ``OSError`` from whatever writes: then nothing has changed, and nothing may be said.
    """

    def __init__(
        self,
        memory: Callable[[], Memory],
        durably: Callable[[], AbstractContextManager[Memory]],
        random: Random,
        monotonic: Callable[[], float],
        log: Callable[[str, dict[str, object]], None],
    ) -> None:
        self._memory = memory
        self._durably = durably
        self._random = random
        self._monotonic = monotonic
        self._log = log

    @property
    def shown(self) -> bool:
        """Whether a code is shown."""
        pairing = self._memory().pairing
        return bool(pairing.record) and self._monotonic() < pairing.opened_at + CODE_SECONDS

    @property
    def _allowed(self) -> bool:
        """Whether an owner's permission is in force."""
        return self._monotonic() < self._memory().pairing.allowed_until

    @property
    def open(self) -> bool:
        """Whether a device may try now."""
        return self.shown and self._memory().pairing.tries < MOST_TRIES

    def begin(self) -> str:
        """Open pairing mode and return the code to show. ``Conflict`` owner_exists without an owner's permission.

        An older code, and a ticket that was never used, end with it.
        """
        memory, now = self._memory(), self._monotonic()
        approved = self._allowed
        if memory.owners and not approved:
            raise Conflict("the car has an owner, who must allow pairing first", code="owner_exists")
        code, salt = self._new_code(), self._random(SALT_BYTES)
        record = secret_for(code, salt).record().encode()
        with self._durably() as draft:
            draft.pairing = PairingMemory(
                salt=salt, record=record, opened_at=now, approved=approved, counter=draft.pairing.counter
            )
        return code

    def allow(self, draft: Memory) -> None:
        """An owner says, in a session of its own, that pairing mode may be opened once."""
        draft.pairing = replace(draft.pairing, allowed_until=self._monotonic() + ALLOWED_SECONDS)

    def salt(self) -> bytes:
        """For PAIR_OFFER. ``ProtocolError`` if nobody may try."""
        pairing = self._memory().pairing
        if not self.open:
            self._end("expired" if pairing.tries < MOST_TRIES else "too_many_tries")
            raise ProtocolError("no pairing code is shown", code="pairing_closed")
        return pairing.salt

    def count(self, salt: bytes) -> Record:
        """Count a try, durably, and only then give what it takes to answer it. ``ProtocolError`` if none is left."""
        if not self.open or salt != self._memory().pairing.salt:
            raise ProtocolError("no pairing code is shown", code="pairing_closed")
        with self._durably() as draft:
            draft.pairing = replace(draft.pairing, tries=draft.pairing.tries + 1)
        pairing = self._memory().pairing
        self._log("pairing_tried", {"tries": pairing.tries, "left": MOST_TRIES - pairing.tries})
        return Record.decode(pairing.record)

    def ticket(self, salt: bytes, enrolled: Enrolled) -> bytes:
        """The signed ticket for a device that knew the code. The code has served; no older ticket is in force."""
        memory = self._memory()
        pairing = memory.pairing
        if not self.shown or salt != pairing.salt or (memory.owners and not pairing.approved):
            raise ProtocolError("the pairing code has ended meanwhile", code="pairing_closed")
        counter, device = pairing.counter + 1, thumbprint(enrolled.device_key)
        with self._durably() as draft:
            draft.pairing = replace(pairing, counter=counter, ticketed=device, record=b"")
        self._log("pairing_closed", {"reason": "used"})
        return sign_ticket(PairingTicket(memory.vehicle_id, device, enrolled.transcript, counter), memory.signer)

    def awaits(self, claims: KeyClaims) -> bool:
        """Whether these are the verified claims of the ticketed device's owner token."""
        memory = self._memory()
        ticketed = memory.pairing.ticketed
        if claims.role is not Role.OWNER or not ticketed or thumbprint(claims.device_key) != ticketed:
            return False
        return not memory.owners or memory.pairing.approved

    def take_owner(self, draft: Memory) -> None:
        """Make the ticketed device an owner's."""
        device = draft.pairing.ticketed
        draft.pairing = replace(draft.pairing, ticketed=b"")
        if device not in draft.owners:
            draft.owners.append(device)

    def tick(self) -> bool:
        """Forget a code whose time is over; whether there was one. After the fifth try the proof may be under way."""
        if not self._memory().pairing.record or self.shown:
            return False
        try:
            self._end("expired")
        except OSError:
            return False  # its time is over in any case; the next tick clears it away
        return True

    def _end(self, reason: str) -> None:
        """Forget the code's record; once."""
        if self._memory().pairing.record:
            with self._durably() as draft:
                draft.pairing = replace(draft.pairing, record=b"")
            self._log("pairing_closed", {"reason": reason})

    def _new_code(self) -> str:
        """8 digits, all equally likely: what does not fit evenly into 2^32 is drawn again."""
        bound = 10**CODE_DIGITS
        while (drawn := int.from_bytes(self._random(4), "big")) >= 2**32 - 2**32 % bound:
            pass
        return f"{drawn % bound:0{CODE_DIGITS}d}"
