"""What is stored, looked at: do rows, counters and signatures fit together? Nothing is changed, and nobody waits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from keygw.model.errors import TokenError
from keygw.model.receipt import Receipt
from keygw.store.backup.tables import Progress, Source, Table
from keygw.store.group import Row
from keygw.store.marks import is_unconfirmed
from keygw.store.schema import SCHEMA_VERSION
from keygw.token.cwt import decode_cwt
from keygw.token.receipt import verify_chain, verify_receipt
from keygw.token.revocation import verify_ack, verify_list
from keygw.token.trust import IssuerKey, TrustedIssuers

MOST_TOLD = 20
"""Faults of one kind that are told one by one."""


_COUNTERS = (
    (
        "a key beyond next_index",
        "SELECT DISTINCT v.id FROM vehicles v JOIN digital_keys k ON k.vehicle_id = v.id "
        "WHERE k.key_index >= v.next_index ORDER BY v.id",
    ),
    (
        "a newest list that is not list_sequence",
        "SELECT v.id FROM vehicles v WHERE v.list_sequence <> "
        "(SELECT coalesce(max(l.sequence), 0) FROM revocation_lists l WHERE l.vehicle_id = v.id) ORDER BY v.id",
    ),
    (
        "an acknowledged_sequence that was never signed",
        "SELECT v.id FROM vehicles v WHERE v.acknowledged_sequence > v.list_sequence ORDER BY v.id",
    ),
    (
        "receipts missing up to receipts_through",
        "SELECT v.id FROM vehicles v WHERE v.receipts_through <> (SELECT count(*) FROM receipts r "
        "WHERE r.vehicle_id = v.id AND r.sequence BETWEEN 1 AND v.receipts_through) ORDER BY v.id",
    ),
)


@dataclass(slots=True)
class Finding:
    """One kind of check: how many things it looked at, what was wrong, and what it could not judge."""

    name: str
    looked_at: int = 0
    faults: list[str] = field(default_factory=list)
    more_faults: int = 0
    remark: str = ""

    def fault(self, text: str) -> None:
        if len(self.faults) < MOST_TOLD:
            self.faults.append(text)
        else:
            self.more_faults += 1


class Checks:
    """``run`` it. Lists and tokens are held to every issuer key that the database knows, retired ones among them."""

    def __init__(self, source: Source, progress: Progress) -> None:
        self._source = source
        self._issuers = TrustedIssuers(())
        self._progress = progress
        self._tables: dict[str, Table] = {}

    async def run(self) -> list[Finding]:
        self._tables = {table.name: table for table in await self._source.tables()}
        found = [await self._file(), await self._schema()]
        if self._source.version != SCHEMA_VERSION:
            # The rows of an older schema are another release's to judge.
            return found
        keys = await self._source.fetch("SELECT issuer, kid, public_key FROM issuer_keys")
        self._issuers = TrustedIssuers(IssuerKey(*row) for row in keys)
        checks: list[Callable[[Finding], Awaitable[None]]] = [
            self._references, self._counters, self._keys, self._lists, self._receipts, self._restored,
        ]  # fmt: skip
        for check in checks:
            finding = Finding(check.__name__.lstrip("_"))
            await check(finding)
            found.append(finding)
        return found

    async def _file(self) -> Finding:
        finding = Finding("file")
        for fault in await self._source.faults():
            finding.fault(fault)
        for table in self._tables.values():
            async for batch in self._source.rows(table):
                finding.looked_at += len(batch)
                self._progress(table.name, finding.looked_at)
        return finding

    async def _schema(self) -> Finding:
        finding = Finding("schema", looked_at=self._source.version)
        if self._source.version != SCHEMA_VERSION:
            finding.remark = "of an older release: the next keygw serve brings it up to date; its rows were not judged"
        return finding

    async def _references(self, finding: Finding) -> None:
        for table in self._tables.values():
            for column, other, there in table.references:
                rows = await self._source.fetch(
                    f"SELECT c.{column} FROM {table.name} c LEFT JOIN {other} p ON p.{there} = c.{column} "  # noqa: S608 - names from the schema
                    f"WHERE c.{column} IS NOT NULL AND p.{there} IS NULL LIMIT {MOST_TOLD}"
                )
                finding.looked_at += 1
                for row in rows:
                    finding.fault(f"{table.name}.{column} names {row[0]}, which is not in {other}")

    async def _counters(self, finding: Finding) -> None:
        """A vehicle's counters are where its keys, lists and receipts end, and its receipts have no gap."""
        finding.looked_at = int((await self._source.fetch("SELECT count(*) FROM vehicles"))[0][0])
        for what, sql in _COUNTERS:
            for row in await self._source.fetch(sql):
                finding.fault(f"{row[0]} has {what}")

    async def _keys(self, finding: Finding) -> None:
        async for key_id, vehicle_id, index, cwt in self._all("digital_keys", "id", "vehicle_id", "key_index", "cwt"):
            finding.looked_at += 1
            try:
                claims = decode_cwt(cwt, self._issuers, vehicle_id=vehicle_id)
                if (claims.key_id, claims.index) != (key_id, index):
                    finding.fault(f"the token of {key_id} is of another key")
            except TokenError as error:
                finding.fault(f"the token of {key_id}: {error.code}")

    async def _lists(self, finding: Finding) -> None:
        vehicles = await self._vehicle_keys()
        columns = ("vehicle_id", "sequence", "signed", "ack")
        async for vehicle_id, sequence, signed, ack in self._all("revocation_lists", *columns):
            finding.looked_at += 1
            try:
                if verify_list(signed, self._issuers, vehicle_id).sequence != sequence:
                    finding.fault(f"list {sequence} of {vehicle_id} is signed with another number")
                if ack is not None and verify_ack(ack, vehicles[vehicle_id]).sequence != sequence:
                    finding.fault(f"the acknowledgement of list {sequence} of {vehicle_id} is of another")
            except TokenError as error:
                finding.fault(f"list {sequence} of {vehicle_id}: {error.code}")

    async def _receipts(self, finding: Finding) -> None:
        """Each is signed by its vehicle, and the gapless run is one chain."""
        vehicles = await self._vehicle_keys()
        for vehicle_id, public_key in vehicles.items():
            through = (await self._source.fetch("SELECT receipts_through FROM vehicles WHERE id = ?", (vehicle_id,)))[
                0
            ][0]
            before: Receipt | None = None
            after = 0
            while rows := await self._source.fetch(
                "SELECT sequence, key_id, signed FROM receipts WHERE vehicle_id = ? AND sequence > ? "
                "ORDER BY sequence LIMIT 500", (vehicle_id, after),
            ):  # fmt: skip
                for sequence, key_id, signed in rows:
                    finding.looked_at += 1
                    try:
                        receipt = verify_receipt(signed, public_key)
                        if (receipt.vehicle_id, receipt.sequence, receipt.key_id) != (vehicle_id, sequence, key_id):
                            finding.fault(f"receipt {sequence} of {vehicle_id} is signed as another")
                        elif sequence <= through:
                            verify_chain([receipt], before)
                            before = receipt
                    except TokenError as error:
                        finding.fault(f"receipt {sequence} of {vehicle_id}: {error.code}")
                after = rows[-1][0]
                self._progress("receipts", finding.looked_at)

    async def _restored(self, finding: Finding) -> None:
        if await is_unconfirmed(self._source.fetch):
            finding.remark = "restored from a backup: issues nothing until keygw restore --confirm"

    async def _vehicle_keys(self) -> dict[str, bytes]:
        return {row[0]: row[1] for row in await self._source.fetch("SELECT id, public_key FROM vehicles ORDER BY id")}

    async def _all(self, table: str, *columns: str) -> AsyncIterator[Row]:
        there = self._tables[table]
        places = [there.columns.index(column) for column in columns]
        count = 0
        async for batch in self._source.rows(there):
            for row in batch:
                yield [row[place] for place in places]
            count += len(batch)
            self._progress(table, count)
