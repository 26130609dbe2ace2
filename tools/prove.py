"""Check the models of ``protocols/formal``: every claim must hold, every mutant must be refuted. ``make prove``.

``claims.toml`` lists claims and mutants. A mutant is a few words of a model replaced, so that one rule of the protocol
is undone; the claim must then fail, else it would say nothing. One line each on stdout:

    held / reached / refuted   as it must be
    skipped                    the tool is not here (and which)
    WRONG                      anything else; exit code 1

``--json`` prints one JSON object a line, ``--only`` runs the ids that hold a word, ``--record`` writes RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

try:
    import z3
except ImportError:  # a development dependency; without it these claims are skipped
    z3 = None

FORMAL = Path(__file__).resolve().parent.parent / "protocols" / "formal"
LIMIT_S = 300
MUST = {"holds": "held", "reached": "reached", "refuted": "refuted"}
MANY = "(declare-sort Key 0) (declare-const none Key)"
FEW = "(declare-datatypes ((Key 0)) (((none) (owner) (friend) (other))))"


class WrongModelError(Exception):
    """claims.toml and the models do not fit each other."""


@dataclass(frozen=True, slots=True)
class Job:
    """One run of a tool: a claim, or one mutant of it. ``files``: name -> text, in the order the tool needs them."""

    id: str
    tool: str
    says: str
    must: str
    files: dict[str, str] = field(repr=False)
    detail: dict[str, Any] = field(repr=False)
    point: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    id: str
    tool: str
    must: str
    came: str
    """``held``, ``reached``, ``refuted``, ``skipped``, or what else the tool said."""
    seconds: float
    why: str
    point: str = ""

    @property
    def ok(self) -> bool:
        return self.came in ("skipped", MUST[self.must])

    def line(self) -> str:
        word = self.came if self.ok else f"WRONG ({self.came}, must be {MUST[self.must]})"
        mark = " (M)" if self.point == "M" else ""
        return f"{word:<9}{self.id:<58} {self.seconds:6.1f} s  {self.why}{mark}"


def jobs(folder: Path = FORMAL) -> Iterator[Job]:
    """Every claim, each followed by its mutants."""
    listed = tomllib.loads((folder / "claims.toml").read_text())
    models = {model["name"]: model for model in listed["model"]}
    for claim in listed["claim"]:
        model = models[claim["model"]]
        names = [*model["files"], *claim.get("files", ())]
        texts = {name: (folder / name).read_text() for name in names}
        name = f"{claim['model']}.{claim['id']}"
        yield Job(name, model["tool"], claim["says"], claim.get("must", "holds"), texts, claim)
        for mutant in claim.get("mutant", ()):
            yield Job(
                f"{name} ~ {mutant['id']}",
                model["tool"],
                mutant["undoes"],
                mutant.get("must", "refuted"),
                _changed(texts, mutant),
                claim,
                mutant.get("point", ""),
            )


def _changed(texts: dict[str, str], mutant: dict[str, Any]) -> dict[str, str]:
    changed = dict(texts)
    for old, new in mutant["edits"]:
        places = [name for name, text in changed.items() if old in text]
        if len(places) != 1 or changed[places[0]].count(old) != 1:
            raise WrongModelError(f"{mutant['id']}: not exactly once in the model: {old!r}")
        changed[places[0]] = changed[places[0]].replace(old, new)
    return changed


def run(job: Job) -> Verdict:
    """Run one job. A tool that is not here makes it ``skipped``."""
    missing, check = TOOLS[job.tool]
    lacking = missing()
    if lacking:
        return Verdict(job.id, job.tool, job.must, "skipped", 0.0, f"no {lacking} here", job.point)
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="keygw-prove-") as scratch:
        try:
            came = check(job, Path(scratch))
        except subprocess.TimeoutExpired:
            came = f"no answer in {LIMIT_S} s"
    if came == "refuted" and job.must == "reached":
        came = "reached"  # a trace exists: that is what was asked
    return Verdict(job.id, job.tool, job.must, came, time.monotonic() - start, job.says, job.point)


def run_all(chosen: Sequence[Job]) -> Iterator[Verdict]:
    """All of them, in order; as many programs at a time as there are cores. z3 stays in this thread: it knows one."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        started = {job.id: pool.submit(run, job) for job in chosen if job.tool != "z3"}
        for job in chosen:
            yield started[job.id].result() if job.id in started else run(job)


