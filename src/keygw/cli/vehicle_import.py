"""``keygw vehicles import``: many vehicles from a CSV, in batches; the same again goes on where it ended."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keygw.cli import output
from keygw.cli.exits import Exit
from keygw.cli.failure import Failure, usage
from keygw.cli.options import Data, Json, Target, TokenFile, Url

if TYPE_CHECKING:
    from keygw.cli.client import Gateway
    from keygw.cli.vehicle_csv import Row

BATCH = 100
"""The most that the gateway takes at once."""
BATCH_WAIT_S = 30.0
LINE_EVERY = 1000
CONFLICTS_TOLD = 20
BAR = 30
AGAIN = "the same command again goes on with what is missing"


def import_(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="CSV in UTF-8 whose first line names the columns id, name, public_key, advertising_key (keys in "
            "base64url); - reads stdin.",
        ),
    ],
    check: Annotated[
        bool, typer.Option("--check", help="Only look whether the file is sound; ask no gateway.")
    ] = False,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
    data: Data = None,
) -> int:
    """Make many vehicles known, from a CSV file.

    The whole file is checked before anything is sent. The same command again is a success, and goes on where an
    earlier one ended. Exit 7 if a vehicle is in conflict with one that is known; the others are made known.
    """
    rows = _read(source)
    counts: Counter[str] = Counter(created=0, known=0, conflict=0)
    conflicts: list[Row] = []
    if not check:
        with Target(url, token_file, data).open() as gateway:
            _send(gateway, rows, counts, conflicts, quiet=as_json)
    if as_json:
        told = [{"line": row.line, "id": row.values[0]} for row in conflicts]
        output.document({"rows": len(rows), "checked_only": check, **counts, "conflicts": told})
    else:
        output.facts((("rows", len(rows)), *(() if check else counts.items())))
        for row in conflicts[:CONFLICTS_TOLD]:
            output.remark(f"line {row.line}: {row.values[0]} is registered with other keys or name, or by another app")
        if len(conflicts) > CONFLICTS_TOLD:
            output.remark(f"and {len(conflicts) - CONFLICTS_TOLD} more; --json tells them all")
    return Exit.CONFLICT if conflicts else Exit.OK


def _read(source: str) -> list[Row]:
    from keygw.cli.vehicle_csv import FILE_LIMIT, BadCsv, parse

    try:
        if source == "-":
            data = sys.stdin.buffer.read(FILE_LIMIT + 1)
        else:
            with Path(source).open("rb") as file:
                data = file.read(FILE_LIMIT + 1)
    except OSError as error:
        raise usage("unreadable", f"{source} cannot be read: {error.strerror}", "look at the name") from error
    try:
        return parse(data)
    except BadCsv as bad:
        more = f"; and {bad.total - len(bad.faults)} more" if bad.total > len(bad.faults) else ""
        raise usage("bad_csv", f"{bad}{more}", "mend these lines; nothing was sent") from bad


def _send(gateway: Gateway, rows: list[Row], counts: Counter[str], conflicts: list[Row], *, quiet: bool) -> None:
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        try:
            answer = gateway.call(
                "POST", "/v1/vehicles:batch", body={"vehicles": [row.to_json() for row in batch]}, wait=BATCH_WAIT_S
            )
        except Failure as failure:
            raise _broken_off(failure, start, len(rows)) from failure
        for row, said in zip(batch, answer["vehicles"], strict=True):
            counts[said["result"]] += 1
            if said["result"] == "conflict":
                conflicts.append(row)
        if not quiet:
            _progress(start + len(batch), len(rows))


def _broken_off(failure: Failure, done: int, total: int) -> Failure:
    detail = f"{failure.detail}; {done} of {total} rows are done"
    problem: dict[str, Any] | None = None if failure.problem is None else dict(failure.problem)
    return Failure(failure.exit_code, failure.code, detail, f"{failure.next_step}; then {AGAIN}", problem)


def _progress(done: int, total: int) -> None:
    """A bar that is drawn again and again for who looks at a terminal, else a line now and then."""
    if output.fancy(sys.stderr):
        full = BAR * done // total
        end = "\n" if done == total else ""
        print(f"\r[{'#' * full}{'.' * (BAR - full)}] {done} of {total}", end=end, file=sys.stderr, flush=True)
    elif done % LINE_EVERY == 0 or done == total:
        output.remark(f"{done} of {total}")
