"""``make interop``: programs that none of us wrote, against a real gateway with a car on the virtual radio.

Each validator is a file beside this one. It runs in an environment of its own (``requirements-interop.lock``), knows
the gateway by its public doors alone, and says on stdout what it is and to how many cases it has held the gateway::

    {"validator": "httpx-sse 0.4.3", "cases": 12}

One line for each is told here. Exit 0: all hold; 1: one does not, its words stand on stderr; 3: it cannot be run here.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from keygw_sim.scenarios.world import World

HERE = Path(__file__).parent
VALIDATORS = sorted(HERE.glob("validate_*.py"))
SECONDS = 180.0


async def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make interop", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--python", default=sys.executable, help="of the environment with the validators")
    parser.add_argument("--only", default="", help="part of a validator's name")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout and nothing else")
    args = parser.parse_args(argv)
    chosen = [each for each in VALIDATORS if args.only in each.stem]
    if not chosen:
        parser.error(f"no validator is called so; known: {', '.join(each.stem for each in VALIDATORS)}")
    told = []
    with tempfile.TemporaryDirectory(prefix="keygw-interop-") as folder:
        for validator in chosen:
            (Path(folder) / validator.stem).mkdir()
            held = await _validate(args.python, validator, Path(folder) / validator.stem)
            told.append(held)
            if not args.json:
                print(f"{held['validator']:<32} {held['cases']:>5} cases  {'held' if held['ok'] else 'DOES NOT HOLD'}")
    if args.json:
        print(json.dumps({"ok": all(each["ok"] for each in told), "validators": told}))
    return 0 if all(each["ok"] for each in told) else 1


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


async def _validate(python: str, validator: Path, folder: Path) -> dict[str, object]:
    """In a world of its own, told by the environment: the gateway, its car, which shows a pairing code, and an app with
    an owner's key."""
    (folder / "gateway").mkdir()
    (folder / "gateway" / "keygw.toml").write_text("webhooks_allow_loopback = true\n")
    async with World(folder, seed="interop") as world:
        # Passkeys want the gateway to have a name, and the name has its port in it.
        name = f"http://localhost:{_free_port()}"
        world.options["gateway"] = ("--port", name.rpartition(":")[2], "--public-url", name)
        await world.start_radio()
        await world.start_gateway()
        await world.start_car()
        await world.register_app()
        await world.pair_owner()
        await world.command("allow_pairing")
        env = {
            **os.environ,
            "KEYGW_INTEROP_URL": name,
            "KEYGW_INTEROP_TOKEN": world.token,
            "KEYGW_INTEROP_VEHICLE": world.vehicle_id,
            "KEYGW_INTEROP_FOLDER": str(folder),
            "KEYGW_INTEROP_CODE": await world.shown_code(),
        }
        child = await asyncio.create_subprocess_exec(python, str(validator), stdout=asyncio.subprocess.PIPE, env=env)
        try:
            said, _ = await asyncio.wait_for(child.communicate(), SECONDS)
        except TimeoutError:
            child.kill()
            await child.wait()
            print(f"{validator.stem} has not ended within {SECONDS:.0f} s", file=sys.stderr)
            said = b""
    try:
        told = json.loads(said.splitlines()[-1])
        return {"validator": str(told["validator"]), "cases": int(told["cases"]), "ok": child.returncode == 0}
    except (IndexError, ValueError, KeyError, TypeError):
        return {"validator": validator.stem, "cases": 0, "ok": False}


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
