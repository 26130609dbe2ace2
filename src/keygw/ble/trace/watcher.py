"""``Watcher``: packets in, records out, for all links of a capture at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from keygw.ble.trace.att import AttWatch, Handles
from keygw.ble.trace.hci import Connected, Disconnected, Piece, Sorter
from keygw.ble.trace.l2cap import ATT, Assembler
from keygw.ble.trace.packet import Packet
from keygw.session.trace import Field, KeyLog, Record, Verdict, Word

MAX_LINKS = 64
"""Connections watched at a time; the one that was quiet longest gives way."""


class _Link:
    def __init__(self, name: str, watch: AttWatch) -> None:
        self.name = name
        self.watch = watch
        self._lanes = {sent: Assembler() for sent in (True, False)}

    def lane(self, piece: Piece) -> Assembler:
        """Whose piece it is. One whose sender is not said goes on with what was begun."""
        if piece.sent is not None:
            return self._lanes[piece.sent]
        return next((lane for lane in self._lanes.values() if lane.waiting), self._lanes[True])


class Watcher:
    """``handles``: of RX and TX, for captures without discovery. ``refresh`` is called when a session begins whose keys
    are not in ``keys``: who follows a rig that runs reads its key log on."""

    def __init__(
        self,
        keys: KeyLog | None = None,
        *,
        reveal: bool = False,
        handles: Handles | None = None,
        refresh: Callable[[], None] | None = None,
    ) -> None:
        self._keys, self._reveal = keys, reveal
        self._given = handles or Handles()
        self._refresh = refresh
        self._sorter = Sorter()
        self._links: dict[int, _Link] = {}
        self._names: dict[int, int] = {}
        self._count = 0
        self._learnt = self._given

    def take(self, packet: Packet) -> Iterator[Record]:
        """What one packet says. Never raises, whatever its bytes."""
        for happening in self._sorter.sort(packet):
            match happening:
                case Connected():
                    link = self._open(happening.link, whole=True)
                    fields = (Field("peer", happening.peer, 0, 6), Field("local_is", happening.local_is, 0, 1))
                    yield self._record(link.name, Record("connected", Verdict(Word.OK), fields=fields), packet)
                case Disconnected():
                    gone = self._links.pop(happening.link, None)
                    if gone is not None:
                        reason = (Field("reason", f"{happening.reason:02x}", 0, 1),)
                        yield self._record(gone.name, Record("disconnected", Verdict(Word.OK), fields=reason), packet)
                case Piece():
                    yield from self._piece(happening, packet)

    def _piece(self, piece: Piece, packet: Packet) -> Iterator[Record]:
        link = self._links.get(piece.link)
        if link is None:
            link = self._open(piece.link, whole=False)
        whole = link.lane(piece).push(piece.first, piece.data)
        if whole is None or whole[0] != ATT:
            return
        if self._refresh is not None:
            self._refresh()
        for record in link.watch.pdu(whole[1], packet.at):
            yield self._record(link.name, record, packet)
        if link.watch.learnt:
            self._learnt = link.watch.learnt

    def _open(self, number: int, *, whole: bool) -> _Link:
        self._links.pop(number, None)
        if len(self._links) >= MAX_LINKS:
            del self._links[next(iter(self._links))]
        times = self._names[number] = self._names.pop(number, 0) + 1
        if len(self._names) > MAX_LINKS * 16:
            del self._names[next(iter(self._names))]
        name = f"{number:04x}" if times == 1 else f"{number:04x}#{times}"
        # Without discovery of its own, a link is taken for one to the same vehicle as the last that was mapped.
        watch = AttWatch(self._keys, whole=whole, reveal=self._reveal, known=self._learnt)
        link = self._links[number] = _Link(name, watch)
        return link

    def _record(self, link: str, record: Record, packet: Packet) -> Record:
        self._count += 1
        return replace(record, number=self._count, at=packet.at, link=link)