def _absent(*programs: str) -> str:
    return " and no ".join(program for program in programs if shutil.which(program) is None)


def _call(command: list[str], scratch: Path) -> str:
    done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    return done.stdout + done.stderr


def _spread(files: dict[str, str], scratch: Path) -> list[str]:
    names = []
    for name, text in files.items():
        names.append(Path(name).name)
        (scratch / names[-1]).write_text(text)
    return names


def _proverif(job: Job, scratch: Path) -> str:
    *libraries, query = _spread(job.files, scratch)
    command = ["proverif"]
    for library in libraries:
        command += ["-lib", library]
    said = _call([*command, query], scratch)
    results = re.findall(r"^RESULT (.*)$", said, re.MULTILINE)
    results = [line for line in results if not line.startswith("(")]  # a second look at an injective query
    if len(results) != 1:
        return f"{len(results)} results: {said.strip().splitlines()[-1:]}"
    if results[0].endswith(" is true."):
        return "held"
    equivalence = "equivalence" in results[0] or "Weak secret" in results[0]
    found = "A trace has been found" in said or "trace has been found" in said
    if results[0].endswith(" is false.") or (equivalence and found):
        return "refuted"
    return results[0].rsplit(") ", 1)[-1]


def _spin(job: Job, scratch: Path) -> str:
    (model,) = _spread(job.files, scratch)
    formula = job.detail.get("ltl")
    said = _call(["spin", "-a", model], scratch)
    if not (scratch / "pan.c").exists():
        return f"not a model: {said.strip()[:200]}"
    flags = [] if formula else ["-DSAFETY", "-DNOCLAIM"]
    said = _call(["cc", "-w", "-DVECTORSZ=2048", *flags, "-o", "pan", "pan.c"], scratch)
    if not (scratch / "pan").exists():
        return f"does not compile: {said.strip()[:200]}"
    options = ["-a", "-f", "-N", formula] if job.detail.get("fair") else ["-a", "-N", formula] if formula else ["-E"]
    said = _call([str(scratch / "pan"), "-m2000000", *options], scratch)
    if re.search(r"^pan:\d+: (assertion violated|acceptance cycle)", said, re.MULTILINE):
        return "refuted"
    whole = "errors: 0" in said and "Search not completed" not in said and "too small" not in said
    return "held" if whole else f"search cut short: {' '.join(said.split())[:200]}"


def _z3(job: Job, scratch: Path) -> str:
    (text,) = job.files.values()
    if job.must == "holds":  # induction: no bound on keys, lists or time
        for formulas in INDUCTION:
            answer = _satisfiable(MANY, text, 2, formulas)
            if answer != "unsat":
                return f"{answer} for {' '.join(formulas)}"
        return "held"
    goal = "(interesting {})" if job.must == "reached" else "(not (safe {}))"
    for states in range(2, 10):  # a real trace from the start, with three keys
        steps = [f"(step s{i} s{i + 1} k{i} n{i})" for i in range(states - 1)]
        answer = _satisfiable(FEW, text, states, ["(init s0)", *steps, goal.format(f"s{states - 1}")])
        if answer != "unsat":
            return "refuted" if answer == "sat" else f"{answer} with {states} states"
    return "held"


