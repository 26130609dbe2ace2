"""Coverage-guided fuzzing of every target with atheris: ``make fuzz SECONDS=600``. See CONTRIBUTING.md, "Fuzzing".

Each target gets a process of its own and an equal share of the time. Inputs that were found stay in ``build/fuzz``, so
that the next run goes on where this one ended. An input that breaks its target is saved under ``tests/fuzz/corpus``,
where the suite replays it, and the run ends with exit code 1.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WORK = ROOT / "build" / "fuzz"
LEAST_SECONDS = 2
STALL_SECONDS = 20
"""One input may take so long before it counts as a hang; generous, because machines are shared."""
MEMORY_MB = 1024


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make fuzz", description="Fuzz every parser of untrusted bytes.")
    parser.add_argument("--seconds", type=int, default=600, help="for all targets together")
    parser.add_argument("--only", action="append", default=[], metavar="PART", help="targets with this in their name")
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 1) // 2), help="processes at a time")
    parser.add_argument("--seed", type=int, default=20260, help="of libFuzzer")
    parser.add_argument("--keep", action="store_true", help="minimise what was found into tests/fuzz/corpus")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run the inputs of a corpus file, without atheris")
    parser.add_argument("--list", action="store_true", help="only name the targets")
    parser.add_argument("--child", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    sys.path[:0] = [str(HERE), str(ROOT / "tests" / "support")]
    if given.child:
        return child(*given.child)
    if given.replay:
        return replay(given.replay)
    return fuzz_all(given)


def fuzz_all(given: argparse.Namespace) -> int:
    from keygw_fuzz.registry import TARGETS

    names = [name for name in sorted(TARGETS) if not given.only or any(part in name for part in given.only)]
    if given.list or not names:
        print("\n".join(names) if names else f"no target's name holds {', '.join(given.only)}")
        return 0 if names else 2
    if importlib.util.find_spec("atheris") is None:
        print("make fuzz: atheris is not installed here; the suite still replays the corpora", file=sys.stderr)
        return 2
    share = max(LEAST_SECONDS, given.seconds * given.jobs // len(names))
    print(f"{len(names)} targets, {share} s each, {given.jobs} at a time, seed {given.seed}", flush=True)
    waiting, broken = list(names), 0
    running: list[Run] = []
    while waiting or running:
        while waiting and len(running) < given.jobs:
            running.append(Run.start(waiting.pop(0), share, given.seed))
        time.sleep(0.05)
        for run in [run for run in running if run.process.poll() is not None]:
            running.remove(run)
            found = run.report()
            broken += found
            if given.keep and not found:
                run.keep()
    print(f"{broken} broken" if broken else "nothing broken", flush=True)
    return 1 if broken else 0


@dataclass
class Run:
    """One target in its process."""

    name: str
    folder: Path
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, name: str, seconds: int, seed: int) -> Run:
        from keygw_fuzz.corpus import kept
        from keygw_fuzz.registry import TARGETS
        from keygw_fuzz.vectors import seeds_of

        folder = WORK / name
        shutil.rmtree(folder / "broken", ignore_errors=True)
        for part in ("inputs", "broken"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        for number, data in enumerate([*seeds_of(TARGETS[name]), *kept(name)]):
            (folder / "inputs" / f"seed-{number}").write_bytes(data)
        flags = [f"-max_total_time={seconds}", f"-seed={seed}"]
        return cls(name, folder, _child(name, folder, *flags, str(folder / "inputs")))

    def report(self) -> int:
        """One line for what was found; the crash, if any, goes where the suite replays it."""
        from keygw_fuzz.corpus import save_crash

        log = (self.folder / "log").read_text("utf-8", errors="replace").splitlines()
        runs = next((line.split()[1] for line in reversed(log) if line.startswith(("Done", "#"))), "?")
        broken = sorted((self.folder / "broken").iterdir())
        if not broken and self.process.returncode == 0:
            found = sum(1 for _ in (self.folder / "inputs").iterdir())
            print(f"  {self.name:36} {runs:>9} runs, {found} inputs", flush=True)
            return 0
        why = next((line.strip() for line in log if "Broken: " in line or "ERROR: libFuzzer" in line), "see the log")
        print(f"  {self.name:36} BROKEN: {why[:400]}\n    log: {self.folder / 'log'}", flush=True)
        for path in broken:
            kind, _, digest = path.name.partition("-")
            saved = save_crash(self.name, f"{kind}-{digest[:12]}", path.read_bytes(), why[:200])
            print(f"    replay: make fuzz ARGS='--replay {saved.relative_to(ROOT)}'", flush=True)
        return 1

    def keep(self) -> None:
        """A small set of inputs that reaches what all of them reach, as far as the corpus has room."""
        from keygw_fuzz.corpus import keep, least
        from keygw_fuzz.registry import TARGETS

        keep(self.name, least(TARGETS[self.name], [path.read_bytes() for path in (self.folder / "inputs").iterdir()]))


def _child(name: str, folder: Path, *flags: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(Path(__file__)), "--child", name, f"-artifact_prefix={folder / 'broken'}/", *flags]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)


def child(name: str, *flags: str) -> int:
    """Inside the process of one target. libFuzzer ends it."""
    atheris: Any = importlib.import_module("atheris")  # it has no types, and is not there for the linter
    with atheris.instrument_imports(include=["keygw", "keygw_sim"]):
        from keygw_fuzz.mutate import apply, draw
        from keygw_fuzz.registry import TARGETS
        from keygw_fuzz.target import check
        from keygw_fuzz.vectors import seeds_of
    target = TARGETS[name]
    seeds = seeds_of(target)

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        """Every other time as a careless or hostile peer would, else as libFuzzer does."""
        random = Random(seed)
        if random.randrange(2):
            mutated: bytes = atheris.Mutate(data, most)
            return mutated
        return apply(data, [draw(random) for _ in range(random.randint(1, 3))], random.choice(seeds))[:most]

    def one(data: bytes) -> None:
        check(target, data)

    limits = [f"-max_len={target.longest}", f"-timeout={STALL_SECONDS}", f"-rss_limit_mb={MEMORY_MB}"]
    atheris.Setup([sys.argv[0], *limits, *flags], one, custom_mutator=mutate)
    atheris.Fuzz()
    return 0


def replay(path: Path) -> int:
    """Every input of the file, with the whole error of each that still breaks its target."""
    import traceback

    from keygw_fuzz.corpus import read
    from keygw_fuzz.registry import TARGETS
    from keygw_fuzz.target import Broken, check

    name = max((name for name in TARGETS if path.name.startswith(f"{name}.")), key=len, default="")
    if not name:
        print(f"{path.name} begins with no target's name", file=sys.stderr)
        return 2
    broken = 0
    for data in read(path):
        try:
            taken = check(TARGETS[name], data)
        except Broken:
            broken += 1
            traceback.print_exc()
        else:
            print(f"{data.hex()[:60]:60} {'taken' if taken else 'refused'}, as it should be")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
