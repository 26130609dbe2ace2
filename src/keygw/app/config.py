"""What a gateway is started with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ISSUER_KEY = "issuer.pem"
OPERATOR_TOKEN = "operator.token"  # noqa: S105 - the name of a file
PASSPHRASE_VARIABLE = "KEYGW_ISSUER_PASSPHRASE"  # noqa: S105 - the name of a variable


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """``radio``: ``system`` (the OS adapter), ``none``, or a Bumble transport such as ``usb:0`` or
    ``tcp-client:127.0.0.1:7462``. ``port`` 0: any free one. ``json_ready``: say readiness as one JSON line."""

    data: Path
    host: str = "127.0.0.1"
    port: int = 8765
    radio: str = "system"
    json_ready: bool = False
    follow_stdin: bool = False
    """End when stdin ends: for a supervisor that may die without a goodbye."""
    log_level: str = "warning"
    public_url: str | None = None
    """Where phones find this gateway; ``None``: where it listens."""
