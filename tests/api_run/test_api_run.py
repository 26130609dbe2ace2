"""schemathesis against a real gateway: requests made from the OpenAPI document, good ones and bad ones, one after the
other and as stories along the links; every answer is held to the document.

``schemathesis.toml`` has the checks, and the reason of each exception; ``keygw_hooks.py`` what only a phone can do. The
same requests every time, but for the ids that the gateway makes; ``KEYGW_SEED`` looks for others.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from served import serving

HERE = Path(__file__).resolve().parent
FEWEST = 2_000
STORIES = 3
FEWEST_LINKS = 30
"""Of about 80 that are followed to an answer. Which ones, chance decides."""
WITHOUT_RADIO = {"/v1/discovery", "/v1/vehicles/{vehicle_id}/link:connect", "/v1/vehicles/{vehicle_id}/link:sync"}


@dataclass
class Run:
    """``failures``: what schemathesis said of them. ``answers``: of each case the operation and the status. ``links``:
    those that were followed."""

    document: dict[str, Any]
    failures: list[str] = field(default_factory=list)
    answers: list[tuple[str, int]] = field(default_factory=list)
    links: set[str] = field(default_factory=set)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A gateway without a radio, over a database of its own."""
    with serving(tmp_path_factory.mktemp("api_run") / "data") as ready:
        yield ready


@pytest.fixture(scope="module")
def run(gateway: dict[str, str], tmp_path_factory: pytest.TempPathFactory, seed: int) -> Run:
    """All that is asked of below; about a minute. Stories are told in several runs, because hypothesis ends one where
    the gateway does not answer a second time as it did at first, and it rarely can."""
    folder = tmp_path_factory.mktemp("report")
    made = named_operator(gateway)
    environment = {
        **os.environ,
        "API_RUN_URL": gateway["url"],
        "API_RUN_OPERATOR": made["operator"]["id"],
        "API_RUN_TOKEN": made["token"],
        "SCHEMATHESIS_HOOKS": "keygw_hooks",
        "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]),
    }
    fixed = ["--seed", str(seed)] if "KEYGW_SEED" in os.environ else ["--generation-deterministic"]
    line = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml")]
    line += ["run", f"{gateway['url']}/openapi.json", "--no-color"]
    document = httpx.get(f"{gateway['url']}/openapi.json", trust_env=False).json()
    found = Run(document)
    for number, part in enumerate(
        [
            ["--phases=examples,coverage,fuzzing", *fixed],
            *(["--phases=stateful", f"--seed={seed + n}"] for n in range(STORIES)),
        ]
    ):
        report = folder / f"report{number}.ndjson"
        done = subprocess.run(
            [*line, *part, "--report-ndjson-path", str(report)],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        if done.returncode:
            found.failures.append(done.stdout + done.stderr)
        read(report, found)
    return found


def named_operator(gateway: dict[str, str]) -> Any:
    """An admin with a name, and its token: the run ends the one that the gateway began with."""
    first = Path(gateway["operator_token_file"]).read_text("ascii").strip()
    made = httpx.post(
        f"{gateway['url']}/v1/operators",
        json={"name": "The run", "role": "admin"},
        headers={"Authorization": f"Bearer {first}"},
        trust_env=False,
    )
    return made.raise_for_status().json()


def read(report: Path, into: Run) -> None:
    for line in report.read_text("utf-8").splitlines():
        recorded = json.loads(line).get("ScenarioFinished", {}).get("recorder", {})
        for number, node in recorded.get("cases", {}).items():
            case = node["value"]
            response = recorded.get("interactions", {}).get(number, {}).get("response")
            if response is not None:
                into.answers.append((f"{case['method']} {case['path']}", int(response["status_code"])))
                if node.get("transition"):
                    into.links.add(node["transition"]["id"])


def test_every_answer_keeps_to_the_document(run: Run, seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    by_hundreds = Counter(f"{status // 100}xx" for _, status in run.answers)
    with capsys.disabled():
        sys.stdout.write(
            f"\nschemathesis, seed {seed}: {len(run.answers)} cases over {len(operations(run.document))} operations, "
            f"{dict(sorted(by_hundreds.items()))}, {len(run.links)} links followed\n"
        )
    assert not run.failures, "\n".join(run.failures)
    assert len(run.answers) >= FEWEST


def operations(document: dict[str, Any]) -> set[str]:
    return {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item}


def test_no_operation_is_left_out(run: Run) -> None:
    assert operations(run.document) <= {operation for operation, _ in run.answers}


def test_what_is_refused_is_refused_by_a_word_not_by_a_bug(run: Run) -> None:
    """Said once more without schemathesis: nothing breaks, and 503 is what needs a radio or an HSM."""
    broken = Counter((operation, status) for operation, status in run.answers if status >= 500)
    allowed = {(f"{method} {path}", 503) for path in WITHOUT_RADIO for method in ("GET", "POST")}
    allowed |= {("POST /v1/admin/issuer-keys", 503), ("GET /v1/status-lists/{page}", 501)}
    assert broken.keys() <= allowed


def test_stories_go_along_the_links(run: Run) -> None:
    """From what makes a thing to what takes it: most of what the API can do only happens there."""
    assert len(run.links) >= FEWEST_LINKS
    for source in ("POST /v1/vehicles", "POST /v1/keys", "POST /v1/apps", "POST /v1/devices", "POST /v1/pairings"):
        assert any(link.startswith(f"{source} ->") for link in run.links), source


def test_most_of_the_api_was_used_and_not_only_knocked_at(run: Run) -> None:
    """Refusals alone would keep to the document as well."""
    good = {operation for operation, status in run.answers if status < 300}
    assert len(good) >= len(operations(run.document)) * 2 // 3, sorted(operations(run.document) - good)
