"""ATT as a watcher sees it (Core 5.4, Vol 3, Part F): which handle is which characteristic, and what went over them.

The handles are learnt from discovery, or given. Whoever sends requests is the device, whatever the capture says of
directions: in this protocol the device is the GATT client.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from keygw.ble.trace import names
from keygw.session.states import Side
from keygw.session.trace import Field, KeyLog, LinkTrace, Record, Verdict, Word, specs
from keygw.wire import gatt

CCCD = 0x2902
MAX_PREPARED = gatt.MAX_FRAME
_BASE = {bytes.fromhex(uuid.replace("-", ""))[::-1]: name for uuid, name in (
    (gatt.RX, "rx"), (gatt.TX, "tx"), (gatt.INFO, "info"),
)}  # fmt: skip
_OK = Verdict(Word.OK)


@dataclass(frozen=True, slots=True)
class Handles:
    """Value handles of the three characteristics, and of what subscribes to TX; 0 for one that is not known."""

    rx: int = 0
    tx: int = 0
    info: int = 0
    subscription: int = 0

    def __bool__(self) -> bool:
        return bool(self.rx and self.tx)


class AttWatch:
    """One link. ``known``: handles to begin with; ``learnt`` says what discovery has shown."""

    def __init__(self, keys: KeyLog | None, *, whole: bool, reveal: bool, known: Handles) -> None:
        self.learnt = known
        self._trace = LinkTrace(keys, whole=whole, reveal=reveal)
        self._whole = whole
        self._reveal = reveal
        self._mtu = 0
        self._reading = 0
        self._subscribed = not whole
        self._prepared = b""
        self._told_unmapped = False

    def pdu(self, data: bytes, at: float) -> Iterator[Record]:
        """One ATT packet. Never raises, whatever the bytes."""
        if not data:
            return
        code, body = data[0], data[1:]
        match code:
            case names.MTU_REQUEST | names.MTU_RESPONSE if len(body) == 2:
                yield self._event("mtu", code, (("mtu", int.from_bytes(body, "little"), 1, 2),), data)
            case names.READ_BY_TYPE_RESPONSE | names.FIND_INFORMATION_RESPONSE:
                yield from self._discovery(code, body, data)
            case names.READ_REQUEST if len(body) == 2:
                self._reading = int.from_bytes(body, "little")
            case names.READ_RESPONSE:
                reading, self._reading = self._reading, 0
                if reading and reading == self.learnt.info:
                    yield self._trace.info(body)
            case names.ERROR_RESPONSE if len(body) == 4:
                yield from self._error(body, data)
            case names.WRITE_REQUEST | names.WRITE_COMMAND | names.NOTIFICATION | names.INDICATION if len(body) >= 2:
                yield from self._value(code, int.from_bytes(body[:2], "little"), body[2:], at)
            case names.PREPARE_WRITE_REQUEST if len(body) >= 4:
                if int.from_bytes(body[:2], "little") == self.learnt.rx:
                    self._prepared = (self._prepared + body[4:])[: MAX_PREPARED + 1]
                    yield self._event("att", code, (("bytes", len(body) - 4, 5, len(body) - 4),), data)
            case names.EXECUTE_WRITE_REQUEST:
                prepared, self._prepared = self._prepared, b""
                if prepared and body[:1] == b"\x01":
                    yield from self._value(code, self.learnt.rx, prepared, at)

    def _value(self, code: int, handle: int, value: bytes, at: float) -> Iterator[Record]:
        known = self.learnt
        if code in (names.NOTIFICATION, names.INDICATION):
            if handle and handle == known.tx:
                record = self._told(self._trace.frame(Side.VEHICLE, value, at), code, handle)
                yield record if self._subscribed else replace(record, verdict=_PREMATURE)
                return
        elif handle and handle == known.rx:
            yield self._told(self._trace.frame(Side.DEVICE, value, at), code, handle)
            return
        elif handle and handle == known.subscription and len(value) == 2:
            self._subscribed = bool(value[0] & 1)
            fields = (("notifications", self._subscribed, 3, 2),)
            yield self._event("subscribed" if self._subscribed else "unsubscribed", code, fields, value)
            return
        if not known and not self._told_unmapped:
            self._told_unmapped = True
            detail = "frames or not: no discovery was captured; name the handles with --rx and --tx"
            verdict = Verdict(Word.SEALED, "handles_unknown", detail, None, specs.BLUETOOTH)
            yield self._event("unmapped", code, (("handle", handle, 1, 2),), value, verdict)

    def _discovery(self, code: int, body: bytes, data: bytes) -> Iterator[Record]:
        before = self.learnt
        if code == names.READ_BY_TYPE_RESPONSE and body[:1] == b"\x15":
            for start in range(1, len(body) - 20, 21):
                name = _BASE.get(body[start + 5 : start + 21])
                if name is not None:
                    handle = int.from_bytes(body[start + 3 : start + 5], "little")
                    self.learnt = replace(self.learnt, **{name: handle})
                    if name == "tx" and not self.learnt.subscription:
                        self.learnt = replace(self.learnt, subscription=handle + 1)
        elif code == names.FIND_INFORMATION_RESPONSE and body[:1] == b"\x01":
            for start in range(1, len(body) - 3, 4):
                handle, uuid = (int.from_bytes(body[at : at + 2], "little") for at in (start, start + 2))
                if uuid == CCCD and self.learnt.tx and 0 < handle - self.learnt.tx <= 2:
                    self.learnt = replace(self.learnt, subscription=handle)
        if self.learnt and self.learnt != before:
            now = self.learnt
            fields = (("rx", now.rx, 1, 2), ("tx", now.tx, 1, 2), ("info", now.info, 1, 2))
            yield self._event("mapped", code, fields, data)

    def _error(self, body: bytes, data: bytes) -> Iterator[Record]:
        asked, handle, error = body[0], int.from_bytes(body[1:3], "little"), body[3]
        if asked in names.SEARCHES:
            return  # that is how a search ends
        verdict = Verdict(Word.REFUSED, f"att_{error:02x}", names.error(error), 4, specs.BLUETOOTH)
        fields = (("asked", names.operation(asked), 1, 1), ("handle", handle, 2, 2), ("error", error, 4, 1))
        yield self._event("att", names.ERROR_RESPONSE, fields, data, verdict)

    def _told(self, record: Record, code: int, handle: int) -> Record:
        frame = {**(record.frame or {}), "operation": names.operation(code), "handle": handle}
        return replace(record, frame=frame)

    def _event(
        self,
        kind: str,
        code: int,
        fields: tuple[tuple[str, object, int, int], ...],
        raw: bytes,
        verdict: Verdict = _OK,
    ) -> Record:
        by = Side.DEVICE if code in names.BY_CLIENT else Side.VEHICLE
        told = (Field("operation", names.operation(code), 0, 1), *(Field(*each) for each in fields))
        return Record(kind, verdict, by.value, raw, fields=told, reveal=self._reveal)


_PREMATURE = Verdict(
    Word.BREACH, "notification_unsubscribed", "a notification before TX was subscribed is lost", 0, specs.BLUETOOTH
)
