"""The report as JSON, and as lines for a terminal."""

from __future__ import annotations

from typing import Any

from keygw import __version__
from keygw_sim.conformance.kit import Report, Tried, Verdict
from keygw_sim.conformance.verdict import Word

MARKS = {Word.PASS: "pass", Word.FAIL: "FAIL", Word.SKIPPED: "skip", Word.HIDDEN: "hidden"}


def document(report: Report) -> dict[str, Any]:
    """The whole report, evidence of failures and of everything else included."""
    return {
        "ok": report.ok,
        "target": report.target,
        "role": report.role.value,
        "keygw": __version__,
        "broken_off": report.broken_off or None,
        "doubt": report.doubt or None,
        "counts": {word.value: report.count(word) for word in Word},
        "requirements": [_verdict(verdict) for verdict in report.verdicts],
    }


def line(verdict: Verdict) -> str:
    """Of one requirement; why, if it did not pass."""
    said = f"{MARKS[verdict.word]:<6} {verdict.requirement.id}  {verdict.requirement.says}"
    return said if verdict.word is Word.PASS else f"{said}\n{'':<15}{verdict.why}"


def summary(report: Report) -> str:
    counts = ", ".join(f"{report.count(word)} {word.value}" for word in Word if report.count(word))
    many = "requirement" if len(report.verdicts) == 1 else "requirements"
    said = f"{report.target}: {len(report.verdicts)} {many}: {counts}"
    said = f"{said}\nnote: {report.doubt}" if report.doubt else said
    return f"{said}\nbroken off: {report.broken_off}" if report.broken_off else said


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "id": verdict.requirement.id,
        "page": verdict.requirement.page,
        "says": verdict.requirement.says,
        "verdict": verdict.word.value,
        "why": verdict.why or None,
        "checks": [_tried(tried) for tried in verdict.tried],
    }


def _tried(tried: Tried) -> dict[str, Any]:
    return {
        "name": tried.name,
        "verdict": tried.word.value,
        "why": tried.why or None,
        "evidence": [
            {"at": each.at, "way": each.way or None, "what": each.what, "frames": list(each.frames)}
            for each in tried.evidence
        ],
    }
