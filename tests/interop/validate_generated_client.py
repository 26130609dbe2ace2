"""``openapi-python-client`` makes a client of the gateway's own document; that one lists cars, and unlocks one."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

from scene import FOLDER, TOKEN, URL, VEHICLE, client, command, held

with client() as http:
    document = Path(FOLDER) / "openapi.json"
    document.write_text(http.get("/openapi.json").text, "utf-8")
    command(http, "lock")
made = Path(FOLDER) / "made"
subprocess.run(
    [sys.executable, "-m", "openapi_python_client", "generate", "--path", str(document), "--output-path", str(made),
     "--meta", "none", "--overwrite"],
    check=True, stdout=sys.stderr, env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
)  # fmt: skip
sys.path.insert(0, FOLDER)
package = importlib.import_module("made")
modules = [path for path in made.rglob("*.py") if path.name != "__init__.py"]
for path in modules:
    importlib.import_module(".".join(("made", *path.relative_to(made).with_suffix("").parts)))
create = importlib.import_module("made.api.commands.commands_create")
vehicles = importlib.import_module("made.api.vehicles.vehicles_list_all")
models = importlib.import_module("made.models")
keygw = package.AuthenticatedClient(base_url=URL, token=TOKEN)
listed = vehicles.sync(client=keygw)
assert [each.id for each in listed.vehicles] == [VEHICLE]
done = create.sync(
    VEHICLE,
    client=keygw,
    body=models.NewCommand(models.NewCommandAction.UNLOCK),
    idempotency_key="made",
    prefer="wait=10",
)
assert (done.state, done.settled) == ("confirmed", True), done
held("openapi-python-client", len(modules) + 2)
