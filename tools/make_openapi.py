"""Writes ``protocols/bridge_api/openapi.json`` from the routes; with ``--check`` compares instead."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from keygw import __version__
from keygw.api.factory import create_api
from keygw.api.services import Services

TARGET = Path(__file__).resolve().parent.parent / "protocols/bridge_api/openapi.json"


def document() -> str:
    """The document as text. Describing the routes runs none of them, so there are no services behind it."""
    nothing = cast(Any, SimpleNamespace())
    services = Services(bridge=nothing, hub=nothing, issuer=nothing, clock=lambda: 0.0, version=__version__)
    return json.dumps(create_api(services).openapi(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail if the file is not what the routes say")
    text = document()
    if parser.parse_args().check:
        current = TARGET.is_file() and TARGET.read_text("utf-8") == text
        sys.stdout.write("current\n" if current else "openapi.json is not current: run python tools/make_openapi.py\n")
        return 0 if current else 1
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
