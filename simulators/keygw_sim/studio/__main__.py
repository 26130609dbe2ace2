"""``keygw sim studio``: a car, an owner's app, a friend's phone, a gateway, and the console to see and break them."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from keygw_sim.processes import ChildFailed
from keygw_sim.ranging.ether import port
from keygw_sim.scenarios.app import AppError
from keygw_sim.scenarios.world import World
from keygw_sim.stdio import stop_signal
from keygw_sim.studio.attach import attach, equip

EXIT_NOT_STARTED = 3


def main(argv: Sequence[str] | None = None) -> int:
    """Run until told to stop. Exit 0; 2 for wrong arguments; 3 when something could not be started."""
    parser = argparse.ArgumentParser(prog="keygw sim studio", description="The console, with a world to play with.")
    parser.add_argument("--port", type=port, default=0, help="of the console (default: any)")
    parser.add_argument("--seed", default="keygw", help="repeats the car's and the phone's identity (default: keygw)")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout when it is ready")
    args = parser.parse_args(argv)
    try:
        return asyncio.run(_run(args))
    except (ChildFailed, AppError, OSError) as error:
        print(f"the studio cannot start: {error}", file=sys.stderr)
        return EXIT_NOT_STARTED
    except KeyboardInterrupt:
        return 130


async def people(world: World) -> None:
    """Everybody who is needed: the car has an owner and knows the time, and a friend's phone has a key."""
    await world.start_radio()
    await world.start_gateway()
    await world.start_car()
    await world.register_app()
    await world.pair_owner()
    await world.start_phone()
    await world.share_with_phone()
    await world.knows_time()


async def _run(args: argparse.Namespace) -> int:
    stop = stop_signal()
    name = random.Random(args.seed).choice(("Aurora", "Borealis", "Cirrus"))  # noqa: S311 - the car's name, not a key
    with tempfile.TemporaryDirectory(prefix="keygw-studio-", ignore_cleanup_errors=True) as folder:
        async with World(Path(folder), name=name, seed=args.seed) as world:
            equip(world)
            await people(world)
            async with attach(world, args.port) as room:
                if args.json:
                    print(json.dumps({"ready": True, "url": room.url, "console": room.link()}), flush=True)
                else:
                    print(
                        f"console  {room.link()}\n(opens once; the page makes links for more tabs. Ctrl-C ends it.)",
                        flush=True,
                    )
                await stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
