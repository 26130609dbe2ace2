"""Which place in a status list a key has, and what stands there: kept in the transaction that makes the key or ends it.

Herd privacy: whoever reads a list sees the status of every place, so a place must say nothing of its key. It is drawn
at random from a page of a million. A page takes no further key when three quarters of it are given, so a draw finds a
free place with a chance of a quarter at the very least, and 1.85 draws do on average over the life of a page: the cost
of a key does not grow with their number. Places are not given again, since an old token may still name them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from keygw.credentials.lifecycle import REVOKED_STATES
from keygw.credentials.ports import CredentialReads, CredentialTransaction, KeyRecord
from keygw.model.digital_key import KeyState
from keygw.model.ids import Random
from keygw.token.claims import StatusReference
from keygw.token.status_list import Status

PAGE_SIZE = 2**20
"""Places: 256 KiB in memory, 32 kB on the wire when one in a hundred is revoked, 5 ms to compress. A herd of a million
is as good as it gets; a larger page would cost each reader more for nothing."""
_DRAWS = 64


async def take_place(
    tx: CredentialTransaction, key_id: str, base: str, random: Random, size: int = PAGE_SIZE
) -> StatusReference | None:
    """A free place for a new key, at random; ``None`` without a ``base`` to publish lists under."""
    if not base:
        return None
    page = await tx.take_status_page(base, size * 3 // 4)
    for index in _draws(random, size):
        if await tx.take_status_place(page.number, index, key_id):
            return StatusReference(index, page.uri)
    raise RuntimeError("a page with room has no free place")


async def place_of(reads: CredentialReads, key_id: str) -> StatusReference | None:
    """The place that the key has had from the start."""
    found = await reads.status_place(key_id)
    return None if found is None else StatusReference(found[1].index, found[0].uri)


async def mark(tx: CredentialTransaction, vehicle_id: str, at: int, records: Sequence[KeyRecord]) -> None:
    """Bring the statuses of a vehicle's unexpired keys in line with their states, and those of their ancestors."""
    places = await tx.status_places(vehicle_id, at)
    wanted = {record.key.id: status_of(record) for record in records if record.key.id in places}
    await tx.set_statuses({key_id: status for key_id, status in wanted.items() if status != places[key_id].status})


def status_of(record: KeyRecord) -> Status:
    """Of a key that has not run out. REVOKING is INVALID already: here nobody waits for the vehicle."""
    states = {record.key.state, *record.above}
    if states & REVOKED_STATES or KeyState.EXPIRED in states:
        return Status.INVALID
    return Status.SUSPENDED if KeyState.SUSPENDED in states else Status.VALID


def _draws(random: Random, size: int) -> Iterator[int]:
    """Random places; after 64 taken ones, which good randomness draws once in 10^8 keys, the others in order."""
    index = 0
    for _ in range(_DRAWS):
        index = int.from_bytes(random(8), "big") % size
        yield index
    yield from range(index + 1, size)
    yield from range(index)
