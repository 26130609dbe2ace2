"""The pytest plugin as a firmware project has it: pytest in a process of its own, in a folder of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def run(folder: Path, *line: str) -> tuple[int, str]:
    (folder / "test_own.py").write_text("def test_own():\n    pass\n")
    arguments = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "-rs", *line]
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stdout + done.stderr


def test_each_requirement_is_a_test(tmp_path: Path) -> None:
    code, said = run(tmp_path, "--keygw-target=memory", "--keygw-only=KS-10", "-v")
    assert code == 0, said
    assert "KS_103 PASSED" in said
    assert "KS_101 SKIPPED" in said
    assert "it shows on a radio alone" in said
    assert "test_own PASSED" in said


def test_without_a_target_nothing_happens(tmp_path: Path) -> None:
    code, said = run(tmp_path)
    assert code == 0, said
    assert "1 passed" in said


def test_a_defect_is_told_with_its_frames(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "from keygw_sim.conformance.mutants.vehicles import VEHICLES\n"
        "from keygw_sim.conformance.mutants.plant import Bed\n"
        "VEHICLES['sequences_are_not_looked_at'].plant(Bed())\n"
    )
    code, said = run(tmp_path, "--keygw-target=memory", "--keygw-only=KS-203")
    assert code == 1, said
    assert "KS-203 Refuses a frame whose sequence is not the next." in said
    assert "D>V  the first frame of message_1" in said
    assert "1 failed, 1 passed" in said


def test_wrong_words_are_usage_errors(tmp_path: Path) -> None:
    code, said = run(tmp_path, "--keygw-target=memory", "--keygw-only=XX")
    assert code == 4, said
    assert "no requirement begins with 'XX'" in said


def test_a_board_without_a_rig_fails_and_says_what_to_do(tmp_path: Path) -> None:
    code, said = run(tmp_path, "--keygw-target=usb:0", "--keygw-only=KS-203")
    assert code == 1, said
    assert "keygw conformance prepare" in said


def test_the_plugin_loads_nothing_heavy() -> None:
    heavy = "('bumble', 'cryptography', 'bleak', 'cbor2')"
    script = f"import sys, keygw_sim.conformance.pytest_plugin; print([n for n in {heavy} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
