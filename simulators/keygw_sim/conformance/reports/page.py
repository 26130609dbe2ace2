"""The report as one HTML file: it asks nobody for anything, and reads in the light and in the dark."""

from __future__ import annotations

from html import escape

from keygw import __version__
from keygw_sim.conformance.kit import Report, Tried, Verdict
from keygw_sim.conformance.registry import PAGES
from keygw_sim.conformance.verdict import Word

TITLES = {"key_session": "Key session", "key_token": "Key token", "owner_pairing": "Owner pairing"}
_MARKS = {Word.PASS: "pass", Word.FAIL: "fail", Word.SKIPPED: "skip", Word.HIDDEN: "hidden"}

STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #60646c; --line: #d9dce1; --paper: #fff; --card: #f6f7f9;
  --pass: #18794e; --fail: #c62a2f; --skip: #8a6100; --hidden: #60646c; }
@media (prefers-color-scheme: dark) { :root { --ink: #eceef0; --soft: #a2a7ad; --line: #363a3f; --paper: #111314;
  --card: #1a1d1e; --pass: #4cc38a; --fail: #ff8b8b; --skip: #f1c352; --hidden: #a2a7ad; } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 60rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem }
p { margin: .25rem 0; color: var(--soft) } .broken { color: var(--fail); font-weight: 600 }
.counts { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.25rem 0 0; padding: 0; list-style: none }
.counts li { border: 1px solid var(--line); border-radius: .5rem; padding: .5rem .9rem; background: var(--card) }
.counts b { font-size: 1.35rem; display: block; line-height: 1.2 }
details, .one { border-top: 1px solid var(--line); padding: .45rem 0 }
summary, .one { display: flex; gap: .75rem; align-items: baseline } summary { cursor: pointer; list-style: none }
summary::-webkit-details-marker { display: none }
.word { flex: 0 0 3.6rem; font-weight: 600; font-size: .8rem; text-transform: uppercase }
.number { flex: 0 0 4.2rem; font-family: ui-monospace, monospace; font-size: .85rem; color: var(--soft) }
.pass { color: var(--pass) } .fail { color: var(--fail) } .skip { color: var(--skip) } .hidden { color: var(--hidden) }
.why { margin: .3rem 0 .3rem 8.8rem } h3 { font-size: .85rem; margin: .6rem 0 .2rem 8.8rem; font-weight: 600 }
pre { margin: 0 0 .6rem 8.8rem; padding: .6rem .8rem; background: var(--card); border: 1px solid var(--line);
  border-radius: .4rem; overflow-x: auto; font: 12px/1.5 ui-monospace, monospace; white-space: pre }
@media (max-width: 40rem) { .why, pre, h3 { margin-left: 0 } }
"""


def html(report: Report) -> str:
    """Complete, UTF-8. Failures are open; the evidence of everything else is a click away."""
    counts = "".join(
        f'<li class="{_MARKS[word]}"><b>{report.count(word)}</b>{word.value}</li>'
        for word in Word
        if report.count(word)
    )
    broken = f'<p class="broken">Broken off: {escape(report.broken_off)}</p>' if report.broken_off else ""
    pages = "".join(_page(report, page) for page in PAGES.values())
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Conformance of {escape(report.target)}</title>\n<style>{STYLE}</style></head>\n<body>\n"
        f"<h1>Conformance: {escape(report.target)}</h1>\n"
        f"<p>The {report.role.value}'s side of the key session, key token and owner pairing, version 1; "
        f"{len(report.verdicts)} requirements; keygw {__version__}</p>\n{broken}"
        f'<ul class="counts">{counts}</ul>\n{pages}</body></html>\n'
    )


def _page(report: Report, page: str) -> str:
    mine = [verdict for verdict in report.verdicts if verdict.requirement.page == page]
    if not mine:
        return ""
    return f"<h2>{TITLES[page]}</h2>\n" + "".join(_verdict(verdict) for verdict in mine)


def _verdict(verdict: Verdict) -> str:
    mark = _MARKS[verdict.word]
    head = (
        f'<span class="word {mark}">{mark}</span><span class="number">{verdict.requirement.id}</span>'
        f"<span>{escape(verdict.requirement.says)}</span>"
    )
    why = f'<p class="why">{escape(verdict.why)}</p>' if verdict.why else ""
    shown = "".join(_tried(tried) for tried in verdict.tried)
    if not why and not shown:
        return f'<div class="one" id="{verdict.requirement.id}">{head}</div>\n'
    opened = " open" if verdict.word is Word.FAIL else ""
    return f'<details id="{verdict.requirement.id}"{opened}><summary>{head}</summary>{why}{shown}</details>\n'


def _tried(tried: Tried) -> str:
    if not tried.evidence:
        return ""
    lines = "\n".join(_line(each.at, each.way, each.what, each.frames) for each in tried.evidence)
    return f"<h3>{escape(tried.name.replace('_', ' '))}</h3><pre>{lines}</pre>"


def _line(at: float, way: str, what: str, frames: tuple[str, ...]) -> str:
    carried = "".join(f"\n{'':14}{escape(frame)}" for frame in frames[:4])
    more = f"\n{'':14}and {len(frames) - 4} frames more" if len(frames) > 4 else ""
    return f"{at:8.3f}  {way:<3} {escape(what)}{carried}{more}"
