"""The provisioning file: how the factory line tells a car which issuer to trust.

Owners come by pairing (``keygw_sim.vehicle.pairing``). The file may still name one, as ``owner_thumbprint``, for cars
on a bench that nobody sits in; a car that has ever been paired takes no owner from it any more. ``issuer.sequence``
says which key of its issuer it is, 0 if it is not there; a car that has learnt a later one does not take it.

Drop ``provisioning.json`` into the car's folder; it is taken at the next connection and renamed to
``provisioning.taken.json``. Who can write there owns the car anyway.
"""

from __future__ import annotations

import json
from pathlib import Path

from keygw.model.base64url import decode_base64url
from keygw.model.errors import BadInput
from keygw.token.trust import IssuerKey, TrustedIssuers
from keygw_sim.vehicle import trust
from keygw_sim.vehicle.flash import COUNTS, Issuer, Memory

FILE = "provisioning.json"


def waits(folder: Path) -> bool:
    """Whether there is a file to take."""
    return (folder / FILE).exists()


PROVISIONED = "provisioned"
PASSED_OVER = "provisioning_passed_over"
"""The file names a former key of an issuer whose later one the car has learnt: it does not come back."""


def take(folder: Path, memory: Memory) -> str | None:
    """Apply a waiting file to ``memory``; what came of it, as an event, or ``None`` if there was none.

    ``BadInput`` if malformed or for another car."""
    path = folder / FILE
    if not path.exists():
        return None
    try:
        data = json.loads(path.read_text())
        issuer = Issuer(
            data["issuer"]["issuer"],
            decode_base64url(data["issuer"]["kid"]),
            decode_base64url(data["issuer"]["public_key"]),
            data["issuer"].get("sequence", 0),
        )
        vehicle_id = data["vehicle_id"]
        owner = decode_base64url(data["owner_thumbprint"]) if "owner_thumbprint" in data else None
        version = data["v"]
    except (ValueError, KeyError, TypeError, OSError, RecursionError) as error:
        raise BadInput(f"{path.name} is not a provisioning file", code="bad_provisioning") from error
    good_owner = owner is None or len(owner) == 32
    good_issuer = isinstance(issuer.issuer, str) and type(issuer.sequence) is int and 0 <= issuer.sequence < COUNTS
    if not good_issuer or version != 1 or vehicle_id != memory.vehicle_id or not good_owner:
        raise BadInput(f"{path.name} is for another vehicle or release", code="bad_provisioning")
    head = trust.newest(memory, issuer.issuer)
    old = head is not None and head.sequence > issuer.sequence  # a former key does not come back by an old file
    if not old and all(known.kid != issuer.kid for known in memory.issuers):
        try:
            TrustedIssuers(IssuerKey(i.issuer, i.kid, i.public_key) for i in (*memory.issuers, issuer))
        except ValueError as error:
            raise BadInput(f"{path.name}: {error}", code="bad_provisioning") from error
        memory.issuers.append(issuer)
    if owner is not None and owner not in memory.owners and not memory.pairing.counter:
        memory.owners.append(owner)
    return PASSED_OVER if old else PROVISIONED


def taken(folder: Path) -> None:
    """Put the file aside, once what it said is safely in flash."""
    (folder / FILE).replace(folder / "provisioning.taken.json")
