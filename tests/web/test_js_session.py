"""The JavaScript session of ``keygw/web/js``: its own suite under Node, which replays the vectors of ``protocols/``."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path


def test_the_javascript_session_passes_the_vectors(require: Callable[[str, bool, str], None], repository: Path) -> None:
    node = shutil.which("node")
    require("node", node is not None, "no Node.js 20 or newer here: apt-get install nodejs")
    assert node is not None
    suites = sorted(str(each) for each in (repository / "tests/web/js").glob("*.test.js"))
    assert suites
    run = subprocess.run([node, "--test", *suites], capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
    assert "# fail 0" in run.stdout or "fail 0" in run.stdout
