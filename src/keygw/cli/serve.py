"""``keygw serve``: run the gateway."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from keygw.cli.settings import Config, Database, settings, without_password


class Level(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"


def serve(
    config: Config = None,
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
    database: Database = None,
    host: Annotated[
        str | None, typer.Option("--host", metavar="ADDRESS", help="Address to listen on. Default 127.0.0.1.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", metavar="PORT", min=0, max=65535, help="0 takes any free one. Default 8765."),
    ] = None,
    radio: Annotated[
        str | None,
        typer.Option(
            "--radio",
            metavar="SPEC",
            help="system (the adapter of the operating system, the default), none, or a Bumble transport such as "
            "tcp-client:127.0.0.1:7462, usb:0 or serial:/dev/ttyACM0,1000000.",
        ),
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option(
            "--trace", metavar="FILE", help="Write what goes over a Bumble transport into this new file, as btsnoop."
        ),
    ] = None,
    public_url: Annotated[
        str | None,
        typer.Option(
            "--public-url",
            metavar="URL",
            help="Where phones find this gateway, such as https://keys.example; links of invitations begin with it. "
            "Default: where it listens.",
        ),
    ] = None,
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(
            "--trusted-proxy",
            metavar="CIDR",
            help="Network of a proxy whose X-Forwarded-For, -Proto and -Host are believed; repeat it.",
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option("--tls-cert", metavar="FILE", help="Certificate chain, PEM: serve https.")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option("--tls-key", metavar="FILE", help="Its private key. Both are read again on SIGHUP.")
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option("--metrics", metavar="ADDRESS:PORT", help="Serve Prometheus there, apart from the API."),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(
            "--policy",
            metavar="FILE",
            help="Limits, access profiles and attestation, as TOML. Default: policy.toml in the data directory, if it "
            "is there.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Say readiness as one JSON line (ready, url, data, radio, ...).")
    ] = False,
    follow_stdin: Annotated[
        bool, typer.Option("--follow-stdin", help="End when stdin ends, for a supervisor that may die without goodbye.")
    ] = False,
    log_level: Annotated[
        Level | None,
        typer.Option("--log-level", metavar="LEVEL", help="debug, info, warning (the default) or error, on stderr."),
    ] = None,
    log_format: Annotated[
        Format | None, typer.Option("--log-format", metavar="FORMAT", help="text (the default), or json: one a line.")
    ] = None,
) -> int:
    """Run the gateway until Ctrl-C.

    What is not said here comes from $KEYGW_HOST, $KEYGW_PORT and so on, else from the file of --config, else from the
    defaults; keygw config show lists all of it. Beyond this machine it takes TLS, its own or a proxy's.
    """
    loaded = settings(
        config,
        {
            "data": data,
            "database": without_password(database),
            "host": host,
            "port": port,
            "radio": radio,
            "trace": trace,
            "public_url": public_url,
            "trusted_proxies": tuple(trusted_proxy) if trusted_proxy else None,
            "tls_cert": tls_cert,
            "tls_key": tls_key,
            "metrics": metrics,
            "policy": policy,
            "log_level": None if log_level is None else log_level.value,
            "log_format": None if log_format is None else log_format.value,
        },
    )
    from keygw.app.serve import serve as run

    return run(loaded.settings, json_ready=as_json, follow_stdin=follow_stdin, doubts=loaded.doubts)
