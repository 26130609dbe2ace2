"""What one client asked to discover: BlueZ's ``SetDiscoveryFilter``."""

from __future__ import annotations

from dataclasses import dataclass

from bleak.backends.scanner import AdvertisementData
from bleak.uuids import normalize_uuid_str
from dbus_fast import Variant

from keygw_sim.bluez import errors

KINDS = {
    "UUIDs": "as",
    "RSSI": "n",
    "Pathloss": "q",
    "Transport": "s",
    "DuplicateData": "b",
    "Discoverable": "b",
    "Pattern": "s",
}
TRANSPORTS = frozenset({"auto", "le", "bredr"})


@dataclass(frozen=True, slots=True)
class Filter:
    """Who is shown, and whether each advertisement is told or only what changes."""

    uuids: frozenset[str] = frozenset()
    rssi: int | None = None
    path_loss: bool = False
    pattern: str = ""
    duplicates: bool = False
    le: bool = True

    @classmethod
    def parse(cls, wish: dict[str, Variant]) -> Filter:
        """``InvalidArguments`` for what BlueZ refuses: unknown names, wrong types, RSSI and path loss at a time."""
        if any(KINDS.get(name) != value.signature for name, value in wish.items()):
            raise errors.invalid_arguments()
        given = {name: value.value for name, value in wish.items()}
        if "RSSI" in given and "Pathloss" in given:
            raise errors.invalid_arguments()
        if given.get("Transport", "auto") not in TRANSPORTS:
            raise errors.invalid_arguments()
        try:
            uuids = frozenset(normalize_uuid_str(each) for each in given.get("UUIDs", []))
        except (AssertionError, ValueError) as error:
            raise errors.invalid_arguments() from error
        return cls(
            uuids,
            given.get("RSSI"),
            "Pathloss" in given,
            given.get("Pattern", ""),
            given.get("DuplicateData", False),
            given.get("Transport") != "bredr",
        )

    def shows(self, address: str, data: AdvertisementData) -> bool:
        if not self.le or self.path_loss:  # nobody here says with what power it sends, so no loss can be told
            return False
        if self.uuids and not self.uuids & set(data.service_uuids):
            return False
        if self.rssi is not None and data.rssi < self.rssi:
            return False
        return address.startswith(self.pattern) or (data.local_name or "").startswith(self.pattern)
