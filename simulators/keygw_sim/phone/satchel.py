"""What a phone carries for others: the newest revocation list of each of its vehicles, and what the vehicles signed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from keygw.model.base64url import decode_base64url
from keygw.model.errors import BadInput, LinkError, ProtocolError, TokenError
from keygw.model.vehicle import Vehicle
from keygw.token.revocation import verify_ack
from keygw.vehicle.conversation import Conversation


@dataclass(frozen=True, slots=True)
class CarriedList:
    """A vehicle's signed list. The phone trusts no issuer, so it takes the sequence on the gateway's word."""

    vehicle_id: str
    sequence: int
    signed: bytes = field(repr=False)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> CarriedList | None:
        """What ``GET /v1/vehicles/{id}/revocation-list`` gives; ``None`` before the first list. ``BadInput``."""
        try:
            if data["signed"] is None:
                return None
            raw = decode_base64url(data["signed"])
            return cls(str(data["vehicle_id"]), int(data["sequence"]), raw)
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput("not a list that a phone can carry", code="bad_list") from error


class Satchel:
    """``acks``: by vehicle, the newest acknowledgement that holds, for ``POST .../revocation-acks``."""

    def __init__(self) -> None:
        self.acks: dict[str, bytes] = {}
        self._lists: dict[str, CarriedList] = {}

    def put(self, carried: CarriedList) -> None:
        """Keep it, unless there is a newer one of that vehicle."""
        known = self._lists.get(carried.vehicle_id)
        if known is None or known.sequence < carried.sequence:
            self._lists[carried.vehicle_id] = carried

    async def deliver(self, talk: Conversation, vehicle: Vehicle, told: int) -> bool:
        """Push the list if the vehicle, which told the sequence of its own, has an older one. Whether it took it.

        A link that breaks here costs the list this chance, and no more.
        """
        carried = self._lists.get(vehicle.id)
        if carried is None or carried.sequence <= told or not (talk.authenticated or talk.waiting):
            return False
        try:
            signed = await talk.push_list(carried.signed)
            ack = verify_ack(signed, vehicle.public_key)
        except (LinkError, ProtocolError, TokenError):
            return False
        if ack.vehicle_id != vehicle.id or ack.sequence < carried.sequence:
            return False
        self.acks[vehicle.id] = signed
        return True
