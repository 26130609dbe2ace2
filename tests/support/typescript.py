"""The TypeScript client, compiled, and the programs of its ``test`` folder, run under Node."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "protocols/bridge_api/ts"
TOOLS = ROOT / ".venv/node/node_modules"
NODE = shutil.which("node")
HINT = "needs Node 18 or newer and npm (on Debian: apt-get install nodejs npm), then: make .venv/node/.ready"
SECONDS = 60.0


def present() -> bool:
    return NODE is not None and (TOOLS / "typescript").is_dir()


def generate(document: Path, target: Path) -> None:
    """The types of that OpenAPI document, as ``npm run generate`` makes them."""
    options = json.loads((SOURCE / "package.json").read_text())["scripts"]["generate"].split()
    assert options[:2] == ["openapi-typescript", "../openapi.json"]
    assert options[-2:] == ["--output", "src/schema.ts"]
    _run(TOOLS / "openapi-typescript/bin/cli.js", document, *options[2:-2], "--output", target)


def compile_to(folder: Path, schema: Path | None = None) -> Path:
    """Where the compiled client and its programs are. ``schema``: in place of the committed types."""
    source = folder / "source"
    shutil.copytree(SOURCE, source, ignore=shutil.ignore_patterns("node_modules", "dist"))
    if schema is not None:
        shutil.copy(schema, source / "src/schema.ts")
    _run(TOOLS / "typescript/bin/tsc", "--project", source, "--outDir", folder / "dist")
    shutil.copy(source / "package.json", folder / "dist/package.json")  # says that these are modules
    return folder / "dist"


async def run(compiled: Path, program: str, env: Mapping[str, str]) -> dict[str, Any]:
    """What the program says at its end: ``cases``, and what else it tells."""
    whole = {**os.environ, **env, "NODE_OPTIONS": _options()}
    child = await asyncio.create_subprocess_exec(
        str(NODE), "--expose-gc", str(compiled / "test" / program), env=whole,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    running = asyncio.ensure_future(child.communicate())
    _, late = await asyncio.wait({running}, timeout=SECONDS)
    if late:
        child.kill()
    said, wrong = await running
    assert not late, f"no end after {SECONDS:.0f} s; the last that it said: {wrong.decode()[-2000:]}"
    assert child.returncode == 0, wrong.decode()[-2000:]
    told: dict[str, Any] = json.loads(said.splitlines()[-1])
    return told


def _options() -> str:
    """Node 18 has WebCrypto behind a flag, where a browser and Node 20 simply have it."""
    version = subprocess.run([str(NODE), "--version"], capture_output=True, text=True, check=True).stdout
    return "--experimental-global-webcrypto" if int(version.strip("v\n").split(".")[0]) < 20 else ""


def _run(tool: Path, *args: object) -> None:
    command = [str(NODE), str(tool), *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
