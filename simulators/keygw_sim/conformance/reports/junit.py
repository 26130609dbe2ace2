"""The report as JUnit XML: one test suite a page, one test case a requirement."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from keygw_sim.conformance.kit import Report, Verdict
from keygw_sim.conformance.registry import PAGES
from keygw_sim.conformance.verdict import Word


def xml(report: Report) -> bytes:
    """UTF-8, with its declaration. What is not observable is told as skipped."""
    root = Element("testsuites", name=f"keygw conformance {report.target}")
    for page in PAGES.values():
        mine = [verdict for verdict in report.verdicts if verdict.requirement.page == page]
        if mine:
            _suite(root, page, mine)
    if report.broken_off:
        suite = SubElement(root, "testsuite", name="run", tests="1", failures="0", errors="1", skipped="0")
        case = SubElement(suite, "testcase", classname="keygw.conformance", name="the run")
        SubElement(case, "error", message=_plain(f"broken off: {report.broken_off}"))
    indent(root)
    return bytes(tostring(root, encoding="utf-8", xml_declaration=True))


def _suite(root: Element, page: str, verdicts: list[Verdict]) -> None:
    words = [verdict.word for verdict in verdicts]
    skipped = words.count(Word.SKIPPED) + words.count(Word.HIDDEN)
    suite = SubElement(
        root, "testsuite", name=page, tests=str(len(words)), failures=str(words.count(Word.FAIL)), errors="0",
        skipped=str(skipped),
    )  # fmt: skip
    for verdict in verdicts:
        name = f"{verdict.requirement.id} {verdict.requirement.says}"
        case = SubElement(suite, "testcase", classname=f"keygw.conformance.{page}", name=_plain(name))
        if verdict.word is Word.FAIL:
            SubElement(case, "failure", message=_plain(verdict.why)).text = _plain(_evidence(verdict))
        elif verdict.word is not Word.PASS:
            SubElement(case, "skipped", message=_plain(f"{verdict.word.value}: {verdict.why}"))


def _evidence(verdict: Verdict) -> str:
    lines = []
    for tried in verdict.tried:
        if tried.word is Word.FAIL:
            lines.append(f"{tried.name}: {tried.why}")
            lines += [f"  {each.at:8.3f}  {each.way:<3}  {each.what}" for each in tried.evidence]
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Without what XML 1.0 cannot hold: a peer may have chosen the words."""
    return "".join(letter if letter in "\t\n" or letter >= " " else "\N{REPLACEMENT CHARACTER}" for letter in text)
