"""``openapi-typescript`` makes types of the gateway's own document; a client on them compiles, and unlocks a car."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from scene import FOLDER, TOKEN, URL, VEHICLE, client

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import typescript

if not typescript.present():
    sys.exit(f"the TypeScript client {typescript.HINT}")
folder = Path(FOLDER)
with client() as http:
    (folder / "openapi.json").write_text(http.get("/openapi.json").text, "utf-8")
typescript.generate(folder / "openapi.json", folder / "schema.ts")
compiled = typescript.compile_to(folder, folder / "schema.ts")
env = {"KEYGW_URL": URL, "KEYGW_TOKEN": TOKEN, "KEYGW_VEHICLE": VEHICLE}
told = asyncio.run(typescript.run(compiled, "story.js", env))
package = json.loads((typescript.TOOLS / "openapi-typescript/package.json").read_text())
print(json.dumps({"validator": f"openapi-typescript {package['version']}", "cases": told["cases"]}))