def _satisfiable(sort: str, text: str, states: int, wanted: Sequence[str]) -> str:
    named = [f"(declare-const s{i} State) (declare-const k{i} Key) (declare-const n{i} Int)" for i in range(states)]
    solver = z3.Solver()
    solver.set("timeout", LIMIT_S * 1000)
    for formula in z3.parse_smt2_string("\n".join([sort, text, *named, *(f"(assert {one})" for one in wanted)])):
        solver.add(formula if sort == MANY else _without_quantifiers(formula))
    return str(solver.check())


def _without_quantifiers(formula: Any) -> Any:
    """Where there are only a few keys, `for all keys` is said of each: z3 then always finds an answer."""
    if z3.is_quantifier(formula):
        sort = formula.var_sort(0)
        body = _without_quantifiers(formula.body())
        each = [z3.substitute_vars(body, sort.constructor(i)()) for i in range(sort.num_constructors())]
        return z3.And(each) if formula.is_forall() else z3.Or(each)
    if z3.is_app(formula) and formula.num_args():
        return formula.decl()(*(_without_quantifiers(child) for child in formula.children()))
    return formula


INDUCTION = [
    ["(init s0)", "(not (invariant s0))"],
    *(
        ["(invariant s0)", step, "(not (invariant s1))"]
        for step in ("(sign_list s0 s1 k0)", "(accept_list s0 s1 n0)", "(tick s0 s1)", "(unlock s0 s1 k0)")
    ),
    ["(invariant s0)", "(not (safe s0))"],
]

TOOLS: dict[str, tuple[Callable[[], str], Callable[[Job, Path], str]]] = {
    "proverif": (lambda: _absent("proverif"), _proverif),
    "spin": (lambda: _absent("spin", "cc"), _spin),
    "z3": (lambda: "z3-solver" if z3 is None else "", _z3),
}


def versions() -> list[str]:
    """What the tools here call themselves."""
    found = []
    for command in (["proverif", "-help"], ["spin", "-V"], ["cc", "--version"]):
        if shutil.which(command[0]):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            found.append((done.stdout + done.stderr).strip().splitlines()[0].split(". ")[0])
    if z3 is not None:
        found.append(f"z3 {z3.get_version_string()}")
    return found


def record(verdicts: Sequence[Verdict]) -> str:
    """RESULTS.md of a run."""
    lines = ["# Results", "", "Written by `make prove ARGS=--record`; do not edit. Made with:", ""]
    lines += [f"- {version}" for version in versions()]
    lines += ["", "| claim, or claim ~ mutant | came | must | s | what |", "| --- | --- | --- | --- | --- |"]
    for v in verdicts:
        mark = "**(M)** " if v.point == "M" else ""
        lines.append(f"| `{v.id}` | {v.came} | {MUST[v.must]} | {v.seconds:.1f} | {mark}{v.why} |")
    return "\n".join([*lines, "", summary(verdicts), ""])


def summary(verdicts: Sequence[Verdict]) -> str:
    counts = [
        (sum(v.ok and v.came == word for v in verdicts), word) for word in ("held", "reached", "refuted", "skipped")
    ]
    wrong = sum(not v.ok for v in verdicts)
    return f"{len(verdicts)} runs: " + ", ".join(f"{n} {word}" for n, word in counts) + f", {wrong} wrong."


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make prove", description="Check the formal models and their mutants.")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--only", metavar="WORD", default="", help="only ids that hold this")
    parser.add_argument("--record", action="store_true", help="write protocols/formal/RESULTS.md; needs every tool")
    options = parser.parse_args(arguments)
    verdicts = []
    for verdict in run_all([job for job in jobs() if options.only in job.id]):
        verdicts.append(verdict)
        print(json.dumps({**asdict(verdict), "ok": verdict.ok}) if options.json else verdict.line(), flush=True)
    if not options.json:
        print(summary(verdicts))
    if options.record:
        if options.only or any(v.came == "skipped" for v in verdicts):
            parser.error("--record needs every claim and every tool")
        (FORMAL / "RESULTS.md").write_text(record(verdicts))
    return 0 if verdicts and all(v.ok for v in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
