"""The formal models: Spin and z3 run here; what ProVerif proves takes minutes and runs in ``make prove``."""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FORMAL = ROOT / "protocols" / "formal"

# The points marked (M) of the design, each as the mutants that bring its attack back.
MARKED = {
    "acknowledgement signed by the vehicle key": {"ack_by_the_channel"},
    "HELLO bound into the handshake": {"hello_not_bound", "hello_only_in_exporter"},
    "CRED_I is the token": {"cred_i_bare_key", "cred_i_bare_key_any_vehicle"},
    "ID_CRED_R is a constant": {"id_cred_r_its_own"},
    "ktag holds G_D": {"ktag_without_g_d"},
    "fast path bound to its transcript": {"not_bound_to_hello", "one_key_both_ways"},
    "list names its vehicle": {"list_without_vehicle"},
    "pairing bound to its exchange": {"enrol_outside", "ticket_outside", "possession_not_bound", "no_ticket"},
}


def _tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("prove", ROOT / "tools" / "prove.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


prove = _tool()
JOBS = list(prove.jobs())
CLAIMS = tomllib.loads((FORMAL / "claims.toml").read_text())["claim"]


@pytest.fixture(scope="module")
def verdicts(require: Callable[[str, bool, str], None]) -> Callable[[str], dict[str, Any]]:
    """All runs of one tool, done once and side by side."""
    done: dict[str, dict[str, Any]] = {}

    def of(tool: str) -> dict[str, Any]:
        if tool == "spin":
            here = shutil.which("spin") is not None and shutil.which("cc") is not None
            require("spin", here, "apt-get install spin gcc libc6-dev")
        else:
            require("z3", prove.z3 is not None, "make setup installs z3-solver")
        if tool not in done:
            mine = [job for job in JOBS if job.tool == tool]
            done[tool] = {verdict.id: verdict for verdict in prove.run_all(mine)}
        return done[tool]

    return of


@pytest.mark.parametrize("job", [job for job in JOBS if job.tool in ("spin", "z3")], ids=lambda job: job.id)
def test_model_says_what_it_must(job: Any, verdicts: Callable[[str], dict[str, Any]]) -> None:
    verdict = verdicts(job.tool)[job.id]
    assert verdict.ok, verdict.line()
    assert verdict.seconds < 60


def test_every_claim_can_fail() -> None:
    """A claim has a mutant that breaks it, unless it is itself a trace, or a claim again under a stronger attacker."""
    again = {"vehicle_agrees_mauled", "vehicle_agrees_xor"}
    for claim in CLAIMS:
        if claim.get("must", "holds") == "holds" and claim["id"] not in again:
            assert any(m.get("must", "refuted") == "refuted" for m in claim.get("mutant", ())), claim["id"]


def test_every_model_reaches_something() -> None:
    """No model is safe because nothing ever happens in it; the one of tracking says so by its mutants alone."""
    reached = {claim["model"] for claim in CLAIMS if claim.get("must") == "reached"}
    assert {claim["model"] for claim in CLAIMS} - reached == {"tracking"}


def test_marked_points_are_mutants() -> None:
    marked = {m["id"] for c in CLAIMS for m in c.get("mutant", ()) if m.get("point") == "M"}
    for point, mutants in MARKED.items():
        assert mutants <= marked, point


def test_recorded_results_are_of_these_models() -> None:
    rows = re.findall(r"^\| `(.+?)` \| (\w+) \| (\w+) \|", (FORMAL / "RESULTS.md").read_text(), re.MULTILINE)
    assert [row[0] for row in rows] == [job.id for job in JOBS]
    assert all(came == must for _, came, must in rows)


def test_wrong_verdict_is_said() -> None:
    verdict = prove.Verdict("a claim", "spin", "holds", "refuted", 0.0, "why")
    assert not verdict.ok
    assert verdict.line().startswith("WRONG (refuted, must be held)")
    assert prove.Verdict("a mutant", "spin", "refuted", "held", 0.0, "why").ok is False
    assert prove.Verdict("a claim", "proverif", "holds", "skipped", 0.0, "why").ok


def test_mutant_that_fits_nowhere_is_refused() -> None:
    mutant = {"id": "m", "edits": [["not in there", ""]]}
    with pytest.raises(prove.WrongModelError):
        prove._changed({"a.pv": "process 0"}, mutant)
    with pytest.raises(prove.WrongModelError):
        prove._changed({"a.pv": "0 0"}, {"id": "m", "edits": [["0", "1"]]})
