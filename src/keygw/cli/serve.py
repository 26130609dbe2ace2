"""``keygw serve``: run the gateway."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from keygw.cli.endpoint import checked_url, is_loopback
from keygw.cli.failure import usage
from keygw.cli.options import Radio
from keygw.cli.places import DEFAULT_PORT, data_dir


class Level(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def serve(
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="DIR",
            help="Where database and keys live; made at the first start, for its owner alone. Default: $KEYGW_DATA, "
            "else the user's data directory of this system.",
            show_default=False,
        ),
    ] = None,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", envvar="KEYGW_HOST", help="Loopback address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option("--port", metavar="PORT", envvar="KEYGW_PORT", min=0, max=65535, help="0 takes any free one."),
    ] = DEFAULT_PORT,
    radio: Radio = "system",
    public_url: Annotated[
        str | None,
        typer.Option(
            "--public-url",
            metavar="URL",
            envvar="KEYGW_PUBLIC_URL",
            help="Where phones find this gateway, such as https://keys.example; links of invitations begin with it. "
            "Default: where it listens.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Say readiness as one JSON line (ready, url, data, operator_token_file).")
    ] = False,
    follow_stdin: Annotated[
        bool, typer.Option("--follow-stdin", help="End when stdin ends, for a supervisor that may die without goodbye.")
    ] = False,
    log_level: Annotated[
        Level,
        typer.Option("--log-level", metavar="LEVEL", help="How much stderr is told: debug, info, warning, error."),
    ] = Level.WARNING,
) -> int:
    """Run the gateway until Ctrl-C.

    It speaks plain HTTP, so it listens on this machine only; for others, put a TLS proxy in front of it.
    """
    if not is_loopback(host) and not _cleartext():
        raise usage(
            "clear_text",
            f"on {host} tokens would cross the network in clear text",
            "listen on 127.0.0.1 behind a TLS proxy; KEYGW_UNSAFE_CLEARTEXT=1 listens there all the same",
        )
    if not radio.strip():
        raise usage("bad_radio", "an empty --radio says nothing", "use system, none, or tcp-client:HOST:PORT")
    public = None if public_url is None else _public(public_url)
    from keygw.app.config import ServeOptions
    from keygw.app.serve import serve as run

    return run(
        ServeOptions(
            data=data_dir(data),
            host=host,
            port=port,
            radio=radio,
            json_ready=as_json,
            follow_stdin=follow_stdin,
            log_level=log_level.value,
            public_url=public,
        )
    )


def _public(given: str) -> str:
    """``Failure`` (usage) bad_url, clear_text: what claims an invitation carries its secret."""
    url = checked_url(given)
    parts = urlsplit(url)
    if parts.scheme == "http" and not is_loopback(parts.hostname or "") and not _cleartext():
        raise usage(
            "clear_text",
            f"to {url} friends would send the secrets of their invitations in clear text",
            "name an https:// address; KEYGW_UNSAFE_CLEARTEXT=1 takes this one all the same",
        )
    return url


def _cleartext() -> bool:
    return os.environ.get("KEYGW_UNSAFE_CLEARTEXT") == "1"
