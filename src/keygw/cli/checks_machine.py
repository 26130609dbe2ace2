"""Checks of this machine: Python, libraries, simulators, clock, port."""

from __future__ import annotations

import importlib.util
import platform
import re
import socket
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata

from keygw.cli.diagnosis import Check, fail, ok, skipped, warn
from keygw.cli.simulators import GROUP

OLDEST_PYTHON = (3, 11)
RELEASED = datetime(2026, 11, 1, tzinfo=UTC)
"""No honest clock shows an earlier time than that of this release."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_INSTALL = "install keygw again: make setup in a clone, or pip install keygw"


def python(version: tuple[int, ...] = tuple(sys.version_info[:3])) -> Check:
    seen = f"Python {'.'.join(map(str, version))} on {platform.system()} {platform.machine()}"
    if version < OLDEST_PYTHON:
        return fail("python", seen, "keygw needs Python 3.11 or newer")
    return ok("python", seen)


def libraries(requirements: Sequence[str] | None = None) -> Check:
    """Are the libraries that keygw declares there? ``requirements``: as in the metadata; default: keygw's own."""
    if requirements is None:
        try:
            requirements = metadata.requires("keygw") or ()
        except metadata.PackageNotFoundError:
            return warn("libraries", "keygw runs from a source tree that is not installed", _INSTALL)
    found, missing = 0, []
    for requirement in requirements:
        text, _, marker = requirement.partition(";")
        name = _NAME.match(text.strip())
        if name is None or "extra" in marker:
            continue
        try:
            metadata.version(name[0])
            found += 1
        except metadata.PackageNotFoundError:
            if not marker:  # what only some systems need may be absent on this one
                missing.append(name[0])
    if missing:
        return fail("libraries", f"missing: {', '.join(missing)}", _INSTALL)
    return ok("libraries", f"{found} of {found} there")


def simulators() -> Check:
    """Nothing is imported: only whether the modules behind the entry points can be found."""
    entries = {entry.name: entry.module for entry in metadata.entry_points(group=GROUP)}
    if not entries:
        return warn(
            "simulators", "not installed", "only keygw demo and keygw sim need them; the wheel brings them along"
        )
    lost = [name for name, module in entries.items() if not _findable(module)]
    if lost:
        return warn("simulators", f"not to be found: {', '.join(sorted(lost))}", _INSTALL)
    return ok("simulators", ", ".join(sorted(entries)))


def _findable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def clock(now: datetime | None = None) -> Check:
    now = now or datetime.now(UTC)
    seen = now.isoformat(timespec="seconds")
    if now < RELEASED:
        return fail("clock", f"{seen}, which is before this release", "set the clock: keys would not be valid yet")
    return ok("clock", seen)


def port(host: str, number: int, *, ours: bool) -> Check:
    """``ours``: a gateway answers there already."""
    where = f"{host}:{number}"
    if ours:
        return ok("port", f"{where} is in use by the gateway that runs")
    if number == 0:
        return skipped("port", "any free one will do")
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            if sys.platform != "win32":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return fail("port", f"{where} cannot be listened on: {error.strerror}", "choose another: keygw serve --port")
    return ok("port", f"{where} is free")
