"""Writes ``protocols/bridge_api/openapi.json`` from the routes; with ``--check`` compares instead."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from generated import keep

from keygw import __version__
from keygw.api.factory import create_api
from keygw.api.services import Services

TARGET = Path(__file__).resolve().parent.parent / "protocols/bridge_api/openapi.json"


def document() -> str:
    """The document as text. Describing the routes runs none of them, so there are no services behind it."""
    nothing = cast(Any, SimpleNamespace())
    services = Services(bridge=nothing, hub=nothing, issuer=nothing, clock=lambda: 0.0, version=__version__)
    return json.dumps(create_api(services).openapi(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.exit(keep(TARGET, document, __doc__, Path(__file__).name))
