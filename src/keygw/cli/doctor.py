"""``keygw doctor``: look at everything that is usually in the way, change nothing, and say what to do."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from keygw import __version__
from keygw.cli import output
from keygw.cli.diagnosis import Check, Verdict
from keygw.cli.exits import Exit
from keygw.cli.options import Data, Json, Radio, Url

_COLOURS = {Verdict.OK: "32", Verdict.WARN: "33", Verdict.FAIL: "31", Verdict.SKIPPED: "2"}


def doctor(
    data: Data = None,
    radio: Radio = "system",
    url: Url = None,
    as_json: Json = False,
    strict: Annotated[bool, typer.Option("--strict", help="A warning counts as a failure.")] = False,
) -> int:
    """Look for what is in the way, and how to mend it.

    It looks at libraries, simulators, clock, settings, data directory, key files, database, port, radio and gateway,
    and says of every other kind of radio what it would need here. Nothing is created or changed. Exit 0 if nothing
    failed, else 3.
    """
    from keygw.cli.places import data_dir

    checks = examine(data_dir(data), radio, url)
    bad = {Verdict.FAIL, Verdict.WARN} if strict else {Verdict.FAIL}
    healthy = not any(check.status in bad for check in checks)
    if as_json:
        output.document({"ok": healthy, "version": __version__, "checks": [check.to_json() for check in checks]})
    else:
        _tell(checks, healthy)
    return Exit.OK if healthy else Exit.ENVIRONMENT


def examine(data: Path, radio: str, url: str | None) -> list[Check]:
    """Every check, in the order in which things are needed."""
    from keygw.app.addresses import is_loopback
    from keygw.cli import checks_data, checks_gateway, checks_machine, checks_radio, checks_radios, checks_settings
    from keygw.cli.endpoint import checked_url
    from keygw.cli.places import default_url

    address = checked_url(url or default_url(os.environ))
    parts = urlsplit(address)
    host, number = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    local = is_loopback(host)
    reached, running = checks_gateway.gateway(address, local=local)
    here = running and local
    machine = [checks_machine.python(), checks_machine.libraries(), checks_machine.simulators(), checks_machine.clock()]
    said, elsewhere = checks_settings.found(data)
    database = checks_settings.database_elsewhere() if elsewhere else checks_data.database(data, running=here)
    stored = [said, checks_data.directory(data), checks_data.secrets(data), database]
    port = [checks_machine.port(host, number, ours=running)] if local else []
    radios = [checks_radio.radio(radio, running=here), *checks_radios.all_radios()]
    return [*machine, *stored, *port, *radios, reached]


def _tell(checks: list[Check], healthy: bool) -> None:
    colour = output.fancy(sys.stdout) and not os.environ.get("NO_COLOR")
    width = max(len(check.name) for check in checks)
    for check in checks:
        word = f"{check.status.value:<8}"
        if colour:
            word = f"\x1b[{_COLOURS[check.status]}m{word}\x1b[0m"
        output.say(f"{word}{check.name:<{width}}  {output.clean(check.seen)}")
        if check.fix:
            output.say(f"{'':<{8 + width}}  fix: {output.clean(check.fix)}")
    output.say("Nothing is in the way." if healthy else "Something is in the way; mend what failed and ask again.")
