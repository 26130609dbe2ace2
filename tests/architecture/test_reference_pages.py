"""The reference pages held against the program: routes, scopes, states, events, codes, variables, steps."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from keygw.api.factory import create_api
from keygw.api.problems import BY_CLASS, BY_CODE, CODES_BY_STATUS
from keygw.api.services import Services
from keygw.app.load import variables
from keygw.bridge.pairing_ports import INTERRUPTED
from keygw.bridge.present import RETRYABLE_REASONS
from keygw.bridge.records import CommandRecord
from keygw.bridge.scopes import COMMAND_SCOPES, SIGNAL_SCOPES, Scope
from keygw.credentials.audit_check import FINDINGS
from keygw.credentials.invitation import InvitationState
from keygw.model.audit import ACTIONS
from keygw.model.command import CommandState, Outcome
from keygw.model.digital_key import KeyState
from keygw.model.entitlement import PROFILES
from keygw.model.signal import UNITS

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
SOURCES = ROOT / "src" / "keygw"

Rows = dict[str, list[str]]
LINK_CODES = ("OUT_OF_RANGE", "LINK_LOST", "LINK_TIMEOUT", "RADIO_UNAVAILABLE")
"""The constants of ``ble.faults`` that hold codes."""

FILES = ("keygw.web", "keygw.db", "keygw.toml")
"""Names that look like those of events."""


def rows(page: str, heading: str) -> Rows:
    """The tables under a heading: each word in backticks of a first cell -> the cells of its row."""
    text = (REFERENCE / page).read_text("utf-8")
    level = len(re.findall(rf"^(#+) {re.escape(heading)}$", text, re.MULTILINE)[0])
    section = re.split(rf"^#+ {re.escape(heading)}$", text, flags=re.MULTILINE)[1]
    section = re.split(rf"^#{{1,{level}}} ", section, flags=re.MULTILINE)[0]
    found: Rows = {}
    for line in section.splitlines():
        if line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            found |= dict.fromkeys(ticked(cells[0]), cells)
    return found


def ticked(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def sources() -> Iterator[tuple[Path, ast.AST]]:
    for path in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            yield path, node


def words(node: ast.AST) -> set[str]:
    """Every snake_case word in an expression."""
    texts = (part.value for part in ast.walk(node) if isinstance(part, ast.Constant))
    return {text for text in texts if isinstance(text, str) and re.fullmatch("[a-z]+(_[a-z]+)*", text)}


def called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def codes() -> dict[str, set[str]]:
    """Every code in the source -> what it is raised as: the error class, ``Failure``, ``ApiError``, or ``problem``."""
    found: dict[str, set[str]] = defaultdict(set)
    for path, node in sources():
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg == "code":
                    for word in words(keyword.value):
                        found[word].add(called(node))
            places = {"Failure": 1, "usage": 0, "wrong": 0, "ApiError": 1, "problem": 2, "_refuse": 1, "Refused": 0}
            position = places.get(called(node))
            if position is not None and len(node.args) > position:
                for word in words(node.args[position]):
                    found[word].add("Conflict" if called(node) == "Refused" else called(node))
        elif isinstance(node, ast.ClassDef):
            for line in node.body:
                if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "code":
                    for word in words(line.value):
                        found[word].add(node.name)
        if path.name == "faults.py" and isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in LINK_CODES:
            for word in words(node.value):
                found[word].add("LinkError")
    for code in CODES_BY_STATUS.values():
        found[code].add("problem")
    found.pop("code", None)
    return dict(found)


THINGS = ("vehicle", "key", "invitation", "device", "app", "operator", "tenant", "person")
OTHERS = {f"ambiguous_{kind}" for kind in THINGS} | {"http_error", "key_expired", INTERRUPTED}
"""Put together at run time, or held in a constant, so that no search finds them whole."""


def test_every_code_is_explained_and_every_explained_code_exists() -> None:
    told = rows("errors.md", "Errors").keys()
    there = codes().keys() | OTHERS | set(reasons())
    assert told - there == set()
    assert there - told == set()


def test_the_statuses_of_the_http_codes_are_the_real_ones() -> None:
    """As far as the source shows them: a code that is raised as such a class has that status."""
    told = rows("errors.md", "Of the HTTP API")
    by_name = {kind.__name__: status for kind, status in BY_CLASS}
    wrong = {}
    for code, raised in codes().items():
        statuses = {BY_CODE.get(code, by_name[name]) for name in raised if name in by_name}
        if code in told and statuses and not {str(s) for s in statuses} <= set(told[code][1].split(", ")):
            wrong[code] = (statuses, told[code][1])
    assert wrong == {}
    for status, code in CODES_BY_STATUS.items():
        assert told[code][1] == str(status)


def reasons() -> set[str]:
    """Every reason a command may end with."""
    found = {outcome.label for outcome in Outcome if outcome is not Outcome.DONE} | set(RETRYABLE_REASONS)
    for _, node in sources():
        if isinstance(node, ast.Call) and called(node) in ("CommandResult", "_end", "_close", "move", "reason_of"):
            given = [*node.args[1:3], *(each.value for each in node.keywords if each.arg == "reason")]
            found |= {word for each in given for word in words(each)}
        if isinstance(node, ast.FunctionDef) and node.name == "reason_of":
            found |= words(node)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "DISAGREES":
            found |= words(node.value)
    return found


def test_every_reason_of_a_command_is_explained() -> None:
    told = rows("errors.md", "Of commands: `reason`")
    assert set(told) == reasons()


def application() -> Any:
    services = Services(cast("Any", None), cast("Any", None), cast("Any", None), lambda: 0.0, "0")
    return create_api(services)


def test_every_route_is_listed() -> None:
    text = (REFERENCE / "http-api.md").read_text("utf-8")
    told = set(re.findall(r"^\| ([A-Z]+) \| `([^`]+)` \|", text, re.MULTILINE))
    there = {(method.upper(), path) for path, methods in application().openapi()["paths"].items() for method in methods}
    assert told == there


def test_every_scope_action_and_signal_is_listed() -> None:
    assert set(rows("http-api.md", "Scopes")) == set(Scope)
    actions = rows("http-api.md", "Actions")
    assert set(actions) == {action.label for action in COMMAND_SCOPES}
    for action, scope in COMMAND_SCOPES.items():
        assert action.required is not None
        assert [ticked(cell) for cell in actions[action.label][1:3]] == [[scope], list(action.required.names)]
    signals = rows("http-api.md", "Signals")
    assert {path: (cells[1] or None, set(ticked(cells[2]))) for path, cells in signals.items()} == {
        signal.path: (UNITS.get(signal), set(scopes)) for signal, scopes in SIGNAL_SCOPES.items()
    }
    profiles = rows("http-api.md", "Profiles and entitlements")
    for name, rights in PROFILES.items():
        assert ticked(profiles[name][1]) == ([] if name == "owner" else list(rights.names))


def test_every_state_is_listed() -> None:
    states = rows("http-api.md", "States")
    assert set(states) == set(CommandState) | set(KeyState)
    for state in CommandState:
        if state is not CommandState.EXPIRED:  # the word is a key's state as well, whose row comes later
            record = CommandRecord(cast("Any", None), "", "", b"", state, 0.0, ())
            told = [cell == "yes" for cell in states[state][1:3]]
            assert told == [state.settled, record.may_have_happened], state
    assert set(rows("http-api.md", "Invitations")) == set(InvitationState)


KEY_EVENTS = re.compile(
    r"(card|key|invitation|security|session|transfer)\.[a-z]+|device\.(lost|found)|vehicle\.epoch_ended"
)


def test_every_event_is_listed() -> None:
    there = set()
    for path, node in sources():
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and path.parent.name != "cli":
            text = node.value
            if re.fullmatch(r"keygw\.[a-z]+(\.[a-z]+)?", text) and text not in FILES:
                there.add(text)
            if KEY_EVENTS.fullmatch(text) and text not in set(Scope):
                there.add(f"keygw.{text}")
    assert set(rows("http-api.md", "Events")) == there


def test_every_variable_is_listed() -> None:
    there = set()
    for folder in ("src", "simulators"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            there |= set(re.findall(r"KEYGW_[A-Z_]*[A-Z]", path.read_text("utf-8")))
    there |= {name for name in variables() if name.startswith("KEYGW_")}
    told = set(rows("configuration.md", "Variables"))
    for cells in rows("configuration.md", "Settings").values():
        told |= set(ticked(cells[1]))
    assert {name for name in told if name.startswith("KEYGW_")} == there


def test_the_settings_are_those_of_the_program() -> None:
    line = [sys.executable, str(ROOT / "tools" / "make_configuration.py"), "--check"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = rows("configuration.md", "Settings")
    assert ticked(told["trusted_proxies"][2]) == ["--trusted-proxy"]
    assert "KEYGW_ISSUER_PASSPHRASE_FILE" in ticked(told["issuer_passphrase_file"][1])


def test_the_roles_are_those_of_the_program() -> None:
    line = [sys.executable, str(ROOT / "tools" / "make_roles.py"), "--check"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("tool", ["make_signals.py", "make_car_page.py", "make_asyncapi.py"])
def test_signals_and_the_simulated_car_are_those_of_the_program(tool: str) -> None:
    line = [sys.executable, str(ROOT / "tools" / tool), "--check"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_step_of_the_demo_is_listed_in_order() -> None:
    story = ast.parse((ROOT / "simulators/keygw_sim/scenarios/demo.py").read_text("utf-8"))
    there = [
        node.args[0].value
        for node in ast.walk(story)
        if isinstance(node, ast.Call)
        and called(node) in ("step", "_friend_tries")
        and node.args
        and isinstance(node.args[0], ast.Constant)
    ]
    assert set(rows("demo.md", "The steps")) == set(there)
    checked = (ROOT / "tests/scenarios/test_demo.py").read_text("utf-8")
    contract = re.findall(r'"([a-z_]+)"', checked.split("STEPS = [")[1].split("]")[0])
    assert [step for step in rows("demo.md", "The steps") if step in contract] == contract


@pytest.mark.parametrize("heading", ["Of the HTTP API", "Of the start", "Of the command line"])
def test_the_tables_are_found(heading: str) -> None:
    assert len(rows("errors.md", heading)) >= 10


@pytest.mark.parametrize("page", ["explanation/how-a-command-travels.md"])
def test_every_module_that_a_page_names_exists(page: str) -> None:
    rooms = {path.name for path in SOURCES.iterdir() if path.is_dir()}
    named = [word.split(".") for word in ticked((ROOT / "docs" / page).read_text("utf-8")) if "." in word]
    named = [parts for parts in named if parts[0] in rooms]
    assert len(named) > 20
    for parts in named:
        path, rest = SOURCES, list(parts)
        while rest and (path / rest[0]).is_dir():
            path /= rest.pop(0)
        source = (path / f"{rest.pop(0)}.py").read_text("utf-8")
        assert not rest or re.search(rf"def {rest[0]}\b", source), ".".join(parts)


def test_every_action_and_finding_of_the_audit_trail_is_listed() -> None:
    told = {name: cells[1] for name, cells in rows("audit.md", "Actions").items()}
    assert told == dict(ACTIONS)
    assert {name: cells[1] for name, cells in rows("audit.md", "Findings").items()} == FINDINGS


def test_every_test_that_a_page_points_to_is_there() -> None:
    pointers = [
        (page, match)
        for page in sorted((ROOT / "docs").rglob("*.md"))
        for match in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page.read_text("utf-8"))
    ]
    assert len(pointers) > 10
    missing = [
        (page.name, file, name)
        for page, (file, name) in pointers
        if not re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text("utf-8"), re.MULTILINE)
    ]
    assert missing == []
