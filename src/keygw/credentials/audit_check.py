"""Is the audit trail as it was written? Fed with it from its beginning, entry by entry, in bounded memory.

The chain shows an entry that was edited, removed or moved; the signed checkpoints show a chain that somebody has
computed anew, and a missing tail; a checkpoint kept outside the database shows a database that was cut off whole.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from keygw.credentials.audit_ports import AuditReads
from keygw.model.audit import AuditCheckpoint
from keygw.model.errors import TokenError
from keygw.token.audit import GENESIS, link, read_checkpoint, verify_checkpoint
from keygw.token.trust import TrustedIssuers

PAGE = 500
MOST_FINDINGS = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """``sequence``: the entry where it shows; ``code``: one of ``FINDINGS``."""

    sequence: int
    code: str
    detail: str = ""


FINDINGS = {
    "entry_altered": "the entry is not the one that was recorded here, or stands at another's place",
    "entry_missing": "the entry is gone",
    "entry_surplus": "two entries with this sequence",
    "checkpoint_differs": "a signed checkpoint says otherwise: entries up to this one were written anew",
    "checkpoint_refused": "the checkpoint at this entry was not signed by a trusted issuer, or is malformed",
    "checkpoint_missing": "the checkpoint that ends here, or starts after it, is gone",
}


@dataclass(frozen=True, slots=True)
class Report:
    """``entries`` were looked at; those through ``sealed`` are covered by signed checkpoints. ``kids``: who signed."""

    entries: int
    checkpoints: int
    sealed: int
    head: bytes
    findings: tuple[Finding, ...]
    kids: tuple[bytes, ...] = ()

    @property
    def intact(self) -> bool:
        return not self.findings


@dataclass(slots=True)
class AuditCheck:
    """Give each ``entry`` in the order in which it stands, each ``checkpoint`` after the entry that it names."""

    issuers: TrustedIssuers
    findings: list[Finding] = field(default_factory=list)
    _sequence: int = 0
    _head: bytes = GENESIS
    _entries: int = 0
    _checkpoints: int = 0
    _sealed: int = 0
    _kids: dict[bytes, None] = field(default_factory=dict)

    def entry(self, sequence: int, encoded: bytes, claimed: bytes) -> None:
        """``claimed``: the hash that is stored beside it. Later ones are judged from there, so one edit is one find."""
        self._entries += 1
        if sequence <= self._sequence:
            self._find(sequence, "entry_surplus")
            return
        if sequence != self._sequence + 1:
            self._find(self._sequence + 1, "entry_missing", f"through {sequence - 1}")
        elif link(self._head, sequence, encoded) != claimed:
            self._find(sequence, "entry_altered")
        self._sequence, self._head = sequence, claimed

    def checkpoint(self, signed: bytes) -> None:
        """COSE_Sign1 (``token.audit``)."""
        said = self._trusted(signed, self._sequence)
        if said is None:
            return
        self._checkpoints += 1
        if said.first != self._sealed + 1:
            self._find(min(said.first, self._sealed + 1), "checkpoint_missing")
        if said.sequence != self._sequence:
            what = "entry_missing" if said.sequence > self._sequence else "checkpoint_differs"
            self._find(min(self._sequence + 1, said.sequence), what, f"through {said.sequence}")
        elif said.head != self._head:
            self._find(said.sequence, "checkpoint_differs", f"from {said.first}")
        self._sealed = max(self._sealed, said.sequence)

    def end(self, marker: bytes | None = None, marker_head: bytes | None = None) -> Report:
        """``marker``: a checkpoint kept outside; ``marker_head``: the hash that stands at its entry, if any."""
        if marker is not None:
            said = self._trusted(marker, self._sequence)
            if said is not None and said.sequence > self._sequence:
                self._find(self._sequence + 1, "entry_missing", f"through {said.sequence}")
            elif said is not None and marker_head != said.head:
                self._find(said.sequence, "checkpoint_differs", "the one kept outside the database")
            elif said is not None and said.sequence > self._sealed:
                self._find(said.sequence, "checkpoint_missing")
        return Report(
            self._entries, self._checkpoints, self._sealed, self._head, tuple(self.findings), tuple(self._kids)
        )

    def _trusted(self, signed: bytes, at: int) -> AuditCheckpoint | None:
        try:
            kid, _ = read_checkpoint(signed)
            found = verify_checkpoint(signed, self.issuers)
        except TokenError as error:
            self._find(at, "checkpoint_refused", error.code)
            return None
        self._kids[kid] = None
        return found

    def _find(self, sequence: int, code: str, detail: str = "") -> None:
        known = any((each.sequence, each.code) == (sequence, code) for each in self.findings)
        if not known and len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(sequence, code, detail))


async def check_stored(reads: AuditReads, issuers: TrustedIssuers, marker: bytes | None = None) -> Report:
    """Look at the whole trail. Entries that are written meanwhile are looked at too."""
    check = AuditCheck(issuers)
    wanted = _sequence_of(marker)
    marked: bytes | None = None
    after = sealed = 0
    waiting = list(await reads.audit_checkpoints(0, PAGE))
    while rows := await reads.audit_rows(after, PAGE):
        for row in rows:
            # A checkpoint of an entry that is not there belongs before the next one that is.
            while waiting and waiting[0].sequence < row.sequence:
                sealed = waiting[0].sequence
                check.checkpoint(waiting.pop(0).signed)
                waiting = waiting or list(await reads.audit_checkpoints(sealed, PAGE))
            check.entry(row.sequence, row.encoded, row.hash)
            if row.sequence == wanted:
                marked = row.hash
        after = rows[-1].sequence
        waiting = waiting or list(await reads.audit_checkpoints(sealed, PAGE))
    while waiting:
        sealed = waiting[-1].sequence
        for each in waiting:
            check.checkpoint(each.signed)
        waiting = list(await reads.audit_checkpoints(sealed, PAGE))
    return check.end(marker, marked)


def _sequence_of(marker: bytes | None) -> int:
    if marker is None:
        return 0
    try:
        return read_checkpoint(marker)[1].sequence
    except TokenError:
        return 0
