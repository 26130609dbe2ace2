"""Where things are: the data directory and the gateway's address, from options, environment and habit of the system."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

OPERATOR_TOKEN = "operator.token"  # noqa: S105 - the name of a file
DEFAULT_PORT = 8765


def default_data_dir(env: Mapping[str, str], platform: str = sys.platform) -> Path:
    """``KEYGW_DATA``, else the place the system has for a user's data. Nothing is created."""
    if chosen := env.get("KEYGW_DATA"):
        return Path(chosen)
    if platform == "win32":
        roaming = env.get("APPDATA")
        return (Path(roaming) if roaming else Path.home() / "AppData" / "Roaming") / "keygw"
    base = env.get("XDG_DATA_HOME", "")
    # XDG Base Directory Specification: a relative path there is invalid and must be ignored.
    return (Path(base) if base.startswith("/") else Path.home() / ".local" / "share") / "keygw"


def data_dir(option: Path | None, env: Mapping[str, str] | None = None) -> Path:
    """The data directory a command works with. ``env``: default, this process's."""
    return (option or default_data_dir(os.environ if env is None else env)).expanduser()


def default_url(env: Mapping[str, str]) -> str:
    """``KEYGW_URL``, else the gateway on this machine, on the port that ``keygw serve`` would take."""
    return env.get("KEYGW_URL") or f"http://127.0.0.1:{env.get('KEYGW_PORT') or DEFAULT_PORT}"
