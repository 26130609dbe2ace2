"""``keygw demo`` and ``keygw sim`` through real entry points: what is passed on, and what comes back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from keygw.cli.exits import Exit
from keygw.cli.main import main

PROBE = """
import json, sys
def main(argv=None):
    print(json.dumps(argv))
    if "--die" in argv:
        sys.exit(9)
    if "--usage" in argv:
        sys.exit("wrong")
    return 7
def nothing(argv=None):
    return None
"""
REAL = {
    "attack": "keygw_sim.attacker.__main__:main",
    "bluez": "keygw_sim.bluez.__main__:main",
    "conformance": "keygw_sim.conformance.__main__:main",
    "demo": "keygw_sim.scenarios.demo:main",
    "hands": "keygw_sim.vehicle.commands:main",
    "phone": "keygw_sim.phone.__main__:main",
    "radio": "keygw_sim.radio.__main__:main",
    "scenario": "keygw_sim.scenario.__main__:main",
    "vehicle": "keygw_sim.vehicle.__main__:main",
    "world": "keygw_sim.world.__main__:main",
}
Install = Callable[[dict[str, str]], Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install keygw with these simulators; it wins over an installed one, being first on the path."""

    def install(entries: dict[str, str]) -> Path:
        info = tmp_path / "keygw-0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: keygw\nVersion: 0\n")
        lines = [f"{name} = {target}" for name, target in entries.items()]
        (info / "entry_points.txt").write_text("\n".join(["[keygw.simulators]", *lines, ""]))
        (tmp_path / "probe_of_the_cli.py").write_text(PROBE)
        monkeypatch.syspath_prepend(tmp_path)
        return tmp_path

    return install


@pytest.fixture
def probe(install: Install) -> Path:
    return install(dict.fromkeys(REAL, "probe_of_the_cli:main"))


@pytest.mark.usefixtures("probe")
@pytest.mark.parametrize(
    ("line", "passed_on"),
    [
        (["demo"], []),
        (["demo", "--json"], ["--json"]),
        (["demo", "--stay", "--seed", "7", "--no-color"], ["--stay", "--seed", "7", "--no-color"]),
        (["sim", "vehicle"], []),
        (["sim", "vehicle", "--help"], ["--help"]),
        (["sim", "radio", "--port", "0", "--verbose", "x", "-y"], ["--port", "0", "--verbose", "x", "-y"]),
        (["sim", "phone", "--name=a b", "--json"], ["--name=a b", "--json"]),
        (["sim", "attack", "replay", "--json"], ["replay", "--json"]),
        (["sim", "world", "--seed", "7", "--steps", "9"], ["--seed", "7", "--steps", "9"]),
        (["sim", "bluez", "--no-adapter"], ["--no-adapter"]),
    ],
)
def test_what_is_passed_on(line: list[str], passed_on: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line) == 7
    said = capsys.readouterr()
    assert json.loads(said.out) == passed_on
    assert said.err == ""


@pytest.mark.usefixtures("probe")
def test_its_exit_is_ours() -> None:
    assert main(["sim", "vehicle", "--die"]) == 9
    with pytest.raises(SystemExit, match="wrong"):
        main(["sim", "vehicle", "--usage"])


def test_no_exit_code_is_success(install: Install) -> None:
    install({"demo": "probe_of_the_cli:nothing"})
    assert main(["demo"]) == 0


@pytest.mark.parametrize("entries", [{}, {"demo": "keygw_sim.not_there:main"}])
def test_simulators_that_are_not_installed(
    install: Install, entries: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    install(entries)
    assert main(["demo"]) == Exit.ENVIRONMENT
    said = capsys.readouterr()
    assert said.out == ""
    assert "[no_simulators]" in said.err
    assert "next: install keygw" in said.err
    assert main(["demo", "--json"]) == Exit.ENVIRONMENT
    said = capsys.readouterr()
    assert (said.out, json.loads(said.err)["code"]) == ("", "no_simulators")


def test_a_broken_simulator_is_not_called_missing(install: Install) -> None:
    """A library that the simulator cannot find must not read as: install keygw."""
    folder = install({"demo": "broken_simulator_of_the_cli:main"})
    (folder / "broken_simulator_of_the_cli.py").write_text("import no_such_library_anywhere\n")
    with pytest.raises(ModuleNotFoundError, match="no_such_library_anywhere"):
        main(["demo"])


@pytest.mark.parametrize("name", ["vehicle", "radio", "phone", "bluez"])
def test_the_real_simulators_tell_their_options(install: Install, name: str) -> None:
    folder = install(REAL)
    path = os.pathsep.join([str(folder), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-m", "keygw", "sim", name, "--help"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout
    assert "--follow-stdin" in done.stdout
