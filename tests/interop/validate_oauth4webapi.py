"""``oauth4webapi``, a strict OAuth client for JavaScript: ``oauth4webapi.mjs`` is what it is put through."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from scene import FOLDER

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import typescript

if not typescript.present():
    sys.exit(f"oauth4webapi {typescript.HINT}")
folder = Path(FOLDER) / "node"
folder.mkdir()
program = folder / "oauth4webapi.mjs"
shutil.copy(Path(__file__).with_name("oauth4webapi.mjs"), program)
(folder / "node_modules").symlink_to(typescript.TOOLS)
done = subprocess.run([str(typescript.NODE), str(program)], capture_output=True, text=True, timeout=120, check=False)
if done.returncode != 0:
    sys.exit(done.stderr[-3000:])
package = json.loads((typescript.TOOLS / "oauth4webapi/package.json").read_text())
told = json.loads(done.stdout.splitlines()[-1])
print(json.dumps({"validator": f"oauth4webapi {package['version']}", "cases": told["cases"]}))
