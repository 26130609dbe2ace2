"""The types of ``keygw/web/js``, which stand in comments: ``tsc`` holds every module to them."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import typescript

if TYPE_CHECKING:
    from tests.conftest import Require

TSC = typescript.TOOLS / "typescript/bin/tsc"


def tsc(*arguments: object) -> subprocess.CompletedProcess[str]:
    line = [str(typescript.NODE), str(TSC), *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def node(require: Require) -> None:
    require("node", typescript.present(), typescript.HINT)


def test_every_module_is_what_its_comments_say(node: None, repository: Path) -> None:
    checked = tsc("--project", repository / "tools/web")
    assert checked.returncode == 0, checked.stdout[-4000:]


def test_the_check_sees_a_wrong_type(node: None, repository: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.js"
    module = (repository / "src/keygw/web/js/session/bytes.js").as_posix()
    wrong.write_text(f"import {{ toHex }} from '{module}';\ntoHex('ff');\n")
    options = ("--allowJs", "--checkJs", "--strict", "--noEmit", "--target", "ES2022", "--moduleResolution", "bundler")
    checked = tsc(*options, "--module", "ESNext", wrong)
    assert checked.returncode != 0
    assert "TS2345" in checked.stdout, checked.stdout
