"""``standardwebhooks`` from npm: ``standardwebhooks.mjs`` is what it is put through."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from scene import FOLDER
from webhook_catch import catch

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import typescript

if not typescript.present():
    sys.exit(f"standardwebhooks {typescript.HINT}")
folder = Path(FOLDER) / "node"
folder.mkdir()
program = folder / "standardwebhooks.mjs"
shutil.copy(Path(__file__).with_name("standardwebhooks.mjs"), program)
(folder / "node_modules").symlink_to(typescript.TOOLS)
told = json.dumps([asdict(each) for each in catch()])
done = subprocess.run(
    [str(typescript.NODE), str(program)], input=told, capture_output=True, text=True, timeout=120, check=False
)
if done.returncode != 0:
    sys.exit(done.stderr[-3000:])
package = json.loads((typescript.TOOLS / "standardwebhooks/package.json").read_text())
print(
    json.dumps({"validator": f"standardwebhooks (npm) {package['version']}", "cases": json.loads(done.stdout)["cases"]})
)
