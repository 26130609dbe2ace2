"""The audit trail's chain: whatever is changed in it is found, and at the right place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from keygw.credentials.audit_check import AuditCheck, Report
from keygw.crypto.signer import LocalSigner
from keygw.model.audit import ACTIONS, AuditCheckpoint, AuditEntry
from keygw.token.audit import GENESIS, decode_data, encode_data, encode_entry, link, sign_checkpoint, verify_checkpoint
from keygw.token.trust import IssuerKey, TrustedIssuers, kid_of

SIGNER = LocalSigner.generate()
KID = kid_of(SIGNER.public_key)
TRUST = TrustedIssuers([IssuerKey("urn:test", KID, SIGNER.public_key)])
STRANGER = LocalSigner.generate()

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
entries = st.builds(
    AuditEntry,
    at=st.integers(0, 2**40),
    actor=texts,
    action=st.sampled_from(sorted(ACTIONS)),
    tenant_id=st.none() | texts,
    vehicle_id=st.none() | texts,
    key_id=st.none() | texts,
    device_id=st.none() | texts,
    outcome=texts,
    data=st.dictionaries(texts, st.none() | st.booleans() | texts | st.integers(-(2**63), 2**63 - 1), max_size=3),
)


@dataclass(frozen=True)
class Row:
    sequence: int
    encoded: bytes
    hash: bytes


def chain(listed: list[AuditEntry]) -> list[Row]:
    head, rows = GENESIS, []
    for number, entry in enumerate(listed, 1):
        encoded = encode_entry(entry, encode_data(entry.data))
        head = link(head, number, encoded)
        rows.append(Row(number, encoded, head))
    return rows


def seal(rows: list[Row], every: int, signer: LocalSigner = SIGNER) -> dict[int, bytes]:
    ends = [*range(every, len(rows), every), len(rows)]
    firsts = [1, *(end + 1 for end in ends)]
    return {
        end: sign_checkpoint(AuditCheckpoint(first, end, rows[end - 1].hash, 5), signer, KID)
        for first, end in zip(firsts, ends, strict=False)
    }


def look(rows: list[Row], sealed: dict[int, bytes], marker: bytes | None = None) -> Report:
    check, waiting = AuditCheck(TRUST), sorted(sealed)
    for row in rows:
        while waiting and waiting[0] < row.sequence:
            check.checkpoint(sealed[waiting.pop(0)])
        check.entry(row.sequence, row.encoded, row.hash)
    for end in waiting:
        check.checkpoint(sealed[end])
    wanted = None if marker is None else verify_checkpoint(marker, TRUST).sequence
    return check.end(marker, next((row.hash for row in rows if row.sequence == wanted), None))


def found(report: Report) -> list[tuple[int, str]]:
    return [(each.sequence, each.code) for each in report.findings]


trails = st.lists(entries, min_size=2, max_size=8).map(chain)


@given(entries)
def test_an_entry_has_one_encoding(entry: AuditEntry) -> None:
    assert decode_data(encode_data(entry.data)) == entry.data
    assert encode_entry(entry, encode_data(entry.data)) == encode_entry(replace(entry), encode_data(dict(entry.data)))


@given(trails, st.integers(1, 4))
def test_a_trail_that_nobody_touched_is_intact(rows: list[Row], every: int) -> None:
    sealed = seal(rows, every)
    report = look(rows, sealed, sealed[len(rows)])
    assert report.intact
    assert (report.entries, report.checkpoints, report.sealed) == (len(rows), len(sealed), len(rows))
    assert report.kids == (KID,)


@given(trails, st.integers(1, 4), st.data())
def test_any_bit_is_found_where_it_was_turned(rows: list[Row], every: int, data: st.DataObject) -> None:
    sealed = seal(rows, every)
    at = data.draw(st.integers(0, len(rows) - 1))
    part = data.draw(st.sampled_from(["encoded", "hash"]))
    before: bytes = getattr(rows[at], part)
    bit = data.draw(st.integers(0, len(before) * 8 - 1))
    after = bytearray(before)
    after[bit // 8] ^= 1 << bit % 8
    changes: dict[str, Any] = {part: bytes(after)}
    first = look([*rows[:at], replace(rows[at], **changes), *rows[at + 1 :]], sealed).findings[0]
    assert (first.sequence, first.code) == (at + 1, "entry_altered")


@given(trails, st.integers(1, 4), st.data())
def test_a_missing_entry_is_found_where_it_was(rows: list[Row], every: int, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(rows) - 1))
    first = look([*rows[:at], *rows[at + 1 :]], seal(rows, every)).findings[0]
    assert (first.sequence, first.code) == (at + 1, "entry_missing")


@given(trails, st.data())
def test_two_that_changed_places_are_found_where_they_stand(rows: list[Row], data: st.DataObject) -> None:
    one, other = sorted(data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=2, max_size=2, unique=True)))
    moved = list(rows)
    moved[one], moved[other] = (
        Row(rows[one].sequence, rows[other].encoded, rows[other].hash),
        Row(rows[other].sequence, rows[one].encoded, rows[one].hash),
    )
    altered = [sequence for sequence, code in found(look(moved, {})) if code == "entry_altered"]
    assert altered[0] == one + 1
    assert other + 1 in altered


@given(trails, entries, st.integers(1, 4), st.data())
def test_a_chain_that_was_computed_anew_does_not_fit_its_checkpoints(
    rows: list[Row], forged: AuditEntry, every: int, data: st.DataObject
) -> None:
    """Whoever owns the database can write every hash anew, but not sign."""
    at = data.draw(st.integers(0, len(rows) - 1))
    encoded = encode_entry(forged, encode_data(forged.data))
    if encoded == rows[at].encoded:
        return
    head, anew = rows[at - 1].hash if at else GENESIS, list(rows[:at])
    for row in [replace(rows[at], encoded=encoded), *rows[at + 1 :]]:
        head = link(head, row.sequence, row.encoded)
        anew.append(replace(row, hash=head))
    sealed = seal(rows, every)
    assert found(look(anew, sealed))[0] == (min(end for end in sealed if end > at), "checkpoint_differs")
    again = {
        sequence for sequence, code in found(look(anew, seal(anew, every, STRANGER))) if code == "checkpoint_refused"
    }
    assert again == set(sealed)


@given(trails, st.data())
def test_a_tail_that_went_with_its_checkpoints_is_known_outside(rows: list[Row], data: st.DataObject) -> None:
    left = data.draw(st.integers(0, len(rows) - 1))
    sealed = seal(rows, 1)
    kept = {end: signed for end, signed in sealed.items() if end <= left}
    assert look(rows[:left], kept).intact  # nothing inside shows it
    assert found(look(rows[:left], kept, sealed[len(rows)])) == [(left + 1, "entry_missing")]


@given(trails, st.data())
def test_a_missing_checkpoint_is_found(rows: list[Row], data: st.DataObject) -> None:
    sealed = seal(rows, 1)
    gone = data.draw(st.integers(1, len(rows) - 1))
    assert found(look(rows, {end: signed for end, signed in sealed.items() if end != gone})) == [
        (gone, "checkpoint_missing")
    ]
