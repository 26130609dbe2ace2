"""The options that many commands share, written once."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from keygw.cli.client import Gateway

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout and nothing else; errors on stderr.")]
Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        help="The gateway. Default: $KEYGW_URL, else http://127.0.0.1 on port $KEYGW_PORT or 8765.",
        show_default=False,
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        metavar="FILE",
        help="File with the bearer token. Default: $KEYGW_TOKEN; else, for a gateway on this machine, operator.token "
        "in the data directory. There is no --token: every user of the machine could read it in the list of processes.",
        show_default=False,
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="The gateway's data directory. Default: $KEYGW_DATA, else the user's data directory of this system.",
        show_default=False,
    ),
]
Radio = Annotated[
    str,
    typer.Option(
        "--radio",
        metavar="SPEC",
        envvar="KEYGW_RADIO",
        help="system (the adapter of the operating system), none, or a Bumble transport such as "
        "tcp-client:127.0.0.1:7462, usb:0 or serial:/dev/ttyACM0,1000000.",
    ),
]
VehicleName = Annotated[
    str, typer.Argument(metavar="VEHICLE", help="Vehicle id, the unique beginning of one (veh_ab), or its name.")
]
NewVehicleId = Annotated[str | None, typer.Option("--id", metavar="ID", help="Vehicle id (veh_...).")]
NewVehicleName = Annotated[str | None, typer.Option("--name", metavar="TEXT", help="What people call it.")]
VehicleKey = Annotated[
    str | None, typer.Option("--public-key", metavar="KEY", help="Vehicle key, 33 bytes, base64url.")
]
AdvertisingKey = Annotated[
    str | None, typer.Option("--advertising-key", metavar="KEY", help="Advertising key, 16 bytes, base64url.")
]
DeviceName = Annotated[
    str, typer.Argument(metavar="DEVICE", help="Device id, the unique beginning of one (dev_ab), or its label.")
]
TenantName = Annotated[
    str | None,
    typer.Option(
        "--tenant",
        metavar="TENANT",
        help="Tenant id, the unique beginning of one (ten_ab), or its name. Default: your own, or default.",
        show_default=False,
    ),
]
AppName = Annotated[
    str, typer.Argument(metavar="APP", help="App id, the unique beginning of one (app_ab), or its name.")
]
Lasting = Annotated[
    str | None, typer.Option("--for", metavar="SPAN", help="How long the token is valid: 12h, 30d. Default 90d.")
]
Save = Annotated[
    Path | None,
    typer.Option(
        "--save",
        metavar="FILE",
        help="Write the token into this new file (0600), for --token-file, instead of showing it.",
    ),
]
KeyName = Annotated[
    str, typer.Argument(metavar="KEY", help="Key id, the unique beginning of one (key_ab), or its label.")
]


@dataclass(frozen=True, slots=True)
class Target:
    """Which gateway, and with which token; nothing is looked at before ``open``."""

    url: str | None
    token_file: Path | None
    data: Path | None = None

    def open(self, env: Callable[[], dict[str, str]] = lambda: dict(os.environ)) -> Gateway:
        """A client of the gateway. ``Failure`` if there is no token or the address makes no sense."""
        from keygw.cli.client import Gateway
        from keygw.cli.endpoint import endpoint

        return Gateway(endpoint(self.url, self.token_file, self.data, env()))
