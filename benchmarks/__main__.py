"""Run the benchmarks: ``python -m benchmarks [--json] [--only GROUP]``. Exit 1 when a goal is missed, 2 for a bad call.

``--json`` prints one JSON object a line. Figures depend on the machine, so they are never part of the test verdict.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol, cast

from benchmarks.harness import Figure


class Benchmark(Protocol):
    """The shape of a ``bench_*.py`` module."""

    GROUP: str

    def figures(self) -> Iterable[Figure]: ...


def find() -> list[Benchmark]:
    names = sorted(path.stem for path in Path(__file__).parent.glob("bench_*.py"))
    return [cast("Benchmark", importlib.import_module(f"benchmarks.{name}")) for name in names]


def line(figure: Figure) -> str:
    goal = ""
    if figure.goal is not None:
        relation = ">=" if figure.more_is_better else "<="
        verdict = "ok" if figure.ok else "MISSED"
        goal = f"  {relation} {figure.goal:g}  {verdict}"
    return f"{figure.group:<12} {figure.name:<44} {figure.value:>12,.3f} {figure.unit}{goal}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make bench", description="Measure keygw against its goals.")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--only", metavar="GROUP", help="only the benchmarks of this group")
    options = parser.parse_args(arguments)
    benchmarks = find()
    groups = sorted({benchmark.GROUP for benchmark in benchmarks})
    if options.only is not None and options.only not in groups:
        parser.error(f"no group {options.only!r}; there are: {', '.join(groups) or 'none'}")
    missed = 0
    for benchmark in benchmarks:
        if options.only is not None and options.only != benchmark.GROUP:
            continue
        for figure in benchmark.figures():
            print(json.dumps(figure.as_json()) if options.json else line(figure), flush=True)
            missed += not figure.ok
    if missed:
        print(f"{missed} goal(s) missed", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
